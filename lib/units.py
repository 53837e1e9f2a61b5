"""The *units* of a model: the groups of modules that cascading randomization re-initialises one by one."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lib.errors import StudyError

Units = dict[str, tuple[str, ...]]
"""Unit name -> names of the modules it owns, in execution order."""


def units_of(model: nn.Module, images: Tensor) -> Units:
    """The units of any model, in execution order.

    A model's attribute ``units`` decides; without one, every module that owns parameters is a unit by itself,
    in the order in which a forward pass on ``images`` (N, C, H, W) first calls it.

    Raises
    ------
    StudyError
        If a trainable tensor belongs to no unit (a module never called, e.g. an auxiliary head) or to two.
    """
    units = getattr(model, "units", None) or _called_modules(model, images)
    if not isinstance(units, Mapping):
        raise StudyError(f"The model's attribute `units` is {units!r}; it must map names of units to names of modules.")
    names: dict[int, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if names.setdefault(id(parameter), name) != name:
            raise StudyError(
                f"{names[id(parameter)]!r} and {name!r} are one tensor (tied weights), so a step would change both; "
                "give the model separate tensors."
            )
    owners: dict[str, list[str]] = {name: [] for name in model.state_dict()}
    for unit, modules in units.items():
        for module in modules:
            for tensor in unit_tensors(model, (module,)):
                owners[tensor].append(unit)
    for name, units_with_it in owners.items():
        if not units_with_it:
            raise StudyError(
                f"The tensor {name!r} belongs to no unit, so no step would randomize it; "
                "give the model an attribute `units` that covers it, or delete the unused module."
            )
        if len(units_with_it) > 1:
            raise StudyError(
                f"The tensor {name!r} belongs to several units ({', '.join(units_with_it)}); make them disjoint."
            )
    return dict(units)


def unit_tensors(model: nn.Module, modules: tuple[str, ...]) -> list[str]:
    """The state-dict names (parameters and buffers) owned by some modules of a model."""
    prefixes = tuple(f"{module}." for module in modules)
    names = [name for name in model.state_dict() if name.startswith(prefixes)]
    if not names:
        raise StudyError(f"The modules {', '.join(modules)} own no tensor of the model; check the unit's spelling.")
    return names


def _called_modules(model: nn.Module, images: Tensor) -> Units:
    called: Units = {}
    model = copy.deepcopy(model).eval()

    def note(name: str) -> None:
        called.setdefault(name, (name,))

    for name, module in model.named_modules():
        if name and next(module.parameters(recurse=False), None) is not None:
            module.register_forward_pre_hook(lambda _module, _inputs, name=name: note(name))  # type: ignore[misc]
    with torch.no_grad():
        model(images[:1])
    return called
