"""DeepLIFT's Rescale rule as a backward rule (Shrikumar et al. 2017).

The model runs on a batch of images followed by their references, one for each. A layer that is linear needs no rule. At
a ReLU, and at the places that a max-pooling window takes its maxima from, the slope is replaced by the multiplier
``difference of outputs / difference of inputs`` between an image and its reference.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lib.backward_rules import BackwardRule
from lib.census import PASSIVE_NODES
from lib.layer_calls import MaxPoolCall, ReLUCall


def same(a: Tensor, b: Tensor) -> Tensor:
    """Where two values differ by rounding at most: bool. Relative, because a destroyed deep net lives at 1e-19."""
    tolerance = 1e-12 if a.dtype == torch.float64 else 1e-6
    return (a - b).abs() <= tolerance * torch.maximum(a.abs(), b.abs())


class RescaleRule(BackwardRule):
    r"""Multipliers in place of slopes.

    - ReLU and ReLU6: :math:`m_\mathrm{in} = m_\mathrm{out}\,\Delta a / \Delta z`, and the plain gradient where
      :math:`\Delta z` is 0 up to rounding.
    - Max-pooling, with the image's maximum y at p and the reference's maximum at q: if the image's is larger, all of
      :math:`\Delta y` is put on p, :math:`m_p = m\,\Delta y / (x_p - \bar x_p)`; else on q. That difference of inputs
      is at least as large as :math:`\Delta y`, so no multiplier exceeds 1. Where it is 0, the multiplier is 1, on p.
    """

    title = "DeepLIFT"
    defined_for = "whose only non-linearities are ReLU, ReLU6 and max-pooling called as torch functions"
    passive = PASSIVE_NODES - {"MaxPool2DWithIndicesBackward0"}

    def relu(self, call: ReLUCall) -> Tensor:
        """The ratio of differences as the factor on the signal of the images; their references send none back."""
        (z, reference), (a, its_output) = call.z.detach().chunk(2), call.output().chunk(2)
        flat = same(z, reference)
        slope = (a - its_output) / torch.where(flat, 1.0, z - reference)
        multiplier = torch.where(flat, call.mask().chunk(2)[0].to(z.dtype), slope)
        return call.with_backward(torch.cat([multiplier, torch.zeros_like(multiplier)]))

    def max_pool(self, call: MaxPoolCall) -> Tensor:
        """Routes the signal to the maximum that decides the difference."""
        return _RescaledMaxPool.apply(call.input, call.options)


class _RescaledMaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: Tensor, options: dict[str, Any]) -> Tensor:
        output, places = F.max_pool2d(inputs, **options, return_indices=True)
        (x, reference), (p, q) = (each.flatten(2).chunk(2) for each in (inputs, places))
        y, its_maximum = output.flatten(2).chunk(2)
        larger = y >= its_maximum
        at = torch.where(larger, p, q)
        here, there = x.gather(2, at), reference.gather(2, at)
        flat = same(here, there)
        slope = (y - its_maximum) / torch.where(flat, 1.0, here - there)
        ctx.save_for_backward(torch.where(flat, p, at), torch.where(flat, 1.0, slope))
        ctx.shape = inputs.shape
        return output

    @staticmethod
    def backward(ctx: Any, signal: Tensor) -> tuple[Tensor, None]:
        at, multiplier = ctx.saved_tensors
        back = signal.new_zeros(ctx.shape).flatten(2)
        count = len(at)
        # Windows may overlap, so a pixel can be the maximum of several.
        back[:count].scatter_add_(2, at, signal.flatten(2)[:count] * multiplier)
        return back.unflatten(2, ctx.shape[2:]), None
