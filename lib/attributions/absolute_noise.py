"""SmoothGrad and VarGrad with noise of one strength for all images, whatever their range of values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from lib.attributions.noise import OverNoisyCopies, SmoothGrad, VarGrad
from lib.workspace import Workspace


class AbsoluteNoise(OverNoisyCopies):
    """What the two share: ``noise_level`` is the standard deviation of the noise in the units of the pixels."""

    def copies(self, workspace: Workspace) -> Callable[[slice], Tensor]:
        """The noisy copies of a slice of the samples: (k, N, C, H, W)."""
        images, noise = workspace.images, workspace.noise.samples(self.samples)
        return lambda part: images + self.noise_level * noise[part]

    @property
    def moments_key(self) -> tuple[Any, ...]:
        """What the moments are remembered under; not those of noise that follows the image's range."""
        return ("absolute", *super().moments_key)


@dataclass(frozen=True)
class SmoothGradAbsolute(AbsoluteNoise, SmoothGrad):
    r"""SmoothGrad (Smilkov et al. 2017) whose noise has the same strength for every image.

    .. math:: E = \frac1N \sum_i E_\mathrm{of}(x + g_i), \quad g_i \sim \mathcal N(0, \sigma^2 I)

    Where an image is shifted, its range of values may grow, and noise tied to that range with it: the map would change
    although the method does not care for the shift.

    Attributes
    ----------
    of : the method whose maps are averaged.
    samples : N.
    noise_level : :math:`\sigma`, in the units of the pixels.

    Needs
    -----
    What the method ``of`` needs.

    Undefined
    ---------
    Where the method ``of`` is; it refuses one that adds noise itself or does not look at the model.
    """

    label: ClassVar[str] = "smoothgrad_absolute"


@dataclass(frozen=True)
class VarGradAbsolute(AbsoluteNoise, VarGrad):
    r"""VarGrad (Adebayo et al. 2018) whose noise has the same strength for every image.

    .. math:: E = \operatorname{Var}_i E_\mathrm{of}(x + g_i), \quad g_i \sim \mathcal N(0, \sigma^2 I)

    Attributes
    ----------
    of : the method whose maps vary.
    samples : N.
    noise_level : :math:`\sigma`, in the units of the pixels.

    Needs
    -----
    What the method ``of`` needs.

    Undefined
    ---------
    Where the method ``of`` is; it refuses one that adds noise itself or does not look at the model.
    """

    label: ClassVar[str] = "vargrad_absolute"
