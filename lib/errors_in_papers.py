"""Errors, slips and silences of the papers, each with the verdicts, figure or test that show it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from lib.contradictions import readings

KINDS = {
    "error": "What is printed is wrong",
    "conflict": "Two places disagree",
    "silence": "What one needs to know is not said",
}
"""The kinds of entries, in reading order."""


@lru_cache(maxsize=1)
def errors_in_papers() -> list[dict[str, Any]]:
    """All entries in the order of the papers: id, paper, kind, what it says, what is true, and the proof."""
    rows = yaml.safe_load(Path(__file__).with_name("errors_in_papers.yml").read_text(encoding="utf-8"))
    return list(rows)


def with_proofs(verdicts: Mapping[str, str]) -> list[dict[str, Any]]:
    """The entries, each with the claims that prove it and whether their verdicts are those that it needs.

    Parameters
    ----------
    verdicts : as of `lib.contradictions.verdicts_of`.

    Returns
    -------
    The entries with ``proofs``, a list of claims with ``id``, ``reading`` (words) and ``verdict``, and ``proved``: true
    if all verdicts are as needed, false if one is not, None where no claim is asked.
    """
    return [entry | _proof(entry.get("claims") or {}, verdicts) for entry in errors_in_papers()]


def _proof(needed: Mapping[str, str], verdicts: Mapping[str, str]) -> dict[str, Any]:
    return {
        "proofs": readings(needed, verdicts),
        "proved": all(verdicts.get(name) == it for name, it in needed.items()) if needed else None,
    }
