"""House rules: notebooks agree with their twins, define nothing, stay short, and their params files fit."""

from __future__ import annotations

import ast
from pathlib import Path

import jupytext
import nbformat
import pytest

from lib.parameters import check_parameters, read_parameters, read_params_file

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for path in (ROOT / "notebooks").rglob("*.py"))
PARAMS = sorted(path for path in (ROOT / "params").glob("*/*/*.yml") if path.parent.name != "models")
MOST_LINES = 15


def broken_rules(source: Path) -> list[str]:
    """Say which house rules a notebook breaks."""
    book = jupytext.read(source)
    problems = []
    if book.metadata.get("kernelspec", {}).get("name") != "python3":
        # Without it, papermill refuses the twin.
        problems.append("the header has no kernelspec python3")
    if not book.cells or not book.cells[0].source.startswith("# "):
        problems.append("the first cell is not a title")
    for number, cell in enumerate(book.cells):
        if cell.cell_type != "code":
            continue
        lines = len(cell.source.splitlines())
        is_parameters = "parameters" in cell.metadata.get("tags", [])
        if lines > MOST_LINES and not is_parameters:
            problems.append(f"cell {number} has {lines} lines")
        if any(line.lstrip().startswith(("%", "!")) for line in cell.source.splitlines()):
            problems.append(f"cell {number} has a command of IPython, which a plain script cannot run")
            continue
        defined = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        names = [node.name for node in ast.walk(ast.parse(cell.source)) if isinstance(node, defined)]
        # What an example shows may be a function of one's own.
        names = [] if source.parent.name == "examples" else names
        problems += [f"cell {number} defines {name}; that belongs into lib" for name in names]
    schema = read_parameters(source)
    problems += [f"the parameter {name} has no comment" for name in schema if not schema[name].comment]
    if "out" not in schema or schema["out"].default != "":
        # Empty means reports/scratch/<study>: a run by hand never touches a published report.
        problems.append('there is no parameter out: str = ""')
    return problems


def differences(source: Path) -> list[str]:
    """Say where a notebook and its generated twin differ."""
    twin = source.with_suffix(".ipynb")
    if not twin.exists():
        return ["there is no .ipynb; run make pair"]
    ours, theirs = jupytext.read(source), nbformat.read(twin, as_version=4)
    problems = [f"cell {n} of the .ipynb has outputs" for n, cell in enumerate(theirs.cells) if cell.get("outputs")]

    def content(book: nbformat.NotebookNode) -> list[tuple[str, str, list[str]]]:
        return [(cell.cell_type, cell.source, list(cell.metadata.get("tags", []))) for cell in book.cells]

    if content(ours) != content(theirs) or ours.metadata.get("kernelspec") != theirs.metadata.get("kernelspec"):
        problems.append("the .ipynb differs; run make pair")
    return problems


def test_there_are_notebooks_and_runs():
    assert SOURCES and PARAMS


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_keeps_the_house_rules(source):
    assert broken_rules(source) == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_and_its_twin_agree(source):
    assert differences(source) == []


def test_no_twin_is_without_its_source():
    twins = [path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts]
    assert [twin for twin in twins if not twin.with_suffix(".py").exists()] == []


@pytest.mark.parametrize("path", PARAMS, ids=lambda path: path.relative_to(ROOT / "params").as_posix())
def test_a_params_file_fits_its_notebook(path):
    values = read_params_file(path)
    check_parameters(read_parameters(ROOT / "notebooks" / f"{path.parent.name}.py"), values)
    assert "out" not in values, "the runner decides where a report goes"
    assert {"models", "networks", "model", "seeds"} & values.keys(), "every run names its nets; nothing is inferred"


GOOD = """\
# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A question?

# %% tags=["parameters"]
n: int = 1  # a number
out: str = ""  # folder of the results

# %%
print(n)
"""


@pytest.fixture
def write(tmp_path):
    def to_file(text: str) -> Path:
        path = tmp_path / "09_good.py"
        path.write_text(text)
        return path

    return to_file


def test_the_rules_accept_a_good_notebook(write):
    assert broken_rules(write(GOOD)) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("print(n)", "def f():\n    return n", "cell 2 defines f"),
        ("print(n)", "if n:\n    class A:\n        pass", "cell 2 defines A"),
        ("print(n)", "print(n)\n" * 16, "cell 2 has 16 lines"),
        ("print(n)", "# !ls", "command of IPython"),
        ("  # a number", "", "the parameter n has no comment"),
        ('out: str = ""', 'out: str = "reports/paper"', "there is no parameter out"),
        ("name: python3", "name: julia", "no kernelspec"),
        ("# # A question?", "# A question?", "the first cell is not a title"),
    ],
)
def test_the_rules_notice(write, old, new, problem):
    assert old in GOOD
    assert any(problem in found for found in broken_rules(write(GOOD.replace(old, new))))


def test_the_comparison_notices(write):
    source = write(GOOD)
    assert differences(source) == ["there is no .ipynb; run make pair"]
    twin = source.with_suffix(".ipynb")
    jupytext.write(jupytext.read(source), twin)
    assert differences(source) == []

    book = nbformat.read(twin, as_version=4)
    book.cells[2].outputs = [nbformat.v4.new_output("stream", text="1")]
    nbformat.write(book, twin)
    assert differences(source) == ["cell 2 of the .ipynb has outputs"]

    write(GOOD.replace("n: int = 1", "n: int = 2"))
    assert "the .ipynb differs; run make pair" in differences(source)
