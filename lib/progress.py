"""How far a long computation is, for whoever waits: a line on the terminal, a bar in Jupyter."""

from __future__ import annotations

import contextlib
import html
import os
import sys
import time
from pathlib import Path
from typing import Any

from lib.circumstances import in_notebook

AT_ONCE = 2.0
"""Seconds that a computation in Jupyter may take without a bar."""


class Progress:
    """Counts the units of a long computation and says how long the rest will take.

    The line goes to the file named by the environment variable ``SALIENCY_PROGRESS`` (the runner shows it on
    the terminal while the notebook's own output is being captured), else to the terminal, else nowhere. In Jupyter it
    stands beside a bar, which is gone when the work is done.

    Parameters
    ----------
    label : what is being done, e.g. ``"cascade"``.
    total : number of units of work.
    """

    def __init__(self, label: str, total: int) -> None:
        self.label = label
        self.total = total
        self.done = 0
        self.started = time.monotonic()
        self.shown = 0.0
        self.bar: Any = None

    def step(self, what: str = "", units: int = 1) -> None:
        """Note that ``units`` more are done; ``what`` names the stage, e.g. ``"draw 2/3, step 4/4"``."""
        self.done += units
        now = time.monotonic()
        if now - self.shown < 1.0 and self.done < self.total:
            return
        self.shown = now
        left = (now - self.started) / self.done * (self.total - self.done)
        line = f"{self.label}: {what + ', ' if what else ''}{self.done}/{self.total}, {duration(left)} left"
        last = self.done >= self.total
        if in_notebook() and not os.environ.get("SALIENCY_PROGRESS"):
            self._show_bar(line, last)
        else:
            _show(line, last)

    def _show_bar(self, line: str, last: bool) -> None:
        """Show the bar, or take it away at the end; what is over soon has none."""
        from IPython.display import display

        if self.bar is None:
            if last or time.monotonic() - self.started < AT_ONCE:
                return
            self.bar = display({}, raw=True, display_id=True)
        bar = f'<progress value="{self.done}" max="{self.total}"></progress> {html.escape(line)}'
        self.bar.update({} if last else {"text/plain": line, "text/html": bar}, raw=True)


def duration(seconds: float) -> str:
    """Write seconds as ``12 s``, ``3 min 20 s`` or ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _show(line: str, last: bool) -> None:
    target = os.environ.get("SALIENCY_PROGRESS")
    if target:
        path = Path(target)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            temporary.write_text(line)
            temporary.replace(path)
        except OSError:
            # A full disk that empties again must not have cost a computation its progress line.
            with contextlib.suppress(OSError):
                temporary.unlink()
    elif sys.stderr.isatty():
        print(f"\r\033[K{line}", end="\n" if last else "", file=sys.stderr, flush=True)
