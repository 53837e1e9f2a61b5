"""What maps sum to, image by image, and how much of them lies on empty pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.errors import StudyError
from lib.exactness import EXACT
from lib.figures.exactness import power_of_ten
from lib.figures.rows import draw_dots, method_rows, name_rows
from lib.statistics import summary

_PANELS = {"logit": "sum of the map / $S_c(x)$", "logit_difference": "sum of the map / $(S_c(x) - S_c(\\bar x))$"}
_LOW, _HIGH = 0.0, 2.0
_CLOSE = 0.01
_COLOURS = {"exact": "#0173b2", "close": "#56b4e9", "off": "#d55e00"}


def completeness_strips(scores: pd.DataFrame, methods: Sequence[str], intervention: str = "sums(shift=none)") -> Figure:
    """Sums of maps over the logit, and over its difference from the reference's; one dot per image.

    The number at the right is the mean distance from 1, or says that the largest is rounding. Images beyond the axis
    are triangles at its end.

    Parameters
    ----------
    scores : of one net, of `lib.completeness.sum_scores`.
    methods : rows from the top; those that were not measured are left out.
    intervention : which network.
    """
    chosen = scores[(scores.intervention == intervention) & scores.metric.isin(["completeness", "completeness_gap"])]
    rows = method_rows(chosen, methods)
    figure, axes = plt.subplots(1, 2, figsize=(10.4, 0.36 * len(rows) + 1.0), sharey=True)
    for axis, (against, label) in zip(axes, _PANELS.items(), strict=True):
        for method, height in rows.items():
            own = chosen[(chosen.method == method) & (chosen.against == against)]
            ratios, gaps = (own[own.metric == name].value.to_numpy() for name in ("completeness", "completeness_gap"))
            _strip(axis, height, ratios, gaps)
        axis.axvline(1.0, color="0.35", linewidth=0.9, linestyle="--", zorder=0)
        axis.set_xlim(_LOW - 0.1, _HIGH + 0.1)
        axis.set_xlabel(label)
        axis.grid(axis="y", color="0.93")
        axis.set_axisbelow(True)
        axis.tick_params(axis="y", length=0)
        sns.despine(ax=axis, left=True)
    name_rows(axes[0], rows)
    figure.subplots_adjust(wspace=0.42)
    return figure


def _strip(axis: Axes, height: int, ratios: np.ndarray, gaps: np.ndarray) -> None:
    """The images of one method in one panel, and its gap in words to their right."""
    kind = "exact" if gaps.max() < EXACT else "close" if gaps.mean() < _CLOSE else "off"
    look: dict[str, Any] = {
        "linestyle": "",
        "color": _COLOURS[kind],
        "alpha": 0.5,
        "markeredgewidth": 0,
        "clip_on": False,
    }
    inside = (ratios >= _LOW) & (ratios <= _HIGH)
    axis.plot(ratios[inside], np.full(inside.sum(), height), marker="o", markersize=5.5, **look)
    for beyond, end, marker in ((ratios < _LOW, _LOW - 0.05, "<"), (ratios > _HIGH, _HIGH + 0.05, ">")):
        axis.plot(np.full(beyond.sum(), end), np.full(beyond.sum(), height), marker=marker, markersize=6, **look)
    words = f"exact ({power_of_ten(gaps.max())})" if kind == "exact" else f"off by {gap_words(float(gaps.mean()))}"
    axis.text(
        1.02, height, words, transform=axis.get_yaxis_transform(), va="center", fontsize=8.5, color=_COLOURS["off"]
        if kind == "off" else "0.2",
    )  # fmt: skip


def gap_words(gap: float) -> str:
    """A relative gap for a sentence, in percent: ``0.08 %``, ``2.2 %``, ``40 %``."""
    percent = 100 * gap
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"


def mean_of_sums(
    scores: pd.DataFrame, metric: str, method: str = "none", against: str = "none",
    intervention: str = "sums(shift=none)",
) -> float:  # fmt: skip
    """The mean of a metric of `lib.completeness.sum_scores`, over images and nets.

    Raises
    ------
    StudyError
        If it was not computed.
    """
    found = scores[
        (scores.metric == metric)
        & (scores.intervention == intervention)
        & (scores.method == method)
        & (scores.against == against)
    ].value
    if found.empty:
        raise StudyError(f"The scores hold no {metric} of {method} against {against} under {intervention!r}.")
    return float(found.mean())


def empty_mass_dots(scores: pd.DataFrame, methods: Sequence[str], networks: dict[str, str]) -> Figure:
    """Share of each map's absolute values that lies on empty pixels, for two networks with equal outputs.

    Means with 95 % intervals; the dashed line is the share of the pixels that are empty, where a map of equal sizes
    everywhere would lie.

    Parameters
    ----------
    scores : of one net, of `lib.completeness.sum_scores`.
    methods : rows from the top; those that were not measured are left out.
    networks : intervention -> its words in the legend; at most three.
    """
    chosen = scores[scores.intervention.isin(list(networks))]
    mass = chosen[chosen.metric == "mass_on_empty"]
    rows = method_rows(mass, methods)
    looks = zip(networks.items(), (("#0173b2", "o"), ("#d55e00", "D"), ("#029e73", "^")), strict=False)
    marks = {words: (summary(mass[mass.intervention == name], ["method"]), *look) for (name, words), look in looks}
    figure, axis = plt.subplots(figsize=(7.6, 0.36 * len(rows) + 1.4))
    draw_dots(axis, rows, marks)
    share = chosen[chosen.metric == "empty_share"].value.mean()
    axis.axvline(share, color="0.4", linewidth=0.9, linestyle="--", zorder=0, label="share of the empty pixels")
    axis.set_xlim(-0.05, 1.05)
    axis.set_xlabel("share of the map that lies on empty pixels")
    axis.legend(loc="lower center", bbox_to_anchor=(0.4, 1.0), ncols=3, frameon=False, fontsize=9)
    return figure
