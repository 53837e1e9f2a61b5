"""One picture in one frame: an image in grey, a map with its signs, or one without."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

_SHOWN = 99.0
"""Maps are shown up to this percentile of their absolute values; similarities are computed on unclipped maps."""


def bare(axis: Axes) -> None:
    """Leave nothing of an axis but what is drawn in it, and its titles."""
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)


def show_grey(axis: Axes, picture: np.ndarray) -> None:
    """Show an image (H, W) in grey, 0 black and the largest value white."""
    axis.imshow(picture, cmap="gray", vmin=0.0, vmax=picture.max() or 1.0, interpolation="nearest")


def show_signed(axis: Axes, picture: np.ndarray, percentile: float = _SHOWN) -> None:
    """Show a map (H, W) with its signs, red above and blue below 0, up to a percentile of its absolute values."""
    limit = _limit(np.abs(picture), percentile)
    # Each pixel a square of one colour; at some sizes the default would blur them.
    axis.imshow(picture, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")


def show_positive(axis: Axes, picture: np.ndarray) -> None:
    """Show a map (H, W) without signs, black where it is 0, up to its 99th percentile."""
    axis.imshow(picture, cmap="magma", vmin=0.0, vmax=_limit(picture, _SHOWN), interpolation="nearest")


def _limit(positive: np.ndarray, percentile: float) -> float:
    """Where the colours end, also where most pixels, or all, are 0."""
    return float(np.percentile(positive, percentile) or positive.max() or 1.0)
