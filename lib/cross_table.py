"""Methods against tests: which method passes what, decided like claims, with thresholds taken from the ledger.

A test (`lib.cross_tests`) is a question to every method, written as the rules of claims are (see `lib.claims`), so that
nets, images, draws and intervals are treated alike. A method passes if all its parts are supported, on every net that
it was measured on; it fails if one part is contradicted. Where zeros, or the picture alone, make maps alike, a second
reading corrects for it and stands beside the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from lib.cross_tests import COLUMNS, ROWS, Column, Reading, Row
from lib.measures import Net, nets_of
from lib.parts import combine, deciding, measure
from lib.thresholds import CONTRADICTED, INCONCLUSIVE, SUPPORTED, Rule

PASS, FAIL, OPEN = "pass", "fail", "open"

_WORDS = {SUPPORTED: PASS, CONTRADICTED: FAIL, INCONCLUSIVE: OPEN}


@dataclass(frozen=True)
class Cell:
    """What a method did in one reading of a test.

    Attributes
    ----------
    reading : its name.
    result : `PASS`, `FAIL`, `OPEN`, or empty where nothing was measured.
    why : the deciding part in words, or why there is none.
    value, interval, n, draws, undefined : of the part that decides.
    run : its net.
    nets : how many nets were measured.
    """

    reading: str
    result: str
    why: str
    value: float | None = None
    interval: list[float | None] | None = None
    n: int = 0
    draws: int = 0
    undefined: float = 0.0
    run: str = ""
    nets: int = 0

    def as_claim(self) -> dict[str, Any]:
        """The numbers under the names that a claim has, for those who write claims."""
        return {"value": self.value, "interval": self.interval, "n": self.n, "draws": self.draws}


def cross_table(scores: pd.DataFrame) -> dict[str, dict[str, tuple[Cell, ...]]]:
    """Test every method.

    Parameters
    ----------
    scores : of all runs, columns as in `lib.claims.decide`.

    Returns
    -------
    Name of the row -> key of the column -> a cell for each reading. The same scores give the same table.
    """
    if scores.empty:
        return {row.name: {each.key: (_empty(row, each),) for each in COLUMNS} for row in ROWS}
    nets = nets_of(scores, [rule | {"methods": []} for column in COLUMNS for rule in _rules(column)])
    return {row.name: {column.key: _cells(row, column, nets) for column in COLUMNS} for row in ROWS}


def _rules(column: Column) -> Iterator[Rule]:
    for reading in column.readings:
        yield from reading.rules


def _cells(row: Row, column: Column, nets: list[Net]) -> tuple[Cell, ...]:
    """A cell for each reading that was measured, or one that says why there is none."""
    method = row.spelled.get(column.group, row.name)
    cells = [_cell(reading, method, nets) for reading in column.readings]
    return tuple(cell for cell in cells if cell) or (_empty(row, column),)


def _empty(row: Row, column: Column) -> Cell:
    return Cell("", "", row.missing.get(column.group, "not measured"))


def _cell(reading: Reading, method: str, nets: list[Net]) -> Cell | None:
    def parts_of(rules: tuple[Rule, ...]) -> list[Any]:
        asked = [rule | {"methods": [method], "label": "similarity"} for rule in rules]
        # What a net lacks, it was not asked; a claim would be left undecided by it.
        on = [(rule, _on_own_images(net, rule)) for rule in asked for net in nets]
        return [part for rule, net in on for part in measure(rule, [net]) if part.measured]

    parts = parts_of(reading.rules)
    if not parts:
        return None
    verdict = combine(parts)
    part = deciding(parts, verdict)
    assert part is not None  # there is a part, and one of them has the verdict
    if verdict == CONTRADICTED and reading.fails and combine(parts_of(reading.fails)) != CONTRADICTED:
        verdict = INCONCLUSIVE
    runs = {run for each in parts for run in each.runs}
    cell = Cell(reading.name, _WORDS[verdict], part.label, run=part.runs[0], nets=len(runs))
    return replace(
        cell, value=part.value, interval=part.interval, n=part.n, draws=part.draws, undefined=part.undefined or 0.0
    )


def _on_own_images(net: Net, rule: Rule) -> Net:
    """The net with the images on which the method was run: a control that is subtracted may have been run on more."""
    if "methods" not in rule.get("minus", {}) or not net.takes_part(rule):
        return net
    table = net.table(rule, rule["methods"][0], rule.get("at"))
    if table is None:
        return net
    own = net.scores.image.isin(table.index).to_numpy()
    return replace(net, rows={key: at[own[at]] for key, at in net.rows.items()})


def passed(cells: Mapping[str, tuple[Cell, ...]]) -> tuple[int, int]:
    """Count the tests that a method passes in every reading, and those that it was put to."""
    measured = [each for each in cells.values() if each[0].result]
    return sum(all(cell.result == PASS for cell in each) for each in measured), len(measured)
