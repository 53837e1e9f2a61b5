"""The parts of a claim: numbers measured as a rule asks, each judged, and what they amount to together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from lib.compute import seed_of
from lib.measures import Net, each_of, intervention_of, questions_of, stacked
from lib.statistics import Estimate, crossed_bootstrap, crossed_mean, kendall, spearman, unpaired_difference
from lib.thresholds import (
    CONTRADICTED,
    INCONCLUSIVE,
    NOT_TESTED,
    SUPPORTED,
    Rule,
    bounds,
    judge,
    margin,
    moved,
    threshold_text,
)

AGREEMENTS = {"kendall": kendall, "spearman": spearman}
"""The words under which a rule asks how alike two questions rank the methods."""


@dataclass(frozen=True)
class Part:
    """One judged number (or count of verdicts) of a claim, as it stands in ``results.json``.

    Attributes
    ----------
    label : what was measured, in words.
    runs : names of the nets that it was measured on.
    second : whether it belongs to the second reading.
    holds : when the claim holds, in signs.
    verdict, easier, harder : the verdict at the rule's threshold, at an easier one and at a harder one.
    measured : False where the scores are not there.
    margin : how far the value lies on the claim's side; infinite if there is no number to compare.
    value, interval, n, draws, undefined : those of the estimate.
    mean_absolute : mean size of the values, beside a mean in which signs may cancel.
    threshold : the numbers that the interval is compared with.
    one_of, alternative : the group of alternatives of which one suffices, and the alternative, that this belongs to.
    """

    label: str
    runs: tuple[str, ...]
    second: bool
    holds: str
    verdict: str
    easier: str
    harder: str
    measured: bool = True
    margin: float = np.inf
    value: float | None = None
    interval: list[float | None] | None = None
    n: int = 0
    draws: int = 0
    undefined: float | None = None
    mean_absolute: float | None = None
    threshold: tuple[float, ...] = ()
    one_of: str | None = None
    alternative: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The part as it is stored."""
        names = ("label", "second", "holds", "verdict", "value", "interval", "n", "draws", "undefined")
        stored = {name: getattr(self, name) for name in (*names, "mean_absolute", "one_of", "alternative")}
        return stored | {"run": ", ".join(self.runs), "threshold": list(self.threshold)}


def measure(rule: Rule, nets: Sequence[Net]) -> Iterator[Part]:
    """Expand a rule into parts, each measured and judged."""
    for net in nets:
        if not net.takes_part(rule):
            continue
        if "over_dataset" in rule:
            yield from _over_dataset(net, rule, nets)
        elif "at" in rule and not net.last(intervention_of(rule)):
            yield unmeasured(rule, net, threshold_text(rule))
        elif AGREEMENTS.keys() & rule.keys():
            yield _rank_agreement(net, rule)
        elif "leading" in rule:
            yield _lead(net, rule)
        elif "beyond_draws" in rule:
            yield _excess(net, rule)
        else:
            yield from _means(net, rule)


def unmeasured(rule: Rule, net: Net, holds: str, *words: str | None) -> Part:
    """A part that a net should have, but whose scores are not there: it can support nothing."""
    return verdict_part(rule, [net], holds, INCONCLUSIVE, *words, "not measured", measured=False)


def verdict_part(
    rule: Rule, nets: Sequence[Net], holds: str, verdict: str, *words: str | None,
    value: float | None = None, measured: bool = True,
) -> Part:  # fmt: skip
    """A part without an interval: its verdict is the same at every threshold."""
    runs = tuple(net.name for net in nets)
    label = ", ".join(filter(None, [runs[0] if len(runs) == 1 else None, rule["label"], *words]))
    second = bool(rule.get("second", False))
    return Part(label, runs, second, holds, verdict, verdict, verdict, measured=measured, value=value)


def number(value: float) -> float | None:
    """Six significant digits, so that results are the same on every reading; None if not finite."""
    return float(f"{value:.6g}") if np.isfinite(value) else None


def _means(net: Net, rule: Rule) -> Iterator[Part]:
    """Means over images and draws, one per method and step."""
    methods: Sequence[str | None] = rule.get("methods", [None])
    if methods == "all":
        methods = [*net.methods(rule)] or [None]
    if "some_method" in rule:
        # What was not run on this net is no candidate.
        methods = [method for method in methods if method in net.methods(rule)] or methods
    for method in methods:
        for step in each_of(rule.get("at"), net.last(intervention_of(rule))):
            table = net.difference(rule, method, step)
            words: list[str | None] = [method, f"step {step}" if isinstance(step, int) else None]
            if table is None:
                part = unmeasured(rule, net, threshold_text(rule), *words)
            else:
                defined = table.to_numpy()[table.notna().to_numpy()]
                size = float(np.abs(defined).mean()) if len(defined) else np.nan
                # A mean near 0 can hide large values of both signs.
                words += [f"mean |·| {size:.3f}" if "within" in rule else None]
                estimate = crossed_mean(table.to_numpy())
                if rule.get("counted"):
                    estimate = replace(estimate, low=estimate.value, high=estimate.value)
                part = replace(_part(net, rule, estimate, *words), mean_absolute=number(size))
            if rule.get("at") == "some_lower":
                group = ", ".join(filter(None, [net.name, rule["label"], method]))
                part = replace(part, one_of=group, alternative=f"step {step}")
            if "some_method" in rule:
                part = replace(part, one_of=f"{net.name}, {rule['some_method']}", alternative=method)
            yield part


def _over_dataset(net: Net, rule: Rule, nets: Sequence[Net]) -> Iterator[Part]:
    """Means of a net less those of the nets of the same model on another data set, whose images are others."""
    others = [other for other in nets if (other.model, other.dataset) == (net.model, rule["over_dataset"])]
    for method, other in product(rule["methods"], others):
        tables = [each.table(rule, method, rule["at"]) for each in (net, other)]
        if tables[0] is None or tables[1] is None:
            yield unmeasured(rule, net, threshold_text(rule), method)
        else:
            estimate = unpaired_difference(tables[0].to_numpy(), tables[1].to_numpy())
            yield replace(_part(net, rule, estimate, method, f"less {other.name}"), runs=(net.name, other.name))


def _rank_agreement(net: Net, rule: Rule) -> Part:
    """How alike methods are ranked by the means of the rule's question and by those of its twin's."""
    agreement = next(AGREEMENTS[word] for word in AGREEMENTS if word in rule)
    methods = net.methods(rule)
    count = len(methods)
    questions = [(question, method) for question in questions_of(rule) for method in methods]
    tables = stacked([net.table(question, method, question["at"]) for question, method in questions])
    if tables is None or count < 2:
        return unmeasured(rule, net, threshold_text(rule))
    seed = seed_of("crossed bootstrap", net.name)
    estimate = crossed_bootstrap(tables, lambda means: agreement(means[:, :count], means[:, count:]), seed)
    return _part(net, rule, estimate, f"{count} methods")


def _lead(net: Net, rule: Rule) -> Part:
    """The share of steps at which the least mean of the rule's methods is above the largest of those it leads."""
    steps = range(1, net.last(intervention_of(rule)) + 1)
    first, others = rule["methods"], rule["leading"]
    tables = stacked([net.table(rule, method, step) for method in (*first, *others) for step in steps])
    if tables is None:
        return unmeasured(rule, net, threshold_text(rule))

    def share(means: np.ndarray) -> np.ndarray:
        curves = means.reshape(len(means), -1, len(steps))
        ahead = curves[:, : len(first)].min(1) > curves[:, len(first) :].max(1)
        return ahead.mean(1)

    estimate = crossed_bootstrap(tables, share, seed_of("crossed bootstrap", net.name))
    estimate = replace(estimate, undefined=_least_known(tables))
    return _part(net, rule, estimate, f"{len(steps)} steps")


def _excess(net: Net, rule: Rule) -> Part:
    """The largest |difference| to the twin over methods and steps, minus the largest between halves of its draws.

    The halves are every other draw of the twin, even and odd numbers; they share images, but no draw.
    """
    _, twin = questions_of(rule)
    steps = each_of(rule["at"], net.last(intervention_of(rule)))
    asked = [(method, step) for method in net.methods(rule) for step in steps]
    count = len(asked)
    tables = stacked([net.difference(rule, *each) for each in asked] + [net.table(twin, *each) for each in asked])
    if tables is None:
        return unmeasured(rule, net, threshold_text(rule))
    odd = np.arange(tables.shape[2]) % 2
    differences, own = tables[:count], tables[count:]
    parts = [differences, np.where(odd, np.nan, own), np.where(odd, own, np.nan)]

    def excess(means: np.ndarray) -> np.ndarray:
        difference, even, uneven = np.split(means, 3, axis=1)
        return np.abs(difference).max(1) - np.abs(even - uneven).max(1)

    estimate = crossed_bootstrap(np.concatenate(parts), excess, seed_of("crossed bootstrap", net.name), strata=odd)
    estimate = replace(estimate, undefined=_least_known(tables))
    if len(odd) < 4:  # a half of one draw says nothing about how draws scatter
        estimate = replace(estimate, low=-np.inf, high=np.inf)
    return _part(net, rule, estimate, f"{count} numbers")


def _least_known(tables: np.ndarray) -> float:
    """Share of undefined values in the worst of some tables (T, n, J): what a largest or least number rests on."""
    return float(np.isnan(tables).mean((1, 2)).max())


def _part(net: Net, rule: Rule, estimate: Estimate, *words: str | None) -> Part:
    """Judge an estimate."""
    gaps = f"{estimate.undefined:.0%} undefined (constant maps)" if estimate.undefined else None
    return Part(
        label=", ".join(filter(None, [net.name, rule["label"], *words, gaps])),
        runs=(net.name,),
        second=bool(rule.get("second", False)),
        holds=threshold_text(rule),
        verdict=judge(estimate, rule),
        easier=judge(estimate, moved(rule, 1)),
        harder=judge(estimate, moved(rule, -1)),
        margin=margin(estimate, rule),
        value=number(estimate.value),
        interval=[number(estimate.low), number(estimate.high)],
        n=estimate.images,
        draws=estimate.draws,
        undefined=number(estimate.undefined),
        threshold=tuple(bound for bound in bounds(rule) if np.isfinite(bound)),
    )


def combine(parts: Sequence[Part], reading: str = "verdict") -> str:
    """The verdict of parts that must all hold, where of a group of alternatives one suffices."""
    if not parts:
        return NOT_TESTED
    return _all(_any(_all(getattr(part, reading) for part in each) for each in group) for group in _groups(parts))


def _all(verdicts: Iterable[str]) -> str:
    """Supported if all are, contradicted if one is, else inconclusive."""
    found = set(verdicts)
    return CONTRADICTED if CONTRADICTED in found else SUPPORTED if found == {SUPPORTED} else INCONCLUSIVE


def _any(verdicts: Iterable[str]) -> str:
    """Supported if one is, contradicted if all are, else inconclusive."""
    found = set(verdicts)
    return SUPPORTED if SUPPORTED in found else CONTRADICTED if found == {CONTRADICTED} else INCONCLUSIVE


def _groups(parts: Sequence[Part]) -> list[list[list[Part]]]:
    """Parts as groups of alternatives, each a list of parts; a part by itself is a group of one alternative."""
    groups: dict[Any, dict[str | None, list[Part]]] = {}
    for position, part in enumerate(parts):
        groups.setdefault(part.one_of or position, {}).setdefault(part.alternative, []).append(part)
    return [list(group.values()) for group in groups.values()]


def deciding(parts: Sequence[Part], verdict: str) -> Part | None:
    """The part that decides: of those with the claim's verdict, the one furthest on the wrong side.

    A group of alternatives is spoken for by the alternative that comes nearest to holding.
    """
    spokesmen = []
    for group in _groups(parts):
        if _any(_all(part.verdict for part in each) for each in group) == verdict:
            alike = [each for each in group if _all(part.verdict for part in each) == verdict]
            worst = [min((p for p in each if p.verdict == verdict), key=lambda part: part.margin) for each in alike]
            spokesmen.append(max(worst, key=lambda part: part.margin if np.isfinite(part.margin) else -np.inf))
    return min(spokesmen, key=lambda part: part.margin, default=None)
