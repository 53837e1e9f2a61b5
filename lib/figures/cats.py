"""A cat in the maps: galleries of both networks, and how much of it each method shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.cat_scores import BORROWED, OTHER, OWN, SAME
from lib.figures.looks import legend_above, spoken
from lib.figures.pictures import bare, show_grey, show_signed
from lib.figures.rows import dots, method_rows
from lib.figures.words import measured, two_digits
from lib.statistics import summary

_SHOWN = 97.0
"""Maps are shown up to this percentile of their absolute values."""

_ALIKE = ["model", "dataset", "seed", "image", "method", "metric"]
"""What two rows share whose maps are of one image."""


def cat_gallery(pictures: Mapping[str, np.ndarray], numbers: Sequence[int], methods: Sequence[str]) -> Figure:
    """For some images two rows: what network 1 takes and how it is explained, and the same of network 2.

    Beside what network 1 takes stands the drawing, beside what network 2 takes the shift. The last column is Gradient ⊙
    input of network 2 without the clip.

    Parameters
    ----------
    pictures : of `lib.cat_scores.cat_pictures`.
    numbers : places of the images.
    methods : columns.
    """
    rows: dict[str, list[tuple[np.ndarray, bool] | None]] = {}
    for place, number in enumerate(numbers, 1):
        for net, title, beside in (("net 1", "x", "cat"), ("net 2", "x + m", "shift")):
            shown = [pictures[beside], *(pictures[f"{net}: {method}"] for method in methods)]
            cells: list[tuple[np.ndarray, bool] | None] = [(pictures[f"{net}: x"][number], True)]
            cells += [(picture[number], False) for picture in shown]
            cells.append((pictures["unclipped"][number], False) if net == "net 2" else None)
            rows[f"network {net[-1]}\n{title}" + (f" ({place})" if len(numbers) > 1 else "")] = cells
    names = [spoken(method).replace(" ", "\n") for method in methods]
    return _grid(rows, ["what it\ntakes", "cat,\nshift m", *names, "Gradient\n⊙ input,\nno clip"])


def borrowed_cats(pictures: Mapping[str, np.ndarray], columns: Mapping[int, str], method: str) -> Figure:
    """One shift for all images: what network 2 takes, and the maps of both networks; one column for each image.

    Parameters
    ----------
    pictures : of `lib.cat_scores.cat_pictures`; the shift is that of the first image.
    columns : place of an image -> title above it.
    method : a method of the pictures.
    """
    names = {"x + m": "borrowed: x", "network 1": f"net 1: {method}", "network 2": f"borrowed: {method}"}
    return _grid(
        {
            title: [(pictures[name][number], name == "borrowed: x") for number in columns]
            for title, name in names.items()
        },
        list(columns.values()),
    )


def _grid(rows: Mapping[str, Sequence[tuple[np.ndarray, bool] | None]], columns: Sequence[str]) -> Figure:
    """Pictures in rows and columns; True marks a grey one, False a signed map; None is left empty."""
    cell = min(1.1, 9.2 / len(columns))
    size = (cell * len(columns), cell * len(rows))
    figure, grid = plt.subplots(len(rows), len(columns), figsize=size, squeeze=False)
    for axes, (title, cells) in zip(grid, rows.items(), strict=True):
        for axis, shown in zip(axes, cells, strict=True):
            bare(axis)
            if shown is not None:
                picture, grey = shown
                if grey:
                    show_grey(axis, picture)
                else:
                    show_signed(axis, picture, _SHOWN)
        axes[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize=9)
    for axis, name in zip(grid[0], columns, strict=True):
        axis.set_title(name, fontsize=8, va="bottom")
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1, wspace=0.06, hspace=0.06)
    return figure


def rises(scores: pd.DataFrame, intervention: str, metric: str = "cat_correlation", level: str = "") -> pd.DataFrame:
    """How much more the map of network 2 correlates with the cat than that of network 1.

    Parameters
    ----------
    scores : of `lib.cat_scores.cat_scores`.
    intervention : ``cat`` or ``cat(shift=borrowed)``.
    metric : ``cat_correlation`` or ``cat_correlation_abs``.
    level : only the shifts of this level.

    Returns
    -------
    The rows of network 2 with the difference as ``value``.
    """
    chosen = scores[(scores.intervention == intervention) & (scores.metric == metric)]
    before = chosen[chosen.against == "original"].set_index(_ALIKE).value
    after = chosen[(chosen.against == "shifted") & ((chosen.level == level) if level else True)]
    # Network 1 has one map of an image, however many shifts are tried on it.
    same = before.loc[pd.MultiIndex.from_frame(after[_ALIKE])].to_numpy()
    return after.assign(value=after.value.to_numpy() - same)


def cat_rise(scores: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """The rise of the correlation with the cat from network 1 to network 2, by method, with 95 % intervals.

    Parameters
    ----------
    scores : of one net.
    methods : rows from the top; those that were not measured are left out.
    """
    marks = {
        "signed maps": (rises(scores, OWN), "#0173b2", "o"),
        "absolute maps": (rises(scores, OWN, "cat_correlation_abs"), "#d55e00", "D"),
    }
    return _dots(marks, methods)


def cat_transfer(scores: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """The rise in signed maps with an image's own shift, and with shifts made for other images, with 95 % intervals.

    Parameters
    ----------
    scores : of one net.
    methods : rows from the top; those that were not measured are left out.
    """
    marks = {
        "the image's own shift": (rises(scores, OWN), "#0173b2", "o"),
        "the shift of an image of the same class": (rises(scores, BORROWED, level=SAME), "#029e73", "^"),
        "the shift of an image of another class": (rises(scores, BORROWED, level=OTHER), "0.45", "s"),
    }
    return _dots({label: mark for label, mark in marks.items() if len(mark[0])}, methods)


def cat_words(
    scores: pd.DataFrame, methods: Sequence[str], intervention: str = OWN, metric: str = "cat_correlation",
    level: str = "",
) -> str:  # fmt: skip
    """Mean rises for a caption, e.g. ``Gradient ⊙ input 0.25, IG, black reference 0.13``; parameters as `rises`."""
    found = rises(scores, intervention, metric, level)
    means = found.groupby("method", observed=True).value.mean()
    return ", ".join(f"{spoken(method)} {two_digits(means[method])}" for method in measured(found, methods))


def _dots(marks: Mapping[str, tuple[pd.DataFrame, str, str]], methods: Sequence[str]) -> Figure:
    rows = method_rows(pd.concat([table for table, *_ in marks.values()]), methods)
    found = {label: (summary(table, ["method"]), *look) for label, (table, *look) in marks.items()}
    figure, axis = dots(rows, found, "correlation with the cat, network 2 less network 1", (0.46, 1.4))
    # Below the marks.
    axis.axvline(0.0, color="0.6", linewidth=0.9, zorder=1)
    spans = pd.concat([table for table, *_ in found.values()])
    # One image has no interval.
    ends = spans[["low", "value", "high"]].to_numpy()
    ends = ends[np.isfinite(ends)]
    axis.set_xlim(1.1 * np.min(ends, initial=-0.05), 1.1 * np.max(ends, initial=0.32))
    legend_above(axis, len(marks))
    return figure
