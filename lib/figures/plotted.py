"""One call for a table of scores of any kind: the figure that answers its question."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from lib.attributions import CONTROLS
from lib.errors import StudyError
from lib.figures.curves import cascade_curves
from lib.figures.invariance import invariance_means, invariance_table
from lib.figures.labels import label_bars
from lib.figures.looks import METRICS, legend_below, panels
from lib.figures.rows import draw_dots, method_rows
from lib.label_randomization import LABELS
from lib.localisation import net_word
from lib.statistics import summary

_NET = ["model", "dataset", "seed"]

_LOOKS = [("#0173b2", "o"), ("0.55", "s"), ("#d55e00", "D"), ("#029e73", "^"), ("#cc78bc", "v")]
"""Colour and marker of the nets of a localisation, in the order of the table: the trained one, then the random one."""

_BESIDE = 3
"""Panels that fit beside each other."""


def plot(scores: pd.DataFrame, metrics: Sequence[str] = ()) -> Figure:
    """Draw a table of scores.

    Parameters
    ----------
    scores : as `lib.randomization.randomization_scores`, `lib.label_randomization.label_randomization`,
        `lib.shift_invariance.shift_invariance` or `lib.localisation.localisation` returns it, or rows of it.
    metrics : what is drawn, one panel each; default: what was measured, as far as it fits beside each other. Not used
        for shifts, which have one number.

    Returns
    -------
    A figure, closed, so that Jupyter shows it once, as the last line of a cell; elsewhere ``.savefig`` keeps it.
    Cascades as curves, label randomization as bars, localisation as dots, all with 95 % intervals; shifts as a table of
    verdicts.

    Raises
    ------
    StudyError
        If the table is of none of these kinds, or of several nets.
    """
    nets = scores[[name for name in _NET if name in scores]].drop_duplicates()
    if len(nets.columns) and len(nets) > 1:
        raise StudyError(f"The table holds {len(nets)} nets; choose the rows of one, e.g. scores[scores.model == …].")
    table = scores.astype(dict.fromkeys(["intervention", "level", "method", "metric", "against"], str))
    methods = [each for each in table.method.unique() if each != "none"]
    methods.sort(key=lambda each: each in CONTROLS)
    words = set(table.intervention)
    shifts = [each for each in table.intervention.unique() if each.startswith("shift(")]
    if "cascade" in words:
        figure = cascade_curves(table, methods, _chosen(metrics, table[table.intervention == "cascade"]))
    elif LABELS in words:
        figure = label_bars(table, methods, _chosen(metrics, table[table.intervention == LABELS]))
    elif shifts:
        heads = {each: each.removeprefix("shift(").removesuffix(")") for each in shifts}
        figure = invariance_table(invariance_means(table, methods, heads))
    elif any(each.startswith("localisation(") for each in words):
        figure = _localisation(table, methods, metrics)
    else:
        raise StudyError(
            f"There is no figure for {', '.join(sorted(words)) or 'no scores'}; give what randomization_scores, "
            "label_randomization, shift_invariance or localisation returns, or use one of lib.figures."
        )
    plt.close(figure)
    return figure


def _chosen(metrics: Sequence[str], table: pd.DataFrame) -> list[str]:
    """The metrics asked for, else those that maps were compared with the original's by, in the order of `METRICS`."""
    there = set(table[table.against == "original"].metric)
    unknown = [each for each in metrics if each not in there or each not in METRICS]
    if unknown:
        known = ", ".join(each for each in METRICS if each in there)
        raise StudyError(f"The metric {unknown[0]!r} was not measured, or has no axis; choose from {known}.")
    return list(metrics) or [each for each in METRICS if each in there][:_BESIDE]


def _localisation(table: pd.DataFrame, methods: Sequence[str], metrics: Sequence[str]) -> Figure:
    """One panel per metric, one row per method, one mark per net; by default the areas under the curve."""
    alone = table[(table.against == "none") & (table.method != "none")]
    there = list(alone.metric.unique())
    chosen = list(metrics) or ([each for each in there if each.startswith("auc_")] or there)[:_BESIDE]
    unknown = [each for each in chosen if each not in there]
    if unknown:
        raise StudyError(f"The metric {unknown[0]!r} was not measured; choose from {', '.join(there)}.")
    alone = alone[alone.metric.isin(chosen)]
    rows = method_rows(alone, methods)
    figure, axes = panels(len(chosen), per_row=_BESIDE, width=9.4 / len(chosen), height=0.42 * len(rows) + 1.0)
    nets = [each for each in alone.level.unique() if net_word(each) in set(alone.intervention)]
    for axis, metric in zip(axes, chosen, strict=True):
        own = alone[alone.metric == metric]
        marks = {
            net: (summary(own[own.level == net], ["method"]), *_LOOKS[number % len(_LOOKS)])
            for number, net in enumerate(nets)
        }
        draw_dots(axis, rows, marks)
        axis.set_title(metric, fontsize=10)
    # Shares and probabilities end at 1, their intervals may not; densities have no end.
    ends = all(not each.startswith("density") for each in chosen)
    axes[0].set_xlim(0.0, 1.05 if ends else 1.05 * max(axis.dataLim.xmax for axis in axes))
    legend_below(figure, axes, 5)
    return figure
