"""The sum-pooled convolution: its gradient in closed form, its activation patterns, and its dense and stacked kin."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lib import compute

OFFSETS = (-1, 0, 1)
"""Places of a 3x3 filter, from its middle."""

PATTERNS = 2**9
"""On-off patterns of a neighbourhood of 3x3 pixels."""

INDICES = ("minus", "plus")


class SumPool(nn.Module):
    """Layers with a ReLU after each, and the sum of all that comes out: (N, 1, H, W) -> (N, 1), nothing else."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())))

    def forward(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.layers(x).flatten(1).sum(1, keepdim=True)
        return pooled


def convolutional(filters: Sequence[Tensor]) -> SumPool:
    r"""Convolutions of 3x3 pixels with zero padding, without biases; one layer is :math:`\sum \mathrm{ReLU}(w * x)`.

    Parameters
    ----------
    filters : of each layer, (out, in, 3, 3); the first takes 1 channel.
    """
    layers = []
    for weight in filters:
        layer = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1, bias=False).to(weight)
        with torch.no_grad():
            layer.weight.copy_(weight)
        layers.append(layer)
    return SumPool(layers).requires_grad_(False)


def dense(weight: Tensor) -> SumPool:
    """A dense layer without biases in the place of the convolution: weights (hidden, H*W)."""
    # Made without memory first: as large as the square of an image.
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    layer.weight = nn.Parameter(weight, requires_grad=False)
    return SumPool([nn.Sequential(nn.Flatten(), layer)]).requires_grad_(False)


def random_filters(draw: int, layers: int = 1, channels: int = 1, seed: int = 0) -> list[Tensor]:
    """Filters from the standard normal law, float64; without biases their scale does not matter to any map."""
    widths = [1] + [channels] * layers
    return [
        torch.randn(
            widths[number + 1], widths[number], 3, 3, dtype=torch.float64,
            generator=compute.generator(seed, "filters", draw, number, channels),
        )
        for number in range(layers)
    ]  # fmt: skip


def random_dense(draw: int, pixels: int, seed: int = 0) -> Tensor:
    """Weights of as many hidden units as pixels, from the normal law of variance 1 / pixels: (pixels, pixels)."""
    generator = compute.generator(seed, "dense control", draw, pixels)
    return torch.randn(pixels, pixels, generator=generator) / math.sqrt(pixels)


def preactivation(images: Tensor, filter_: Tensor) -> Tensor:
    """What the filter (3, 3) answers at each place, as PyTorch computes it: (N, 1, H, W) -> (N, H, W)."""
    return F.conv2d(images, filter_[None, None], padding=1)[:, 0]


def gradient_in_closed_form(
    images: Tensor, filter_: Tensor, slope_at_zero: float = 0.0, index: str = "minus"
) -> Tensor:
    r"""The gradient of a sum-pooled 3x3 convolution.

    .. math:: \frac{\partial l}{\partial x_{ij}} = \sum_{k,m=-1}^{1} a_{i-k,\,j-m}\, w_{km}, \quad
              a = \mathbb 1[w * x > 0]

    Outside the image a is 0, so it holds at the borders too.

    Parameters
    ----------
    images : (N, 1, H, W).
    filter_ : (3, 3), applied as PyTorch does, without turning it over.
    slope_at_zero : the derivative of ReLU at 0; 0 in PyTorch, 1 in Adebayo et al. 2018 (section 5.3).
    index : ``minus`` as above; ``plus`` for :math:`a_{i+k,\,j+m}`, as the paper prints it, which is right for a filter
        that is turned over, the convolution of mathematics.

    Returns
    -------
    (N, 1, H, W).
    """
    height, width = images.shape[2:]
    answer = preactivation(images, filter_)
    active = (answer > 0).to(images) + slope_at_zero * (answer == 0).to(images)
    padded = F.pad(active, (1, 1, 1, 1))
    sign = -1 if index == "minus" else 1
    gradient = torch.zeros_like(active)
    for k in OFFSETS:
        for m in OFFSETS:
            top, left = 1 + sign * k, 1 + sign * m
            gradient += filter_[k + 1, m + 1] * padded[:, top : top + height, left : left + width]
    return gradient.unsqueeze(1)


def pattern_codes(active: Tensor) -> Tensor:
    """Number the on-off pattern of each pixel's 3x3 neighbourhood from 0 (all off) to 511 (all on).

    Parameters
    ----------
    active : (N, H, W) bool; outside the image all is off.

    Returns
    -------
    (N, H, W), int64; bit 0 is the neighbour above left, bit 8 the one below right.
    """
    height, width = active.shape[1:]
    padded = F.pad(active.long(), (1, 1, 1, 1))
    codes = torch.zeros_like(active, dtype=torch.int64)
    for bit in range(9):
        row, column = divmod(bit, 3)
        codes += padded[:, row : row + height, column : column + width] << bit
    return codes


def spread_within_patterns(maps: Tensor, codes: Tensor) -> Tensor:
    """The largest difference between two pixels of one image that have the same pattern.

    Parameters
    ----------
    maps : (N, 1, H, W).
    codes : (N, H, W), see `pattern_codes`.

    Returns
    -------
    (N,), of the maps' type.
    """
    values, groups = maps[:, 0].flatten(1), codes.flatten(1)
    extremes = []
    for reduce, start in (("amax", -math.inf), ("amin", math.inf)):
        empty = values.new_full((len(values), PATTERNS), start)
        extremes.append(empty.scatter_reduce(1, groups, values, reduce))
    spread = extremes[0] - extremes[1]
    # Patterns that do not occur are -inf.
    return spread.amax(1)


def distinct_values(maps: Tensor, tolerance: float = 1e-10) -> Tensor:
    """How many values each map takes: (N, ...) -> (N,), int64.

    Parameters
    ----------
    maps : (N, ...).
    tolerance : neighbours in size that differ by no more, relative to the largest absolute value, are one value.
    """
    ordered = maps.flatten(1).sort(1).values
    apart = ordered.diff(dim=1) > tolerance * ordered.abs().amax(1, keepdim=True)
    return 1 + apart.sum(1)
