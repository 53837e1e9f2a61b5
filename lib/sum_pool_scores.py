"""Scores of random sum-pooled nets: the exact statements about one filter, and how well maps find the edges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd
import torch
from torch import Tensor

from lib import attributions
from lib.attributions.gradients import Gradient, GradientXInput
from lib.attributions.rectified import GuidedBackprop
from lib.comparison import Examples, Scores, Table
from lib.edges import edge_auc, edge_pixels, luminance, magnitude
from lib.errors import StudyError
from lib.exactness import relative_error
from lib.explained import maps_of
from lib.sum_pool import (
    PATTERNS,
    SumPool,
    convolutional,
    dense,
    distinct_values,
    gradient_in_closed_form,
    pattern_codes,
    preactivation,
    random_dense,
    random_filters,
    spread_within_patterns,
)

FORMS = {
    "closed_form": (0.0, "minus"),
    "slope_one": (1.0, "minus"),
    "index_plus": (0.0, "plus"),
    "printed": (1.0, "plus"),
}
"""Closed forms that the gradient is held against: the right one, each of the paper's two conventions, and both."""

NETS = ("sum_pool_conv", "dense_relu", "stacked_conv")
"""One random 3x3 filter; a dense layer of as many units as pixels in its place; several filters in several layers."""


def closed_form_scores(
    images: Tensor, *, image_ids: list[int], background: float, draws: int, seed: int = 0
) -> pd.DataFrame:
    """What must hold exactly for the gradient of a sum-pooled convolution, in float64, for each random filter.

    Parameters
    ----------
    images : (N, 1 or 3, H, W); of colours the luminance is taken.
    image_ids : their numbers.
    background : pixel value of an empty pixel; not used.
    draws : random filters.
    seed : of the filters.

    Returns
    -------
    Scores of the intervention ``sum_pool_conv``: the ``relative_error`` of the gradient against `FORMS`, of Guided
    Backprop against the gradient, of the sum of Gradient ⊙ input against the logit, and of the gradient between pixels
    of one pattern, all relative to the sum of the filter's absolute weights; and the numbers of ``distinct_values`` and
    ``patterns``, and the ``uniform_share`` of pixels whose pattern is all on or all off.
    """
    _check_counts(draws=draws)
    grey = luminance(images).double()
    table = Table(image_ids)
    examples = _of_one_logit(grey, image_ids)
    for draw in range(draws):
        filters = random_filters(draw, seed=seed)
        model, filter_ = convolutional(filters), filters[0][0, 0]
        maps = maps_of(model, examples, [Gradient(), GradientXInput(), GuidedBackprop()], seed)
        gradient, product, guided = maps.values()
        scores = Scores(examples.targets)
        # Some filters answer nowhere, and the gradient is 0; what a filter could give is never 0.
        largest = filter_.abs().sum().expand(len(grey))
        for name, (slope, index) in FORMS.items():
            expected = gradient_in_closed_form(grey, filter_, slope, index)
            scores.add("gradient", name, {"relative_error": relative_error(gradient, expected, largest)})
        scores.add("guided_backprop", "gradient", {"relative_error": relative_error(guided, gradient, largest)})
        logit, total = model(grey)[:, 0], product.flatten(1).sum(1)
        scale = largest * grey.flatten(1).abs().sum(1)
        scores.add("gradient_x_input", "logit", {"relative_error": relative_error(total, logit, scale)})
        codes = pattern_codes(preactivation(grey, filter_) > 0)
        spread = spread_within_patterns(gradient, codes) / largest
        scores.add("gradient", "pattern", {"relative_error": spread, "distinct_values": distinct_values(gradient)})
        kinds = torch.tensor([len(each.unique()) for each in codes])
        uniform = ((codes == 0) | (codes == PATTERNS - 1)).double().mean((1, 2))
        scores.add("none", "none", {"patterns": kinds, "uniform_share": uniform})
        table.add("sum_pool_conv", "none", 0, draw, scores)
    return table.frame()


def edge_scores(
    images: Tensor, *, image_ids: list[int], background: float, methods: Sequence[str], nets: Sequence[str],
    draws: int, layers: Sequence[int] = (1,), channels: int = 1, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """How well maps of random nets find the edges of the image, see `lib.edges.edge_auc`.

    Parameters
    ----------
    images : (N, 1 or 3, H, W); of colours the luminance is taken.
    image_ids : their numbers.
    background : pixel value of an empty pixel; not used.
    methods : written forms.
    nets : of `NETS`.
    draws : random nets of each kind.
    layers : numbers of layers of ``stacked_conv``, each a step.
    channels : of each layer of ``stacked_conv``.
    seed : of weights and noise.

    Returns
    -------
    Scores with the metric ``auc_edge``; the interventions are the words of ``nets``. Draws of different nets have the
    same number and the same noise, so that they can be paired.
    """
    _check_counts(draws=draws, channels=channels, **{f"layers[{n}]": each for n, each in enumerate(layers)})
    if not nets or not set(nets) <= set(NETS):
        raise StudyError(f"nets is {list(nets)}; choose from {', '.join(NETS)}.")
    chosen = attributions.methods(methods)
    grey = luminance(images)
    edges = edge_pixels(grey)
    examples = _of_one_logit(grey, image_ids)
    table = Table(image_ids)
    for net in nets:
        for draw in range(draws):
            for step, level, model in _random_nets(net, draw, grey, layers, channels, seed):
                maps = maps_of(model, examples, chosen, seed, f"{net} {draw} {step}")
                scores = Scores(examples.targets)
                for name, found in maps.items():
                    scores.add(name, "edge", {"auc_edge": edge_auc(found, edges)})
                table.add(net, level, step, draw, scores)
    return table.frame()


def sum_pool_pictures(
    images: Tensor, *, image_ids: list[int], background: float, methods: Sequence[str], filters: int,
    layers: int, channels: int, seed: int = 0,
) -> dict[str, Tensor]:  # fmt: skip
    """The images, their edges, and maps of several random filters, of a dense layer and of a stack of convolutions.

    Parameters
    ----------
    images, image_ids, background, methods, channels, seed : as those of `edge_scores`.
    filters : how many random filters: draws 0, 1, …
    layers : of the stack.

    Returns
    -------
    ``image``, ``edges``, and for each row of a gallery (``filter 1``, …, ``dense layer``, ``3 layers``) and each method
    ``row:method``; for a filter ``row:units on`` too, 1 where it answers above 0. Each (N, H, W).
    """
    _check_counts(filters=filters, layers=layers, channels=channels)
    grey = luminance(images).double()
    examples = _of_one_logit(grey, image_ids)
    chosen = attributions.methods(methods)
    pictures = {"image": grey[:, 0], "edges": magnitude(grey)[:, 0]}
    nets = {f"filter {draw + 1}": ("sum_pool_conv", draw) for draw in range(filters)}
    nets |= {"dense layer": ("dense_relu", 0), f"{layers} layers": ("stacked_conv", 0)}
    for row, (net, draw) in nets.items():
        if net == "sum_pool_conv":
            answer = preactivation(grey, random_filters(draw, seed=seed)[0][0, 0])
            pictures[f"{row}:units on"] = (answer > 0).double()
        for _, _, model in _random_nets(net, draw, grey, [layers], channels, seed):
            for method, maps in maps_of(model, examples, chosen, seed, row).items():
                pictures[f"{row}:{method}"] = maps[:, 0]
    return pictures


def _random_nets(
    net: str, draw: int, images: Tensor, layers: Sequence[int], channels: int, seed: int
) -> Iterator[tuple[int, str, SumPool]]:
    """Step, level and net, in the images' precision; several for ``stacked_conv``."""
    if net == "sum_pool_conv":
        yield 0, "none", convolutional(random_filters(draw, seed=seed)).to(images)
    elif net == "dense_relu":
        yield 0, "none", dense(random_dense(draw, images[0].numel(), seed).to(images))
    else:
        for count in layers:
            filters = random_filters(draw, count, channels, seed)
            yield count, f"{channels} channels", convolutional(filters).to(images)


def _of_one_logit(images: Tensor, image_ids: list[int]) -> Examples:
    return Examples.of(images, torch.zeros(len(images), dtype=torch.int64), image_ids=image_ids)


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise StudyError(f"{name} is {count}; it must be at least 1.")
