"""What must hold before a notebook computes anything: names that exist, numbers in range, data that are there."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lib import attributions, compute, data, image_models, image_sets, models, randomization, training
from lib.choices import check_images, check_numbers, check_weights, check_words
from lib.comparison import Examples
from lib.compute import ROOT
from lib.encoded import Encoded
from lib.errors import StudyError

_METHOD_LISTS = ("methods", "relevance", "costly", "slowest")
"""Parameters that hold methods; no method may stand in two of them."""


def notebook_path(study: str) -> Path:
    """The source of a study."""
    path = ROOT / "notebooks" / f"{study}.py"
    if not path.exists():
        known = ", ".join(sorted(each.stem for each in path.parent.glob("*.py")))
        raise StudyError(f"There is no study {study!r}; choose one of {known}.")
    return path


def check(study: str, values: Mapping[str, Any]) -> None:
    """Refuse values that cannot be run, before any compute.

    Parameters
    ----------
    study : the notebook's name.
    values : all its parameters, already of the right types.

    Raises
    ------
    StudyError
        One sentence about the first problem: an unknown net, data set, method, order, initialiser, prefix or rule for
        the explained class, a method that is not defined for a net's architecture, a number out of range, absent data.
    """
    notebook_path(study)
    with data_folder(values.get("data_dir", "")):
        for name in ("models", "methods"):
            if name in values and not values[name]:
                raise StudyError(f"{name} is empty; name at least one.")
        recipes = [training.read_recipe(name) for name in values.get("models", [])]
        _check_distinct(values.get("models", []), recipes)
        check_numbers(values)
        if values.get("gallery", 1) > values.get("n_images", 1):
            raise StudyError(
                f"gallery is {values['gallery']}, more than n_images, {values['n_images']}; make it smaller."
            )
        methods = [each for name in _METHOD_LISTS for each in values.get(name, [])]
        attributions.methods(methods)
        attributions.methods(values.get("sweep_methods", []))
        choices = {name: values[name] for name in ("init", "prefix", "target") if name in values}
        settings = randomization.sweep(**choices)
        if "orders" in values:
            randomization.check_orders(values["orders"])
        check_words(study, values)
        check_weights(values)
        for recipe in recipes:
            model, image = _untrained(recipe)
            examples = Examples.of(
                image,
                torch.zeros(1, dtype=torch.int64),
                references=dict.fromkeys((*data.REFERENCES, "pixelmax"), image[0]),
                training_images=image,
            )
            randomization.check_methods(model, examples, methods)
            for setting in settings.values():
                setting.check(model)
        _check_partners(values, recipes)
        for name in values.get("image_sets", []):
            if name != "photos":
                image_sets.check(name, 1)
        datasets = {recipe.dataset for recipe in recipes}
        for name in datasets:
            data.ensure(name)
        check_images(values, datasets)


def _untrained(recipe: training.Recipe) -> tuple[nn.Module, Tensor]:
    """A net of a recipe's architecture with random weights, and a random image (1, C, H, W) as its data set has them.

    The logits are as many as the architecture has for photographs, which may be more than the trained net's.
    """
    draws = compute.generator("check")
    if not recipe.weights:
        model = models.build(recipe.model, draws)
        return model, torch.rand(1, *models.ARCHITECTURES[recipe.model].input_shape, generator=draws)
    net = Encoded(image_models.build(recipe.model, draws), image_models.architecture(recipe.model).encoding)
    return net.eval(), torch.rand(1, *data.load(recipe.dataset).test_images.shape[1:], generator=draws)


def _check_distinct(names: Sequence[str], recipes: Sequence[training.Recipe]) -> None:
    """Refuse nets whose rows in the table of scores could not be told apart."""
    seen: dict[tuple[str, str, int], str] = {}
    for name, recipe in zip(names, recipes, strict=True):
        label = (recipe.model, recipe.dataset, recipe.seed)
        if label in seen:
            raise StudyError(
                f"The nets {seen[label]} and {name} have the same model, data set and seed, so their scores could not "
                "be told apart; run them one by one."
            )
        seen[label] = name


def _check_partners(values: Mapping[str, Any], recipes: Sequence[training.Recipe]) -> None:
    """Refuse nets that cannot stand beside those studied: one fitted to permuted labels, one trained once more."""
    told = {
        "permuted": "the same model, and the same data set with -permuted behind its name",
        "again": "the same model and data set, and another seed",
    }
    for parameter in (name for name in told if name in values):
        names = values[parameter]
        if len(names) != len(recipes):
            raise StudyError(
                f"{parameter} names {len(names)} nets and models {len(recipes)}; give each of models its own, in order."
            )
        for name, own in zip(names, recipes, strict=True):
            other = training.read_recipe(name)
            fits = {
                "permuted": other.dataset == f"{own.dataset}-permuted",
                "again": other.dataset == own.dataset and other.seed != own.seed,
            }
            if other.model != own.model or not fits[parameter]:
                raise StudyError(
                    f"{parameter} names {name}, which does not fit {own.model} on {own.dataset} with seed {own.seed}; "
                    f"it must have {told[parameter]}."
                )


class data_folder:
    """A context in which a non-empty parameter ``data_dir`` stands for the environment variable."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.before = os.environ.get("SALIENCY_DATA")

    def __enter__(self) -> None:
        if self.folder:
            os.environ["SALIENCY_DATA"] = str(Path(self.folder).expanduser().resolve())

    def __exit__(self, *_: object) -> None:
        if self.folder:
            os.environ.pop("SALIENCY_DATA")
            if self.before is not None:
                os.environ["SALIENCY_DATA"] = self.before
