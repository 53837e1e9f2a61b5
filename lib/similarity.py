"""Similarity of two maps of one image: rank correlation, sign agreement, SSIM and HOG.

Everything is batched over images and runs where the maps are. A constant map has no rank correlation and no SSIM: it
gives NaN, which is counted and shown, never hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from lib.correlation import Centred, correlation
from lib.errors import StudyError
from lib.hog import check_size, hog_features
from lib.ssim import Windowed, check_window, ssim_of

RANK_METRICS = ("spearman_abs", "spearman", "spearman_abs_fg", "spearman_fg", "sign_agreement_fg")
"""What every run compares; none of them depends on the scale of a map."""

METRICS = (*RANK_METRICS, "ssim", "ssim_flip", "ssim_released", "hog", "hog_released")
"""All that can be asked for. ``ssim`` and ``hog`` compare signed sums over channels divided by their largest absolute
value, as printed in Adebayo et al. 2018 (window of 5x5 pixels; Pearson's correlation of HOG features). ``ssim_flip`` is
the larger SSIM of a map with the other and with its negative. As in the authors' released code: ``ssim_released`` has
Gaussian windows on absolute maps stretched to [0, 1], ``hog_released`` is Spearman's correlation."""

NORMALISATIONS = ("max", "p99", "std")

_PIXELS_AT_ONCE = 2**17
"""Pixels that are compared together on a CPU: 167 maps of 28x28, one of 299x299. Larger parts leave its cache, and
getting memory for them takes longer than all arithmetic."""


def absolute(maps: Tensor) -> Tensor:
    """Channel reduction without sign: the sum of absolute values, (N, C, H, W) -> (N, H*W)."""
    return maps.abs().sum(1).flatten(1)


def signed(maps: Tensor) -> Tensor:
    """Channel reduction with sign: the sum, (N, C, H, W) -> (N, H*W)."""
    return maps.sum(1).flatten(1)


def largest(maps: Tensor) -> Tensor:
    """Channel reduction without sign: the largest absolute value, (N, C, H, W) -> (N, H*W)."""
    return maps.abs().amax(1).flatten(1)


def normalised(maps: Tensor, by: str = "max") -> Tensor:
    """Divide each map by a scale of its own.

    Parameters
    ----------
    maps : (N, ...).
    by : ``max``, the largest absolute value: nothing is lost, but one pixel sets the scale. ``p99``, the 99th
        percentile of the absolute values, with what exceeds it clipped to -1 or 1: for display, and for metrics that
        one pixel must not rule; clipping makes ties, so not for ranks. ``std``, the root of the mean square, which
        every pixel sets, so that values of different maps and models can be compared; not bounded by 1.

    Returns
    -------
    Same shape, float64; NaN where the scale is 0 or not finite.
    """
    check_normalisation(by)
    values = maps.flatten(1).double()
    # Divided by the largest first: the square of a gradient of 1e-200 would be 0.
    values = values / values.abs().amax(1, keepdim=True)
    if by == "p99":
        scale = values.abs().quantile(0.99, dim=1, keepdim=True)
        values = (values / scale).clip(-1, 1).masked_fill(scale == 0, float("nan"))
    if by == "std":
        values = values / values.square().mean(1, keepdim=True).sqrt()
    return values.view_as(maps)


def stretched(maps: Tensor) -> Tensor:
    """Shift and scale each map so that it reaches from 0 to 1: (N, ...), float64; NaN where a map is constant."""
    values = maps.flatten(1).double()
    lowest = values.amin(1, keepdim=True)
    return ((values - lowest) / (values.amax(1, keepdim=True) - lowest)).view_as(maps)


def spearman(a: Tensor, b: Tensor, absolute: bool = True) -> Tensor:
    """Spearman's rank correlation of two batches of maps, with average ranks for ties.

    Parameters
    ----------
    a, b : (N, C, H, W).
    absolute : compare sums over channels of absolute values, else signed sums.

    Returns
    -------
    (N,), float64; NaN where a map is constant or not finite.
    """
    metric = "spearman_abs" if absolute else "spearman"
    return compare(PreparedMaps(a), PreparedMaps(b), [metric])[metric]


class PreparedMaps:
    """Maps prepared for comparison: what a metric must know of one side is computed once, when first asked for.

    Parameters
    ----------
    maps : (N, C, H, W).
    foreground : (N, H*W) bool; needed for the foreground metrics.
    normalisation : one of `NORMALISATIONS`, what SSIM and HOG divide maps by.
    """

    def __init__(self, maps: Tensor, foreground: Tensor | None = None, normalisation: str = "max") -> None:
        self.maps = maps
        size = max(1, _PIXELS_AT_ONCE // maps[0, 0].numel()) if maps.device.type == "cpu" else len(maps)
        few = maps.split(size)
        masks = [None] * len(few) if foreground is None else foreground.split(size)
        self.parts = [Part(*each, normalisation) for each in zip(few, masks, strict=True)]


class Part:
    """A few of the maps of `PreparedMaps`, with the same parameters."""

    def __init__(self, maps: Tensor, foreground: Tensor | None, normalisation: str) -> None:
        self.maps = maps
        self.normalisation = normalisation
        self._foreground = foreground

    @property
    def foreground(self) -> Tensor:
        """Pixels that are not background: (N, H*W) bool."""
        if self._foreground is None:
            raise StudyError("A metric on the foreground needs the foreground of the images; pass it with the maps.")
        return self._foreground

    @cached_property
    def absolute_values(self) -> Tensor:
        """Sums over channels of absolute values: (N, H*W)."""
        return absolute(self.maps)

    @cached_property
    def signed_values(self) -> Tensor:
        """Sums over channels: (N, H*W)."""
        return signed(self.maps)

    @cached_property
    def absolute(self) -> Centred:
        """Ranks of the absolute values."""
        return Centred.of_ranks(self.absolute_values)

    @cached_property
    def signed(self) -> Centred:
        """Ranks of the signed values."""
        return Centred.of_ranks(self.signed_values)

    @cached_property
    def absolute_fg(self) -> Centred:
        """Ranks of the absolute values among the foreground."""
        return Centred.of_ranks(self.absolute_values, self.foreground)

    @cached_property
    def signed_fg(self) -> Centred:
        """Ranks of the signed values among the foreground."""
        return Centred.of_ranks(self.signed_values, self.foreground)

    @cached_property
    def windows(self) -> Windowed:
        """Windows of the normalised signed maps."""
        return Windowed.of(self._normalised)

    @cached_property
    def windows_released(self) -> Windowed:
        """Gaussian windows of the absolute maps, stretched to [0, 1]."""
        return Windowed.of(self._plane(stretched(self.absolute_values)), "gaussian")

    @cached_property
    def hog(self) -> Centred:
        """HOG features."""
        return Centred.of(self._hog_features)

    @cached_property
    def hog_ranks(self) -> Centred:
        """Ranks of the HOG features."""
        return Centred.of_ranks(self._hog_features)

    @cached_property
    def _hog_features(self) -> Tensor:
        return hog_features(self._normalised)

    @cached_property
    def _normalised(self) -> Tensor:
        return self._plane(normalised(self.signed_values, self.normalisation))

    def _plane(self, values: Tensor) -> Tensor:
        """(N, H*W) -> (N, H, W)."""
        return values.unflatten(1, self.maps.shape[2:])


def _flipped(a: Part, b: Part) -> Tensor:
    """The larger SSIM of a map with another and with its negative."""
    return torch.maximum(ssim_of(a.windows, b.windows), ssim_of(a.windows, b.windows.negative()))


_FUNCTIONS: dict[str, Callable[[Part, Part], Tensor]] = {
    "spearman_abs": lambda a, b: correlation(a.absolute, b.absolute),
    "spearman": lambda a, b: correlation(a.signed, b.signed),
    "spearman_abs_fg": lambda a, b: correlation(a.absolute_fg, b.absolute_fg),
    "spearman_fg": lambda a, b: correlation(a.signed_fg, b.signed_fg),
    "sign_agreement_fg": lambda a, b: sign_agreement(a.signed_values, b.signed_values, a.foreground),
    "ssim": lambda a, b: ssim_of(a.windows, b.windows),
    "ssim_flip": _flipped,
    "ssim_released": lambda a, b: ssim_of(a.windows_released, b.windows_released),
    "hog": lambda a, b: correlation(a.hog, b.hog),
    "hog_released": lambda a, b: correlation(a.hog_ranks, b.hog_ranks),
}


def check_normalisation(word: str) -> None:
    """Raise `StudyError` unless the normalisation is known."""
    if word not in NORMALISATIONS:
        raise StudyError(f"normalisation is {word!r}; choose one of {', '.join(NORMALISATIONS)}.")


def check_metrics(metrics: Sequence[str], height: int, width: int) -> None:
    """Raise `StudyError` unless every metric is known, named once, and defined for maps of this size."""
    if not set(metrics) <= set(METRICS) or len(set(metrics)) < len(metrics):
        raise StudyError(f"metrics is {list(metrics)}; name each of {', '.join(METRICS)} at most once.")
    if {"ssim", "ssim_flip"} & set(metrics):
        check_window("uniform", height, width)
    if "ssim_released" in metrics:
        check_window("gaussian", height, width)
    if {"hog", "hog_released"} & set(metrics):
        check_size(height, width)


def compare(a: PreparedMaps, b: PreparedMaps, metrics: Sequence[str] = RANK_METRICS) -> dict[str, Tensor]:
    """Some of the `METRICS` between two batches of maps over the same foreground: metric name -> (N,), float64."""
    pairs = list(zip(a.parts, b.parts, strict=True))
    return {metric: torch.cat([_FUNCTIONS[metric](*pair) for pair in pairs]) for metric in metrics}


def sign_agreement(a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
    """Share of pixels with the same sign, among the pixels of the mask where neither map is 0: (N, D) -> (N,).

    NaN where no pixel is left, or a map is not finite.
    """
    decided = mask & (a != 0) & (b != 0)
    share = ((a > 0) == (b > 0)).logical_and(decided).sum(1).double() / decided.sum(1)
    return share.masked_fill(~(a.isfinite() & b.isfinite()).all(1), float("nan"))


def foreground(images: Tensor, background: float) -> Tensor:
    """Pixels that are not background in some channel: (N, C, H, W) -> bool (N, H*W)."""
    return (images != background).any(1).flatten(1)


def tie_floor(zero_share: Tensor, correlation: float | Tensor = 0.0) -> Tensor:
    r"""Spearman of absolute maps that share their zeros and are otherwise correlated by r (derived here).

    .. math:: \rho_a = \frac{3 p_0 + (1 - p_0)^2 r}{3 p_0 + (1 - p_0)^2}

    Parameters
    ----------
    zero_share : p0, the share of pixels on which both maps are 0; any shape.
    correlation : r, the rank correlation on the remaining pixels.
    """
    rest = (1.0 - zero_share) ** 2
    return (3.0 * zero_share + rest * correlation) / (3.0 * zero_share + rest)
