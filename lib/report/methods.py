"""The section "Methods" of the README, made from the docstrings of the methods.

A docstring must have: a first sentence with its source (authors and year) in brackets, or "(a control)"; one formula
(``.. math::``); a section ``Attributes`` that speaks of every argument; sections ``Needs`` and ``Undefined``. What is
anything else is refused, so that nothing is left out of the page in silence.
"""

from __future__ import annotations

import dataclasses
import html
import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lib.artefacts import write_atomically
from lib.attributions import METHODS
from lib.attributions.base import Method
from lib.errors import StudyError

BEGIN = "<!-- Made from docstrings by: python -m lib.report methods -->"
END = "<!-- End of what is made -->"

_SECTIONS = ("Attributes", "Needs", "Undefined")
_SOURCE = re.compile(r"\([^()]*(\b\d{4}|a control)\)")
_FORMULA = re.compile(r"^\.\. math::((?:.|\n(?=[ \n]))*)", re.MULTILINE)
_HEADING = re.compile(r"^(\w+)\n-{3,}$", re.MULTILINE)
_ARGUMENT = re.compile(r"^(\w+(?:, \w+)*) : (.*(?:\n(?: .*)?)*)", re.MULTILINE)


@dataclass(frozen=True)
class Description:
    """What a docstring says of a method.

    Attributes
    ----------
    label : the method as it is written.
    title : the first sentence: name and source.
    text : paragraphs, Markdown; formulas among them.
    arguments : written form with the default, and what it means in Markdown.
    needs, undefined : Markdown.
    """

    label: str
    title: str
    text: tuple[str, ...]
    arguments: tuple[tuple[str, str], ...]
    needs: str
    undefined: str


def describe(cls: type[Method]) -> Description:
    """Read the docstring of a method.

    Raises
    ------
    StudyError
        If it has a part too little, or one that is not understood.
    """
    label = cls.label
    body, *rest = _HEADING.split(inspect.cleandoc(vars(cls).get("__doc__") or ""))
    sections = dict(zip(rest[::2], rest[1::2], strict=True))
    if tuple(rest[::2]) not in (_SECTIONS, _SECTIONS[1:]):
        raise _refusal(label, f"has the sections {', '.join(rest[::2]) or 'none'}; write {', '.join(_SECTIONS)}")
    title, _, text = body.partition("\n\n")
    if not _SOURCE.search(title) or re.search(r"[`$]", title):
        raise _refusal(label, "must begin with a plain sentence that has authors and year, or 'a control', in brackets")
    if len(_FORMULA.findall(text)) != 1:
        raise _refusal(label, "must have one formula, after '.. math::'")
    needs, undefined = (" ".join(_markdown(sections[name], label)) for name in _SECTIONS[1:])
    if not needs or not undefined:
        raise _refusal(label, "has nothing to say under Needs or Undefined; write a sentence")
    return Description(
        label,
        _one_line(title),
        tuple(_blocks(text, label)),
        tuple(_arguments(cls, sections.get("Attributes", ""))),
        needs,
        undefined,
    )


def _refusal(label: str, what: str) -> StudyError:
    return StudyError(f"The docstring of the method {label} {what}.")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _blocks(text: str, label: str) -> list[str]:
    """Paragraphs before and after the formula, and the formula as a block that code hosts render."""
    before, formula, after = _FORMULA.split(text)
    if not formula.strip():
        raise _refusal(label, "has an empty formula")
    return [*_markdown(before, label), f"```math\n{_one_line(formula)}\n```", *_markdown(after, label)]


def _markdown(text: str, label: str) -> list[str]:
    """Paragraphs of reStructuredText as Markdown, each in one line."""
    # Between $` and `$ no sign of a formula is taken for Markdown, as \, and _ are between plain dollars.
    formulas = re.sub(r":math:`([^`]+)`", lambda found: f"$`{_one_line(found[1])}`$", text)
    marked = re.sub(r"``([^`]+)``", r"`\1`", formulas)
    if found := re.search(r":\w+:`|``|^\.\. ", marked, re.MULTILINE):
        raise _refusal(label, f"has {found[0].strip()!r}, which is not understood; write ``words`` or :math:`formulas`")
    return [_one_line(paragraph) for paragraph in marked.split("\n\n") if paragraph.strip()]


def _arguments(cls: type[Method], section: str) -> list[tuple[str, str]]:
    """Each line of the section Attributes, with the defaults of the arguments it names."""
    defaults = {field.name: field.default for field in dataclasses.fields(cls)}
    if _ARGUMENT.sub("", section).strip():
        raise _refusal(cls.label, "has Attributes that are not of the form 'name : meaning'")
    found = [(names.split(", "), meaning) for names, meaning in _ARGUMENT.findall(section)]
    told = [name for names, _ in found for name in names]
    if sorted(told) != sorted(defaults):
        has, says = (", ".join(names) or "none" for names in (defaults, told))
        raise _refusal(cls.label, f"speaks of the arguments {says}; the method has {has}")
    return [
        (", ".join(f"`{name}={defaults[name]}`" for name in names), " ".join(_markdown(meaning, cls.label)))
        for names, meaning in found
    ]


def section(methods: Iterable[type[Method]]) -> str:
    """The section as Markdown: one foldable entry per method."""
    return "\n\n".join(_entry(describe(cls)) for cls in methods)


def _entry(told: Description) -> str:
    arguments = "\n".join(f"- {written}: {meaning}" for written, meaning in told.arguments)
    blocks = [
        f"<details>\n<summary><code>{told.label}</code>: {html.escape(told.title)}</summary>",
        *told.text,
        *([arguments] if arguments else []),
        f"**Needs.** {told.needs}",
        f"**Undefined.** {told.undefined}",
        "</details>",
    ]
    return "\n\n".join(blocks)


def with_section(readme: str) -> str:
    """A README with the section between its two marks made anew.

    Raises
    ------
    StudyError
        If the marks are not there, once each and in their order.
    """
    if readme.count(BEGIN) != 1 or readme.count(END) != 1 or readme.index(BEGIN) > readme.index(END):
        raise StudyError(f"README.md must have one line {BEGIN!r} and below it one line {END!r}; put them back.")
    before, _, rest = readme.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n\n{section(METHODS.values())}\n\n{END}{after}"


def write(path: Path) -> None:
    """Bring the section of a README up to date."""
    write_atomically(path, with_section(path.read_text(encoding="utf-8")).encode())
