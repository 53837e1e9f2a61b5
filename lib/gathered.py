"""The part of a study that gathers the scores of calls into one table, and their pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib import artefacts, compute
from lib.calls import Call
from lib.checks import data_folder
from lib.data import DataSet
from lib.scores import pack_scores, read_scores
from lib.stored import Stored
from lib.training import TrainedNet


class Gathered(Stored):
    """The part of a `lib.study.Study` that is a list of calls."""

    _data: dict[str, DataSet]
    _scores: pd.DataFrame | None

    def examples(self, net: TrainedNet, n_images: int | None = None) -> dict[str, Any]:
        """What a net is studied on."""
        raise NotImplementedError

    def _pack(self, arrays: dict[str, np.ndarray]) -> bytes:
        """Pictures as the bytes of a file."""
        raise NotImplementedError

    def call(
        self, function: Callable[..., Any], *, net: TrainedNet | None = None, images: str = "",
        methods: Sequence[str] = (), n_images: int = 0, size: int = 0,
        beside: Mapping[str, TrainedNet] | None = None,
        parts_of: Mapping[str, tuple[str, str]] | None = None, **settings: Any,
    ) -> Call:  # fmt: skip
        """One computation of this study, for `gather` or `pictures`; nothing is computed yet, see `lib.calls.Call`.

        With a net, the function is called as ``function(model, images=…, background=…, …)`` with all that `examples`
        gives; with the name of an image set, as ``function(images, image_ids=…, background=…)``; else with the
        settings alone.

        Raises
        ------
        StudyError
            If images are asked for that are not there.
        """
        if (net is not None or images) and not n_images:
            n_images = self.params["n_images"]
        made = Call(function, net, images, list(methods), n_images, size, beside or {}, parts_of or {}, settings)
        with data_folder(self.params.get("data_dir", "")):
            made.check()
        return made

    def gather(self, calls: Sequence[Call]) -> pd.DataFrame:
        """Make the calls, one after the other, or find their scores as `scores` does.

        Returns
        -------
        One table of all rows, with the columns `COLUMNS`.
        """

        def make(folder: Path) -> None:
            # A table without rows has columns of no type, which the whole table would take over.
            tables = [table for table in map(self._named, calls) if len(table)]
            artefacts.write_atomically(folder / "scores.csv.xz", pack_scores(pd.concat(tables, ignore_index=True)))

        with data_folder(self.params.get("data_dir", "")):
            folder = self._of_calls("scores", dict(enumerate(calls)), make)
        self._scores = read_scores(folder / "scores.csv.xz")
        return self._scores

    def pictures(self, calls: Mapping[str, Call]) -> dict[str, dict[str, np.ndarray]]:
        """Make the pictures for the galleries by some named calls, or find them as `scores` does.

        Returns
        -------
        Name of the call -> name of the picture -> (…, H, W), float32, each divided by its largest absolute value.
        """

        def make(folder: Path) -> None:
            made = {name: self._made_by(call) for name, call in calls.items()}
            flat = {f"{name}/{each}": value.numpy() for name, found in made.items() for each, value in found.items()}
            artefacts.write_atomically(folder / "maps.npz", self._pack(flat))

        with data_folder(self.params.get("data_dir", "")):
            folder = self._of_calls("maps", calls, make)
        with np.load(folder / "maps.npz") as stored:
            flat = {name: stored[name].astype(np.float32) for name in stored.files}
        parts = [(*name.split("/", 1), value) for name, value in flat.items()]
        return {name: {each: value for group, each, value in parts if group == name} for name in calls}

    def _named(self, call: Call) -> pd.DataFrame:
        """The table that a call gives, with the columns that say whose numbers these are, unless it has them."""
        table = self._made_by(call)
        return table.assign(**{name: value for name, value in call.labels.items() if name not in table})

    def _made_by(self, call: Call) -> Any:
        """What a call gives."""
        given = call.arguments()
        if call.net is not None:
            background = self._data[call.net.recipe.dataset].background
            given |= {"model": call.net.model, "background": background} | self.examples(call.net, call.n_images)
        return call.function(**given)

    def _of_calls(self, kind: str, calls: Mapping[Any, Call], make: Callable[[Path], None]) -> Path:
        """The folder of what some calls make."""
        nets = {net.name: net.key for call in calls.values() for net in call.nets}
        config = {
            "study": self.name,
            "calls": [[name, call.described] for name, call in calls.items()],
            "nets": sorted(map(list, nets.items())),
            "threads": compute.THREADS,
        }
        code = dict.fromkeys(part for call in calls.values() for part in call.code)
        return self._found_or_made(kind, config, [*code, *self._code_of(f"{kind} of calls")], make)
