"""What a notebook talks to: checked parameters, trained nets, scores computed once, figures, claims, results."""

from __future__ import annotations

import io
import itertools
import json
import lzma
import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from lib import (
    artefacts,
    claims,
    compute,
    data,
    devices,
    published,
    randomization,
    reinitialisation,
    training,
)
from lib.checks import check, data_folder, notebook_path
from lib.circumstances import circumstances, in_notebook
from lib.compute import ROOT
from lib.display import figure_html, table_html
from lib.errors import StudyError
from lib.gathered import Gathered
from lib.initialisers import law_named
from lib.parameters import NET_LISTS, assigned_names, check_parameters, read_parameters, title_of
from lib.scores import pack_scores, read_scores
from lib.statistics import estimate
from lib.units import units_of

NOT_IN_RESULTS = ("out", "data_dir", "device")
"""Parameters that say where things lie and where they are computed; `run.json` says it too."""


class Study(Gathered):
    """One run of a notebook.

    Parameters
    ----------
    name : the notebook's file name without its ending.
    namespace : the notebook's ``globals()``; parameters are found in it by the names of the parameters cell.
    """

    def __init__(self, name: str, namespace: Mapping[str, Any]) -> None:
        self.name = name
        self.started = time.time()
        schema = read_parameters(notebook_path(name))
        self.title = title_of(notebook_path(name))
        own = assigned_names(notebook_path(name)) - schema.keys()
        self.params = check_parameters(schema, _plain_values(namespace, own))
        devices.choose(self.params.get("device", ""))
        check(name, self.params)
        compute.settle()
        self.preset = os.environ.get("SALIENCY_PRESET", "scratch")
        self.variant = os.environ.get("SALIENCY_VARIANT", "scratch")
        out = Path(self.params.get("out") or f"reports/scratch/{name}")
        self.out = out if out.is_absolute() else ROOT / out
        super().__init__()
        self._scores: pd.DataFrame | None = None
        self._maps: dict[str, np.ndarray] = {}
        self._claims: list[dict[str, Any]] = []
        with data_folder(self.params.get("data_dir", "")):
            self.nets = self.nets_named("models")
            everyone = [net for name in NET_LISTS for net in self.nets_named(name)]
            self._data = {net.recipe.dataset: data.load(net.recipe.dataset) for net in everyone}

    def examples(self, net: training.TrainedNet, n_images: int | None = None) -> dict[str, Any]:
        """What a net is studied on: test images, spread evenly over the classes, as many as n_images says.

        Returns
        -------
        The arguments images (N, C, H, W), targets (N,), the classes that the trained net predicts, labels (N,), the
        true ones, image_ids, their numbers in the test set, references (`lib.data.references`) and training_images.
        """
        dataset = self._data[net.recipe.dataset]
        chosen = self._chosen(dataset, n_images)
        images = dataset.test_images[chosen]
        return {
            "images": images,
            "targets": randomization.explained_classes(net.model, images),
            "labels": dataset.test_labels[chosen],
            "image_ids": chosen.tolist(),
            "references": data.references(dataset),
            "training_images": dataset.train_images,
        }

    def scores(
        self,
        function: Callable[..., pd.DataFrame],
        methods: list[str],
        first_net: Mapping[str, Any] | None = None,
        few_images: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> pd.DataFrame:
        """Compute the scores of all nets, or find them: in the cache, or in a published report whose key still fits.

        Parameters
        ----------
        function : e.g. `lib.randomization.randomization_scores`; called as ``function(model, methods=methods,
            background=…, **examples, **settings)`` for every net, see `examples`.
        first_net : further settings for the first net alone, for what is too costly to run on all.
        few_images : settings of one more call for the first net, for methods that are too costly to run on all images:
            ``methods``, ``n_images`` and what else departs from ``settings``.

        Returns
        -------
        The table as it is stored, with the columns `COLUMNS`.
        """
        few = dict(few_images or {})

        def make(folder: Path) -> None:
            tables = []
            for net in self.nets:
                background = {"background": self._data[net.recipe.dataset].background}
                more = dict(first_net or {}) if net is self.nets[0] else {}
                given = background | self.examples(net) | settings | more
                tables += [_named(function(net.model, methods=methods, **given), net), _named(self._accuracy(net), net)]
                if few and net is self.nets[0]:
                    given = background | self.examples(net, few["n_images"]) | settings | few
                    del given["n_images"]
                    tables.append(_named(function(net.model, **given), net))
            artefacts.write_atomically(folder / "scores.csv.xz", pack_scores(pd.concat(tables, ignore_index=True)))

        described = settings | {"first_net": dict(first_net or {}), "few_images": few}
        further = [each.get("costly", []) for each in (settings, first_net or {})]
        named = list(dict.fromkeys([*methods, *itertools.chain(*further), *few.get("methods", [])]))
        folder = self._find_or_make("scores", function, named, described, make)
        self._scores = read_scores(folder / "scores.csv.xz")
        return self._scores

    def maps(self, function: Callable[..., dict[str, Tensor]], methods: list[str], count: int, **settings: Any) -> Any:
        """Compute the first net's maps of a few images for the galleries, or find them as `scores` does.

        Parameters
        ----------
        function : e.g. `lib.randomization.randomization_maps`; called as ``function(model, methods=methods,
            **examples, **settings)``.
        count : images, spread over those of `examples`.

        Returns
        -------
        A mapping method -> (…, N, H, W), float32, each map divided by its largest absolute value.
        """

        def make(folder: Path) -> None:
            given = self.examples(self.nets[0])
            few = torch.linspace(0, self.params["n_images"] - 1, count).round().long()
            some = {name: given[name][few] for name in ("images", "targets", "labels")}
            some["image_ids"] = [given["image_ids"][i] for i in few.tolist()]
            found = function(self.nets[0].model, methods=methods, **(given | some | settings))
            arrays = {method: maps.numpy() for method, maps in found.items()}
            # Half precision is enough to look at.
            packed = io.BytesIO()
            np.savez_compressed(packed, allow_pickle=False, **{name: _half(value) for name, value in arrays.items()})
            artefacts.write_atomically(folder / "maps.npz", packed.getvalue())

        folder = self._find_or_make("maps", function, methods, settings | {"count": count}, make)
        with np.load(folder / "maps.npz") as stored:
            self._maps = {name: stored[name].astype(np.float32) for name in stored.files}
        return self._maps

    def nets_named(self, parameter: str) -> list[training.TrainedNet]:
        """The trained nets that a parameter of this study names, none without that parameter."""
        return [training.named_net(net) for net in self.params.get(parameter, [])]

    def _pack(self, arrays: dict[str, np.ndarray]) -> bytes:
        packed = io.BytesIO()
        np.savez_compressed(packed, allow_pickle=False, **{name: _half(maps) for name, maps in arrays.items()})
        return packed.getvalue()

    def _code_of(self, kind: str) -> list[Any]:
        return _CODE[kind]

    def _accuracy(self, net: training.TrainedNet) -> pd.DataFrame:
        """Whether each test image is classified rightly, as scores."""
        dataset = self._data[net.recipe.dataset]
        right = training.correct(net.model, dataset.test_images, dataset.test_labels)
        return pd.DataFrame(
            {
                "intervention": "none",
                "level": "none",
                "step": 0,
                "draw": -1,
                "image": range(len(right)),
                "target": dataset.test_labels.numpy(),
                "method": "none",
                "metric": "accuracy",
                "against": "none",
                "value": right.double().numpy(),
            }
        )

    def images(self, net: training.TrainedNet) -> Tensor:
        """The test images that a net is studied on: (n_images, C, H, W)."""
        dataset = self._data[net.recipe.dataset]
        return dataset.test_images[self._chosen(dataset)]

    def _chosen(self, dataset: data.DataSet, n_images: int | None = None) -> Tensor:
        """Numbers of the test images that are studied; the parameter n_images says how many, unless told otherwise."""
        return data.balanced(dataset.test_labels, n_images or self.params["n_images"])

    def manifest(self, orders: list[str], init: str, prefix: str) -> pd.DataFrame:
        """What one draw changes in the first net, order by order, see `lib.reinitialisation.manifest`."""

        def make(folder: Path) -> None:
            model = self.nets[0].model
            units = units_of(model, self.images(self.nets[0]))
            law = law_named(init, model)
            taken = (
                (order, step)
                for order in orders
                for step in reinitialisation.steps(model, units, law, 0, order=order, prefix=prefix)
            )
            table = reinitialisation.manifest(model, units, taken)
            artefacts.write_atomically(folder / "manifest.csv", table.to_csv(index=False).encode())

        settings = {"orders": orders, "init": init, "prefix": prefix}
        folder = self._find_or_make("manifest", reinitialisation.manifest, [], settings, make)
        return pd.read_csv(folder / "manifest.csv")

    def accuracies(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Accuracy of every net on the images it was not trained on, with its 95 % interval."""
        rows = {}
        for net in self.nets:
            own = net.of(scores)
            found = estimate(own[own.metric == "accuracy"])
            rows[net.name] = {
                "held-out images": found.images,
                "accuracy": found.value,
                "from": found.low,
                "to": found.high,
            }
        return pd.DataFrame.from_dict(rows, orient="index")

    def figure(self, figure: Figure, name: str, caption: str, alt: str) -> None:
        """Show a figure with its caption.

        Parameters
        ----------
        name : the figure's address in the report, e.g. ``curves-abs``.
        caption : states the finding first, then how to read the figure.
        alt : describes the picture to who cannot see it.
        """
        if not caption.strip() or not alt.strip():
            raise StudyError(f"The figure {name} needs a caption and an alternative text.")
        _show_html(figure_html(figure, name, caption, alt))

    def table(self, table: pd.DataFrame, caption: str, digits: int = 2, name: str = "") -> None:
        """Show a table with its caption; numbers to so many digits, ``name`` as its address in the report."""
        _show_html(table_html(table, caption, digits, name))

    def claims(self, scores: pd.DataFrame, figure: str, elsewhere: Mapping[str, str]) -> pd.DataFrame:
        """Decide every claim of this study that the ledger has a rule for.

        Parameters
        ----------
        scores : this run's.
        figure : address of the figure that shows most claims.
        elsewhere : claim id -> address of another figure.

        Returns
        -------
        A table of verdicts, indexed by claim.
        """
        ids = [each for each, row in claims.ledger().items() if row["study"] == self.name and "parts" in row]
        decided = {each: claims.decide(each, scores) for each in ids}
        # A figure of what this run did not test may not be there.
        self._claims = [
            claim | {"figure": elsewhere.get(each, figure) if claim["verdict"] != claims.NOT_TESTED else None}
            for each, claim in decided.items()
        ]
        rows = [
            {
                "claim": claim["id"],
                "expected": claim["expected"],
                "verdict": claim["verdict"],
                "second reading": claim["second_verdict"] or "–",
                "decided by": claim["statistic"] or "–",
                "value": claim["value"],
                "interval": "–" if claim["interval"] is None else _interval(claim["interval"]),
            }
            for claim in self._claims
        ]
        return pd.DataFrame(rows).set_index("claim")

    def save(self) -> None:
        """Write results.json, run.json and everything expensive (`lib.published.FILES`) to the run's folder."""
        if self._scores is None:
            raise StudyError("There is nothing to save; call study.scores first.")
        made_of = {
            kind: {"key": made.key, "config": made.config, "code": made.code} for kind, made in self._made.items()
        }
        contents = {kind: (made.folder / published.FILES[kind]).read_bytes() for kind, made in self._made.items()}
        for kind, content in contents.items():
            artefacts.write_atomically(self.out / published.FILES[kind], content)
        results = {
            "study": self.name,
            "title": self.title,
            "variant": self.variant,
            "preset": self.preset,
            "params": {name: value for name, value in self.params.items() if name not in NOT_IN_RESULTS},
            "claims": self._claims,
            "key": self._made["scores"].key,
            "made_of": made_of,
            "digest": artefacts.sha256(lzma.decompress(contents["scores"])),
            "sums": {published.FILES[kind]: artefacts.sha256(content) for kind, content in contents.items()},
        }
        run = circumstances() | {
            "started": datetime.fromtimestamp(self.started, UTC).isoformat(timespec="seconds"),
            "seconds": round(time.time() - self.started, 1),
            "compute_seconds": sum(made.computed["seconds"] for made in self._made.values()),
            "computed": {kind: made.computed for kind, made in self._made.items()},
            "peak_memory_gb": round(compute.peak_memory_gb(), 2),
        }
        for file, told in (("run.json", run), ("results.json", results)):
            text = json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False)
            artefacts.write_atomically(self.out / file, text.encode())


def _named(table: pd.DataFrame, net: training.TrainedNet) -> pd.DataFrame:
    return table.assign(model=net.recipe.model, dataset=net.recipe.dataset, seed=net.recipe.seed)


def _half(maps: np.ndarray) -> np.ndarray:
    """Maps (…, H, W), each divided by its largest absolute value, in half precision.

    Each by itself: maps of a random net can be 1e-10 times those of the trained one, and would all become 0.
    """
    largest = np.abs(maps).max(axis=(-2, -1), keepdims=True)
    return (maps / np.where(largest > 0, largest, 1.0)).astype(np.float16)


def _plain_values(namespace: Mapping[str, Any], own: set[str]) -> dict[str, Any]:
    """What a user may have set: plain values under public names, without those that the notebook sets itself.

    Without modules, functions and Jupyter's own names too. The notebook's variables are there when its cells are
    run a second time.
    """
    own = own | {"In", "Out"}
    plain = (str, int, float, bool, list, dict)
    return {
        name: value
        for name, value in namespace.items()
        if not name.startswith("_") and name not in own and isinstance(value, plain)
    }


def _interval(interval: list[float | None]) -> str:
    return "[" + ", ".join("–" if bound is None else f"{bound:.3f}" for bound in interval) + "]"


def _show_html(text: str) -> None:
    if in_notebook():
        from IPython.display import HTML, display

        display(HTML(text))


_EXAMPLES = [Study.examples, Study._chosen, data.balanced, data.references]

# What is stored is also decided by this code: which images and classes, and in what form. It is part of the keys.
_CODE: dict[str, list[Any]] = {
    "scores": [
        Study.scores,
        Study.examples,
        Study._chosen,
        Study._accuracy,
        training.correct,
        data.balanced,
        data.references,
        pack_scores,
    ],
    "manifest": [Study.manifest, Study.images, Study._chosen, data.balanced],
    "scores of calls": [*_EXAMPLES, Study._made_by, pack_scores],
    "maps of calls": [*_EXAMPLES, Study._made_by, _half],
    "maps": [Study.maps, Study.examples, Study._chosen, data.balanced, data.references, _half],
}
