"""What the choice of a reference does to a map: photographs as attributions leave them, and similarities."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from lib.figures.looks import legend_above
from lib.figures.rows import whiskers
from lib.figures.words import measured, two_digits
from lib.statistics import summary

_APART = 0.18
"""Distance between the marks of one row, in rows."""

_LOOKS = {"spearman": ("signed maps", "#0173b2", "o"), "spearman_abs": ("absolute maps", "#d55e00", "D")}

_BESIDE = {"null_other_image": "another image's map", "self": "one more step"}
"""What the maps of one reference are compared with besides those of others."""

_ROOTS = {"dtd_zero": "DTD, zero root", "pattern_attribution": "DTD, pattern root"}


def reference_gallery(pictures: Mapping[str, np.ndarray], numbers: Sequence[int]) -> Figure:
    """Photographs, and beside each what integrated gradients with each reference leave of it.

    Parameters
    ----------
    pictures : of `lib.reference_points.reference_point_pictures`.
    numbers : places of the photographs.
    """
    size = (2.1 * len(pictures), 2.1 * len(numbers))
    figure, grid = plt.subplots(len(numbers), len(pictures), figsize=size, squeeze=False)
    for axes, number in zip(grid, numbers, strict=True):
        for axis, found in zip(axes, pictures.values(), strict=True):
            colours = found[number].reshape(len(found[number]), -1, 3)
            axis.imshow((colours / (colours.max() or 1.0)).clip(0.0, 1.0), interpolation="nearest")
            axis.set_axis_off()
    for axis, name in zip(grid[0], pictures, strict=True):
        axis.set_title(name if name == "photograph" else f"{name} reference", fontsize=10)
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1, wspace=0.03, hspace=0.03)
    return figure


def reference_dots(scores: pd.DataFrame) -> Figure:
    """Similarity of maps of the same images with different references or roots, with 95 % intervals.

    Below stands what the similarities are to be compared with: other images, and the same reference.

    Parameters
    ----------
    scores : rows of one intervention of `lib.reference_points`.
    """
    found = summary(scores[scores.metric.isin(list(_LOOKS))], ["method", "against", "metric"])
    rows = _rows(found)
    figure, axis = plt.subplots(figsize=(8.2, 0.34 * len(rows) + 1.3))
    axis.axvline(0.0, color="0.6", linewidth=0.9)
    for number, (metric, (label, colour, marker)) in enumerate(_LOOKS.items()):
        own = found[found.metric == metric]
        pairs = zip(own.method, own.against, strict=True)
        places = [rows.index(pair) + _APART * (number - 0.5) for pair in pairs]
        look: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 6, "linestyle": ""}
        axis.errorbar(own.value, places, xerr=whiskers(own), label=label, **look)
    axis.set_yticks(range(len(rows)), [_pair(*row) for row in rows])
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set_xlim(-1.05, 1.05)
    axis.set_xlabel("rank correlation of two maps")
    legend_above(axis, 2)
    axis.grid(axis="y", color="0.92")
    axis.set_axisbelow(True)
    sns.despine(ax=axis, left=True)
    return figure


def reference_words(scores: pd.DataFrame, metric: str = "spearman") -> str:
    """Mean similarities of all pairs of references or roots for a caption, e.g. ``zero – black 0.05``.

    Parameters
    ----------
    scores : rows of one intervention of `lib.reference_points`.
    metric : of `lib.similarity.METRICS`.
    """
    chosen = scores[(scores.metric == metric) & ~scores.against.isin(list(_BESIDE))]
    measured(chosen, chosen.method.unique().tolist())
    means = chosen.groupby(["method", "against"], observed=True, sort=False).value.mean()
    return ", ".join(f"{_pair(*pair)} {two_digits(mean)}" for pair, mean in means.items())


def _rows(found: pd.DataFrame) -> list[tuple[str, str]]:
    """Method and what it is compared with, from the top: pairs of references, then what to compare them with."""
    pairs = list(dict.fromkeys(zip(found.method, found.against, strict=True)))
    return sorted(pairs, key=lambda pair: ["", *_BESIDE].index(pair[1] if pair[1] in _BESIDE else ""))


def _pair(method: str, against: str) -> str:
    """How a figure writes two references or roots."""
    return f"{_short(method)} – {_BESIDE.get(against) or _short(against)}"


def _short(method: str) -> str:
    reference = re.search(r"reference=(\w+)", method)
    return _ROOTS.get(method) or (reference[1] if reference else "zero")
