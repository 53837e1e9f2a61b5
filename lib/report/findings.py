"""What was found, in about ten sentences, each made of verdicts and measured numbers.

A finding (``findings.yml``) has a sentence for each outcome that it can speak of. If the verdicts are others, another
sentence is said, or none. No sentence holds a number of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from lib.contradictions import readings, verdicts_of
from lib.cross_table import Cell, passed
from lib.cross_tests import COLUMNS, ROWS
from lib.report.verdicts import Claim, number_text


@dataclass(frozen=True)
class Number:
    """A number in a sentence: the range of the parts of a claim whose labels, behind the net, match a pattern.

    Attributes
    ----------
    claim : whose parts.
    pattern : regular expression.
    second : whether parts of the second reading are meant.
    take : ``range``, ``least``, ``largest``, or ``bar`` for the threshold.
    """

    claim: str
    pattern: str
    second: bool = False
    take: str = "range"

    def text(self, claims: Mapping[str, Claim]) -> str | None:
        """The number for readers; None if nothing was measured."""
        parts = [
            part
            for part in claims[self.claim].get("parts") or []
            if bool(part["second"]) == self.second and part["value"] is not None and self._matches(part)
        ]
        if not parts:
            return None
        if self.take == "bar":
            return number_text(parts[0]["threshold"][0])
        values = [part["value"] for part in parts]
        ends = {"range": (min(values), max(values)), "least": (min(values),), "largest": (max(values),)}[self.take]
        return " to ".join(dict.fromkeys(_short(end) for end in ends))

    def _matches(self, part: Claim) -> bool:
        return re.fullmatch(rf"{re.escape(part['run'])}, (?:{self.pattern})(, .*)?", part["label"]) is not None


def _short(value: float) -> str:
    """Two decimals, none for counts and large numbers; no minus before a zero."""
    decimals = 0 if abs(value) >= 10 or (value and value == round(value)) else 2
    return number_text(round(value, decimals) + 0.0, decimals)


@dataclass(frozen=True)
class Outcome:
    """A sentence, the verdicts under which it is true, and its numbers by name."""

    when: Mapping[str, str]
    text: str
    numbers: Mapping[str, Number] = field(default_factory=dict)

    def said(self, claims: Mapping[str, Claim], verdicts: Mapping[str, str]) -> str | None:
        """The sentence with its numbers, or None if it is not true or a number is missing."""
        if any(verdicts.get(claim) != verdict for claim, verdict in self.when.items()):
            return None
        numbers = {name: number.text(claims) for name, number in self.numbers.items()}
        return None if None in numbers.values() else self.text.format(**numbers)


@lru_cache(maxsize=1)
def outcomes_of_findings() -> tuple[tuple[Outcome, ...], ...]:
    """The findings in reading order, each with the sentences that it may become."""
    rows = yaml.safe_load(Path(__file__).with_name("findings.yml").read_text(encoding="utf-8"))
    return tuple(tuple(_outcome(row) for row in outcomes) for outcomes in rows)


def _outcome(row: dict[str, Any]) -> Outcome:
    numbers = {name: Number(**fields) for name, fields in row.get("numbers", {}).items()}
    return Outcome(row["when"], row["text"], numbers)


def findings(claims: Sequence[Claim], cross: Mapping[str, Mapping[str, tuple[Cell, ...]]]) -> list[dict[str, Any]]:
    """What was found.

    Parameters
    ----------
    claims : decided claims.
    cross : of `lib.cross_table.cross_table`.

    Returns
    -------
    For each finding its ``text`` in Markdown and its ``proofs``, the readings of claims that it rests on; one about the
    table comes last.
    """
    by_id = {claim["id"]: claim for claim in claims}
    verdicts = verdicts_of(claims)
    found = []
    for outcomes in outcomes_of_findings():
        for outcome in outcomes:
            text = outcome.said(by_id, verdicts)
            if text:
                found.append({"text": text, "proofs": readings(outcome.when, verdicts)})
                break
    table = _of_table(cross)
    return [*found, {"text": table, "proofs": []}] if table else found


def _of_table(cross: Mapping[str, Mapping[str, tuple[Cell, ...]]]) -> str | None:
    """Which methods pass all tests, and whether noise does."""
    rows = {row.name: (row, passed(cross.get(row.name, {}))) for row in ROWS}
    methods = [(row, counts) for row, counts in rows.values() if row.kind == "methods"]
    if not any(tests for _, (_, tests) in methods):
        return None
    every = len(COLUMNS)
    put = [(row.title, good) for row, (good, tests) in methods if tests == every]
    best = [title for title, good in put if good == every]
    names = f"{', '.join(best[:-1])} and {best[-1]}" if len(best) > 1 else "".join(best)
    verb = "pass" if len(best) > 1 else "passes"
    only = f"only {names} {verb} them all" if best else "none passes them all"
    sentence = f"Of {len(put)} methods that were put to all {every} tests of the table, {only}"
    _, (good, tests) = rows["random"]
    if tests and good == tests:
        return f"{sentence}. Noise, which explains nothing, passes each that it can be put to: to pass is not enough."
    return f"{sentence}."
