"""Numbers of a table as words: names of stages, and findings for captions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from lib.attributions import CONTROLS
from lib.errors import StudyError
from lib.figures.looks import spoken


def stage_names(scores: pd.DataFrame, intervention: str = "cascade") -> list[str]:
    """Names of the stages of an intervention: ``intact``, then the unit that each step reaches.

    In ``independent`` every step destroys this unit alone, so it is called ``logits only``.

    Raises
    ------
    StudyError
        If the table has no rows of the intervention.
    """
    found = scores[(scores.intervention == intervention) & (scores.step > 0)]
    if found.empty:
        raise StudyError(f"The scores have no rows of {intervention!r}; compute them or leave this figure out.")
    units = found.drop_duplicates("step").sort_values("step").level.astype(str)
    return ["intact", *(f"{unit} only" if intervention == "independent" else unit for unit in units)]


def measured(chosen: pd.DataFrame, methods: Sequence[str]) -> list[str]:
    """The methods that have rows, in the order of ``methods``.

    Raises
    ------
    StudyError
        If there are none: a figure would be empty.
    """
    found = [method for method in methods if (chosen.method == method).any()]
    if not found:
        raise StudyError(f"The scores hold none of the methods {list(methods)} here; compute them or name others.")
    return found


def in_words(
    scores: pd.DataFrame,
    methods: Sequence[str],
    metric: str,
    against: str = "original",
    intervention: str = "cascade",
    unit: str = "",
) -> str:
    """Means by method for a caption: after the first → after the last step, or one number for a null at step 0.

    Of ``independent`` it is the top unit alone → the lowest unit alone. Controls and methods that were not measured
    are left out.

    Parameters
    ----------
    scores : of one net.
    methods : in the order of the sentence.
    metric, against, intervention : which rows are meant.
    unit : one number per method instead, at the step that reaches this unit, e.g. ``conv1``.
    """
    chosen = scores[(scores.intervention == intervention) & (scores.against == against) & (scores.metric == metric)]
    if unit:
        chosen = chosen[chosen.level == unit]
    steps = sorted({1, chosen.step.max()} & set(chosen.step))
    parts = []
    for method, means in _means(chosen, methods).items():
        values = (two_digits(means.get(step, math.nan)) for step in steps)
        parts.append(f"{spoken(method)} " + " → ".join(values))
    return ", ".join(parts) or "nothing measured"


def most_damaging_units(scores: pd.DataFrame, methods: Sequence[str], metric: str) -> str:
    """By method for a caption: the least similarity when one unit alone is destroyed, and that unit.

    For example ``Gradient 0.31 (conv1), Guided Backprop 0.52 (conv2)``; controls are left out.
    """
    names = dict(enumerate(stage_names(scores, "independent")))
    chosen = scores[(scores.intervention == "independent") & (scores.against == "original") & (scores.metric == metric)]
    parts = []
    for method, means in _means(chosen, methods).items():
        if means.notna().any():
            unit = names[means.idxmin()].removesuffix(" only")
            parts.append(f"{spoken(method)} {two_digits(means.min())} ({unit})")
    return ", ".join(parts) or "nothing measured"


def swept(scores: pd.DataFrame, field: str) -> list[str]:
    """The interventions that depart from the main setting in one field, e.g. ``cascade(init=uniform)``, as run."""
    found = [str(each) for each in scores.intervention.unique()]
    return sorted(each for each in found if each.startswith(f"cascade({field}="))


def largest_changes(
    scores: pd.DataFrame, methods: Sequence[str], interventions: Mapping[str, str], metric: str = "spearman_abs"
) -> str:
    """By intervention for a caption: the largest change of a method's mean at any step against the main cascade.

    For example ``init = own 0.12 (GradCAM, step 4), init = uniform 0.01 (Gradient, step 1)``.

    Parameters
    ----------
    interventions : written form -> words of the sentence.
    """
    chosen = scores[(scores.against == "original") & (scores.metric == metric) & (scores.step > 0)]
    main = _means(chosen[chosen.intervention == "cascade"], methods)
    parts = []
    for intervention, words in interventions.items():
        means = _means(chosen[chosen.intervention == intervention], methods)
        changes = pd.concat({method: (means[method] - main[method]).abs() for method in means})
        method, step = changes.idxmax()
        parts.append(f"{words} {two_digits(changes.max())} ({spoken(method)}, step {step})")
    return ", ".join(parts) or "nothing swept"


def _means(chosen: pd.DataFrame, methods: Sequence[str]) -> dict[str, pd.Series]:
    """Mean by step of every method that is no control and was measured, in the order of ``methods``."""
    shown = (method for method in methods if method not in CONTROLS)
    found = {method: chosen[chosen.method == method].groupby("step").value.mean() for method in shown}
    return {method: means for method, means in found.items() if len(means)}


def two_digits(value: float) -> str:
    """A number for a sentence, with a real minus and no negative zero."""
    if math.isnan(value):
        return "undefined"
    return f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")
