"""How much of a cat that nobody saw the maps of a net show, once its input is shifted (Kindermans et al. 2017, Fig. 6).

Network 1 takes the images x, network 2 takes x + m and is compensated for it (`lib.networks`): all activations, outputs
and gradients agree. What differs between their maps comes from m alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from lib import compute
from lib.attributions import methods as methods_named
from lib.attributions.base import Method
from lib.attributions.gradients import Gradient, GradientXInput
from lib.cat import CLIP, cat, cat_shift, desired_attribution, reliable
from lib.comparison import Scores
from lib.correlation import Centred, correlation
from lib.errors import StudyError
from lib.exactness import relative_error
from lib.networks import Network
from lib.shift_invariance import relative_change
from lib.shifted_images import ShiftedImages
from lib.similarity import absolute, signed

OWN, UNCLIPPED, BORROWED = "cat", "cat(clip=none)", "cat(shift=borrowed)"
"""Interventions: each sample with its own shift, the same without the clip, other images with the samples' shifts."""

SAME, OTHER = "same class", "other class"
"""Levels of a borrowed shift: whether it was made for an image of the same explained class."""


def cat_scores(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Sequence[str],
    *,
    image_ids: list[int],
    training_images: Tensor,
    samples: int,
    borrowed: int,
    pattern_images: int,
    **others: Any,
) -> pd.DataFrame:
    """How well the maps of both networks correlate with the drawing of a cat, in double precision.

    Parameters
    ----------
    model : takes images of 28 x 28 pixels; it is copied, not changed.
    images, targets, image_ids, training_images : those of `lib.study.Study.examples`.
    methods : written forms; with ``patterns=shared`` both networks take the patterns of network 1.
    samples : so many of the images, spread over all of them, have a shift of their own.
    borrowed : the shifts of so many samples, spread over them, are also given to all images that are no samples.
    pattern_images : how many training images patterns are estimated on.
    others : what else a study gives to the functions it calls with a net; not used.

    Returns
    -------
    One row per number. The metrics ``cat_correlation`` and ``cat_correlation_abs`` are Pearson's correlations of the
    signed and of the absolute map with the drawing, for network 1 (against original) and network 2 (against shifted);
    ``relative_change`` is the distance of the two maps over the norm of the first. Interventions are ``cat``;
    ``cat(clip=none)``, with the ``relative_error`` of Gradient ⊙ input against the drawing (truth) on the pixels that
    may be shifted; and ``cat(shift=borrowed)``, where a draw is a sample whose shift is borrowed, and the level says
    whether its class is the same. Without a method: ``output_error``, the largest difference of the two networks'
    logits over the largest logit; ``largest_shift``, the largest change of a pixel; and ``untouched_share``, the share
    of the cat whose gradient is too small to divide by.

    Raises
    ------
    StudyError
        If the images do not have the cat's shape, there are not so many, or a method is not known or not defined here.
    """
    chosen = _spread("samples", samples, len(images))
    lenders = [chosen[number] for number in _spread("borrowed", borrowed, samples)]
    rest = [number for number in range(len(images)) if number not in chosen]
    if not rest:
        raise StudyError(f"All {len(images)} images are samples, and none is left to borrow a shift; raise n_images.")
    asked = methods_named(methods)
    given = _checked(model, images, targets, asked, image_ids, training_images, pattern_images)
    own = given.only(chosen)
    found = [_own(own, asked), _unclipped(own), _borrowed(given.only(rest), given.only(lenders), asked)]
    return pd.concat(found, ignore_index=True)


def cat_pictures(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Sequence[str],
    *,
    image_ids: list[int],
    training_images: Tensor,
    pattern_images: int,
    **others: Any,
) -> dict[str, Tensor]:
    """Images, shifts and maps for the galleries.

    Parameters
    ----------
    model, images, targets, methods, image_ids, training_images, pattern_images, others : as `cat_scores`.

    Returns
    -------
    Name -> (N, 28, 28). ``cat`` and ``shift``; ``net 1: x`` and ``net 2: x``, what each network takes, with its darkest
    pixel at 0; ``net 1: <method>`` and ``net 2: <method>``, for each image's own shift; ``unclipped``, Gradient ⊙
    input of network 2 without the clip; ``borrowed: x`` and ``borrowed: <method>``, for all images with the shift of the
    first.
    """
    asked = methods_named(methods)
    given = _checked(model, images, targets, asked, image_ids, training_images, pattern_images)
    x, shifts = given.images, _shifts(given)
    rows = {
        "net 1": (x, given.maps(asked)),
        "net 2": (x + shifts, given.each_shifted(shifts, asked)),
        "borrowed": (x + shifts[0], given.shifted(shifts[0]).maps(asked)),
    }
    found = {"cat": cat().expand(shifts.shape), "shift": shifts, "unclipped": _unclipped_maps(given)}
    for row, (pictures, maps) in rows.items():
        named = {"x": pictures - pictures.amin((1, 2, 3), keepdim=True)} | maps
        found |= {f"{row}: {name}": each for name, each in named.items()}
    return {name: each.sum(1) for name, each in found.items()}


def _spread(name: str, count: int, of: int) -> list[int]:
    """So many numbers below another, as evenly apart as can be."""
    if not 1 <= count <= of:
        raise StudyError(f"{name} is {count}, but there are 1 to {of} to choose from.")
    return [int(number) for number in torch.linspace(0, of - 1, count).round()]


def _checked(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Sequence[Method],
    image_ids: list[int],
    training_images: Tensor,
    pattern_images: int,
) -> ShiftedImages:
    """Network 1 and its images, on which a cat can be drawn and all methods are defined."""
    compute.settle()
    if images.shape[1:] != cat().shape:
        raise StudyError(
            f"The cat is drawn on {tuple(cat().shape)} pixels, but an image has the shape {tuple(images.shape[1:])}; "
            "choose a net that takes images of the cat's shape."
        )
    network = Network.of(model, training_images, pattern_images)
    network.check(images, targets, methods)
    return ShiftedImages(network, images.double(), targets, image_ids)


def _gradients(given: ShiftedImages) -> Tensor:
    return given.maps([Gradient()])["gradient"]


def _shifts(given: ShiftedImages, clip: float | None = CLIP) -> Tensor:
    """The shift of each image that draws the cat: (N, C, H, W)."""
    return cat_shift(given.images, _gradients(given), cat(), clip)


def _own(samples: ShiftedImages, methods: Sequence[Method]) -> pd.DataFrame:
    """Each sample with its own shift."""
    shifts = _shifts(samples)
    first, second = samples.maps(methods), samples.each_shifted(shifts, methods)
    scores = Scores(samples.targets)
    for name, maps in first.items():
        change = relative_change(maps, second[name])
        scores.add(name, "original", _likeness(maps) | {"relative_change": change})
        scores.add(name, "shifted", _likeness(second[name]))
    logits = torch.cat([samples.only([number]).shifted(shift).logits() for number, shift in enumerate(shifts)])
    drawn = cat() != 0
    numbers = {
        "output_error": relative_error(logits, samples.logits()),
        "largest_shift": _largest(shifts),
        "untouched_share": (drawn & ~reliable(_gradients(samples))).flatten(1).sum(1).double() / drawn.sum(),
    }
    scores.add("none", "none", numbers)
    return samples.rows(OWN, scores)


def _unclipped(samples: ShiftedImages) -> pd.DataFrame:
    """How near Gradient ⊙ input of each sample comes to the drawing, if nothing is clipped."""
    maps, gradients = _unclipped_maps(samples), _gradients(samples)
    wanted, counts = desired_attribution(gradients, cat()), reliable(gradients)
    scores = Scores(samples.targets)
    scores.add("gradient_x_input", "shifted", _likeness(maps))
    scores.add("gradient_x_input", "truth", {"relative_error": relative_error(maps * counts, wanted * counts)})
    scores.add("none", "none", {"largest_shift": _largest(_shifts(samples, clip=None))})
    return samples.rows(UNCLIPPED, scores)


def _unclipped_maps(samples: ShiftedImages) -> Tensor:
    """Gradient ⊙ input of each sample with its own shift, as large as it needs to be: (N, C, H, W)."""
    return samples.each_shifted(_shifts(samples, clip=None), [GradientXInput()])["gradient_x_input"]


def _borrowed(borrowers: ShiftedImages, lenders: ShiftedImages, methods: Sequence[Method]) -> pd.DataFrame:
    """All images with the shifts of others, one after the other."""
    scores = Scores(borrowers.targets)
    for name, maps in borrowers.maps(methods).items():
        scores.add(name, "original", _likeness(maps))
    found = [borrowers.rows(BORROWED, scores)]
    shifts = zip(_shifts(lenders), lenders.targets.tolist(), strict=True)
    for draw, (shift, target) in enumerate(shifts):
        scores = Scores(borrowers.targets)
        for name, maps in borrowers.shifted(shift).maps(methods).items():
            scores.add(name, "shifted", _likeness(maps))
        rows = borrowers.rows(BORROWED, scores, draw)
        found.append(rows.assign(level=np.where(rows.target == target, SAME, OTHER)))
    return pd.concat(found, ignore_index=True)


def _likeness(maps: Tensor) -> dict[str, Tensor]:
    """Pearson's correlation of maps (N, C, H, W) with the drawing, with signs and without: metric -> (N,)."""
    drawing = Centred.of(cat().flatten(1))
    seen = {"cat_correlation": signed(maps), "cat_correlation_abs": absolute(maps)}
    return {metric: correlation(Centred.of(values), drawing) for metric, values in seen.items()}


def _largest(shifts: Tensor) -> Tensor:
    return shifts.abs().amax((1, 2, 3))
