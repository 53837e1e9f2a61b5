"""What is destroyed, and in which order: states of a model with some of its units drawn anew.

Everything works on state dicts; the user's model is never touched. Draw d is one chain of re-initialisations: a unit
gets the same random numbers in every order and under every law.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from lib import compute
from lib.errors import StudyError
from lib.initialisers import Law, draw
from lib.units import Units, unit_tensors

ORDERS = ("cascade", "reverse", "independent")
"""Top-down (from the logits), bottom-up (from the input), and one unit at a time with all others trained."""

PREFIXES = ("nested", "fresh")
"""Whether a step keeps the draws of the step before, or draws all its units anew (as the released code does)."""

BATCH_NORMS = ("fresh", "drawn", "keep-stats", "recalibrate")
"""What becomes of batch norm in a destroyed unit.

``fresh``: weight 1, bias 0, running mean 0, running variance 1. ``drawn``: weight and bias from the law instead.
``keep-stats``: weight 1 and bias 0, but the running statistics stay the trained net's, as in the released code.
``recalibrate``: fresh, then the running statistics are measured on the images given.
"""


@dataclass(frozen=True)
class Step:
    """One stage of destruction: the units ``destroyed``, ``unit`` the last of them to be reached."""

    draw: int
    step: int
    unit: str
    destroyed: tuple[str, ...]
    state: dict[str, Tensor]


def destroyed_units(units: Units, order: str) -> list[tuple[str, ...]]:
    """The units destroyed at each step of an order, the last one reached last.

    Raises
    ------
    StudyError
        If the order is not known.
    """
    upwards = list(units)
    downwards = upwards[::-1]
    if order == "cascade":
        return [tuple(downwards[:step]) for step in range(1, len(units) + 1)]
    if order == "reverse":
        return [tuple(upwards[:step]) for step in range(1, len(units) + 1)]
    if order == "independent":
        return [(unit,) for unit in downwards]
    raise StudyError(f"The order {order!r} is not known; choose one of {', '.join(ORDERS)}.")


def steps(
    model: nn.Module,
    units: Units,
    law: Law,
    draw_number: int,
    seed: int = 0,
    *,
    order: str = "cascade",
    prefix: str = "nested",
    bn: str = "fresh",
    calibration: Tensor | None = None,
) -> Iterator[Step]:
    """Walk through the units of a model in an order, re-initialising at every step what the order says.

    Parameters
    ----------
    model : gives the trained state; not changed.
    units : in execution order, as `lib.units.units_of` gives them.
    law : what the parameters of a unit are drawn from.
    draw_number, seed : name the random numbers.
    order, prefix, bn : see `ORDERS`, `PREFIXES`, `BATCH_NORMS`.
    calibration : (N, C, H, W), images that ``bn="recalibrate"`` measures the running statistics on.

    Yields
    ------
    One `Step` per unit with a full state dict.
    """
    for word, allowed, value in (("prefix", PREFIXES, prefix), ("bn", BATCH_NORMS, bn)):
        if value not in allowed:
            raise StudyError(f"{word} is {value!r}; choose one of {', '.join(allowed)}.")
    trained = model.state_dict()
    for step, destroyed in enumerate(destroyed_units(units, order), start=1):
        state = dict(trained)
        for unit in destroyed:
            chain = (draw_number, unit) if prefix == "nested" else (draw_number, order, step, unit)
            generator = compute.generator(seed, "reinitialise", *chain)
            state.update(reinitialised(model, units[unit], law, generator, bn))
        if bn == "recalibrate":
            state = recalibrated(model, state, [module for unit in destroyed for module in units[unit]], calibration)
        yield Step(draw_number, step, destroyed[-1], destroyed, state)


def reinitialised(
    model: nn.Module, modules: tuple[str, ...], law: Law, generator: torch.Generator, bn: str = "fresh"
) -> dict[str, Tensor]:
    """New values for the tensors of some modules; what is not in it stays as it was trained."""
    trained = model.state_dict()
    parameters = {name for name, _ in model.named_parameters()}
    norms = tuple(f"{name}." for name, module in model.named_modules() if isinstance(module, _NormBase))
    new = {}
    for name in unit_tensors(model, modules):
        in_norm = bool(norms) and name.startswith(norms)
        if in_norm and not (bn == "drawn" and name in parameters):
            ones = name.endswith(("weight", "running_var"))
            if name in parameters or bn != "keep-stats":
                new[name] = torch.ones_like(trained[name]) if ones else torch.zeros_like(trained[name])
        elif name in parameters:
            new[name] = draw(law, name, trained[name], generator)
        else:
            raise StudyError(f"The buffer {name!r} has no rule of re-initialisation; only batch norm's have.")
    return new


def recalibrated(
    model: nn.Module, state: dict[str, Tensor], modules: list[str], images: Tensor | None
) -> dict[str, Tensor]:
    """A state whose destroyed batch norms have the running statistics of some images, in one pass.

    Only the batch norms of ``modules`` are measured; a trained one above or below keeps every bit.
    """
    if images is None:
        raise StudyError("bn is 'recalibrate', which measures statistics on images; give calibration=images.")
    working = copy.deepcopy(model).eval()
    working.load_state_dict(state)
    prefixes = tuple(f"{module}." for module in modules)
    for name, module in working.named_modules():
        if isinstance(module, _NormBase) and f"{name}.".startswith(prefixes):
            module.train()
            module.momentum = 1.0  # the statistics of this one batch, and nothing of what was there
    with torch.no_grad():
        working(images)
    return dict(working.state_dict())


def manifest(model: nn.Module, units: Units, taken: Iterable[tuple[str, Step]]) -> pd.DataFrame:
    """Prove what a randomization changed: one row per order, draw, step and unit.

    Parameters
    ----------
    taken : pairs of an order and a step taken in it.

    Returns
    -------
    Columns: order, draw, step, level (the unit reached), unit, tensors, numbers, ``changed`` (share of numbers that
    differ from the trained ones), ``std`` of the unit's numbers, ``digest`` (of the unit's values, to see that
    untouched units are bit-identical).
    """
    trained = model.state_dict()
    rows = []
    for order, step in taken:
        for unit, modules in units.items():
            names = unit_tensors(model, modules)
            now = torch.cat([step.state[name].flatten().double() for name in names])
            before = torch.cat([trained[name].flatten().double() for name in names])
            digest = hashlib.sha256(b"".join(step.state[name].cpu().numpy().tobytes() for name in names))
            rows.append(
                {
                    "order": order,
                    "draw": step.draw,
                    "step": step.step,
                    "level": step.unit,
                    "unit": unit,
                    "tensors": len(names),
                    "numbers": len(now),
                    "changed": float((now != before).double().mean()),
                    "std": float(now.std()),
                    "digest": digest.hexdigest()[:12],
                }
            )
    return pd.DataFrame(rows)
