"""Laws that weights are drawn from, at first and when a unit is re-initialised.

A *law* turns independent uniform numbers in (0, 1) into the values of one tensor. All laws start from the same
uniform numbers, so two laws can be compared draw by draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Law = Callable[[str, Tensor, Tensor], Tensor]
"""``law(name, trained, uniform) -> values``: the tensor's name in the state dict, its trained values (for shape
and fan-in), and uniform numbers of the same shape."""

_CUT = 2.0
"""TensorFlow's truncated normal cuts at two standard deviations; Adebayo et al. used it."""


def truncated_normal(uniform: Tensor, std: float) -> Tensor:
    """Turn uniform numbers into a normal law with mean 0, cut at two standard deviations.

    ``std`` is the standard deviation before the cut; after it the law's own is 0.8796 ``std``.
    (`torch.nn.init.trunc_normal_` cuts at the absolute values -2 and 2 unless told otherwise.)
    """
    inside = math.erf(_CUT / math.sqrt(2.0))
    return std * math.sqrt(2.0) * torch.erfinv((2.0 * uniform - 1.0) * inside)


def constant(uniform: Tensor, value: float) -> Tensor:
    """Ignore the uniform numbers and return a constant tensor."""
    return torch.full_like(uniform, value)


def fan_in(weight: Tensor) -> int:
    """The number of inputs of one neuron of a linear ``(out, in)`` or conv ``(out, in, h, w)`` weight."""
    return weight[0].numel()


def draw(law: Law, name: str, trained: Tensor, generator: torch.Generator) -> Tensor:
    """Draw one tensor from a law, in its dtype; uniform numbers are made in float64 on the CPU."""
    uniform = torch.rand(trained.shape, generator=generator, dtype=torch.float64)
    return law(name, trained, uniform).to(trained)
