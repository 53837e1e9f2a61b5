"""The contents page of a preset: every claim's verdict over all runs, and the runs themselves.

Nothing is typed in here: the page is a function of the folders below ``reports/<preset>`` and of the ledger.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lib.contradictions import verdicts_of, with_answers
from lib.cross_table import cross_table
from lib.errors_in_papers import KINDS, with_proofs
from lib.report import matrix
from lib.report.check import damaged_file
from lib.report.findings import findings
from lib.report.markdown import readme
from lib.report.pages import page
from lib.report.prose import Prose
from lib.report.render import Link
from lib.report.thumbnails import thumbnail
from lib.report.verdicts import Claim, verdict_of
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
    scores = load_all_scores(runs)
    claims = with_answers(decide_all(scores))
    for claim in claims:
        claim["shown_in"] = _links(claim, runs)
    cross = cross_table(scores)
    found = findings(claims, cross)
    tested = [claim for claim in claims if verdict_of(claim) not in ("not tested", "answered")]
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
            found=found,
            by_id={claim["id"]: claim for claim in claims},
            tests=matrix.titles(),
            rules=matrix.rules(),
            matrix=matrix.rows(cross, claims),
            contradictions=[claim for claim in claims if verdict_of(claim) == "answered"],
            errors=_errors(claims, runs),
            kinds=KINDS,
            studies=studies,
            made=_made(runs),
            untested=[claim for claim in claims if verdict_of(claim) == "not tested"],
            runs=[_row(run) for run in runs],
            prose=Prose(),
        )
    }
    if preset == "paper":
        pages["README.md"] = readme(claims, studies, found, matrix.markdown(cross, claims))
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


def _errors(claims: list[Claim], runs: list[Run]) -> list[dict[str, Any]]:
    """What is wrong in the papers, with the address of the figure that shows it where there is such a report."""
    reports = {f"{run.study}/{run.variant}" for run in runs if (run.folder / "index.html").exists()}
    shown = []
    for entry in with_proofs(verdicts_of(claims)):
        report, _, anchor = entry.get("figure", "").partition("#")
        shown.append(entry | {"href": f"{report}/index.html#{anchor}" if report in reports else None})
    return shown


def _nets(params: dict[str, Any]) -> Any:
    """The nets that a run names, in whatever parameter its study has for them."""
    return next((params[name] for name in ("models", "networks", "model") if params.get(name)), None)


def _made(runs: list[Run]) -> list[dict[str, Any]]:
    """The studies with the runs of each, and a small picture of the first that has a report."""
    made: dict[str, dict[str, Any]] = {}
    for run in runs:
        study = made.setdefault(run.study, {"title": run.title, "number": run.study.split("_")[0], "picture": None})
        report = run.folder / "index.html"
        if study["picture"] is None and report.exists():
            study["picture"] = thumbnail(report.read_text(encoding="utf-8", errors="replace"))
        study.setdefault("runs", []).append(_row(run))
        study["seconds"] = study.get("seconds", 0) + (run.about.get("compute_seconds") or run.about.get("seconds") or 0)
    return list(made.values())
