"""SmoothGrad: the gradient averaged over noisy copies of the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from lib.attributions.base import Method
from lib.errors import StudyError
from lib.workspace import Workspace


@dataclass(frozen=True)
class SmoothGrad(Method):
    r"""SmoothGrad (Smilkov et al. 2017), the plain mean (not the mean of squares).

    .. math:: E = \frac1N \sum_i \nabla S_c(x + g_i), \quad g_i \sim \mathcal N(0, \sigma^2 I)

    Attributes
    ----------
    samples : N.
    noise_level : :math:`\sigma / (\max x - \min x)`, per image.
    """

    label: ClassVar[str] = "smoothgrad"
    stochastic: ClassVar[bool] = True
    samples: int = 50
    noise_level: float = 0.15

    def __post_init__(self) -> None:
        if self.samples < 1 or not 0 <= self.noise_level < float("inf"):
            raise StudyError(
                f"smoothgrad needs samples >= 1 and noise_level >= 0, not {self.samples} and {self.noise_level}."
            )

    def __call__(self, workspace: Workspace) -> Tensor:
        images = workspace.images
        flat = images.flatten(1)
        sigma = self.noise_level * (flat.amax(1) - flat.amin(1)).view(-1, 1, 1, 1)
        noise = workspace.noise.samples(self.samples)
        return workspace.mean_gradient(lambda part: images + sigma * noise[part], self.samples)
