"""A network of your own: built by what a dotted path names, its weights from a file, checked before use."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lib import compute, image_models
from lib import weights as named_weights
from lib.artefacts import sha256, source_digest
from lib.data import data_dir
from lib.errors import StudyError
from lib.finetuning import fingerprint
from lib.own_code import first_line, modules_of, own_code
from lib.preprocessing import Encoding
from lib.randomization import check_logits
from lib.safetensors_file import read_safetensors
from lib.units import Units, units_of

BUILT = ""
"""The weights of a network whose function builds it with its weights."""


def is_own(model: str) -> bool:
    """Whether a model is named by a dotted path, and not by a name of `lib.image_models`."""
    return ":" in model.partition("(")[0]


def load_model(model: str, weights: str, units: Sequence[str] = ()) -> nn.Module:
    """A trained network, in evaluation mode, its parameters frozen.

    Parameters
    ----------
    model : a name of `lib.image_models`; or ``package.module:build``, a function or class that gives a module when it
        is called without arguments, or with those behind it: ``torchvision.models:resnet18(num_classes=10)``.
    weights : of a named network, see `lib.weights.load`. Else a file that holds its state dict, saved by torch or as
        ``.safetensors``: a path, or a name in the data folder; `BUILT` keeps those that the function gives it.
    units : ``name=module`` or ``name=module+module``, from the input to the logits; without any, those of its
        attribute ``units``, else its layers in the order in which they run.

    Returns
    -------
    The network; its attribute ``label`` says whose weights it has.

    Raises
    ------
    StudyError
        If it cannot be built, or the weights are absent, damaged or of another network.
    """
    if not is_own(model):
        found = named_weights.load(model, weights)
    else:
        found = _built(model)
        if weights != BUILT:
            _load_into(found, model, weights_file(weights))
        words = f"weights of {weights_file(weights).name}" if weights != BUILT else "weights as built"
        found.label = f"{short_name(model)} ({words})"  # type: ignore[assignment]
    if units:
        found.units = named_units(units)  # type: ignore[assignment]
    return found.eval().requires_grad_(False)


def short_name(model: str) -> str:
    """A model's name for captions: of a dotted path what stands behind the colon."""
    return model.partition("(")[0].rpartition(":")[2]


def named_units(written: Sequence[str]) -> Units:
    """Units written as ``name=module+module``.

    Raises
    ------
    StudyError
        If one is not written so, or a name stands there twice.
    """
    units: Units = {}
    for text in written:
        name, _, modules = text.partition("=")
        if not name or not modules or name in units:
            raise StudyError(
                f"The unit {text!r} cannot be read; write name=module or name=module+module, each name once."
            )
        units[name] = tuple(modules.split("+"))
    return units


def encoding_of(model: nn.Module, name: str, size: int, mean: Sequence[float], std: Sequence[float]) -> Encoding:
    """How a network takes pictures: what is given, else what the network says of itself.

    Parameters
    ----------
    model : with an attribute ``encoding``, or none.
    name : of the model, as `load_model` takes it.
    size : side in pixels of the square that is cut out of the middle, after the shorter side was made as long.
    mean, std : of each channel of pixels in [0, 1]; one number each for a network that takes grey pictures.

    Raises
    ------
    StudyError
        If neither says it. There is no default: a wrong encoding gives a worse network without a word.
    """
    known: Encoding | None = image_models.architecture(name).encoding if not is_own(name) else None
    known = known or getattr(model, "encoding", None)
    if known is None and not (size and mean and std):
        raise StudyError(
            f"How does {name} take pictures? Give size, mean and std, for example size: 224, mean: [0.485, 0.456, "
            "0.406], std: [0.229, 0.224, 0.225]; or give the model an attribute encoding (lib.preprocessing.Encoding)."
        )
    if len(mean) != len(std) or len(mean) not in (0, 1, 3):
        raise StudyError(f"mean is {list(mean)} and std is {list(std)}; give one number each, or three, or none.")
    given: dict[str, Any] = {"resize": size, "crop": size} if size else {}
    given |= {"mean": _three(mean), "std": _three(std)} if mean else {}
    return replace(known, **given) if known is not None else Encoding(**given)


def check_model(model: nn.Module, name: str, images: Tensor) -> Units:
    """Run the network once; the units that it is destroyed by.

    Parameters
    ----------
    model : as `load_model` gives it.
    name : for sentences.
    images : (N, C, H, W), at least one.

    Raises
    ------
    StudyError
        If it fails on images of this shape, gives no logits, or its units are not those of a forward pass.
    """
    try:
        check_logits(model, images)
    except StudyError:
        raise
    except Exception as error:  # foreign code may raise anything
        raise StudyError(
            f"The model {name} failed on images of the shape {tuple(images.shape)} ({type(error).__name__}: "
            f"{first_line(error)}); compare with size, mean and std."
        ) from error
    return units_of(model, images)


def digest(model: str, weights: str) -> str:
    """What tells a network with its weights from others, for the key of a result.

    Of your own code these are the module of the function and all that it imports from its own package or folder.
    """
    if not is_own(model):
        return fingerprint(weights)
    code = source_digest(modules_of(own_code(model, "model").found))
    content = "" if weights == BUILT else sha256(_content(weights_file(weights)))
    return sha256(json.dumps([code, content]).encode())


def weights_file(weights: str) -> Path:
    """The file of some weights: a path, or a name in the data folder."""
    return data_dir() / Path(weights).expanduser()


def _built(model: str) -> nn.Module:
    """What the function behind a dotted path gives."""
    named = own_code(model, "model")
    try:
        # Weights that the function draws are the same in every run.
        with torch.random.fork_rng():
            torch.manual_seed(compute.seed_of("own model"))
            built = named.found(**dict(named.arguments))
    except Exception as error:  # foreign code may raise anything
        raise StudyError(
            f"The model {model} could not be built ({type(error).__name__}: {first_line(error)}); its function is "
            "called with the arguments that stand behind it, and no others."
        ) from error
    if not isinstance(built, nn.Module):
        raise StudyError(f"The model {model} gave {type(built).__name__}; its function must give a torch.nn.Module.")
    return built


def _load_into(model: nn.Module, name: str, path: Path) -> None:
    """Load a state dict from a file; nothing but tensors is ever unpacked."""
    content = _content(path)
    try:
        state = read_safetensors(content) if path.suffix == ".safetensors" else _unpickled(content)
    except Exception as error:  # a damaged file may raise anything
        raise StudyError(
            f"The file {path} is damaged or holds more than tensors; save the state dict alone, with "
            "torch.save(model.state_dict(), path)."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        inside = f"a dictionary of {', '.join(map(str, state))}" if isinstance(state, dict) else type(state).__name__
        raise StudyError(
            f"The file {path} holds {inside}; save the state dict alone, with torch.save(state_dict, path)."
        )
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        problem = " ".join(str(error).split()[:40])
        raise StudyError(f"The weights {path} are not those of {name}: {problem} …; choose others.") from error


def _unpickled(content: bytes) -> object:
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StudyError(
            f"The weights {path} cannot be read ({error.strerror}); name a file by its path, or one in the data folder."
        ) from error


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    """One number per channel of a picture in colour."""
    red, green, blue = values if len(values) == 3 else [values[0]] * 3
    return red, green, blue
