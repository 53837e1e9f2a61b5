"""Similarity of two maps of one image: rank correlation on all pixels or on the foreground, and sign agreement.

Everything is batched over images and runs where the maps are. A constant map has no rank correlation: it gives
NaN, which is counted and shown, never hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

METRICS = ("spearman_abs", "spearman", "spearman_abs_fg", "spearman_fg", "sign_agreement_fg")


def absolute(maps: Tensor) -> Tensor:
    """Channel reduction without sign: the sum of absolute values, (N, C, H, W) -> (N, H*W)."""
    return maps.abs().sum(1).flatten(1)


def signed(maps: Tensor) -> Tensor:
    """Channel reduction with sign: the sum, (N, C, H, W) -> (N, H*W)."""
    return maps.sum(1).flatten(1)


def ranks(values: Tensor) -> Tensor:
    """Ranks from 1, ties sharing their average rank: (N, D) -> (N, D), float64."""
    ordered = values.sort(dim=1).values
    below = torch.searchsorted(ordered, values.contiguous(), right=False)
    up_to = torch.searchsorted(ordered, values.contiguous(), right=True)
    return (below + up_to + 1).double() / 2


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
    first, second = RankedMaps(a), RankedMaps(b)
    return _correlation(first.absolute, second.absolute) if absolute else _correlation(first.signed, second.signed)


@dataclass(frozen=True)
class _Centred:
    """Centred ranks (N, D) and their norms (N,); pixels that do not count are 0."""

    values: Tensor
    norms: Tensor


def _centred_ranks(values: Tensor, mask: Tensor | None = None) -> _Centred:
    """Centre ranks and note their norm; with a mask, rank the pixels inside it only.

    A pixel outside the mask is set to infinity: it then ranks behind all others and changes no rank inside.
    """
    undefined = ~values.isfinite().all(1)
    if mask is None:
        ranked = ranks(values)
        centred = ranked - ranked.mean(1, keepdim=True)
    else:
        ranked = ranks(values.masked_fill(~mask, float("inf")))
        count = mask.sum(1, keepdim=True)
        mean = (ranked * mask).sum(1, keepdim=True) / count
        centred = (ranked - mean) * mask
    norms = centred.square().sum(1).sqrt()
    norms[undefined] = float("nan")
    return _Centred(centred, norms)


def _correlation(a: _Centred, b: _Centred) -> Tensor:
    """Correlation of centred ranks; 0/0, from a constant map, is NaN."""
    return (a.values * b.values).sum(1) / (a.norms * b.norms)


class RankedMaps:
    """Maps prepared for comparison: what can be known of one side is computed once.

    Parameters
    ----------
    maps : (N, C, H, W).
    foreground : (N, H*W) bool; needed for the foreground metrics.
    """

    def __init__(self, maps: Tensor, foreground: Tensor | None = None) -> None:
        self.maps = maps
        self.absolute_values = absolute(maps)
        self.signed_values = signed(maps)
        self.foreground = foreground
        self.absolute = _centred_ranks(self.absolute_values)
        self.signed = _centred_ranks(self.signed_values)
        if foreground is not None:
            self.absolute_fg = _centred_ranks(self.absolute_values, foreground)
            self.signed_fg = _centred_ranks(self.signed_values, foreground)

    def of_other_images(self) -> RankedMaps:
        """The same maps half a batch further on: each image gets another one's map, ranked on its own foreground."""
        return RankedMaps(self.maps.roll(len(self.maps) // 2, 0), self.foreground)


def compare(a: RankedMaps, b: RankedMaps, metrics: Sequence[str] = METRICS) -> dict[str, Tensor]:
    """Some of the `METRICS` between two batches of maps over the same foreground: metric name -> (N,), float64."""
    mask = a.foreground
    assert mask is not None
    known = {
        "spearman_abs": lambda: _correlation(a.absolute, b.absolute),
        "spearman": lambda: _correlation(a.signed, b.signed),
        "spearman_abs_fg": lambda: _correlation(a.absolute_fg, b.absolute_fg),
        "spearman_fg": lambda: _correlation(a.signed_fg, b.signed_fg),
        "sign_agreement_fg": lambda: sign_agreement(a.signed_values, b.signed_values, mask),
    }
    return {metric: known[metric]() for metric in metrics}


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
