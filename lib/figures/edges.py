"""Dots and curves about edges: how well maps find them, and how like them maps are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from lib.attributions import CONTROLS
from lib.figures.looks import legend_below, panels, spoken, style
from lib.figures.rows import method_rows, name_rows, whiskers
from lib.figures.words import measured, two_digits
from lib.statistics import summary

Looks = tuple[str, str]
"""Colour and marker."""

_APART = 0.18
"""Distance between the marks of one row, in rows."""

NETS: dict[str, tuple[str, Looks]] = {
    "sum_pool_conv": ("one random 3x3 filter", ("#0173b2", "o")),
    "dense_relu": ("a random dense layer instead", ("#d55e00", "D")),
}
DATASETS = {"mnist": "MNIST", "mnist-5k": "MNIST", "fashion": "Fashion-MNIST", "photos": "photographs"}
"""How titles write an image set."""


def edge_finding(scores: pd.DataFrame, methods: Sequence[str], bar: float) -> Figure:
    """How well maps of random nets find the edges of the image; one panel per image set, with 95 % intervals.

    Parameters
    ----------
    scores : with the metric ``auc_edge`` of ``sum_pool_conv`` and ``dense_relu``.
    methods : rows from the top; those that were not measured are left out.
    bar : drawn as a line, as is 0.5, the value of a map that knows nothing.
    """
    chosen = scores[scores.metric == "auc_edge"]
    marks = {label: (chosen[chosen.intervention == net], looks) for net, (label, looks) in NETS.items()}
    sets = [name for name in DATASETS if (chosen.dataset == name).any()]
    shown = {
        DATASETS[name]: {label: (rows[rows.dataset == name], looks) for label, (rows, looks) in marks.items()}
        for name in sets
    }
    return _dot_panels(shown, methods, "area under the curve, edge pixels against the others", (0.5, bar))


def edge_words(scores: pd.DataFrame, methods: Sequence[str], net: str) -> str:
    """Means of ``auc_edge`` for a caption, image set by image set; at the first → at the last step if there are steps.

    For example ``MNIST: Gradient 0.78, Input (control) 0.81; photographs: …``.

    Parameters
    ----------
    methods : in the order of the sentence, controls too.
    net : an intervention of `lib.sum_pool_scores.NETS`.
    """
    chosen = scores[(scores.metric == "auc_edge") & (scores.intervention == net) & scores.method.isin(list(methods))]
    parts = []
    for name in (name for name in DATASETS if (chosen.dataset == name).any()):
        means = chosen[chosen.dataset == name].groupby(["method", "step"], observed=True).value.mean()
        steps = sorted({means.index.levels[1].min(), means.index.levels[1].max()})
        words = (f"{spoken(each)} " + " → ".join(two_digits(means[each, step]) for step in steps) for each in methods)
        parts.append(f"{DATASETS[name]}: {', '.join(words)}")
    return "; ".join(parts) or "nothing measured"


ON_DIGITS = {"all pixels, shared black included": "spearman_abs", "foreground only": "spearman_abs_fg"}
"""The panels of digits: title -> metric."""

ON_PHOTOGRAPHS = {"absolute maps: $\\rho_a$": "spearman_abs", "SSIM from the shuffled map up: $s^*$": "ssim_corrected"}
"""The panels of photographs, which have no empty pixels."""


def edge_likeness(scores: pd.DataFrame, methods: Sequence[str], metrics: Mapping[str, str] = ON_DIGITS) -> Figure:
    """Similarity of absolute maps to the edges of their image, and of another image, with 95 % intervals.

    Parameters
    ----------
    scores : of one net, with the intervention ``edge_detector``.
    methods : rows from the top.
    metrics : one panel each, title -> metric.
    """
    chosen = scores[scores.intervention == "edge_detector"]
    marks = {
        "edges of the image": ("edge", ("#029e73", "^")),
        "edges of another image": ("edge_other", ("0.45", "|")),
    }
    return _by_metric(chosen, methods, marks, "similarity to the edges", metrics)


def edges_alone(scores: pd.DataFrame, methods: Sequence[str], metrics: Mapping[str, str] = ON_DIGITS) -> Figure:
    """Similarity of the maps of an image and of its edges alone, beside that of two images' maps.

    Parameters
    ----------
    scores : of one net, with the intervention ``mask_input``.
    methods : rows from the top.
    metrics : one panel each, title -> metric.
    """
    chosen = scores[(scores.intervention == "mask_input") & (scores.step == 1)]
    marks = {
        "map of the same image": ("original", ("#0173b2", "o")),
        "null: map of another image": ("null_other_image", ("0.45", "|")),
    }
    return _by_metric(chosen, methods, marks, "similarity of the map of the edges alone to the …", metrics)


def layers_curves(scores: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """How well maps find edges as convolutions are stacked; one panel per image set, with 95 % intervals.

    Parameters
    ----------
    scores : with the metric ``auc_edge`` of ``stacked_conv``, whose steps are numbers of layers.
    methods : in the order of the legend; those that were not measured are left out.
    """
    chosen = scores[(scores.metric == "auc_edge") & (scores.intervention == "stacked_conv")]
    names = measured(chosen, methods)
    sets = [name for name in DATASETS if (chosen.dataset == name).any()]
    figure, axes = panels(len(sets), per_row=3, width=2.9, height=3.2)
    for axis, name in zip(axes, sets, strict=True):
        found = summary(chosen[chosen.dataset == name], ["method", "step"])
        for method, look in style(names).items():
            rows = found[found.method == method].sort_values("step")
            if rows.empty:
                continue
            axis.plot(rows.step, rows.value, label=spoken(method), **look)
            axis.fill_between(rows.step, rows.low, rows.high, color=look["color"], alpha=0.15, linewidth=0)
        axis.axhline(0.5, color="0.6", linewidth=0.8)
        axis.set_title(DATASETS[name], fontsize=10)
        axis.set_xticks(sorted(chosen.step.unique()))
        axis.set_xlabel("layers of 3x3 filters")
        sns.despine(ax=axis)
    axes[0].set_ylabel("area under the curve")
    legend_below(figure, axes, 4)
    return figure


def _by_metric(
    chosen: pd.DataFrame, methods: Sequence[str], marks: Mapping[str, tuple[str, Looks]], label: str,
    metrics: Mapping[str, str],
) -> Figure:  # fmt: skip
    """One panel for each metric; marks: label -> (against what, looks)."""
    shown = {
        title: {
            name: (chosen[(chosen.metric == metric) & (chosen.against == against)], looks)
            for name, (against, looks) in marks.items()
        }
        for title, metric in metrics.items()
    }
    return _dot_panels(shown, methods, label, (0.0,))


def _dot_panels(
    shown: Mapping[str, Mapping[str, tuple[pd.DataFrame, Looks]]],
    methods: Sequence[str],
    label: str,
    lines: Sequence[float],
) -> Figure:
    """Rows are methods, controls last; panel title -> mark -> its scores and looks; lines stand at some values."""
    everything = pd.concat([rows for marks in shown.values() for rows, _ in marks.values()])
    heights = method_rows(everything, sorted(methods, key=lambda name: name in CONTROLS))
    width = 8.4 / max(2, len(shown))
    figure, axes = panels(len(shown), per_row=3, width=width, height=0.36 * len(heights) + 1.0)
    for axis, (title, marks) in zip(axes, shown.items(), strict=True):
        for at in lines:
            axis.axvline(at, color="0.6", linewidth=0.9, linestyle="-" if at == lines[0] else "--")
        for number, (name, (rows, (colour, marker))) in enumerate(marks.items()):
            found = summary(rows[rows.method.isin(list(heights))], ["method"])
            below = _APART * (number - (len(marks) - 1) / 2)
            places = [heights[method] - below for method in found.method]
            size = 13 if marker == "|" else 6
            axis.errorbar(
                found.value, places, xerr=whiskers(found), linestyle="", label=name, color=colour, marker=marker,
                markersize=size,
            )  # fmt: skip
        axis.set_title(title, fontsize=10)
        axis.grid(axis="y", color="0.93")
        axis.set_axisbelow(True)
        sns.despine(ax=axis, left=True)
    name_rows(axes[0], heights)
    figure.supxlabel(label, fontsize=10)
    legend_below(figure, axes, 4)
    plt.setp([axis.get_yticklines() for axis in axes], visible=False)
    return figure
