"""The contents page of a preset: every claim's verdict over all runs, and the runs themselves.

Nothing is typed in here: the page is a function of the folders below ``reports/<preset>`` and of the ledger.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lib.report.check import damaged_file
from lib.report.pages import page
from lib.report.prose import Prose
from lib.report.render import Link
from lib.report.verdicts import Claim, count_verdicts, size_text, value_text, verdict_of
from lib.scores import read_scores


@dataclass(frozen=True)
class Run:
    """A folder below ``reports/<preset>``: one study with one set of parameters."""

    study: str
    variant: str
    folder: Path
    results: dict[str, Any]
    about: dict[str, Any]

    @property
    def title(self) -> str:
        """The study's question, or its name while no run of it has finished."""
        return self.results.get("title") or self.study.replace("_", " ")

    @property
    def stale(self) -> bool:
        """Whether its numbers were computed with an earlier library or other parameters."""
        from lib.published import fits

        return "made_of" in self.results and not fits(self.folder, self.folder.parents[3])

    @property
    def href(self) -> str:
        """The report's address, seen from the index."""
        return f"{self.study}/{self.variant}/index.html"


def find_runs(preset: str, root: Path) -> list[Run]:
    """Find the runs of a preset, failed ones included, in the order of their names.

    Of a damaged report nothing is read; it is named on stderr.
    """
    folders = sorted(path for path in (root / "reports" / preset).glob("*/*") if path.is_dir())
    return [
        _run(folder)
        for folder in folders
        if not folder.name.startswith(".") and any((folder / name).exists() for name in ("results.json", "failed.html"))
    ]


def _run(folder: Path) -> Run:
    results, about = {}, {}
    damaged = damaged_file(folder)
    if not damaged:
        results, about = (json.loads((folder / name).read_text()) for name in ("results.json", "run.json"))
    elif (folder / "results.json").exists():
        print(
            f"{folder / damaged} is damaged, so the index does without this report; run its params file again.",
            file=sys.stderr,
        )
    return Run(folder.parent.name, folder.name, folder, results, about)


def load_all_scores(runs: list[Run]) -> pd.DataFrame:
    """Read the scores of all runs that have results into one table."""
    files = [run.folder / "scores.csv.xz" for run in runs if run.results]
    tables = [read_scores(file) for file in files if file.exists()]
    if not tables:
        return pd.DataFrame()
    for name in (column for column in tables[0] if tables[0][column].dtype == "category"):
        # With the same words in each, the column stays one of words by number, three times as fast to search.
        words = sorted(set().union(*(table[name].cat.categories for table in tables)))
        for table in tables:
            table[name] = table[name].cat.set_categories(words)
    return pd.concat(tables, ignore_index=True)


def decide_all(scores: pd.DataFrame) -> list[Claim]:
    """Decide every claim of the ledger, each with the ledger's words beside its numbers."""
    from lib import claims

    entries = claims.ledger()
    if scores.empty:
        # In the ledger, parts are rules; in a decided claim they are measurements, of which there are none.
        return [{**entry, "parts": [], "verdict": "not tested"} for entry in entries.values()]
    return [{**entry, **claims.decide(name, scores)} for name, entry in entries.items()]


def index_pages(preset: str, root: Path) -> dict[str, str]:
    """Make the files of the index: name to content."""
    runs = find_runs(preset, root)
    claims = decide_all(load_all_scores(runs))
    for claim in claims:
        claim["shown_in"] = _links(claim, runs)
    tested = [claim for claim in claims if verdict_of(claim) != "not tested"]
    titles = {run.study: run.title for run in runs}
    # What no single study decides comes last.
    names = sorted({str(claim.get("study") or "") for claim in tested}, key=lambda name: (not name, name))
    studies = [
        {
            "name": name or "other",
            "title": titles.get(name, name.replace("_", " ") or "Over all studies"),
            "claims": [claim for claim in tested if str(claim.get("study") or "") == name],
        }
        for name in names
    ]
    pages = {
        "index.html": page(
            "index.html.j2",
            preset=preset,
            claims=claims,
            studies=studies,
            untested=[claim for claim in claims if verdict_of(claim) == "not tested"],
            runs=[_row(run) for run in runs],
            prose=Prose(),
        )
    }
    if preset == "paper":
        pages["README.md"] = _readme(claims, studies)
    return pages


def build_index(preset: str, root: Path) -> Path:
    """Write the index of a preset.

    Parameters
    ----------
    preset
        The folder below ``reports``.
    root
        The project's folder.

    Returns
    -------
    Path
        ``reports/<preset>/index.html``. The paper preset also gets a ``README.md`` beside it, because code
        hosts show Markdown as a page and HTML as source.
    """
    from lib.artefacts import write_atomically

    folder = root / "reports" / preset
    for name, text in index_pages(preset, root).items():
        write_atomically(folder / name, text.encode())
    return folder / "index.html"


def _links(claim: Claim, runs: list[Run]) -> list[Link]:
    """Link a claim to the figures, in the reports of the runs that measured it, that show it."""
    links = []
    for run in runs:
        for own in run.results.get("claims", []):
            if own["id"] == claim["id"] and verdict_of(own) != "not tested":
                anchor = own.get("figure") or f"claim-{own['id']}"
                links.append(Link(f"{run.study.split('_')[0]} {run.variant}", f"{run.href}#{anchor}"))
    return links


def _row(run: Run) -> dict[str, Any]:
    failed = (run.folder / "failed.html").exists()
    return {
        "title": run.title,
        "variant": run.variant,
        "models": _nets(run.results.get("params", {})),
        "seconds": run.about.get("seconds"),
        "started": run.about.get("started"),
        "stale": run.stale,
        "href": run.href,
        "has_report": (run.folder / "index.html").exists(),
        "failed": f"{run.study}/{run.variant}/failed.html" if failed else None,
    }


def _nets(params: dict[str, Any]) -> Any:
    """The nets that a run names, in whatever parameter its study has for them."""
    return next((params[name] for name in ("models", "networks", "model") if params.get(name)), None)


def _readme(claims: list[Claim], studies: list[dict[str, Any]]) -> str:
    tally = " · ".join(f"**{count}** {verdict}" for verdict, count in count_verdicts(claims))
    lines = [
        "# Verdicts of the paper preset",
        "",
        "Written by `make reports PRESET=paper` from the runs in this folder; do not edit. "
        "`index.html`, opened from a clone, shows the same with intervals drawn, rules and parts.",
        "",
        f"{len(claims)} claims: {tally}.",
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
    untested = [claim["id"] for claim in claims if verdict_of(claim) == "not tested"]
    if untested:
        lines += ["", f"Not yet tested: {', '.join(untested)}."]
    return "\n".join(lines) + "\n"


def _readme_row(claim: Claim) -> str:
    verdict = f"**{verdict_of(claim)}**"
    if claim.get("answer"):
        verdict += f": {claim['answer']}"
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
