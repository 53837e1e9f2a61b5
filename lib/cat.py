r"""A cat as an explanation: the drawing, and the shift that makes Gradient ⊙ input show it (Kindermans et al. 2017).

A network that takes :math:`x + m` instead of x, and is compensated for it, has the gradient g of the network before.
Its Gradient ⊙ input is :math:`(x + m) \odot g`, so :math:`m = \hat s / g - x` makes it whatever drawing one likes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lib.errors import StudyError

CLIP = 0.3
"""The largest change of a pixel, from the paper."""

LEAST_GRADIENT = 1e-3
"""Share of the largest absolute gradient below which a pixel is left as it is: dividing by it would mean nothing."""

CLIPPED_FROM = 0.1
"""The drawing is so strong that all but this share of its pixels would change by more than `CLIP`, were x black."""

_DRAWING = """
............................
............................
.....#................#.....
.....##..............##.....
.....#.#............#.#.....
.....#..#..........#..#.....
.....#...#........#...#.....
....#.....########.....#....
....#..................#....
....#..................#....
...#....................#...
...#....................#...
...#....#..........#....#...
...#...#.#........#.#...#...
...#..#...#......#...#..#...
...#....................#...
...#........####........#...
######.......##.......######
...#......#..##..#......#...
######.....##..##.....######
...#....................#...
...#....................#...
....#..................#....
.....#................#.....
......##............##......
........############........
............................
............................
"""


def cat() -> Tensor:
    """The line drawing of a cat, made for this project: (1, 28, 28), float64, 1 on the lines and 0 elsewhere."""
    return torch.tensor([[[float(each == "#") for each in row] for row in _DRAWING.split()]], dtype=torch.float64)


def reliable(gradients: Tensor) -> Tensor:
    r"""Pixels by whose gradient one may divide, :math:`|g| \ge 10^{-3} \max |g|`: (N, C, H, W) -> bool, same shape."""
    sizes = gradients.abs()
    return (sizes >= LEAST_GRADIENT * sizes.amax((1, 2, 3), keepdim=True)) & (sizes > 0)


def desired_attribution(gradients: Tensor, drawing: Tensor) -> Tensor:
    r"""The drawing, for each image as strong as its gradients demand: :math:`\hat s`.

    The paper does not say how strong. Here the 10th percentile of :math:`|\hat s / g|` over the reliable pixels of the
    drawing is 0.3, so that the clip of the shift acts on nearly all of the drawing.

    Parameters
    ----------
    gradients : (N, C, H, W) of the explained logits, float64.
    drawing : (C, H, W), 0 where nothing is drawn.

    Returns
    -------
    (N, C, H, W).

    Raises
    ------
    StudyError
        If an image has no reliable gradient on the drawing.
    """
    counts = reliable(gradients) & (drawing != 0)
    if not counts.flatten(1).any(1).all():
        raise StudyError("The gradient of an image is 0 wherever the cat is drawn; choose other images or another net.")
    ratios = (drawing / gradients).abs().masked_fill(~counts, torch.nan)
    strengths = CLIP / ratios.flatten(1).nanquantile(CLIPPED_FROM, dim=1)
    return strengths.view(-1, 1, 1, 1) * drawing


def cat_shift(images: Tensor, gradients: Tensor, drawing: Tensor, clip: float | None = CLIP) -> Tensor:
    r"""The shift of each image that draws a cat into its Gradient ⊙ input.

    .. math:: m = \operatorname{clip}(\hat s / g - x, -0.3, 0.3), \qquad
              m = 0 \text{ where } |g| < 10^{-3} \max |g|

    Parameters
    ----------
    images : (N, C, H, W), float64.
    gradients : (N, C, H, W) of the explained logits of the net before the shift.
    drawing : (C, H, W).
    clip : the largest change of a pixel; None for the shift that leaves nothing but the cat.

    Returns
    -------
    (N, C, H, W).

    Raises
    ------
    StudyError
        As `desired_attribution`.
    """
    wanted = desired_attribution(gradients, drawing)
    shift = torch.where(reliable(gradients), wanted / gradients - images, 0.0)
    return shift if clip is None else shift.clip(-clip, clip)
