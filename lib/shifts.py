"""The shifts of Kindermans et al. 2017: one picture that is added to every image."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lib.errors import StudyError

SHIFTS = ("const", "checker", "checker7", "checker_centre")
"""``const`` is -1 everywhere, so that black pixels become -1 and white ones 0. The paper shows a checkered box without
its numbers: ``checker`` has cells of 4 pixels, 0 and 1, and leaves the smallest pixel at 0; ``checker7`` has cells of 7
pixels, -0.5 and 0.5; ``checker_centre`` is ``checker`` in the middle only. Cells grow with the image; the sizes are
those for 28 pixels."""


def named_shift(name: str, shape: tuple[int, ...]) -> Tensor:
    """The shift of a name of `SHIFTS` for images of a shape (C, H, W): float64 (C, H, W).

    Raises
    ------
    StudyError
        If the name is not known.
    """
    if name == "const":
        return torch.full(shape, -1.0, dtype=torch.float64)
    if name == "checker":
        return _checker(shape, across=7)
    if name == "checker7":
        return _checker(shape, across=4) - 0.5
    if name == "checker_centre":
        height, width = shape[-2:]
        top, left = height // 4, width // 4
        centre = torch.zeros(shape, dtype=torch.float64)
        centre[:, top : height - top, left : width - left] = 1.0
        return centre * _checker(shape, across=7)
    raise StudyError(f"The shift {name!r} is not known; choose one of {', '.join(SHIFTS)}, cat.")


def _checker(shape: tuple[int, ...], across: int) -> Tensor:
    """Cells of 0 and 1, so many across the shorter side: (C, H, W)."""
    height, width = shape[-2:]
    side = max(1, min(height, width) // across)
    cells = (torch.arange(height).unsqueeze(1) // side + torch.arange(width) // side) % 2
    return cells.double().expand(shape).clone()


def references(training_images: Tensor) -> dict[str, Tensor]:
    """Reference images of training images (M, C, H, W): name -> (C, H, W), float64.

    Those of `lib.data.references`, and ``pixelmax``, the largest value of each pixel: ``pixelmin`` and ``pixelmax``
    are a box that moves along with any shift, ``black`` and ``white`` one that does so with constant shifts only.
    """
    mean = training_images.double().mean(0)
    return _beside(training_images.amin(0).double(), training_images.amax(0).double(), mean)


def shifted_references(found: Mapping[str, Tensor], shift: Tensor) -> dict[str, Tensor]:
    """The `references` of training images that are shifted by (C, H, W), from those of the images as they were.

    Least, largest and mean value of each pixel move along with its shift.
    """
    return _beside(found["pixelmin"] + shift, found["pixelmax"] + shift, found["mean"] + shift)


def _beside(darkest: Tensor, brightest: Tensor, mean: Tensor) -> dict[str, Tensor]:
    return {
        "black": torch.full_like(darkest, float(darkest.min())),
        "white": torch.full_like(brightest, float(brightest.max())),
        "pixelmin": darkest,
        "pixelmax": brightest,
        "mean": mean,
    }
