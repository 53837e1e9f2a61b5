"""Integrated gradients: the gradient averaged along a straight path."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lib.attributions.base import Method
from lib.attributions.reference import REFERENCES, reference_image
from lib.errors import StudyError
from lib.workspace import Workspace

QUADRATURES = ("midpoint", "linspace")


@dataclass(frozen=True)
class IntegratedGradients(Method):
    r"""Integrated gradients (Sundararajan et al. 2017).

    .. math:: E = (x - \bar x) \odot \int_0^1 \nabla S_c(\bar x + \alpha (x - \bar x))\, d\alpha

    Attributes
    ----------
    reference : the image :math:`\bar x`. ``zero`` is 0 in the encoding that the model takes; ``black`` (the smallest
        pixel value of the data), ``mean`` (the mean image), ``pixelmin`` (the smallest value of each pixel) and
        ``white`` (the largest pixel value of the data) are those of the workspace. Two references that are the same
        image share one computation.
    quadrature : nodes :math:`\alpha_1, \dots, \alpha_n` of equal weight. ``midpoint`` takes
        :math:`\alpha_i = (i - 1/2) / n`; ``linspace`` takes both ends, :math:`\alpha_i = (i - 1) / (n - 1)`, as the
        library released by the authors of the sanity checks does, with a larger error.
    steps : n.

    Needs
    -----
    A model that can be differentiated, and the reference image in the workspace unless it is ``zero``.

    Undefined
    ---------
    Never on a model that is defined on the whole path; 0 wherever the image equals the reference.
    """

    label: ClassVar[str] = "integrated_gradients"
    reference: str = "zero"
    quadrature: str = "midpoint"
    steps: int = 50

    def __post_init__(self) -> None:
        self.check_word("reference", REFERENCES)
        self.check_word("quadrature", QUADRATURES)
        least = 2 if self.quadrature == "linspace" else 1
        if self.steps < least:
            raise StudyError(f"integrated_gradients(steps=…) got {self.steps}; it needs at least {least}.")

    def check(self, workspace: Workspace) -> None:
        """Refuse a reference that the workspace does not have, or one of another shape than the images."""
        reference_image(workspace, self.reference, self.label)

    def __call__(self, workspace: Workspace) -> Tensor:
        reference = reference_image(workspace, self.reference, self.label)
        digest = hashlib.sha256(reference.cpu().numpy().tobytes()).hexdigest()
        key = ("integrated gradients", digest, self.quadrature, self.steps)
        return workspace.once(key, lambda: self._along_path(workspace, reference))

    def _along_path(self, workspace: Workspace, reference: Tensor) -> Tensor:
        difference = workspace.images - reference
        alpha = self._nodes(reference).view(-1, 1, 1, 1, 1)
        return difference * workspace.mean_gradient(lambda part: reference + alpha[part] * difference, self.steps)

    def _nodes(self, like: Tensor) -> Tensor:
        """The n places on the path: (n,)."""
        if self.quadrature == "linspace":
            return torch.linspace(0, 1, self.steps, dtype=like.dtype, device=like.device)
        return (torch.arange(self.steps, device=like.device, dtype=like.dtype) + 0.5) / self.steps
