"""Methods that change the backward pass of ReLUs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from lib.attributions.base import Method
from lib.workspace import Workspace


@dataclass(frozen=True)
class GuidedBackprop(Method):
    r"""Guided Backprop (Springenberg et al. 2014): only positive signals pass back through an open ReLU.

    .. math:: R_\mathrm{in} = \mathbb 1[z > 0]\,\mathbb 1[R_\mathrm{out} > 0]\,R_\mathrm{out}

    This holds at every ReLU with input z; other layers pass the signal R as the gradient. It starts with 1 at the
    explained logit and is not masked after the first layer, so the map is signed.

    Needs
    -----
    A model whose only non-linearities are ReLU (or ReLU6) and max-pooling, called as torch functions.

    Undefined
    ---------
    It refuses models with other non-linearities, products of activations, or random numbers in the forward pass.
    Without a ReLU it is the gradient.
    """

    label: ClassVar[str] = "guided_backprop"

    def check(self, workspace: Workspace) -> None:
        """Run one pass with both guards of `lib.backward_rules`."""
        self(workspace)

    def __call__(self, workspace: Workspace) -> Tensor:
        return workspace.guided_backprop


@dataclass(frozen=True)
class DeconvNet(Method):
    r"""DeconvNet (Zeiler & Fergus 2014): only positive signals pass back through a ReLU.

    .. math:: R_\mathrm{in} = \mathbb 1[R_\mathrm{out} > 0]\,R_\mathrm{out}

    This holds at every ReLU, whatever its input was. Without max-pooling the map depends on the explained class only,
    not on the image. It is signed, as Guided Backprop's.

    Needs
    -----
    A model whose only non-linearities are ReLU (or ReLU6) and max-pooling, called as torch functions.

    Undefined
    ---------
    It refuses models with other non-linearities, products of activations, or random numbers in the forward pass.
    Without a ReLU it is the gradient.
    """

    label: ClassVar[str] = "deconvnet"

    def check(self, workspace: Workspace) -> None:
        """Run one pass with both guards of `lib.backward_rules`."""
        self(workspace)

    def __call__(self, workspace: Workspace) -> Tensor:
        return workspace.deconvnet
