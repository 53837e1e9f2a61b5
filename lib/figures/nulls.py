"""Maps that share nothing, or little, with the one they are compared with: pictures, and dots beside the raw value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.figures.looks import METRICS, legend_below, spoken
from lib.figures.masks import SCALE_WORDS
from lib.figures.pictures import show_signed
from lib.figures.rows import draw_dots, method_rows
from lib.figures.words import two_digits
from lib.map_nulls import INTERVENTION, MASK, PICTURES
from lib.mask_scores import reading
from lib.similarity import NORMALISATIONS
from lib.statistics import summary

_NULLS = {
    "all units random": ("original", "#d55e00", "D"),
    "null: same map, pixels shuffled": ("null_shuffle", "#56b4e9", "v"),
    "null: map of another image": ("null_other_image", "#0173b2", "s"),
    "null: same image, another class": ("null_other_class", "#029e73", "^"),
    "a Gaussian mask": (MASK, "0.6", "x"),
    "ceiling: same image, other noise": ("self", "0.2", "|"),
}


def _of(scores: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows of a metric."""
    return scores[(scores.intervention == INTERVENTION) & (scores.metric == metric)]


def null_grid(pictures: Mapping[str, np.ndarray], scores: pd.DataFrame, image: int) -> Figure:
    """A map of each method beside maps that share less and less with it, with their similarities to it.

    Parameters
    ----------
    pictures : method -> (5, H, W), signed, in the order of `lib.map_nulls.PICTURES`.
    scores : of one net.
    image : number of the image that the pictures belong to.
    """
    against = ("", "null_other_class", "null_other_image", "null_shuffle", "original")
    own = scores[(scores.image == image) & scores.draw.isin([-1, 0])]
    figure, axes = plt.subplots(len(pictures), 5, figsize=(6.6, 1.45 * len(pictures)), squeeze=False)
    for row, (method, planes) in zip(axes, pictures.items(), strict=True):
        for number, (axis, plane) in enumerate(zip(row, planes, strict=True)):
            show_signed(axis, plane)
            axis.set_xticks([])
            axis.set_yticks([])
            if number:
                last = int(scores.step.max()) if number == 4 else 0
                found = own[(own.method == method) & (own.against == against[number]) & (own.step == last)]
                values = found.set_index("metric").value
                told = f"SSIM {values['ssim']:.2f}, $\\rho_a$ {values['spearman_abs']:.2f}"
                axis.set_xlabel(told.replace("-0.00", "0.00").replace("-", "−").replace("nan", "–"), fontsize=8)
        row[0].set_ylabel(spoken(method), rotation=0, ha="right", va="center")
    for axis, words in zip(axes[0], PICTURES, strict=True):
        axis.set_title(words, fontsize=10)
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1, wspace=0.08, hspace=0.28)
    return figure


def null_rows(scores: pd.DataFrame, methods: Sequence[str], metrics: Sequence[str]) -> Figure:
    """Similarity of a wholly randomized net's maps beside the nulls and the ceiling; one panel per metric.

    Rows are methods; means with 95 % intervals. What was not measured is left out.

    Parameters
    ----------
    scores : of one net, of `lib.map_nulls.null_scores`.
    methods : rows from the top.
    metrics : one panel each.
    """
    rows = method_rows(_of(scores, metrics[0]), methods)
    size = (3.1 * len(metrics) + 1.2, 0.62 * len(rows) + 1.0)
    figure, axes = plt.subplots(1, len(metrics), figsize=size, sharey=True, squeeze=False)
    last = int(scores[scores.intervention == INTERVENTION].step.max())
    for axis, metric in zip(axes[0], metrics, strict=True):
        chosen = _of(scores, metric)
        marks = {}
        for label, (against, colour, marker) in _NULLS.items():
            step = last if against == "original" else 0
            found = summary(chosen[(chosen.against == against) & (chosen.step == step)], ["method"])
            marks[label] = (found, colour, marker)
        draw_dots(axis, rows, marks)
        axis.set_title(METRICS[metric], fontsize=10)
        axis.axvline(0.0, color="0.8", linewidth=0.8, zorder=0)
    figure.supxlabel("similarity to the intact net's map", fontsize=10)
    legend_below(figure, list(axes[0]), 3)
    return figure


def normalisation_rows(scores: pd.DataFrame, methods: Sequence[str], threshold: float) -> Figure:
    """SSIM after randomizing the upper half of the units, under each normalisation, and the null of another image.

    Rows are methods; means over the steps with 95 % intervals; the left panel is the similarity, the right its null.

    Parameters
    ----------
    scores : of one net, of `lib.map_nulls.null_scores`.
    methods : rows from the top.
    threshold : drawn as a line in the left panel.
    """
    rows = method_rows(_of(scores, "ssim"), methods)
    figure, axes = plt.subplots(1, 2, figsize=(8.2, 0.5 * len(rows) + 1.2), sharey=True)
    last = int(scores[scores.intervention == INTERVENTION].step.max())
    looks = {"max": ("#0173b2", "o"), "p99": ("#de8f05", "s"), "std": ("#029e73", "^")}
    panels = {"upper half of the net random": "original", "null: map of another image": "null_other_image"}
    for axis, (title, against) in zip(axes, panels.items(), strict=True):
        marks = {}
        for scale in NORMALISATIONS:
            chosen = _of(scores, reading("ssim", scale))
            steps = range(1, last // 2 + 1) if against == "original" else [0]
            found = summary(chosen[(chosen.against == against) & chosen.step.isin(steps)], ["method"])
            marks[SCALE_WORDS[scale]] = (found, *looks[scale])
        draw_dots(axis, rows, marks)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("SSIM")
    axes[0].axvline(threshold, color="0.3", linestyle=":", linewidth=1.0)
    legend_below(figure, list(axes), 3)
    return figure


def beside_null_words(scores: pd.DataFrame, methods: Sequence[str], metric: str) -> str:
    """By method for a caption: similarity after all units, and the null for another class.

    For example ``Gradient ⊙ input 0.55 (null 0.55)``; what was not measured is left out.
    """
    chosen = _of(scores, metric)
    last = int(scores[scores.intervention == INTERVENTION].step.max())
    raw = chosen[(chosen.against == "original") & (chosen.step == last)].groupby("method", observed=True).value.mean()
    null = chosen[chosen.against == "null_other_class"].groupby("method", observed=True).value.mean()
    shown = [method for method in methods if method in raw.index and method in null.index]
    return ", ".join(f"{spoken(each)} {two_digits(raw[each])} (null {two_digits(null[each])})" for each in shown)
