"""Laws that weights are drawn from, at first and when a unit is re-initialised.

A *law* turns independent uniform numbers in (0, 1) into the values of one tensor. All laws start from the same
uniform numbers, so two laws can be compared draw by draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from lib.errors import StudyError

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


UNIFORM_BOUND = 0.01524
"""Bound of the uniform law that has the variance of the truncated normal with std 0.01 (0.8796 * 0.01 * sqrt(3))."""


def uniform_law(uniform: Tensor, bound: float) -> Tensor:
    """Stretch the uniform numbers to (-bound, bound)."""
    return bound * (2.0 * uniform - 1.0)


def kaiming_law(name: str, trained: Tensor, uniform: Tensor) -> Tensor:
    """He et al. 2015: weights normal with variance 2 / fan-in; biases 0 and scales of a normalisation 1, as usual."""
    if trained.dim() < 2:
        return constant(uniform, 0.0 if name.endswith("bias") else 1.0)
    return math.sqrt(2.0 / fan_in(trained)) * math.sqrt(2.0) * torch.erfinv(2.0 * uniform - 1.0)


def own_law(model: nn.Module) -> Law:
    """The initialiser that the model itself names as ``own_law``."""
    law = getattr(model, "own_law", None)
    if law is None:
        raise StudyError(
            "init is 'own', but the model has no method own_law(name, trained, uniform); add one, or use 'tn(0.01)'."
        )
    return law


LAWS: dict[str, Callable[[nn.Module], Law]] = {
    "tn(0.01)": lambda model: lambda name, trained, uniform: truncated_normal(uniform, 0.01),
    "uniform": lambda model: lambda name, trained, uniform: uniform_law(uniform, UNIFORM_BOUND),
    "tn(0.1)": lambda model: lambda name, trained, uniform: truncated_normal(uniform, 0.1),
    "own": own_law,
    "kaiming": lambda model: kaiming_law,
}
"""Laws of re-initialisation by name: the truncated normal with std 0.01 that Adebayo et al. print, for weights and
biases alike; the uniform law of the same variance (their appendix B prints no bounds); ten times that std; the model's
own training initialiser, which the released code used; and He's, today's usual one."""


def law_named(init: str, model: nn.Module) -> Law:
    """The law of a name, for a model."""
    if init not in LAWS:
        raise StudyError(f"The initialiser {init!r} is not known; choose one of {', '.join(LAWS)}.")
    return LAWS[init](model)
