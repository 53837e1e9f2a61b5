"""Figures of confounded tasks: the maps of several nets beside each other, and what of them lies where it should."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.attributions import CONTROLS
from lib.figures.looks import legend_below, spoken, style
from lib.figures.pictures import bare, show_grey, show_signed
from lib.figures.rows import method_rows, name_rows, whiskers
from lib.figures.task_words import NET_WORDS, of_net
from lib.statistics import summary

_LOOKS: dict[str, dict[str, Any]] = {
    "random": {"color": "0.55", "marker": "s"},
    "natural": {"color": "#0173b2", "marker": "o"},
    "half": {"color": "#d55e00", "marker": "D"},
    "half-top": {"color": "#cc78bc", "marker": "v"},
    "shape": {"color": "#d55e00", "marker": "D"},
    "digit": {"color": "#029e73", "marker": "^"},
    "posterior": {"color": "0.1", "marker": "*", "markersize": 9},
}
_CONTROL = {"color": "0.2", "marker": "|", "markersize": 12}
_APART = 0.17
_HEADING = 0.42
"""Inches between the pictures and the names of the methods, with two lines of text between them."""

_BOUNDS = {"spearman": (-1.0, 1.0), "density": (0.0, np.inf), "effect": (0.0, 2.0)}
"""Least and largest value of metrics by their first word; of others 0 and 1."""

Panel = tuple[str, str, float | None]
"""Metric, title, and the value of an indifferent map, drawn as a line; None if there is none."""


def task_gallery(
    pictures: Mapping[str, np.ndarray],
    rows: Mapping[str, int],
    nets: Sequence[str],
    methods: Sequence[str],
    outlined: Sequence[str] = (),
) -> Figure:
    """An image in each row, and beside it for each method the maps of several nets, red where they are positive.

    Parameters
    ----------
    pictures : of `lib.confounded_pictures.confounded_pictures`; with the net ``effect of half`` its causal effect.
    rows : what stands beside a row -> number of the image.
    nets : columns, for each method anew.
    methods : groups of columns.
    outlined : regions whose outline is drawn in the image.
    """
    widths = [1.0, *(width for _ in methods for width in (0.18, *[1.0] * len(nets)))]
    cell = min(1.15, 9.4 / sum(widths))
    figure = plt.figure(figsize=(cell * sum(widths), cell * len(rows)))
    grid = figure.add_gridspec(len(rows), len(widths), width_ratios=widths, wspace=0.05, hspace=0.05,
                               left=0, right=1, bottom=0, top=1)  # fmt: skip
    places = [place for place, width in enumerate(widths) if width == 1.0]
    names = ["image", *(f"{net}/{method}" for method in methods for net in nets)]
    for line, (title, number) in enumerate(rows.items()):
        axes = [figure.add_subplot(grid[line, place]) for place in places]
        for axis, name in zip(axes, names, strict=True):
            show = show_grey if name == "image" else show_signed
            show(axis, pictures[name][number])
            bare(axis)
        for region in outlined:
            axes[0].contour(pictures[region][number], levels=[0.5], colors="#d55e00", linewidths=0.9)
        axes[0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize=9)
        if line == 0:
            for axis, net in zip(axes[1:], [*nets] * len(methods), strict=True):
                axis.set_title(_column_words(net), fontsize=min(9.0, 8.6 * cell))
    for number, method in enumerate(methods):
        middle = 1 + number * len(nets) + (len(nets) - 1) / 2
        at = (sum(widths[: places[int(middle)]]) + 0.5 + (middle % 1)) / sum(widths)
        figure.text(at, 1.0 + _HEADING / (cell * len(rows)), spoken(method), ha="center", va="bottom", fontsize=10.5)
    return figure


def net_dots(
    scores: pd.DataFrame,
    methods: Sequence[str],
    panels: Sequence[Panel],
    nets: Sequence[str],
    *,
    against: str = "none",
    name: str = "localisation",
    tag: str = "",
    columns: int = 3,
    line: str = "a map that knows nothing",
) -> Figure:
    """One panel per metric, one row per method, one mark per net: means with 95 % intervals.

    Parameters
    ----------
    scores : of one net with those beside it.
    methods : rows from the top; those that were not measured are left out. Controls look the same for all nets and
        have one mark.
    panels : see `Panel`.
    nets : words of `NET_WORDS`.
    against : what maps are compared with; a random net, compared with ``random``, is one with another random net.
    name, tag : of the interventions, see `lib.localisation.net_word` and `lib.confounded.tagged_word`.
    columns : panels beside each other.
    line : what the legend calls the value of an indifferent map.
    """
    tables = {net: of_net(scores, net, against, name, tag) for net in nets}
    wanted = pd.concat(tables.values())
    rows = method_rows(wanted[wanted.metric.isin([metric for metric, *_ in panels])], methods)
    lines = -(-len(panels) // columns)
    columns = min(columns, len(panels))
    size = (2.0 + (7.4 if columns > 1 else 5.2), lines * (0.36 * len(rows) + 0.95))
    figure, grid = plt.subplots(lines, columns, figsize=size, sharey=True, squeeze=False)
    for axis in list(grid.flat)[len(panels) :]:
        axis.remove()
    axes = list(grid.flat)[: len(panels)]
    for axis, (metric, title, indifferent) in zip(axes, panels, strict=True):
        if indifferent is not None:
            axis.axvline(indifferent, color="0.6", linewidth=1.0, linestyle=":", label=line)
        for number, (net, table) in enumerate(tables.items()):
            own = table[(table.metric == metric) & table.method.isin(list(rows))]
            looking = own[~own.method.isin(CONTROLS)]
            _marks(axis, looking, rows, _APART * (number - (len(nets) - 1) / 2), NET_WORDS[net], _LOOKS[net])
            if number == 0:
                _marks(axis, own[own.method.isin(CONTROLS)], rows, 0.0, "without a net", _CONTROL)
        _within_bounds(axis, metric)
        axis.set_title(title, fontsize=10)
        axis.grid(axis="y", color="0.93")
        axis.set_axisbelow(True)
        axis.tick_params(axis="y", length=0)
        sns.despine(ax=axis, left=True)
    for first in grid[:, 0]:
        name_rows(first, rows)
    legend_below(figure, axes, 5)
    return figure


def mean_map_grid(
    pictures: Mapping[str, np.ndarray], nets: Sequence[str], methods: Sequence[str], cut: int | None = None
) -> Figure:
    """Mean absolute maps: rows are methods; columns the mean image, the nets, and at the right the share of each row.

    Parameters
    ----------
    pictures : of `lib.confounded_pictures.mean_maps`.
    nets, methods : which of them.
    cut : row of pixels above which a line is drawn.
    """
    columns = len(nets) + 2
    size = (1.75 * (columns + 0.6), 1.75 * len(methods))
    figure, grid = plt.subplots(len(methods), columns, figsize=size, squeeze=False,
                                width_ratios=[*[1.0] * (columns - 1), 1.7])  # fmt: skip
    for line, method in zip(grid, methods, strict=True):
        found = {"image": pictures["image"][0], **{net: pictures[f"{net}/{method}"][0] for net in nets}}
        for axis, (net, picture) in zip(line, found.items(), strict=False):
            axis.imshow(picture, cmap="gray" if net == "image" else "magma", vmin=0.0, interpolation="nearest")
            bare(axis)
            if cut is not None:
                axis.axhline(cut - 0.5, color="#56b4e9", linewidth=1.0, linestyle="--")
            if method == methods[0]:
                axis.set_title("mean image" if net == "image" else NET_WORDS[net], fontsize=9)
            heights = np.arange(len(picture))
            look = {"color": "0.1", "linestyle": ":"} if net == "image" else {"color": _LOOKS[net]["color"]}
            line[-1].plot(picture.sum(1) / picture.sum(), heights, linewidth=1.5, **look)
        line[0].set_ylabel(spoken(method), rotation=0, ha="right", va="center")
        line[-1].invert_yaxis()
        line[-1].set_yticks([0, len(heights) // 2, len(heights)])
        line[-1].yaxis.tick_right()
        line[-1].set_xlim(left=0.0)
        if cut is not None:
            line[-1].axhline(cut - 0.5, color="#56b4e9", linewidth=1.0, linestyle="--")
        sns.despine(ax=line[-1], left=True, right=False)
    grid[0][-1].set_title("share of each row", fontsize=9)
    figure.tight_layout()
    return figure


def _marks(
    axis: Axes, own: pd.DataFrame, rows: Mapping[str, int], below: float, label: str, look: Mapping[str, Any]
) -> None:
    found = summary(own, ["method"])
    found = found[found.value.notna()]
    if len(found):
        heights = [rows[method] - below for method in found.method]
        style: dict[str, Any] = {"markersize": 6, "linestyle": ""} | dict(look)
        axis.errorbar(found.value, heights, xerr=whiskers(found), label=label, **style)


def _within_bounds(axis: Axes, metric: str) -> None:
    """Cut off intervals of few draws where the metric itself ends."""
    least, most = next((each for name, each in _BOUNDS.items() if metric.startswith(name)), (0.0, 1.0))
    room = max(0.01, 0.03 * (min(most, axis.dataLim.xmax) - max(least, axis.dataLim.xmin)))
    axis.set_xlim(max(least, axis.dataLim.xmin) - room, min(most, axis.dataLim.xmax) + room)


def _column_words(net: str) -> str:
    effect, _, own = net.partition("effect of ")
    words = NET_WORDS[own or effect]
    return words.replace(" ", "\n", 1)


def gain_dots(found: pd.DataFrame) -> Figure:
    """What training adds to the share of a map that lies where it matters: rows are tasks, dots methods.

    Parameters
    ----------
    found : of `lib.figures.task_words.gains`.
    """
    tasks, methods = list(dict.fromkeys(found.task)), list(dict.fromkeys(found.method))
    looks = style(methods)
    figure, axis = plt.subplots(figsize=(7.6, 0.5 * len(tasks) + 1.4))
    axis.axvline(0.0, color="0.6", linewidth=1.0, linestyle=":")
    for number, method in enumerate(methods):
        own = found[found.method == method]
        heights = [len(tasks) - 1 - tasks.index(task) - _APART * (number - (len(methods) - 1) / 2) for task in own.task]
        axis.errorbar(own.value, heights, xerr=whiskers(own), label=spoken(method), **looks[method] | {"linestyle": ""})
    axis.set_yticks(range(len(tasks)), tasks[::-1])
    axis.set_ylim(-0.6, len(tasks) - 0.4)
    axis.set_xlabel("share on what matters, trained net less random net")
    axis.grid(axis="y", color="0.93")
    axis.set_axisbelow(True)
    sns.despine(ax=axis, left=True)
    legend_below(figure, [axis], len(methods))
    return figure
