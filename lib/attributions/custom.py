"""A method of your own: any importable function of (model, images, targets)."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from lib.attributions.base import Method
from lib.errors import StudyError
from lib.workspace import Workspace


@dataclass(frozen=True)
class Custom(Method):
    """A function found by its dotted path.

    Attributes
    ----------
    path : ``package.module:function``; also the method's name in scores and figures.
    function : takes the model (frozen, in evaluation mode), images (N, C, H, W) and classes (N,) to maps of the
        images' shape.
    """

    label: ClassVar[str] = "custom"
    path: str
    function: Callable[[nn.Module, Tensor, Tensor], Tensor]

    @classmethod
    def load(cls, path: str) -> Custom:
        """Import the function behind a dotted path."""
        module, _, name = path.partition(":")
        try:
            function = getattr(importlib.import_module(module), name)
        except Exception as error:  # importing runs foreign code, which can raise anything
            raise StudyError(
                f"The method {path!r} could not be imported ({_first_line(error)}); write it as "
                "package.module:function, with the package installed or in the folder you start from."
            ) from error
        if not callable(function):
            raise StudyError(f"{path!r} is not a function; a method takes (model, images, targets) to maps.")
        return cls(path, function)

    @property
    def name(self) -> str:
        """The dotted path."""
        return self.path

    @property
    def made_of(self) -> tuple[Any, ...]:
        """The class, and the function itself."""
        return type(self), self.function

    def check(self, workspace: Workspace) -> None:
        """Try the function on the workspace and look at the shape of what it gives."""
        try:
            self(workspace)
        except StudyError:
            raise
        except Exception as error:
            raise StudyError(
                f"The method {self.path} failed on one image ({type(error).__name__}: {_first_line(error)}); it is "
                "called with (model, images, targets)."
            ) from error

    def __call__(self, workspace: Workspace) -> Tensor:
        before = _versions(workspace.model)
        maps = self.function(workspace.model, workspace.images.clone(), workspace.targets)
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


def _first_line(error: Exception) -> str:
    """What a foreign error says, as far as it fits into a sentence."""
    return next(iter(str(error).splitlines()), "no reason given")


def _versions(model: nn.Module) -> list[int]:
    """How often each tensor of a model was changed in place, and which modules are in training mode."""
    tensors = [*model.parameters(), *model.buffers()]
    return [tensor._version for tensor in tensors] + [module.training for module in model.modules()]
