"""Figures with one row per method: bars by unit, and dots beside each other, with whiskers of 95 % intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.figures.looks import METRICS, legend_above, panels, spoken, style
from lib.figures.words import measured, stage_names
from lib.statistics import summary

_APART = 0.13
"""Distance between the marks of one row, in rows."""


def unit_bars(scores: pd.DataFrame, methods: Sequence[str], metric: str = "spearman_abs") -> Figure:
    """What is left of the similarity when one unit alone is destroyed; one panel per unit, from the logits down.

    Bars are means, whiskers 95 % intervals; a method whose maps are constant in a panel is marked ``undefined``.

    Parameters
    ----------
    scores : of one net, with the intervention ``independent``.
    methods : rows from the top; those that were not measured are left out.
    metric : see `METRICS`.

    Raises
    ------
    StudyError
        If the test was not computed.
    """
    units = stage_names(scores, "independent")[1:]
    chosen = scores[
        (scores.intervention == "independent")
        & (scores.against == "original")
        & (scores.metric == metric)
        & scores.method.isin(list(methods))
    ]
    rows = method_rows(chosen, methods)
    looks = style(methods)
    found = summary(chosen, ["step", "method"])
    figure, axes = panels(len(units), per_row=4, width=7.6 / min(4, len(units)), height=0.29 * len(rows) + 0.8)
    for step, (axis, unit) in enumerate(zip(axes, units, strict=True), start=1):
        bars = found[found.step == step]
        heights = [rows[method] for method in bars.method]
        colours = [looks[method]["color"] for method in bars.method]
        axis.barh(heights, bars.value, height=0.72, color=colours)
        axis.errorbar(bars.value, heights, xerr=whiskers(bars), linestyle="", ecolor="0.15", elinewidth=1.1, capsize=2)
        for height in (rows[method] for method in bars.method[bars.value.isna()]):
            axis.text(0.02, height, "undefined", va="center", fontsize=8, color="0.35")
        axis.axvline(0.0, color="0.6", linewidth=0.8)
        axis.set_title(unit, fontsize=10 if len(unit) < 16 else 7.5)
        _similarity_axis(axis, found.low.to_numpy())
        axis.tick_params(axis="y", length=0)
        sns.despine(ax=axis, left=True)
    name_rows(axes[0], rows)
    figure.supxlabel(f"similarity to the intact model's map, {METRICS[metric]}", fontsize=10)
    figure.tight_layout()
    return figure


def beside_nulls(scores: pd.DataFrame, methods: Sequence[str], metric: str) -> Figure:
    """What is left of the similarity at the end, beside what unrelated and what repeated maps reach.

    Rows are methods; marks are the first and the last step with 95 % intervals, the null (map of another image of
    the intact model) and, for stochastic methods, the ceiling (the same image and model with other noise). What was
    not measured is left out.
    """
    chosen = scores[(scores.intervention == "cascade") & (scores.metric == metric)]
    last = int(chosen.step.max())
    first = stage_names(scores)[1]
    marks = {
        f"top unit randomized ({first})": (1, "original", "#0173b2", "o"),
        "all units randomized": (last, "original", "#d55e00", "D"),
        "null: map of another image": (0, "null_other_image", "0.45", "|"),
        "ceiling: same image, other noise": (0, "self", "#029e73", "^"),
    }
    return _dots(chosen, methods, metric, marks)


def full_reinit(scores: pd.DataFrame, methods: Sequence[str], metric: str = "spearman_abs") -> Figure:
    """What the maps of a net resemble that has been randomized as a whole: the last step of the cascade.

    Rows are methods; marks are the similarity to the trained net's map of the same image, to the image, and to the
    image's edges, with 95 % intervals. What was not measured is left out.

    Parameters
    ----------
    scores : of one net.
    methods : rows from the top.
    metric : ``spearman_abs``, or ``spearman_abs_fg`` for the foreground only.
    """
    chosen = scores[(scores.intervention == "cascade") & (scores.metric == metric)]
    last = len(stage_names(scores)) - 1
    marks = {
        "to the trained net's map": (last, "original", "#d55e00", "D"),
        "to the image": (last, "input", "#0173b2", "s"),
        "to the image's edges": (last, "edge", "#029e73", "^"),
    }
    return _dots(chosen, methods, metric, marks)


def _dots(
    chosen: pd.DataFrame, methods: Sequence[str], metric: str, marks: dict[str, tuple[int, str, str, str]]
) -> Figure:
    """Rows are methods; marks: label -> (step, against what, colour, marker)."""
    rows = method_rows(chosen, methods)
    found = {label: (_summaries(chosen, *mark[:2]), *mark[2:]) for label, mark in marks.items()}
    figure, axis = dots(rows, found, f"similarity, {METRICS[metric]}", (0.42, 1.5))
    legend_above(axis, 2)
    return figure


def _summaries(chosen: pd.DataFrame, step: int, against: str) -> pd.DataFrame:
    """Mean and interval of every method at a step."""
    return summary(chosen[(chosen.step == step) & (chosen.against == against)], ["method"])


def dots(
    rows: Mapping[str, int],
    marks: Mapping[str, tuple[pd.DataFrame, str, str]],
    xlabel: str,
    inches: tuple[float, float],
) -> tuple[Figure, Axes]:
    """A figure of one panel with means by method, see `draw_dots`.

    Parameters
    ----------
    rows, marks : see `draw_dots`.
    inches : height of each row, and of what stands above and below all.
    """
    figure, axis = plt.subplots(figsize=(8.2, inches[0] * len(rows) + inches[1]))
    draw_dots(axis, rows, marks)
    axis.set_xlabel(xlabel)
    return figure, axis


def draw_dots(axis: Axes, rows: Mapping[str, int], marks: Mapping[str, tuple[pd.DataFrame, str, str]]) -> None:
    """Draw means with whiskers of 95 % intervals, one row per method, the marks of a row beside each other.

    Parameters
    ----------
    rows : method -> height, see `method_rows`.
    marks : label -> (means and intervals by method as `lib.statistics.summary` gives them, colour, marker).
    """
    lows: list[float] = []
    for number, (label, (found, colour, marker)) in enumerate(marks.items()):
        found = found[found.method.isin(list(rows)) & found.value.notna()]
        if len(found):
            # Beside each other, so that equal values do not hide one another.
            below = _APART * (number - (len(marks) - 1) / 2)
            heights = [rows[method] - below for method in found.method]
            size = 13 if marker == "|" else 6
            look: dict[str, Any] = {"color": colour, "marker": marker, "markersize": size}
            axis.errorbar(found.value, heights, xerr=whiskers(found), linestyle="", label=label, **look)
            lows += list(found.low)
    _similarity_axis(axis, np.array(lows))
    name_rows(axis, rows)
    axis.grid(axis="y", color="0.92")
    axis.set_axisbelow(True)
    sns.despine(ax=axis, left=True)


def method_rows(chosen: pd.DataFrame, methods: Sequence[str]) -> dict[str, int]:
    """Height of each measured method; the first stands on top."""
    shown = measured(chosen, methods)
    return {method: len(shown) - 1 - number for number, method in enumerate(shown)}


def name_rows(axis: Axes, rows: Mapping[str, int]) -> None:
    """Write the methods beside their rows, see `method_rows`."""
    axis.set_yticks(list(rows.values()), [spoken(method) for method in rows])
    axis.set_ylim(-0.6, len(rows) - 0.4)


def whiskers(found: pd.DataFrame) -> np.ndarray:
    """Lengths of the intervals' two halves: (2, groups)."""
    return np.stack([found.value - found.low, found.high - found.value])


def _similarity_axis(axis: Axes, lows: np.ndarray) -> None:
    """From a little below 0 to 1, or from where the lowest interval begins within -1 to 1."""
    axis.set_xlim(max(-1.05, float(np.min(lows, initial=-0.1, where=np.isfinite(lows)))), 1.05)
