"""How far the maps of a net that tells bone age change when the net is destroyed, and how well it tells it.

The cascade is that of `lib.randomization`. Its rows stand under names of their own, so that claims about other nets are
decided on other nets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import torch
from torch import Tensor

from lib import compute, hands
from lib.bone_age import Recipe, months, trained
from lib.randomization import randomization_scores
from lib.workspace import working_copy

PREFIX = "bone age: "
"""Stands before the interventions of `lib.randomization`, e.g. ``bone age: cascade``."""

CLEAN = "bone age, clean hands: "
"""Stands there if the hands are clean: without noise, on a black background."""

ERROR = f"{PREFIX}error"
"""The intervention of `error_scores`."""

MODEL, DATASET = "bone_age_net", "hands"
"""How the table names the net and the images."""

MEAN_AGE = "the mean age"
"""The level of answers that are the mean age of the hands trained on, whatever the image; the net's is ``net``."""

METRICS = ("spearman_abs", "spearman", "ssim")
"""What maps are compared by."""

_EVERY_PIXEL = float("inf")
"""No pixel of a radiograph is empty."""


def cascade_scores(
    *, train_hands: int, iterations: int, training_seed: int, methods: Sequence[str], sweep_methods: Sequence[str],
    orders: Sequence[str], init: Sequence[str], count: int, draws: int, clean: bool = False, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Destroy a net that tells bone age unit by unit, and compare the maps of its one output with those before.

    Parameters
    ----------
    train_hands, iterations, training_seed : see `lib.bone_age.Recipe`.
    methods, sweep_methods, orders, init, draws, seed : see `lib.randomization.randomization_scores`.
    count : hands that are explained, at least 2; none of them was trained on.
    clean : whether these are without noise, on a black background; the hands trained on are neither.

    Returns
    -------
    Its table, with `PREFIX` or `CLEAN` before every intervention, and the columns model, dataset and seed.
    """
    model = trained(Recipe(train_hands, iterations, seed=training_seed))
    ages = hands.drawn_ages(count, "explained")
    images = clean_hands(ages, "explained") if clean else hands.hands_of(ages, "explained").images
    table = randomization_scores(
        model,
        images,
        the_output(count),
        methods,
        draws=draws,
        orders=orders,
        init=init,
        sweep_methods=sweep_methods,
        metrics=METRICS,
        background=_EVERY_PIXEL,
        seed=seed,
    )
    return _named(table.assign(intervention=(CLEAN if clean else PREFIX) + table.intervention), training_seed)


def error_scores(*, train_hands: int, iterations: int, training_seed: int, count: int) -> pd.DataFrame:
    """How far a net is off on hands that it was not trained on, in months, and how far the mean age would be.

    Parameters
    ----------
    train_hands, iterations, training_seed : see `lib.bone_age.Recipe`.
    count : held-out hands.

    Returns
    -------
    Rows of the intervention `ERROR`, in months: the metric ``absolute_error`` of the levels ``net`` and `MEAN_AGE`, and
    ``age`` and ``told_age`` of the level ``net``.
    """
    compute.settle()
    model = trained(Recipe(train_hands, iterations, seed=training_seed))
    unseen = hands.hands(count, "test")
    told = months(working_copy(model), unseen.images)
    mean = hands.drawn_ages(train_hands, "train").mean()
    rows = {
        ("net", "absolute_error"): (told - unseen.ages).abs(),
        (MEAN_AGE, "absolute_error"): (mean - unseen.ages).abs(),
        ("net", "age"): unseen.ages,
        ("net", "told_age"): told,
    }
    constant = {"intervention": ERROR, "step": 0, "draw": -1, "target": 0, "method": "none", "against": "none"}
    tables = [
        pd.DataFrame({"image": range(count), "value": value.numpy()} | constant | {"level": level, "metric": metric})
        for (level, metric), value in rows.items()
    ]
    return _named(pd.concat(tables, ignore_index=True), training_seed)


def clean_hands(ages: Tensor, name: str) -> Tensor:
    """The hands of `lib.hands.hands_of` without noise, on a black background: (N, 1, H, W)."""
    looks = hands.drawn_looks(len(ages), name)
    return hands.rendered(ages, replace(looks, brightness=torch.zeros_like(looks.brightness)))


def the_output(count: int) -> Tensor:
    """The one output, to be explained for each of some images: (count,)."""
    return torch.zeros(count, dtype=torch.int64)


def _named(table: pd.DataFrame, training_seed: int) -> pd.DataFrame:
    return table.assign(model=MODEL, dataset=DATASET, seed=training_seed)
