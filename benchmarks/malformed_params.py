"""Hand every study params files with one mistake each, and see whether a sentence comes before any computing.

The mistakes are made by rule from the notebooks' own parameters and the smallest params file of each study: every
parameter gets values of wrong types, numbers that no count can be, words that nothing is called, and a name with a slip
of the pen; every study gets files that are damaged as files. All go through the command line in this process, where
whatever trains or computes fails the trial; ten go the whole way, in a process of their own.

    python benchmarks/malformed_params.py    # about ten minutes of one core; writes benchmarks/malformed_params.md
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lib import artefacts, stored, training
from lib.compute import ROOT
from lib.parameters import Parameter, read_parameters, read_params_file
from lib.report import __main__ as command_line

WHOLE = 10
PLACES = ("data_dir", "out")
"""Parameters that hold any path."""
ONE_FOR_EACH = ("weights", "permuted", "again")
"""Parameters that may say a word twice, once for each net."""
OF_ANY_KIND = {"nothing": None, "a mapping": {"a": 1}, "a list of lists": [[1], [2]]}
OF_KIND: dict[str, dict[str, Any]] = {
    "int": {"a word": "many", "a fraction": 2.5, "a truth value": True, "a list": [1], "a number as text": "5"},
    "float": {"a word": "few", "a list": [0.5], "not a number": float("nan"), "no end": float("inf")},
    "bool": {"a word": "maybe", "a number": 1},
    "str": {"a number": 3, "a list": ["a"], "a truth value": False},
    "list[str]": {"no list": "gradient", "a number in it": ["gradient", 3], "nothing in it": [None]},
    "list[int]": {"no list": 3, "a word in it": [1, "two"], "a fraction in it": [1.5]},
    "list[float]": {"no list": 0.5, "a word in it": [0.1, "much"], "not a number in it": [float("nan")]},
}
"""Values of wrong types, which no parameter of a kind may have."""
OUT_OF_RANGE: dict[str, dict[str, Any]] = {
    "int": {"below zero": -1, "beyond all data": 10**9},
    "float": {"below zero": -0.5},
    "list[int]": {"below zero in it": [-1]},
    "list[float]": {"below zero in it": [-1.0]},
    "list[str]": {"an unknown word": ["gradiant"], "the same twice": None, "markup": ["<b>gradient</b>"]},
    "str": {"an unknown word": "nowhere/at/all"},
}
"""Values of the right type that mean nothing; *the same twice* is made of the parameter's own first word."""
FILES: dict[str, bytes] = {
    "not text": b"\xff\xfe\x00\x01",
    "brackets without end": b"n_images: [",
    "a thousand brackets": b"n_images: " + b"[" * 1000,
    "a tab": b"n_images:\n\t- 1",
    "a control character": b"n_images: 4\x00",
    "a list": b"- n_images\n",
    "a word": b"n_images",
    "a number": b"4",
    "an object of Python": b"n_images: !!python/object/apply:os.system ['true']",
    "an alias without anchor": b"n_images: *four",
    "a mapping that holds itself": b"&a {n_images: *a}",
    "a key that is no text": b"4: n_images",
    "a list as key": b"? [a, b]\n: 4",
    "a date that is none": b"n_images: 2024-13-45",
    "two documents": b"n_images: 4\n---\nn_images: 5\n",
    "a number of ten thousand digits": b"n_images: " + b"9" * 10_000,
}


@dataclass(frozen=True)
class Mistake:
    """One malformed params file: the study, what is wrong in words, of what sort that is, and the file."""

    study: str
    words: str
    sort: str
    content: bytes


class Computed(BaseException):
    """Something was about to be trained or computed."""


def studies() -> list[str]:
    """The names of all studies."""
    return sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.py"))


def mistakes(study: str) -> Iterator[Mistake]:
    """All malformed params files of a study."""
    schema = read_parameters(ROOT / "notebooks" / f"{study}.py")
    smallest = min((ROOT / "params" / "smoke" / study).glob("*.yml"), key=lambda path: path.stat().st_size)
    good = read_params_file(smallest)
    for words, content in FILES.items():
        yield Mistake(study, words, "damaged as a file", content)
    first = next(iter(schema))
    twice = yaml.safe_dump({first: good.get(first, schema[first].default)}).encode() * 2
    yield Mistake(study, "a parameter twice", "damaged as a file", twice)
    for parameter in schema.values():
        name = parameter.name
        slip = {each: value for each, value in good.items() if each != name} | {f"{name}x": parameter.default}
        yield Mistake(study, f"{name}x for {name}", "an unknown name", _file(slip))
        for words, value in {**OF_ANY_KIND, **OF_KIND[parameter.annotation]}.items():
            yield Mistake(study, f"{name}: {words}", "a wrong type", _file(good | {name: value}))
        if name not in PLACES:
            for words, value in OUT_OF_RANGE.get(parameter.annotation, {}).items():
                meant = _twice(parameter, good) if words == "the same twice" else value
                if meant and (name.endswith("images") or words != "beyond all data"):
                    yield Mistake(study, f"{name}: {words}", "a value without sense", _file(good | {name: meant}))


def _twice(parameter: Parameter, good: dict[str, Any]) -> list[str]:
    if parameter.name in ONE_FOR_EACH:
        return []
    words = good.get(parameter.name, parameter.default)
    return [*words, words[0]] if words else []


def _file(values: dict[str, Any]) -> bytes:
    return yaml.safe_dump(values, allow_unicode=True).encode()


def tried(mistake: Mistake, folder: Path) -> str:
    """What is wrong with how the command line takes a params file; empty if it refuses it as it should."""
    path = folder / "params" / "smoke" / mistake.study / "bad.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(mistake.content)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            code = command_line.main(["scores", str(path)], root=ROOT)
    except Computed as computed:
        return f"computing began: {computed}"
    except Exception as error:  # whatever comes through is a finding
        return f"{type(error).__name__} came through: {error}"
    return judged(code, said.getvalue())


def judged(code: int, said: str) -> str:
    """What is wrong with an exit code and what was said; empty for a refusal in one sentence."""
    lines = said.strip().splitlines()
    if code == 0:
        return "accepted"
    if len(lines) != 1 or not lines[0].endswith((".", "!", "?")) or "Traceback" in said:
        return f"not one sentence, but: {said.strip()[-300:]}"
    return "" if len(lines[0]) < 1000 else f"a sentence of {len(lines[0])} letters"


@contextlib.contextmanager
def nothing_computed() -> Iterator[None]:
    """Let whatever trains or computes raise `Computed`."""

    def begun(kind: str, *_args: Any, **_kwargs: Any) -> Any:
        raise Computed(kind)

    before = artefacts.artefact, training.train, stored.Stored._published
    artefacts.artefact, training.train = begun, begun  # type: ignore[assignment]
    stored.Stored._published = lambda *_: None  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        artefacts.artefact, training.train, stored.Stored._published = before  # type: ignore[method-assign]


def whole_way(mistake: Mistake, folder: Path) -> str:
    """The same in a process of its own, as a user calls it."""
    path = folder / "params" / "smoke" / mistake.study / "bad.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(mistake.content)
    command = [sys.executable, "-m", "lib.report", "run", str(path)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    return judged(done.returncode, done.stderr) or ("" if done.returncode == 2 else f"exit code {done.returncode}")


def main() -> None:
    """Make all trials, and write the table."""
    every = [each for study in studies() for each in mistakes(study)]
    counts: Counter[tuple[str, str]] = Counter()
    wrong: list[tuple[Mistake, str]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with nothing_computed():
            for each in every:
                counts[each.study, each.sort] += 1
                if problem := tried(each, folder):
                    wrong.append((each, problem))
                    print(f"{each.study}, {each.words}: {problem}", file=sys.stderr, flush=True)
        for each in every[:: len(every) // WHOLE][:WHOLE]:
            counts["the whole way", "a process of its own"] += 1
            if problem := whole_way(each, folder):
                wrong.append((Mistake("the whole way", each.words, "a process of its own", b""), problem))
    missed = Counter((each.study, each.sort) for each, _ in wrong)
    rows = [f"| {study} | {sort} | {n} | {n - missed[study, sort]} |" for (study, sort), n in counts.items()]
    total = f"| **all** | | {sum(counts.values())} | {sum(counts.values()) - len(wrong)} |"
    rest = [f"- {each.study}, {each.words}: {problem}" for each, problem in wrong]
    text = "\n".join([HEAD, *rows, total, *(["", "Not refused, or not in one sentence:", "", *rest] if rest else [])])
    (ROOT / "benchmarks" / "malformed_params.md").write_text(text + "\n")
    print(text)


HEAD = """\
# Malformed params files

Written by `benchmarks/malformed_params.py`. *Refused*: an exit code that is not 0 and one sentence, before anything was
trained or computed.

| study | mistake | tried | refused |
|---|---|---|---|"""


if __name__ == "__main__":
    main()
