"""Photographs -> the numbers a network was trained on, and its reference images in the same encoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lib.errors import StudyError

Photograph = Image.Image | np.ndarray
"""A picture, or its 8-bit pixels: (height, width) or (height, width, 3)."""


@dataclass(frozen=True)
class Encoding:
    """How a network takes photographs: an RGB crop of 8-bit pixels p becomes ``(p / 255 - mean) / std``.

    Attributes
    ----------
    resize : length in pixels of the shorter side before the crop.
    crop : side in pixels of the square cut out of the middle.
    mean, std : one number per channel.
    """

    resize: int
    crop: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of one encoded photograph: (C, H, W)."""
        return 3, self.crop, self.crop

    def encode(self, photographs: Sequence[Photograph]) -> Tensor:
        """Resize (bilinear with antialiasing), crop and encode photographs: float32 (N, 3, crop, crop).

        Raises
        ------
        StudyError
            If an array is not one of 8-bit grey or RGB pixels, or there is no photograph.
        """
        if not photographs:
            raise StudyError("There is no photograph to encode; give at least one.")
        return self._encoded(torch.stack([self._crop(photograph) for photograph in photographs]))

    def references(self) -> dict[str, Tensor]:
        """Reference images by name: ``black``, ``white`` and ``mean``, each (3, crop, crop).

        ``mean`` is 0 everywhere: the mean colour of ImageNet for nets that subtract it, mid-grey for the others.
        """
        low, high = self.bounds()
        return {
            "black": low.expand(self.shape).clone(),
            "white": high.expand(self.shape).clone(),
            "mean": torch.zeros(self.shape),
        }

    def bounds(self) -> tuple[Tensor, Tensor]:
        """The encoded pixel values 0 and 255 of each channel, the box of deep Taylor decomposition: two (3, 1, 1)."""
        low, high = (self._encoded(torch.full((3, 1, 1), pixel)) for pixel in (0.0, 255.0))
        return low, high

    def _crop(self, photograph: Photograph) -> Tensor:
        """The middle of one resized photograph: 8-bit (3, crop, crop)."""
        from torchvision.transforms import functional as vision

        resized = vision.resize(_picture(photograph).convert("RGB"), [self.resize])
        return vision.pil_to_tensor(vision.center_crop(resized, [self.crop, self.crop]))

    def _encoded(self, pixels: Tensor) -> Tensor:
        mean, std = (torch.tensor(values, dtype=torch.float64).view(3, 1, 1) for values in (self.mean, self.std))
        return ((pixels.double() / 255.0 - mean) / std).float()


IMAGENET = Encoding(256, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Of torchvision's nets: the mean and standard deviation of ImageNet's training images."""

INCEPTION = Encoding(342, 299, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""Pixels in [-1, 1], as in TF-Slim, where torchvision's weights come from; 342 = 299 / 0.875."""

EFFICIENTNET_LITE = Encoding(256, 224, (127 / 255,) * 3, (128 / 255,) * 3)
"""(p - 127) / 128. Trained with bicubic resizing; bilinear moves a probability by about 0.02 at most."""


def _picture(photograph: Photograph) -> Image.Image:
    if isinstance(photograph, Image.Image):
        return photograph
    if photograph.dtype != np.uint8 or photograph.ndim not in (2, 3) or photograph.shape[2:] not in ((), (3,)):
        raise StudyError(
            f"A photograph is an array of {photograph.dtype} with the shape {photograph.shape}; "
            "give 8-bit pixels (uint8), (height, width) or (height, width, 3)."
        )
    return Image.fromarray(photograph)
