"""The gradient, and its product with the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from lib.attributions.base import Method
from lib.workspace import Workspace


@dataclass(frozen=True)
class Gradient(Method):
    r"""Gradient (Baehrens et al. 2010; Simonyan et al. 2013): :math:`E = \partial S_c / \partial x`."""

    label: ClassVar[str] = "gradient"

    def __call__(self, workspace: Workspace) -> Tensor:
        return workspace.gradient


@dataclass(frozen=True)
class GradientXInput(Method):
    r"""Gradient ⊙ input (Shrikumar et al. 2016): :math:`E = x \odot \partial S_c / \partial x`."""

    label: ClassVar[str] = "gradient_x_input"

    def __call__(self, workspace: Workspace) -> Tensor:
        return workspace.images * workspace.gradient
