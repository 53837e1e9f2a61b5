"""Histograms of oriented gradients (HOG, Dalal and Triggs 2005) of two-dimensional maps, and their correlation.

Features are scikit-image's, one map at a time: 10 ms on one core for a map of 299x299. That is a hundredth of the
work behind the map where SmoothGrad is among the methods, since it costs 50 passes of 75 ms (EfficientNet-Lite0). It
is an eighth of it for a method of a single pass; a run of such methods only, or on a GPU, may leave HOG out.
"""

from __future__ import annotations

import numpy as np
import torch
from skimage.feature import hog
from torch import Tensor

from lib.correlation import Centred, correlation
from lib.errors import StudyError

CELL = 16
"""Side of a cell in pixels."""

BLOCK = 3
"""Side of a block in cells."""

ORIENTATIONS = 9


def check_size(height: int, width: int) -> None:
    """Raise `StudyError` unless a map holds a block of cells."""
    least = CELL * BLOCK
    if min(height, width) < least:
        raise StudyError(
            f"HOG needs maps of at least {least}x{least} pixels, not {height}x{width}; leave it out for them."
        )


def hog_features(maps: Tensor) -> Tensor:
    """HOG features of maps (N, H, W) scaled to [-1, 1]: (N, F), float64; NaN where a map is not finite.

    Nine orientations, cells of 16x16 pixels, blocks of 3x3 cells, L2-Hys; 20736 features for 299x299 pixels.
    """
    check_size(*maps.shape[1:])
    features = [
        hog(
            each,
            orientations=ORIENTATIONS,
            pixels_per_cell=(CELL, CELL),
            cells_per_block=(BLOCK, BLOCK),
            block_norm="L2-Hys",
        )
        for each in maps.double().nan_to_num(0.0, 0.0, 0.0).cpu().numpy()
    ]
    undefined = ~maps.flatten(1).isfinite().all(1, keepdim=True)
    return torch.from_numpy(np.stack(features)).to(maps.device).masked_fill(undefined, float("nan"))


def hog_correlation(a: Tensor, b: Tensor, ranks: bool = False) -> Tensor:
    """Correlation of the HOG features of two batches of maps.

    Parameters
    ----------
    a, b : (N, H, W), scaled to [-1, 1].
    ranks : Spearman's correlation, as in the released code of Adebayo et al. 2018, instead of Pearson's, as in print.

    Returns
    -------
    (N,), float64; NaN where a map is constant or not finite.
    """
    centred = Centred.of_ranks if ranks else Centred.of
    return correlation(centred(hog_features(a)), centred(hog_features(b)))
