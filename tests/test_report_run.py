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

pytest_plugins = ["tiny_clone"]
STUDY = "01_tiny"


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
