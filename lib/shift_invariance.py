r"""Do maps change when the images are shifted and the network makes up for it (Kindermans et al. 2017)?

Network 1 sees images x, network 2 (`lib.compensation`) sees :math:`x + m`. Both compute the same. The question is
whether a method explains both alike,

.. math:: \delta = \frac{\lVert E_2(x + m) - E_1(x) \rVert_2}{\lVert E_1(x) \rVert_2},

with what a method needs beside the images taken from the data that each network is meant for: references and patterns
of network 2 come from shifted training images, unless a method shares the patterns of network 1. Noise is the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from lib import attributions, compute
from lib.attributions.gradients import Gradient
from lib.cat import cat, cat_shift
from lib.comparison import Scores, Table
from lib.correlation import Centred, correlation
from lib.errors import StudyError
from lib.networks import Network
from lib.shifts import named_shift
from lib.workspace import Noise


def shift_invariance(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Sequence[str],
    *,
    shifts: Sequence[str] | Mapping[str, Tensor],
    training_images: Tensor,
    pattern_images: int = 10_000,
    jitter: float = 0.0,
    image_ids: Sequence[int] | None = None,
    seed: int = 0,
    **others: Any,
) -> pd.DataFrame:
    r"""Compare the maps of a network with those of the network that makes up for a shift of its images.

    Parameters
    ----------
    model : sees its input through one dense or convolutional layer; it is copied, not changed.
    images : (N, C, H, W) to explain.
    targets : (N,) explained classes.
    methods : written forms, e.g. ``["gradient", "integrated_gradients(reference=black)"]``; the references are
        ``black``, ``white``, ``mean``, ``pixelmin`` and ``pixelmax`` of the training images.
    shifts : names of `lib.shifts.SHIFTS`, or name -> shift (C, H, W).
    training_images : (M, C, H, W), for references and patterns.
    pattern_images : patterns are estimated on so many of them.
    jitter : standard deviation of noise that is added to the images beforehand, in the units of the pixels. In empty
        parts of an image all pixels of a max-pooling window tie, and rounding, which a shift changes, decides where the
        gradient goes; noise of any strength ends that.
    image_ids, seed : name the noise; by default images are numbered from 0.
    others : what else a study gives to the functions it calls with a net; not used.

    Returns
    -------
    A table with the intervention ``shift(<name>)``, or ``shift(<name>,jitter=…)``, and, for each image and method, the
    metric ``relative_change`` against ``original``, the :math:`\delta` above; NaN where the map of network 1 is 0
    everywhere. For a shift that is not the same everywhere, also ``shift_rise``: how much the correlation of the
    absolute map with the shift is larger for network 2.

    Raises
    ------
    StudyError
        Before anything is computed, if a method or a shift is not known or not defined here, among them the z+ rule
        where a shift makes pixels negative.
    """
    compute.settle()
    chosen = attributions.methods(methods)
    ids = list(range(len(images)) if image_ids is None else image_ids)
    if jitter:
        images = images + jitter * Noise(ids, shape_of(images), seed, "jitter").samples(1)[0].cpu()
    first = Network.of(model, training_images, pattern_images)
    fields = fields_of(first, images, targets, shifts)
    networks = {name: first.shifted(shift) for name, shift in fields.items()}
    first.check(images, targets, chosen)
    for name, second in networks.items():
        second.check(images + fields[name], targets, chosen)
    before = first.maps(images, targets, chosen, ids, seed)
    table = Table(ids)
    ending = f",jitter={jitter:g}" if jitter else ""
    for name, second in networks.items():
        after = second.maps(images + fields[name], targets, chosen, ids, seed)
        values = {}
        for each in before:
            values[each, "original", "relative_change"] = relative_change(before[each], after[each])
            if float(fields[name].std()) > 0:
                values[each, "original", "shift_rise"] = shift_rise(before[each], after[each], fields[name])
        table.add(f"shift({name}{ending})", name, 0, -1, Scores(targets, values))
    return table.frame()


def relative_change(first: Tensor, second: Tensor) -> Tensor:
    """The distance of two maps over the size of the first, image by image: (N, C, H, W) twice -> (N,).

    NaN where the first map is 0 everywhere.
    """
    size = first.flatten(1).norm(dim=1)
    return (second - first).flatten(1).norm(dim=1) / torch.where(size > 0, size, torch.nan)


def shift_rise(first: Tensor, second: Tensor, shift: Tensor) -> Tensor:
    """How much more the absolute values of the second map correlate with a shift (C, H, W) than those of the first.

    Absolute values, because a shift may show with the gradient's sign, which differs from pixel to pixel.

    Returns
    -------
    (N,), differences of Pearson's r; NaN where a map is constant.
    """
    field = Centred.of(shift.flatten().expand(len(first), -1))
    before, after = (correlation(Centred.of(maps.abs().flatten(1)), field) for maps in (first, second))
    return after - before


def fields_of(
    first: Network, images: Tensor, targets: Tensor, shifts: Sequence[str] | Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The shifts of some names, or given ones in double precision: name -> (C, H, W).

    Parameters
    ----------
    first : network 1.
    images, targets : (N, C, H, W) and (N,); the shift ``cat`` is made for the first image.
    shifts : as for `shift_invariance`.

    Raises
    ------
    StudyError
        If there is no shift, one is not known, or one has another shape than an image.
    """
    if not shifts:
        raise StudyError("shifts is empty; name at least one.")
    if not isinstance(shifts, Mapping):
        return {
            name: _cat(first, images, targets) if name == "cat" else named_shift(name, shape_of(images))
            for name in shifts
        }
    for name, shift in shifts.items():
        if tuple(shift.shape) != shape_of(images):
            raise StudyError(
                f"The shift {name!r} has the shape {tuple(shift.shape)}; the images have {shape_of(images)}."
            )
    return {name: shift.double() for name, shift in shifts.items()}


def _cat(first: Network, images: Tensor, targets: Tensor) -> Tensor:
    """The shift that draws a cat into Gradient ⊙ input of the first image: (C, H, W)."""
    gradients = first.maps(images[:1], targets[:1], [Gradient()], [0])["gradient"]
    return cat_shift(images[:1].double(), gradients, cat())[0]


def shape_of(images: Tensor) -> tuple[int, ...]:
    """(C, H, W)."""
    return tuple(images.shape[1:])
