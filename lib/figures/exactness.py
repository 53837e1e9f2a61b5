"""Errors of exact statements and laws of growth, on logarithmic axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from lib.exactness import EXACT
from lib.figures.looks import legend_below, panels, spoken
from lib.statistics import summary
from lib.vargrad_laws import exponent

_ZERO = 1e-18
"""Where an error of exactly 0 is drawn."""

_COLOURS = ("#0173b2", "#d55e00", "#029e73", "#cc78bc")
_MARKERS = "oD^s"
_STEPS = r"steps=(\d+)"


def error_dots(scores: pd.DataFrame, methods: Sequence[str], states: Mapping[str, str], against: str) -> Figure:
    """Relative errors of methods, one dot per image and draw; one panel per net, a line where exactness ends.

    Parameters
    ----------
    scores : with the metric ``relative_error``.
    methods : rows from the top.
    states : intervention -> its words in the legend.
    against : what the methods should equal.
    """
    chosen = scores[(scores.metric == "relative_error") & (scores.against == against)]
    chosen = chosen[chosen.intervention.isin(list(states)) & chosen.method.isin(list(methods))]
    nets = chosen[["model", "dataset"]].drop_duplicates().sort_values(["dataset", "model"])
    figure, axes = panels(len(nets), per_row=2, width=4.2, height=0.62 * len(methods) + 1.2)
    for axis, (model, dataset) in zip(axes, nets.itertuples(index=False), strict=True):
        own = chosen[(chosen.model == model) & (chosen.dataset == dataset)]
        for number, (intervention, words) in enumerate(states.items()):
            rows = own[own.intervention == intervention]
            heights = len(methods) - 1 - rows.method.astype(str).map(methods.index) + 0.27 - 0.18 * number
            axis.plot(
                rows.value.clip(lower=_ZERO), heights, linestyle="", marker=_MARKERS[number], markersize=4.5,
                alpha=0.55, color=_COLOURS[number], markeredgewidth=0, label=words,
            )  # fmt: skip
        axis.axvline(EXACT, color="0.35", linewidth=0.9, linestyle="--")
        axis.set_xscale("log")
        axis.set_xlim(_ZERO / 3, 10)
        axis.set_xticks([_ZERO, 1e-15, 1e-10, 1e-5, 1.0], ["0", "$10^{-15}$", "$10^{-10}$", "$10^{-5}$", "1"])
        axis.minorticks_off()
        axis.set_title(f"{model}-{dataset}", fontsize=10)
        sns.despine(ax=axis)
    axes[0].set_yticks(range(len(methods)), [spoken(each) for each in reversed(methods)])
    axes[0].set_ylim(-0.55, len(methods) - 0.45)
    figure.supxlabel(f"relative difference from {spoken(against)}", fontsize=10)
    legend_below(figure, axes, 2)
    return figure


def completeness_curves(scores: pd.DataFrame) -> Figure:
    """Gap of the sum of integrated gradients to the logit and to its difference, against the number of steps.

    Means with 95 % intervals; one panel per net; full lines start from the zero reference, dashed ones from the mean
    image.

    Parameters
    ----------
    scores : with the intervention ``completeness``.
    """
    chosen = scores[scores.intervention == "completeness"]
    found = summary(chosen, ["model", "dataset", "against", "method"])
    words = found.method.astype(str)
    found["steps"] = words.str.extract(_STEPS, expand=False).fillna(50).astype(int)
    found["mean_reference"] = words.str.contains("reference=mean")
    sums = {"logit": "to S(x), as printed", "logit_difference": "to S(x) − S(reference)"}
    nets = found[["model", "dataset"]].drop_duplicates().sort_values(["dataset", "model"])
    figure, axes = panels(len(nets), per_row=2, width=4.0, height=3.1)
    for axis, (model, dataset) in zip(axes, nets.itertuples(index=False), strict=True):
        own = found[(found.model == model) & (found.dataset == dataset)]
        for number, (against, label) in enumerate(sums.items()):
            for mean, line, start in ((False, "-", "zero"), (True, "--", "mean image")):
                rows = own[(own.against == against) & (own.mean_reference == mean)].sort_values("steps")
                whiskers = [(rows.value - rows.low).clip(upper=0.99 * rows.value), rows.high - rows.value]
                axis.errorbar(
                    rows.steps, rows.value, yerr=whiskers, linestyle=line, color=_COLOURS[number],
                    marker=_MARKERS[number], label=f"{label}, from {start}",
                )  # fmt: skip
        axis.set_xscale("log")
        axis.set_yscale("log")
        steps = sorted(found.steps.unique())
        axis.set_xticks(steps, [str(each) for each in steps])
        axis.minorticks_off()
        axis.set_title(f"{model}-{dataset}", fontsize=10)
        axis.set_xlabel("steps of the path")
        sns.despine(ax=axis)
    axes[0].set_ylabel("relative gap of the sum")
    legend_below(figure, axes, 2)
    return figure


def vargrad_curves(scores: pd.DataFrame) -> Figure:
    """VarGrad relative to the squared gradient against the noise, with the power of the noise that it grows with.

    Means with 95 % intervals; one line per net and activation.

    Parameters
    ----------
    scores : with the metric ``variance``.
    """
    figure, axis = plt.subplots(figsize=(6.4, 3.6))
    for number, ((model, dataset), laws) in enumerate(noise_laws(scores).items()):
        for activation, (rows, power) in laws.items():
            label = f"{model}-{dataset}, {activation}: noise to the power {power:.2f}"
            whiskers = [(rows.value - rows.low).clip(upper=0.99 * rows.value), rows.high - rows.value]
            axis.errorbar(
                rows.noise, rows.value, yerr=whiskers, linestyle="-" if activation == "ReLU" else "--",
                color=_COLOURS[number % 4], marker=_MARKERS[number % 4], label=label,
            )  # fmt: skip
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel("standard deviation of the noise, as a share of the image's range")
    axis.set_ylabel("VarGrad over squared gradient")
    sns.despine(ax=axis)
    legend_below(figure, [axis], 1)
    return figure


def noise_laws(scores: pd.DataFrame) -> dict[tuple[str, str], dict[str, tuple[pd.DataFrame, float]]]:
    """For each net and activation: VarGrad by noise, and the power of the noise that fits it.

    Returns
    -------
    (model, data set) -> activation -> (table with the columns noise, value, low, high; power).
    """
    words = {"vargrad": "ReLU", "vargrad(activation=softplus)": "Softplus"}
    chosen = scores[(scores.metric == "variance") & scores.intervention.isin(list(words))]
    found = summary(chosen, ["model", "dataset", "intervention", "level"])
    found["noise"] = found.level.astype(str).astype(float)
    laws: dict[tuple[str, str], dict[str, tuple[pd.DataFrame, float]]] = {}
    for (model, dataset, intervention), rows in found.groupby(["model", "dataset", "intervention"], observed=True):
        ordered = rows.sort_values("noise")
        power = exponent(ordered.noise.tolist(), ordered.value.tolist())
        laws.setdefault((str(model), str(dataset)), {})[words[str(intervention)]] = (ordered, power)
    return laws


def power_of_ten(value: float) -> str:
    """A small number for a sentence: ``2·10⁻¹⁶``; 0 stays 0, and what is above 0.01 is written out."""
    if value == 0 or value >= 0.01:
        return f"{value:.2g}"
    leading, power = f"{value:.0e}".split("e")
    raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{leading}·10{raised}"
