"""Methods that change the backward pass of ReLUs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from lib.attributions.base import Method
from lib.workspace import Workspace


@dataclass(frozen=True)
class GuidedBackprop(Method):
    r"""Guided Backprop (Springenberg et al. 2014).

    At every ReLU with input z the signal R passes as :math:`\mathbb 1[z > 0]\,\mathbb 1[R > 0]\,R`; it starts with
    1 at the explained logit and is not masked after the first layer, so the map is signed.
    """

    label: ClassVar[str] = "guided_backprop"

    def check(self, workspace: Workspace) -> None:
        """Run one pass with both guards of `lib.backward_rules`."""
        self(workspace)

    def __call__(self, workspace: Workspace) -> Tensor:
        return workspace.guided_backprop


@dataclass(frozen=True)
class DeconvNet(Method):
    r"""DeconvNet (Zeiler & Fergus 2014).

    At every ReLU the signal R passes as :math:`\mathbb 1[R > 0]\,R`, whatever the ReLU's input was. Without
    max-pooling the map depends on the explained class only, not on the image. It is signed, as Guided Backprop's.
    """

    label: ClassVar[str] = "deconvnet"

    def check(self, workspace: Workspace) -> None:
        """Run one pass with both guards of `lib.backward_rules`."""
        self(workspace)

    def __call__(self, workspace: Workspace) -> Tensor:
        return workspace.deconvnet
