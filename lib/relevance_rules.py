"""Relevance propagation as backward rules: epsilon-LRP, and deep Taylor decomposition with z+, zB and w2.

The signal is a modified gradient g, so that relevance is ``R = z * g`` for any activation z. A layer with inputs a
that sends relevance back by ``R_i = sum_j a_i v_ij R_j / n_j`` has ``g_i = sum_j v_ij (z_j / n_j) g_j``: the plain
backward of the same layer with the weights v, after a factor ``z_j / n_j`` on its signal. At a ReLU relevance passes
through, ``g_z = g_a * a / z``: for a ReLU that is the gradient, for a ReLU6 it is not.

Sources: Bach et al. 2015 (epsilon-LRP), Montavon et al. 2017 (deep Taylor decomposition).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lib.backward_rules import BackwardRule, modified_gradient
from lib.census import PASSIVE_NODES, graph_nodes
from lib.layer_calls import LinearCall, ReLUCall

_VIEWS = frozenset({"ReshapeAliasBackward0", "UnsafeViewBackward0", "ViewBackward0", "torch::autograd::AccumulateGrad"})

ROUTES = _VIEWS | {
    "AdaptiveAvgPool2DBackward0",
    "AliasBackward0",
    "AsStridedBackward0",
    "AsStridedBackward1",
    "AvgPool2DBackward0",
    "CatBackward0",
    "CloneBackward0",
    "FlattenBackward0",
    "MaxPool2DWithIndicesBackward0",
    "MeanBackward1",
    "ReluBackward0",
    "SliceBackward0",
    "SqueezeBackward1",
    "UnsqueezeBackward0",
}
"""Nodes that pass relevance on whole, beside dense and convolutional layers: ReLU, pooling, concatenation and views."""

OF_LAYERS = "of dense and convolutional layers, ReLU, pooling and concatenation only"
"""How a refusal names the networks of `ROUTES`."""

LAYERS = frozenset({"AddmmBackward0", "ConvolutionBackward0", "LinearBackward0", "MmBackward0"})


def quotient(numerator: Tensor, denominator: Tensor) -> Tensor:
    """``numerator / denominator`` with 0/0 (and anything/0) as 0: a denominator of 0 has no relevance to share."""
    nothing = denominator == 0
    return torch.where(nothing, 0.0, numerator / torch.where(nothing, 1.0, denominator))


class RelevanceRule(BackwardRule):
    """What all rules of relevance share: it passes through ReLU6 whole."""

    def relu(self, call: ReLUCall) -> Tensor | None:
        """``a / z`` for a ReLU6 above 0; a ReLU's own gradient is that already."""
        if call.limit == float("inf"):
            return None
        factor = torch.where(call.z > 0, quotient(call.output(), call.z.detach()), 0.0)
        return call.with_backward(factor)


class EpsilonRule(RelevanceRule):
    r"""Epsilon-LRP: :math:`R_i = \sum_j a_i w_{ij} R_j / (n_j + \epsilon\,\mathrm{sign}(n_j))`, with sign(0) = 1.

    Parameters
    ----------
    epsilon : 0 gives LRP-0 (the z-rule), which is exact for batch norm and residual sums too.
    scale : ``absolute``, or ``layer`` for epsilon times the largest ``|n_j|`` of the layer and image.
    bias : ``in`` has :math:`n_j = z_j`, ``out`` leaves the bias out, :math:`n_j = z_j - b_j`.
    """

    title = "LRP"

    def __init__(self, epsilon: float, scale: str, bias: str) -> None:
        super().__init__()
        self.epsilon, self.scale, self.bias = epsilon, scale, bias
        self.passive = PASSIVE_NODES | {"ReluBackward0"}
        self.defined_for = "of ReLU, pooling, batch norm, sums and dense or convolutional layers called as functions"
        if bias == "out":
            # A sum with a constant and batch norm hide biases of their own.
            self.title, self.passive, self.defined_for = "LRP with bias=out", ROUTES, OF_LAYERS
        elif epsilon:
            self.passive -= LAYERS

    def linear(self, call: LinearCall) -> Tensor:
        """The layer as it is, with a factor on the signal that reaches its output."""
        output = call.plain()
        if output.requires_grad:
            output.register_hook(_times(self._factor(call, output.detach())))
        return output

    def _factor(self, call: LinearCall, z: Tensor) -> Tensor:
        shared = z if self.bias == "in" else call.without_bias(call.input.detach(), call.weight)
        epsilon: float | Tensor = self.epsilon
        if self.scale == "layer":
            largest = shared.flatten(1).abs().amax(1)
            epsilon = self.epsilon * largest.view(-1, *[1] * (shared.dim() - 1))
        sign = torch.where(shared < 0, -torch.ones_like(shared), torch.ones_like(shared))
        return quotient(z, shared + epsilon * sign)


def _times(factor: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda signal: signal * factor


class DeepTaylorRule(RelevanceRule):
    r"""Deep Taylor decomposition: z+ in all layers, another rule in the first if that is asked for.

    - z+: :math:`R_i = \sum_j a_i w^+_{ij} R_j / \sum_{i'} a_{i'} w^+_{i'j}`, for inputs of a layer that are >= 0;
    - w2: :math:`R_i = \sum_j w_{ij}^2 R_j / \sum_{i'} w_{i'j}^2`, for any pixels;
    - zB: :math:`R_i = \sum_j (x_i w_{ij} - l_i w^+_{ij} - h_i w^-_{ij}) R_j / n_j`, with n the same sum over i,
      for pixels between l and h.

    In all of them the bias is left out, and 0/0 is 0.

    Parameters
    ----------
    images : (N, C, H, W), the images that are explained.
    first : rule of the layers that take the images themselves: ``zplus``, ``zbox`` or ``w2``.
    low, high : l and h of zB, each (C, H, W).
    """

    title = "Deep Taylor decomposition"
    defined_for = OF_LAYERS
    passive = ROUTES

    def __init__(
        self, images: Tensor, first: str = "zplus", low: Tensor | None = None, high: Tensor | None = None
    ) -> None:
        super().__init__()
        self.first = first
        # What zB and w2 multiply their weights with, in place of the images.
        choices: dict[str, list[Tensor | None]] = {
            "zplus": [],
            "zbox": [low, high],
            "w2": [torch.ones_like(images[0])],
        }
        self.leaves = tuple(
            each.expand_as(images).clone().requires_grad_(True) for each in choices[first] if each is not None
        )

    def linear(self, call: LinearCall) -> Tensor:
        """The layer's values, with the graph of the layer that the rule puts in its place."""
        takes_images = all(node.name() in _VIEWS for node in graph_nodes(call.input))
        if takes_images and self.first == "w2":
            (ones,) = (leaf.reshape(call.input.shape) for leaf in self.leaves)
            proxy = call.without_bias(ones, call.weight.square())
        elif takes_images and self.first == "zbox":
            low, high = (leaf.reshape(call.input.shape) for leaf in self.leaves)
            above = call.without_bias(low, call.weight.clamp(min=0)) + call.without_bias(high, call.weight.clamp(max=0))
            proxy = call.without_bias(call.input, call.weight) - above
        else:
            if bool((call.input < 0).any()):
                self.complaints.append(
                    "The images have pixels below 0, for which the z+ rule is not defined; take dtd_zbox or dtd_w2."
                    if takes_images
                    else "The z+ rule needs a ReLU before every dense or convolutional layer but the first, and this "
                    f"model feeds one of weights {tuple(call.weight.shape)} with negative values; leave dtd_zplus, "
                    "dtd_zbox and dtd_w2 out of `methods`."
                )
            proxy = call.without_bias(call.input, call.weight.clamp(min=0))
        return _StandIn.apply(proxy, call)


class _StandIn(torch.autograd.Function):
    """Gives a layer's own values z forward, and the signal times ``z / proxy`` backward to the layer in its place."""

    @staticmethod
    def forward(ctx: Any, proxy: Tensor, call: LinearCall) -> Tensor:
        value = call.plain()
        ctx.save_for_backward(quotient(value, proxy))
        return value

    @staticmethod
    def backward(ctx: Any, signal: Tensor) -> tuple[Tensor, None]:
        return signal * ctx.saved_tensors[0], None


def relevance(
    model: nn.Module,
    images: Tensor,
    select: Callable[[Tensor], Tensor],
    rule: EpsilonRule | DeepTaylorRule,
    plain_logits: Tensor | None = None,
) -> Tensor:
    """The relevance of every pixel: (N, C, H, W). Parameters and errors: `lib.backward_rules.modified_gradient`."""
    leaves = rule.leaves if isinstance(rule, DeepTaylorRule) else ()
    gradients = modified_gradient(model, images, select, rule, plain_logits, leaves)
    total = torch.zeros_like(images)
    for leaf, gradient in zip((images, *leaves), gradients, strict=True):
        total += leaf.detach() * gradient
    return total
