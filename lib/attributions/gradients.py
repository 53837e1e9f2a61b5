"""The gradient, and its product with the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from lib.attributions.base import Method
from lib.workspace import Workspace


@dataclass(frozen=True)
class Gradient(Method):
    r"""Gradient (Baehrens et al. 2010; Simonyan et al. 2013) of the explained logit.

    .. math:: E = \partial S_c / \partial x

    Needs
    -----
    A model that can be differentiated.

    Undefined
    ---------
    Never; at a kink (a ReLU or a tie of max-pooling) it is the one-sided derivative that torch takes.
    """

    label: ClassVar[str] = "gradient"

    def __call__(self, workspace: Workspace) -> Tensor:
        return workspace.gradient


@dataclass(frozen=True)
class GradientXInput(Method):
    r"""Gradient ⊙ input (Shrikumar et al. 2016), in the encoding that the model takes.

    .. math:: E = x \odot \partial S_c / \partial x

    Needs
    -----
    A model that can be differentiated.

    Undefined
    ---------
    Never; 0 wherever the image is 0.
    """

    label: ClassVar[str] = "gradient_x_input"

    def __call__(self, workspace: Workspace) -> Tensor:
        return workspace.images * workspace.gradient
