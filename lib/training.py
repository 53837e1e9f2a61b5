"""Recipe -> trained weights, cached under a key made of the recipe and the source of this code."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LinearLR

from lib import artefacts, compute, data, finetuning, image_models, initialisers, models
from lib.accuracy import correct
from lib.compute import ROOT, generator
from lib.errors import StudyError
from lib.fitting import fit
from lib.progress import Progress
from lib.scores import of_net

PRECISIONS = ("float32", "bfloat16")
OPTIMIZERS = ("adam", "sgd")

_CHOICES = {"precision": PRECISIONS, "optimizer": OPTIMIZERS}
"""Fields with a few words to choose from; the first is meant where a recipe has none."""

_LOG_EVERY = 250


@dataclass(frozen=True)
class Recipe:
    """How one net is trained: one flat file in ``params/<preset>/models``.

    Attributes
    ----------
    model, dataset : names in `lib.models` and `lib.data`.
    seed : names the draws of the first weights and of the batches.
    iterations, batch_size, learning_rate : as the optimizer takes them.
    weight_decay : penalty ``weight_decay / 2 * ||W||^2`` on the model's ``decayed`` weights, inside the
        gradient as in the released code of Adebayo et al. (not decoupled).
    precision : ``float32``, or ``bfloat16`` for the products inside the passes of training, twice as fast where a
        processor knows it; weights and everything after training are float32.
    optimizer : ``adam``, with its default moments and a constant rate; or ``sgd``, without momentum, its rate falling
        along a line to 0.
    weights : what training starts from, see `lib.finetuning`; the model is then a name in `lib.image_models`. Empty
        for weights drawn from the initialiser of a model in `lib.models`.
    """

    model: str
    dataset: str
    seed: int
    iterations: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    precision: str = PRECISIONS[0]
    optimizer: str = OPTIMIZERS[0]
    weights: str = ""

    @property
    def key(self) -> str:
        """The key of the trained net: this recipe and the code that follows it."""
        stated = asdict(self)
        for name, default in _OPTIONAL.items():
            if stated[name] == default:
                # Nets were trained, and have their keys, from before there was a choice.
                del stated[name]
        if self.weights:
            stated["weights"] = finetuning.fingerprint(self.weights)
            return artefacts.key_of(stated, [*finetuning.code_of(self), *data.loaders(self.dataset)])
        code = [*_TRAINERS[self.optimizer], *_CODE, models.ARCHITECTURES[self.model], *data.loaders(self.dataset)]
        return artefacts.key_of(stated, code)


_OPTIONAL = {field.name: field.default for field in fields(Recipe) if field.default is not MISSING}
"""Fields that a recipe need not have, with what is meant where it has none."""


@dataclass(frozen=True)
class TrainedNet:
    """A named net, trained or loaded from the cache when its weights are first asked for.

    A published report is rendered anew without its nets, so that a fresh clone need not train them.
    """

    name: str
    recipe: Recipe

    @property
    def key(self) -> str:
        """The key of the trained net."""
        return self.recipe.key

    @cached_property
    def model(self) -> nn.Module:
        """The model in evaluation mode, its parameters frozen.

        A fine-tuned one has its ``history``: what was noted during training.
        """
        model: Any
        folder = train_named(self.name)
        if self.recipe.weights:
            model = finetuning.blank(self.recipe)
            model.history = pd.read_csv(folder / "history.csv").to_dict("records")
        else:
            model = models.build(self.recipe.model, generator(self.recipe.seed, "weights"))
        model.load_state_dict(torch.load(folder / "model.pt", weights_only=True))
        return model.eval().requires_grad_(False)

    def of(self, scores: pd.DataFrame) -> pd.DataFrame:
        """Pick this net's rows out of a table of scores."""
        return of_net(scores, self.recipe.model, self.recipe.dataset, self.recipe.seed)


def recipe_files() -> dict[str, Path]:
    """All recipes by name; a name stands for one recipe, whatever preset its file lies in."""
    found: dict[str, Path] = {}
    for path in sorted((ROOT / "params").glob("*/models/*.yml")):
        if path.stem in found:
            raise StudyError(f"Two recipes are called {path.stem} ({found[path.stem]} and {path}); rename one.")
        found[path.stem] = path
    return found


def read_recipe(name: str) -> Recipe:
    """Read and check the recipe of a named net.

    Raises
    ------
    StudyError
        If there is no such recipe, or a field is missing, unknown or of the wrong type.
    """
    from lib.parameters import read_params_file

    files = recipe_files()
    if name not in files:
        raise StudyError(f"No recipe is called {name!r}; choose one of {', '.join(files)}, or add params/*/models/.")
    return recipe_from(read_params_file(files[name]), str(files[name].relative_to(ROOT)))


def recipe_from(values: dict[str, Any], where: str) -> Recipe:
    """Turn a flat mapping into a checked `Recipe`; ``where`` names its file in messages."""
    types = {"str": str, "int": int, "float": float}
    expected = {field.name: types[str(field.type)] for field in fields(Recipe)}
    values = _OPTIONAL | values
    for name in values.keys() ^ expected.keys():
        what = "is missing" if name in expected else "is not a field of a recipe"
        needed = ", ".join(field for field in expected if field not in _OPTIONAL)
        may = ", ".join(_OPTIONAL)
        raise StudyError(f"{where}: {name!r} {what}; a recipe has exactly {needed}, and may have {may}.")
    for name, kind in expected.items():
        value = values[name]
        if kind is float and type(value) is int:
            values = values | {name: float(value)}
        elif type(value) is not kind:
            hint = " (0.0001, not 1e-4)" if kind is float else ""
            raise StudyError(f"{where}: {name} is {value!r}, which is not of type {kind.__name__}{hint}.")
    for name in ("iterations", "batch_size", "learning_rate"):
        if not 0 < values[name] < math.inf:
            raise StudyError(f"{where}: {name} is {values[name]}; it must be above 0.")
    if not 0 <= values["weight_decay"] < math.inf:
        raise StudyError(f"{where}: weight_decay is {values['weight_decay']}; it must be 0 or more.")
    for name, choices in _CHOICES.items():
        if values[name] not in choices:
            raise StudyError(f"{where}: {name} is {values[name]!r}; choose one of {', '.join(choices)}.")
    known: Mapping[str, Any] = image_models.ARCHITECTURES if values["weights"] else models.ARCHITECTURES
    if values["model"] not in known:
        raise StudyError(f"{where}: the model {values['model']!r} is not one of {', '.join(known)}.")
    data.check(values["dataset"])
    if values["weights"] and (values["weight_decay"] or values["optimizer"] != OPTIMIZERS[0]):
        raise StudyError(
            f"{where}: a net that starts from weights is trained by {OPTIMIZERS[0]} without weight decay; set "
            "weight_decay to 0.0 and leave optimizer out."
        )
    return Recipe(**values)


def train_named(name: str) -> Path:
    """Train the net of a named recipe, or find it in the cache; returns its folder."""
    recipe = read_recipe(name)
    return artefacts.artefact("models", recipe.key, lambda folder: _make(recipe, name, folder))


def named_net(name: str) -> TrainedNet:
    """The net of a named recipe."""
    return TrainedNet(name, read_recipe(name))


def train(recipe: Recipe, label: str = "training") -> tuple[nn.Module, list[dict[str, float]]]:
    """Train a net by its recipe, in the precision of the surrounding `in_precision`.

    Returns
    -------
    The model in evaluation mode on the CPU, and its history: iteration, mean loss and accuracy on the batches
    since the last entry.
    """
    compute.settle()
    device = compute.device()
    dataset = data.load(recipe.dataset)
    # Convolutions on the CPU are about a tenth faster with channels last.
    model = models.build(recipe.model, generator(recipe.seed, "weights"))
    model = model.to(device).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.Adam(_decay_groups(model, recipe.weight_decay), lr=recipe.learning_rate, fused=True)
    images, labels = dataset.train_images.to(device), dataset.train_labels.to(device)
    batches = _batches(len(labels), recipe.batch_size, generator(recipe.seed, "batches"))
    progress = Progress(label, recipe.iterations)
    history: list[dict[str, float]] = []
    loss_sum, right = 0.0, 0
    for iteration in range(1, recipe.iterations + 1):
        batch = next(batches)
        logits = model(images[batch])
        loss = F.cross_entropy(logits, labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss_sum += loss.item()
        right += int((logits.argmax(1) == labels[batch]).sum())
        if iteration % _LOG_EVERY == 0 or iteration == recipe.iterations:
            since = iteration - (history[-1]["iteration"] if history else 0)
            history.append(
                {
                    "iteration": iteration,
                    "loss": loss_sum / since,
                    "accuracy": right / since / recipe.batch_size,
                }
            )
            loss_sum, right = 0.0, 0
        progress.step()
    return model.cpu().to(memory_format=torch.contiguous_format).eval().requires_grad_(False), history


def train_by_sgd(recipe: Recipe, label: str = "training") -> tuple[nn.Module, list[dict[str, float]]]:
    """Train a net by its recipe with stochastic gradient descent; otherwise as `train`."""
    compute.settle()
    device = compute.device()
    dataset = data.load(recipe.dataset)
    model = models.build(recipe.model, generator(recipe.seed, "weights")).to(device).train()
    optimizer = torch.optim.SGD(_decay_groups(model, recipe.weight_decay), lr=recipe.learning_rate)
    schedule = LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=recipe.iterations)
    batches = _batches(len(dataset.train_labels), recipe.batch_size, generator(recipe.seed, "batches"))
    images, labels = dataset.train_images.to(device), dataset.train_labels.to(device)
    history = fit(model, images, labels, batches, optimizer, schedule, Progress(label, recipe.iterations))
    return model.cpu().eval().requires_grad_(False), history


def in_precision(word: str) -> torch.autocast:
    """A context in which passes compute their products in a precision of `PRECISIONS`."""
    # Without the cache, which would keep the first weights' half-precision copies for as long as the context lasts.
    return torch.autocast(compute.device().type, torch.bfloat16, enabled=word == "bfloat16", cache_enabled=False)


def _make(recipe: Recipe, name: str, folder: Path) -> None:
    with in_precision(recipe.precision):
        trainer = finetuning.finetune if recipe.weights else train if recipe.optimizer == "adam" else train_by_sgd
        model, history = trainer(recipe, f"training {name}")
    dataset = data.load(recipe.dataset)
    summary = {
        "train_accuracy": float(correct(model, dataset.train_images, dataset.train_labels).double().mean()),
        "test_accuracy": float(correct(model, dataset.test_images, dataset.test_labels).double().mean()),
    }
    weights = io.BytesIO()
    torch.save(model.state_dict(), weights)
    artefacts.write_atomically(folder / "model.pt", weights.getvalue())
    for file, content in (("config.json", asdict(recipe)), ("summary.json", summary)):
        artefacts.write_atomically(folder / file, json.dumps(content, indent=1, sort_keys=True).encode())
    table = io.StringIO()
    writer = csv.DictWriter(table, fieldnames=list(history[0]))
    writer.writeheader()
    writer.writerows(history)
    artefacts.write_atomically(folder / "history.csv", table.getvalue().encode())


def _decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    decayed = {name for name, _ in model.named_parameters()} & set(model.decayed)  # type: ignore[arg-type]
    parameters = dict(model.named_parameters())
    return [
        {"params": [parameters[name] for name in sorted(decayed)], "weight_decay": weight_decay},
        {"params": [value for name, value in parameters.items() if name not in decayed], "weight_decay": 0.0},
    ]


def _batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Endless batches of indices: every epoch a new order, a last short batch is left out."""
    if size > count:
        raise StudyError(f"batch_size is {size}, but there are only {count} training images; make it smaller.")
    while True:
        order = torch.randperm(count, generator=generator)
        yield from order.split(size)[: count // size]


# What a recipe gives is decided by this code, the architecture's and the data set's; it is part of the key.
_CODE: list[Any] = [
    _decay_groups,
    _batches,
    models.build,
    initialisers.draw,
    initialisers.truncated_normal,
    initialisers.constant,
    initialisers.fan_in,
    compute.settle,
    compute.seed_of,
    compute.generator,
]
_TRAINERS: dict[str, list[Any]] = {"adam": [train], "sgd": [train_by_sgd, fit]}
