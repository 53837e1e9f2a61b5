"""Break a small real run in every way we know, and see whether the next one ends with the same bytes.

A clone of its own, in a folder with a space and letters beyond ASCII, holds a small study with all that the others
have: a net that is trained, scores, maps, a manifest, a report. The undisturbed run is made first. Then the run is
killed at random moments, its cache and its report are damaged, its disk is filled, and two are started at once. Each
time it is run again, and its results, scores, maps, manifest and the net's weights are compared with the undisturbed
ones byte for byte.

    python benchmarks/faults.py          # about 15 minutes of one core; writes benchmarks/faults.md

It is not part of `make bench`, because of its length. Full disks need the right to mount one, and are left out without.
Runs are processes forked from this one, which has loaded its modules already; two of them go the whole way through the
command line and a notebook's own process, as `make reports` does.
"""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lib import artefacts, checks, circumstances, data, stored, study, training
from lib.compute import ROOT
from lib.report import __main__ as command_line
from lib.report import kernel, render, run  # noqa: F401  # loaded once, for all runs

KILLS = 50
WHOLE_KILLS = 2
PAIRS = 5
DISKS = (0, 8, 16, 64, 256)
"""Pages of 4096 bytes that a full disk still takes."""
NAME = "01_small"
NOTEBOOK = """\
# %% [markdown]
# # Does a small run survive?

# %% tags=["parameters"]
models: list[str] = ["mlp-smoke"]  # nets to randomize
methods: list[str] = ["gradient", "random"]  # attribution methods
n_images: int = 2  # test images
out: str = ""  # where results go

# %%
from small_net import Small

from lib import models
from lib.randomization import randomization_maps, randomization_scores
from lib.study import Study

models.ARCHITECTURES["mlp"] = Small
study = Study("01_small", globals())

# %%
scores = study.scores(randomization_scores, methods, draws=1)
maps = study.maps(randomization_maps, methods, 1)
record = study.manifest(["cascade"], "own", "nested")

# %%
study.table(study.accuracies(scores), "Accuracy on images that the net was not trained on.")
study.save()
"""
NET = """\
from torch import nn

from lib.models import MLP


class Small(MLP):
    def __init__(self) -> None:
        super().__init__()
        self.hidden1, self.hidden2 = nn.Linear(28 * 28, 16), nn.Linear(16, 12)
        self.hidden3, self.logits = nn.Linear(12, 8), nn.Linear(8, 10)
"""
"""An `mlp` whose weights are quickly drawn and written."""
SAME = ("results.json", "scores.csv.xz", "maps.npz", "manifest.csv")
"""Files of a report that hold no time of day."""


@dataclass
class Tally:
    """What was tried of one kind of fault, and what did not come out right."""

    fault: str
    tried: int = 0
    wrong: list[str] = field(default_factory=list)

    def note(self, problem: str) -> None:
        """Count one trial, with what went wrong if anything did."""
        self.tried += 1
        if problem:
            self.wrong.append(problem)
            print(f"{self.fault}: {problem}", file=sys.stderr, flush=True)


class Place:
    """A clone with one params file, its cache, and the ways to run it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cache = root / "the cache"
        self.report = root / "reports" / "smoke" / NAME / "small"
        self.params = root / "params" / "smoke" / NAME / "small.yml"
        shutil.copytree(ROOT / "lib", root / "lib", ignore=shutil.ignore_patterns("__pycache__"))
        (root / "notebooks").mkdir()
        (root / "notebooks" / f"{NAME}.py").write_text(NOTEBOOK)
        (root / "small_net.py").write_text(NET)
        sys.path.insert(0, str(root))
        (root / "params" / "smoke" / "models").mkdir(parents=True)
        shutil.copy(ROOT / "params" / "smoke" / "models" / "mlp-smoke.yml", root / "params" / "smoke" / "models")
        self.params.parent.mkdir()
        self.params.write_text("n_images: 2")
        os.environ["SALIENCY_CACHE"] = str(self.cache)
        for module in (checks, circumstances, stored, study, training):
            module.ROOT = root  # type: ignore[attr-defined]
        kernel.execute = execute_here

    def start(self) -> int:
        """Begin a run in a process of its own; returns its number."""
        child = os.fork()
        if child:
            return child
        with (self.root / "said.txt").open("w") as said:
            os.dup2(said.fileno(), 2)
            os.dup2(said.fileno(), 1)
            os._exit(command_line.main(["run", str(self.params)], root=self.root))

    def run(self) -> tuple[int, str]:
        """A run to its end: the exit code, and what it said."""
        code = os.waitstatus_to_exitcode(os.waitpid(self.start(), 0)[1])
        return code, (self.root / "said.txt").read_text()

    def whole(self) -> subprocess.Popen[bytes]:
        """Begin a run as a user does, with a notebook's own process."""
        environment = os.environ | {"PYTHONPATH": str(self.root), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "lib.report", "run", str(self.params)]
        return subprocess.Popen(
            command, cwd=self.root, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip

    def forget(self) -> None:
        """Back to a clone in which nothing was run."""
        shutil.rmtree(self.cache, ignore_errors=True)
        shutil.rmtree(self.root / "reports", ignore_errors=True)

    def bytes(self) -> dict[str, bytes]:
        """What every run must end with: the report, and the weights of the net."""
        found = {name: (self.report / name).read_bytes() for name in SAME}
        return found | {path.name: path.read_bytes() for path in (self.cache / "models").rglob("model.pt")}

    def half(self) -> str:
        """What of a report or an artefact is there in part, and would be taken for the whole."""
        for sums in self.cache.rglob(artefacts.CHECKSUMS):
            with contextlib.redirect_stderr(io.StringIO()):
                if ".tmp-" not in sums.parent.name and not artefacts.intact(sums.parent):
                    return f"{sums.parent} is not whole"
        names = {path.name for path in self.report.iterdir()} if self.report.exists() else set()
        return "" if not names or names >= {*SAME, "index.html", "run.json"} else f"a report with {sorted(names)}"

    def leftovers(self) -> list[str]:
        """What a run should have cleared away behind itself and those before it."""
        places = [self.report.parent, *(self.cache / kind for kind in ("models", "scores", "maps", "manifest"))]
        return [path.name for place in places for path in place.glob(".*")]


def execute_here(book: Any, *, cwd: Path, output: Path, log: Path, environment: dict[str, str]) -> Any:
    """Stand in for a notebook's own process, which takes seconds to start."""
    os.environ.update(environment | {"MPLBACKEND": "agg"})
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in book.cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, "cell", "exec"), names)
    return book


def again(place: Place, expected: dict[str, bytes]) -> str:
    """Run once more; what is wrong with how that ends."""
    code, said = place.run()
    if code:
        return f"exit code {code}: {said.strip()[-300:]}"
    found = place.bytes()
    different = [name for name in expected if found.get(name) != expected[name]]
    if different:
        return f"{different} differ from the undisturbed run's"
    return f"left behind: {left}" if (left := place.leftovers()) else ""


def kills(place: Place, expected: dict[str, bytes], seconds: float) -> Iterator[str]:
    """SIGKILL at random moments; in every second trial an older report lies there, which must not be lost."""
    draw = random.Random(0)
    place.forget()
    place.params.write_text("n_images: 1")
    place.run()
    older, aside = place.bytes(), place.root / "older report"
    place.report.rename(aside)
    place.params.write_text("n_images: 2")
    for number in range(KILLS):
        moment, code = (number + draw.random()) / KILLS, 0
        while code != -signal.SIGKILL:
            place.forget()
            if number % 2:
                shutil.copytree(aside, place.report)
            child = place.start()
            time.sleep(seconds * moment)
            os.kill(child, signal.SIGKILL)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            # One that had ended before the moment came is tried again.
            seconds *= 1.0 if code else 0.8
        problem = place.half()
        if number % 2 and not place.report.exists():
            # Between two renames the older report lies beside its place, from where the next run takes it back.
            problem = problem or ("" if list(place.report.parent.glob(".small.old-*")) else "the older report is lost")
        elif number % 2 and not problem:
            known = (older["results.json"], expected["results.json"])
            problem = "" if (place.report / "results.json").read_bytes() in known else "the older report has changed"
        yield problem or again(place, expected)


def whole_kills(place: Place, expected: dict[str, bytes]) -> Iterator[str]:
    """SIGKILL to the command line alone, or with its notebook's process, at moments spread over a run."""
    place.forget()
    started = time.monotonic()
    if place.whole().wait():
        raise SystemExit("The undisturbed run through the command line fails.")
    seconds = time.monotonic() - started
    for number in range(WHOLE_KILLS):
        place.forget()
        process = place.whole()
        time.sleep(seconds * (number + 0.5) / WHOLE_KILLS)
        process.kill() if number % 2 else os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        yield place.half() or again(place, expected)


def flipped(content: bytes) -> bytes:
    """The same bytes, but for one bit in the middle."""
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def to_folder(path: Path) -> None:
    """Put a folder where a file was."""
    path.unlink()
    (path / "inside").mkdir(parents=True)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut in half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "middle bit flipped": lambda path: path.write_bytes(flipped(path.read_bytes())),
    "emptied": lambda path: path.write_bytes(b""),
    "deleted": Path.unlink,
    "a folder in its place": to_folder,
    "another file's content": lambda path: path.write_bytes((path.parent / artefacts.CHECKSUMS).read_bytes() + b"\n"),
}


def damages(place: Place, expected: dict[str, bytes]) -> Iterator[str]:
    """Every file of every artefact in the cache, damaged in every way, without a report that could stand in for it."""
    again(place, expected)
    shutil.rmtree(place.root / "reports")
    whole = place.root / "cache aside"
    shutil.copytree(place.cache, whole)
    files = sorted(path for kind in ("models", "scores", "maps", "manifest") for path in (whole / kind).glob("*/*"))
    for path in files:
        for name, damage in DAMAGES.items():
            shutil.rmtree(place.cache)
            shutil.rmtree(place.root / "reports", ignore_errors=True)
            shutil.copytree(whole, place.cache)
            damage(place.cache / path.relative_to(whole))
            problem = again(place, expected)
            yield f"{path.relative_to(whole)}, {name}: {problem}" if problem else ""
    shutil.rmtree(whole)


def report_damages(place: Place, expected: dict[str, bytes]) -> Iterator[str]:
    """Every file of the published report, damaged in every way, with an empty cache."""
    place.forget()
    again(place, expected)
    whole = place.root / "report aside"
    shutil.copytree(place.report, whole)
    for name in (*SAME, "run.json", "index.html"):
        for damage in ("cut in half", "middle bit flipped", "a folder in its place"):
            place.forget()
            shutil.copytree(whole, place.report)
            DAMAGES[damage](place.report / name)
            problem = again(place, {each: expected[each] for each in SAME})
            yield f"{name}, {damage}: {problem}" if problem else ""
    shutil.rmtree(whole)


def full_disks(place: Place, expected: dict[str, bytes]) -> Iterator[str]:
    """A disk for the cache, or for the reports, that fills during the run; then it is freed."""
    for folder in (place.cache, place.root / "reports"):
        for pages in DISKS:
            place.forget()
            folder.mkdir()
            mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)]
            if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
                return
            try:
                ballast = folder / "ballast"
                disk = os.statvfs(folder)
                with ballast.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_bsize - pages * 4096)
                code, said = place.run()
                last = (said.strip().splitlines() or [""])[-1]
                problem = "" if code == 0 or (code in (1, 2) and "No space left" in last) else f"{code}: {last}"
                ballast.unlink()
                problem = problem or again(place, expected)
            finally:
                subprocess.run(["umount", str(folder)], check=True)
            yield f"{folder.name}, {pages} pages: {problem}" if problem else ""


def pairs(place: Place, expected: dict[str, bytes]) -> Iterator[str]:
    """Two runs of the same params file at once."""
    draw = random.Random(1)
    for _ in range(PAIRS):
        place.forget()
        first = place.start()
        time.sleep(draw.random())
        second = place.start()
        codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in (first, second)]
        yield f"exit codes {codes}" if any(codes) else again(place, expected)


def main() -> None:
    """Make all trials, and write the table."""
    data.load("mnist-5k")
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder) / "a clône of mine")
        place.run()  # what the first use of a module writes, e.g. a cache of fonts
        place.forget()
        started = time.monotonic()
        code, said = place.run()
        seconds = time.monotonic() - started
        if code:
            raise SystemExit(said)
        expected = place.bytes()
        trials = {
            "SIGKILL at a random moment": kills(place, expected, seconds),
            "two runs at once": pairs(place, expected),
            "a disk that fills, for the cache or the reports": full_disks(place, expected),
            "a damaged file of the report": report_damages(place, expected),
            "a damaged file of the cache": damages(place, expected),
            "SIGKILL of the command line, with or without its notebook's process": whole_kills(place, expected),
        }
        tallies = []
        for fault, each in trials.items():
            tallies.append(Tally(fault))
            for problem in each:
                tallies[-1].note(problem)
            print(f"{fault}: {tallies[-1].tried} tried, {len(tallies[-1].wrong)} wrong", file=sys.stderr, flush=True)
            (ROOT / "benchmarks" / "faults.md").write_text(table(tallies))
    print(table(tallies))


def table(tallies: list[Tally]) -> str:
    """What is told of the trials."""
    rows = [f"| {each.fault} | {each.tried} | {each.tried - len(each.wrong)} |" for each in tallies]
    wrong = [f"- {each.fault}: {problem}" for each in tallies for problem in each.wrong]
    return "\n".join([HEAD, *rows, *(["", *wrong] if wrong else [])]) + "\n"


HEAD = """\
# Faults

Written by `benchmarks/faults.py`. A small run (train a net, compute scores and maps, render, publish) in a folder
with a space and letters beyond ASCII is disturbed. *Survived*: nothing half-written was taken for the whole, no older
report was lost, and the next run ended with results, scores, maps, manifest and weights equal to those of an
undisturbed run byte for byte, and left nothing behind.

| fault | tried | survived |
|---|---|---|"""


if __name__ == "__main__":
    main()
