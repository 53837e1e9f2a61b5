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
from lib.confounded import ACCURACY, ALTERED, CASCADE, tagged_word
from lib.figures.looks import legend_below, spoken
from lib.figures.rows import method_rows, name_rows, whiskers
from lib.localisation import RANDOM, net_word
from lib.statistics import Estimate, estimate, summary

NET_WORDS = {
    "random": "random net",
    "natural": "natural net",
    "half": "half-digit net",
    "half-top": "top-half net",
    "shape": "shape net",
    "digit": "digit net",
    "posterior": "average over tasks",
    "pairs": "net of pairs",
}
"""How figures write the nets of a task."""

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
_CLIP = 99.0
"""Maps are shown up to this percentile of their absolute values."""

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
            _picture(axis, pictures[name][number], name == "image")
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
    tables = {net: _of_net(scores, net, against, name, tag) for net in nets}
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
            _bare(axis)
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


def check_table(scores: pd.DataFrame, checks: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """How often a prediction follows when one thing is taken out: rows as named, with 95 % intervals.

    Parameters
    ----------
    checks : words of the row -> net, and what is done.
    """
    rows = {}
    for words, (net, change) in checks.items():
        own = scores[scores.intervention == tagged_word(net_word(net, ALTERED), f"by={change}")]
        rows[words] = _numbers(estimate(own[own.metric == "prediction_changed"]), "prediction changes")
    return pd.DataFrame.from_dict(rows, orient="index")


def accuracy_table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Accuracy of nets on all test images of their tasks: name of the net -> its scores."""
    rows = {}
    for words, scores in tables.items():
        own = scores[(scores.intervention == ACCURACY) & (scores.metric == "accuracy")]
        rows[words] = _numbers(estimate(own), "accuracy")
    return pd.DataFrame.from_dict(rows, orient="index")


def net_words(
    scores: pd.DataFrame,
    methods: Sequence[str],
    metric: str,
    nets: Sequence[str],
    *,
    against: str = "none",
    name: str = "localisation",
    tag: str = "",
) -> str:
    """Means for a caption: ``Guided Backprop 0.86 (half-digit net), 0.55 (random net); Gradient …``."""
    parts = []
    for method in methods:
        means = {net: _mean(_of_net(scores, net, against, name, tag), method, metric) for net in nets}
        numbers = ", ".join(f"{_two_digits(value)} ({NET_WORDS[net]})" for net, value in means.items())
        parts.append(f"{spoken(method)} {numbers}")
    return "; ".join(parts)


def _of_net(scores: pd.DataFrame, net: str, against: str, name: str, tag: str) -> pd.DataFrame:
    """What was measured of a net."""
    if net == RANDOM and against == RANDOM and name == "localisation":
        against = f"other_{RANDOM}"
    return scores[(scores.intervention == tagged_word(net_word(net, name), tag)) & (scores.against == against)]


def _mean(table: pd.DataFrame, method: str, metric: str) -> float:
    return float(table[(table.method == method) & (table.metric == metric)].value.mean())


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
    room = 0.03 * (min(most, axis.dataLim.xmax) - max(least, axis.dataLim.xmin))
    axis.set_xlim(max(least, axis.dataLim.xmin) - room, min(most, axis.dataLim.xmax) + room)


def _numbers(found: Estimate, what: str) -> dict[str, float]:
    return {"images": found.images, what: found.value, "from": found.low, "to": found.high}


def _picture(axis: Axes, picture: np.ndarray, grey: bool) -> None:
    if grey:
        axis.imshow(picture, cmap="gray", vmin=0.0, vmax=picture.max() or 1.0, interpolation="nearest")
    else:
        limit = np.percentile(np.abs(picture), _CLIP) or np.abs(picture).max() or 1.0
        axis.imshow(picture, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    _bare(axis)


def _column_words(net: str) -> str:
    effect, _, own = net.partition("effect of ")
    words = NET_WORDS[own or effect]
    return words.replace(" ", "\n", 1)


def _bare(axis: Axes) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)


def _two_digits(value: float) -> str:
    return "undefined" if np.isnan(value) else f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")


def law_of_random(
    scores: pd.DataFrame, methods: Sequence[str], laws: Mapping[str, str], metrics: Sequence[str]
) -> pd.DataFrame:
    """What random nets do by the law of their weights: law -> tag of its interventions; rows are laws and methods."""
    rows = {}
    for law, tag in laws.items():
        own = _of_net(scores, RANDOM, "none", "localisation", tag)
        for method in methods:
            numbers = {metric: estimate(own[(own.method == method) & (own.metric == metric)]) for metric in metrics}
            rows[law, spoken(method)] = {
                f"{metric.replace('_', ' ')}{end}": number
                for metric, found in numbers.items()
                for end, number in (("", found.value), (", from", found.low), (", to", found.high))
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["weights", "method"])


def as_cascades(scores: pd.DataFrame, main: str) -> pd.DataFrame:
    """The cascades of several nets, named as `lib.figures.curves.sweep_curves` expects; ``main`` is the first."""
    own = scores[scores.intervention.astype(str).str.startswith(f"{CASCADE}(") & (scores.step >= 0)]
    return own.assign(intervention=own.intervention.astype(str).replace(net_word(main, CASCADE), "cascade"))


def cascade_words(nets: Sequence[str]) -> dict[str, str]:
    """What the legend of `as_cascades` says: the first net is the main one."""
    return {"cascade" if not number else net_word(net, CASCADE): NET_WORDS[net] for number, net in enumerate(nets)}


def upper_words(scores: pd.DataFrame, method: str, nets: Sequence[str]) -> str:
    """Mean similarity of absolute maps over the upper half of the steps, for a caption, net by net."""
    parts = []
    for net in nets:
        own = _of_net(scores, net, "original", CASCADE, "")
        own = own[(own.method == method) & (own.metric == "spearman_abs")]
        upper = own[(own.step >= 1) & (own.step <= own.step.max() // 2)]
        parts.append(f"{_two_digits(float(upper.value.mean()))} ({NET_WORDS[net]})")
    return ", ".join(parts)
