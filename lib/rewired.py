r"""Networks with equal outputs and different weights: which methods explain the function, which its weights?

Kindermans et al. 2017, section 3.2, remark that methods such as the gradient and Guided Backprop agree on their two
networks because these have the same weights, and would not agree on networks whose outputs are equal but whose weights
differ. Five ways to make such a network of one that is made of dense layers with a ReLU after each but the last. Write
w, b for the incoming weights and the bias of a hidden unit, v for its outgoing weights:

``permuted``
    the units of every hidden layer stand in another order.
``rescaled``
    :math:`(w, b) \to \alpha (w, b),\ v \to v / \alpha` with :math:`\alpha > 0`: a ReLU commutes with positive factors.
``duplicated``
    half of the units of every hidden layer stand there twice, with :math:`v / 2` each.
``cancelling``
    pairs of units with the same (w, b) and opposite outgoing weights v and -v, half as many pairs as the layer has
    units: they read what units of the layer read, and send what others send.
``nested``
    pairs again, half as many as the smaller of the two lowest hidden layers has units, but now the two get the same
    value by different ways:

    .. math:: \mathrm{relu}(\mathrm{relu}(s) - \mathrm{relu}(t)) = \mathrm{relu}(s - \mathrm{relu}(t))

    Both are s - relu(t) where that and s are positive, and 0 elsewhere. s and t are the sums :math:`w^\top x + b` of
    two units of the lowest layer; s itself gets through the layer's ReLU as relu(s + c) - c, with c so large that
    s + c is positive on all images of pixels between -1 and 1. Sundararajan et al. 2017 use this identity to show that
    DeepLIFT depends on how a function is written.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn

from lib import compute
from lib.errors import StudyError
from lib.pattern_layers import pattern_layers


class Dense(NamedTuple):
    """A dense layer: weights (K, D) and biases (K,), float64, on the CPU."""

    weight: Tensor
    bias: Tensor


def rewired(model: nn.Module, how: str, images: Tensor, *, draw: int = 0, seed: int = 0) -> nn.Module:
    """A copy of a network with the same outputs and other weights.

    Parameters
    ----------
    model : dense layers with a ReLU after each but the last, its parameters frozen; it is not changed.
    how : a name of `REWIRINGS`.
    images : (N, C, H, W), as the model takes them; the first is sent through to see what the model is made of.
    draw, seed : name the random draws.

    Returns
    -------
    The copy in double precision; its logits are those of the model but for rounding.

    Raises
    ------
    StudyError
        If the way is not known, or the model is not of this kind or, for ``nested``, has one hidden layer only.
    """
    if how not in REWIRINGS:
        raise StudyError(f"The rewiring {how!r} is not known; choose one of {', '.join(REWIRINGS)}.")
    duplicate = copy.deepcopy(model).double()
    names = _dense_names(duplicate, images[:1].to(next(duplicate.parameters())))
    layers = [_read(duplicate.get_submodule(name)) for name in names]
    changed = REWIRINGS[how](layers, compute.generator(seed, "rewired", how, draw))
    for name, layer in zip(names, changed, strict=True):
        _write(duplicate.get_submodule(name), layer)
    return duplicate


def _dense_names(model: nn.Module, image: Tensor) -> list[str]:
    """Names of the layers of a plain dense ReLU net, from the input up."""
    found = pattern_layers(model, image)
    kinds = [type(dict(model.named_modules()).get(each.name)) for each in found]
    sizes = [tuple(each.weight.shape) for each in found]
    chained = all(upper[1:] == lower[:1] for lower, upper in itertools.pairwise(sizes))
    plain = chained and set(kinds) == {nn.Linear} and len({each.name for each in found}) == len(found)
    if not plain or len(found) < 2 or not all(each.before_relu for each in found[:-1]):
        raise StudyError(
            "Only nets of dense layers, each used once and with a ReLU after each but the last, can be rewired; study "
            "such a net, e.g. k_mlp."
        )
    return [each.name for each in found]


def _read(layer: Any) -> Dense:
    weight = layer.weight.detach().cpu()
    return Dense(weight, torch.zeros(len(weight)).to(weight) if layer.bias is None else layer.bias.detach().cpu())


def _write(layer: Any, values: Dense) -> None:
    where = layer.weight.device
    layer.weight, layer.bias = (nn.Parameter(each.to(where), requires_grad=False) for each in values)
    layer.out_features, layer.in_features = values.weight.shape


def _permuted(lower: Dense, upper: Dense, generator: Generator) -> tuple[Dense, Dense]:
    order = torch.randperm(len(lower.bias), generator=generator)
    return Dense(lower.weight[order], lower.bias[order]), Dense(upper.weight[:, order], upper.bias)


def _rescaled(lower: Dense, upper: Dense, generator: Generator) -> tuple[Dense, Dense]:
    """Factors between 1/2 and 2, their logarithms uniform."""
    uniform = torch.rand(len(lower.bias), generator=generator, dtype=torch.float64)
    factor = 2.0 ** (2.0 * uniform - 1.0)
    return Dense(lower.weight * factor[:, None], lower.bias * factor), Dense(upper.weight / factor, upper.bias)


def _duplicated(lower: Dense, upper: Dense, generator: Generator) -> tuple[Dense, Dense]:
    chosen = _half(lower, generator)
    weight = upper.weight.clone()
    weight[:, chosen] /= 2.0
    return _with_units(lower, lower.weight[chosen], lower.bias[chosen]), _taking(
        Dense(weight, upper.bias), weight[:, chosen]
    )


def _cancelling(lower: Dense, upper: Dense, generator: Generator) -> tuple[Dense, Dense]:
    read, sent = _half(lower, generator), upper.weight[:, _half(lower, generator)]
    twice = read.repeat(2)
    return _with_units(lower, lower.weight[twice], lower.bias[twice]), _taking(upper, torch.cat([sent, -sent], 1))


def _half(layer: Dense, generator: Generator) -> Tensor:
    """Half of the units of a layer, at least one."""
    return torch.randperm(len(layer.bias), generator=generator)[: max(1, len(layer.bias) // 2)]


def _with_units(layer: Dense, weight: Tensor, bias: Tensor) -> Dense:
    """The layer with further units after its own."""
    return Dense(torch.cat([layer.weight, weight]), torch.cat([layer.bias, bias]))


def _taking(layer: Dense, weight: Tensor) -> Dense:
    """The layer with the weights (K, units) of further units below it."""
    return Dense(torch.cat([layer.weight, weight], 1), layer.bias)


def _nested(layers: list[Dense], generator: Generator) -> list[Dense]:
    if len(layers) < 3:
        raise StudyError("The rewiring nested needs two hidden layers, and the model has one; leave it out of hows.")
    first, second, third = layers[:3]
    count = max(1, min(len(first.bias), len(second.bias)) // 2)
    order = torch.randperm(len(first.bias), generator=generator)
    s, t = order[:count], order.roll(1)[:count]
    lift = first.weight[s].abs().sum(1) + first.bias[s].abs()
    lowest = _with_units(first, first.weight[s], first.bias[s] + lift)
    pairs, new = torch.arange(count), len(first.bias) + torch.arange(count)
    direct, nested = (torch.zeros(count, len(lowest.bias)).to(first.weight) for _ in range(2))
    nested[pairs, s], direct[pairs, new] = 1.0, 1.0
    nested[pairs, t] -= 1.0
    direct[pairs, t] -= 1.0
    padded = _taking(second, torch.zeros(len(second.bias), count).to(second.weight))
    middle = _with_units(padded, torch.cat([nested, direct]), torch.cat([torch.zeros_like(lift), -lift]))
    sent = third.weight[:, torch.randperm(len(second.bias), generator=generator)[:count]]
    return [lowest, middle, _taking(third, torch.cat([sent, -sent], 1)), *layers[3:]]


def _everywhere(
    change: Callable[[Dense, Dense, Generator], tuple[Dense, Dense]],
) -> Callable[[list[Dense], Generator], list[Dense]]:
    """A change of one hidden layer, made to all, from the input up."""

    def rewire(layers: list[Dense], generator: Generator) -> list[Dense]:
        layers = list(layers)
        for place in range(len(layers) - 1):
            layers[place], layers[place + 1] = change(layers[place], layers[place + 1], generator)
        return layers

    return rewire


REWIRINGS: dict[str, Callable[[list[Dense], Generator], list[Dense]]] = {
    "permuted": _everywhere(_permuted),
    "rescaled": _everywhere(_rescaled),
    "duplicated": _everywhere(_duplicated),
    "cancelling": _everywhere(_cancelling),
    "nested": _nested,
}
"""The ways to rewire, from the input up; see above."""
