r"""What the maps of a network and of the network for shifted images sum to, and how much of them lies on empty pixels.

Kindermans et al. 2017 call a method an attribution if its map sums to the output that it explains, and remark that a
product with the input ties the map to pixels that are not 0. Both can be looked at exactly. For a net of dense or
convolutional layers, ReLU and pooling, the logit is a sum over pixels and biases,

.. math:: S_c(x) = \sum_i x_i \frac{\partial S_c}{\partial x_i} + B(x), \qquad
          B(x) = \sum_l \sum_j b^l_j \frac{\partial S_c}{\partial z^l_j},

because the net is linear in x and all b as long as no ReLU switches (Euler's theorem for functions of degree 1). So
Gradient ⊙ input, and with it the zero root of deep Taylor decomposition, falls short by the share of the biases, B.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.func import functional_call

from lib import attributions, compute
from lib.attributions.base import Method
from lib.comparison import Scores, Table
from lib.networks import Network
from lib.shift_invariance import fields_of

PRODUCT = "gradient_x_input"
"""The method that falls short by the share of the biases."""


def sum_scores(
    model: nn.Module, images: Tensor, targets: Tensor, methods: Sequence[str], *, shifts: Sequence[str],
    background: float, training_images: Tensor, pattern_images: int = 10_000,
    image_ids: Sequence[int] | None = None, seed: int = 0, **others: Any,
) -> pd.DataFrame:  # fmt: skip
    """Sum the maps of a network, and of the networks that make up for shifts of its images, in double precision.

    Parameters
    ----------
    model : of dense or convolutional layers, ReLU and pooling, its input seen through one layer; it is not changed.
    images : (N, C, H, W) to explain.
    targets : (N,) explained classes.
    methods : written forms.
    shifts : as for `lib.shift_invariance.shift_invariance`.
    background : pixel value of an empty pixel in ``images``; the same pixels count as empty after a shift.
    training_images : (M, C, H, W), for references and patterns.
    pattern_images : patterns are estimated on so many of them.
    image_ids, seed : name the noise; by default images are numbered from 0.
    others : what else a study gives to the functions it calls with a net; not used.

    Returns
    -------
    A table with the interventions ``sums(shift=none)`` and ``sums(shift=<name>)`` and the metrics

    - ``completeness``, the sum of a map over what it should be, and ``completeness_gap``, how far from 1 that is:
      against ``logit``, and against ``logit_difference`` from the method's reference image (0 without one);
    - ``mass_on_empty``, the share of a map's absolute values that lies on empty pixels;
    - of no method, ``bias_share``, B over the logit, and ``empty_share``, that of the pixels;
    - of Gradient ⊙ input against ``bias_share``, the ``relative_error``: the logit less the map's sum less B, over the
      logit.
    """
    compute.settle()
    chosen = attributions.methods(methods)
    ids = list(range(len(images)) if image_ids is None else image_ids)
    first = Network.of(model, training_images, pattern_images)
    fields = fields_of(first, images, targets, shifts)
    empty, images = (images == background).flatten(1), images.double()
    sides = {"none": (first, images)}
    sides |= {name: (first.shifted(shift), images + shift) for name, shift in fields.items()}
    for network, seen in sides.values():
        network.check(seen, targets, chosen)
    table = Table(ids)
    for name, (network, seen) in sides.items():
        maps = network.maps(seen, targets, chosen, ids, seed)
        table.add(f"sums(shift={name})", "none", 0, -1, _scores(network, seen, targets, chosen, maps, empty))
    return table.frame()


def _scores(
    network: Network, images: Tensor, targets: Tensor, methods: Sequence[Method], maps: Mapping[str, Tensor],
    empty: Tensor,
) -> Scores:  # fmt: skip
    """The sums of one network's maps; ``empty`` is (N, C*H*W)."""
    logit = _logits(network, images, targets)
    biases = bias_part(network.model, images.to(compute.device()), targets.to(compute.device())).cpu()
    scores = Scores(targets)
    scores.add("none", "none", {"bias_share": biases / logit, "empty_share": empty.double().mean(1)})
    for method in methods:
        own = maps[method.name].flatten(1)
        total, sizes = own.sum(1), own.abs()
        start = network.references.get(getattr(method, "reference", "zero"), torch.zeros_like(images[0]))
        difference = logit - _logits(network, start.expand_as(images), targets)
        for against, expected in {"logit": logit, "logit_difference": difference}.items():
            share = total / expected
            scores.add(method.name, against, {"completeness": share, "completeness_gap": (share - 1.0).abs()})
        scores.add(method.name, "none", {"mass_on_empty": (sizes * empty).sum(1) / sizes.sum(1)})
        if method.name == PRODUCT:
            left = (logit - total - biases).abs() / logit.abs()
            scores.add(method.name, "bias_share", {"relative_error": left})
    return scores


def bias_part(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """What the biases give to the explained logits, B above: how fast these grow when all biases grow in proportion.

    Parameters
    ----------
    model : of dense or convolutional layers, ReLU and pooling.
    images : (N, C, H, W), of the model's type.
    targets : (N,) explained classes.

    Returns
    -------
    (N,).
    """
    values = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    biases = {name: value.detach() for name, value in values.items() if name.endswith("bias")}
    if not biases:
        return images.new_zeros(len(images))
    factor, weights = images.new_ones(()).requires_grad_(True), images.new_ones(len(images)).requires_grad_(True)
    with torch.enable_grad():
        grown = {name: factor * bias for name, bias in biases.items()}
        logits = functional_call(model, {**values, **grown}, (images,)).gather(1, targets.unsqueeze(1)).squeeze(1)
        # One derivative of a sum over images, and its derivatives by their weights: those of the images, in two passes.
        growth = torch.autograd.grad((weights * logits).sum(), factor, create_graph=True)[0]
        return torch.autograd.grad(growth, weights)[0]


def _logits(network: Network, images: Tensor, targets: Tensor) -> Tensor:
    """The explained logits (N,), on the CPU."""
    with torch.no_grad():
        return network.model(images.double().to(compute.device())).cpu().gather(1, targets.unsqueeze(1)).squeeze(1)
