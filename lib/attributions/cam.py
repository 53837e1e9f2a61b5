"""Class-activation methods: where a convolutional layer supports the class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from lib.attributions.base import Method
from lib.errors import StudyError
from lib.workspace import Workspace


def gradcam_layer(layer: str, model: nn.Module) -> str:
    """The layer to use: the one named, else the model's attribute ``gradcam_layer``."""
    found = layer or getattr(model, "gradcam_layer", "")
    if not found:
        raise StudyError(
            "GradCAM needs a convolutional layer and this model names none; leave gradcam and guided_gradcam out of "
            "`methods`, or name a module: gradcam(layer=features.29)."
        )
    return found


def cam(workspace: Workspace, layer: str) -> Tensor:
    """GradCAM's coarse map, up-sampled bilinearly to the input and copied to its channels: (N, C, H, W), >= 0."""
    activation, gradient = workspace.layer(gradcam_layer(layer, workspace.model))
    weights = gradient.mean(dim=(2, 3), keepdim=True)
    coarse = F.relu((weights * activation).sum(1, keepdim=True))
    fine = F.interpolate(coarse, size=workspace.images.shape[2:], mode="bilinear", align_corners=False)
    return fine.expand_as(workspace.images)


@dataclass(frozen=True)
class GradCAM(Method):
    r"""GradCAM (Selvaraju et al. 2016) at the last convolutional layer.

    .. math:: L = \mathrm{ReLU}\Bigl(\sum_k \alpha_k A^k\Bigr), \quad
              \alpha_k = \frac1{hw} \sum_{ij} \frac{\partial S_c}{\partial A^k_{ij}}

    Attributes
    ----------
    layer : name of the module whose output is A; empty for the model's own ``gradcam_layer``.

    Needs
    -----
    A convolutional layer with output (N, K, h, w) that runs once in a forward pass, named here or by the model.

    Undefined
    ---------
    It refuses models without such a layer. The map is 0 everywhere, so has no ranks, if no channel speaks for the
    class.
    """

    label: ClassVar[str] = "gradcam"
    layer: str = ""

    def check(self, workspace: Workspace) -> None:
        """Refuse a model without such a layer, or a layer that is not convolutional."""
        activation, _ = workspace.layer(gradcam_layer(self.layer, workspace.model))
        if activation.dim() != 4:
            raise StudyError(
                f"The output of the GradCAM layer has the shape {tuple(activation.shape)}; it must be a convolutional "
                "layer's, (N, channels, height, width)."
            )

    def __call__(self, workspace: Workspace) -> Tensor:
        return cam(workspace, self.layer)


@dataclass(frozen=True)
class GuidedGradCAM(GradCAM):
    r"""Guided GradCAM (Selvaraju et al. 2016): Guided Backprop times the up-sampled GradCAM.

    .. math:: E = E_\mathrm{Guided\ Backprop} \odot L

    Attributes
    ----------
    layer : name of the module that GradCAM's map L comes from; empty for the model's own ``gradcam_layer``.

    Needs
    -----
    What Guided Backprop and GradCAM need.

    Undefined
    ---------
    Where one of the two refuses; 0 everywhere if GradCAM's map is.
    """

    label: ClassVar[str] = "guided_gradcam"

    def check(self, workspace: Workspace) -> None:
        """Check both factors."""
        super().check(workspace)
        self(workspace)

    def __call__(self, workspace: Workspace) -> Tensor:
        return workspace.guided_backprop * cam(workspace, self.layer)
