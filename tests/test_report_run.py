"""The runner: a whole report or the old one, one sentence for every failure, the right exit code."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import papermill
import pytest

from lib.errors import StudyError
from lib.report import __main__ as command_line
from lib.report import plan, watch

ROOT = Path(__file__).parents[1]
STUDY = "01_tiny"
NOTEBOOK = """\
# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Is one part more than none?
#
# A study that takes no time.

# %% tags=["parameters"]
n: int = 1  # number of parts
event: str = ""  # what goes wrong
models: list[str] = []  # trained nets
out: str = ""  # folder of the results

# %%
import json
import os
import time
from pathlib import Path

from lib.errors import StudyError

# %%
print("dividing by", n)
part = 1 / n
progress = Path(os.environ.get("SALIENCY_PROGRESS", os.devnull))
if event == "slow":
    _ = progress.write_text("counting: 1/2, 9 s left")
    time.sleep(9)
if event == "short":
    _ = progress.write_text("counting: 2/2, 0 s left")
    time.sleep(0.5)
if event == "death":
    os._exit(1)
if event == "refusal":
    raise StudyError("The net is missing; train it.")

# %%
# As lib.study.Study("01_tiny", globals()) does it.
out = out or "reports/scratch/01_tiny"
preset, variant = os.environ.get("SALIENCY_PRESET"), os.environ.get("SALIENCY_VARIANT")
results = {"study": "01_tiny", "preset": preset or "scratch", "variant": variant or "01_tiny"}
results |= {"title": "Is it?", "params": {"n": n}, "claims": [], "key": "k", "digest": "d"}
if event != "unsaved":
    Path(out).mkdir(parents=True, exist_ok=True)
    _ = Path(out, "results.json").write_text(json.dumps(results))
    _ = Path(out, "run.json").write_text(json.dumps({"seconds": 1.0}))
"""


class Project:
    """A clone with one tiny study."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.report = root / "reports" / "quick" / STUDY / "a"
        (root / "notebooks").mkdir(parents=True)
        (root / "notebooks" / f"{STUDY}.py").write_text(NOTEBOOK)

    def params(self, text: str, variant: str = "a") -> str:
        path = self.root / "params" / "quick" / STUDY / f"{variant}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return str(path)

    def do(self, *arguments: str) -> int:
        return command_line.main(arguments, root=self.root)

    def temporary_folders(self) -> list[Path]:
        return [path for path in self.root.rglob("reports/**/.*")]


@pytest.fixture
def project(tmp_path, monkeypatch) -> Project:
    monkeypatch.setenv("SALIENCY_CACHE", str(tmp_path / ".cache"))
    monkeypatch.setattr(command_line, "check_study", lambda run: None)
    return Project(tmp_path / "clone")


def test_a_run_publishes_a_whole_report_twice_the_same(project, capfd):
    params = project.params("n: 2")
    assert project.do("run", params) == 0
    assert {path.name for path in project.report.iterdir()} == {"index.html", "results.json", "run.json"}
    assert not project.temporary_folders()
    first = (project.report / "index.html").read_bytes()
    assert b"Is one part more than none?" in first
    # Neither this machine's folders nor the temporary one are a reader's business.
    assert str(project.root).encode() not in first and b"tmp-" not in first
    results = json.loads((project.report / "results.json").read_text())
    assert (results["preset"], results["variant"], results["params"]) == ("quick", "a", {"n": 2})
    assert capfd.readouterr().err.splitlines()[0] == f"[{STUDY}/a] started"
    assert project.do("run", params) == 0
    assert (project.report / "index.html").read_bytes() == first


def test_a_failure_keeps_the_older_report_and_a_success_clears_it(project, capfd):
    project.do("run", project.params("n: 2"))
    good = (project.report / "index.html").read_bytes()
    capfd.readouterr()

    assert project.do("run", project.params("n: 0")) == 1
    assert (project.report / "index.html").read_bytes() == good
    assert "ZeroDivisionError" in (project.report / "failed.html").read_text()
    log = (project.report / "run.log").read_text()
    assert "dividing by 0" in log and "ZeroDivisionError" in log and "\x1b" not in log
    assert not project.temporary_folders()
    said = capfd.readouterr().err.splitlines()
    assert said[-1] == (
        f"{STUDY}/a failed: ZeroDivisionError: division by zero. See reports/quick/{STUDY}/a/failed.html."
    )
    assert len(said) == 2

    assert project.do("run", project.params("n: 2")) == 0
    assert {path.name for path in project.report.iterdir()} == {"index.html", "results.json", "run.json"}


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        ("refusal", "failed: The net is missing; train it. See"),
        ("death", "failed: The notebook's process was killed, most often because the memory was used up. See"),
        ("unsaved", "failed: The notebook has written no results.json; its last cell must be study.save(). See"),
    ],
)
def test_every_failure_is_one_sentence(project, capfd, event, sentence):
    assert project.do("run", project.params(f"event: {event}")) == 1
    assert {path.name for path in project.report.iterdir()} == {"failed.html", "run.log"}
    said = capfd.readouterr().err.splitlines()
    assert sentence in said[-1] and len(said) == 2


@pytest.mark.parametrize(
    ("text", "settings", "part"),
    [
        ("m: 2", [], "There is no parameter 'm'"),
        ("n: 1e3", [], "write 1000"),
        ("n: [1", [], "not valid YAML"),
        ("out: here", [], "leave the parameter out away"),
        ("n: 2", ["--set", "n=two"], "is text, not int"),
        ("n: 2", ["--set", "n"], "write name=value"),
    ],
)
def test_bad_parameters_are_one_sentence_before_anything_happens(project, capfd, text, settings, part):
    assert project.do("run", project.params(text), *settings) == 2
    said = capfd.readouterr().err
    assert part in said and said.count("\n") == 1
    assert not (project.root / "reports").exists()


def test_files_outside_a_study_are_refused(project, capfd):
    assert project.do("run", "nowhere.yml") == 2
    assert "nowhere.yml cannot be read" in capfd.readouterr().err
    (project.root / "loose.yml").write_text("n: 2")
    assert project.do("run", str(project.root / "loose.yml")) == 2
    assert f"the study being one of: {STUDY}." in capfd.readouterr().err


def test_a_study_may_refuse_before_anything_happens(project, capfd, monkeypatch):
    def refuse(run: plan.Run) -> None:
        raise StudyError(f"{run.params['models']} cannot be used.")

    monkeypatch.setattr(command_line, "check_study", refuse)
    assert project.do("run", project.params("models: [x]")) == 2
    assert capfd.readouterr().err == "['x'] cannot be used.\n"
    assert not (project.root / "reports").exists()


def test_settings_send_the_report_to_scratch(project):
    assert project.do("run", project.params("n: 2"), "--set", "n=3") == 0
    results = json.loads((project.root / "reports" / "scratch" / STUDY / "a" / "results.json").read_text())
    assert (results["preset"], results["params"]) == ("scratch", {"n": 3})
    assert not project.report.exists()


def test_progress_is_shown_while_the_kernel_works(project, capfd, monkeypatch):
    monkeypatch.setattr(watch, "SECONDS_IN_A_FILE", 0.05)
    assert project.do("run", project.params("event: short")) == 0
    said = capfd.readouterr().err.splitlines()
    assert said.count(f"[{STUDY}/a] counting: 2/2, 0 s left") == 1
    assert "SALIENCY_PROGRESS" not in os.environ


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_leaves_the_old_report_and_nothing_the_next_one_keeps(project, number):
    project.do("run", project.params("n: 2"))
    good = (project.report / "index.html").read_bytes()
    script = (
        "import sys; from pathlib import Path; import lib.report.__main__ as m; import signal;"
        "m.check_study = lambda run: None; signal.signal(signal.SIGTERM, m._on_terminate);"
        f"sys.exit(m.main(['run', {project.params('event: slow')!r}], root=Path({str(project.root)!r})))"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    progress = Path(os.environ["SALIENCY_CACHE"]) / "progress" / "quick" / STUDY / "a.txt"
    wait_for(progress.exists)
    process.send_signal(number)
    assert process.wait(timeout=30) == (130 if number == signal.SIGTERM else -number)
    assert {path.name for path in project.report.iterdir()} == {"index.html", "results.json", "run.json"}
    assert (project.report / "index.html").read_bytes() == good
    assert len(project.temporary_folders()) == (number == signal.SIGKILL)
    plan.tidy(project.report.parent)
    assert not project.temporary_folders()


def wait_for(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_tidying_spares_the_living_and_restores_a_report_set_aside(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    host = socket.gethostname()
    living = [f".a.tmp-{host}-{os.getpid()}", f".a.old-{os.getpid()}", f".a.tmp-elsewhere-{dead.pid}", ".keep"]
    gone = [f".a.tmp-{host}-{dead.pid}", f".b.v2.tmp-{dead.pid}", f".a.old-{dead.pid}"]
    for name in [*living, *gone, "a", f".lost.old-{dead.pid}", f".yesterday.tmp-elsewhere-{dead.pid}"]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(name)
    os.utime(tmp_path / f".yesterday.tmp-elsewhere-{dead.pid}", (0, 0))
    plan.tidy(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*living, "a", "lost"}
    assert (tmp_path / "a" / "index.html").read_text() == "a"
    plan.tidy(tmp_path / "absent")


def test_scores_are_computed_without_jupyter(project, tmp_path, monkeypatch, capfd):
    for name in ("SALIENCY_PRESET", "SALIENCY_VARIANT", "MPLBACKEND"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(sys, "path", list(sys.path))
    params = project.params("n: 2")
    assert project.do("scores", params, "--set", f"out={tmp_path / 'here'}", "--set", "n=4") == 0
    assert json.loads((tmp_path / "here" / "results.json").read_text())["params"] == {"n": 4}
    assert capfd.readouterr().out.splitlines()[-1] == f"Scores: {tmp_path / 'here'}"
    assert project.do("scores", params) == 0
    folder = Path(capfd.readouterr().out.splitlines()[-1].removeprefix("Scores: "))
    assert json.loads((folder / "results.json").read_text())["preset"] == "quick"
    shutil.rmtree(folder)
    assert project.do("scores", project.params("event: refusal")) == 1
    assert capfd.readouterr().err == f"{STUDY}/a failed: The net is missing; train it.\n"
    assert project.do("scores", project.params("m: 2")) == 2
    assert not (project.root / "reports").exists()


def test_a_notebook_run_by_hand_is_rendered_where_its_results_are(project, tmp_path, capfd):
    book, executed = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
    subprocess.run([sys.executable, "-m", "jupytext", "--quiet", "--to", "ipynb", "-o", book,
                    project.root / "notebooks" / f"{STUDY}.py"], check=True)  # fmt: skip
    folder = project.root / "reports" / "scratch" / STUDY
    papermill.execute_notebook(book, executed, {"n": 5}, cwd=project.root, progress_bar=False)
    assert project.do("render", str(executed)) == 0
    assert "Is one part more than none?" in (folder / "index.html").read_text()

    (folder / "results.json").unlink()
    assert project.do("render", str(executed)) == 2
    assert "run the notebook to its last cell" in capfd.readouterr().err
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "empty.ipynb")
    assert project.do("render", str(tmp_path / "empty.ipynb")) == 2
    assert project.do("render", str(project.root / "notebooks" / f"{STUDY}.py")) == 2
    assert "is not a notebook that can be read" in capfd.readouterr().err


FAKES = {
    # What the Snakefile calls, without the seconds that kernels and torch take.
    "study.py": "def check(study, values): pass",
    "training.py": """
from pathlib import Path
def train_named(name):
    Path("trained").mkdir(exist_ok=True)
    Path("trained", name).touch()
""",
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
def clone(project, monkeypatch) -> Project:
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
