"""What a similarity is compared with: maps that have nothing to do with the image or the class explained.

Half of a similarity can be owed to the marginal distribution of a map, to its smoothness, or to the image alone. A
shuffled map keeps the first only, the map of another image the first two, the map for another class all three.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lib import compute
from lib.errors import StudyError

NULLS = ("null_other_image", "null_shuffle", "null_other_class")
"""The nulls that a run can ask for."""

T = TypeVar("T", float, Tensor, np.ndarray, pd.Series)


def check_nulls(nulls: Sequence[str]) -> None:
    """Raise `StudyError` unless every null is known and named once."""
    if not set(nulls) <= set(NULLS) or len(set(nulls)) < len(nulls):
        raise StudyError(f"nulls is {list(nulls)}; name each of {', '.join(NULLS)} at most once.")


def other_images(maps: Tensor) -> Tensor:
    """The same maps half a batch further on, so that each image gets another one's map: (N, C, H, W)."""
    return maps.roll(len(maps) // 2, 0)


def shuffled(maps: Tensor, image_ids: list[int], seed: int) -> Tensor:
    """Maps with their pixels in another order, the same for all channels: (N, C, H, W).

    Parameters
    ----------
    maps : (N, C, H, W).
    image_ids : number of each image; image 17 has the same order in whatever batch it stands.
    seed : of the run.
    """
    pixels = maps.flatten(2)
    orders = [
        torch.randperm(pixels.shape[2], generator=compute.generator(seed, "null shuffle", image)) for image in image_ids
    ]
    rearranged = [each[:, order.to(maps.device)] for each, order in zip(pixels, orders, strict=True)]
    return torch.stack(rearranged).view_as(maps)


def other_classes(classes: Tensor, count: int, image_ids: list[int], seed: int) -> Tensor:
    """Another class for each image, each of the others as likely: (N,).

    Parameters
    ----------
    classes : (N,) classes not to draw.
    count : number of classes, at least 2.
    image_ids : number of each image.
    seed : of the run.
    """
    if count < 2:
        raise StudyError("The model has one class only; leave null_other_class out of the nulls.")
    steps = [
        torch.randint(1, count, (), generator=compute.generator(seed, "null other class", image)) for image in image_ids
    ]
    return (classes + torch.stack(steps).to(classes.device)) % count


def corrected(value: T, null: T) -> T:
    r"""A similarity counted from its null upwards: 0 at the null, 1 for equal maps.

    .. math:: s^* = \frac{s - s_0}{1 - s_0}
    """
    return (value - null) / (1 - null)
