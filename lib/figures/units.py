"""One unit at a time, for networks of many units: a table in colours."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from lib.figures.looks import METRICS, spoken
from lib.figures.words import measured, stage_names
from lib.statistics import summary


def unit_table(scores: pd.DataFrame, methods: Sequence[str], metric: str = "spearman_abs") -> Figure:
    """What is left of the similarity when one unit alone is destroyed: rows are methods, columns units.

    Parameters
    ----------
    scores : of one network, with the intervention ``independent``.
    methods : rows from the top; those that were not measured are left out.
    metric : see `METRICS`. Where all maps are constant there is no number.
    """
    found = _summary(scores, methods, metric)
    units = [name.removesuffix(" only") for name in stage_names(scores, "independent")[1:]]
    means = found.pivot(index="method", columns="step", values="value").loc[measured(found, methods)]
    width = min(10.0, 2.0 + 0.55 * len(units))
    figure, axis = plt.subplots(figsize=(width, 0.42 * len(means) + 1.4))
    # Two digits without the 0 in front, as narrow as the cells are.
    words = means.map(lambda mean: "–" if mean != mean else f"{mean:.2f}".replace("0.", ".").replace("-", "−"))
    sns.heatmap(
        means, ax=axis, vmin=0.0, vmax=1.0, cmap="cividis", annot=words, fmt="", annot_kws={"fontsize": 7.5},
        linewidths=0.5, cbar_kws={"label": METRICS[metric], "pad": 0.02},
    )  # fmt: skip
    axis.set_xticklabels(units, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
    axis.set_yticklabels([spoken(method) for method in means.index], rotation=0)
    axis.set_xlabel("the one unit that is randomized, from the logits to the input")
    axis.set_ylabel("")
    figure.tight_layout()
    return figure


def widest_interval(scores: pd.DataFrame, methods: Sequence[str], metric: str = "spearman_abs") -> float:
    """Half the length of the longest 95 % interval in `unit_table`."""
    found = _summary(scores, methods, metric)
    return float(((found.high - found.low) / 2).max())


def _summary(scores: pd.DataFrame, methods: Sequence[str], metric: str) -> pd.DataFrame:
    chosen = scores[
        (scores.intervention == "independent")
        & (scores.against == "original")
        & (scores.metric == metric)
        & scores.method.isin(list(methods))
    ]
    return summary(chosen, ["method", "step"])
