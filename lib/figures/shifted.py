"""What the two networks of Kindermans et al. see and say, and the verdicts that the paper printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.figures.exactness import power_of_ten
from lib.figures.galleries import gallery, rows_of
from lib.figures.invariance import UNCHANGED, change_words, invariance_means, invariance_table
from lib.figures.looks import legend_above, spoken
from lib.figures.rows import dots, method_rows
from lib.figures.words import two_digits
from lib.statistics import summary

SHIFT_WORDS = {
    "const": "constant",
    "checker": "checker",
    "checker7": "checker, 7 px",
    "checker_centre": "checker, centre",
    "cat": "cat",
}
"""How figures write a shift."""

_SG = "smoothgrad_absolute"
PRINTED: dict[str, dict[str, str]] = {
    "gradient": {"const": "yes"},
    "guided_backprop": {"const": "yes"},
    "pattern_net(patterns=shared)": {"const": "yes"},
    "gradient_x_input": {"const": "no", "checker": "no", "cat": "no"},
    "integrated_gradients": {"const": "no", "checker": "no", "cat": "no"},
    "integrated_gradients(reference=black)": {"const": "yes", "checker": "no", "cat": "no"},
    "dtd_zero": {"const": "no", "checker": "no", "cat": "no"},
    "pattern_attribution(patterns=shared)": {"const": "yes", "checker": "yes", "cat": "yes"},
    "pattern_attribution": {"const": "yes", "checker": "yes", "cat": "yes"},
    _SG: {"const": "yes"},
    f"{_SG}(of=guided_backprop)": {"const": "yes"},
    f"{_SG}(of=gradient_x_input)": {"const": "no"},
    f"{_SG}(of=integrated_gradients(steps=10))": {"const": "no"},
    f"{_SG}(of=integrated_gradients(reference=black,steps=10))": {"const": "yes"},
    f"{_SG}(of=dtd_zero)": {"const": "no"},
    f"{_SG}(of=pattern_attribution(patterns=shared))": {"const": "yes"},
    f"{_SG}(of=pattern_net(patterns=shared))": {"const": "yes"},
}
"""What Kindermans et al. 2017 print in Figures 2 to 6: method -> shift -> whether its maps stay the same. They do not
say whether PatternAttribution's patterns are estimated again."""


def shift_table(scores: pd.DataFrame, methods: Sequence[str], shifts: Sequence[str], ending: str = "") -> Figure:
    """The invariance of methods to shifts as a picture, beside the verdicts of the paper.

    Parameters
    ----------
    scores : of one net.
    methods : rows from the top; those that were not measured are left out.
    shifts : columns.
    ending : of the interventions, e.g. ``,jitter=0.001``.
    """
    heads = {f"shift({name}{ending})": SHIFT_WORDS.get(name, name) for name in shifts}
    means = invariance_means(scores, methods, heads)
    told = {
        method: {SHIFT_WORDS[name]: word for name, word in PRINTED[method].items() if name in shifts}
        for method in means.index
        if method in PRINTED and not ending
    }
    printed = pd.DataFrame.from_dict(told, orient="index").fillna("") if told else None
    return invariance_table(means, printed, source="K")


def two_networks(pictures: Mapping[str, np.ndarray], shift: str, number: int, methods: Sequence[str]) -> Figure:
    """Two rows of maps, network 1 above network 2, each behind the image that the network sees.

    Parameters
    ----------
    pictures : those of `lib.shift_pictures.shift_pictures`.
    shift : whose.
    number : of the image.
    methods : columns, in this order.
    """
    own = {name.removeprefix(f"{shift}|"): maps for name, maps in pictures.items() if name.startswith(f"{shift}|")}
    rows = rows_of(own, [number], common=())
    chosen = {title: {name: row[name] for name in ("image", *methods)} for title, row in rows.items()}
    return gallery(chosen)


def changes_in_words(scores: pd.DataFrame, methods: Sequence[str], shift: str) -> str:
    """The mean relative changes of some methods under a shift: ``Gradient 0, Gradient ⊙ input 2.4``."""
    means = _means(scores, methods, shift, "relative_change")
    return ", ".join(f"{spoken(method)} {change_words(mean)}" for method, mean in means.items())


def rises_in_words(scores: pd.DataFrame, methods: Sequence[str], shift: str) -> str:
    """How much more the absolute maps correlate with a shift for network 2, method by method, in the mean."""
    means = _means(scores, methods, shift, "shift_rise")
    return ", ".join(f"{spoken(method)} {two_digits(mean)}" for method, mean in means.items())


def _means(scores: pd.DataFrame, methods: Sequence[str], shift: str, metric: str) -> dict[str, float]:
    chosen = scores[(scores.intervention == f"shift({shift})") & (scores.metric == metric)]
    means = chosen.groupby("method", observed=True).value.mean()
    return {each: float(means[each]) for each in methods if each in means.index}


def equal_networks(scores: pd.DataFrame) -> pd.DataFrame:
    """Accuracy, equal classes and the largest errors of network 2 beside network 1, one row per network.

    Parameters
    ----------
    scores : of one net, with the interventions of `lib.equivalence.equivalence_scores`.
    """
    chosen = scores[scores.intervention.astype(str).str.startswith("network ")]
    shares = chosen[chosen.against == "none"].groupby(["intervention", "metric"], observed=True).value.mean().unstack()
    errors = chosen[chosen.metric == "relative_error"]
    worst = errors.groupby(["intervention", "against"], observed=True).value.max().unstack()
    words = worst.map(power_of_ten)
    table = pd.concat([shares, words], axis=1).rename(columns={"same_class": "equal classes"})
    table.index = [str(name).replace("(", ", ").removesuffix(")") for name in table.index]
    return table[["accuracy", "equal classes", "logits", "activations", "gradient"]]


def rise_dots(scores: pd.DataFrame, methods: Sequence[str], shifts: Sequence[str]) -> Figure:
    """How much more the absolute maps correlate with a shift once it is there: means with 95 % intervals.

    Parameters
    ----------
    scores : of one net.
    methods : rows from the top; those that were not measured are left out.
    shifts : marks of each row.
    """
    chosen = scores[(scores.metric == "shift_rise") & scores.method.isin(list(methods))]
    rows = method_rows(chosen, methods)
    marks = {
        SHIFT_WORDS.get(shift, shift): (summary(chosen[chosen.intervention == f"shift({shift})"], ["method"]), *look)
        for shift, *look in zip(shifts, ("#d55e00", "#0173b2", "#029e73"), "Dso", strict=False)
    }
    figure, axis = dots(rows, marks, "correlation of |map| and shift: network 2 less network 1", (0.34, 1.3))
    axis.axvline(0.0, color="0.6", linewidth=0.8)
    if len(shifts) > 1:
        legend_above(axis, 3)
    return figure


def rewired_table(scores: pd.DataFrame, methods: Sequence[str], hows: Sequence[str]) -> Figure:
    """Whether maps stay the same when a network is rewired, as a picture; any change beyond rounding is a no.

    Parameters
    ----------
    scores : of one net, with the interventions of `lib.implementation_invariance.rewired_scores`.
    methods : rows from the top; those that were not measured are left out.
    hows : columns.
    """
    means = invariance_means(scores, methods, {f"rewired({how})": how for how in hows})
    return invariance_table(means, changed=UNCHANGED)


NORMALISATION_WORDS = {
    "none": "as it is",
    "scalar": "less one mean",
    "image": "less the mean image",
    "standardised": "each image standardised",
}
"""How figures write a normalisation."""


def centred_table(scores: pd.DataFrame, methods: Sequence[str], by: Sequence[str], shifts: Sequence[str]) -> Figure:
    """Whether maps of normalised images stay the same under shifts and, if measured, when pixels are scaled.

    Parameters
    ----------
    scores : of one net, with the interventions of `lib.centred.centred_scores` and `lib.centred.scaled_scores`.
    methods : rows from the top; those that were not measured are left out.
    by : normalisations, a column each.
    shifts : groups of columns.
    """
    groups = {SHIFT_WORDS.get(shift, shift): f"centred(by={{by}},shift={shift})" for shift in shifts}
    groups["pixels scaled"] = "scaled(by={by})"
    measured_here = set(scores[scores.metric == "relative_change"].intervention)
    heads = {
        words.format(by=name): (group, NORMALISATION_WORDS[name])
        for group, words in groups.items()
        for name in by
        if words.format(by=name) in measured_here
    }
    return invariance_table(invariance_means(scores, methods, heads))


def changed_classes(scores: pd.DataFrame, kind: str) -> str:
    """The share of images whose class changes when a network's inputs are normalised, without any shift: ``12 %``."""
    same = scores[(scores.intervention == f"centred(by={kind},shift=none)") & (scores.metric == "same_class")]
    return f"{1.0 - same.value.mean():.0%}"
