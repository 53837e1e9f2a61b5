"""Integrated gradients: the gradient averaged along a straight path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lib.attributions.base import Method
from lib.errors import StudyError
from lib.workspace import Workspace


@dataclass(frozen=True)
class IntegratedGradients(Method):
    r"""Integrated gradients (Sundararajan et al. 2017) from a zero reference.

    .. math:: E = x \odot \int_0^1 \nabla S_c(\alpha x)\, d\alpha

    The integral is the midpoint rule with nodes :math:`\alpha_i = (i - 1/2) / n`. The reference is 0 in the
    encoding that the model takes.
    """

    label: ClassVar[str] = "integrated_gradients"
    steps: int = 50

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise StudyError(f"integrated_gradients(steps=…) got {self.steps}; it needs at least 1.")

    def __call__(self, workspace: Workspace) -> Tensor:
        images = workspace.images
        alpha = (torch.arange(self.steps, device=images.device, dtype=images.dtype) + 0.5) / self.steps
        mean = workspace.mean_gradient(lambda part: alpha[part].view(-1, 1, 1, 1, 1) * images, self.steps)
        return images * mean
