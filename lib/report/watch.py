"""Show on the terminal how far a computation in another process is."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import TextIO


class Watch:
    """A context in which a one-line progress file is printed whenever it has changed.

    Computations in this process and its children find the file in ``SALIENCY_PROGRESS``.

    Parameters
    ----------
    label : stands in brackets before each line.
    path : the progress file; it need not exist, and is removed before and after.
    stream : where to print, default standard error.
    interval : seconds between looks; default 2 on a terminal, 10 where the lines end up in a file.
    """

    def __init__(
        self, label: str, path: Path, stream: TextIO | None = None, interval: float | None = None
    ) -> None:
        self.label = label
        self.path = path
        self.stream = stream or sys.stderr
        self.interval = interval or (2.0 if self.stream.isatty() else 10.0)
        self._shown = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        os.environ["SALIENCY_PROGRESS"] = str(self.path)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        del os.environ["SALIENCY_PROGRESS"]
        self.path.unlink(missing_ok=True)

    def say(self, text: str) -> None:
        """Print one line of our own."""
        print(f"[{self.label}] {text}", file=self.stream, flush=True)

    def _look(self) -> None:
        while not self._stop.wait(self.interval):
            try:
                line = self.path.read_text(encoding="utf-8").strip()
            except OSError:
                continue
            if line and line != self._shown:
                self._shown = line
                self.say(line)
