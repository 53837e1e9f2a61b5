"""Numbers about one map by itself: into how many pieces it falls, and what share of some pixels it calls positive."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from lib.similarity import absolute, signed

_NEIGHBOURS = np.ones((3, 3))
"""Pixels that touch at a corner belong together: a slanted stroke is one piece."""


def components(maps: Tensor) -> Tensor:
    """Number of connected components above half the largest absolute value: (N, C, H, W) -> (N,), float64.

    What Adebayo et al. 2018, section 4, see in GradCAM under random labels, "disconnected patches", as a count. NaN
    where a map is constant or not finite.
    """
    values = absolute(maps).unflatten(1, maps.shape[2:]).cpu().numpy()
    high = values > 0.5 * values.max(axis=(1, 2), keepdims=True)
    counts = torch.tensor([ndimage.label(each, _NEIGHBOURS)[1] for each in high], dtype=torch.float64)
    flat = torch.from_numpy(values).flatten(1)
    constant = (flat.amax(1) == flat.amin(1)) | ~flat.isfinite().all(1)
    return counts.masked_fill(constant, float("nan"))


def positive_share(maps: Tensor, mask: Tensor) -> Tensor:
    """Share of the pixels of a mask with positive relevance, channels summed: (N,), float64.

    Half is what a map of random signs gives.

    Parameters
    ----------
    maps : (N, C, H, W).
    mask : (N, H*W) bool.

    Returns
    -------
    (N,); NaN where the mask is empty or the map is not finite.
    """
    values = signed(maps)
    share = ((values > 0) & mask).sum(1).double() / mask.sum(1)
    return share.masked_fill(~values.isfinite().all(1), float("nan")).cpu()
