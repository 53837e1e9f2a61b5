"""The table of methods against tests as the index shows it: words, signs, and links to the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lib.cross_table import FAIL, OPEN, PASS, Cell, passed
from lib.cross_tests import COLUMNS, ROWS, Column, Row
from lib.report.render import Link
from lib.report.verdicts import Claim, number_text, size_text, value_text

MARKS = {PASS: "✓", FAIL: "✗", OPEN: "?"}
"""The sign beside the word, for those who do not see the colour."""

Table = Mapping[str, Mapping[str, tuple[Cell, ...]]]


def titles() -> list[str]:
    """The tests, in the order of the columns."""
    return [column.title for column in COLUMNS]


def rules() -> list[tuple[str, str]]:
    """When a method passes, each with the tests that the rule is for."""
    found: dict[str, list[str]] = {}
    for column in COLUMNS:
        found.setdefault(column.rule, []).append(column.title)
    return [(", ".join(names), rule) for rule, names in found.items()]


def rows(table: Table, claims: Sequence[Claim]) -> list[dict[str, Any]]:
    """The rows of the table for the template, methods first, then controls; what was nowhere measured is left out.

    Parameters
    ----------
    table : of `lib.cross_table.cross_table`.
    claims : decided claims with ``shown_in``, the links to their figures.
    """
    links = {claim["id"]: claim.get("shown_in") or [] for claim in claims}
    return [
        {
            "title": row.title,
            "kind": row.kind,
            "passed": "{} of {}".format(*passed(table[row.name])),
            "cells": [
                {
                    "column": column.title,
                    "lines": [_line(cell, row, column, links) for cell in table[row.name][column.key]],
                }
                for column in COLUMNS
            ],
        }
        for row in ROWS
        if row.name in table and passed(table[row.name])[1]
    ]


def _line(cell: Cell, row: Row, column: Column, links: Mapping[str, Sequence[Link]]) -> dict[str, Any]:
    if not cell.result:
        return {"result": "", "why": cell.why}
    words = [value_text(cell.as_claim()), size_text(cell.as_claim()), cell.why.partition(", ")[0]]
    gaps = f"{cell.undefined:.0%} of the maps constant or undefined" if cell.undefined else ""
    nets = f"the net that decides, of {cell.nets}" if cell.nets > 1 else ""
    claim = row.shown.get(column.group, column.claim)
    return {
        "result": cell.result,
        "mark": MARKS[cell.result],
        "reading": cell.reading,
        "value": _short(cell.value),
        "told": "; ".join(filter(None, [*words, nets, gaps])),
        "href": _figure(cell.run, links.get(claim) or links.get(column.claim) or []),
    }


def _short(value: float | None) -> str:
    if value is None:
        return "–"
    if abs(value) < 1e-6:
        return "0"
    decimals = 1 if abs(value) >= 10 else 2
    return number_text(round(value, decimals) + 0.0, decimals)  # no minus before a zero


def _figure(run: str, links: Sequence[Link]) -> str | None:
    """The figure in the report of the net that decides, or in the first report that has it."""
    own = [link for link in links if run.startswith(link.text.partition(" ")[2])]
    return next((link.href for link in [*own, *links]), None)


def markdown(table: Table, claims: Sequence[Claim]) -> list[str]:
    """The table in Markdown: a sign and a number for each reading, and the rules below."""
    found = rows(table, claims)
    if not found:
        return []
    head = ["method", *titles(), "passed"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in found:
        name = f"*{row['title']}* (control)" if row["kind"] == "controls" else row["title"]
        lines.append("| " + " | ".join([name, *map(_markdown_cell, row["cells"]), row["passed"]]) + " |")
    told = [f"- **{names}**: {rule}." for names, rule in rules()]
    legend = "✓ passes, ✗ fails, ? open: the interval lies on both sides, or maps are constant."
    return [*lines, "", legend, "", *told]


def _markdown_cell(cell: dict[str, Any]) -> str:
    lines = cell["lines"]
    if not lines[0]["result"]:
        return lines[0]["why"]
    words = [
        f"[{line['mark']} {line['value']}]({line['href']})" if line["href"] else f"{line['mark']} {line['value']}"
        for line in lines
    ]
    return " ".join(f"{word} {line['reading']}".strip() for word, line in zip(words, lines, strict=True))
