"""The scores of the study of your own model as figures and tables read them."""

from __future__ import annotations

import pandas as pd

from lib.own_scores import ACCURACY, MANIFEST, PREFIX
from lib.statistics import estimate
from lib.units import Units


def without_prefix(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores with interventions as figures know them, ``cascade`` and so on."""
    return scores.assign(intervention=scores.intervention.astype(str).str.removeprefix(PREFIX))


def accuracy_words(scores: pd.DataFrame) -> str:
    """How often the network is right on the pictures that have a class, in words."""
    own = scores[scores.intervention == ACCURACY]
    if own.empty:
        return "The pictures have no classes, so that its accuracy is not known here."
    found = estimate(own)
    # A share ends at 0 and 1; the t interval of few pictures does not.
    low, high = max(0.0, found.low), min(1.0, found.high)
    return f"It is right on a share of {found.value:.2f} [{low:.2f}, {high:.2f}] of {found.images} pictures."


def unit_table(scores: pd.DataFrame, units: Units) -> pd.DataFrame:
    """What the cascade destroys, and the proof that it did: one row per unit, from the logits to the input.

    Parameters
    ----------
    scores : of this study.
    units : of the network, in execution order.

    Returns
    -------
    Columns: modules; numbers (how many the unit owns); the step that reaches it; the largest share of its numbers that
    differ from the trained ones before this step, 0 if all is well; and the least share from this step on, 1 unless
    what was drawn is what was there, as a weight of batch norm that was never trained.
    """
    own = scores[scores.intervention == MANIFEST].astype({"level": str, "metric": str})
    changed = own[own.metric == "changed"].pivot(index="level", columns="step", values="value")
    numbers = own[own.metric == "numbers"].set_index("level").value
    rows = {}
    for step, unit in enumerate(reversed(units), start=1):
        before, after = changed.loc[unit, : step - 1], changed.loc[unit, step:]
        rows[unit] = {
            "modules": ", ".join(units[unit]),
            "numbers": f"{int(numbers[unit]):,}".replace(",", " "),
            "step": step,
            "changed before": before.max() if len(before) else 0.0,
            "changed from then on": after.min(),
        }
    return pd.DataFrame.from_dict(rows, orient="index")
