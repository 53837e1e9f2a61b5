"""Show on the terminal how far a computation in another process is."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from lib.errors import writing

SECONDS_ON_A_TERMINAL = 2.0
SECONDS_IN_A_FILE = 10.0


class Watch:
    """A context in which a one-line progress file is printed whenever it has changed.

    Computations in this process and its children find the file in ``SALIENCY_PROGRESS``.

    Parameters
    ----------
    label : stands in brackets before each line.
    path : the progress file; it need not exist, and is removed before and after.
    """

    def __init__(self, label: str, path: Path) -> None:
        self.label = label
        self.path = path
        self._interval = SECONDS_ON_A_TERMINAL if sys.stderr.isatty() else SECONDS_IN_A_FILE
        self._shown = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        with writing(self.path):
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
        with suppress(OSError):
            self.path.unlink()

    def say(self, text: str) -> None:
        """Print one line of our own."""
        print(f"[{self.label}] {text}", file=sys.stderr, flush=True)

    def _look(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                line = self.path.read_text(encoding="utf-8").strip()
            except (OSError, ValueError):
                continue
            if line and line != self._shown:
                self._shown = line
                self.say(line)
