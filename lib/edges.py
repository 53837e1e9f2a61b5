"""The edges of an image: which pixels they are, how well a map finds them, and the image with nothing else left."""

from __future__ import annotations

import torch
from skimage.filters import sobel
from torch import Tensor

from lib.correlation import ranks
from lib.errors import StudyError

SHARE = 0.2
"""An edge pixel is one of this share of pixels with the largest Sobel magnitude, if that is above 0."""

_STEPS = 1e-5
"""Values of a map that differ by less than this, relative to the largest, are ties."""


def luminance(images: Tensor) -> Tensor:
    """Grey images: (N, 1 or 3, H, W) -> (N, 1, H, W); colours are weighted by Rec. 709, as scikit-image does."""
    channels = images.shape[1]
    if channels == 1:
        return images
    if channels != 3:
        raise StudyError(f"The images have {channels} channels; grey images (1) or colours (3) are needed.")
    weights = torch.tensor([0.2125, 0.7154, 0.0721], dtype=images.dtype, device=images.device)
    return (images * weights.view(1, 3, 1, 1)).sum(1, keepdim=True)


def magnitude(images: Tensor) -> Tensor:
    """Sobel's magnitude of grey images (N, 1, H, W): the same shape."""
    planes = [torch.from_numpy(sobel(image[0].cpu().numpy())) for image in images]
    return torch.stack(planes).unsqueeze(1).to(images)


def edge_pixels(images: Tensor) -> Tensor:
    """The edge pixels of grey images, see `SHARE`: (N, 1, H, W) -> bool (N, H*W)."""
    strength = magnitude(images).flatten(1).double()
    return (strength > 0) & (strength >= strength.quantile(1 - SHARE, dim=1, keepdim=True))


def edge_auc(maps: Tensor, edges: Tensor) -> Tensor:
    r"""How well :math:`|E - \operatorname{median} E|` tells edge pixels from the others: an area under a ROC curve.

    It is the chance that an edge pixel stands out more than another pixel; 0.5 for a map that knows nothing, 1 for the
    edges themselves.

    Parameters
    ----------
    maps : (N, C, H, W), summed over channels.
    edges : (N, H*W) bool.

    Returns
    -------
    (N,), float64; NaN where an image has no edge pixels, or no others.
    """
    values = maps.double().sum(1).flatten(1)
    apart = (values - values.median(1, keepdim=True).values).abs()
    largest = apart.amax(1, keepdim=True)
    # Pixels with equal neighbourhoods have equal gradients up to the last bits, which must not rank them.
    ranked = ranks((apart / largest.masked_fill(largest == 0, 1.0) / _STEPS).round())
    count = edges.sum(1).double()
    others = edges.shape[1] - count
    return ((ranked * edges).sum(1) - count * (count + 1) / 2) / (count * others)


def edges_only(images: Tensor) -> Tensor:
    r"""Images of which only the edges are left: :math:`x \odot e`, with Sobel's magnitude e scaled to [0, 1].

    Parameters
    ----------
    images : (N, 1 or 3, H, W); colours share the edges of their luminance. A constant image becomes 0.
    """
    strength = magnitude(luminance(images))
    largest = strength.flatten(1).amax(1).view(-1, 1, 1, 1)
    return images * strength / largest.masked_fill(largest == 0, 1.0)
