"""What a backward rule can meet: a call of a ReLU, of max-pooling, or of a dense or convolutional layer.

Each is read from the function and arguments that a `torch.overrides.TorchFunctionMode` is given, in whatever form the
model writes it.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

# Every form in which torch offers a ReLU. `nn.ReLU` calls F.relu, `nn.ReLU6` calls F.hardtanh from 0 to 6.
_RELU = {F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
_IN_PLACE = {F.relu_, torch.relu_, Tensor.relu_}
_CUT_RELU = {F.relu6, F.hardtanh}
_MAX_POOL = {F.max_pool2d, torch.max_pool2d}
_LINEAR: dict[Any, tuple[str, ...]] = {
    F.linear: ("input", "weight", "bias"),
    torch.conv2d: ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
}
"""Functions that are linear in their input, with the names of their arguments in order."""


class _Rectifier(torch.autograd.Function):
    """A ReLU whose backward multiplies the signal r by a factor, and lets it through where ``r > 0`` only, or both."""

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, limit: float, factor: Tensor | None, positive_only: bool, in_place: bool
    ) -> Tensor:
        ctx.positive_only = positive_only
        if factor is not None:
            ctx.save_for_backward(factor)
        if in_place:
            ctx.mark_dirty(z)
        output = z if in_place else z.clone()
        return output.clamp_(min=0) if math.isinf(limit) else output.clamp_(min=0, max=limit)

    @staticmethod
    def backward(ctx: Any, r: Tensor) -> tuple[Tensor, None, None, None, None]:
        if ctx.positive_only:
            r = torch.where(r > 0, r, torch.zeros_like(r))
        for factor in ctx.saved_tensors:
            # A mask chooses instead of multiplying: infinity times 0 would be NaN.
            r = torch.where(factor, r, torch.zeros_like(r)) if factor.dtype == torch.bool else r * factor
        return r, None, None, None, None


@dataclass(frozen=True)
class ReLUCall:
    """A call of a ReLU: its input, where it is cut off (infinity, or 6), whether it overwrites its input."""

    z: Tensor
    limit: float
    in_place: bool

    @classmethod
    def read(cls, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ReLUCall | None:
        """Read a call; None if it is not one of a ReLU."""
        if func in _RELU:
            z = args[0] if args else kwargs["input"]
            in_place = func in _IN_PLACE or kwargs.get("inplace", args[1] if len(args) > 1 else False)
            return cls(z, math.inf, bool(in_place))
        if func in _CUT_RELU:
            given = inspect.signature(func).bind(*args, **kwargs).arguments
            limits = (0, 6) if func is F.relu6 else (given.get("min_val", -1.0), given.get("max_val", 1.0))
            if limits[0] == 0:
                return cls(given["input"], float(limits[1]), bool(given.get("inplace", False)))
        return None

    def mask(self) -> Tensor:
        """Where the ReLU has slope 1; strict on both sides, so a ReLU6 that is cut off at 6 is closed: bool."""
        return (self.z > 0) & (self.z < self.limit)

    def output(self) -> Tensor:
        """What the ReLU gives, without a graph."""
        z = self.z.detach()
        return z.clamp(min=0) if math.isinf(self.limit) else z.clamp(min=0, max=self.limit)

    def with_backward(self, factor: Tensor | None, positive_only: bool = False) -> Tensor:
        """The output, with a backward that multiplies the signal by a factor (or masks it, if that is of bools)."""
        return _Rectifier.apply(self.z, self.limit, factor, positive_only, self.in_place)


@dataclass(frozen=True)
class MaxPoolCall:
    """A call of two-dimensional max-pooling: its input and the arguments after it, by name."""

    input: Tensor
    options: dict[str, Any]

    @classmethod
    def read(cls, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> MaxPoolCall | None:
        """Read a call; None if it is not one of `F.max_pool2d` that gives the maxima alone."""
        if func not in _MAX_POOL:
            return None
        names = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
        options = dict(zip(names, args, strict=False)) | kwargs
        return None if options.pop("return_indices", False) else cls(options.pop("input"), options)


@dataclass(frozen=True)
class LinearCall:
    """A call of a dense or convolutional layer: the function, its input, weight and bias, and what else it takes."""

    func: Callable[..., Tensor]
    input: Tensor
    weight: Tensor
    bias: Tensor | None
    options: dict[str, Any]

    @classmethod
    def read(cls, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> LinearCall | None:
        """Read a call; None if it is not one of `F.linear` or `F.conv2d`."""
        if func not in _LINEAR:
            return None
        options = dict(zip(_LINEAR[func], args, strict=False)) | kwargs
        if any(each is not None and each.requires_grad for each in (options["weight"], options.get("bias"))):
            # The images decide the weights (parameters are frozen): not a linear layer; the census will say so.
            return None
        return cls(func, options.pop("input"), options.pop("weight"), options.pop("bias", None), options)

    def plain(self) -> Tensor:
        """The layer as it is."""
        return self.func(self.input, self.weight, self.bias, **self.options)

    def without_bias(self, signal_input: Tensor, weight: Tensor) -> Tensor:
        """The same layer with another input and weight, without a bias."""
        return self.func(signal_input, weight, None, **self.options)
