"""One mechanism for modified backward passes: give chosen functions another backward while a model runs.

A `torch.overrides.TorchFunctionMode` sees every call of a torch function, in whatever form the model writes it:
``nn.ReLU()``, ``F.relu``, ``torch.relu_``, ``x.relu()``, in place, or one module called many times. Hooks on
modules see only the first form, and give the plain gradient, silently, on networks that use the others
(torchvision's Inception v3 has 94 ReLU calls and no ReLU module).

The signal that a rule sends back is a *modified gradient* g. Relevance is ``a * g``, so sums, concatenations,
average pools and batch norm in evaluation mode need no rule: each part of a sum gets its share by itself.

Two guards stand before any number is used:

1. the logits under the mode equal the plain ones bit for bit;
2. a census of the autograd graph: every node must be on the rule's list of nodes that need no rule, or be one that
   the rule made. ``clamp``, ``maximum``, ``where``, GELU, a traced module or an own `autograd.Function` never reach
   the mode, and are found here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.overrides import TorchFunctionMode

from lib.census import PASSIVE_NODES, fault, graph_nodes, layers_with
from lib.errors import StudyError
from lib.layer_calls import LinearCall, MaxPoolCall, ReLUCall


class BackwardRule(TorchFunctionMode):
    """Gives calls of some functions another backward, and counts them.

    A subclass overrides `relu`, `max_pool` or `linear`; each takes a call and returns its output, with the graph that
    carries the modified gradient, or None to leave the call alone.
    """

    title: str
    """Whom a refusal speaks of, e.g. "Guided Backprop"."""
    defined_for: str
    """The networks it is defined for, in the words of a refusal."""
    passive: frozenset[str] = PASSIVE_NODES
    """Names of nodes that need no rule."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.complaints: list[str] = []
        """What the rule met that it is not defined for, beside operations out of its reach."""
        self.made: set[Node] = set()
        """Nodes that the rule made itself, whatever their names."""

    def relu(self, call: ReLUCall) -> Tensor | None:
        """A ReLU or ReLU6."""

    def max_pool(self, call: MaxPoolCall) -> Tensor | None:
        """Two-dimensional max-pooling."""

    def linear(self, call: LinearCall) -> Tensor | None:
        """A dense or convolutional layer."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Replace a call that the rule changes; let everything else be."""
        kwargs = kwargs or {}
        output: Tensor | None = None
        call: ReLUCall | MaxPoolCall | LinearCall | None
        if (call := ReLUCall.read(func, args, kwargs)) is not None:
            before, output = call.z.grad_fn, self.relu(call)
        elif (call := MaxPoolCall.read(func, args, kwargs)) is not None:
            before, output = call.input.grad_fn, self.max_pool(call)
        elif (call := LinearCall.read(func, args, kwargs)) is not None:
            before, output = call.input.grad_fn, self.linear(call)
        if output is None:
            return func(*args, **kwargs)
        self.calls += 1
        self.made.update(graph_nodes(output, stop={before}))
        return output


class ReLURule(BackwardRule):
    """Changes the backward of every ReLU.

    Parameters
    ----------
    forward_mask : True for Guided Backprop (Springenberg et al. 2014), ``1[z > 0] 1[r > 0] r``; False for
        DeconvNet (Zeiler & Fergus 2014), ``1[r > 0] r``.
    """

    defined_for = "whose only non-linearities are ReLU and max-pooling called as torch functions"

    def __init__(self, forward_mask: bool) -> None:
        super().__init__()
        self.forward_mask = forward_mask
        self.title = "Guided Backprop" if forward_mask else "DeconvNet"

    def relu(self, call: ReLUCall) -> Tensor:
        """Let the signal through where it is positive and, for Guided Backprop, the ReLU has slope 1."""
        return call.with_backward(call.mask() if self.forward_mask else None, positive_only=True)


def modified_gradient(
    model: nn.Module,
    images: Tensor,
    select: Callable[[Tensor], Tensor],
    rule: BackwardRule,
    plain_logits: Tensor | None = None,
    leaves: Sequence[Tensor] = (),
) -> tuple[Tensor, ...]:
    """The gradient of selected logits with respect to the images under a backward rule, with both guards.

    Parameters
    ----------
    model : in evaluation mode, its parameters frozen.
    images : (N, C, H, W).
    select : takes the logits (N, K) to the explained outputs; the signal starts with 1 at each.
    rule : a fresh rule; its ``calls`` are counted here.
    plain_logits : logits of the same batch without the rule, if the caller has them.
    leaves : further tensors that require a gradient and that the rule puts into the graph.

    Returns
    -------
    The gradient of the images (N, C, H, W), signed, and of each leaf; zeros for what the rule left out of the graph.

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
                f"The model gives other logits when it runs under the backward rule of {rule.title}, so a map would "
                "explain another function; look for dropout or other random numbers in the forward pass."
            )
        check_census(logits, rule, model, inputs)
        if rule.complaints:
            raise StudyError(rule.complaints[0])
        return torch.autograd.grad(select(logits).sum(), (inputs, *leaves), materialize_grads=True)


def check_census(logits: Tensor, rule: BackwardRule, model: nn.Module, inputs: Tensor) -> None:
    """Raise `StudyError` if the graph behind the logits holds an operation that the rule did not reach.

    Only nodes that carry a signal to the images are looked at: parameters must be frozen.
    """

    def fault_of(node: Node) -> str:
        return "" if node in rule.made else fault(node, rule.passive)

    def run() -> Tensor:
        with rule:
            return model(inputs)

    faults = {what for node in graph_nodes(logits) if (what := fault_of(node))}
    if faults:
        where = layers_with(model, run, fault_of)
        told = ", ".join(f"{what} {where.get(what, 'outside its layers')}" for what in sorted(faults))
        raise StudyError(
            f"{rule.title} is defined for networks {rule.defined_for}; this one also has {told}. Rewrite it with such "
            "layers (untraced), or leave the methods that need it out of `methods`."
        )
