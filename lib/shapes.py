"""Random rectangles and hollow circles, and where they fit beside what an image shows already.

Yona & Greenfeld 2021 put one of them beside a digit and give no sizes; these are ours (experiment Y-shapes-digit).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lib import compute

KINDS = ("nothing", "rectangle", "circle")
"""What an image may hold beside its digit; the number of a kind is its place here."""

SIDES = (4, 8)
"""Shortest and longest side of a filled rectangle, in pixels; height and width are drawn apart."""
RADII = (3, 5)
"""Smallest and largest radius of a circle, whose line is one pixel wide."""
MOST_OVERLAP = 0.1
"""Share of a shape's pixels that may lie on ink."""
ATTEMPTS = 50
"""Random places that are tried before a shape goes into a corner."""


@dataclass(frozen=True)
class Boxes:
    """The shapes of N images and the boxes around them; ``tops`` and ``lefts`` are their first rows and columns.

    All are (N,) integers. A circle fills its square box of odd side; *nothing* has a box too, which stays empty.
    """

    kinds: Tensor
    heights: Tensor
    widths: Tensor
    tops: Tensor
    lefts: Tensor

    def at(self, tops: Tensor, lefts: Tensor) -> Boxes:
        """The same shapes elsewhere."""
        return Boxes(self.kinds, self.heights, self.widths, tops, lefts)

    def of(self, chosen: Tensor) -> Boxes:
        """The shapes of some images."""
        return Boxes(*(each[chosen] for each in (self.kinds, self.heights, self.widths, self.tops, self.lefts)))


def random_boxes(count: int, seed: int | str) -> Boxes:
    """Draw kinds, each as likely, and sizes; all boxes start in the upper left corner.

    Parameters
    ----------
    count : number of images.
    seed : names the draw.
    """
    generator = compute.generator(seed, "shapes")
    kinds = torch.randint(len(KINDS), (count,), generator=generator)
    sides = torch.randint(SIDES[0], SIDES[1] + 1, (2, count), generator=generator)
    diameters = 2 * torch.randint(RADII[0], RADII[1] + 1, (count,), generator=generator) + 1
    heights, widths = torch.where(kinds == KINDS.index("circle"), diameters, sides)
    start = torch.zeros(count, dtype=torch.int64)
    return Boxes(kinds, heights, widths, start, start)


def pixels(boxes: Boxes, side: int) -> Tensor:
    """The pixels of shapes on square canvases: bool (N, side, side)."""
    kinds, radii = boxes.kinds.view(-1, 1, 1), (boxes.heights.view(-1, 1, 1) - 1) / 2
    rows = (torch.arange(side) - boxes.tops.unsqueeze(1)).unsqueeze(2)
    columns = (torch.arange(side) - boxes.lefts.unsqueeze(1)).unsqueeze(1)
    inside = [
        (places >= 0) & (places < sides.view(-1, 1, 1))
        for places, sides in ((rows, boxes.heights), (columns, boxes.widths))
    ]
    squared = (rows - radii).square() + (columns - radii).square()
    ring = (squared > (radii - 0.5).square()) & (squared < (radii + 0.5).square())
    filled = inside[0] & inside[1] & (kinds == KINDS.index("rectangle"))
    return filled | (ring & (kinds == KINDS.index("circle")))


def overlap(shapes: Tensor, ink: Tensor) -> Tensor:
    """Share of each shape's pixels that lie on ink: two bool (N, H, W) -> (N,); 0 for an empty shape."""
    both, own = (each.flatten(1).sum(1, dtype=torch.int32) for each in (shapes & ink, shapes))
    return both / own.clamp(min=1)


def placed(boxes: Boxes, ink: Tensor, seed: int | str) -> Boxes:
    """Move every shape to the first of up to `ATTEMPTS` random places where it hardly overlaps the ink of its image.

    A shape that fits nowhere goes into the corner where it overlaps least, the upper left one first.

    Parameters
    ----------
    boxes : none larger than the canvas.
    ink : bool (N, side, side).
    seed : names the draws; each image has places of its own in every attempt, whether it still looks for one or not.
    """
    side = ink.shape[-1]
    room = torch.stack([side - boxes.heights, side - boxes.widths])
    places = torch.zeros_like(room)
    looking = torch.arange(len(ink))
    for attempt in range(ATTEMPTS):
        drawn = torch.rand(room.shape, generator=compute.generator(seed, "place", attempt), dtype=torch.float64)
        tried = (drawn * (room + 1)).long()[:, looking]
        fits = overlap(pixels(boxes.of(looking).at(*tried), side), ink[looking]) <= MOST_OVERLAP
        places[:, looking[fits]] = tried[:, fits]
        looking = looking[~fits]
    places[:, looking] = _corners(boxes.of(looking), ink[looking], room[:, looking])
    return boxes.at(*places)


def _corners(boxes: Boxes, ink: Tensor, room: Tensor) -> Tensor:
    """First rows and columns (2, N) of the corner where each shape overlaps least."""
    corners = torch.stack([room * torch.tensor(each).view(2, 1) for each in ((0, 0), (0, 1), (1, 0), (1, 1))])
    overlaps = torch.stack([overlap(pixels(boxes.at(*each), ink.shape[-1]), ink) for each in corners])
    return corners[overlaps.argmin(0), :, torch.arange(len(ink))].T
