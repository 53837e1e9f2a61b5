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
from lib.comparison import Scores, Table
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
    everywhere.

    Raises
    ------
    StudyError
        Before anything is computed, if a method or a shift is not known or not defined here, among them the z+ rule
        where a shift makes pixels negative.
    """
    compute.settle()
    chosen = attributions.methods(methods)
    fields = _fields(shifts, tuple(images.shape[1:]))
    ids = list(range(len(images)) if image_ids is None else image_ids)
    if jitter:
        images = images + jitter * Noise(ids, tuple(images.shape[1:]), seed, "jitter").samples(1)[0].cpu()
    first = Network.of(model, training_images, pattern_images)
    networks = {name: first.shifted(shift) for name, shift in fields.items()}
    first.check(images, targets, chosen)
    for name, second in networks.items():
        second.check(images + fields[name], targets, chosen)
    before = first.maps(images, targets, chosen, ids, seed)
    table = Table(ids)
    for name, second in networks.items():
        after = second.maps(images + fields[name], targets, chosen, ids, seed)
        changes = {(each, "original", "relative_change"): relative_change(before[each], after[each]) for each in before}
        table.add(
            f"shift({name},jitter={jitter:g})" if jitter else f"shift({name})", name, 0, -1, Scores(targets, changes)
        )
    return table.frame()


def relative_change(first: Tensor, second: Tensor) -> Tensor:
    """The distance of two maps over the size of the first, image by image: (N, C, H, W) twice -> (N,).

    NaN where the first map is 0 everywhere.
    """
    size = first.flatten(1).norm(dim=1)
    return (second - first).flatten(1).norm(dim=1) / torch.where(size > 0, size, torch.nan)


def _fields(shifts: Sequence[str] | Mapping[str, Tensor], shape: tuple[int, ...]) -> dict[str, Tensor]:
    """Name -> shift (C, H, W), float64."""
    if not shifts:
        raise StudyError("shifts is empty; name at least one.")
    if not isinstance(shifts, Mapping):
        return {name: named_shift(name, shape) for name in shifts}
    for name, shift in shifts.items():
        if tuple(shift.shape) != shape:
            raise StudyError(f"The shift {name!r} has the shape {tuple(shift.shape)}; the images have {shape}.")
    return {name: shift.double() for name, shift in shifts.items()}
