"""Named sets of images to study without a net: test images of the data sets, and photographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lib import data
from lib.errors import StudyError

PHOTOGRAPHS = (
    "coffee",
    "camera",
    "chelsea",
    "stereo_motorcycle",
    "astronaut",
    "rocket",
    "coins",
    "brick",
    "grass",
    "gravel",
)
"""Photographs that come inside scikit-image, by the names of its functions; `skimage.data` states their licences."""

LEAST_SIZE = 8
"""Height and width of the smallest photographs; below there is nothing left to see."""


@dataclass(frozen=True)
class ImageSet:
    """Images (N, C, H, W) in [0, 1], their numbers in the set, and the value of an empty pixel."""

    name: str
    images: Tensor
    image_ids: list[int]
    background: float = 0.0


def check(name: str, count: int, size: int = 0) -> None:
    """Raise `StudyError` unless there is such a set with so many images; makes sure that it is on this machine."""
    if name == "photos":
        if not 1 <= count <= len(PHOTOGRAPHS):
            raise StudyError(f"{count} photographs are asked for, but there are 1 to {len(PHOTOGRAPHS)} of them.")
        if size < LEAST_SIZE:
            raise StudyError(f"The size of the photographs is {size}; it must be at least {LEAST_SIZE} pixels.")
        return
    if name not in data.names():
        raise StudyError(f"The image set {name!r} is not known; choose one of {', '.join([*data.names(), 'photos'])}.")
    data.ensure(name)
    data.balanced(data.load(name).test_labels, count)


def image_set(name: str, count: int, size: int = 0) -> ImageSet:
    """Load a set: ``photos``, or the test images of a data set, spread evenly over its classes.

    Parameters
    ----------
    name : ``photos`` or a name of `lib.data`.
    count : number of images.
    size : height and width of the photographs, cut to a square about their centre; data sets keep their own.

    Raises
    ------
    StudyError
        If there is no such set, or not with so many images.
    """
    check(name, count, size)
    if name == "photos":
        return ImageSet(name, torch.stack([photograph(each, size) for each in PHOTOGRAPHS[:count]]), list(range(count)))
    dataset = data.load(name)
    chosen = data.balanced(dataset.test_labels, count)
    return ImageSet(name, dataset.test_images[chosen], chosen.tolist(), dataset.background)


def photograph(name: str, size: int) -> Tensor:
    """A photograph, cut to a square about its centre and resized: (3, size, size), float32 in [0, 1].

    A grey photograph has three equal channels.
    """
    import skimage.data
    from skimage.transform import resize

    picture = getattr(skimage.data, name)()
    # The motorcycle comes with the view of the other eye.
    picture = picture[0] if isinstance(picture, tuple) else picture
    picture = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = resize(picture[top : top + side, left : left + side], (size, size), anti_aliasing=True)
    return torch.from_numpy(square.clip(0.0, 1.0)).permute(2, 0, 1).float().contiguous()
