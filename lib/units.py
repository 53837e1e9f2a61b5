"""The *units* of a model: the groups of modules that cascading randomization re-initialises one by one."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lib.backward_rules import graph_nodes
from lib.errors import StudyError

Units = dict[str, tuple[str, ...]]
"""Unit name -> names of the modules it owns, in execution order."""


def units_of(model: nn.Module, images: Tensor) -> Units:
    """The units of any model, in execution order.

    A model's attribute ``units`` decides; without one, every module that owns parameters is a unit by itself,
    in the order in which a forward pass on ``images`` (N, C, H, W) first calls it. A declared list is checked
    against such a pass: its units must run one after the other, in the order of the list, and all their parameters
    must lead to the logits.

    Raises
    ------
    StudyError
        If a trainable tensor belongs to no unit (a module never called, e.g. an auxiliary head) or to two, if it does
        not lead to the logits, or if the units are not those of the forward pass, in its order.
    """
    calls, used = _forward_pass(model, images)
    declared = getattr(model, "units", None)
    units = declared or _one_by_one(model, calls)
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
    if declared:
        _check_order(units, [(call, owners[tensor][0]) for call, tensor in calls])
    for name, _ in model.named_parameters():
        if name not in used:
            raise StudyError(
                f"The tensor {name!r} of the unit {owners[name][0]!r} does not lead to the logits, so randomizing it "
                "would change nothing; delete the unused module."
            )
    return dict(units)


def unit_tensors(model: nn.Module, modules: tuple[str, ...]) -> list[str]:
    """The state-dict names (parameters and buffers) owned by some modules of a model."""
    prefixes = tuple(f"{module}." for module in modules)
    names = [name for name in model.state_dict() if name.startswith(prefixes)]
    if not names:
        raise StudyError(f"The modules {', '.join(modules)} own no tensor of the model; check the unit's spelling.")
    return names


def _forward_pass(model: nn.Module, images: Tensor) -> tuple[list[tuple[str, str]], set[str]]:
    """What one forward pass of one image does with the tensors of a model.

    Returns
    -------
    Every call of a module that itself owns tensors, in order: its name and that of its first tensor; and the names of
    the parameters that the logits depend on.
    """
    model = copy.deepcopy(model).eval().requires_grad_(True)
    first_tensors: dict[str, str] = {}
    for tensor in model.state_dict():
        first_tensors.setdefault(tensor.rpartition(".")[0], tensor)
    calls: list[tuple[str, str]] = []
    for name, module in model.named_modules():
        if name in first_tensors:
            call = (name, first_tensors[name])
            module.register_forward_pre_hook(lambda _module, _inputs, call=call: calls.append(call))
    with torch.enable_grad():
        logits = model(images[:1].to(next(model.parameters(), images).device))
    # A leaf of the graph knows its parameter: also one that is used without a call of the module that owns it.
    reached = {id(getattr(node, "variable", None)) for node in graph_nodes(logits)}
    return calls, {name for name, parameter in model.named_parameters() if id(parameter) in reached}


def _one_by_one(model: nn.Module, calls: list[tuple[str, str]]) -> Units:
    """Every called module that owns parameters as a unit by itself, where it is first called."""
    with_parameters = {name.rpartition(".")[0] for name, _ in model.named_parameters()}
    return {call: (call,) for call, _ in calls if call and call in with_parameters}


def _check_order(units: Mapping[str, tuple[str, ...]], calls: list[tuple[str, str]]) -> None:
    """Refuse units that do not run one after the other; ``calls`` are pairs of a module and its unit."""
    for unit in units:
        if unit not in {called for _, called in calls}:
            raise StudyError(
                f"No module of the unit {unit!r} is called in a forward pass; delete its unused modules, or move what "
                "is used without a call into the unit that uses it."
            )
    places = {unit: place for place, unit in enumerate(units)}
    for (before, unit_before), (module, unit) in itertools.pairwise(calls):
        if places[unit] < places[unit_before]:
            raise StudyError(
                f"The module {module!r} of the unit {unit!r} is called after {before!r} of the unit {unit_before!r}, "
                f"but {unit!r} is listed first; list the units in the order of execution, and make units that take "
                "turns one unit."
            )
