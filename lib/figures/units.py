"""Networks of many units: one unit at a time as a table in colours, and how long a product shows the image."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from lib.figures.looks import METRICS, legend_below, spoken, style
from lib.figures.words import measured, stage_names, two_digits
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
    sns.heatmap(
        means, ax=axis, vmin=0.0, vmax=1.0, cmap="cividis", annot=means.map(_narrow), fmt="", linewidths=0.5,
        annot_kws={"fontsize": 7.5}, cbar_kws={"label": METRICS[metric], "pad": 0.02},
    )  # fmt: skip
    axis.set_facecolor("0.92")
    for row, column in np.argwhere(means.isna().to_numpy()):
        axis.text(column + 0.5, row + 0.5, _narrow(np.nan), ha="center", va="center", fontsize=7.5, color="0.35")
    axis.set_xticklabels(units, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
    axis.set_yticklabels([spoken(method) for method in means.index], rotation=0)
    axis.set_xlabel("the one unit that is randomized, from the logits to the input")
    axis.set_ylabel("")
    figure.tight_layout()
    return figure


def recognition_curves(scores: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """Rank correlation of the size of a map with that of the image, unit by unit, with 95 % intervals.

    Parameters
    ----------
    scores : of one network, with the intervention ``recognition``.
    methods : one line each; the last, what a product reaches that knows nothing, is grey and dashed.
    """
    chosen = scores[scores.intervention == "recognition"]
    units = stage_names(scores, "recognition")[1:]
    found = summary(chosen, ["method", "step"]).sort_values("step")
    looks = style(methods) | {methods[-1]: {"color": "0.45", "marker": "x", "linestyle": "--"}}
    figure, axis = plt.subplots(figsize=(5.2, 3.2))
    for method in methods:
        curve = found[found.method == method]
        axis.fill_between(curve.step, curve.low, curve.high, color=looks[method]["color"], alpha=0.18, linewidth=0)
        axis.plot(curve.step, curve.value, label=spoken(method), markersize=5, **looks[method])
    axis.set_xticks(range(1, len(units) + 1), units, rotation=30, ha="right", rotation_mode="anchor")
    axis.set_ylim(-0.05, 1.05)
    axis.set_xlabel("randomized down to")
    axis.set_ylabel("similarity to the image, $\\rho_a$")
    sns.despine(ax=axis)
    legend_below(figure, [axis], 3)
    return figure


def widest_interval(scores: pd.DataFrame, methods: Sequence[str], metric: str = "spearman_abs") -> str:
    """In words: half the length of the longest 95 % interval in `unit_table`; – if one image cannot give any."""
    found = _summary(scores, methods, metric)
    half = float(((found.high - found.low) / 2).max())
    return two_digits(half) if np.isfinite(half) else "–"


def _narrow(mean: float) -> str:
    """Two digits without the 0 in front, as narrow as a cell."""
    return "–" if np.isnan(mean) else two_digits(mean).replace("0.", ".")


def _summary(scores: pd.DataFrame, methods: Sequence[str], metric: str) -> pd.DataFrame:
    chosen = scores[
        (scores.intervention == "independent")
        & (scores.against == "original")
        & (scores.metric == metric)
        & scores.method.isin(list(methods))
    ]
    return summary(chosen, ["method", "step"])
