"""Structural similarity (SSIM, Wang et al. 2004) of two-dimensional maps, batched, in float64.

As in scikit-image's ``structural_similarity`` with ``data_range=2``: sample covariances, and the mean over the windows
that lie wholly inside the map. Maps are scaled to [-1, 1] by the caller. Most windows of a heavy-tailed map vary less
than the stabilising constants, so that two unrelated maps come out similar: read an SSIM beside its null.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lib.errors import StudyError

WINDOWS = {"uniform": 5, "gaussian": 11}
"""Side of a window in pixels; the Gaussian one has a standard deviation of 1.5 pixels, cut off at 3.5 of them."""

_SIGMA = 1.5
_RANGE = 2.0
_LUMINANCE = (0.01 * _RANGE) ** 2 / 2
_CONTRAST = (0.03 * _RANGE) ** 2 / 2
"""Half of the constants that keep SSIM's two quotients finite."""


@dataclass(frozen=True)
class Windowed:
    """What can be known of one side of a comparison: maps and the statistics of their windows.

    Attributes
    ----------
    window : a word of `WINDOWS`.
    maps : (N, H, W), float64.
    means : (N, h, w), of the windows.
    luminance : mean squared, plus its constant, halved.
    contrast : variance, plus its constant, halved.
    constant : (N,) bool; what is not finite needs no mark, its windows are NaN.
    """

    window: str
    maps: Tensor
    means: Tensor
    luminance: Tensor
    contrast: Tensor
    constant: Tensor

    @classmethod
    def of(cls, maps: Tensor, window: str = "uniform") -> Windowed:
        """Prepare maps (N, H, W)."""
        check_window(window, *maps.shape[1:])
        maps = maps.double()
        constant = maps.amax((1, 2)) == maps.amin((1, 2))
        means = _window_means(maps, window)
        squared = means.square()
        variances = _window_means(maps.square(), window).sub_(squared)
        luminance = squared.add_(_LUMINANCE).div_(2)
        contrast = variances.add_(_contrast_constant(window)).div_(2)
        return cls(window, maps, means, luminance, contrast, constant)

    def negative(self) -> Windowed:
        """The same maps with the opposite sign."""
        return Windowed(self.window, -self.maps, -self.means, self.luminance, self.contrast, self.constant)


def ssim(a: Tensor, b: Tensor, window: str = "uniform") -> Tensor:
    r"""Mean SSIM over all windows.

    .. math::

        \frac{2 \mu_a \mu_b + C_1}{\mu_a^2 + \mu_b^2 + C_1}
        \cdot \frac{2 \sigma_{ab} + C_2}{\sigma_a^2 + \sigma_b^2 + C_2}

    Both factors change sign with the other map, so that windows which are not 0 on average see little of a sign.

    Parameters
    ----------
    a, b : (N, H, W), scaled to [-1, 1].
    window : ``uniform``, 5x5 pixels, or ``gaussian``, 11x11 pixels weighted with a standard deviation of 1.5 pixels.

    Returns
    -------
    (N,), float64; NaN where a map is constant or not finite.
    """
    return ssim_of(Windowed.of(a, window), Windowed.of(b, window))


def ssim_of(a: Windowed, b: Windowed) -> Tensor:
    """`ssim` of prepared maps, with the same window; in place where possible, since memory is the whole cost."""
    product = a.means * b.means
    covariance = _window_means(a.maps * b.maps, a.window).sub_(product)
    similarity = product.add_(_LUMINANCE).mul_(covariance.add_(_contrast_constant(a.window)))
    similarity.div_((a.luminance + b.luminance).mul_(a.contrast + b.contrast))
    return similarity.mean((1, 2)).masked_fill(a.constant | b.constant, float("nan"))


def check_window(window: str, height: int, width: int) -> None:
    """Raise `StudyError` unless the window is known and fits into the maps."""
    if window not in WINDOWS:
        raise StudyError(f"The window of SSIM is {window!r}; choose one of {', '.join(WINDOWS)}.")
    side = WINDOWS[window]
    if min(height, width) < side:
        raise StudyError(
            f"SSIM compares windows of {side}x{side} pixels, and the maps have {height}x{width}; leave it out for them."
        )


def _contrast_constant(window: str) -> float:
    """Half of SSIM's second constant, for population covariances: scikit-image takes sample covariances instead."""
    count = WINDOWS[window] ** 2
    return _CONTRAST * (count - 1) / count


def _window_means(fields: Tensor, window: str) -> Tensor:
    """Weighted mean over every window inside a field: (N, H, W) -> (N, h, w)."""
    along = _sums_of_five if window == "uniform" else _gaussian_means
    found = along(along(fields, 1), 2)
    return found.div_(WINDOWS[window] ** 2) if window == "uniform" else found


def _sums_of_five(fields: Tensor, axis: int) -> Tensor:
    """Sum of every five neighbours along an axis, in three additions."""
    length = fields.shape[axis]
    pairs = fields.narrow(axis, 0, length - 1) + fields.narrow(axis, 1, length - 1)
    fours = pairs.narrow(axis, 0, length - 4) + pairs.narrow(axis, 2, length - 4)
    return fours.add_(fields.narrow(axis, 4, length - 4))


def _gaussian_means(fields: Tensor, axis: int) -> Tensor:
    """Gaussian mean of every eleven neighbours along an axis."""
    side = WINDOWS["gaussian"]
    weights = [math.exp(-((place - side // 2) ** 2) / (2 * _SIGMA**2)) for place in range(side)]
    length = fields.shape[axis] - side + 1
    found = torch.zeros_like(fields.narrow(axis, 0, length))
    for place, weight in enumerate(weights):
        found.add_(fields.narrow(axis, place, length), alpha=weight / sum(weights))
    return found
