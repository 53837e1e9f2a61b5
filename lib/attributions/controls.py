"""Controls: maps that ignore the model. `random` passes every randomization test, `edge` and `input` fail all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_laplace
from skimage.feature import canny
from skimage.filters import scharr, sobel
from torch import Tensor

from lib import compute
from lib.attributions.base import Method
from lib.attributions.reference import REFERENCES, reference_image
from lib.workspace import Workspace

SMOOTHING = 1.0
"""Standard deviation in pixels of the Gaussian that Canny and the Laplacian of Gaussian smooth with."""


def _canny(grey: NDArray[Any]) -> NDArray[Any]:
    """Canny's edges, 0 or 1; the image is first brought to [0, 1], because the thresholds are absolute."""
    low, high = float(grey.min()), float(grey.max())
    if low == high:
        return np.zeros_like(grey)
    unit = (grey.astype(np.float64) - low) / (high - low)
    return canny(unit, sigma=SMOOTHING, low_threshold=0.1, high_threshold=0.2).astype(grey.dtype)


def _laplacian_of_gaussian(grey: NDArray[Any]) -> NDArray[Any]:
    """Its absolute value; the middle weight is corrected so that the cut-off kernel sums to 0, as the whole one does.

    Without that a flat image would have edges, in proportion to its brightness.
    """
    of_one = gaussian_laplace(np.ones_like(grey), SMOOTHING)
    return np.abs(gaussian_laplace(grey, SMOOTHING) - of_one * grey)


DETECTORS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "sobel": sobel,
    "canny": _canny,
    "log": _laplacian_of_gaussian,
    "scharr": scharr,
}


@dataclass(frozen=True)
class Edge(Method):
    r"""Edges of the image (a control): what an edge detector finds in the mean over channels, copied to the channels.

    .. math:: E = \sqrt{\tfrac12 \bigl((\partial_1 \bar x)^2 + (\partial_2 \bar x)^2\bigr)}, \quad
              \bar x = \frac1C \sum_k x_k

    with Sobel's or Scharr's smoothed differences for :math:`\partial`.

    Attributes
    ----------
    detector : ``sobel`` or ``scharr``, the formula above; ``canny``, Canny's edges (1 on an edge, 0 elsewhere) of the
        image scaled to [0, 1] and smoothed by 1 pixel: a straight edge starts where it is a step of 0.08 or more and
        ends where it is one of 0.04; ``log``, the absolute Laplacian of Gaussian with a standard deviation of 1 pixel.

    Needs
    -----
    Nothing of the model; images only.

    Undefined
    ---------
    Never; 0 everywhere on a constant image.
    """

    label: ClassVar[str] = "edge"
    control: ClassVar[bool] = True
    detector: str = "sobel"

    def __post_init__(self) -> None:
        self.check_word("detector", tuple(DETECTORS))

    def __call__(self, workspace: Workspace) -> Tensor:
        grey = workspace.images.mean(1).cpu().numpy()
        detect = DETECTORS[self.detector]
        edges = torch.stack([torch.from_numpy(detect(image)) for image in grey]).to(workspace.images)
        return edges.unsqueeze(1).expand_as(workspace.images)


@dataclass(frozen=True)
class Input(Method):
    r"""The image itself (a control), or its difference from a reference image.

    .. math:: E = x - \bar x

    Attributes
    ----------
    reference : the image :math:`\bar x`: ``zero``, or ``black``, ``mean``, ``pixelmin`` or ``white`` of the workspace;
        ``input(reference=mean)`` is the centred input.

    Needs
    -----
    Nothing of the model; the reference image in the workspace unless it is ``zero``.

    Undefined
    ---------
    Never.
    """

    label: ClassVar[str] = "input"
    control: ClassVar[bool] = True
    reference: str = "zero"

    def __post_init__(self) -> None:
        self.check_word("reference", REFERENCES)

    def check(self, workspace: Workspace) -> None:
        """Refuse a reference that the workspace does not have, or one of another shape than the images."""
        reference_image(workspace, self.reference, self.label)

    def __call__(self, workspace: Workspace) -> Tensor:
        return workspace.images - reference_image(workspace, self.reference, self.label)


@dataclass(frozen=True)
class Random(Method):
    r"""Random numbers (a control), drawn anew for every image and every state of the model.

    .. math:: E_i \sim \mathcal N(0, 1) \text{ independently}

    Needs
    -----
    Nothing of the model; the number of each image and the name of the model's state.

    Undefined
    ---------
    Never.
    """

    label: ClassVar[str] = "random"
    control: ClassVar[bool] = True
    stochastic: ClassVar[bool] = True

    def __call__(self, workspace: Workspace) -> Tensor:
        noise = workspace.noise
        maps = [
            torch.randn(noise.shape, generator=compute.generator(noise.seed, noise.purpose, workspace.state, image))
            for image in noise.image_ids
        ]
        return torch.stack(maps).to(workspace.images)
