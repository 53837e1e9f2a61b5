"""The settings of the project: pinned environment, nothing of the library hidden from git."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
# The folders whose imports the environment must provide; the benchmarks have a list of their own besides.
FOLDERS = ("lib", "notebooks", "tests")
OURS = {"lib", *(path.stem for path in (ROOT / "tests").glob("*.py"))}


def pins() -> list[str]:
    """The pip lines of environment.yml."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (lines,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    return lines


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def git(*arguments: str) -> list[str]:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 128:
        pytest.skip("this is no git checkout, so nothing can be hidden from git")
    return done.stdout.splitlines()


def test_every_dependency_is_pinned_once():
    *lines, last = pins()
    assert last == "-e ."
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line) for line in lines)
    names = [normal(line.split("==")[0]) for line in lines]
    assert len(names) == len(set(names))


def test_make_reads_the_same_list_as_conda():
    recipe = re.search(r"sed -n '(.*)' environment\.yml", (ROOT / "Makefile").read_text())
    assert recipe
    script = recipe[1].replace("$$", "$")
    done = subprocess.run(
        ["sed", "-n", script, "environment.yml"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    listed = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    assert listed == pins()


def test_everything_imported_is_pinned():
    known = {normal(line.split("==")[0]) for line in pins()[:-1]}
    providers = metadata.packages_distributions()
    missing = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for name in sorted(imported(path) - sys.stdlib_module_names - OURS):
                if not known & {normal(provider) for provider in providers.get(name, [])}:
                    missing.setdefault(name, path.relative_to(ROOT).as_posix())
    assert missing == {}, "add these to environment.yml"


def imported(path: Path) -> set[str]:
    """The top-level names a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def test_git_hides_nothing_of_the_library():
    files = [path.relative_to(ROOT).as_posix() for path in (ROOT / "lib").rglob("*") if path.is_file()]
    files = [file for file in files if "__pycache__" not in file]
    assert files
    assert git("check-ignore", *files) == []
    assert "lib/report/run.py" in git("ls-files", "lib")


@pytest.mark.parametrize(
    ("file", "ignored"),
    [
        ("reports/quick/index.html", True),
        ("reports/scratch/01/index.html", True),
        ("reports/paper/index.html", False),
        ("reports/paper/01_x/a/scores.csv.xz", False),
        ("reports/paper/01_x/.a.tmp-host-12/index.html", True),
        (".cache/models/x", True),
        ("data/mnist/x", True),
        ("lib/data.py", False),
    ],
)
def test_git_ignores_what_can_be_made_again_and_keeps_the_paper_reports(file, ignored):
    assert git("check-ignore", "--no-index", file) == ([file] if ignored else [])


def test_every_recipe_has_a_name_of_its_own():
    names = [path.stem for path in (ROOT / "params").glob("*/models/*.yml")]
    assert len(names) == len(set(names))
