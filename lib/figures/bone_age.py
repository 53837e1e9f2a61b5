"""Drawn hands, what a net makes of them, and how alike its maps and those of a random net are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.bone_age_tables import with_corrected
from lib.figures.galleries import gallery
from lib.figures.looks import legend_below, spoken
from lib.figures.rows import draw_dots, method_rows
from lib.figures.words import stage_names, two_digits
from lib.hands import AGES
from lib.statistics import summary

_METRICS = {"spearman_abs": "$\\rho_a$", "ssim": "SSIM", "ssim_corrected": "$s^*$"}
"""The panels of `complete_dots`."""


def hand_strip(pictures: Mapping[str, np.ndarray], ages: Sequence[float]) -> Figure:
    """Hands that differ in age alone above hands as a net sees them, youngest first.

    Parameters
    ----------
    pictures : those of `lib.bone_age_pictures.hand_pictures`.
    ages : theirs, in months.
    """
    names = [f"{age:g} months" for age in ages]
    rows = {
        title: dict(zip(names, pictures[name], strict=True))
        for title, name in (("age alone", "alike"), ("seen by the net", "image"))
    }
    return gallery(rows, grey=tuple(names))


def hand_maps(pictures: Mapping[str, np.ndarray], ages: Sequence[float], columns: Mapping[str, str]) -> Figure:
    """Hands and maps beside each other, one row per hand.

    Parameters
    ----------
    pictures : those of `lib.bone_age_pictures.hand_pictures`.
    ages : theirs, in months.
    columns : name of a picture -> title; the first is an image, in grey.
    """
    rows = {
        f"{age:g} months": {title: pictures[name][number] for name, title in columns.items()}
        for number, age in enumerate(ages)
    }
    return gallery(rows, grey=tuple(columns.values())[:1])


def map_columns(method: str, laws: Sequence[str], kind: str = "") -> dict[str, str]:
    """Names of pictures -> titles: the maps of a trained net, and of random ones; ``kind`` stands before the names."""
    titles = {f"{kind}{method}, trained": f"{spoken(method)}, trained"}
    return titles | {f"{kind}{method}, random, {law}": f"{spoken(method)}, random {law}" for law in laws}


def told_ages(scores: pd.DataFrame) -> Figure:
    """The ages that a net tells of held-out hands over their true ones; on the dashed line both are the same.

    Parameters
    ----------
    scores : of one net.
    """
    chosen = scores[scores.metric.isin(["age", "told_age"])].astype({"metric": str})
    table = chosen.pivot(index="image", columns="metric", values="value")
    figure, axis = plt.subplots(figsize=(4.4, 4.0))
    axis.plot(AGES, AGES, color="0.6", linestyle="--", linewidth=1.0, zorder=0)
    axis.plot(table.age, table.told_age, "o", color="#0173b2", markersize=3.5, alpha=0.45, markeredgewidth=0)
    axis.set_xlabel("age, months")
    axis.set_ylabel("age that the net tells, months")
    axis.set_xticks(range(0, 241, 48))
    axis.set_yticks(range(0, 241, 48))
    axis.set_aspect("equal")
    axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    return figure


def complete_dots(
    scores: pd.DataFrame, methods: Sequence[str], laws: Mapping[str, str], thresholds: Mapping[str, float]
) -> Figure:
    r"""Similarity of the maps of a net to those of the same net with all weights drawn anew; one panel per metric.

    Rows are methods, marks laws of the new weights and the map of another hand, with 95 % intervals.

    Parameters
    ----------
    scores : of one net.
    methods : rows from the top.
    laws : intervention of a cascade -> words of the legend.
    thresholds : metric -> similarity that is asked for, drawn as a line; :math:`s^*` is ``ssim_corrected``.
    """
    every = with_corrected(scores)
    rows = method_rows(every[every.metric == "ssim"], methods)
    figure, axes = plt.subplots(1, len(_METRICS), figsize=(9.4, 0.62 * len(rows) + 1.2), sharey=True)
    looks = (("#d55e00", "D"), ("#029e73", "^"), ("#cc78bc", "P"))
    for axis, (metric, title) in zip(axes, _METRICS.items(), strict=True):
        own = every[every.metric == metric]
        marks = {
            f"all weights random, {words}": (_at_the_end(own, law), *look)
            for (law, words), look in zip(laws.items(), looks, strict=False)
        }
        null = summary(own[own.against == "null_other_image"], ["method"])
        marks["trained, another hand"] = (null, "0.45", "|")
        draw_dots(axis, rows, marks)
        # A likeness counted from the null has no lower end.
        least = min(float(found.value.min()) for found, *_ in marks.values())
        axis.set_xlim(min(axis.get_xlim()[0], least - 0.1), 1.05)
        axis.tick_params(axis="y", length=0)
        if metric in thresholds:
            axis.axvline(thresholds[metric], color="0.3", linestyle=":", linewidth=1.2)
        axis.set_title(title, fontsize=10)
    figure.supxlabel("similarity to the trained net's map of the same hand", fontsize=10)
    legend_below(figure, list(axes), 3)
    return figure


def complete_words(scores: pd.DataFrame, methods: Sequence[str], law: str) -> str:
    """Means after all weights are random, for a caption: ``Gradient ρₐ 0.31, SSIM 0.71, s* 0.40``."""
    every = with_corrected(scores)
    spoken_metrics = {"spearman_abs": "ρₐ", "ssim": "SSIM", "ssim_corrected": "s*"}
    means = {
        metric: _at_the_end(every[every.metric == metric], law).set_index("method").value for metric in spoken_metrics
    }
    return "; ".join(
        f"{spoken(method)} "
        + ", ".join(f"{words} {two_digits(means[metric][method])}" for metric, words in spoken_metrics.items())
        for method in methods
    )


def _at_the_end(chosen: pd.DataFrame, intervention: str) -> pd.DataFrame:
    """Means by method after the last step of a cascade, with intervals."""
    own = chosen[(chosen.intervention == intervention) & (chosen.against == "original")]
    return summary(own[own.step == len(stage_names(chosen, intervention)) - 1], ["method"])
