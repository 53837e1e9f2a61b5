"""Identities between methods on ReLU nets, and what integrated gradients sum to."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor, nn

from lib import attributions
from lib.attributions.gradients import GradientXInput
from lib.attributions.path import IntegratedGradients
from lib.comparison import Examples, Scores, Table
from lib.errors import StudyError
from lib.exactness import relative_error
from lib.explained import maps_of
from lib.initialisers import law_named
from lib.reinitialisation import steps
from lib.units import units_of

PRODUCT = GradientXInput()


def identity_scores(
    model: nn.Module, *, images: Tensor, targets: Tensor, labels: Tensor, image_ids: list[int],
    references: Mapping[str, Tensor], training_images: Tensor, background: float, methods: Sequence[str], draws: int,
    init: str = "tn(0.1)", seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """How far methods are from Gradient ⊙ input, in float64, with and without biases, trained and random.

    Parameters
    ----------
    model, images, targets, image_ids, references : of the trained net; labels, training images and background are not
        used.
    methods : written forms of the methods held against Gradient ⊙ input.
    draws : random nets.
    init : their law, for weights and biases alike, see `lib.initialisers.LAWS`.
    seed : of the weights.

    Returns
    -------
    Scores of ``identity`` (the trained net), ``identity(bias=none)`` (its biases set to 0), and the same with
    ``weights=random``: the metric ``relative_error`` against ``gradient_x_input``.
    """
    if draws < 1:
        raise StudyError(f"draws is {draws}; it must be at least 1.")
    law_named(init, model)
    chosen = attributions.methods(methods)
    images = images.double()
    exact = {name: image.double() for name, image in references.items()}
    examples = Examples.of(images, targets, image_ids=image_ids, references=exact)
    table = Table(image_ids)
    for words, draw, state in _states(copy.deepcopy(model).double(), images, init, draws, seed):
        maps = maps_of(state, examples, [PRODUCT, *chosen], seed, f"{words} {draw}")
        scores = Scores(targets)
        for method in chosen:
            error = relative_error(maps[method.name], maps[PRODUCT.name])
            scores.add(method.name, PRODUCT.name, {"relative_error": error})
        table.add(f"identity({words})" if words else "identity", "none", 0, draw, scores)
    return table.frame()


def completeness_scores(
    model: nn.Module, *, images: Tensor, targets: Tensor, labels: Tensor, image_ids: list[int],
    references: Mapping[str, Tensor], training_images: Tensor, background: float, methods: Sequence[str],
    seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    r"""What integrated gradients sum to: the logit, or its difference from the reference's.

    .. math:: \frac{|\sum_i E_i - S(x)|}{|S(x)|}, \quad
              \frac{|\sum_i E_i - (S(x) - S(\bar x))|}{|S(x) - S(\bar x)|}

    Parameters
    ----------
    model, images, targets, image_ids, references : of the trained net; labels, training images and background are not
        used.
    methods : written forms of integrated gradients, with their steps and references.
    seed : of a run; nothing is drawn.

    Returns
    -------
    Scores of the intervention ``completeness``: the metric ``completeness_gap`` against ``logit`` and
    ``logit_difference``.
    """
    chosen = attributions.methods(methods)
    examples = Examples.of(images, targets, image_ids=image_ids, references=references)
    maps = maps_of(model, examples, chosen, seed)
    scores = Scores(targets)
    for method in chosen:
        if not isinstance(method, IntegratedGradients):
            raise StudyError(f"The method {method.name} is not a form of integrated_gradients; leave it out here.")
        start = torch.zeros_like(images[0]) if method.reference == "zero" else references[method.reference]
        here, there = (_logits(model, each, targets) for each in (images, start.expand_as(images)))
        total = maps[method.name].flatten(1).double().sum(1)
        for against, expected in (("logit", here), ("logit_difference", here - there)):
            scores.add(method.name, against, {"completeness_gap": (total - expected).abs() / expected.abs()})
    table = Table(image_ids)
    table.add("completeness", "none", 0, -1, scores)
    return table.frame()


def without_biases(model: nn.Module) -> nn.Module:
    """A copy in which all biases are 0."""
    found = copy.deepcopy(model)
    with torch.no_grad():
        for name, parameter in found.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
    return found


def _states(model: nn.Module, images: Tensor, init: str, draws: int, seed: int) -> Iterator[tuple[str, int, nn.Module]]:
    """What is done to the net, the draw (-1 if none), and the net."""
    yield "", -1, model
    yield "bias=none", -1, without_biases(model)
    random = copy.deepcopy(model)
    for draw in range(draws):
        *_, last = steps(model, units_of(model, images), law_named(init, model), draw, seed)
        random.load_state_dict(last.state)
        yield "weights=random", draw, random
        yield "weights=random,bias=none", draw, without_biases(random)


def _logits(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """The explained logits: (N,), float64."""
    with torch.no_grad():
        return model(images).double().gather(1, targets.unsqueeze(1)).squeeze(1)
