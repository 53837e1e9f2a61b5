"""Pairs of pictures: their maps beside each other, where the mass of the maps lies, and how the nets learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lib.attributions import CONTROLS
from lib.claims import ledger
from lib.figures.looks import legend_above, panels, spoken
from lib.figures.pictures import bare, show_positive
from lib.figures.rows import draw_dots, method_rows
from lib.figures.words import two_digits
from lib.localisation import RANDOM, net_word
from lib.pair_scores import FINE_TUNED, LEARNING, PAIRS, PRETRAINED, STOPPED
from lib.pairs import RELEVANT
from lib.statistics import estimate, summary

IMAGENET_LICENCE = (
    "Photographs: ImageNet, for non-commercial research and education; all rights stay with the photographers."
)
"""What a caption says of every figure with ImageNet's pictures."""

HALF = f"mass_share_{RELEVANT}"
"""The metric H: share of the positive mass on the half that decides."""

PUBLISHED_ACCURACY = 0.77
"""Test accuracy of the fine-tuned ResNet-18 of Yona & Greenfeld."""

_WIDTH = 9.4
"""Width of a gallery in inches."""

_NETS = {
    FINE_TUNED: ("#0173b2", "o"),
    STOPPED: ("#029e73", "^"),
    PRETRAINED: ("#d55e00", "D"),
    RANDOM: ("0.45", "s"),
}
"""Colour and marker of each net."""

_JUDGED = {"guided_backprop": "Y-16", "gradient": "Y-17"}
"""The claims about the fine-tuned net's H, whose thresholds are marked."""


def pair_gallery(pictures: Mapping[str, np.ndarray], methods: Sequence[str], nets: Sequence[str]) -> Figure:
    """Pairs, one a row, and the positive part of their maps: one group of columns for each method.

    The half that decides is framed; each map is scaled by its own 99th percentile.

    Parameters
    ----------
    pictures : as `lib.pair_scores.pair_pictures` gives them.
    methods, nets : columns from the left, the nets inside the methods.
    """
    names = [f"{net}/{method}" for method in methods for net in nets]
    count, height, width = pictures[RELEVANT].shape
    # A narrow column keeps the methods apart.
    widths = [1.0, *(each for _ in methods for each in (0.12, *[1.0] * len(nets)))]
    size = (_WIDTH, count * _WIDTH / sum(widths) * height / width * 1.05)
    figure, grid = plt.subplots(count, len(widths), figsize=size, squeeze=False, width_ratios=widths)
    places = [place for place, each in enumerate(widths) if each == 1.0]
    for axis in np.delete(grid, places, axis=1).flat:
        axis.remove()
    grid = grid[:, places]
    for row, axes in enumerate(grid):
        _show_pair(axes[0], pictures["pair"][row], pictures[RELEVANT][row] > 0)
        for axis, name in zip(axes[1:], names, strict=True):
            show_positive(axis, pictures[name][row].clip(min=0.0))
            bare(axis)
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1, wspace=0.05, hspace=0.05)
    for axis, name in zip(grid[0], ["pair", *names], strict=True):
        net, _, method = name.partition("/")
        axis.set_title(f"{spoken(method)}\n{net}" if method else net, fontsize=9)
    return figure


def half_dots(scores: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """Share of the positive mass on the half that decides, by method and net, with 95 % intervals.

    The line at 1/2 is what a map gives that does not care; short strokes are the thresholds of the claims.

    Parameters
    ----------
    scores : of one net, with the interventions ``pairs(net=…)``.
    methods : rows from the top; those that were not measured are left out.
    """
    chosen = scores[scores.metric == HALF]
    rows = method_rows(chosen, methods)
    looking, controls = chosen[~chosen.method.isin(CONTROLS)], chosen[chosen.method.isin(CONTROLS)]
    marks = {
        net: (summary(looking[looking.intervention == net_word(net, PAIRS)], ["method"]), *look)
        for net, look in _NETS.items()
        if (chosen.intervention == net_word(net, PAIRS)).any()
    }
    alone = controls[controls.intervention == net_word(FINE_TUNED, PAIRS)]
    figure, axis = plt.subplots(figsize=(8.2, 0.42 * len(rows) + 1.5))
    axis.axvline(0.5, color="0.6", linewidth=0.9, zorder=0)
    for method, claim in _JUDGED.items():
        if method in rows:
            for threshold in (part["above"] for part in ledger()[claim]["parts"]):
                axis.plot([threshold] * 2, [rows[method] - 0.42, rows[method] + 0.42], color="0.15", linewidth=1.2)
    draw_dots(axis, rows, marks)
    draw_dots(axis, rows, {"without a net": (summary(alone, ["method"]), "0.2", "|")})
    axis.set_xlim(0.0, 1.0)
    axis.set_xlabel("share of the positive mass on the half that decides")
    legend_above(axis, len(marks) + 1)
    return figure


def learning_curves(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Accuracy on test pairs while nets were fine-tuned, one panel per net; the dashed line is the published one.

    Parameters
    ----------
    tables : name of the net -> its scores, with the intervention ``learning``.
    """
    figure, axes = panels(len(tables), per_row=2, width=8.2 / min(2, len(tables)), height=2.6)
    for axis, (name, table) in zip(axes, tables.items(), strict=True):
        curve = _curve(table)
        axis.plot(curve.index, curve, color=_NETS[FINE_TUNED][0], marker="o", markersize=4)
        axis.axhline(PUBLISHED_ACCURACY, color="0.4", linestyle="--", linewidth=1)
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("iteration")
        axis.set_ylim(0.0, 1.0)
        sns.despine(ax=axis)
    axes[0].set_ylabel("test accuracy")
    figure.tight_layout()
    return figure


def passed_at(table: pd.DataFrame, accuracy: float = PUBLISHED_ACCURACY) -> str:
    """In words: the first measured iteration at which an accuracy was reached."""
    curve = _curve(table)
    reached = curve[curve >= accuracy]
    return f"at iteration {reached.index[0]}" if len(reached) else "never"


def half_words(scores: pd.DataFrame, methods: Sequence[str]) -> str:
    """H in words by method and net, e.g. ``Guided Backprop 0.81 (fine-tuned), 0.50 (pretrained), 0.49 (random)``."""
    chosen = scores[scores.metric == HALF]
    words = []
    for method in methods:
        own = chosen[chosen.method == method]
        means = {net: own[own.intervention == net_word(net, PAIRS)].value.mean() for net in _NETS}
        numbers = ", ".join(f"{two_digits(mean)} ({net})" for net, mean in means.items() if mean == mean)
        words.append(f"{spoken(method)} {numbers}")
    return "; ".join(words)


def untuned_words(scores: pd.DataFrame) -> str:
    """In words: how often the net before fine-tuning is right among its outputs for the five classes."""
    own = scores[(scores.intervention == net_word(PRETRAINED, PAIRS)) & (scores.metric == "accuracy")]
    return _with_interval(own, 2)


def undefined_words(scores: pd.DataFrame, methods: Sequence[str]) -> str:
    """In words: the share of maps that have no H because they are 0 everywhere, where there are any."""
    chosen = scores[(scores.metric == HALF) & scores.method.isin(list(methods))]
    shares = chosen.value.isna().groupby([chosen.method, chosen.level], sort=False).mean()
    return ", ".join(f"{spoken(m)} {share:.0%} ({net})" for (m, net), share in shares.items() if share) or "none"


def exchange_table(scores: pd.DataFrame) -> pd.DataFrame:
    """What a fine-tuned net predicts after halves were exchanged: shares of pairs with 95 % intervals."""
    told = {
        "other": "another picture of group 2",
        "relevant": "a picture of another class of group 1",
        "both": "the halves change places",
    }
    rows = {}
    for half, words in told.items():
        own = scores[scores.intervention == f"exchanged(half={half})"]
        rows[words] = {
            spoken_metric: _with_interval(own[own.metric == metric])
            for metric, spoken_metric in (
                ("prediction_changed", "prediction changes"),
                ("class_followed", "prediction is the class of the picture of group 1"),
            )
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _with_interval(scores: pd.DataFrame, digits: int = 3) -> str:
    found = estimate(scores)
    value, low, high = (f"{number:.{digits}f}" for number in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"


def _curve(table: pd.DataFrame) -> pd.Series:
    """Test accuracy by iteration."""
    own = table[(table.intervention == LEARNING) & (table.metric == "test_accuracy")]
    return own.set_index("step").value.sort_index()


def _show_pair(axis: Axes, stacked: np.ndarray, relevant: np.ndarray) -> None:
    """A pair in its colours, with a frame about the half that decides."""
    height, width = relevant.shape
    colours = stacked.reshape(-1, height, width).transpose(1, 2, 0)
    if colours.shape[2] == 1:
        axis.imshow(colours[..., 0], cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
    else:
        axis.imshow(colours.clip(0.0, 1.0), interpolation="nearest")
    left = 0 if relevant[0, 0] else width // 2
    frame = Rectangle((left, 0), width // 2 - 1, height - 1, fill=False, edgecolor="#ece133", linewidth=1.6)
    axis.add_patch(frame)
    bare(axis)
