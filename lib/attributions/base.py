"""What an attribution method is: a frozen dataclass of its hyper-parameters that can be called."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from lib.errors import StudyError
from lib.workspace import Workspace


@dataclasses.dataclass(frozen=True)
class Method:
    """An attribution method.

    A subclass sets ``label``, declares its hyper-parameters as fields with defaults, and computes in `__call__`.
    """

    label: ClassVar[str] = ""
    stochastic: ClassVar[bool] = False
    """True if another draw of noise gives another map of the same model; then a self-similarity ceiling exists."""
    control: ClassVar[bool] = False
    """True if the map does not look at the model."""
    gives_away: ClassVar[bool] = False
    """True if what it computes on the way is the whole work of another method; it is then computed first."""

    @property
    def name(self) -> str:
        """The written form: the label, with the arguments that depart from their defaults."""
        changed = [
            f"{field.name}={getattr(self, field.name)}"
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        ]
        return f"{self.label}({','.join(changed)})" if changed else self.label

    def __str__(self) -> str:
        return self.name

    @property
    def made_of(self) -> tuple[Any, ...]:
        """The classes and functions whose code the numbers rest on: its own class, and those of the method inside."""
        return (type(self),)

    def check(self, workspace: Workspace) -> None:
        """Raise `StudyError` if the method is not defined for the model; called before any long computation."""

    def check_word(self, field: str, choices: Sequence[str]) -> None:
        """Raise `StudyError` if a field holds another word than one of the choices."""
        word = getattr(self, field)
        if word not in choices:
            raise StudyError(f"{self.label}({field}=…) got {word!r}; choose one of {', '.join(choices)}.")

    def __call__(self, workspace: Workspace) -> Tensor:
        """Explain the images of a workspace: signed, un-normalised maps (N, C, H, W)."""
        raise NotImplementedError


def explain(chosen: Sequence[Method], workspace: Workspace) -> dict[str, Tensor]:
    """Run several methods on one workspace, so that each takes from it what another has computed already.

    Parameters
    ----------
    chosen : methods with distinct names.
    workspace : what they explain.

    Returns
    -------
    Method name -> maps (N, C, H, W), in the order asked for. The order of computing is another one: VarGrad comes
    first, because its pass over noisy copies gives SmoothGrad's mean as well; beside VarGrad it may
    therefore differ from SmoothGrad alone in its last bits.
    """
    maps = {each.name: each(workspace) for each in sorted(chosen, key=lambda each: not each.gives_away)}
    return {each.name: maps[each.name] for each in chosen}
