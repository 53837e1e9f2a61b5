"""Markdown and formulas to HTML and MathML, once, when the page is made: a report needs no script."""

from __future__ import annotations

import re
from dataclasses import dataclass

from markupsafe import Markup
from math_core import LatexError, LatexToMathML
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from lib.errors import StudyError


@dataclass(frozen=True)
class Heading:
    """A heading of the page: what the table of contents lists."""

    level: int
    anchor: str
    html: Markup


class Prose:
    """The text of one page.

    One object serves a whole page: it remembers the headings (for the table of contents), keeps their
    anchors unique and numbers the equations from top to bottom.
    """

    def __init__(self) -> None:
        self.headings: list[Heading] = []
        self._math = LatexToMathML(fancy_error=False)

    def html(self, source: str) -> Markup:
        """Render Markdown blocks."""
        return self._rendered(source, _Renderer(self, escape=False))

    def inline(self, source: str) -> Markup:
        """Render one line of Markdown without the paragraph around it.

        HTML inside is shown as it is written, not obeyed: a label may hold what somebody wrote into a params file.
        """
        html = self._rendered(source, _Renderer(self, escape=True))
        if html.count("<p>") == 1 and html.startswith("<p>") and html.endswith("</p>"):
            html = Markup(html[len("<p>") : -len("</p>")])
        return html

    def _rendered(self, source: str, renderer: _Renderer) -> Markup:
        return Markup(MarkdownWithMath(renderer=renderer).render(source).strip())

    def math(self, latex: str, display: bool) -> str:
        """Typeset a formula as MathML.

        Raises
        ------
        StudyError
            If the formula has a mistake, so that it is seen by the author and not by the reader.
        """
        try:
            mathml = self._math.convert_with_global_state(latex.strip(), displaystyle=display)
        except LatexError as error:
            reason = re.sub(r"^\d+: ", "", str(error)).rstrip(".")
            raise StudyError(
                f"The formula ${latex.strip()}$ cannot be typeset ({reason}); correct it where it is written."
            ) from error
        return f'<span class="formula" tabindex="0">{mathml}</span>' if display else mathml

    def anchor(self, html: str) -> str:
        """Make a readable anchor for a heading that no other heading of the page has."""
        text = re.sub(r"<[^>]*>|&\w+;", "", html).lower()
        slug = re.sub(r"[^a-z0-9]+", "-", text).strip("-") or "section"
        taken = {heading.anchor for heading in self.headings}
        number = 2
        anchor = slug
        while anchor in taken:
            anchor, number = f"{slug}-{number}", number + 1
        return anchor


class _Renderer(IPythonRenderer):
    """nbconvert's Markdown renderer, with MathML instead of dollars and headings that are remembered."""

    def __init__(self, prose: Prose, escape: bool) -> None:
        super().__init__(escape=escape, allow_harmful_protocols=not escape)
        self.prose = prose

    def inline_math(self, body: str) -> str:
        """Render ``$...$``."""
        return self.prose.math(body, display=False)

    def block_math(self, body: str) -> str:
        """Render ``$$...$$``."""
        return self.prose.math(body, display=True)

    def latex_environment(self, name: str, body: str) -> str:
        r"""Render ``\begin{...}...\end{...}`` outside dollars."""
        return self.prose.math(rf"\begin{{{name}}}{body}\end{{{name}}}", display=True)

    def heading(self, text: str, level: int, **attrs: object) -> str:
        """Render a heading and remember it."""
        anchor = self.prose.anchor(text)
        self.prose.headings.append(Heading(level, anchor, Markup(text)))
        return f'<h{level} id="{anchor}">{text}</h{level}>\n'
