"""The only machine-readable numbers of the cascade: those in the authors' released notebooks."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import yaml

from lib.statistics import summary
from lib.training import TrainedNet


def with_released_numbers(nets: Iterable[TrainedNet]) -> list[str]:
    """The architectures among some nets that have released numbers: those trained on MNIST, whole or in part."""
    return list(dict.fromkeys(net.recipe.model for net in nets if net.recipe.dataset.startswith("mnist")))


def beside_released(scores: pd.DataFrame, methods: list[str]) -> pd.DataFrame:
    """Our mean similarities of absolute maps beside the released ones, for the nets that have some.

    Parameters
    ----------
    scores : of one architecture (several training seeds are averaged).
    methods : rows, in this order; those without a released value are left out.

    Returns
    -------
    Rows are methods; columns are pairs (unit reached, ours | released).
    """
    released = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text(encoding="utf-8"))[scores.model.iloc[0]]
    chosen = scores[(scores.metric == "spearman_abs") & (scores.against == "original") & (scores.step > 0)]
    ours = summary(chosen, ["method", "level", "step"]).sort_values("step")
    table = {
        (unit, whose): {
            method: float(ours[(ours.method == method) & (ours.level == unit)].value.iloc[0])
            if whose == "ours"
            else released[method][unit]
            for method in methods
            if method in released
        }
        for unit in ours.level.astype(str).unique()
        for whose in ("ours", "released")
    }
    return pd.DataFrame(table)
