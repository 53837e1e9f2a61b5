"""What is expensive is made once: kept under a key of all that decides it, here or in a published report."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lib import artefacts, attributions, compute, published, sources
from lib.circumstances import circumstances
from lib.compute import ROOT
from lib.training import TrainedNet


@dataclass(frozen=True)
class Made:
    """Something expensive: its key, the folder it lies in, how it was computed, and what the key was made of."""

    key: str
    folder: Path
    computed: dict[str, Any]
    config: dict[str, Any] = field(default_factory=dict)
    code: list[str] = field(default_factory=list)


class Stored:
    """The part of a `lib.study.Study` that finds or makes what is expensive.

    Attributes
    ----------
    name, params, nets : of the study.
    """

    name: str
    params: dict[str, Any]
    nets: list[TrainedNet]

    def __init__(self) -> None:
        self._made: dict[str, Made] = {}

    def _code_of(self, kind: str) -> list[Any]:
        """The functions of the study itself that decide what is stored of a kind."""
        raise NotImplementedError

    def _find_or_make(
        self, kind: str, function: Callable[..., Any], methods: list[str], settings: dict[str, Any],
        make: Callable[[Path], None],
    ) -> Path:  # fmt: skip
        """The folder of what one function makes of all nets."""
        config = {
            "study": self.name,
            "function": function.__qualname__,
            "methods": methods,
            "settings": settings,
            "n_images": self.params["n_images"],
            "nets": [[net.name, net.key] for net in self.nets],
            "threads": compute.THREADS,
        }
        return self._found_or_made(kind, config, [*code_of(function, methods), *self._code_of(kind)], make)

    def _found_or_made(self, kind: str, config: dict[str, Any], code: list[Any], make: Callable[[Path], None]) -> Path:
        """The folder of an artefact: a published report's, the cache's, or a new one that ``make`` fills."""
        key = artefacts.key_of(config, code)
        made = self._published(kind, key)
        if made is None:
            made = self._made_here(kind, key, make)
        self._made[kind] = replace(made, config=config, code=[sources.name_of(part) for part in code])
        return made.folder

    def _made_here(self, kind: str, key: str, make: Callable[[Path], None]) -> Made:
        """Make an artefact, unless the cache holds it."""

        def make_and_note(folder: Path) -> None:
            started = time.time()
            make(folder)
            note = circumstances() | {"seconds": round(time.time() - started, 1)}
            artefacts.write_atomically(folder / "computed.json", json.dumps(note, indent=1, sort_keys=True).encode())

        folder = artefacts.artefact(kind, key, make_and_note, fresh=bool(os.environ.get("FRESH")))
        return Made(key, folder, json.loads((folder / "computed.json").read_text()))

    def _published(self, kind: str, key: str) -> Made | None:
        """What a published report of this study holds of these very numbers."""
        if os.environ.get("FRESH"):
            return None
        for path in sorted((ROOT / "reports").glob(f"*/{self.name}/*/results.json")):
            try:
                results = json.loads(path.read_text())
                if results["made_of"][kind]["key"] == key and published.complete(path.parent, kind):
                    return Made(key, path.parent, json.loads((path.parent / "run.json").read_text())["computed"][kind])
            except (OSError, ValueError, KeyError, TypeError):
                # Damaged, or written by an earlier library.
                continue
        return None


def code_of(function: Callable[..., Any], methods: list[str]) -> list[Any]:
    """The modules that the numbers of a function and of some methods rest on."""
    made_of = [part for each in attributions.methods(methods) for part in each.made_of]
    return list(sources.closure([function, *made_of]))
