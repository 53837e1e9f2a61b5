"""The index of the paper preset in Markdown, and what the project's README takes from it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib.artefacts import write_atomically
from lib.errors import StudyError
from lib.report.verdicts import Claim, count_verdicts, size_text, value_text, verdict_of

BEGIN = "<!-- What was found; the README takes it from reports/paper/README.md by: python -m lib.report findings -->"
END = "<!-- End of what was found -->"


def readme(
    claims: Sequence[Claim], studies: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]], matrix: Sequence[str]
) -> str:
    """Write the index of the paper preset in Markdown, because code hosts show HTML as source.

    Parameters
    ----------
    claims : all decided claims, with ``shown_in``.
    studies : ``title`` and ``claims`` of each.
    found : of `lib.report.findings.findings`.
    matrix : lines of `lib.report.matrix.markdown`.
    """
    tally = " · ".join(f"**{count}** {verdict}" for verdict, count in count_verdicts(claims))
    lines = [
        "# Verdicts of the paper preset",
        "",
        "Written by `make reports PRESET=paper` from the runs in this folder; do not edit. "
        "`index.html`, opened from a clone, shows the same with intervals drawn, rules and parts.",
        "",
        f"{len(claims)} claims: {tally}.",
        "",
        "## What was found",
        "",
        BEGIN,
        "",
        *_findings_table(found),
        "",
        END,
    ]
    if matrix:
        lines += ["", "## Which method passes which test", "", *matrix]
    answered = [claim for claim in claims if verdict_of(claim) == "answered"]
    if answered:
        lines += ["", "## Where the papers contradict each other", ""]
        lines += [
            f"- **{claim['id']}** ({claim.get('source') or ''}). {claim.get('question') or ''} {claim['answer']} "
            f"Decided by {', '.join(claim['decided_by'])}."
            for claim in answered
        ]
    for study in studies:
        lines += [
            "",
            f"## {study['title']}",
            "",
            "| id | source | claim | expected | measured | size | verdict | shown in |",
            "|---|---|---|---|---|---|---|---|",
            *(_readme_row(claim) for claim in study["claims"]),
        ]
    untested = [claim for claim in claims if verdict_of(claim) == "not tested"]
    if untested:
        lines += ["", "## What could not be tested", ""]
        lines += [_untested_line(claim) for claim in untested]
    return "\n".join(lines) + "\n"


def _readme_row(claim: Claim) -> str:
    verdict = f"**{verdict_of(claim)}**"
    if claim.get("decided_by"):
        verdict += f", by {', '.join(claim['decided_by'])}"
    if claim.get("second_verdict"):
        verdict += f"; second reading: {claim['second_verdict']}"
    cells = [
        claim["id"],
        claim.get("source") or "",
        claim.get("wording") or "",
        claim.get("expected") or "",
        value_text(claim),
        size_text(claim),
        verdict,
        ", ".join(f"[{link.text}]({link.href})" for link in claim["shown_in"]),
    ]
    return "| " + " | ".join(_table_cell(cell) for cell in cells) + " |"


def _table_cell(text: str) -> str:
    # A bar ends a cell, also inside a formula.
    text = re.sub(r"\$[^$]*\$", lambda formula: formula[0].replace("|", r"\vert "), " ".join(text.split()))
    return text.replace("|", r"\|")


def _findings_table(found: Sequence[dict[str, Any]]) -> list[str]:
    """The findings, each with its claims and their verdicts."""
    lines = ["| | what was found | rests on |", "|---|---|---|"]
    for number, each in enumerate(found, 1):
        rests = (
            ", ".join(f"{proof['reading']} {proof['verdict']}" for proof in each["proofs"]) or "the table of methods"
        )
        lines.append(f"| {number} | {_table_cell(each['text'])} | {rests} |")
    return lines if found else ["Nothing has been found yet."]


def _untested_line(claim: Claim) -> str:
    reason = claim.get("reason") or "No run has measured it yet."
    needs = f" What would test it: {claim['needs']}." if claim.get("needs") else ""
    return f"- **{claim['id']}** ({claim.get('source') or ''}): {claim.get('wording') or ''}. {reason}{needs}"


def with_findings(text: str, paper: str) -> str:
    """The project's README with the findings of the paper preset between its marks.

    Parameters
    ----------
    text : the README.
    paper : ``reports/paper/README.md``.

    Raises
    ------
    StudyError
        If one of them has not both marks, once each and in their order.
    """
    before, _, after = _parted(text, "README.md")
    return before + BEGIN + _parted(paper, "reports/paper/README.md")[1] + END + after


def _parted(text: str, name: str) -> tuple[str, str, str]:
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise StudyError(f"{name} must have one line {BEGIN!r} and below it one line {END!r}; put them back.")
    before, _, rest = text.partition(BEGIN)
    between, _, after = rest.partition(END)
    return before, between, after


def write_findings(root: Path) -> Path:
    """Bring the findings in the project's README up to date with those of the paper preset."""
    path, paper = root / "README.md", root / "reports" / "paper" / "README.md"
    if not paper.exists():
        raise StudyError(f"{paper} does not exist; run 'python -m lib.report index paper' first.")
    write_atomically(path, with_findings(path.read_text(encoding="utf-8"), paper.read_text(encoding="utf-8")).encode())
    return path
