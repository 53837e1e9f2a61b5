"""Controls: maps that ignore the model. `random` passes every randomization test, `edge` and `input` fail all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from skimage.filters import sobel
from torch import Tensor

from lib import compute
from lib.attributions.base import Method
from lib.workspace import Workspace


@dataclass(frozen=True)
class Edge(Method):
    """Sobel magnitude of the mean over channels, copied to the channels."""

    label: ClassVar[str] = "edge"
    control: ClassVar[bool] = True

    def __call__(self, workspace: Workspace) -> Tensor:
        grey = workspace.images.mean(1).cpu().numpy()
        edges = torch.stack([torch.from_numpy(sobel(image)) for image in grey]).to(workspace.images)
        return edges.unsqueeze(1).expand_as(workspace.images)


@dataclass(frozen=True)
class Input(Method):
    """The image itself."""

    label: ClassVar[str] = "input"
    control: ClassVar[bool] = True

    def __call__(self, workspace: Workspace) -> Tensor:
        return workspace.images


@dataclass(frozen=True)
class Random(Method):
    """Independent standard normal numbers, drawn anew for every image and every state of the model."""

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
