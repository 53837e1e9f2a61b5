"""What an attribution method is: a frozen dataclass of its hyper-parameters that can be called."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from torch import Tensor

from lib.workspace import Workspace


@dataclasses.dataclass(frozen=True)
class Method:
    """An attribution method.

    A subclass sets ``label``, declares its hyper-parameters as fields with defaults, and computes in `__call__`.
    """

    label: ClassVar[str] = ""
    stochastic: ClassVar[bool] = False
    """True if another draw of noise gives another map of the same model; then a self-similarity ceiling exists."""

    @property
    def name(self) -> str:
        """The written form: the label, with the arguments that depart from their defaults."""
        changed = [
            f"{field.name}={getattr(self, field.name)}"
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        ]
        return f"{self.label}({','.join(changed)})" if changed else self.label

    def check(self, workspace: Workspace) -> None:
        """Raise `StudyError` if the method is not defined for the model; called before any long computation."""

    def __call__(self, workspace: Workspace) -> Tensor:
        """Explain the images of a workspace: signed, un-normalised maps (N, C, H, W)."""
        raise NotImplementedError
