"""Figures of data randomization: maps of a net of true labels beside those of nets of other labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from lib.figures.looks import METRICS, legend_below, panels, spoken, style
from lib.figures.rows import method_rows, name_rows, whiskers
from lib.figures.words import measured, two_digits
from lib.label_randomization import LABELS, RANDOM_NET
from lib.statistics import summary

NETS: dict[str, dict[str, Any]] = {
    "true labels": {"intervention": LABELS, "step": 0},
    "permuted labels": {"intervention": LABELS, "step": 1},
    "never trained": {"intervention": RANDOM_NET, "step": 1},
}
"""The nets of a study of labels, and where their rows stand."""

_LOOKS: dict[str, dict[str, Any]] = {
    "true labels": {"color": "#0173b2", "marker": "o"},
    "permuted labels": {"color": "#d55e00", "marker": "D"},
    "never trained": {"color": "0.5", "marker": "s"},
}


def label_bars(scores: pd.DataFrame, methods: Sequence[str], metrics: Sequence[str]) -> Figure:
    """Similarity of the maps of a net of permuted labels to those of the net of true labels, as bars.

    One panel per metric, one bar per method, whiskers are 95 % intervals over images. A triangle is the same
    similarity for a second net of true labels, a tick for another image's map.

    Parameters
    ----------
    scores : of one net.
    methods : rows from the top; those that were not measured are left out.
    metrics : see `METRICS`.
    """
    labels = scores[scores.intervention == LABELS]
    rows = method_rows(labels[labels.metric == metrics[0]], methods)
    looks = style(list(rows))
    figure, axes = panels(len(metrics), per_row=len(metrics), width=9.4 / len(metrics), height=0.33 * len(rows) + 0.9)
    lowest = -0.15
    for axis, metric in zip(axes, metrics, strict=True):
        chosen = labels[(labels.metric == metric) & labels.method.isin(list(rows))]
        bars = summary(chosen[(chosen.step == 1) & (chosen.against == "original")], ["method"])
        heights = [rows[method] for method in bars.method]
        axis.barh(heights, bars.value, height=0.7, color=[looks[method]["color"] for method in bars.method])
        axis.errorbar(bars.value, heights, xerr=whiskers(bars), linestyle="", ecolor="0.15", elinewidth=1.1, capsize=2)
        for against, marker, words in (
            ("other_seed", "^", "a second net of true labels"),
            ("null_other_image", "|", "map of another image"),
        ):
            found = summary(chosen[chosen.against == against], ["method"])
            places = [rows[method] for method in found.method]
            size = 11 if marker == "|" else 6
            axis.plot(found.value, places, marker, color="0.1", markersize=size, markerfacecolor="white", label=words)
        axis.axvline(0.0, color="0.6", linewidth=0.8)
        axis.set_title(METRICS[metric], fontsize=10)
        lowest = min(lowest, float(bars.low.min()))
        axis.tick_params(axis="y", length=0)
        sns.despine(ax=axis, left=True)
    axes[0].set_xlim(lowest, 1.05)
    name_rows(axes[0], rows)
    figure.supxlabel("similarity to the maps of the net of true labels", fontsize=10)
    legend_below(figure, axes, 2)
    return figure


def label_dots(
    scores: pd.DataFrame, methods: Sequence[str], panels_of: Mapping[str, str], xlabel: str, chance: float | None = None
) -> Figure:
    """Numbers about single maps, by the net that made them: rows are methods, dots nets with 95 % intervals.

    Parameters
    ----------
    scores : of one net.
    methods : rows from the top.
    panels_of : metric -> title, one panel each.
    xlabel : what is counted.
    chance : value of a map of random signs, drawn as a line.
    """
    alone = scores[(scores.against == "none") & scores.metric.isin(list(panels_of))]
    rows = method_rows(alone, methods)
    figure, axes = panels(len(panels_of), per_row=2, width=9.0 / len(panels_of), height=0.42 * len(rows) + 1.0)
    for axis, (metric, title) in zip(axes, panels_of.items(), strict=True):
        for number, (name, where) in enumerate(NETS.items()):
            chosen = alone[(alone.metric == metric) & alone.method.isin(list(rows))]
            found = summary(chosen[_rows_of(chosen, where)], ["method"])
            heights = [rows[method] - 0.2 * (number - 1) for method in found.method]
            axis.errorbar(found.value, heights, xerr=whiskers(found), linestyle="", label=name, **_LOOKS[name])
        if chance is not None:
            axis.axvline(chance, color="0.6", linewidth=0.9, linestyle=":")
        axis.set_title(title, fontsize=10)
        axis.grid(axis="y", color="0.92")
        axis.set_axisbelow(True)
        sns.despine(ax=axis, left=True)
    name_rows(axes[0], rows)
    # Neither a count nor a share is below 0; the interval of two draws may be.
    axes[0].set_xlim(0, 1 if chance is not None else None)
    figure.supxlabel(xlabel, fontsize=10)
    legend_below(figure, axes, 3)
    return figure


def label_similarities(scores: pd.DataFrame, methods: Sequence[str], metric: str) -> str:
    """Means for a caption, under permuted labels and in brackets between two nets of true labels.

    For example ``Gradient 0.08 (0.12), Guided Backprop 0.52 (0.45)``.
    """
    chosen = scores[(scores.intervention == LABELS) & (scores.metric == metric)]
    parts = []
    for method in measured(chosen, methods):
        own = chosen[chosen.method == method].groupby("against", observed=True).value.mean()
        parts.append(f"{spoken(method)} {two_digits(own['original'])} ({two_digits(own['other_seed'])})")
    return ", ".join(parts)


def label_words(scores: pd.DataFrame, method: str, metric: str, percent: bool = False) -> str:
    """Means by net for a caption, e.g. ``true labels 1.30, permuted labels 2.10, never trained 1.90``."""
    alone = scores[(scores.against == "none") & (scores.metric == metric) & (scores.method == method)]
    means = {name: alone[_rows_of(alone, where)].value.mean() for name, where in NETS.items()}
    return ", ".join(f"{name} {f'{value:.0%}' if percent else two_digits(value)}" for name, value in means.items())


def _rows_of(scores: pd.DataFrame, where: Mapping[str, Any]) -> pd.Series:
    return (scores.intervention == where["intervention"]) & (scores.step == where["step"])
