"""Model randomization at the scale of ImageNet: published networks, photographs, image metrics (Adebayo et al. 2018).

The cascade itself is that of `lib.randomization`. Its rows stand under names of their own, so that claims about the
small nets are decided on the small nets.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from math import ceil
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from lib import attributions, compute, photographs
from lib.attributions.base import explain
from lib.attributions.controls import Input
from lib.comparison import Scores, Table
from lib.initialisers import law_named
from lib.photograph_subjects import Subject, subject
from lib.progress import Progress
from lib.randomization import randomization_maps, randomization_scores
from lib.reinitialisation import steps
from lib.similarity import PreparedMaps, compare
from lib.units import units_of
from lib.workspace import chunks, working_copy

PREFIX = "photographs: "
"""Stands before the interventions of `lib.randomization`, e.g. ``photographs: cascade``."""

RECOGNITION = f"{PREFIX}recognition"
"""The intervention of `recognition_scores`."""

METRICS = ("spearman_abs", "spearman", "ssim", "hog")
"""What maps of photographs are compared by."""

NULLS = ("null_other_image", "null_shuffle")

NOISE = "noise_x_input"
"""How the table names the product of the image with white noise."""

SMALL = 64
"""Height and width of the maps in galleries."""

_EVERY_PIXEL = float("inf")
"""No pixel of a photograph is empty."""


def cascade_scores(
    *, network: str, weights_of: str, dataset: str, count: int, image_range: Sequence[int], methods: Sequence[str],
    costly: Sequence[str], sweep_methods: Sequence[str], orders: Sequence[str], init: Sequence[str],
    bn: Sequence[str], draws: int, seed: int = 0, **others: Any,
) -> pd.DataFrame:  # fmt: skip
    """Destroy a published network unit by unit, and compare its maps with those it gave before.

    Parameters
    ----------
    network, weights_of, dataset : see `lib.photograph_subjects.subject`.
    count, image_range : which photographs, see `lib.photographs.spread`.
    methods, costly, sweep_methods, orders, init, bn, draws, seed : see `lib.randomization.randomization_scores`.
    others : what tells the files that were read, for the key of the result; not used here.

    Returns
    -------
    Its table, with `PREFIX` before every intervention, and the columns model, dataset and seed.
    """
    given = subject(network, weights_of, dataset, photographs.spread(dataset, count, image_range))
    table = randomization_scores(
        given.model,
        given.images,
        given.targets,
        methods,
        draws=draws,
        orders=orders,
        init=init,
        bn=bn,
        sweep_methods=sweep_methods,
        costly=costly,
        metrics=METRICS,
        nulls=NULLS,
        references=given.references,
        background=_EVERY_PIXEL,
        seed=seed,
        image_ids=given.image_ids,
    )
    return given.named(table.assign(intervention=PREFIX + table.intervention))


def cascade_pictures(
    *, network: str, weights_of: str, dataset: str, files: Sequence[str], methods: Sequence[str], init: str, bn: str,
    signed: Sequence[str], seed: int = 0, **others: Any,
) -> dict[str, Tensor]:  # fmt: skip
    """Photographs by name and their maps at every step of the cascade, small enough for galleries.

    Parameters
    ----------
    files : names of the photographs.
    signed : those of the methods whose signs are shown too.
    The others are those of `cascade_scores`.

    Returns
    -------
    ``image`` : (N, 3 * H, W), the channels one below the other, in [0, 1]. ``abs:gradient`` and so on, for each
    method: (1 + units, N, `SMALL`, `SMALL`), mean sizes within small squares, the intact network first;
    ``signed:gradient``, the same with signs.
    """
    given = subject(network, weights_of, dataset, photographs.named(dataset, files))
    maps = randomization_maps(
        given.model, given.images, given.targets, methods, init=init, bn=bn, references=given.references, seed=seed,
        image_ids=given.image_ids,
    )  # fmt: skip
    found = {"image": shown(given).flatten(1, 2)}
    for name, (stages,) in maps.items():
        found[f"abs:{name}"] = thumbnails(stages.abs())
        if name in signed:
            found[f"signed:{name}"] = thumbnails(stages)
    return found


def thumbnails(maps: Tensor) -> Tensor:
    """Means within squares, and in steps of a hundredth of the largest, which a file packs well: (…, H, W)."""
    small = functional.adaptive_avg_pool2d(maps.double().flatten(0, -3), SMALL).unflatten(0, maps.shape[:-2])
    largest = small.abs().amax((-2, -1), keepdim=True)
    return (small / largest.masked_fill(largest == 0, 1.0) * 100.0).round() / 100.0


def shown(given: Subject) -> Tensor:
    """The photographs of a subject with their colours in [0, 1]: (N, 3, H, W)."""
    black, white = given.references["black"], given.references["white"]
    return (given.images - black) / (white - black)


def recognition_scores(
    *, network: str, weights_of: str, dataset: str, count: int, image_range: Sequence[int], products: Sequence[str],
    init: str, bn: str, draws: int, seed: int = 0, **others: Any,
) -> pd.DataFrame:  # fmt: skip
    r"""How much of the image is seen in products with the input while the upper half of a network is destroyed.

    Parameters
    ----------
    products : methods that multiply by the input.
    init, bn : words of `lib.initialisers.LAWS` and `lib.reinitialisation.BATCH_NORMS`.
    draws : of new weights, and of the noise.
    The others are those of `cascade_scores`.

    Returns
    -------
    Rank correlations of :math:`|E_k|` with the image :math:`|x|` (``against`` input) for the first 8 of 17 units, or
    that share of a network with fewer or more. The method `NOISE` is the product of x with white noise, which knows
    nothing: what it reaches is owed to the product.
    """
    given = subject(network, weights_of, dataset, photographs.spread(dataset, count, image_range))
    units = units_of(given.model, given.images[:1])
    chosen = attributions.methods(products)
    working = working_copy(given.model)
    trained = copy.deepcopy(working.state_dict())
    law = law_named(init, given.model)
    parts = list(chunks(given.images))
    deepest = ceil(len(units) * 8 / 17)
    progress = Progress("recognition", len(parts) * draws * deepest)
    tables = []
    for part in parts:
        working.load_state_dict(trained)
        examples = given.examples.part(part)
        intact = examples.workspace(working_copy(given.model), "original", seed, "trained")
        image = PreparedMaps(explain([Input()], intact)["input"])
        table = Table(given.image_ids[part])
        for draw in range(draws):
            noise = compute.generator(seed, "noise times input", draw)
            white = torch.randn(given.images.shape[1:], generator=noise)
            for step in steps(given.model, units, law, draw, seed, bn=bn):
                if step.step > deepest:
                    break
                working.load_state_dict(step.state)
                state = f"draw {draw}, step {step.step}"
                found = explain(chosen, examples.workspace(working, "original", seed, state, pattern_source=intact))
                found[NOISE] = examples.images * white.to(examples.images)
                scores = Scores(examples.targets)
                for name, maps in found.items():
                    scores.add(name, "input", compare(PreparedMaps(maps), image, ["spearman_abs"]))
                table.add(RECOGNITION, step.unit, step.step, draw, scores)
                progress.step(step.unit)
        tables.append(table.frame())
    return given.named(pd.concat(tables, ignore_index=True))
