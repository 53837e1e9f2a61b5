"""The cells of an executed notebook, each turned into the few strings a page shows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from markupsafe import Markup, escape
from nbconvert.filters.ansi import ansi2html
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from lib.report.prose import Prose

# `<Figure at 0x7f...>` tells a reader nothing and differs from run to run.
ADDRESS = re.compile(r"<[^<>]* at 0x[0-9a-f]+>|<Figure size [^<>]*>")


@dataclass(frozen=True)
class Text:
    """A Markdown cell."""

    html: Markup
    kind: str = "text"


@dataclass(frozen=True)
class Code:
    """A code cell: its highlighted source behind a line to click, what it printed, what it displays."""

    summary: str
    html: Markup
    is_open: bool
    printed: Markup
    outputs: list[Markup] = field(default_factory=list)
    kind: str = "code"


def cells_of(notebook: NotebookNode, prose: Prose) -> list[Text | Code]:
    """Render the cells of a notebook in their order."""
    cells: list[Text | Code] = []
    for cell in notebook.cells:
        if not cell.source.strip():
            continue
        if cell.cell_type == "markdown":
            cells.append(Text(prose.html(cell.source)))
        elif cell.cell_type == "code":
            cells.append(_code(cell, prose))
    return cells


def _code(cell: NotebookNode, prose: Prose) -> Code:
    tags = cell.metadata.get("tags", [])
    if "injected-parameters" in tags:
        summary = "Parameters of this run"
    elif "parameters" in tags:
        summary = "Parameters and their defaults"
    else:
        lines = len(cell.source.strip().splitlines())
        summary = f"Code, {lines} line{'s' if lines > 1 else ''}"
    failed = any(output.output_type == "error" for output in cell.outputs)
    streams = [o for o in cell.outputs if o.output_type == "stream" and (failed or o.name == "stdout")]
    outputs = [_output(output, prose) for output in cell.outputs]
    return Code(
        summary=summary,
        html=Markup(highlight(cell.source, PythonLexer(), HtmlFormatter(nowrap=True))).rstrip(),
        is_open="show-input" in tags or failed,
        printed=_terminal("".join(output.text for output in streams)),
        outputs=[html for html in outputs if html],
    )


def _output(output: NotebookNode, prose: Prose) -> Markup:
    """The richest form of an output that a page can show; noise gives an empty string."""
    if output.output_type == "error":
        return Markup('<pre class="error">{}</pre>').format(_terminal("\n".join(output.traceback)))
    data = output.get("data", {})
    if "text/html" in data:
        return Markup(data["text/html"])
    if "text/markdown" in data:
        return prose.html(data["text/markdown"])
    if "text/latex" in data:
        return prose.html(data["text/latex"])
    if "image/png" in data:
        alt = output.metadata.get("image/png", {}).get("alt", "")
        source = "".join(data["image/png"].split())
        return Markup('<img src="data:image/png;base64,{}" alt="{}">').format(source, alt)
    text = data.get("text/plain", "")
    if not text or ADDRESS.search(text):
        return Markup("")
    return Markup("<pre>{}</pre>").format(escape(text))


def _terminal(text: str) -> Markup:
    # A progress bar overwrites its line: only what stands after the last carriage return was ever read.
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    return Markup(ansi2html("\n".join(lines))).strip()
