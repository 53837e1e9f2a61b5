"""A table of invariances as a picture: which method's map is the same for two nets of equal outputs, and which is not.

The relative change of a map is the length of the difference of two maps over the length of the first. Below
`UNCHANGED` it is rounding, and the method is called invariant; above `CHANGED` it is not; in between nothing is said.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from lib.errors import StudyError
from lib.figures.exactness import power_of_ten
from lib.figures.looks import spoken
from lib.figures.words import measured

UNCHANGED, CHANGED = 1e-6, 0.1
"""The bars of the two verdicts, for the mean relative change over images."""

_LOOKS = {
    "yes": ("#cbe1f1", "#0a4a78", "yes: change below $10^{-6}$"),
    "no": ("#fbd3b8", "#7f3300", "no: above 0.1"),
    "?": ("#e9e9e9", "0.25", "?: between"),
}
"""Verdict -> colours of its cell and of its text, and its words in the legend."""

_WIDTH, _HEIGHT, _GROUP_GAP, _GAP = 1.12, 0.5, 0.22, 0.04
"""Of a cell, in inches; between two groups of columns; and around every cell."""

_BESIDE = 0.18
"""How far a verdict moves to the left, in inches, in a column with printed verdicts."""

_NAME_LETTERS = 36
"""Longer names of methods take two lines."""


def invariance_verdict(change: float) -> str:
    """``yes`` if a map does not change, ``no`` if it does, ``?`` between the two bars, empty for no number."""
    if np.isnan(change):
        return ""
    return "yes" if change < UNCHANGED else "no" if change > CHANGED else "?"


def invariance_means(
    scores: pd.DataFrame, methods: Sequence[str], columns: Mapping[str, str | tuple[str, str]]
) -> pd.DataFrame:
    """Mean relative changes, the table that `invariance_table` draws.

    Parameters
    ----------
    scores : of one net, with the metric ``relative_change``.
    methods : rows from the top; those that were not measured are left out.
    columns : intervention -> head of its column, or the head of a group of columns and that of the column.

    Returns
    -------
    Rows are methods, columns the heads; NaN where one was not measured.
    """
    chosen = scores[(scores.metric == "relative_change") & scores.intervention.isin(list(columns))]
    shown = measured(chosen, methods)
    means = chosen.groupby(["method", "intervention"], observed=True).value.mean().unstack()
    means = means.reindex(index=shown, columns=list(columns))
    heads = list(columns.values())
    means.columns = pd.MultiIndex.from_tuples(heads) if isinstance(heads[0], tuple) else pd.Index(heads)
    return means


def invariance_table(means: pd.DataFrame, printed: pd.DataFrame | None = None, source: str = "paper") -> Figure:
    """One cell per method and column: whether the map stays the same, and the relative change below.

    Where the paper printed a verdict, it stands beside ours, and a frame marks a verdict that is not ours.

    Parameters
    ----------
    means : relative changes; rows are methods, columns what was done, with two levels if columns stand in groups.
    printed : verdicts ``yes`` and ``no`` of the paper, with some of the rows and columns of ``means``; else an empty
        string.
    source : how the paper is named in the cells, e.g. ``K``.

    Raises
    ------
    StudyError
        If ``printed`` has a row or a column that ``means`` has not.
    """
    verdicts = means.map(invariance_verdict)
    told = _printed_like(means, printed)
    lefts = _lefts(means.columns)
    beside = [_BESIDE if printed_here else 0.0 for printed_here in (told != "").any()]
    width, height = lefts[-1] + _WIDTH, _HEIGHT * len(means)
    figure, axis = plt.subplots(figsize=(width, height))
    for row, method in enumerate(means.index):
        bottom = height - _HEIGHT * (row + 1)
        name = textwrap.fill(spoken(str(method)), _NAME_LETTERS, break_long_words=False)
        axis.text(-0.1, bottom + _HEIGHT / 2, name, ha="right", va="center", fontsize=10, linespacing=1.0)
        for column, left in enumerate(lefts):
            middle = (left + _WIDTH / 2 - beside[column], bottom + _HEIGHT / 2)
            change, verdict, theirs = (table.iloc[row, column] for table in (means, verdicts, told))
            if verdict:
                _draw_box(axis, (left, bottom), verdict, framed=theirs not in ("", verdict))
            _draw_words(axis, middle, verdict, float(change))
            if verdict and theirs:
                _draw_printed(axis, middle, f"{source}:\n{theirs}", bold=theirs != verdict)
    _draw_heads(axis, means.columns, lefts, height)
    _draw_legend(axis, width, bool((told != "").any(axis=None)), source)
    axis.set_xlim(0, width)
    axis.set_ylim(0, height)
    axis.set_aspect("equal")
    axis.axis("off")
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1)
    return figure


def _printed_like(means: pd.DataFrame, printed: pd.DataFrame | None) -> pd.DataFrame:
    """The paper's verdicts with the rows and columns of ours."""
    nothing = pd.DataFrame("", index=means.index, columns=means.columns)
    if printed is None:
        return nothing
    for kind, theirs, ours in (("row", printed.index, means.index), ("column", printed.columns, means.columns)):
        unknown = [each for each in theirs if each not in ours]
        if unknown:
            raise StudyError(f"The printed verdicts have the {kind} {unknown[0]!r}, which was not measured; drop it.")
    nothing.loc[printed.index, printed.columns] = printed
    return nothing


def _lefts(columns: pd.Index) -> list[float]:
    """Where each column begins, in inches."""
    groups = [each[0] for each in columns] if columns.nlevels == 2 else [""] * len(columns)
    gaps = np.cumsum([0, *(first != second for first, second in itertools.pairwise(groups))])
    return [number * _WIDTH + gap * _GROUP_GAP for number, gap in enumerate(gaps.tolist())]


def _draw_box(axis: Axes, corner: tuple[float, float], verdict: str, framed: bool) -> None:
    """The cell, with a frame where the paper printed another verdict."""
    fill = _LOOKS[verdict][0]
    left, bottom = (each + _GAP for each in corner)
    box = FancyBboxPatch(
        (left, bottom), _WIDTH - 2 * _GAP, _HEIGHT - 2 * _GAP, boxstyle="round,pad=0,rounding_size=0.05",
        facecolor=fill, edgecolor="0.1" if framed else fill, linewidth=2.0 if framed else 0.0,
    )  # fmt: skip
    axis.add_patch(box)


def _draw_words(axis: Axes, middle: tuple[float, float], verdict: str, change: float) -> None:
    """The verdict with the change below it; a dash where nothing was measured."""
    across, up = middle
    if not verdict:
        axis.text(across, up, "–", ha="center", va="center", color="0.6")
        return
    look: dict[str, Any] = {"ha": "center", "va": "center", "color": _LOOKS[verdict][1]}
    axis.text(across, up + 0.09, verdict, fontsize=10.5, weight="bold", **look)
    axis.text(across, up - 0.11, change_words(change), fontsize=8, **look)


def _draw_printed(axis: Axes, middle: tuple[float, float], words: str, bold: bool) -> None:
    """What the paper printed, to the right of our verdict."""
    across, up = middle
    axis.text(
        across + _BESIDE + _WIDTH / 2 - 0.1, up, words, ha="right", va="center", fontsize=7, color="0.2",
        weight="bold" if bold else "normal", linespacing=1.1,
    )  # fmt: skip


def _draw_heads(axis: Axes, columns: pd.Index, lefts: Sequence[float], height: float) -> None:
    """Heads of columns above the table, those of groups above them with a line."""
    grouped = columns.nlevels == 2
    heads = [textwrap.fill(str(each[1] if grouped else each), 14) for each in columns]
    for head, left in zip(heads, lefts, strict=True):
        axis.text(left + _WIDTH / 2, height + 0.06, head, ha="center", va="bottom", fontsize=10, linespacing=1.05)
    if grouped:
        above = height + 0.14 + 0.165 * max(head.count("\n") + 1 for head in heads)
        for group in columns.get_level_values(0).unique():
            own = [left for left, each in zip(lefts, columns, strict=True) if each[0] == group]
            start, end = own[0] + _GAP, own[-1] + _WIDTH - _GAP
            axis.plot([start, end], [above, above], color="0.4", linewidth=0.8, clip_on=False)
            axis.text((start + end) / 2, above + 0.05, str(group), ha="center", va="bottom", fontsize=10.5)


def _draw_legend(axis: Axes, width: float, with_printed: bool, source: str) -> None:
    """What the words of the cells mean, below the table."""
    words = "   ".join(look[2] for look in _LOOKS.values())
    if with_printed:
        words += f"\n{source}: printed verdict, framed where it is not ours"
    axis.text(width, -0.08, words, ha="right", va="top", fontsize=8, color="0.3", linespacing=1.4)


def change_words(change: float) -> str:
    """A relative change for a cell or a sentence: ``3·10⁻¹⁶``, ``0.87``, ``11``."""
    return f"{change:.0f}" if change >= 10 else power_of_ten(change)
