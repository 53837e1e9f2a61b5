"""How a measured number is judged against the threshold of a rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from lib.statistics import Estimate

SUPPORTED, CONTRADICTED, INCONCLUSIVE, NOT_TESTED = "supported", "contradicted", "inconclusive", "not tested"

COMPARISONS = ("above", "below", "within", "near")
"""The words of a comparison: interval above or below a number, inside (-c, c), or inside centre ± tolerance."""

MOST_UNDEFINED = 0.2

Rule = dict[str, Any]
"""One entry of a claim's ``parts`` in ``claims.yml``, see `lib.claims`."""


def comparison_of(rule: Rule) -> str:
    """The one comparison that a rule makes."""
    return next(name for name in COMPARISONS if name in rule)


def bounds(rule: Rule) -> tuple[float, float]:
    """The open interval in which the claim holds."""
    if "above" in rule:
        return rule["above"], np.inf
    if "below" in rule:
        return -np.inf, rule["below"]
    centre, tolerance = rule["near"] if "near" in rule else (0.0, rule["within"])
    return centre - tolerance, centre + tolerance


def judge(estimate: Estimate, rule: Rule) -> str:
    """Supported if the whole interval lies on the claim's side, contradicted if it lies on the other."""
    low, high = bounds(rule)
    if estimate.images == 0 or estimate.undefined > MOST_UNDEFINED:
        return INCONCLUSIVE
    if low < estimate.low and estimate.high < high:
        return SUPPORTED
    if estimate.high <= low or estimate.low >= high:
        return CONTRADICTED
    return INCONCLUSIVE


def margin(estimate: Estimate, rule: Rule) -> float:
    """How far the value lies inside the claim's side; negative outside, infinite without a value."""
    low, high = bounds(rule)
    return float(min(estimate.value - low, high - estimate.value)) if np.isfinite(estimate.value) else np.inf


def moved(rule: Rule, ease: int) -> Rule:
    """The rule with an easier (+1) or harder (-1) threshold: by 0.1, or half and double where it is below 0.2."""
    comparison = comparison_of(rule)
    if comparison == "near":
        centre, tolerance = rule["near"]
        return rule | {"near": [centre, tolerance * 2.0**ease]}
    threshold = rule[comparison]
    # Easier is up for `below` and `within`, down for `above`.
    up = ease if comparison != "above" else -ease
    if abs(threshold) < 0.2:
        return rule | {comparison: threshold * 2.0 ** (up if threshold >= 0 else -up)}
    return rule | {comparison: threshold + 0.1 * up}


def threshold_text(rule: Rule) -> str:
    """The comparison in signs, e.g. "> 0.7"."""
    comparison = comparison_of(rule)
    if comparison == "near":
        return f"{rule['near'][0]:g} ± {rule['near'][1]:g}"
    return {"above": "> {:g}", "below": "< {:g}", "within": "|·| < {:g}"}[comparison].format(rule[comparison])
