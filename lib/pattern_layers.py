"""The dense and convolutional layers of a net in the order of their calls, and whether a ReLU follows each.

Which pattern a layer needs depends on what takes its output. That is read from the autograd graph, so it holds in
whatever form the model writes a ReLU: as a module, as a function, or in place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from lib.backward_rules import BackwardRule, check_census
from lib.census import graph_nodes
from lib.errors import StudyError
from lib.layer_calls import LinearCall
from lib.relevance_rules import LAYERS, OF_LAYERS, ROUTES

_SAME_VALUES = frozenset(
    {
        "AliasBackward0",
        "CloneBackward0",
        "FlattenBackward0",
        "ReshapeAliasBackward0",
        "SqueezeBackward1",
        "UnsafeViewBackward0",
        "UnsqueezeBackward0",
        "ViewBackward0",
    }
)
"""Nodes whose output has the numbers of their input, all of them, in another shape."""


@dataclass(frozen=True)
class PatternLayer:
    """One call of a dense or convolutional layer: the layer's name, its weight, whether a ReLU takes its output."""

    name: str
    weight: Tensor
    before_relu: bool


def pattern_layers(model: nn.Module, images: Tensor) -> tuple[PatternLayer, ...]:
    """The layers of a net in the order of their calls; a layer that is called twice stands there twice.

    Parameters
    ----------
    model : in evaluation mode, its parameters frozen.
    images : (N, C, H, W), of which the first is looked at.

    Raises
    ------
    StudyError
        If the net has other operations than dense and convolutional layers, ReLU, pooling, concatenation and views,
        or a layer's output goes elsewhere than to one ReLU, to other such layers, or to the logits.
    """
    inputs = images[:1].detach().clone().requires_grad_(True)
    watch = _Watch()
    with torch.enable_grad():
        with watch:
            logits = model(inputs)
        check_census(logits, watch, model, inputs)
    takers: dict[Node, list[Node]] = {}
    for node in graph_nodes(logits):
        for parent, _ in node.next_functions:
            if parent is not None:
                takers.setdefault(parent, []).append(node)
    names = {id(weight): name.rpartition(".")[0] for name, weight in model.named_parameters()}
    layers = []
    for weight, made in watch.seen:
        name = names.get(id(weight)) or f"of weights {tuple(weight.shape)}"
        layers.append(PatternLayer(name, weight, _before_relu(name, _taken(made, takers))))
    return tuple(layers)


class _Watch(BackwardRule):
    """Changes nothing; notes the weight and the graph node of every dense or convolutional layer."""

    title = "The estimate of patterns"
    defined_for = OF_LAYERS
    passive = ROUTES

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[Tensor, Node | None]] = []

    def linear(self, call: LinearCall) -> Tensor:
        """The layer as it is."""
        output = call.plain()
        # An in-place ReLU changes the tensor's node later.
        self.seen.append((call.weight, output.grad_fn))
        return output


def _taken(node: Node | None, takers: Mapping[Node, Sequence[Node]]) -> Iterator[str]:
    """Names of the nodes that take a node's output, through views of it."""
    for each in () if node is None else takers.get(node, ()):
        if each.name() in _SAME_VALUES:
            yield from _taken(each, takers)
        else:
            yield each.name()


def _before_relu(name: str, taken: Iterator[str]) -> bool:
    kinds = sorted(taken)
    if kinds == ["ReluBackward0"]:
        return True
    if LAYERS.issuperset(kinds):
        return False
    raise StudyError(
        f"Patterns need a ReLU right after a layer, or none before the next layer; the output of the layer {name!r} "
        f"goes to {' and '.join(kinds)}. Put one ReLU right after it, or leave the pattern methods out of `methods`."
    )
