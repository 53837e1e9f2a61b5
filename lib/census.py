"""The census of the autograd graph: no operation of a model may escape a backward rule unseen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from torch import Tensor, nn
from torch.autograd.graph import Node

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


def fault(node: Node, passive: Collection[str]) -> str:
    """Why a node does more than pass a signal on linearly; empty if it is one of the ``passive`` kinds."""
    name = node.name()
    parents = [parent for parent, _ in node.next_functions]
    if name not in passive:
        return name
    if name in _FACTORS and all(place < len(parents) and parents[place] for place in _FACTORS[name]):
        return f"{name} of two activations"
    if getattr(node, "_saved_training", False):
        return f"{name} with the statistics of the batch itself"
    return ""


def layers_with(model: nn.Module, run: Callable[[], Tensor], fault_of: Callable[[Node], str]) -> dict[str, str]:
    """In which layers faults arise while the model runs once more: fault -> "in the layer 'features.3' (GELU)"."""
    found: dict[str, str] = {}

    def look(name: str) -> Callable[..., None]:
        def after(module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
            before = {each.grad_fn for each in given if isinstance(each, Tensor)}
            outputs = output if isinstance(output, (tuple, list)) else [output]
            for each in (each for each in outputs if isinstance(each, Tensor)):
                for node in graph_nodes(each, before):
                    # The innermost layer is done first, and keeps the node.
                    found.setdefault(fault_of(node), f"in the layer {name!r} ({type(module).__name__})")

        return after

    handles = [module.register_forward_hook(look(name)) for name, module in model.named_modules() if name]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return found


def graph_nodes(output: Tensor, stop: Collection[Node | None] = ()) -> Iterator[Node]:
    """All nodes of the autograd graph behind a tensor, each once, down to some nodes that are left out."""
    waiting = [output.grad_fn] if output.grad_fn is not None and output.grad_fn not in stop else []
    seen = {*waiting, *stop}
    while waiting:
        node = waiting.pop()
        yield node
        for parent, _ in node.next_functions:
            if parent is not None and parent not in seen:
                seen.add(parent)
                waiting.append(parent)
