"""Cascading randomization: destroy a model unit by unit and compare its maps with those of the intact model.

Everything works on state dicts of a copy; the user's model is never touched. Draw d is one chain of
re-initialisations: a unit gets the same random numbers in every order, under every law and for every method.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from lib import attributions, compute
from lib.attributions.base import Method
from lib.errors import StudyError
from lib.initialisers import Law, draw, truncated_normal
from lib.progress import Progress
from lib.similarity import RankedMaps, compare, foreground
from lib.units import Units, unit_tensors, units_of
from lib.workspace import Noise, Workspace, chunks, working_copy

LAWS: dict[str, Callable[[nn.Module], Law]] = {
    "tn(0.01)": lambda model: lambda name, trained, uniform: truncated_normal(uniform, 0.01),
    "own": lambda model: own_law(model),
}
"""Laws of re-initialisation by name: the paper's truncated normal with std 0.01 for weights and biases alike, and
the model's own training initialiser, which the released code used."""

PREFIXES = ("nested", "fresh")


@dataclass(frozen=True)
class Step:
    """One stage of a cascade: the ``step`` topmost units are re-initialised, ``unit`` the last of them."""

    draw: int
    step: int
    unit: str
    state: dict[str, Tensor]

    @property
    def label(self) -> str:
        """Names the stage in messages and seeds."""
        return f"draw {self.draw}, step {self.step}"


def own_law(model: nn.Module) -> Law:
    """The initialiser that the model itself names as ``own_law``."""
    law = getattr(model, "own_law", None)
    if law is None:
        raise StudyError(
            "init is 'own', but the model has no method own_law(name, trained, uniform); add one, or use 'tn(0.01)'."
        )
    return law


def law_named(init: str, model: nn.Module) -> Law:
    """The law of a name, for a model."""
    if init not in LAWS:
        raise StudyError(f"The initialiser {init!r} is not known; choose one of {', '.join(LAWS)}.")
    return LAWS[init](model)


def cascade(
    model: nn.Module, units: Units, law: Law, draw_number: int, seed: int = 0, prefix: str = "nested"
) -> Iterator[Step]:
    """Walk the units from the logits down, re-initialising one more at each step.

    Parameters
    ----------
    model : gives the trained state; not changed.
    units : in execution order, as `lib.units.units_of` gives them.
    law : what every parameter of a unit is drawn from. Batch norm is made fresh instead: weight 1, bias 0,
        running mean 0, running variance 1.
    draw_number, seed : name the random numbers.
    prefix : ``nested`` keeps the earlier draws of a chain, ``fresh`` draws all units anew at every step.

    Yields
    ------
    One `Step` per unit with a full state dict.
    """
    if prefix not in PREFIXES:
        raise StudyError(f"prefix is {prefix!r}; choose one of {', '.join(PREFIXES)}.")
    trained = model.state_dict()
    order = list(reversed(units))
    state = dict(trained)
    for step, unit in enumerate(order, start=1):
        redrawn = order[:step] if prefix == "fresh" else [unit]
        for each in redrawn:
            chain = (draw_number, each) if prefix == "nested" else (draw_number, step, each)
            generator = compute.generator(seed, "reinitialise", *chain)
            state.update(reinitialised(model, units[each], law, generator))
        yield Step(draw_number, step, unit, dict(state))


def reinitialised(
    model: nn.Module, modules: tuple[str, ...], law: Law, generator: torch.Generator
) -> dict[str, Tensor]:
    """New values for all tensors of some modules."""
    trained = model.state_dict()
    parameters = {name for name, _ in model.named_parameters()}
    norms = tuple(
        f"{name}." for name, module in model.named_modules() if isinstance(module, nn.modules.batchnorm._NormBase)
    )
    new = {}
    for name in unit_tensors(model, modules):
        if name.startswith(norms) if norms else False:
            ones = name.endswith(("weight", "running_var"))
            new[name] = torch.ones_like(trained[name]) if ones else torch.zeros_like(trained[name])
        elif name in parameters:
            new[name] = draw(law, name, trained[name], generator)
        else:
            raise StudyError(f"The buffer {name!r} has no rule of re-initialisation; only batch norm's have.")
    return new


def manifest(model: nn.Module, units: Units, steps: Iterable[Step]) -> pd.DataFrame:
    """Prove what a cascade changed: one row per draw, step and unit.

    Columns: draw, step, unit, tensors, numbers, ``changed`` (share of numbers that differ from the trained ones),
    ``std`` of the unit's numbers, ``digest`` (of the unit's values, to see that untouched units are bit-identical).
    """
    trained = model.state_dict()
    rows = []
    for step in [Step(-1, 0, "", dict(trained)), *steps]:
        for unit, modules in units.items():
            names = unit_tensors(model, modules)
            now = torch.cat([step.state[name].flatten().double() for name in names])
            before = torch.cat([trained[name].flatten().double() for name in names])
            digest = hashlib.sha256(b"".join(step.state[name].cpu().numpy().tobytes() for name in names))
            rows.append(
                {
                    "draw": step.draw,
                    "step": step.step,
                    "unit": unit,
                    "tensors": len(names),
                    "numbers": len(now),
                    "changed": float((now != before).double().mean()),
                    "std": float(now.std()),
                    "digest": digest.hexdigest()[:12],
                }
            )
    return pd.DataFrame(rows)


def explained_classes(model: nn.Module, images: Tensor) -> Tensor:
    """The class that the model predicts for each image: (N,), on the CPU."""
    working = working_copy(model)
    with torch.no_grad():
        return torch.cat([working(images[part].to(compute.device())).argmax(1).cpu() for part in chunks(images)])


def check_methods(model: nn.Module, images: Tensor, targets: Tensor, methods: Iterable[str]) -> list[Method]:
    """Refuse a method that is unknown or not defined for the model, before any long computation."""
    chosen = attributions.methods(methods)
    device = compute.device()
    noise = Noise([0], tuple(images.shape[1:]), 0)
    workspace = Workspace(working_copy(model), images[:1].to(device), targets[:1].to(device), noise)
    for each in chosen:
        each.check(workspace)
    return chosen


def randomization_scores(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Iterable[str],
    *,
    draws: int = 10,
    init: str = "tn(0.01)",
    prefix: str = "nested",
    background: float = 0.0,
    seed: int = 0,
    image_ids: list[int] | None = None,
) -> pd.DataFrame:
    """How similar maps stay to those of the intact model while it is randomized from the logits down.

    The test of Adebayo et al. 2018, section 3.1. Every draw meets every image, and a method sees the same images,
    classes, noise and weights as every other.

    Parameters
    ----------
    model : any classifier; it is copied, not changed.
    images : (N, C, H, W), as the model takes them.
    targets : (N,) explained classes, held fixed (for example `explained_classes`).
    methods : written forms, e.g. ``["gradient", "guided_backprop"]``.
    draws : number of re-initialisations of the whole chain.
    init : law of re-initialisation, a key of `LAWS`.
    prefix : ``nested`` or ``fresh``, see `cascade`.
    background : pixel value of an empty pixel; the foreground metrics leave such pixels out.
    seed : names every draw.
    image_ids : number of each image in its data set; default 0, 1, 2, …

    Returns
    -------
    One row per number, with the columns intervention, level (the unit reached), step, draw, image, target, method,
    metric, against, value. Step 0 is the intact model: its similarity to itself, to another image's map
    (``against`` null_other_image) and, for stochastic methods, to a map from other noise (``against`` self).
    """
    compute.settle()
    before = _digest(model)
    ids = list(range(len(images))) if image_ids is None else image_ids
    if not len(images) == len(targets) == len(ids):
        raise StudyError(
            f"There are {len(images)} images, {len(targets)} targets and {len(ids)} image_ids; make equal."
        )
    chosen = check_methods(model, images, targets, methods)
    units = units_of(model, images)
    law = law_named(init, model)
    working = working_copy(model)
    trained = {name: value.clone() for name, value in working.state_dict().items()}
    parts = list(chunks(images))
    progress = Progress("cascade", len(parts) * (1 + draws * len(units)))
    rows: list[pd.DataFrame] = []
    for part in parts:
        batch, classes = images[part].to(compute.device()), targets[part].to(compute.device())
        mask = foreground(batch, background)
        noise = Noise(ids[part], tuple(images.shape[1:]), seed)
        working.load_state_dict(trained)
        workspace = Workspace(working, batch, classes, noise)
        maps = {each.name: each(workspace) for each in chosen}
        reference = {name: RankedMaps(value, mask) for name, value in maps.items()}
        table = _Table(ids[part], targets[part])
        for each in chosen:
            table.add(each.name, "original", compare(reference[each.name], reference[each.name]))
            if len(batch) > 1:
                other = RankedMaps(maps[each.name].roll(len(batch) // 2, 0), mask)
                table.add(each.name, "null_other_image", compare(reference[each.name], other))
            if each.stochastic:
                again = Workspace(working, batch, classes, Noise(ids[part], noise.shape, seed, "self"))
                table.add(each.name, "self", compare(reference[each.name], RankedMaps(each(again), mask)))
        progress.step("the intact model")
        for number in range(draws):
            for step in cascade(model, units, law, number, seed, prefix):
                working.load_state_dict(step.state)
                workspace = Workspace(working, batch, classes, noise, step.label)
                for each in chosen:
                    now = RankedMaps(each(workspace), mask)
                    table.add(each.name, "original", compare(now, reference[each.name]), step)
                progress.step(f"draw {number + 1}/{draws}, {step.unit}")
        rows.append(table.frame())
    if _digest(model) != before:
        raise StudyError("A method changed the model it was given; it must work on tensors, not on the model.")
    return pd.concat(rows, ignore_index=True)


def randomization_maps(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Iterable[str],
    *,
    init: str = "tn(0.01)",
    prefix: str = "nested",
    seed: int = 0,
    image_ids: list[int] | None = None,
) -> dict[str, Tensor]:
    """The maps of draw 0 for a gallery: method name -> signed sums over channels (steps + 1, N, H, W).

    Parameters are those of `randomization_scores`.
    """
    compute.settle()
    ids = list(range(len(images))) if image_ids is None else image_ids
    chosen = check_methods(model, images, targets, methods)
    units = units_of(model, images)
    working = working_copy(model)
    steps = [None, *cascade(model, units, law_named(init, model), 0, seed, prefix)]
    maps: dict[str, list[Tensor]] = {each.name: [] for each in chosen}
    for step in steps:
        working.load_state_dict(model.state_dict() if step is None else step.state)
        pieces: dict[str, list[Tensor]] = {each.name: [] for each in chosen}
        for part in chunks(images):
            batch, classes = images[part].to(compute.device()), targets[part].to(compute.device())
            noise = Noise(ids[part], tuple(images.shape[1:]), seed)
            workspace = Workspace(working, batch, classes, noise, "trained" if step is None else step.label)
            for each in chosen:
                pieces[each.name].append(each(workspace).sum(1).cpu())
        for name, found in pieces.items():
            maps[name].append(torch.cat(found))
    return {name: torch.stack(found) for name, found in maps.items()}


class _Table:
    """Collects the scores of some images as columns."""

    def __init__(self, ids: list[int], targets: Tensor) -> None:
        self.ids = ids
        self.targets = targets.tolist()
        self.blocks: list[pd.DataFrame] = []

    def add(self, method: str, against: str, values: dict[str, Tensor], step: Step | None = None) -> None:
        for metric, value in values.items():
            self.blocks.append(
                pd.DataFrame(
                    {
                        "intervention": "cascade",
                        "level": "none" if step is None else step.unit,
                        "step": 0 if step is None else step.step,
                        "draw": -1 if step is None else step.draw,
                        "image": self.ids,
                        "target": self.targets,
                        "method": method,
                        "metric": metric,
                        "against": against,
                        "value": value.cpu().numpy(),
                    }
                )
            )

    def frame(self) -> pd.DataFrame:
        return pd.concat(self.blocks, ignore_index=True)


def _digest(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
