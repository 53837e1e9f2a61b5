"""Images, shifts and the maps of both networks, for galleries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lib import attributions, compute
from lib.networks import Network
from lib.shift_invariance import fields_of


def shift_pictures(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Sequence[str],
    *,
    shifts: Sequence[str],
    training_images: Tensor,
    pattern_images: int,
    image_ids: Sequence[int],
    **others: Any,
) -> dict[str, Tensor]:
    """What both networks see, and how methods explain it; parameters are those of `lib.shift_invariance`.

    Returns
    -------
    ``<shift>|network 1: image`` and ``<shift>|network 1: <method>``, the same for network 2: each (N, H, W), channels
    summed. Images lie in [0, 1], black where their smallest pixel is.
    """
    compute.settle()
    chosen = attributions.methods(methods)
    first = Network.of(model, training_images, pattern_images)
    seen = images.double()
    before = first.maps(seen, targets, chosen, image_ids)
    found: dict[str, Tensor] = {}
    for name, shift in fields_of(first, images, targets, shifts).items():
        second = first.shifted(shift).maps(seen + shift, targets, chosen, image_ids)
        for network, picture, maps in (("network 1", seen, before), ("network 2", seen + shift, second)):
            found[f"{name}|{network}: image"] = stretched(picture.mean(1))
            found |= {f"{name}|{network}: {method}": each.sum(1) for method, each in maps.items()}
    return found


def stretched(pictures: Tensor) -> Tensor:
    """Pictures (N, H, W) with the smallest pixel of each at 0 and the largest at 1; 0 where all are equal."""
    low, high = pictures.amin((1, 2), keepdim=True), pictures.amax((1, 2), keepdim=True)
    return (pictures - low) / torch.where(high > low, high - low, 1.0)
