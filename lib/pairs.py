"""Pairs of pictures side by side, of which one alone decides the class: the third task of Yona & Greenfeld 2021.

Ten classes make two groups of five. A pair shows a picture of each group, in random order, and its label is the class
of the picture of group 1. So it is known where a classifier must look: at one half and never at the other. And it can
be checked, by exchanging the halves one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lib import tiny_imagenet
from lib.compute import generator
from lib.tasks import Task

CLASSES = 5
"""Classes of a group: those below are group 1, which decides, the others group 2."""

TRAIN_PAIRS, TEST_PAIRS = 2500, 500
"""How many pairs are made for training and of pictures that no net is trained on; the paper gives no numbers."""

RELEVANT, OTHER = "relevant", "other"
"""Names of the regions of a pair: its two halves."""


def pairs(pictures: Tensor, labels: Tensor, count: int, seed: int | str) -> Task:
    """Pairs of some single pictures.

    All pictures of a group are used once before one is used again.

    Parameters
    ----------
    pictures : (M, C, H, W), float32 in [0, 1].
    labels : (M,), classes 0 to 4 of group 1 and 5 to 9 of group 2.
    count : number of pairs.
    seed : names the draws.

    Returns
    -------
    A task with images (count, C, H, 2W), the classes of group 1 as labels, and the regions `RELEVANT` and `OTHER`.
    """
    first = _spread((labels < CLASSES).nonzero().flatten(), count, f"{seed} group 1")
    second = _spread((labels >= CLASSES).nonzero().flatten(), count, f"{seed} group 2")
    left = torch.rand(count, generator=generator(seed, "pairs", "order")) < 0.5
    images = Halves(pictures[first], pictures[second], left).joined
    relevant = _half(left, images)
    return Task(images, labels[first], {RELEVANT: relevant, OTHER: ~relevant}, {})


@dataclass(frozen=True)
class Halves:
    """Pairs taken apart.

    Attributes
    ----------
    relevant, other : (N, C, H, W), the pictures that decide and those that do not.
    left : bool (N,), whether the relevant picture is the left one.
    """

    relevant: Tensor
    other: Tensor
    left: Tensor

    @classmethod
    def of(cls, images: Tensor, region: Tensor) -> Halves:
        """Take apart pairs (N, C, H, 2W) with their relevant regions (N, H, 2W)."""
        left = region[:, 0, 0]
        one, two = images.chunk(2, dim=3)
        place = left.view(-1, 1, 1, 1)
        return cls(torch.where(place, one, two), torch.where(place, two, one), left)

    @property
    def joined(self) -> Tensor:
        """The pairs: (N, C, H, 2W)."""
        place = self.left.view(-1, 1, 1, 1)
        one, two = torch.where(place, self.relevant, self.other), torch.where(place, self.other, self.relevant)
        return torch.cat([one, two], dim=3)


def outputs_of(dataset: str) -> list[int]:
    """The outputs that stand for the five classes in the net that was trained on single pictures.

    ImageNet's numbers of the classes of TinyImageNet; the digits themselves else.
    """
    if dataset.startswith("tiny-imagenet"):
        return [number for _, number in tiny_imagenet.CLASSES.values()][:CLASSES]
    return list(range(CLASSES))


def _half(left: Tensor, images: Tensor) -> Tensor:
    """The half of each image that is meant: bool (N, H, W)."""
    height, width = images.shape[2:]
    columns = torch.arange(width) < width // 2
    return (columns.view(1, 1, -1) == left.view(-1, 1, 1)).expand(-1, height, -1)


def _spread(numbers: Tensor, count: int, seed: str) -> Tensor:
    """So many of some numbers, in random order, each once before one comes again: (count,)."""
    draws = generator(seed, "pairs")
    rounds = -(-count // len(numbers))
    return torch.cat([numbers[torch.randperm(len(numbers), generator=draws)] for _ in range(rounds)])[:count]
