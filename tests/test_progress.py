"""One line of progress: where it goes, how often, and what it says."""

from __future__ import annotations

import io
import sys

import pytest

from lib import progress
from lib.progress import Progress, duration


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr(progress.time, "monotonic", lambda: Clock.now)
    return Clock


@pytest.fixture
def line(tmp_path, monkeypatch):
    path = tmp_path / "progress.txt"
    monkeypatch.setenv("SALIENCY_PROGRESS", str(path))
    return path


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (12.3, "12 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (7500, "2 h 05 min"),
        (90_000, "25 h 00 min"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_the_line_says_how_long_the_rest_takes(clock, line):
    work = Progress("cascade", 10)
    clock.now += 30
    work.step("draw 1/2, conv1", units=3)
    # 10 seconds a unit so far, 7 units to go.
    assert line.read_text() == "cascade: draw 1/2, conv1, 3/10, 1 min 10 s left"
    clock.now += 10
    work.step()
    assert line.read_text() == "cascade: 4/10, 1 min 00 s left"


def test_at_most_one_line_a_second_but_always_the_last(clock, line):
    work = Progress("training", 4)
    work.step("a")
    assert "1/4" in line.read_text()
    clock.now += 0.5
    work.step("b")
    assert "1/4" in line.read_text()
    clock.now += 0.6
    work.step("c")
    assert "3/4" in line.read_text()
    work.step("d")
    assert line.read_text() == "training: d, 4/4, 0 s left"


def test_the_file_is_replaced_as_a_whole(clock, line):
    Progress("one", 1).step()
    with line.open() as reader:
        Progress("another", 1).step()
        # Who opened the old line reads it to the end.
        assert reader.read() == "one: 1/1, 0 s left"
    assert line.read_text() == "another: 1/1, 0 s left"
    assert [path.name for path in line.parent.iterdir()] == [line.name]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_shows_one_line_that_is_written_over(clock, monkeypatch):
    monkeypatch.delenv("SALIENCY_PROGRESS", raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    work = Progress("training", 2)
    work.step()
    clock.now += 2
    work.step()
    assert terminal.getvalue() == "\r\033[Ktraining: 1/2, 0 s left\r\033[Ktraining: 2/2, 0 s left\n"


class Handle:
    """Stands for the place in a cell's output that Jupyter lets one change."""

    def __init__(self):
        self.shown = []

    def update(self, data, raw):
        assert raw
        self.shown.append(data)


def test_jupyter_shows_a_bar_while_it_takes_long(clock, monkeypatch):
    monkeypatch.delenv("SALIENCY_PROGRESS", raising=False)
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    handle = Handle()
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: handle)
    work = Progress("cascade", 4)
    clock.now += 1.5
    work.step()
    assert not handle.shown, "what is over soon has no bar"
    clock.now += 1.5
    work.step("draw <1>")
    line = "cascade: draw <1>, 2/4, 3 s left"
    bar = '<progress value="2" max="4"></progress> cascade: draw &lt;1&gt;, 2/4, 3 s left'
    assert handle.shown == [{"text/plain": line, "text/html": bar}]
    work.step()
    work.step()
    assert handle.shown[1:] == [{}], "it is gone at the end"


def test_jupyter_shows_no_bar_while_the_runner_watches(clock, line, monkeypatch):
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    clock.now += 9
    Progress("cascade", 1).step()
    assert line.read_text() == "cascade: 1/1, 0 s left"


def test_nothing_is_shown_where_nobody_looks(clock, monkeypatch, capfd):
    monkeypatch.delenv("SALIENCY_PROGRESS", raising=False)
    Progress("training", 1).step()
    assert capfd.readouterr() == ("", "")
