"""Fine-tuning: a trained net with a new last layer goes on learning, on another task."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim.lr_scheduler import LambdaLR

from lib import compute, data, image_models, weights
from lib.accuracy import correct
from lib.artefacts import sha256
from lib.compute import generator
from lib.encoded import Encoded
from lib.errors import StudyError
from lib.fitting import fit
from lib.initialisers import draw, uniform_law
from lib.progress import Progress

if TYPE_CHECKING:
    from lib.training import Recipe

OWN = "own"
"""Weights drawn from the net's own initialiser: nothing was learned before."""

TESTED_EVERY = 25
"""Iterations between two measurements of the accuracy on the test images."""


def finetune(recipe: Recipe, label: str = "fine-tuning") -> tuple[nn.Module, list[dict[str, float]]]:
    """Give a trained net a new last layer, and train all of it on the recipe's data set with Adam, without decay.

    Batch norm is in training mode (statistics of the batch; the running ones follow), all else in evaluation mode: no
    dropout, no dropped blocks. The precision is that of the surrounding context.

    Returns
    -------
    The model in evaluation mode on the CPU, its parameters frozen, and its history: iteration, mean loss and accuracy
    on the batches since the last entry, and the accuracy on the test images at that time, in the same precision.

    Raises
    ------
    StudyError
        If the weights to start from are not there, or the net's last layer is not a dense one.
    """
    from lib.training import _batches

    compute.settle()
    device = compute.device()
    model = blank(recipe)
    model.load_state_dict(_with_new_head(recipe, model))
    model = model.to(device).to(memory_format=torch.channels_last).requires_grad_(True)
    dataset = data.load(recipe.dataset)
    images, labels = dataset.train_images.to(device), dataset.train_labels.to(device)
    batches = _batches(len(labels), recipe.batch_size, generator(recipe.seed, "batches"))
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate, fused=True)
    constant = LambdaLR(optimizer, lambda _: 1.0)
    history: list[dict[str, float]] = []
    for start in range(0, recipe.iterations, TESTED_EVERY):
        stop = min(start + TESTED_EVERY, recipe.iterations)
        progress = Progress(f"{label}, to iteration {stop} of {recipe.iterations}", stop - start)
        _train_batch_norm(model)
        (entry,) = fit(model, images, labels, batches, optimizer, constant, progress)
        tested = correct(model.eval(), dataset.test_images, dataset.test_labels, recipe.batch_size)
        history.append(entry | {"iteration": stop, "test_accuracy": float(tested.double().mean())})
    return model.cpu().to(memory_format=torch.contiguous_format).requires_grad_(False), history


def blank(recipe: Recipe) -> nn.Module:
    """The architecture of a fine-tuned net, for weights to be loaded into.

    Returns
    -------
    An `Encoded` net with as many outputs as the data set has classes, in evaluation mode, its parameters frozen. Its
    ``label`` says whose weights it started from.
    """
    chosen = image_models.architecture(recipe.model)
    net = chosen.blank(_label(recipe))
    name = _head(net)
    old = net.get_submodule(name)
    # Without memory at first: the constructor would draw weights from torch's global generator.
    new = nn.Linear(old.in_features, data.class_count(recipe.dataset), device="meta")  # type: ignore[arg-type]
    net.set_submodule(name, new.to_empty(device="cpu"))
    return Encoded(net, chosen.encoding).eval().requires_grad_(False)


def origin(model: str, start: str) -> nn.Module:
    """The net that fine-tuning starts from, with the outputs that it was trained for.

    Parameters
    ----------
    model : name of its architecture.
    start : its weights, as `lib.weights.load` names them.
    """
    return Encoded(weights.load(model, start), image_models.architecture(model).encoding).eval()


def fingerprint(start: str) -> str:
    """What tells the weights that fine-tuning starts from, for the key of the result.

    Parameters
    ----------
    start : `OWN`, the name of a recipe, or what `lib.weights.load` takes.
    """
    from lib.training import read_recipe, recipe_files

    if start in recipe_files():
        return read_recipe(start).key
    if start in weights.KNOWN_FILES:
        return weights.KNOWN_FILES[start].sha256
    if start in (OWN, *weights.SOURCES):
        return start
    path = Path(start).expanduser()
    if not path.is_file():
        raise StudyError(
            f"The weights {path} cannot be read; name a file that is there, or {' or '.join(weights.SOURCES)}."
        )
    return sha256(path.read_bytes())


def _with_new_head(recipe: Recipe, model: nn.Module) -> dict[str, Tensor]:
    """The weights to start from, for a model made by `blank`, with a last layer as torch would draw it."""
    from lib.training import named_net, recipe_files

    head = f"net.{_head(model.net)}."  # type: ignore[arg-type]
    if recipe.weights == OWN:
        built = image_models.build(recipe.model, generator(recipe.seed, "weights"))
        state = {f"net.{name}": value for name, value in built.state_dict().items()}
    elif recipe.weights in recipe_files():
        before = named_net(recipe.weights)
        if before.recipe.model != recipe.model or not before.recipe.weights:
            raise StudyError(f"A {recipe.model} cannot start from {before.name}, a net of another kind; name another.")
        state = before.model.state_dict()
    else:
        state = origin(recipe.model, recipe.weights).state_dict()
    draws = generator(recipe.seed, "new last layer")
    for name, value in model.state_dict().items():
        if name.startswith(head):
            uniform = torch.rand(value.shape, generator=draws, dtype=torch.float64)
            fan_in = model.get_submodule(head.removesuffix(".")).in_features
            state[name] = uniform_law(uniform, 1.0 / math.sqrt(fan_in)).to(value)  # type: ignore[arg-type]
    return state


def _label(recipe: Recipe) -> str:
    """Whose weights a net has, for figures."""
    chosen = image_models.architecture(recipe.model)
    if recipe.weights == OWN:
        return f"{chosen.label} (trained on {recipe.dataset})"
    known = weights.KNOWN_FILES.get(recipe.weights)
    source = {"download": f"torchvision {chosen.download.rpartition('.')[2]}", "package": chosen.package}
    before = known.label if known else f"{chosen.label} ({source.get(recipe.weights, Path(recipe.weights).name)})"
    return f"{before}, fine-tuned on {recipe.dataset}"


def _head(net: nn.Module) -> str:
    """The name of a net's last layer, which must be a dense one."""
    units: dict[str, tuple[str, ...]] = net.units  # type: ignore[assignment]
    name = list(units.values())[-1][-1]
    if not isinstance(net.get_submodule(name), nn.Linear):
        raise StudyError(f"The last layer of the {net.label} is not a dense one; choose another network to fine-tune.")
    return name


def _train_batch_norm(model: nn.Module) -> None:
    """Put batch norm into training mode, and nothing else."""
    for module in model.eval().modules():
        if isinstance(module, _NormBase):
            module.train()


def code_of(recipe: Recipe) -> list[Any]:
    """The code that decides what fine-tuning gives, for the key."""
    from lib.training import _batches

    chosen = image_models.architecture(recipe.model)
    own = [finetune, blank, origin, _with_new_head, _head, _train_batch_norm, Encoded, fit, _batches, uniform_law]
    built = [image_models.Architecture, image_models.build, chosen.make, chosen.own_law, draw]
    return [*own, *built, compute.settle, compute.seed_of, compute.generator]
