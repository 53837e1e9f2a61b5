"""What all pages share: the templates, the style sheet and the rule that nothing is loaded or executed."""

from __future__ import annotations

import re
from collections.abc import Container
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from lib.report import verdicts

FOLDER = Path(__file__).parent
# A browser that obeys this refuses every script and every fetch, whatever a cell has printed.
SECURITY_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        security_policy=Markup(SECURITY_POLICY),
        style=Markup((FOLDER / "style.css").read_text()),
        signs=verdicts.SIGNS,
        count_verdicts=verdicts.count_verdicts,
    )
    environment.filters.update(
        verdict=verdicts.verdict_of,
        value=verdicts.value_text,
        number=verdicts.number_text,
        size=verdicts.size_text,
        whisker=verdicts.whisker,
        duration=duration_text,
        day=lambda moment: str(moment)[:10],
        parameter=parameter_text,
        claim_links=claim_links,
    )
    return environment


def claim_links(text: str, claims: Container[str]) -> Markup:
    """Link the claims that a text names to their places on the page."""
    name = re.compile(r"\b[AYKX]-\d\d\b")
    return Markup(
        name.sub(
            lambda found: f'<a href="#claim-{found[0]}">{found[0]}</a>' if found[0] in claims else found[0],
            str(escape(text)),
        )
    )


def page(template: str, **content: Any) -> str:
    """Fill one of our templates."""
    return _environment().get_template(template).render(content).rstrip() + "\n"


def duration_text(seconds: float | None) -> str:
    """Write a duration as people say it: ``12 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if seconds is None:
        return ""
    if seconds < 9.5:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def parameter_text(value: Any) -> str:
    """Write a parameter's value as a params file does."""
    if isinstance(value, list | tuple):
        return ", ".join(map(parameter_text, value)) or "(none)"
    if isinstance(value, dict):
        return ", ".join(f"{name}: {parameter_text(item)}" for name, item in value.items()) or "(none)"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(value)


def command_again(study: str | None, preset: str | None, variant: str | None) -> str:
    """The command line that makes a report's notebook again."""
    if not study:
        return ""
    line = f"papermill notebooks/{study}.ipynb out.ipynb"
    return f"{line} -f params/{preset}/{study}/{variant}.yml" if preset and variant else line
