"""The few plots of the papers, in one style: map grids, cascade curves, and similarities beside their nulls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.attributions import CONTROLS
from lib.statistics import summary

SPOKEN = {
    "gradient": "Gradient",
    "gradient_x_input": "Gradient ⊙ input",
    "integrated_gradients": "Integrated gradients",
    "smoothgrad": "SmoothGrad",
    "guided_backprop": "Guided Backprop",
    "gradcam": "GradCAM",
    "guided_gradcam": "Guided GradCAM",
    "edge": "Edges (control)",
    "input": "Input (control)",
    "random": "Random (control)",
}
"""How figures write a method; others appear under their own name."""

METRICS = {
    "spearman_abs": "absolute maps: $\\rho_a$",
    "spearman": "signed maps: $\\rho$",
    "spearman_abs_fg": "absolute maps, foreground only",
    "spearman_fg": "signed maps, foreground only",
    "sign_agreement_fg": "share of equal signs, foreground",
}

_CLIP = 99.0
"""Maps are shown up to this percentile of their absolute values; similarities are computed on unclipped maps."""

_MARKERS = "osD^vPX*<>"


def spoken(method: str) -> str:
    """A method's name as figures write it."""
    return SPOKEN.get(method, method)


def style(methods: Sequence[str]) -> dict[str, dict[str, object]]:
    """Colour, marker and line of every method; the same in all figures of a run. Controls are grey and dashed."""
    palette = sns.color_palette("colorblind", 10)
    # The palette's grey is left to the controls.
    colours = [colour for colour in palette if max(colour) - min(colour) > 0.1]
    found: dict[str, dict[str, object]] = {}
    shown = [method for method in methods if method not in CONTROLS]
    for number, method in enumerate(shown):
        found[method] = {
            "color": colours[number % len(colours)],
            "marker": _MARKERS[number % len(_MARKERS)],
            "linestyle": "-",
        }
    for method, marker in zip(CONTROLS, "|1x", strict=True):
        found[method] = {"color": "0.55", "marker": marker, "linestyle": "--"}
    return found


def map_grid(maps: Mapping[str, np.ndarray], columns: Sequence[str], signed: bool) -> Figure:
    """Maps of one image: rows are methods, columns are stages of the model.

    Parameters
    ----------
    maps : method -> (stages, H, W), signed.
    columns : names of the stages.
    signed : show signs on a diverging map centred at 0, else absolute values on a sequential one.
    """
    size = (0.95 * len(columns), 0.95 * len(maps))
    figure, axes = plt.subplots(len(maps), len(columns), figsize=size, squeeze=False)
    for row, (method, stages) in zip(axes, maps.items(), strict=True):
        for axis, picture in zip(row, stages, strict=True):
            limit = np.percentile(np.abs(picture), _CLIP) or np.abs(picture).max() or 1.0
            if signed:
                axis.imshow(picture, cmap="RdBu_r", vmin=-limit, vmax=limit)
            else:
                axis.imshow(np.abs(picture), cmap="magma", vmin=0.0, vmax=limit)
            axis.set_xticks([])
            axis.set_yticks([])
            sns.despine(ax=axis, left=True, bottom=True)
        row[0].set_ylabel(spoken(method), rotation=0, ha="right", va="center")
    for axis, name in zip(axes[0], columns, strict=True):
        axis.set_title(name, fontsize=10)
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1, wspace=0.06, hspace=0.06)
    return figure


def cascade_curves(
    scores: pd.DataFrame,
    methods: Sequence[str],
    metrics: Sequence[str],
    floor: tuple[float, float] | None = None,
) -> Figure:
    """Similarity to the intact model's map, stage by stage, with 95 % intervals; one panel per metric.

    Parameters
    ----------
    scores : of one net.
    methods : in the order of the legend.
    metrics : one panel each, see `METRICS`.
    floor : lowest and highest tie floor over images, drawn as a band in the panel of ``spearman_abs``.
    """
    chosen = scores[(scores.intervention == "cascade") & (scores.against == "original")]
    stages = stage_names(scores)
    looks = style(methods)
    figure, axes = plt.subplots(1, len(metrics), figsize=(3.3 * len(metrics), 3.9), sharey=True, squeeze=False)
    for axis, metric in zip(axes[0], metrics, strict=True):
        axis.axhline(0.0, color="0.8", linewidth=0.8, zorder=0)
        if metric == "spearman_abs" and floor is not None:
            _tie_floor(axis, floor, len(stages))
        for method in methods:
            found = chosen[(chosen.method == method) & (chosen.metric == metric)]
            curve = summary(found, ["step"]).sort_values("step")
            axis.fill_between(curve.step, curve.low, curve.high, color=looks[method]["color"], alpha=0.18, linewidth=0)
            axis.plot(curve.step, curve.value, label=spoken(method), markersize=5, linewidth=1.6, **looks[method])
        axis.set_title(METRICS[metric], fontsize=10)
        axis.set_xticks(range(len(stages)), stages, rotation=30, ha="right", rotation_mode="anchor")
        axis.set_ylim(min(-0.15, axis.get_ylim()[0]), 1.05)
        axis.set_xlabel("randomized down to")
        sns.despine(ax=axis)
    axes[0][0].set_ylabel("similarity to the intact model's map")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.tight_layout()
    figure.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=5, frameon=False, fontsize=9)
    return figure


def _tie_floor(axis: Axes, floor: tuple[float, float], stages: int) -> None:
    low, high = floor
    axis.fill_between([0.5, stages - 0.5], low, high, facecolor="none", edgecolor="0.5", hatch="////", linewidth=0.5)
    axis.annotate(
        "tie floor of products with the input",
        ((stages - 1) / 2, low),
        textcoords="offset points",
        xytext=(0, -12),
        ha="center",
        fontsize=8,
        color="0.35",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
    )


def beside_nulls(scores: pd.DataFrame, methods: Sequence[str], metric: str) -> Figure:
    """What is left of the similarity at the end, beside what unrelated and what repeated maps reach.

    Rows are methods; marks are the first and the last step with 95 % intervals, the null (map of another image of
    the intact model) and, for stochastic methods, the ceiling (the same image and model with other noise).
    """
    chosen = scores[(scores.intervention == "cascade") & (scores.metric == metric)]
    last = int(chosen.step.max())
    stages = stage_names(scores)
    marks = {
        f"top unit randomized ({stages[1]})": (chosen.step == 1, "original", "#0173b2", "o"),
        "all units randomized": (chosen.step == last, "original", "#d55e00", "D"),
        "null: map of another image": (chosen.step == 0, "null_other_image", "0.45", "|"),
        "ceiling: same image, other noise": (chosen.step == 0, "self", "#029e73", "^"),
    }
    figure, axis = plt.subplots(figsize=(8.2, 0.42 * len(methods) + 1.5))
    rows = {method: len(methods) - 1 - number for number, method in enumerate(methods)}
    for label, (keep, against, colour, marker) in marks.items():
        found = summary(chosen[keep & (chosen.against == against)], ["method"])
        found = found[found.method.isin(list(methods)) & found.value.notna()]
        height = [rows[method] for method in found.method]
        spread = [found.value - found.low, found.high - found.value]
        size = 13 if marker == "|" else 6
        axis.errorbar(
            found.value, height, xerr=spread, color=colour, marker=marker, markersize=size, linestyle="", label=label
        )
    axis.set_yticks(list(rows.values()), [spoken(method) for method in rows])
    axis.set_ylim(-0.6, len(methods) - 0.4)
    axis.grid(axis="y", color="0.92")
    axis.set_axisbelow(True)
    axis.set_xlim(-0.1, 1.05)
    axis.set_xlabel(f"similarity, {METRICS[metric]}")
    axis.legend(
        loc="upper center", bbox_to_anchor=(0.42, 1.0 + 1.1 / len(methods) + 0.08), ncols=2, frameon=False, fontsize=9
    )
    sns.despine(ax=axis, left=True)
    return figure


def stage_names(scores: pd.DataFrame) -> list[str]:
    """Names of a cascade's stages: ``intact``, then the unit that each step reaches."""
    cascade = scores[scores.intervention == "cascade"]
    units = cascade[cascade.step > 0].drop_duplicates("step").sort_values("step")
    return ["intact", *units.level.astype(str)]


def in_words(scores: pd.DataFrame, methods: Sequence[str], metric: str, against: str = "original") -> str:
    """Means by method for a caption: after the first → after the last step, or one number for a null at step 0.

    Controls are left out.
    """
    chosen = scores[(scores.intervention == "cascade") & (scores.against == against) & (scores.metric == metric)]
    if chosen.empty:
        return "nothing measured"
    steps = sorted({1, int(chosen.step.max())} & set(chosen.step)) or [0]
    parts = []
    for method in (each for each in methods if each not in CONTROLS):
        values = [chosen[(chosen.method == method) & (chosen.step == step)].value.mean() for step in steps]
        parts.append(f"{spoken(method)} " + " → ".join(_two_digits(value) for value in values))
    return ", ".join(parts)


def _two_digits(value: float) -> str:
    """A number for a sentence, with a real minus and no negative zero."""
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")
