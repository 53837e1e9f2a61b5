"""Tasks made of labelled digits in which it is known by construction where a classifier must look.

Yona & Greenfeld 2021, section 4: alter the images, ask for the alteration instead of the digit, and the same pixels
have another reason. Beside images and labels, each task gives the ground truth: a mask for every region that matters,
and the same images with one thing taken out, so that the truth can be checked on a classifier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lib import compute, shapes
from lib.errors import StudyError

HALVES = ("bottom", "top")
"""Which half of a digit is deleted: the paper's text says the bottom one, the caption of its figure 1 the top one."""

INTACT, DELETED = 0, 1
"""Labels of the half-digit task."""


@dataclass(frozen=True)
class Task:
    """A classification task with its ground truth.

    Attributes
    ----------
    images : (N, 1, H, W), float32 in [0, 1].
    labels : (N,), int64.
    regions : name -> bool (N, H, W), where something is.
    altered : what was done -> images (N, 1, H, W), the same with this alone undone or taken out.
    """

    images: Tensor
    labels: Tensor
    regions: Mapping[str, Tensor]
    altered: Mapping[str, Tensor]


def half_digit(digits: Tensor, *, half: str = "bottom", seed: int | str = 0) -> Task:
    """Y-half-digit: of each image one half is deleted, or not, with equal probability; the task is to tell which.

    Parameters
    ----------
    digits : (N, 1, H, W) in [0, 1] on a black ground, H even.
    half : the half that may be deleted, one of `HALVES`.
    seed : names the draw.

    Returns
    -------
    A task with the labels `INTACT` and `DELETED`. Regions: ``half``, the rows that may be deleted; ``cut``, two rows
    on either side of the cut; ``ink``, what is left of the digit, grown by one pixel. Altered: ``half_removed``,
    ``half_restored``.
    """
    if half not in HALVES:
        raise StudyError(f"half is {half!r}; choose one of {', '.join(HALVES)}.")
    height = digits.shape[2]
    labels = torch.randint(2, (len(digits),), generator=compute.generator(seed, "half-digit"))
    rows = torch.arange(height)
    own = (rows >= height // 2) == (half == "bottom")
    removed = digits * ~own.view(1, 1, -1, 1)
    images = torch.where((labels == DELETED).view(-1, 1, 1, 1), removed, digits)
    cut = (rows >= height // 2 - 2) & (rows < height // 2 + 2)
    regions = {name: each.view(1, -1, 1).expand_as(images[:, 0]) for name, each in (("half", own), ("cut", cut))}
    return Task(images, labels, regions | {"ink": grown(images[:, 0] > 0)}, {
        "half_removed": removed, "half_restored": digits,
    })  # fmt: skip


def shapes_and_digit(digits: Tensor, *, canvas: int = 28, seed: int | str = 0) -> Task:
    """Y-shapes-digit: beside each digit a filled rectangle, a hollow circle, or nothing, of full brightness.

    The labels name the shape, see `lib.shapes.KINDS`; with the labels of the digits instead, the same images are the
    other task.

    Parameters
    ----------
    digits : (N, 1, S, S) in [0, 1] on a black ground.
    canvas : height and width of the images in pixels, at least S; the digit stands in the middle.
    seed : names the draws.

    Returns
    -------
    A task whose regions are ``shape`` and ``digit``, each grown by one pixel, so that they may touch. Altered:
    ``shape_removed``, ``digit_removed``.
    """
    side = digits.shape[-1]
    if canvas < side:
        raise StudyError(f"canvas is {canvas}, smaller than the digits; give at least {side} pixels.")
    before = (canvas - side) // 2
    after = canvas - side - before
    plain = functional.pad(digits, (before, after, before, after))
    ink = plain[:, 0] > 0
    boxes = shapes.placed(shapes.random_boxes(len(digits), seed), ink, seed)
    drawn = shapes.pixels(boxes, canvas)
    alone = drawn.unsqueeze(1).to(plain)
    regions = {"shape": grown(drawn), "digit": grown(ink)}
    altered = {"shape_removed": plain, "digit_removed": alone}
    return Task(torch.maximum(plain, alone), boxes.kinds, regions, altered)


def grown(masks: Tensor) -> Tensor:
    """Masks with every pixel that touches one of theirs, at a side or a corner: bool (N, H, W)."""
    return functional.max_pool2d(masks.unsqueeze(1).float(), 3, stride=1, padding=1).squeeze(1) > 0
