"""Render an executed notebook and its results as one HTML file that opens anywhere, for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from nbconvert.exporters import Exporter
from nbformat import NotebookNode

from lib.report.cells import Text, cells_of
from lib.report.pages import command_again, page
from lib.report.prose import Prose


@dataclass(frozen=True)
class Link:
    """A place to go to: what the reader sees, and the relative address."""

    text: str
    href: str


@dataclass(frozen=True)
class Navigation:
    """Where a reader can go from a report."""

    previous: Link | None = None
    contents: Link | None = None
    next: Link | None = None


def navigation(current: str, runs: Sequence[str]) -> Navigation:
    """Find the neighbours of a report among the runs of its preset.

    Parameters
    ----------
    current
        The run, written ``study/variant``.
    runs
        All runs of the preset, written alike, in reading order.
    """
    contents = Link("Contents", "../../index.html")
    if current not in runs:
        return Navigation(contents=contents)
    at = list(runs).index(current)
    links = [
        Link(study.replace("_", " ") + " · " + variant, f"../../{study}/{variant}/index.html")
        for study, _, variant in (run.partition("/") for run in runs)
    ]
    return Navigation(
        previous=links[at - 1] if at > 0 else None,
        contents=contents,
        next=links[at + 1] if at + 1 < len(links) else None,
    )


class ReportExporter(Exporter):
    """An nbconvert exporter for our reports: own template, offline, no script."""

    file_extension = ".html"
    output_mimetype = "text/html"

    def from_notebook_node(  # type: ignore[override]  # as in nbconvert's own exporters
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, **kw: Any
    ) -> tuple[str, dict[str, Any]]:
        """Convert a notebook.

        Parameters
        ----------
        nb
            The executed notebook.
        resources
            May hold ``results`` and ``run`` (the contents of the two JSON files) and ``links``.
        **kw
            Passed on to nbconvert.
        """
        nb, resources = super().from_notebook_node(nb, resources, **kw)
        results = resources.get("results") or {}
        prose = Prose()
        cells = cells_of(nb, prose)
        title, opening, rest = _split_first(cells, results.get("title") or "Report")
        html = page(
            "report.html.j2",
            title=title,
            plain_title=Markup(title).striptags(),
            opening=opening,
            cells=rest,
            headings=[heading for heading in prose.headings if heading.level in (2, 3)],
            prose=prose,
            results=results,
            run=resources.get("run") or {},
            links=resources.get("links") or Navigation(),
            command=command_again(results.get("study"), results.get("preset"), results.get("variant")),
        )
        return html, resources


def render_notebook(notebook: NotebookNode, results: dict[str, Any], run: dict[str, Any], links: Navigation) -> str:
    """Render an executed notebook as one self-contained HTML page.

    Parameters
    ----------
    notebook
        The executed notebook.
    results
        The content of ``results.json``; the verdict box and the provenance come from it.
    run
        The content of ``run.json``.
    links
        Previous report, contents, next report.

    Returns
    -------
    str
        The page. The same arguments give the same bytes.

    Raises
    ------
    StudyError
        If a formula has a mistake; the message names the formula.
    """
    html, _ = ReportExporter().from_notebook_node(notebook, {"results": results, "run": run, "links": links})  # type: ignore[no-untyped-call]  # nbconvert has no types
    return html


def _split_first(cells: list[Any], default: str) -> tuple[Markup, Markup, list[Any]]:
    """Take the title and the opening sentences off the first cell: the verdict box follows them."""
    if not cells or not isinstance(cells[0], Text) or not cells[0].html.startswith("<h1"):
        return Markup.escape(default), Markup(""), cells
    heading, _, body = cells[0].html.partition("</h1>")
    title = heading.partition(">")[2]
    opening, mark, later = body.partition("<h2")
    rest = [Text(Markup(mark + later)), *cells[1:]] if mark else cells[1:]
    return Markup(title), Markup(opening.strip()), rest
