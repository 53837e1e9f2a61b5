"""DeepLIFT: what the difference from a reference image contributes, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lib.attributions.base import Method
from lib.attributions.reference import reference_image
from lib.backward_rules import modified_gradient
from lib.rescale_rule import RescaleRule
from lib.workspace import Workspace


@dataclass(frozen=True)
class DeepLIFT(Method):
    r"""DeepLIFT with the Rescale rule (Shrikumar et al. 2017).

    .. math:: E = (x - \bar x) \odot m, \quad
              m_\mathrm{in} = m_\mathrm{out}\,\frac{\Delta a}{\Delta z} \text{ at a ReLU}, \quad
              m_\mathrm{in} = W^\top m_\mathrm{out} \text{ at a linear layer}

    It is complete: a map sums to the difference of the logits at the image and at the reference.

    Attributes
    ----------
    reference : the image :math:`\bar x`, by the names of integrated gradients.

    Needs
    -----
    ReLU, ReLU6, max-pooling and layers that are linear, batch norm in evaluation mode among them.

    Undefined
    ---------
    For other non-linearities (GELU, attention, softmax) and adaptive max-pooling.
    """

    label: ClassVar[str] = "deeplift"
    reference: str = "zero"

    def check(self, workspace: Workspace) -> None:
        """Run one pass with both guards of `lib.backward_rules`."""
        self(workspace)

    def __call__(self, workspace: Workspace) -> Tensor:
        images = workspace.images
        reference = reference_image(workspace, self.reference, self.label).expand_as(images)
        count = len(images)
        pairs = torch.cat([images, reference])
        (multiplier,) = modified_gradient(
            workspace.model, pairs, lambda logits: workspace.select(logits[:count]), RescaleRule()
        )
        return (images - reference) * multiplier[:count]
