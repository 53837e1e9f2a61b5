"""Attribution methods by name.

A method is written as its name, or ``name(argument=value)`` where it departs from the defaults, in params files,
scores, ledger and figures alike: ``integrated_gradients``, ``smoothgrad(samples=10)``. An argument may be a method
itself: ``vargrad(of=integrated_gradients(steps=10),samples=25)``. A dotted path such as
``mypkg.mymethod:my_attribution`` names a function of your own.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from lib import compute
from lib.attributions.absolute_noise import SmoothGradAbsolute, VarGradAbsolute
from lib.attributions.base import Method, explain
from lib.attributions.cam import GradCAM, GuidedGradCAM
from lib.attributions.competitive import CompetitiveGradientXInput
from lib.attributions.controls import Edge, Input, Random
from lib.attributions.custom import Custom
from lib.attributions.custom import own as own
from lib.attributions.deeplift import DeepLIFT
from lib.attributions.gradients import Gradient, GradientXInput
from lib.attributions.noise import IGSmoothGrad, SmoothGrad, VarGrad
from lib.attributions.path import IntegratedGradients
from lib.attributions.patterns import PatternAttribution, PatternNet
from lib.attributions.perturbation import MeaningfulPerturbation
from lib.attributions.rectified import DeconvNet, GuidedBackprop
from lib.attributions.relevance import DTDW2, DTDZBox, DTDZero, DTDZPlus, LRPEpsilon
from lib.errors import StudyError
from lib.workspace import Noise, Workspace, chunks, working_copy

METHODS: dict[str, type[Method]] = {
    cls.label: cls
    for cls in (
        Gradient,
        GradientXInput,
        IntegratedGradients,
        SmoothGrad,
        VarGrad,
        SmoothGradAbsolute,
        VarGradAbsolute,
        IGSmoothGrad,
        GuidedBackprop,
        DeconvNet,
        GradCAM,
        GuidedGradCAM,
        DeepLIFT,
        LRPEpsilon,
        DTDZero,
        DTDZPlus,
        DTDZBox,
        DTDW2,
        MeaningfulPerturbation,
        CompetitiveGradientXInput,
        PatternNet,
        PatternAttribution,
        Edge,
        Input,
        Random,
    )
}

CONTROLS = tuple(label for label, cls in METHODS.items() if cls.control)
"""Maps that do not look at the model; they are shown beside the methods and never count as one."""


def method(text: str) -> Method:
    """Turn the written form of a method into the method.

    Raises
    ------
    StudyError
        If the name or an argument is not known, or an argument has the wrong type.
    """
    name, opened, arguments = text.partition("(")
    if ":" in name:
        return Custom.load(text)
    if name not in METHODS:
        close = difflib.get_close_matches(name, METHODS, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise StudyError(f"The method {name!r} is not known; {hint}choose from {', '.join(METHODS)}.")
    pieces = _split(arguments.removesuffix(")"))
    if pieces is None or (opened and not arguments.endswith(")")):
        raise StudyError(f"The brackets of the method {text!r} do not match; write {name}(argument=value).")
    cls = METHODS[name]
    fields = {field.name: field for field in dataclasses.fields(cls)}
    values = {}
    for part in filter(None, pieces):
        argument, written = (side.strip() for side in part.partition("=")[::2])
        if argument not in fields:
            known = ", ".join(fields) or "none"
            raise StudyError(f"The method {name} has no argument {argument!r}; it has: {known}.")
        if argument in values:
            raise StudyError(f"The method {text!r} sets {argument} twice; set it once.")
        values[argument] = _value(written, fields[argument].type, f"{name}({argument}=…)")
    return cls(**values)


def _split(arguments: str) -> list[str] | None:
    """Cut arguments at the commas that stand in no inner brackets; None if the brackets do not match."""
    pieces, depth = [""], 0
    for letter in arguments:
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            return None
        if letter == "," and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += letter
    return [piece.strip() for piece in pieces] if depth == 0 else None


def _value(written: str, kind: object, where: str) -> object:
    """Read one argument; words need no quotes, also words that look like numbers (layer 4 of an nn.Sequential)."""
    if str(kind) == "Method":
        return method(written)
    if str(kind) == "str":
        return written.strip("'\"")
    try:
        value = ast.literal_eval(written)
    except (ValueError, SyntaxError):
        value = written
    expected = {"int": int, "float": (int, float), "str": str}[str(kind)]
    if not isinstance(value, expected) or isinstance(value, bool):  # type: ignore[arg-type]
        raise StudyError(f"{where} got {written!r}, which is not of type {kind}.")
    return value


def methods(texts: Iterable[str]) -> list[Method]:
    """Turn written forms into methods.

    Raises
    ------
    StudyError
        If one is not a method, is named twice, or is written in another way than scores and figures write it.
    """
    texts = list(texts)
    found = [method(text) for text in texts]
    names = [each.name for each in found]
    for text, name in zip(texts, names, strict=True):
        if text != name:
            raise StudyError(f"The method {text!r} is called {name!r} in scores and figures; write it so.")
    for name in names:
        if names.count(name) > 1:
            raise StudyError(f"The method {name} stands twice in `methods`; name it once.")
    return found


def attribute(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods_: Iterable[str],
    seed: int = 0,
    references: Mapping[str, Tensor] | None = None,
    training_images: Tensor | None = None,
) -> dict[str, Tensor]:
    """Explain one logit per image by several methods.

    Parameters
    ----------
    model : any classifier; it is copied, not changed.
    images : (N, C, H, W), as the model takes them.
    targets : (N,) explained classes.
    methods_ : written forms, e.g. ``["gradient", "integrated_gradients"]``.
    seed : of the noise.
    references : reference images (C, H, W) by name, e.g. ``{"mean": images.mean(0)}``.
    training_images : (M, C, H, W), for the methods that estimate something on them.

    Returns
    -------
    Method name -> signed, un-normalised maps (N, C, H, W) on the CPU.
    """
    compute.settle()
    chosen = methods(methods_)
    working = working_copy(model)
    maps: dict[str, list[Tensor]] = {each.name: [] for each in chosen}
    for part in chunks(images):
        ids = list(range(part.start, part.stop))
        batch, classes = (tensor[part].to(compute.device()) for tensor in (images, targets))
        noise = Noise(ids, tuple(images.shape[1:]), seed)
        workspace = Workspace(working, batch, classes, noise, references=references, training_images=training_images)
        for name, found in explain(chosen, workspace).items():
            maps[name].append(found.cpu())
    return {name: torch.cat(pieces) for name, pieces in maps.items()}
