"""How similar maps of a net are that have no right to be: matched nulls under every normalisation, method by method."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor, nn

from lib import compute
from lib.attributions.base import Method, explain
from lib.comparison import Comparison, Examples, Scores, Table
from lib.errors import StudyError
from lib.initialisers import law_named
from lib.mask_scores import reading
from lib.nulls import NULLS
from lib.progress import Progress
from lib.randomization import check_methods
from lib.reinitialisation import Step, steps
from lib.similarity import NORMALISATIONS, PreparedMaps, compare, signed
from lib.units import units_of
from lib.workspace import chunks, working_copy

INTERVENTION = "calibration"
"""How the table names all of this; the steps are those of the cascade."""

METRICS = ("spearman_abs", "spearman", "spearman_abs_fg", "ssim")

MASK = "gaussian_mask"
"""A mask of independent Gaussian pixels in the place of the second map, as in the published calibration."""

PICTURES = ("the map", "another class", "another image", "pixels shuffled", "random net")
"""The columns of the gallery: a map, and four with which it shares less and less."""


class Calibration(Comparison):
    """A comparison that takes SSIM under every normalisation, and has Gaussian masks as one more null."""

    def __init__(self, working: nn.Module, examples: Examples, background: float, seed: int) -> None:
        super().__init__(working, examples, background, seed, METRICS, NULLS)

    def intact_scores(self, methods: Sequence[Method], rule: str) -> Scores:
        """Compare the intact model's maps with themselves, with the nulls, with masks, and with other noise."""
        scores = super().intact_scores(methods, rule)
        shape = (1, *self.examples.images.shape[2:])
        masks = [
            torch.randn(shape, generator=compute.generator(self.seed, "gaussian mask", image))
            for image in self.examples.image_ids
        ]
        prepared = self._prepared(torch.stack(masks).to(self.examples.images.device))
        for each in methods:
            scores.add(each.name, MASK, self._compare(self.intact[rule, each.name], prepared))
        return scores

    def null_pictures(self, methods: Sequence[Method]) -> dict[str, list[Tensor]]:
        """The first image's map of the intact model and those of its nulls: method name -> planes (H, W)."""
        for_others = self._maps_for_other_classes(methods, self.examples.targets)
        found = {}
        for each in methods:
            maps = self.intact["original", each.name].maps
            others = self._null_maps(maps, for_others[each.name])
            ordered = [maps, *(others[name] for name in ("null_other_class", "null_other_image", "null_shuffle"))]
            found[each.name] = [first_plane(stack) for stack in ordered]
        return found

    def _compare(self, a: PreparedMaps, b: PreparedMaps) -> dict[str, Tensor]:
        found = super()._compare(a, b)
        for scale in NORMALISATIONS[1:]:
            left, right = (PreparedMaps(each.maps, self.mask, scale) for each in (a, b))
            found[reading("ssim", scale)] = compare(left, right, ["ssim"])["ssim"]
        return found

    def _beside_controls(self, scores: Scores, method: str, maps: PreparedMaps) -> None:
        """Leave the image and its edges out: study 01 compares with them."""


def null_scores(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Sequence[str],
    *,
    draws: int,
    init: str,
    background: float = 0.0,
    labels: Tensor | None = None,
    image_ids: list[int] | None = None,
    references: Mapping[str, Tensor] | None = None,
    training_images: Tensor | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Similarity of the intact model's maps to those of randomized models, and to maps that share less with them.

    Parameters
    ----------
    model : any classifier; it is copied, not changed.
    images : (N, C, H, W), as the model takes them, at least 2.
    targets : (N,) explained classes, held fixed.
    methods : written forms.
    draws : number of re-initialisations of the model, at least 1.
    init : law of the new weights, a word of `lib.initialisers.LAWS`.
    background : pixel value of an empty pixel; the foreground metric leaves such pixels out.
    labels : (N,) true classes; not used.
    image_ids : number of each image in its data set; default 0, 1, 2, …
    references, training_images : for the methods that take them, see `lib.randomization.randomization_scores`.
    seed : names every draw; the same weights as in `randomization_scores`.

    Returns
    -------
    One row per number, with the columns of `lib.scores.COLUMNS` but the net's. Intervention ``calibration``. Step 0 is
    the intact model: ``against`` original, self (other noise), the words of `lib.nulls.NULLS`, and gaussian_mask. Steps
    1 to K/2 and K of the cascade follow, against original. Metrics: `METRICS`, and SSIM by its written form, for
    example ``ssim(normalisation=std)``.
    """
    compute.settle()
    law = law_named(init, model)
    examples = Examples.of(images, targets, labels, image_ids, references, training_images)
    check_numbers(len(images), draws)
    chosen = check_methods(model, examples, methods)
    units = units_of(model, images)
    working = working_copy(model)
    trained = copy.deepcopy(working.state_dict())
    parts = list(chunks(images))
    progress = Progress("nulls", len(parts) * (1 + draws))
    tables = []
    for part in parts:
        working.load_state_dict(trained)
        comparison = Calibration(working, examples.part(part), background, seed)
        comparison.remember("original", chosen)
        table = Table(examples.image_ids[part])
        table.add(INTERVENTION, "none", 0, -1, comparison.intact_scores(chosen, "original"))
        progress.step("the intact model")
        for draw in range(draws):
            for step in upper_and_full(steps(model, units, law, draw, seed), len(units)):
                working.load_state_dict(step.state)
                scores = comparison.scores(chosen, "original", f"draw {draw}, down to {step.unit}")
                table.add(INTERVENTION, step.unit, step.step, draw, scores)
            progress.step(f"draw {draw + 1}/{draws}")
        tables.append(table.frame())
    return pd.concat(tables, ignore_index=True)


def check_numbers(images: int, draws: int) -> None:
    """Raise `StudyError` unless there is another image to compare with, and something to draw."""
    if images < 2:
        raise StudyError("There is one image only, so none of them has another image's map; give at least 2.")
    if draws < 1:
        raise StudyError(f"draws is {draws}; it must be at least 1.")


def upper_and_full(taken: Iterator[Step], units: int) -> Iterator[Step]:
    """The steps of the upper half of the units, and the last."""
    return (step for step in taken if step.step <= units // 2 or step.step == units)


def null_pictures(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Sequence[str],
    *,
    init: str,
    background: float = 0.0,
    labels: Tensor | None = None,
    image_ids: list[int] | None = None,
    references: Mapping[str, Tensor] | None = None,
    training_images: Tensor | None = None,
    seed: int = 0,
) -> dict[str, Tensor]:
    """The maps behind the first image's numbers in `null_scores`: method name -> (5, H, W), see `PICTURES`.

    Parameters are those of `null_scores`; the random net is that of draw 0.
    """
    compute.settle()
    examples = Examples.of(images, targets, labels, image_ids, references, training_images)
    check_numbers(len(images), 1)
    chosen = check_methods(model, examples, methods)
    working = working_copy(model)
    comparison = Calibration(working, examples.part(next(chunks(images))), background, seed)
    comparison.remember("original", chosen)
    planes = comparison.null_pictures(chosen)
    *_, last = steps(model, units_of(model, images), law_named(init, model), 0, seed)
    working.load_state_dict(last.state)
    one = examples.part(slice(0, 1)).workspace(working, "original", seed, "random", pattern_source=comparison.patterns)
    for name, maps in explain(chosen, one).items():
        planes[name].append(first_plane(maps))
    return {name: torch.stack(each).cpu() for name, each in planes.items()}


def first_plane(maps: Tensor) -> Tensor:
    """Signed sum over channels of the first map: (N, C, H, W) -> (H, W)."""
    return signed(maps[:1])[0].view(maps.shape[2:])
