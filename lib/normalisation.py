r"""Networks for normalised images, :math:`u = (x - \mu) / \sigma`, that compute the same as the network for the images.

With z = Wx + b in the first layer, :math:`\sigma W` and :math:`b + W \mu` give the same z for u as W and b for x.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lib.compensation import compensated
from lib.errors import StudyError
from lib.workspace import first_layer

NORMALISATIONS = ("none", "scalar", "image", "standardised")
"""``none`` leaves images as they are; ``scalar`` takes off the mean of all pixels of all training images; ``image`` the
mean image; ``standardised`` takes off each image's own mean and divides by its own standard deviation, for which the
network makes up on the average only, with the means of both over the training images."""


@dataclass(frozen=True)
class Normalisation:
    """How images are normalised, learned from training images.

    Attributes
    ----------
    mean : (C, H, W), what is taken off, or what standardised images lost on the average.
    scale : what standardised images were divided by on the average; 1 for the others.
    each : whether every image is standardised by its own numbers.
    """

    mean: Tensor
    scale: float = 1.0
    each: bool = False

    @classmethod
    def learned(cls, by: str, training_images: Tensor) -> Normalisation:
        """The normalisation of a name of `NORMALISATIONS` for training images (M, C, H, W)."""
        check_normalisation(by)
        images = training_images.double()
        if by == "image":
            return cls(images.mean(0))
        if by == "none":
            return cls(torch.zeros_like(images[0]))
        mean = torch.full_like(images[0], float(images.mean()))
        return cls(mean, float(_spread(images).mean()), each=True) if by == "standardised" else cls(mean)

    def images(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) as the network sees them. A constant image that is standardised becomes 0."""
        if not self.each:
            return images - self.mean
        centred = images - images.mean((1, 2, 3), keepdim=True)
        constant = images.flatten(1).amax(1) == images.flatten(1).amin(1)
        return centred / torch.where(constant, torch.inf, _spread(images)).view(-1, 1, 1, 1)

    def network(self, model: nn.Module) -> nn.Module:
        """The model, of double precision, with a first layer that makes up for the normalisation."""
        centred = compensated(model, -self.mean)
        return stretched(centred, torch.full_like(self.mean, self.scale)) if self.each else centred


def check_normalisation(by: str) -> None:
    """Raise `StudyError` unless a normalisation is known."""
    if by not in NORMALISATIONS:
        raise StudyError(f"The normalisation {by!r} is not known; choose one of {', '.join(NORMALISATIONS)}.")


def stretched(model: nn.Module, factors: Tensor) -> nn.Module:
    """A copy of a model that gives for ``images`` what the model gives for ``factors * images``.

    Parameters
    ----------
    model : sees its input through one dense layer; it is not changed.
    factors : (C, H, W).

    Raises
    ------
    StudyError
        If the model sees its input in another way: in a convolution no weights make up for a factor of each pixel.
    """
    name = first_layer(model, factors.unsqueeze(0).to(next(model.parameters())))
    layer = None if name is None else model.get_submodule(name)
    if name is None or not isinstance(layer, nn.Linear):
        raise StudyError(
            "The model does not see its input through one dense layer alone, so its weights cannot make up for a "
            "factor of each pixel; study a model that starts with one, e.g. k_mlp."
        )
    duplicate = copy.deepcopy(model)
    weight = layer.weight.detach() * factors.flatten().to(layer.weight)
    duplicate.get_submodule(name).weight = nn.Parameter(weight, requires_grad=False)
    return duplicate


def _spread(images: Tensor) -> Tensor:
    """Standard deviation of the pixels of each image: (N, C, H, W) -> (N,)."""
    return images.flatten(1).std(dim=1, correction=0)
