"""Products of an image with random numbers: how they look, and how similar they stay while the noise in them grows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from lib.errors import StudyError
from lib.figures.looks import legend_below
from lib.figures.pictures import bare, show_positive, show_signed
from lib.figures.words import two_digits
from lib.random_gradient import intervention
from lib.statistics import summary

Line = tuple[str, str, str]
"""Method, metric and ``against`` of one line."""

PAIRS: dict[str, Line] = {
    "x ⊙ u and x ⊙ v, all pixels": ("gradient_x_input", "spearman_abs", "self"),
    "x ⊙ u and x ⊙ v, foreground only": ("gradient_x_input", "spearman_abs_fg", "self"),
    "u and v": ("gradient", "spearman_abs", "self"),
    "x ⊙ u and the image x": ("gradient_x_input", "spearman_abs", "input"),
    "x ⊙ u and another image ⊙ v": ("gradient_x_input", "spearman_abs", "null_other_image"),
}
"""What is compared, all without signs."""

METRIC_LINES: dict[str, Line] = {
    "rank correlation, absolute maps": ("gradient_x_input", "spearman_abs", "self"),
    "rank correlation, signed maps": ("gradient_x_input", "spearman", "self"),
    "SSIM": ("gradient_x_input", "ssim", "self"),
    "HOG": ("gradient_x_input", "hog", "self"),
}
"""The four metrics of the papers, between x ⊙ u and x ⊙ v."""

_LOOKS: list[dict[str, Any]] = [
    {"color": "#0173b2", "marker": "o", "markersize": 8, "markerfacecolor": "none"},
    {"color": "#d55e00", "marker": "s"},
    {"color": "0.15", "marker": "D"},
    {"color": "#029e73", "marker": "^"},
    {"color": "0.6", "marker": "|", "linestyle": "--"},
]


def noise_curves(panels: Mapping[str, pd.DataFrame], mode: str, law: str, lines: Mapping[str, Line]) -> Figure:
    """Similarity of two products against the strength of the noise in them, means with 95 % intervals.

    Parameters
    ----------
    panels : title -> scores of one image set or net; one panel each.
    mode, law : words of `lib.random_factors.MODES` and `lib.random_factors.LAWS`.
    lines : what the legend says -> what is drawn, e.g. `PAIRS`; what was not measured is left out.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(3.6 * len(panels) + 0.6, 3.7), sharey=True, squeeze=False)
    for axis, (title, scores) in zip(axes[0], panels.items(), strict=True):
        own = scores[(scores.intervention == intervention(mode, law)) & (scores.metric != "spread")]
        if own.empty:
            raise StudyError(f"The scores of {title} have no rows of the mode {mode} with {law} noise; compute them.")
        strengths = own.drop_duplicates("step").sort_values("step")
        for (label, line), look in zip(lines.items(), _LOOKS, strict=False):
            curve = summary(_chosen(own, *line), ["step"]).sort_values("step")
            if curve.value.notna().any():
                axis.fill_between(curve.step, curve.low, curve.high, color=look["color"], alpha=0.18, linewidth=0)
                axis.plot(curve.step, curve.value, label=label, **({"markersize": 5, "linewidth": 1.6} | look))
        axis.axhline(0.0, color="0.8", linewidth=0.8, zorder=0)
        axis.set_xticks(strengths.step, strengths.level.astype(str))
        axis.set_ylim(-0.15, 1.05)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("strength of the noise, σ")
        sns.despine(ax=axis)
    axes[0][0].set_ylabel("similarity")
    legend_below(figure, axes[0], 3)
    return figure


def product_grid(pictures: Mapping[str, np.ndarray], number: int, strengths: Sequence[str]) -> Figure:
    """One image, and below each strength of noise: the factor u, and the products x ⊙ u and x ⊙ v without signs.

    Parameters
    ----------
    pictures : of `lib.random_gradient.product_pictures`.
    number : which of the images.
    strengths : one word per column.
    """
    rows = {"u": "u", "x ⊙ u": "|x ⊙ u|", "x ⊙ v": "|x ⊙ v|"}
    columns = len(strengths)
    figure = plt.figure(figsize=(0.98 * (columns + 1.75), 3.0))
    grid = figure.add_gridspec(3, columns + 2, width_ratios=[1, 0.75, *[1] * columns], wspace=0.06, hspace=0.06)
    whole = figure.add_subplot(grid[1, 0])
    whole.imshow(pictures["x"][number], cmap="gray", interpolation="nearest")
    whole.set_title("x", fontsize=10)
    bare(whole)
    for row, (name, label) in enumerate(rows.items()):
        for column, picture in enumerate(pictures[name][:, number]):
            axis = figure.add_subplot(grid[row, column + 2])
            if name == "u":
                show_signed(axis, picture)
                axis.set_title(f"σ = {strengths[column]}", fontsize=9)
            else:
                show_positive(axis, np.abs(picture))
            bare(axis)
            if column == 0:
                axis.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=10)
    return figure


def law_table(sets: Mapping[str, pd.DataFrame], laws: Sequence[str]) -> pd.DataFrame:
    """Noise alone, law by law: rows are image sets and laws, columns the means of what is compared.

    Parameters
    ----------
    sets : title -> scores of one image set, all its interventions of the mode ``scale``.
    laws : words of `lib.random_factors.LAWS`; those that were not measured are left out.
    """
    columns = dict(zip(["all pixels", "foreground", "u and v", "to x", "other image"], PAIRS.values(), strict=True))
    columns["with signs"] = ("gradient_x_input", "spearman", "self")
    rows = {}
    for title, scores in sets.items():
        for law in laws:
            own = scores[scores.intervention.astype(str).str.endswith(f"(mode=scale,law={law})")]
            own = own[own.step == own.step.max()]
            if len(own):
                means = {column: _chosen(own, *line).value.mean() for column, line in columns.items()}
                rows[title, law.replace("_", " ")] = means
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["images", "law"])


def null_table(scores: pd.DataFrame, law: str) -> pd.DataFrame:
    """Noise alone by the four metrics: rows are what is compared, columns the metrics' means.

    Parameters
    ----------
    scores : of one image set, with SSIM and HOG.
    law : a word of `lib.random_factors.LAWS`.
    """
    own = scores[scores.intervention == intervention("scale", law)]
    own = own[own.step == own.step.max()]
    rows = {
        "x ⊙ u and x ⊙ v": ("gradient_x_input", "self"),
        "x ⊙ u and another image ⊙ v": ("gradient_x_input", "null_other_image"),
        "u and v": ("gradient", "self"),
    }
    metrics = {label: line[1] for label, line in METRIC_LINES.items()}
    return pd.DataFrame.from_dict(
        {
            label: {name: _chosen(own, method, metric, against).value.mean() for name, metric in metrics.items()}
            for label, (method, against) in rows.items()
        },
        orient="index",
    )


def noise_words(scores: pd.DataFrame, mode: str, law: str, line: Line, step: int | None = None) -> str:
    """A mean for a caption, at one step; by default with the strongest noise.

    Parameters
    ----------
    scores : of one image set or net.
    mode, law, line, step : which rows are meant.
    """
    own = _chosen(scores[scores.intervention == intervention(mode, law)], *line)
    return two_digits(own[own.step == (own.step.max() if step is None else step)].value.mean())


def _chosen(scores: pd.DataFrame, method: str, metric: str, against: str) -> pd.DataFrame:
    return scores[(scores.method == method) & (scores.metric == metric) & (scores.against == against)]
