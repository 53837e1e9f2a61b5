"""The ledger of claims, and one pure function that decides a claim from scores.

A claim's rule is a list of *parts* in ``claims.yml``. Each part asks for the mean of a metric, or of a difference
of two, over images and draws, and compares its 95 % interval with a threshold:

``methods, metric, against, intervention``
    which scores; ``against`` defaults to ``original``, ``intervention`` to ``cascade``.
``models, datasets``
    nets the part speaks of; default all.
``at``
    ``first`` (step 1), ``upper`` (mean over steps 1..K/2), ``full`` (step K), ``each`` (every step is a part of
    its own), or a list of steps.
``minus, plus``
    the same question with some of these fields replaced, subtracted or added pair by pair.
``above, below, within, near``
    the comparison: interval above or below a number, inside (-c, c), or inside centre ± tolerance.
``second``
    True for a part that gives a verdict of its own (a stricter or corrected reading).

Every training seed of every net is a part of its own: a claim about training must hold for each.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from lib.statistics import Estimate, cells, crossed_mean

SUPPORTED, CONTRADICTED, INCONCLUSIVE, NOT_TESTED = "supported", "contradicted", "inconclusive", "not tested"
_COMPARISONS = ("above", "below", "within", "near")
_MOST_UNDEFINED = 0.2


@lru_cache(maxsize=1)
def ledger() -> dict[str, dict[str, Any]]:
    """All claims by id, in the order of the papers."""
    rows = yaml.safe_load(Path(__file__).with_name("claims.yml").read_text(encoding="utf-8"))
    return {row["id"]: row for row in rows}


def decide(claim_id: str, scores: pd.DataFrame) -> dict[str, Any]:
    """Decide one claim by its rule from a table of scores.

    Parameters
    ----------
    claim_id : a key of `ledger`.
    scores : columns as written by `lib.study`: model, dataset, seed, intervention, step, draw, image, method,
        metric, against, value.

    Returns
    -------
    The claim with ``verdict``, ``second_verdict`` (None without second parts), the numbers of the deciding part,
    all ``parts``, ``sensitivity`` (the verdict at an easier and at a harder threshold) and the ``runs`` (nets).
    """
    row = ledger()[claim_id]
    parts = [part for rule in row.get("parts", []) for part in _measure(rule, scores)]
    if all(part["undefined"] is None for part in parts):  # nothing of it was measured
        parts = []
    first = [part for part in parts if not part["second"]]
    second = [part for part in parts if part["second"]]
    verdict = _combine(first)
    deciding = _deciding(first, verdict)
    numbers = ("value", "interval", "n", "draws", "threshold", "holds")
    described = ("id", "source", "wording", "rule", "expected", "confidence", "experiment")
    return {
        **{name: row[name] for name in described},
        "verdict": verdict,
        "second_verdict": _combine(second) if second else None,
        "statistic": deciding["label"] if deciding else "",
        **{name: deciding[name] if deciding else None for name in numbers},
        "sensitivity": {ease: _combine(first, ease) for ease in ("easier", "harder")} if first else None,
        "parts": [{k: v for k, v in part.items() if not k.startswith("_")} for part in parts],
        "runs": sorted({part["run"] for part in parts}),
    }


def _measure(rule: dict[str, Any], scores: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Expand a rule into parts, one per net, method and step asked for, each measured and judged."""
    chosen = scores[scores.intervention == rule.get("intervention", "cascade")]
    for name in ("model", "dataset"):
        if f"{name}s" in rule:
            chosen = chosen[chosen[name].isin(rule[f"{name}s"])]
    for (model, dataset, seed), net in chosen.groupby(["model", "dataset", "seed"], observed=True):
        run = f"{model}-{dataset}" + (f"-seed{seed}" if seed else "")
        last = int(net.step.max())
        for method in rule.get("methods", [None]):
            for at in range(1, last + 1) if rule.get("at") == "each" else _as_list(rule.get("at")):
                table = _cells(net, rule | {"at": at}, method, last)
                if table is None:
                    yield _unmeasured(run, rule, method)
                    continue
                estimate = crossed_mean(table.to_numpy())
                size = float(np.abs(table.to_numpy()[table.notna().to_numpy()]).mean()) if estimate.images else np.nan
                words = [
                    run,
                    rule["label"],
                    method,
                    f"step {at}" if isinstance(at, int) else None,
                    # A mean near 0 can hide large values of both signs.
                    f"mean |·| {size:.3f}" if "within" in rule else None,
                    f"{estimate.undefined:.0%} undefined (constant maps)" if estimate.undefined else None,
                ]
                part = {
                    "label": ", ".join(filter(None, words)),
                    "run": run,
                    "second": bool(rule.get("second", False)),
                    "value": _number(estimate.value),
                    "interval": [_number(estimate.low), _number(estimate.high)],
                    "n": estimate.images,
                    "draws": estimate.draws,
                    "undefined": _number(estimate.undefined),
                    "mean_absolute": _number(size),
                    "threshold": [bound for bound in _bounds(rule) if np.isfinite(bound)],
                    "holds": _threshold_text(rule),
                    "verdict": _judge(estimate, rule),
                    "_margin": _margin(estimate, rule),
                }
                part["_easier"], part["_harder"] = (_judge(estimate, _moved(rule, sign)) for sign in (1, -1))
                yield part


def _unmeasured(run: str, rule: dict[str, Any], method: str | None) -> dict[str, Any]:
    """A part that this net should have, but whose scores are not there: it can support nothing."""
    return {
        "label": ", ".join(filter(None, [run, rule["label"], method, "not measured"])),
        "run": run,
        "second": bool(rule.get("second", False)),
        "value": None,
        "interval": None,
        "n": 0,
        "draws": 0,
        "undefined": None,
        "mean_absolute": None,
        "threshold": [],
        "holds": _threshold_text(rule),
        "verdict": INCONCLUSIVE,
        "_margin": np.inf,
        "_easier": INCONCLUSIVE,
        "_harder": INCONCLUSIVE,
    }


def _as_list(at: Any) -> list[Any]:
    return at if isinstance(at, list) else [at]


def _cells(net: pd.DataFrame, rule: dict[str, Any], method: str | None, last: int) -> pd.DataFrame | None:
    """The images x draws of one question, with its subtracted or added twin; None if not measured."""
    table = _selected(net, rule, method, last)
    for word, sign in (("minus", -1.0), ("plus", 1.0)):
        if table is not None and word in rule:
            twin = rule[word]
            other = _selected(net, rule | twin, twin.get("methods", [method])[0], last)
            if other is None:
                return None
            # pandas pairs by image and draw, so the difference is taken within each cell.
            table = table + sign * other
    return table


def _selected(net: pd.DataFrame, rule: dict[str, Any], method: str | None, last: int) -> pd.DataFrame | None:
    keep = (net.metric == rule["metric"]) & net.step.isin(_steps(rule["at"], last))
    if method is not None:
        keep &= (net.method == method) & (net.against == rule.get("against", "original"))
    found = net[keep]
    return None if found.empty else cells(found)


def _steps(at: Any, last: int) -> list[int]:
    """Step numbers of a word."""
    words = {None: [0], "first": [1], "upper": list(range(1, last // 2 + 1)), "full": [last]}
    return [at] if isinstance(at, int) else words[at]


def _bounds(rule: dict[str, Any]) -> tuple[float, float]:
    """The open interval in which the claim holds."""
    if "above" in rule:
        return rule["above"], np.inf
    if "below" in rule:
        return -np.inf, rule["below"]
    centre, tolerance = rule["near"] if "near" in rule else (0.0, rule["within"])
    return centre - tolerance, centre + tolerance


def _judge(estimate: Estimate, rule: dict[str, Any]) -> str:
    low, high = _bounds(rule)
    if estimate.images == 0 or estimate.undefined > _MOST_UNDEFINED:
        return INCONCLUSIVE
    if low < estimate.low and estimate.high < high:
        return SUPPORTED
    if estimate.high <= low or estimate.low >= high:
        return CONTRADICTED
    return INCONCLUSIVE


def _margin(estimate: Estimate, rule: dict[str, Any]) -> float:
    """How far the mean lies inside the claim's side; negative outside."""
    low, high = _bounds(rule)
    return min(estimate.value - low, high - estimate.value)


def _moved(rule: dict[str, Any], ease: int) -> dict[str, Any]:
    """The rule with an easier (+1) or harder (-1) threshold: by 0.1, or half and double where it is below 0.2."""
    comparison = next(name for name in _COMPARISONS if name in rule)
    if comparison == "near":
        centre, tolerance = rule["near"]
        return rule | {"near": [centre, tolerance * 2.0**ease]}
    threshold = rule[comparison]
    # Easier is up for `below` and `within`, down for `above`.
    up = ease if comparison != "above" else -ease
    if abs(threshold) < 0.2:
        return rule | {comparison: threshold * 2.0 ** (up if threshold >= 0 else -up)}
    return rule | {comparison: threshold + 0.1 * up}


def _combine(parts: list[dict[str, Any]], ease: str = "") -> str:
    """Supported if all parts are, contradicted if one is, else inconclusive."""
    verdicts = [part[f"_{ease}" if ease else "verdict"] for part in parts]
    if not verdicts:
        return NOT_TESTED
    if CONTRADICTED in verdicts:
        return CONTRADICTED
    return SUPPORTED if all(verdict == SUPPORTED for verdict in verdicts) else INCONCLUSIVE


def _deciding(parts: list[dict[str, Any]], verdict: str) -> dict[str, Any] | None:
    """The part that decides: of those with the claim's verdict, the one furthest on the wrong side."""
    return min((part for part in parts if part["verdict"] == verdict), key=lambda part: part["_margin"], default=None)


def _threshold_text(rule: dict[str, Any]) -> str:
    comparison = next(name for name in _COMPARISONS if name in rule)
    if comparison == "near":
        return f"{rule['near'][0]:g} ± {rule['near'][1]:g}"
    return {"above": "> {:g}", "below": "< {:g}", "within": "|·| < {:g}"}[comparison].format(rule[comparison])


def _number(value: float) -> float | None:
    """Six significant digits, so that results are the same on every reading; None if not finite."""
    return float(f"{value:.6g}") if np.isfinite(value) else None
