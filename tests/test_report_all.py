"""Make all reports of a preset: what is out of date and nothing else, one call at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytest_plugins = ["tiny_clone"]
STUDY = "01_tiny"
FAKES = {
    # What the Snakefile calls, without the seconds that kernels and torch take.
    "study.py": "def check(study, values): pass",
    "training.py": """
from pathlib import Path
from types import SimpleNamespace
def read_recipe(name):
    return SimpleNamespace(dataset="mnist-5k")
def train_named(name):
    Path("trained").mkdir(exist_ok=True)
    Path("trained", name).touch()
""",
    "published.py": "def needed(name, preset, root): return True",
    "report/run.py": """
from pathlib import Path
class RunFailed(Exception): pass
def run_study(run):
    assert all(Path("trained", name).exists() for name in run.params["models"])
    run.report.mkdir(parents=True, exist_ok=True)
    failed = run.report / "failed.html"
    failed.unlink(missing_ok=True)
    if run.params["n"] == 0:
        failed.touch()
        raise RunFailed(f"{run.name} failed: division by zero.")
    for name in ("results.json", "run.json"):
        (run.report / name).write_text("{}")
    with (run.report / "index.html").open("a") as file:
        file.write("made\\n")
""",
    "report/index.py": """
def build_index(preset, root):
    index = root / "reports" / preset / "index.html"
    index.write_text("index")
    return index
""",
}


@pytest.fixture
def clone(project, monkeypatch):
    """A project that brings its own copy of the Snakefile and of the library, with quick fakes."""
    shutil.copytree(ROOT / "lib", project.root / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FAKES.items():
        (project.root / "lib" / name).write_text(text)
    shutil.copy(ROOT / "Snakefile", project.root)
    recipe = project.root / "params" / "quick" / "models" / "net.yml"
    recipe.parent.mkdir(parents=True)
    recipe.write_text("seed: 0")
    monkeypatch.setenv("PYTHONPATH", str(project.root))
    return project


def test_all_reports_of_a_preset(clone, capfd):
    def make() -> int:
        command = [sys.executable, "-m", "lib.report", "all", "quick"]
        return subprocess.run(command, cwd=clone.root, check=False).returncode

    def made(variant: str) -> int:
        path = clone.report.with_name(variant) / "index.html"
        return len(path.read_text().splitlines()) if path.exists() else 0

    # A failing run does not keep the others, nor the index, from being made; nets are trained first.
    clone.params("models: [net, net-from-a-package]\nn: 2")
    (clone.root / "trained").mkdir()
    (clone.root / "trained" / "net-from-a-package").touch()
    clone.params("n: 0", variant="b")
    assert make() == 1
    said = capfd.readouterr()
    assert said.out == f"Reports: {clone.root / 'reports' / 'quick' / 'index.html'}\n"
    assert f"{STUDY}/b failed: division by zero.\n" in said.err
    assert f"Failed: {STUDY}/b, see reports/quick/{STUDY}/b/failed.html\n" in said.err
    assert (clone.root / "reports" / "quick" / "index.html").exists()
    assert (made("a"), made("b")) == (1, 0)

    # Only what failed runs again.
    clone.params("n: 3", variant="b")
    assert make() == 0
    assert (made("a"), made("b")) == (1, 1)

    # Nothing has changed: nothing is done, and soon.
    capfd.readouterr()
    started = time.monotonic()
    assert make() == 0
    assert time.monotonic() - started < 20
    assert (made("a"), made("b")) == (1, 1)
    assert capfd.readouterr().err == ""

    # A report that was deleted, a library that was edited.
    shutil.rmtree(clone.report)
    assert make() == 0
    assert (made("a"), made("b")) == (1, 1)
    with (clone.root / "lib" / "errors.py").open("a") as file:
        file.write("# edited\n")
    assert make() == 0
    assert (made("a"), made("b")) == (2, 2)


def test_a_node_of_a_cluster_tells_the_stamp_of_a_net_from_that_of_a_run(clone):
    def snakemake(*arguments: str) -> None:
        command = [sys.executable, "-m", "snakemake", "--cores", "1", "--config", "preset=quick", *arguments]
        done = subprocess.run(command, cwd=clone.root, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()

    clone.params("models: [net]")
    snakemake("--", str(Path(os.environ["SALIENCY_CACHE"], "runs", "quick", "models", "net.done")))
    # Snakemake lets a job on another machine know its own rule, and no other.
    job = ["--target-jobs", f"run:study={STUDY},variant=a", "--force", "--allowed-rules", "run"]
    snakemake("--mode", "remote", "--latency-wait", "1", *job)
    assert (clone.report / "index.html").exists()


def test_a_second_call_waits_for_the_first(clone, capfd, tmp_path):
    from lib.report.batch import _only_one

    path = str(tmp_path / "l")
    script = f"from pathlib import Path; from lib.report.batch import _only_one; _only_one(Path({path!r})).__enter__()"
    with _only_one(tmp_path / "l"):
        second = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
        assert second.stderr is not None
        assert second.stderr.readline() == "Reports are being made here already; waiting for that to end.\n"
        assert second.poll() is None
    assert second.wait(timeout=20) == 0


def test_a_preset_that_does_not_exist_is_refused(project, capfd):
    project.params("n: 2")
    assert project.do("all", "papre") == 2
    assert capfd.readouterr().err == "There is no preset 'papre' with runs; choose one of quick.\n"
