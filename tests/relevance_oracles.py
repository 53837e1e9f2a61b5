"""LRP, deep Taylor decomposition and DeepLIFT by the letter of their definitions, node by node of a traced graph.

Every linear step of a net is turned into its matrix, J with ``z = J a + b``, by its Jacobian; nothing here uses
modified gradients, autograd hooks or the library. One image at a time, for tiny nets.
"""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

RELU = {F.relu, torch.relu, nn.ReLU, nn.ReLU6}
LAYERS = {nn.Linear, nn.Conv2d}
VIEWS = {nn.Flatten, "flatten"}
ADD = {operator.add, operator.iadd, torch.add}


class Tape(fx.Interpreter):
    """Runs a traced net on one image and keeps the value of every node."""

    def __init__(self, model: nn.Module, x: Tensor) -> None:
        super().__init__(fx.symbolic_trace(model), garbage_collect_values=False)
        self.values: dict[fx.Node, Any] = {}
        self.output = self.run(x[None].clone())

    def run_node(self, n: fx.Node) -> Any:
        found = super().run_node(n)
        # An in-place ReLU would overwrite what was kept.
        self.values[n] = found.clone() if isinstance(found, Tensor) else found
        return self.values[n].clone() if isinstance(found, Tensor) else found

    def kind(self, node: fx.Node) -> Any:
        """The function or the class of the module that a node calls."""
        return type(self.fetch_attr(str(node.target))) if node.op == "call_module" else node.target

    def step(self, node: fx.Node) -> Callable[[Tensor], Tensor]:
        """What a node does to its one input that depends on the image."""
        if node.op == "call_module":
            module = self.fetch_attr(str(node.target))
            return lambda a: module(a.clone())
        if node.op == "call_method":
            return lambda a: getattr(a, str(node.target))(*node.args[1:], **node.kwargs)
        return lambda a: node.target(a.clone(), *node.args[1:], **node.kwargs)


def matrix(step: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """The Jacobian of a step: (outputs, inputs)."""
    return torch.autograd.functional.jacobian(step, at).reshape(-1, at.numel())


def ratio(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and 0 where b is 0."""
    return torch.tensor([p / q if q != 0 else 0.0 for p, q in zip(a.tolist(), b.tolist(), strict=True)], dtype=a.dtype)


def backwards(tape: Tape, start: Tensor, at_node: Callable[[fx.Node, Tensor], list[Tensor]]) -> Tensor:
    """Walk from the logits to the image; ``at_node`` takes what arrives at an output to what each input gets."""
    arrived: dict[fx.Node, Tensor] = defaultdict(lambda: torch.zeros((), dtype=start.dtype))
    nodes = list(tape.module.graph.nodes)
    arrived[nodes[-1].all_input_nodes[0]] = start
    for node in reversed(nodes[:-1]):
        if node.op == "placeholder":
            return arrived[node]
        given = at_node(node, arrived[node])
        for parent, share in zip(node.all_input_nodes, given, strict=True):
            arrived[parent] = arrived[parent] + share
    raise AssertionError("the graph has no input")


def one_hot(output: Tensor, target: int) -> Tensor:
    return F.one_hot(torch.tensor(target), output.shape[1]).to(output)


def plain_relevance(
    model: nn.Module, x: Tensor, target: int, layer: Callable[[nn.Module, Tensor, Tensor, bool], Tensor]
) -> Tensor:
    """Relevance from the logit to the pixels; ``layer(module, a, r, first)`` is the rule of dense and conv layers."""
    tape = Tape(model, x)

    def at_node(node: fx.Node, r: Tensor) -> list[Tensor]:
        values = [tape.values[parent] for parent in node.all_input_nodes]
        kind = tape.kind(node)
        if kind in ADD:
            total = (values[0] + values[1]).flatten()
            return [a.flatten() * ratio(r, total) for a in values]
        a = values[0].flatten()
        if kind in RELU:
            return [torch.where(a > 0, r, 0.0)]
        if kind in LAYERS:
            before = set(_before(node.all_input_nodes[0]))
            first = not any(tape.kind(each) in LAYERS for each in before)
            return [layer(tape.fetch_attr(str(node.target)), values[0], r, first)]
        if kind in VIEWS:
            return [r]
        step = tape.step(node)
        if kind is nn.MaxPool2d:
            return [matrix(step, values[0]).T @ r]
        return [a * (matrix(step, values[0]).T @ ratio(r, step(values[0]).flatten()))]

    start = one_hot(tape.output, target) * tape.output[0]
    return backwards(tape, start, at_node).view_as(x)


def _before(node: fx.Node) -> list[fx.Node]:
    return [node, *(each for parent in node.all_input_nodes for each in _before(parent))]


def epsilon_rule(epsilon: float, relative: bool = False, with_bias: bool = True) -> Callable:
    """R_i = sum_j a_i w_ij R_j / (n_j + epsilon sign(n_j))."""

    def layer(module: nn.Module, a: Tensor, r: Tensor, first: bool) -> Tensor:
        weights = matrix(module, a)
        n = module(a).detach().flatten() if with_bias else weights @ a.flatten()
        stabiliser = epsilon * (n.abs().max().item() if relative else 1.0)
        denominator = torch.tensor([v + stabiliser if v >= 0 else v - stabiliser for v in n.tolist()], dtype=n.dtype)
        return a.flatten() * (weights.T @ ratio(r, denominator))

    return layer


def deep_taylor_rule(first_rule: str, low: Tensor | None = None, high: Tensor | None = None) -> Callable:
    """z+ above; z+, w2 or zB in the first layer; pixel by pixel."""

    def layer(module: nn.Module, a: Tensor, r: Tensor, first: bool) -> Tensor:
        weights = matrix(module, a)
        contributions = weights.clamp(min=0) * a.flatten()
        if first and first_rule == "w2":
            contributions = weights**2
        if first and first_rule == "zbox":
            assert low is not None and high is not None
            contributions = (
                weights * a.flatten() - weights.clamp(min=0) * low.flatten() - weights.clamp(max=0) * high.flatten()
            )
        back = torch.zeros(a.numel(), dtype=a.dtype)
        for j in range(len(weights)):
            total = contributions[j].sum()
            if total != 0:
                back += contributions[j] / total * r[j]
        return back

    return layer


def plain_deeplift(model: nn.Module, x: Tensor, target: int, reference: Tensor) -> Tensor:
    """Multipliers from the logit to the pixels."""
    tape, base = Tape(model, x), Tape(model, reference)
    partner = dict(zip(tape.module.graph.nodes, base.module.graph.nodes, strict=True))

    def at_node(node: fx.Node, m: Tensor) -> list[Tensor]:
        values = [tape.values[parent] for parent in node.all_input_nodes]
        others = [base.values[partner[parent]] for parent in node.all_input_nodes]
        kind = tape.kind(node)
        if kind in ADD:
            return [m, m]
        step = tape.step(node)
        if kind in RELU:
            difference = (values[0] - others[0]).flatten()
            multiplier = ratio((step(values[0]) - step(others[0])).flatten(), difference)
            return [m * torch.where(difference == 0, matrix(step, values[0]).diagonal(), multiplier)]
        if kind is nn.MaxPool2d:
            return [_max_pool_multipliers(step, values[0], others[0], m)]
        return [matrix(step, values[0]).T @ m]

    multiplier = backwards(tape, one_hot(tape.output, target), at_node)
    return (x - reference) * multiplier.view_as(x)


def _max_pool_multipliers(step: Callable[[Tensor], Tensor], a: Tensor, reference: Tensor, m: Tensor) -> Tensor:
    """Window by window; the places of the maxima are read from the two Jacobians."""
    places, its_places = matrix(step, a), matrix(step, reference)
    back = torch.zeros(a.numel(), dtype=a.dtype)
    for window in range(len(m)):
        p, q = int(places[window].argmax()), int(its_places[window].argmax())
        x, x_bar = a.flatten(), reference.flatten()
        difference = x[p] - x_bar[q]
        at = p if difference >= 0 else q
        here = x[at] - x_bar[at]
        if here == 0:
            back[p] += m[window]
        else:
            back[at] += difference / here * m[window]
    return back
