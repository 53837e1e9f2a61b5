"""The README's section on methods says what the docstrings say, of every method, in formulas that can be typeset."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from math_core import LatexToMathML
from nbconvert.filters import markdown2html

from lib.attributions import METHODS, method
from lib.attributions.base import Method
from lib.errors import StudyError
from lib.report import methods as made
from lib.report.__main__ import main

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
ENTRIES = dict(re.findall(r"<summary><code>(\w+)</code>(.*?)</details>", README, re.DOTALL))


def test_readme_is_up_to_date():
    assert made.with_section(README) == README, "run: python -m lib.report methods"


def test_readme_has_one_entry_for_each_method_in_their_order():
    assert list(ENTRIES) == list(METHODS)


@pytest.mark.parametrize("label", METHODS)
def test_entry_has_source_formula_defaults_needs_and_where_it_is_undefined(label):
    entry = ENTRIES[label]
    title, rest = entry.split("</summary>")
    assert re.search(r"(19|20)\d\d\)", title) or (METHODS[label].control and "(a control)" in title)
    assert len(re.findall(r"^```math\n.+\n```$", rest, re.MULTILINE)) == 1
    assert all(re.search(rf"^\*\*{name}\.\*\* \w.+\.$", rest, re.MULTILINE) for name in ("Needs", "Undefined"))
    written = [
        argument
        for line in re.findall(r"^- ((?:`\w+=[^`]*`(?:, )?)+): ", rest, re.MULTILINE)
        for argument in re.findall(r"`([^`]*)`", line)
    ]
    assert [argument.partition("=")[0] for argument in written] == [field.name for field in fields(METHODS[label])]
    assert all(method(f"{label}({argument})") == method(label) for argument in written)


@pytest.mark.parametrize("label", METHODS)
def test_formulas_can_be_typeset(label):
    formulas = re.findall(r"```math\n(.*?)\n```|\$`(.*?)`\$", ENTRIES[label], re.DOTALL)
    for formula in map("".join, formulas):
        assert "<math" in LatexToMathML(fancy_error=False).convert_with_local_state(formula, displaystyle=True)


@pytest.mark.parametrize("label", METHODS)
def test_entry_is_folded_and_nothing_in_it_is_taken_for_html_or_emphasis(label):
    page = markdown2html(made.section([METHODS[label]]))
    assert page.count("<details>") == page.count("</details>") == page.count("<pre><code") == 1
    assert set(re.findall(r"<(\w+)", page)) <= {"details", "summary", "code", "pre", "p", "ul", "li", "strong"}
    assert "``" not in page and ":math:" not in page


# ---------------------------------------------------------------- what is not understood

GOOD = r"""Mine (Doe et al. 2020).

    .. math:: E = x

    Attributes
    ----------
    steps : how many; :math:`n`.

    Needs
    -----
    A model.

    Undefined
    ---------
    Never.
    """


def documented(docstring):
    @dataclass(frozen=True)
    class Mine(Method):
        label = "mine"
        steps: int = 3

    Mine.__doc__ = docstring
    return Mine


def test_docstring_becomes_a_description():
    assert made.describe(documented(GOOD)) == made.Description(
        "mine",
        "Mine (Doe et al. 2020).",
        ("```math\nE = x\n```",),
        (("`steps=3`", "how many; $`n`$."),),
        "A model.",
        "Never.",
    )


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (GOOD, None, "has the sections none"),
        (" (Doe et al. 2020)", "", "authors and year"),
        ("Mine", "``Mine``", "plain sentence"),
        (".. math:: E = x", "E = x", "must have one formula"),
        (".. math:: E = x", ".. math::", "empty formula"),
        (".. math:: E = x", ".. math:: E = x\n\n    .. math:: E = y", "must have one formula"),
        ("Undefined\n    ---------\n", "Notes\n    -----\n", "has the sections Attributes, Needs, Notes"),
        ("Never.", "", "nothing to say"),
        ("A model.", "", "nothing to say"),
        ("steps :", "step :", "speaks of the arguments step; the method has steps"),
        ("steps :", "steps, stops :", "speaks of the arguments steps, stops"),
        ("steps : how many; :math:`n`.", "", "speaks of the arguments none"),
        ("steps : how many", "The steps, how many", "not of the form"),
        (":math:`n`", ":func:`n`", "':func:`', which is not understood"),
        ("how many", "``how many", "not understood"),
        ("A model.", ".. note:: A model.", "not understood"),
    ],
)
def test_docstring_that_is_not_understood_is_refused(old, new, says):
    assert old in GOOD
    docstring = None if new is None else GOOD.replace(old, new)
    with pytest.raises(StudyError, match="The docstring of the method mine") as caught:
        made.describe(documented(docstring))
    assert says in str(caught.value)


# ---------------------------------------------------------------- the command


def test_command_replaces_what_stands_between_the_marks(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(f"before\n{made.BEGIN}\nold\n{made.END}\nafter\n", encoding="utf-8")
    assert main(["methods"], tmp_path) == 0
    text = path.read_text(encoding="utf-8")
    assert text == f"before\n{made.BEGIN}\n\n{made.section(METHODS.values())}\n\n{made.END}\nafter\n"
    assert main(["methods"], tmp_path) == 0 and path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("text", ["", made.BEGIN, made.END + made.BEGIN, 2 * (made.BEGIN + made.END)])
def test_readme_without_the_marks_is_left_alone(text, tmp_path, capsys):
    path = tmp_path / "README.md"
    path.write_text(text, encoding="utf-8")
    assert main(["methods"], tmp_path) == 2
    assert "put them back" in capsys.readouterr().err and path.read_text(encoding="utf-8") == text
