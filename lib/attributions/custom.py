"""A method of your own: any importable function of (model, images, targets), or an attributor of Captum."""

from __future__ import annotations

import copy
import inspect
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lib import compute
from lib.attributions.base import Method
from lib.errors import StudyError
from lib.own_code import first_line, modules_of, own_code
from lib.workspace import Workspace

GIVEN = "given:"
"""Stands before the name of what was handed over in Python by `own` and has no dotted path."""

_given: dict[str, tuple[Any, tuple[tuple[str, Any], ...]]] = {}
"""What was handed over, by its written form."""


def own(thing: Any, **arguments: Any) -> str:
    """The written form of a function or of an attributor of Captum, for a list of ``methods``.

    Parameters
    ----------
    thing : a function (model, images, targets) -> maps of the images' shape; a class of `captum.attr`; or an instance
        of one. An instance is copied for every state of the model, so that it explains the state, not the model that
        it was made with.
    **arguments : plain values for ``attribute`` of Captum, e.g. ``n_steps=20``.

    Returns
    -------
    A dotted path where there is one, which can also stand in a params file: ``captum.attr:Saliency(abs=False)``. Else
    a name that this process knows: ``given:<lambda>``. The same name given again means the new thing.

    Raises
    ------
    StudyError
        If it is none of these, or a function was given arguments.
    """
    captum = _is_captum(thing)
    if not callable(thing) and not captum:
        raise StudyError(
            f"{thing!r} is no method; give a function (model, images, targets), or a class of captum.attr."
        )
    if arguments and not captum:
        raise StudyError(f"Arguments are for attributors of Captum; put those of {thing!r} into the function itself.")
    written = ",".join(f"{name}={value!r}" for name, value in arguments.items())
    brackets = f"({written})" if written else ""
    path = _path(thing)
    if path:
        return path + brackets
    named = thing if hasattr(thing, "__name__") else type(thing)
    text = f"{GIVEN}{named.__name__}{brackets}"
    _given[text] = thing, tuple(arguments.items())
    return text


@dataclass(frozen=True)
class Custom(Method):
    """A function, or an attributor of Captum.

    Attributes
    ----------
    path : its dotted path, also the method's name in scores and figures.
    function : takes the model (frozen, in evaluation mode), images (N, C, H, W) and classes (N,) to maps of the
        images' shape; or a class or instance of `captum.attr`.
    arguments : for ``attribute`` of Captum.
    """

    label: ClassVar[str] = "custom"
    path: str
    function: Callable[..., Any]
    arguments: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def load(cls, path: str) -> Custom:
        """Find what a written form stands for: see `own`, and `lib.own_code` for dotted paths."""
        if path in _given:
            return cls(path, *_given[path])
        if path.startswith(GIVEN):
            raise StudyError(f"The method {path!r} was given in another process; name a function by its dotted path.")
        named = own_code(path, "method")
        captum = _is_captum(named.found)
        if named.arguments and not captum:
            raise StudyError(f"The method {path!r} is not one of Captum, so it takes no arguments; leave them out.")
        if inspect.isclass(named.found) and not captum:
            raise StudyError(f"{path!r} is a class, but not one of Captum; a method takes (model, images, targets).")
        return cls(path, named.found, named.arguments)

    @property
    def name(self) -> str:
        """The dotted path."""
        return self.path

    @property
    def made_of(self) -> tuple[Any, ...]:
        """The class, the function itself, and the modules that it imports from its own package or folder."""
        if self.path.startswith(GIVEN):
            raise StudyError(
                f"The method {self.path!r} has no dotted path, so a study cannot keep its scores; name one."
            )
        module = inspect.getmodule(self.function)
        return type(self), self.function, *(each for each in modules_of(self.function) if each is not module)

    def check(self, workspace: Workspace) -> None:
        """Try the function on the workspace and look at the shape of what it gives."""
        try:
            self(workspace)
        except StudyError:
            raise
        except Exception as error:
            raise StudyError(
                f"The method {self.path} failed on one image ({type(error).__name__}: {first_line(error)}); it is "
                "called with (model, images, targets)."
            ) from error

    def __call__(self, workspace: Workspace) -> Tensor:
        before = _versions(workspace.model)
        # A method may draw from torch's own generator: the same for every state of the model, as for all methods.
        with torch.random.fork_rng(), torch.enable_grad():
            torch.manual_seed(compute.seed_of(workspace.noise.seed, "own method"))
            maps = self._explained(workspace.model, workspace.images.clone(), workspace.targets)
        if _versions(workspace.model) != before:
            raise StudyError(
                f"The method {self.path} changed the model it was given, and so the maps of all methods after it; let "
                "it work on a copy."
            )
        if not isinstance(maps, Tensor) or maps.shape != workspace.images.shape:
            shape = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
            raise StudyError(
                f"The method {self.path} gave {shape}; it must give a tensor of the images' shape "
                f"{tuple(workspace.images.shape)}."
            )
        return maps.detach()

    def _explained(self, model: nn.Module, images: Tensor, targets: Tensor) -> Any:
        """What the function, or the attributor, gives."""
        if not _is_captum(self.function):
            return self.function(model, images, targets)
        # Captum hangs hooks into the model, and some of its methods write to it.
        given: Any = self.function
        attributor = _rebound(given, model) if isinstance(given, _captum()) else given(copy.deepcopy(model))
        with warnings.catch_warnings():
            # At every call it says that it will hang hooks into the model, which is a copy.
            warnings.filterwarnings("ignore", "Setting (forward|backward)")
            return attributor.attribute(images.requires_grad_(), target=targets, **dict(self.arguments))


def _rebound(attributor: Any, model: nn.Module) -> Any:
    """A copy of an attributor of Captum in which another state of its model, layers included, takes its place."""
    bound = getattr(attributor, "model", attributor.forward_func)
    modules = dict(copy.deepcopy(model).named_modules())
    own = dict(bound.named_modules()) if isinstance(bound, nn.Module) else {}
    if {name: type(each) for name, each in own.items()} != {name: type(each) for name, each in modules.items()}:
        raise StudyError(
            f"The {type(attributor).__name__} given was made with {type(bound).__name__}, not with the model studied; "
            "make it with that model, or give the class."
        )
    return copy.deepcopy(attributor, {id(each): modules[name] for name, each in own.items()})


def _is_captum(thing: Any) -> bool:
    """Whether something is an attributor of Captum, which need not be installed."""
    return issubclass(thing if inspect.isclass(thing) else type(thing), _captum())


def _captum() -> tuple[type, ...]:
    """The base class of Captum's attributors; empty unless Captum was imported."""
    captum = sys.modules.get("captum.attr")
    return () if captum is None else (captum.Attribution,)


def _path(thing: Any) -> str:
    """The dotted path under which a function or class is found; empty if there is none."""
    name = getattr(thing, "__qualname__", "")
    # The classes of Captum are written as they are imported.
    for module in ("captum.attr", getattr(thing, "__module__", "")):
        if name and getattr(sys.modules.get(module), name, None) is thing:
            return f"{module}:{name}"
    return ""


def _versions(model: nn.Module) -> list[int]:
    """How often each tensor of a model was changed in place, and which modules are in training mode."""
    tensors = [*model.parameters(), *model.buffers()]
    return [tensor._version for tensor in tensors] + [module.training for module in model.modules()]
