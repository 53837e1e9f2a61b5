"""Some images, the intact model's maps of them, and how the maps of any other state of the model compare."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd
import torch
from torch import Tensor, nn

from lib import compute
from lib.attributions.base import Method, explain
from lib.attributions.controls import Edge, Input
from lib.errors import StudyError
from lib.nulls import check_nulls, other_classes, other_images, shuffled
from lib.similarity import RANK_METRICS, PreparedMaps, check_metrics, check_normalisation, compare, foreground
from lib.workspace import Noise, Workspace

UNSIGNED = ("spearman_abs", "spearman_abs_fg")
"""How a map is compared with the image and its edges, which have no signs of their own."""


@dataclass(frozen=True)
class Examples:
    """Images with the classes to explain, the numbers that name their noise, and what methods need beside them.

    Attributes
    ----------
    images : (N, C, H, W).
    targets : (N,) classes explained under the rule ``original``.
    labels : (N,) true classes, or None.
    image_ids : number of each image in its data set.
    references : name -> image (C, H, W), for the methods that take one.
    training_images : (M, C, H, W), for the methods that estimate something on them, or None.
    """

    images: Tensor
    targets: Tensor
    labels: Tensor | None
    image_ids: list[int]
    references: Mapping[str, Tensor] = field(default_factory=dict)
    training_images: Tensor | None = None

    @classmethod
    def of(
        cls,
        images: Tensor,
        targets: Tensor,
        labels: Tensor | None = None,
        image_ids: list[int] | None = None,
        references: Mapping[str, Tensor] | None = None,
        training_images: Tensor | None = None,
    ) -> Examples:
        """Number the images from 0 unless they have numbers."""
        ids = list(range(len(images))) if image_ids is None else image_ids
        return cls(images, targets, labels, ids, references or {}, training_images)

    def check(self, rules: set[str]) -> None:
        """Raise `StudyError` unless the lengths agree and every rule has its classes."""
        lengths = {"images": len(self.images), "targets": len(self.targets), "image_ids": len(self.image_ids)}
        if self.labels is not None:
            lengths["labels"] = len(self.labels)
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{length} {name}" for name, length in lengths.items())
            raise StudyError(f"There are {told}; give as many of each.")
        if "label" in rules and self.labels is None:
            raise StudyError("target is 'label', but no labels are given; pass labels=….")

    def part(self, part: slice) -> Examples:
        """Some of the images, on the device."""
        to = compute.device()
        labels = None if self.labels is None else self.labels[part].to(to)
        return replace(
            self,
            images=self.images[part].to(to),
            targets=self.targets[part].to(to),
            labels=labels,
            image_ids=self.image_ids[part],
        )

    def workspace(
        self,
        model: nn.Module,
        rule: str,
        seed: int,
        state: str,
        purpose: str = "noise",
        pattern_source: Workspace | None = None,
    ) -> Workspace:
        """The images with the classes that a rule of `lib.randomization.TARGETS` asks for, for one state of a model."""
        return Workspace(
            model,
            self.images,
            self.classes(model, rule),
            Noise(self.image_ids, tuple(self.images.shape[1:]), seed, purpose),
            state,
            self.references,
            self.training_images,
            pattern_source,
        )

    def classes(self, model: nn.Module, rule: str) -> Tensor:
        """The class to explain for each image: (N,)."""
        if rule == "current":
            with torch.no_grad():
                return model(self.images).argmax(1)
        found = self.targets if rule == "original" else self.labels
        assert found is not None
        return found


@dataclass(frozen=True)
class Scores:
    """Similarities of the maps of one state: the classes explained (N,), and (method, against, metric) -> (N,)."""

    targets: Tensor
    values: dict[tuple[str, str, str], Tensor] = field(default_factory=dict)

    def only(self, kept: Callable[[str, str, str], bool]) -> Scores:
        """Keep the scores whose method, ``against`` and metric are to be kept."""
        return Scores(self.targets, {key: value for key, value in self.values.items() if kept(*key)})

    def add(self, method: str, against: str, values: Mapping[str, Tensor]) -> None:
        """Note the similarities of one method's maps to some others, metric by metric."""
        self.values.update({(method, against, metric): value for metric, value in values.items()})


class Comparison:
    """Compares the maps of whatever state a working copy is in with those of the state it was in at first.

    Parameters
    ----------
    working : loaded with the intact model's weights; the caller loads others into it later.
    examples : on the device.
    background : pixel value of an empty pixel; the foreground metrics leave such pixels out.
    seed : of the noise and of the nulls.
    metrics : what to compare, of `lib.similarity.METRICS`.
    nulls : what to compare the intact model's maps with besides, of `lib.nulls.NULLS`.
    normalisation : what SSIM and HOG divide maps by, of `lib.similarity.NORMALISATIONS`.
    """

    def __init__(
        self,
        working: nn.Module,
        examples: Examples,
        background: float,
        seed: int,
        metrics: Sequence[str] = RANK_METRICS,
        nulls: Sequence[str] = ("null_other_image",),
        normalisation: str = "max",
    ) -> None:
        check_metrics(metrics, *examples.images.shape[2:])
        check_nulls(nulls)
        check_normalisation(normalisation)
        self.working = working
        self.examples = examples
        self.seed = seed
        self.metrics = metrics
        self.nulls = nulls
        self.normalisation = normalisation
        self.mask = foreground(examples.images, background)
        self.stale = copy.deepcopy(working)
        self.patterns = examples.workspace(self.stale, "original", seed, "trained")
        self.intact: dict[tuple[str, str], PreparedMaps] = {}
        controls = explain([Edge(), Input()], self._workspace("original", "trained"))
        self.controls = {name: self._prepared(maps) for name, maps in controls.items()}

    def remember(self, rule: str, methods: Sequence[Method]) -> None:
        """Explain the images by the intact model, for comparison; the working copy must still hold its weights."""
        missing = [each for each in methods if (rule, each.name) not in self.intact]
        for name, maps in explain(missing, self._workspace(rule, "trained")).items():
            self.intact[rule, name] = self._prepared(maps)

    def intact_scores(self, methods: Sequence[Method], rule: str) -> Scores:
        """Compare the intact model's maps with themselves, with the nulls, and with those from other noise."""
        scores = Scores(self.examples.classes(self.working, rule))
        stochastic = [each for each in methods if each.stochastic]
        again = explain(stochastic, self._workspace(rule, "trained", "self"))
        for_others = self._maps_for_other_classes(methods, scores.targets)
        for name in (each.name for each in methods):
            maps = self.intact[rule, name]
            scores.add(name, "original", self._compare(maps, maps))
            for null, other in self._null_maps(maps.maps, for_others.get(name)).items():
                scores.add(name, null, self._compare(maps, self._prepared(other)))
            if name in again:
                scores.add(name, "self", self._compare(maps, self._prepared(again[name])))
            self._beside_controls(scores, name, maps)
        return scores

    def _null_maps(self, maps: Tensor, for_other_classes: Tensor | None) -> dict[str, Tensor]:
        """The maps of each null that was asked for; one image has no other image's map."""
        found = {}
        if "null_other_image" in self.nulls and len(maps) > 1:
            found["null_other_image"] = other_images(maps)
        if "null_shuffle" in self.nulls:
            found["null_shuffle"] = shuffled(maps, self.examples.image_ids, self.seed)
        if for_other_classes is not None:
            found["null_other_class"] = for_other_classes
        return found

    def _maps_for_other_classes(self, methods: Sequence[Method], classes: Tensor) -> dict[str, Tensor]:
        """Explain the images by the intact model for other classes, with the same noise, if that null is asked for."""
        if "null_other_class" not in self.nulls:
            return {}
        with torch.no_grad():
            count = self.working(self.examples.images[:1]).shape[1]
        drawn = other_classes(classes, count, self.examples.image_ids, self.seed)
        others = replace(self.examples, targets=drawn)
        workspace = others.workspace(self.working, "original", self.seed, "trained", pattern_source=self.patterns)
        return explain(methods, workspace)

    def scores(self, methods: Sequence[Method], rule: str, state: str) -> Scores:
        """Compare the maps of the working copy as it is now with the intact model's, and with image and edges."""
        workspace = self._workspace(rule, state)
        scores = Scores(workspace.targets)
        for name, found in explain(methods, workspace).items():
            maps = self._prepared(found)
            scores.add(name, "original", self._compare(maps, self.intact[rule, name]))
            self._beside_controls(scores, name, maps)
        return scores

    def stale_scores(self, methods: Sequence[Method], rule: str) -> Scores:
        """The fault shown on purpose: explain a copy that was made before the new weights were loaded."""
        workspace = self.examples.workspace(self.stale, rule, self.seed, "trained", pattern_source=self.patterns)
        scores = Scores(workspace.targets)
        for name, found in explain(methods, workspace).items():
            scores.add(name, "original", self._compare(self._prepared(found), self.intact[rule, name]))
        return scores

    def _beside_controls(self, scores: Scores, method: str, maps: PreparedMaps) -> None:
        unsigned = [metric for metric in self.metrics if metric in UNSIGNED]
        for against, control in self.controls.items():
            scores.add(method, against, compare(maps, control, unsigned))

    def _prepared(self, maps: Tensor) -> PreparedMaps:
        return PreparedMaps(maps, self.mask, self.normalisation)

    def _compare(self, a: PreparedMaps, b: PreparedMaps) -> dict[str, Tensor]:
        return compare(a, b, self.metrics)

    def _workspace(self, rule: str, state: str, purpose: str = "noise") -> Workspace:
        return self.examples.workspace(self.working, rule, self.seed, state, purpose, self.patterns)


class Table:
    """Collects the scores of some images, to become rows."""

    def __init__(self, image_ids: list[int]) -> None:
        self.image_ids = image_ids
        self.blocks: list[pd.DataFrame] = []

    def add(self, intervention: str, level: str, step: int, draw: int, scores: Scores) -> None:
        """Add the scores of one stage."""
        for (method, against, metric), value in scores.values.items():
            self.blocks.append(
                pd.DataFrame(
                    {
                        "intervention": intervention,
                        "level": level,
                        "step": step,
                        "draw": draw,
                        "image": self.image_ids,
                        "target": scores.targets.tolist(),
                        "method": method,
                        "metric": metric,
                        "against": against,
                        "value": value.cpu().numpy(),
                    }
                )
            )

    def frame(self) -> pd.DataFrame:
        """All rows."""
        return pd.concat(self.blocks, ignore_index=True)
