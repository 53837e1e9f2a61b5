"""The numbers and pictures of the study of your own model: `lib.randomization` under names of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from lib import photographs
from lib.initialisers import law_named
from lib.own_subjects import SETTINGS, Given
from lib.photograph_cascades import thumbnails
from lib.randomization import randomization_maps, randomization_scores
from lib.reinitialisation import manifest, steps
from lib.units import units_of

PREFIX = "your model: "
"""Stands before every intervention, so that no claim about the networks of the papers is decided on yours."""

ACCURACY, MANIFEST = f"{PREFIX}accuracy", f"{PREFIX}manifest"
"""The interventions of `own_accuracy` and `own_manifest`."""

METRICS = ("spearman_abs", "spearman", "ssim")
"""What maps are compared by."""

_EVERY_PIXEL = float("inf")
"""No pixel of a picture is empty."""


def own_scores(
    *, count: int, methods: Sequence[str], costly: Sequence[str], orders: Sequence[str], init: Sequence[str],
    bn: Sequence[str], sweep_methods: Sequence[str], draws: int, seed: int = 0, **given: Any,
) -> pd.DataFrame:  # fmt: skip
    """Destroy a network of your own unit by unit, and compare its maps with those it gave before.

    Parameters
    ----------
    count : pictures, evenly spread over the list.
    methods, costly, orders, init, bn, sweep_methods, draws, seed : see `lib.randomization.randomization_scores`.
    given : network and pictures, see `lib.own_subjects.settings_of`.

    Returns
    -------
    Its table, with `PREFIX` before every intervention, and the columns model, dataset and seed.
    """
    own = _given(given)
    found = own.subject(photographs.spread(own.dataset, count))
    table = randomization_scores(
        found.model,
        found.images,
        found.targets,
        methods,
        draws=draws,
        orders=orders,
        init=init,
        bn=bn,
        sweep_methods=sweep_methods,
        costly=costly,
        metrics=METRICS,
        references=found.references,
        background=_EVERY_PIXEL,
        seed=seed,
        image_ids=found.image_ids,
    )
    return found.named(table.assign(intervention=PREFIX + table.intervention))


def own_accuracy(**given: Any) -> pd.DataFrame:
    """Whether the network is right, 0 or 1, for every picture of the list that has a class; no rows without any."""
    own = _given(given)
    known, predicted = own.predictions()
    labels = torch.tensor([each.label for each in known], dtype=torch.int64)
    table = _rows(ACCURACY, "none", 0, "accuracy", (predicted == labels).double())
    return _named(own, table.assign(image=[each.number for each in known], target=labels.numpy()))


def own_manifest(*, init: Sequence[str], bn: Sequence[str], seed: int = 0, **given: Any) -> pd.DataFrame:
    """What the cascade changes in the network: for each step and unit, the share of numbers that differ (``changed``).

    ``numbers``, at step 0, is how many numbers the unit owns.
    """
    own = _given(given)
    found = own.subject(photographs.spread(own.dataset, 1))
    units = units_of(found.model, found.images)
    taken = (
        ("cascade", each) for each in steps(found.model, units, law_named(init[0], found.model), 0, seed, bn=bn[0])
    )
    record = manifest(found.model, units, taken)
    numbers = [
        _rows(MANIFEST, row.unit, 0, "numbers", torch.tensor([float(row.numbers)]))
        for row in record[record.step == 1].itertuples()
    ]
    changed = [
        _rows(MANIFEST, row.unit, row.step, "changed", torch.tensor([row.changed])) for row in record.itertuples()
    ]
    return found.named(pd.concat([*numbers, *changed], ignore_index=True))


def own_pictures(
    *, count: int, gallery: int, methods: Sequence[str], init: str, bn: str, seed: int = 0, **given: Any
) -> dict[str, Tensor]:
    """Maps at every step of the cascade, small enough for galleries.

    Parameters
    ----------
    count, gallery : how many pictures are studied, and how many of these are shown, from the first on.
    methods : written forms; those that look at no network too.
    init, bn : the main setting.

    Returns
    -------
    Method -> (1 + units, N, H, W), signed, the intact network first, see `lib.photograph_cascades.thumbnails`.
    """
    own = _given(given)
    found = own.subject(photographs.spread(own.dataset, count)[:gallery])
    maps = randomization_maps(
        found.model, found.images, found.targets, methods, init=init, bn=bn, references=found.references, seed=seed,
        image_ids=found.image_ids,
    )  # fmt: skip
    return {name: thumbnails(stages) for name, (stages,) in maps.items()}


def _given(settings: dict[str, Any]) -> Given:
    """What `lib.own_subjects.settings_of` was made of."""
    return Given(**{name: settings[name] for name in SETTINGS})


def _named(own: Given, table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(model=own.network, dataset=own.dataset.rstrip("/").rpartition("/")[2], seed=0)


def _rows(intervention: str, level: str, step: int, metric: str, value: Tensor) -> pd.DataFrame:
    """Numbers about the network."""
    return pd.DataFrame({"value": value.numpy()}).assign(
        intervention=intervention, level=level, step=step, draw=-1, image=-1, target=-1, method="none", metric=metric,
        against="none",
    )  # fmt: skip
