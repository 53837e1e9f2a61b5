"""Methods that explain many noisy copies of an image: SmoothGrad is the mean of the maps, VarGrad their variance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from lib.attributions.base import Method
from lib.attributions.gradients import Gradient
from lib.attributions.path import IntegratedGradients
from lib.errors import StudyError
from lib.workspace import Workspace, pass_size

GRADIENT = Gradient()


class Moments(NamedTuple):
    """Mean and population variance over noisy copies, each (N, C, H, W)."""

    mean: Tensor
    variance: Tensor


class OverNoisyCopies(Method):
    """What the methods over noisy copies share.

    A subclass declares the fields ``samples`` (copies per image) and ``noise_level``, the standard deviation of the
    noise as a share of the image's own range of values, and has the explained method as ``of``, a field or a property.
    """

    stochastic: ClassVar[bool] = True
    of: Method
    samples: int
    noise_level: float

    def __post_init__(self) -> None:
        if self.samples < 1 or not 0 <= self.noise_level < float("inf"):
            raise StudyError(
                f"{self.label} needs samples >= 1 and noise_level >= 0, not {self.samples} and {self.noise_level}."
            )
        if self.of.stochastic or self.of.control:
            why = "does not look at the model" if self.of.control else "adds noise itself"
            raise StudyError(
                f"{self.label}(of={self.of.name}) makes no sense, because {self.of.name} {why}; take a method such as "
                "gradient, integrated_gradients or guided_backprop."
            )

    @property
    def made_of(self) -> tuple[Any, ...]:
        """The own class, and what the explained method is made of."""
        return type(self), *self.of.made_of

    def check(self, workspace: Workspace) -> None:
        """Check the method of which the copies' maps are made, on the images and on copies, whose pixels go further."""
        self.of.check(workspace)
        self.of.check(workspace.of_copies(self.copies(workspace)(slice(0, 1))))

    def copies(self, workspace: Workspace) -> Callable[[slice], Tensor]:
        """The noisy copies of a slice of the samples: (k, N, C, H, W)."""
        images = workspace.images
        flat = images.flatten(1)
        sigma = self.noise_level * (flat.amax(1) - flat.amin(1)).view(-1, 1, 1, 1)
        noise = workspace.noise.samples(self.samples)
        return lambda part: images + sigma * noise[part]

    @property
    def moments_key(self) -> tuple[Any, ...]:
        """What the moments are remembered under; methods that agree in it share them."""
        return ("moments", self.of, self.samples, self.noise_level)

    def moments(self, workspace: Workspace) -> Moments:
        """Mean and variance of the maps of all noisy copies, once per workspace."""

        def compute_it() -> Moments:
            copies = self.copies(workspace)
            group = max(1, pass_size(workspace.images) // len(workspace.images))
            maps = (
                self.of(workspace.of_copies(batch)).unflatten(0, batch.shape[:2])
                for batch in (copies(slice(start, start + group)) for start in range(0, self.samples, group))
            )
            return streamed_moments(maps)

        return workspace.once(self.moments_key, compute_it)


def streamed_moments(groups: Iterable[Tensor]) -> Moments:
    r"""Mean and population variance in one pass over groups of maps (k, N, C, H, W), holding one group at a time.

    The update of Chan, Golub & LeVeque 1983: every term of the variance is a square, so it is never negative. The
    difference of :math:`E[x^2]` and :math:`E[x]^2` is, and has no correct digit left where the mean is large beside
    the spread. All maps are taken relative to the first: that loses no digits of a large mean, and makes the variance
    of equal maps exactly 0.
    """
    pivot, mean, squares, count = torch.zeros(()), torch.zeros(()), torch.zeros(()), 0
    for maps in groups:
        pivot = pivot if count else maps[0]
        apart = maps - pivot
        its_mean, total = apart.mean(0), count + len(maps)
        step = its_mean - mean
        squares = squares + (apart - its_mean).square().sum(0) + step.square() * (count * len(maps) / total)
        mean = mean + step * (len(maps) / total)
        count = total
    return Moments(pivot + mean, squares / count)


@dataclass(frozen=True)
class SmoothGrad(OverNoisyCopies):
    r"""SmoothGrad (Smilkov et al. 2017), the plain mean (not the mean of squares).

    .. math:: E = \frac1N \sum_i E_\mathrm{of}(x + g_i), \quad g_i \sim \mathcal N(0, \sigma^2 I)

    Attributes
    ----------
    of : the method whose maps are averaged.
    samples : N.
    noise_level : :math:`\sigma / (\max x - \min x)`, per image.

    Needs
    -----
    What the method ``of`` needs.

    Undefined
    ---------
    Where the method ``of`` is; it refuses one that adds noise itself or does not look at the model.
    """

    label: ClassVar[str] = "smoothgrad"
    of: Method = GRADIENT
    samples: int = 50
    noise_level: float = 0.15

    def __call__(self, workspace: Workspace) -> Tensor:
        known = workspace.remembered(self.moments_key)
        if known is None and self.of == GRADIENT:
            # The mean alone needs no map of each copy, and is cheaper without.
            return workspace.mean_gradient(self.copies(workspace), self.samples)
        return self.moments(workspace).mean


@dataclass(frozen=True)
class VarGrad(OverNoisyCopies):
    r"""VarGrad (Adebayo et al. 2018): the variance, pixel by pixel, of the maps of noisy copies.

    .. math:: E = \frac1N \sum_i E_\mathrm{of}(x + g_i)^2 - \Bigl(\frac1N \sum_i E_\mathrm{of}(x + g_i)\Bigr)^2

    It is the population variance, so never negative. The copies are SmoothGrad's, which takes its mean from here where
    both explain the same copies by the same method.

    Attributes
    ----------
    of : the method whose maps vary.
    samples : N.
    noise_level : :math:`\sigma / (\max x - \min x)`, per image.

    Needs
    -----
    What the method ``of`` needs.

    Undefined
    ---------
    Where the method ``of`` is; it refuses one that adds noise itself or does not look at the model. Exactly 0 where
    the maps of all copies are equal, as on a linear model.
    """

    label: ClassVar[str] = "vargrad"
    gives_away: ClassVar[bool] = True
    of: Method = GRADIENT
    samples: int = 50
    noise_level: float = 0.15

    def __call__(self, workspace: Workspace) -> Tensor:
        return self.moments(workspace).variance


@dataclass(frozen=True)
class IGSmoothGrad(OverNoisyCopies):
    r"""Integrated gradients with SmoothGrad (IG-SG of Adebayo et al. 2018), from the zero reference.

    .. math:: E = \frac1N \sum_i (x + g_i) \odot \int_0^1 \nabla S_c(\alpha (x + g_i))\, d\alpha

    Every noisy copy has its own difference from the reference. The cost is samples x steps passes per image: 250 by
    default, as much as five plain integrated gradients of 50 steps. The authors' code takes 25 or 50 samples of 50
    steps each, five or ten times as many; ``ig_smoothgrad(steps=50)`` is the first of these.

    Attributes
    ----------
    samples : N.
    steps : nodes of the midpoint rule on each copy's path.
    noise_level : standard deviation of the noise over :math:`\max x - \min x`, per image.

    Needs
    -----
    A model that can be differentiated.

    Undefined
    ---------
    Never on a model that is defined on every path from 0 to a noisy copy.
    """

    label: ClassVar[str] = "ig_smoothgrad"
    samples: int = 25
    steps: int = 10
    noise_level: float = 0.15

    @property
    def of(self) -> Method:  # type: ignore[override]
        """Integrated gradients with these steps."""
        return IntegratedGradients(steps=self.steps)

    def __call__(self, workspace: Workspace) -> Tensor:
        return self.moments(workspace).mean
