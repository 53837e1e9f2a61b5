"""One mechanism for modified backward passes: give chosen functions another backward while a model runs.

A `torch.overrides.TorchFunctionMode` sees every call of a torch function, in whatever form the model writes it:
``nn.ReLU()``, ``F.relu``, ``torch.relu_``, ``x.relu()``, in place, or one module called many times. Hooks on
modules see only the first form, and give the plain gradient, silently, on networks that use the others
(torchvision's Inception v3 has 94 ReLU calls and no ReLU module).

Two guards stand before any number is used:

1. the logits under the mode equal the plain ones bit for bit;
2. a census of the autograd graph: every node must be on the rule's list of nodes that need no rule. ``clamp``,
   ``maximum``, ``where``, GELU, a traced module or an own `autograd.Function` never reach the mode, and are
   found here.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from lib.errors import StudyError

# Every form in which torch offers a ReLU. `nn.ReLU` calls F.relu, `nn.ReLU6` calls F.hardtanh from 0 to 6.
_RELU = {F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
_IN_PLACE = {F.relu_, torch.relu_, Tensor.relu_}
_CUT_RELU = {F.relu6, F.hardtanh}

# Nodes of the autograd graph that are linear in the signal they pass on, or route it (max-pooling), so that the
# modified gradient goes through them as the plain one does.
PASSIVE_NODES = frozenset(
    {
        "AdaptiveAvgPool2DBackward0",
        "AddBackward0",
        "AddmmBackward0",
        "AliasBackward0",
        "AsStridedBackward0",
        "AsStridedBackward1",
        "AvgPool2DBackward0",
        "CatBackward0",
        "CloneBackward0",
        "ConstantPadNdBackward0",
        "ConvolutionBackward0",
        "CudnnBatchNormBackward0",
        "DivBackward0",
        "ExpandBackward0",
        "FlattenBackward0",
        "IndexBackward0",
        "LinearBackward0",
        "MaxPool2DWithIndicesBackward0",
        "MeanBackward0",
        "MeanBackward1",
        "MmBackward0",
        "MulBackward0",
        "NativeBatchNormBackward0",
        "PermuteBackward0",
        "ReshapeAliasBackward0",
        "SelectBackward0",
        "SliceBackward0",
        "SplitBackward0",
        "SqueezeBackward0",
        "SqueezeBackward1",
        "StackBackward0",
        "SubBackward0",
        "SumBackward0",
        "SumBackward1",
        "TBackward0",
        "ToCopyBackward0",
        "torch::autograd::AccumulateGrad",
        "TransposeBackward0",
        "UnbindBackward0",
        "UnsafeViewBackward0",
        "UnsqueezeBackward0",
        "ViewBackward0",
    }
)

# Passive only while these factors (places among the node's inputs) do not all depend on the images; a quotient's
# denominator, a layer's weight and the statistics of a normalisation must not.
_FACTORS = {
    "AddmmBackward0": (1, 2),
    "ConvolutionBackward0": (1,),
    "CudnnBatchNormBackward0": (1,),
    "DivBackward0": (1,),
    "LinearBackward0": (1,),
    "MmBackward0": (0, 1),
    "MulBackward0": (0, 1),
    "NativeBatchNormBackward0": (1,),
}


class _ReLURule(torch.autograd.Function):
    """A ReLU whose backward lets a signal r through where ``z > 0`` (if `forward_mask`) and where ``r > 0``."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, limit: float, forward_mask: bool, in_place: bool) -> Tensor:
        if forward_mask:
            # Strict masks on both sides: a ReLU6 that is cut off at 6 passes nothing on, like its gradient.
            ctx.save_for_backward((z > 0) & (z < limit))
        if in_place:
            ctx.mark_dirty(z)
        output = z if in_place else z.clone()
        return output.clamp_(min=0) if math.isinf(limit) else output.clamp_(min=0, max=limit)

    @staticmethod
    def backward(ctx: Any, r: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[override]
        open_to = r > 0
        if ctx.saved_tensors:
            open_to = open_to & ctx.saved_tensors[0]
        return torch.where(open_to, r, torch.zeros_like(r)), None, None, None


class ReLURule(TorchFunctionMode):
    """Gives every ReLU call another backward, and counts the calls.

    Parameters
    ----------
    forward_mask : True for Guided Backprop (Springenberg et al. 2014), ``1[z > 0] 1[r > 0] r``; False for
        DeconvNet (Zeiler & Fergus 2014), ``1[r > 0] r``.
    """

    def __init__(self, forward_mask: bool) -> None:
        super().__init__()
        self.forward_mask = forward_mask
        self.calls = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Replace a ReLU, in place or not, by one with the rule's backward; let everything else be."""
        kwargs = kwargs or {}
        call = _relu_call(func, args, kwargs)
        if call is None:
            return func(*args, **kwargs)
        self.calls += 1
        return _ReLURule.apply(call.z, call.limit, self.forward_mask, call.in_place)


@dataclass(frozen=True)
class _ReLUCall:
    """A call of a ReLU: its input, where it is cut off (infinity, or 6), whether it overwrites its input."""

    z: Tensor
    limit: float
    in_place: bool


def _relu_call(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _ReLUCall | None:
    """Read a call; None if it is not one of a ReLU."""
    if func in _RELU:
        z = args[0] if args else kwargs["input"]
        in_place = func in _IN_PLACE or kwargs.get("inplace", args[1] if len(args) > 1 else False)
        return _ReLUCall(z, math.inf, bool(in_place))
    if func in _CUT_RELU:
        given = inspect.signature(func).bind(*args, **kwargs).arguments
        limits = (0, 6) if func is F.relu6 else (given.get("min_val", -1.0), given.get("max_val", 1.0))
        if limits[0] == 0:
            return _ReLUCall(given["input"], float(limits[1]), bool(given.get("inplace", False)))
    return None


def modified_gradient(
    model: nn.Module,
    images: Tensor,
    select: Callable[[Tensor], Tensor],
    rule: ReLURule,
    plain_logits: Tensor | None = None,
) -> Tensor:
    """The gradient of selected logits with respect to the images under a backward rule, with both guards.

    Parameters
    ----------
    model : in evaluation mode, its parameters frozen.
    images : (N, C, H, W).
    select : takes the logits (N, K) to the explained outputs (N,); the signal starts with 1 at each.
    rule : a fresh rule; its ``calls`` are counted here.
    plain_logits : logits of the same batch without the rule, if the caller has them.

    Returns
    -------
    (N, C, H, W), signed.

    Raises
    ------
    StudyError
        If the rule changed the forward pass, or some operation of the model is out of the rule's reach.
    """
    inputs = images.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        with rule:
            logits = model(inputs)
        if plain_logits is None:
            with torch.no_grad():
                plain_logits = model(images)
        if not torch.equal(logits, plain_logits):
            raise StudyError(
                "The model gives other logits when its ReLUs are replaced by guided ones, so a map would explain "
                "another function; look for dropout or other random numbers in the forward pass."
            )
        check_census(logits)
        return torch.autograd.grad(select(logits).sum(), inputs)[0]


def check_census(logits: Tensor) -> None:
    """Raise `StudyError` if the graph behind the logits holds an operation that the rule did not reach.

    Only nodes that carry a signal to the images are looked at: parameters must be frozen.
    """
    strange: set[str] = set()
    for node in graph_nodes(logits):
        name = node.name()
        if name == "_ReLURuleBackward":
            continue
        parents = [parent for parent, _ in node.next_functions]
        if name not in PASSIVE_NODES:
            strange.add(name)
        elif name in _FACTORS and all(place < len(parents) and parents[place] for place in _FACTORS[name]):
            strange.add(f"{name} of two activations")
        elif getattr(node, "_saved_training", False):
            strange.add(f"{name} with the statistics of the batch itself")
    if strange:
        raise StudyError(
            "Guided Backprop and DeconvNet are defined for networks whose only non-linearities are ReLU and "
            f"max-pooling called as torch functions; this one also has {', '.join(sorted(strange))}. Rewrite these "
            "as nn.ReLU (untraced), or leave guided_backprop, guided_gradcam and deconvnet out of `methods`."
        )


def graph_nodes(output: Tensor) -> Iterator[Node]:
    """All nodes of the autograd graph behind a tensor, each once."""
    waiting = [output.grad_fn] if output.grad_fn is not None else []
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        yield node
        for parent, _ in node.next_functions:
            if parent is not None and parent not in seen:
                seen.add(parent)
                waiting.append(parent)
