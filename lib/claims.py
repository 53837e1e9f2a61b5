"""The ledger of claims, and one pure function that decides a claim from scores.

A claim's rule is a list of *parts* in ``claims.yml``. Each part asks for the mean of a metric, or of a difference
of two, over images and draws, and compares its 95 % interval with a threshold:

``methods, metric, against, intervention``
    which scores; ``against`` defaults to ``original``, ``intervention`` to ``cascade``. ``methods: all`` are those
    measured; controls never count as methods.
``models, datasets, seeds``
    nets the part speaks of; default all.
``at``
    ``first`` (step 1), ``upper`` (mean over steps 1..K/2), ``full`` (step K), ``all`` (mean over all steps), a list
    of steps, or ``each`` (every step is a part of its own). Where step k is the k-th unit from the top, *lower* are
    the K/3 units (rounded up) nearest the input and *higher* the others: ``higher`` (mean over them), ``each_higher``,
    ``each_lower``, ``some_lower`` (one of them suffices).
``minus, plus``
    the same question with some of these fields replaced, subtracted or added pair by pair; with ``times``, so many
    times it.
``above, below, within, near``
    the comparison: interval above or below a number, inside (-c, c), or inside centre ± tolerance.
``constant_as``
    the similarity that counts where a map is constant and so has none; without it such maps are left out and counted,
    and too many of them leave a part undecided.
``some_method``
    the name of a group of parts: one method suffices, if all parts of the group hold for it.
``over_dataset``
    a data set: the same question to the nets of the same model on it, subtracted; other images, so nothing is paired.
``counted``
    True for one number that is counted, no sample of many: it is compared itself, without an interval.
``second``
    True for a part that gives a verdict of its own (a stricter or corrected reading).

Some parts ask for another number than a mean, or for verdicts:

``kendall``, ``spearman``
    Kendall's τ, or Spearman's ρ, over methods with the same question, some fields replaced.
``leading``
    other methods: the share of steps at which the least mean of ``methods`` is above the largest of theirs.
``beyond_draws``
    True for the largest difference (``minus``) in size over methods and steps, less the largest between the even and
    the odd draws of what is subtracted.
``unchanged``
    claims whose verdicts are the same if ``intervention`` takes the place of the cascade, net by net; both times with
    the methods of ``intervention`` only.
``consistent``
    claims whose verdict is the same on each of ``models`` x ``datasets``; not tested unless all of these are there.
``verdicts``
    other claims, whose verdicts over the same scores must all be "supported"; in a second reading those of their second
    readings, where they have one.
``one_of``
    a list of alternatives, each a part as above; on each net one of them suffices. Those that name the same
    ``alternative`` are one, and must hold together.

Every training seed of every net is a part of its own: a claim about training must hold for each. A net that went
through the cascade, but lacks what a part asks for, gives "not measured", which supports nothing. Nets on the data sets
of `lib.beside` decide nothing, whatever a part asks for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from lib import beside
from lib.measures import Net, nets_of
from lib.parts import Part, combine, deciding, measure, unmeasured, verdict_part
from lib.thresholds import CONTRADICTED, INCONCLUSIVE, NOT_TESTED, SUPPORTED, Rule


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
    all ``parts``, ``sensitivity`` (the verdict at an easier and at a harder threshold, None if there is no
    threshold) and the ``runs`` (nets). If it rests on the verdicts of other claims, these stand in ``decided_by``.
    """
    row = ledger()[claim_id]
    rules = row.get("parts", [])
    nets = [net for net in nets_of(scores, _plain(rules)) if net.dataset not in beside.DATASETS] if rules else []
    parts = _decided(rules, nets)
    first = [part for part in parts if not part.second]
    second = [part for part in parts if part.second]
    verdict = combine(first)
    part = deciding(first, verdict)
    numbers = part.as_json() if part else {}
    described = ("id", "source", "wording", "rule", "expected", "confidence", "experiment")
    others = list(dict.fromkeys(other for rule in rules for other in rule.get("verdicts", [])))
    has_threshold = bool(first) and (bool(others) or any(part.threshold for part in first))
    return {
        **{name: row[name] for name in described},
        "verdict": verdict,
        "second_verdict": combine(second) if second else None,
        "statistic": part.label if part else "",
        **{name: numbers.get(name) for name in ("value", "interval", "n", "draws", "threshold", "holds")},
        "sensitivity": {ease: combine(first, ease) for ease in ("easier", "harder")} if has_threshold else None,
        "parts": [part.as_json() for part in parts],
        "runs": sorted({run for part in parts for run in part.runs}),
    } | ({"decided_by": others} if others else {})


def _decided(rules: Iterable[Rule], nets: Sequence[Net]) -> list[Part]:
    """The parts of a claim, none if nothing of it was measured."""
    parts = _parts(rules, nets)
    return parts if any(part.measured for part in parts) else []


def _parts(rules: Iterable[Rule], nets: Sequence[Net]) -> list[Part]:
    """Everything that rules ask for, measured and judged."""
    found: list[Part] = []
    for rule in rules:
        if "one_of" in rule:
            for each in rule["one_of"]:
                name = each.get("alternative", each["label"])
                group = [replace(part, alternative=name) for part in _parts([each], nets)]
                found += [replace(part, one_of=f"{', '.join(part.runs)}, {rule['label']}") for part in group]
        elif "unchanged" in rule:
            found += [_unchanged(rule, net) for net in nets if net.takes_part(rule)]
        elif "consistent" in rule:
            found += _consistent(rule, nets)
        elif "verdicts" in rule:
            found += [_of_claim(rule, name, nets) for name in rule["verdicts"]]
        else:
            found += measure(rule, nets)
    return found


def _plain(rules: Iterable[Rule]) -> Iterator[Rule]:
    """The parts among some rules that ask for scores, and those that other parts rest on."""
    for rule in rules:
        if "one_of" in rule:
            yield from _plain(rule["one_of"])
        elif "unchanged" in rule or "consistent" in rule:
            for name in rule.get("unchanged") or rule["consistent"]:
                for each in _plain(ledger()[name]["parts"]):
                    yield each
                    yield each | {"intervention": rule.get("intervention", "cascade")}
        elif "verdicts" in rule:
            for name in rule["verdicts"]:
                yield from _plain(ledger()[name].get("parts", []))
        else:
            yield rule


def _unchanged(rule: Rule, net: Net) -> Part:
    """Count the verdicts about one net that change if an intervention takes the place of the cascade.

    What the intervention's methods cannot decide does not count.
    """
    methods = net.methods(rule)
    pairs = {}
    for name in rule["unchanged"]:
        seen = [net.seen_as_cascade(intervention, methods) for intervention in ("cascade", rule["intervention"])]
        both = [[part for part in _parts(ledger()[name]["parts"], [each]) if part.measured] for each in seen]
        for reading, second in ((name, False), (f"{name} (second reading)", True)):
            pair = tuple(combine([part for part in parts if part.second == second]) for parts in both)
            if NOT_TESTED not in pair:
                pairs[reading] = pair
    holds = "no verdict changes"
    if not pairs:
        return unmeasured(rule, net, holds)
    changed = {reading: pair for reading, pair in pairs.items() if len(set(pair)) > 1}
    turned = any({SUPPORTED, CONTRADICTED} == set(pair) for pair in changed.values())
    verdict = CONTRADICTED if turned else INCONCLUSIVE if changed else SUPPORTED
    words = [f"{reading} from {before} to {after}" for reading, (before, after) in changed.items()]
    return verdict_part(
        rule, [net], holds, verdict, f"{len(changed)} of {len(pairs)} change", *words, value=float(len(changed))
    )


def _consistent(rule: Rule, nets: Sequence[Net]) -> list[Part]:
    """Compare the verdict of each claim between data sets and architectures; training seeds count together."""
    groups = {
        f"{model}-{dataset}": [net for net in nets if (net.model, net.dataset) == (model, dataset)]
        for model, dataset in product(rule["models"], rule["datasets"])
    }
    everyone = [net for group in groups.values() for net in group]
    holds, parts = "the same verdict on every net", []
    for name in rule["consistent"]:
        verdicts = {
            run: combine([part for part in _decided(ledger()[name]["parts"], group) if not part.second])
            for run, group in groups.items()
        }
        words = [name, *(f"{run} {verdict}" for run, verdict in verdicts.items())]
        found = set(verdicts.values())
        if NOT_TESTED in found:
            parts.append(verdict_part(rule, everyone, holds, INCONCLUSIVE, *words, measured=False))
            continue
        # That nothing could be decided anywhere is no agreement.
        same = found in ({SUPPORTED}, {CONTRADICTED})
        verdict = SUPPORTED if same else CONTRADICTED if {SUPPORTED, CONTRADICTED} <= found else INCONCLUSIVE
        others = len(verdicts) - max(Counter(verdicts.values()).values())
        parts.append(verdict_part(rule, everyone, holds, verdict, *words, value=float(others)))
    return parts


def _of_claim(rule: Rule, name: str, nets: Sequence[Net]) -> Part:
    """The verdict of another claim on the same nets, also at its easier and at its harder thresholds."""
    row = ledger()[name]
    parts = _decided(row.get("parts", []), nets)
    first, second = ([part for part in parts if part.second == reading] for reading in (False, True))
    read = second if rule.get("second") and second else first
    holds = f"{name} is supported"
    if not read:
        return verdict_part(rule, [], holds, INCONCLUSIVE, name, row["wording"], "not measured", measured=False)
    part = verdict_part(rule, [], holds, combine(read), name, row["wording"])
    runs = tuple(sorted({run for each in read for run in each.runs}))
    return replace(part, runs=runs, easier=combine(read, "easier"), harder=combine(read, "harder"))
