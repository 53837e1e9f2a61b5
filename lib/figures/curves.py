"""Curves: similarity against the stage of randomization, every line with its band of 95 % intervals."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.figures.looks import METRICS, legend_below, panels, setting_style, spoken, style
from lib.figures.words import measured, stage_names
from lib.randomization import STALE
from lib.statistics import summary

_LEAST = -0.15
"""Similarity at the lower end of an axis, unless a curve goes lower."""

_FEW_STAGES = 8
"""With more stages, panels are wider and the names of stages small."""


def cascade_curves(
    scores: pd.DataFrame,
    methods: Sequence[str],
    metrics: Sequence[str],
    floor: tuple[float, float] | None = None,
) -> Figure:
    """Similarity to the intact model's map, stage by stage, with 95 % intervals; one panel per metric.

    Parameters
    ----------
    scores : of one net.
    methods : in the order of the legend; those that were not measured are left out.
    metrics : one panel each, see `METRICS`.
    floor : lowest and highest tie floor over images, drawn as a band in the panel of ``spearman_abs``.
    """
    stages = stage_names(scores)
    many = len(stages) > _FEW_STAGES
    columns, width = (2, 4.4) if many else (len(metrics), 2.8)
    rows = -(-len(metrics) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(width * columns, 3.9 * rows), sharey=True, squeeze=False)
    axes = list(grid.flat)[: len(metrics)]
    for axis, metric in zip(axes, metrics, strict=True):
        if metric == "spearman_abs" and floor is not None:
            _tie_floor(axis, floor, len(stages))
        _method_lines(axis, scores, methods, metric, "cascade")
        axis.set_title(METRICS[metric], fontsize=10)
        _stage_axis(axis, stages)
        axis.set_xlabel("randomized down to")
    for axis in grid[:, 0]:
        axis.set_ylabel("similarity to the intact model's map")
    for axis in list(grid.flat)[len(metrics) :]:
        axis.remove()
    legend_below(figure, axes, 5)
    return figure


def orders_beside(scores: pd.DataFrame, methods: Sequence[str], metric: str = "spearman_abs") -> Figure:
    """The cascade from the logits down beside the one from the lowest unit up, with 95 % intervals.

    Parameters
    ----------
    scores : of one net, with the interventions ``cascade`` and ``reverse``.
    methods : in the order of the legend; those that were not measured are left out.
    metric : see `METRICS`.

    Raises
    ------
    StudyError
        If one of the orders was not computed.
    """
    orders = {"cascade": ("top-down", "randomized down to"), "reverse": ("bottom-up", "randomized up to")}
    figure, axes = plt.subplots(1, 2, figsize=(8.2, 3.9), sharey=True)
    for axis, (order, (title, label)) in zip(axes, orders.items(), strict=True):
        _method_lines(axis, scores, methods, metric, order)
        axis.set_title(title, fontsize=10)
        _stage_axis(axis, stage_names(scores, order))
        axis.set_xlabel(label)
    axes[0].set_ylabel(f"similarity to the intact model's map\n{METRICS[metric]}")
    legend_below(figure, axes, 5)
    return figure


def sweep_curves(
    scores: pd.DataFrame, methods: Sequence[str], interventions: Mapping[str, str], metric: str = "spearman_abs"
) -> Figure:
    """How the top-down curve of each method changes with one setting; one panel per method, 95 % intervals.

    Parameters
    ----------
    scores : of one net.
    methods : one panel each, three in a row, four as two by two; those without any of the interventions are left out.
    interventions : written form of top-down interventions -> words of the legend, for example
        ``{"cascade": "tn(0.01), as printed", "cascade(init=own)": "own"}``; the first is drawn nearly black. What
        was not measured is left out.
    metric : see `METRICS`.
    """
    stages = stage_names(scores)
    curves = {each: _curves(scores, metric, each) for each in interventions}
    shown = measured(pd.concat(curves.values()), methods)
    looks = setting_style(list(interventions))
    width, height = (4.8, 3.2) if len(shown) == 1 else (2.8, 2.5)
    figure, axes = panels(len(shown), per_row=2 if len(shown) == 4 else 3, width=width, height=height)
    for axis, method in zip(axes, shown, strict=True):
        for each, words in interventions.items():
            curve = curves[each][curves[each].method == method]
            if len(curve):
                _line(axis, curve, looks[each], words)
        axis.set_title(spoken(method), fontsize=10)
        _stage_axis(axis, stages)
    figure.supxlabel("randomized down to", fontsize=10)
    figure.supylabel(f"similarity to the intact model's map\n{METRICS[metric]}", multialignment="center", fontsize=10)
    legend_below(figure, axes, 3)
    return figure


def stale_beside_true(scores: pd.DataFrame, metric: str = "spearman_abs") -> Figure:
    """Guided Backprop of the randomized net beside Guided Backprop of a copy that never got the new weights.

    The gradient is drawn for comparison; 95 % intervals; the words stand beside the lines. What was not measured is
    left out.

    Parameters
    ----------
    scores : of one net, with the intervention ``cascade(weights=stale)``.
    metric : see `METRICS`.
    """
    stages = stage_names(scores)
    looks = style(["guided_backprop", "gradient"])
    lines = [
        (
            STALE,
            "guided_backprop",
            "Guided Backprop of a copy that\nnever got the new weights",
            {"color": "#d55e00", "linestyle": "--"},
        ),
        ("cascade", "guided_backprop", "Guided Backprop\nof the randomized net", {}),
        ("cascade", "gradient", "Gradient\nof the randomized net", {}),
    ]
    figure, axis = plt.subplots(figsize=(7.2, 3.6))
    ends: list[tuple[float, str, str]] = []
    for intervention, method, words, change in lines:
        curve = _curves(scores, metric, intervention)
        curve = curve[curve.method == method]
        if curve.value.notna().any():
            look = looks[method] | change
            _line(axis, curve, look, words)
            ends.append((float(curve.value.dropna().iloc[-1]), words, look["color"]))
    _stage_axis(axis, stages)
    axis.set_xlabel("randomized down to")
    axis.set_ylabel(f"similarity to the intact model's map\n{METRICS[metric]}")
    # Two lines of text take a seventh of the height.
    heights = _apart([end for end, *_ in ends], 0.15 * np.ptp(axis.get_ylim()))
    for height, (_, words, colour) in zip(heights, ends, strict=True):
        axis.text(len(stages) - 0.75, height, words, color=colour, fontsize=9, va="center")
    figure.tight_layout()
    return figure


def _curves(scores: pd.DataFrame, metric: str, intervention: str) -> pd.DataFrame:
    """Mean and interval by method and step, sorted by step.

    The intact model stands under ``cascade`` alone; it begins the curves of every other intervention.
    """
    chosen = scores[(scores.against == "original") & (scores.metric == metric)]
    later = chosen[(chosen.intervention == intervention) & (chosen.step > 0)]
    intact = chosen[(chosen.intervention == "cascade") & (chosen.step == 0) & chosen.method.isin(later.method.unique())]
    return summary(pd.concat([intact, later]), ["method", "step"]).sort_values("step")


def _method_lines(axis: Axes, scores: pd.DataFrame, methods: Sequence[str], metric: str, intervention: str) -> None:
    """One line per measured method."""
    curves = _curves(scores, metric, intervention)
    looks = style(methods)
    for method in methods:
        curve = curves[curves.method == method]
        if len(curve):
            _line(axis, curve, looks[method], spoken(method))


def _line(axis: Axes, curve: pd.DataFrame, look: dict[str, Any], label: str) -> None:
    axis.fill_between(curve.step, curve.low, curve.high, color=look["color"], alpha=0.18, linewidth=0)
    axis.plot(curve.step, curve.value, label=label, markersize=5, linewidth=1.6, **look)


def _stage_axis(axis: Axes, stages: Sequence[str]) -> None:
    """Name the stages, mark zero, and cut no curve off; only intervals that leave -1 to 1 are."""
    axis.axhline(0.0, color="0.8", linewidth=0.8, zorder=0)
    small: dict[str, Any] = {"rotation": 60, "fontsize": 7} if len(stages) > _FEW_STAGES else {"rotation": 30}
    axis.set_xticks(range(len(stages)), stages, ha="right", rotation_mode="anchor", **small)
    axis.set_xlim(-0.2, len(stages) - 0.8)
    # By the data: where panels share their axis, the limits were fixed by the first of them.
    lowest = min(_LEAST, axis.get_ylim()[0], axis.dataLim.ymin - 0.05)
    axis.set_ylim(max(-1.05, lowest), 1.05)
    sns.despine(ax=axis)


def _apart(heights: Sequence[float], gap: float) -> np.ndarray:
    """Move heights down until any two are ``gap`` apart, keeping their order."""
    places = np.array(heights, dtype=float)
    for upper, lower in itertools.pairwise(np.argsort(-places, kind="stable")):
        places[lower] = min(places[lower], places[upper] - gap)
    return places


def _tie_floor(axis: Axes, floor: tuple[float, float], stages: int) -> None:
    low, high = floor
    axis.fill_between([0.5, stages - 0.5], low, high, facecolor="none", edgecolor="0.5", hatch="////", linewidth=0.5)
    axis.annotate(
        "tie floor of products with the input",
        ((stages - 1) / 2, low),
        textcoords="offset points",
        xytext=(0, -12),
        ha="center",
        fontsize=8,
        color="0.35",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
    )
