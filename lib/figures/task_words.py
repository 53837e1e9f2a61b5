"""Confounded tasks in words and tables: which net is meant, what was measured of it, and how the tasks compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from lib.confounded import ACCURACY, ALTERED, CASCADE, tagged_word
from lib.figures.looks import spoken
from lib.figures.words import two_digits
from lib.localisation import RANDOM, net_word
from lib.pair_scores import FINE_TUNED, PAIRS
from lib.pairs import RELEVANT
from lib.statistics import Estimate, cells, crossed_mean, estimate

NET_WORDS = {
    "random": "random net",
    "natural": "natural net",
    "half": "half-digit net",
    "half-top": "top-half net",
    "shape": "shape net",
    "digit": "digit net",
    "posterior": "average over tasks",
    "pairs": "net of pairs",
}
"""How figures write the nets of a task."""

WHAT_MATTERS: dict[str, tuple[str, str, str, str]] = {
    "half a digit: deciding half": ("half", net_word("half"), net_word(RANDOM), "mass_share_abs_half"),
    "shape beside a digit: shape": ("shape", net_word("shape"), net_word(RANDOM), "mass_share_shape"),
    "shape beside a digit: digit": ("shape", net_word("digit"), net_word(RANDOM), "mass_share_digit"),
    "pairs: relevant half": ("pairs", net_word(FINE_TUNED, PAIRS), net_word(RANDOM, PAIRS), f"mass_share_{RELEVANT}"),
}
"""Task and region -> whose scores hold it, the interventions of the trained and of the random net, and the metric."""


def of_net(scores: pd.DataFrame, net: str, against: str, name: str, tag: str) -> pd.DataFrame:
    """What was measured of a net."""
    if net == RANDOM and against == RANDOM and name == "localisation":
        against = f"other_{RANDOM}"
    return scores[(scores.intervention == tagged_word(net_word(net, name), tag)) & (scores.against == against)]


def net_words(
    scores: pd.DataFrame,
    methods: Sequence[str],
    metric: str,
    nets: Sequence[str],
    *,
    against: str = "none",
    name: str = "localisation",
    tag: str = "",
) -> str:
    """Means for a caption: ``Guided Backprop 0.86 (half-digit net), 0.55 (random net); Gradient …``."""
    parts = []
    for method in methods:
        means = {net: _mean(of_net(scores, net, against, name, tag), method, metric) for net in nets}
        numbers = ", ".join(f"{two_digits(value)} ({NET_WORDS[net]})" for net, value in means.items())
        parts.append(f"{spoken(method)} {numbers}")
    return "; ".join(parts)


def accuracy_table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Accuracy of nets on all test images of their tasks: name of the net -> its scores."""
    rows = {}
    for words, scores in tables.items():
        own = scores[(scores.intervention == ACCURACY) & (scores.metric == "accuracy")]
        rows[words] = _numbers(estimate(own), "accuracy")
    return pd.DataFrame.from_dict(rows, orient="index")


def check_table(scores: pd.DataFrame, checks: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """How often a prediction follows when one thing is taken out: rows as named, with 95 % intervals.

    Parameters
    ----------
    checks : words of the row -> net, and what is done.
    """
    rows = {}
    for words, (net, change) in checks.items():
        own = scores[scores.intervention == tagged_word(net_word(net, ALTERED), f"by={change}")]
        rows[words] = _numbers(estimate(own[own.metric == "prediction_changed"]), "prediction changes")
    return pd.DataFrame.from_dict(rows, orient="index")


def law_of_random(scores: pd.DataFrame, methods: Sequence[str], laws: Mapping[str, str], metric: str) -> pd.DataFrame:
    """What random nets do by the law of their weights: law -> tag of its interventions; rows are laws and methods."""
    rows = {}
    for law, tag in laws.items():
        own = of_net(scores, RANDOM, "none", "localisation", tag)
        for method in methods:
            found = estimate(own[(own.method == method) & (own.metric == metric)])
            rows[law, spoken(method)] = {"mean": found.value, "from": found.low, "to": found.high}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["weights", "method"])


def as_cascades(scores: pd.DataFrame, main: str) -> pd.DataFrame:
    """The cascades of several nets, named as `lib.figures.curves.sweep_curves` expects; ``main`` is the first."""
    own = scores[scores.intervention.astype(str).str.startswith(f"{CASCADE}(") & (scores.step >= 0)]
    return own.assign(intervention=own.intervention.astype(str).replace(net_word(main, CASCADE), "cascade"))


def cascade_words(nets: Sequence[str]) -> dict[str, str]:
    """What the legend of `as_cascades` says: the first net is the main one."""
    return {"cascade" if not number else net_word(net, CASCADE): NET_WORDS[net] for number, net in enumerate(nets)}


def upper_words(scores: pd.DataFrame, method: str, nets: Sequence[str]) -> str:
    """Mean similarity of absolute maps over the upper half of the steps, for a caption, for nets that were measured."""
    parts = []
    for net in nets:
        own = of_net(scores, net, "original", CASCADE, "")
        own = own[(own.method == method) & (own.metric == "spearman_abs")]
        upper = own[(own.step >= 1) & (own.step <= own.step.max() // 2)]
        if len(upper):
            parts.append(f"{two_digits(float(upper.value.mean()))} ({NET_WORDS[net]})")
    return ", ".join(parts)


def _mean(table: pd.DataFrame, method: str, metric: str) -> float:
    return float(table[(table.method == method) & (table.metric == metric)].value.mean())


def _numbers(found: Estimate, what: str) -> dict[str, float]:
    return {"images": found.images, what: found.value, "from": found.low, "to": found.high}


def gains(tables: Mapping[str, pd.DataFrame], methods: Sequence[str]) -> pd.DataFrame:
    """How much more of a map lies where it matters in a trained net than in random ones, image by image.

    Parameters
    ----------
    tables : scores by net, see `WHAT_MATTERS`; what was not measured is left out.
    methods : of each task.

    Returns
    -------
    One row per task and method, with the columns task, method, value, low and high, the 95 % interval over images and
    random nets.
    """
    rows = []
    for task, (whose, trained, random, metric) in WHAT_MATTERS.items():
        scores = tables[whose] if whose in tables else pd.DataFrame({"metric": []})
        own = scores[scores.metric == metric]
        for method in methods if len(own) else ():
            found = own[own.method == method]
            before, after = (cells(found[found.intervention == word]) for word in (random, trained))
            gain = crossed_mean(after.to_numpy() - before.reindex(after.index).to_numpy())
            rows.append({"task": task, "method": method, "value": gain.value, "low": gain.low, "high": gain.high})
    return pd.DataFrame(rows)


def gain_words(found: pd.DataFrame) -> str:
    """The rows of `gains` for a caption: ``half a digit: Guided Backprop 0.09, Gradient 0.18; …``."""
    parts = []
    for task, own in found.groupby("task", sort=False):
        numbers = (f"{spoken(row.method)} {two_digits(row.value)}" for row in own.itertuples())
        parts.append(f"{task}: {', '.join(numbers)}")
    return "; ".join(parts)
