"""Maps of a set of images, batch by batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lib import compute
from lib.attributions.base import Method, explain
from lib.comparison import Examples
from lib.workspace import chunks, working_copy


def maps_of(
    model: nn.Module, examples: Examples, methods: Sequence[Method], seed: int = 0, state: str = "trained"
) -> dict[str, Tensor]:
    """Explain a set of images by several methods, in the precision of model and images.

    Parameters
    ----------
    model : it is copied, not changed.
    examples : the images, and the classes explained under the rule ``original``.
    methods : with distinct names.
    seed : of the noise.
    state : names the model's weights; the random control draws anew for each state.

    Returns
    -------
    Method name -> signed, un-normalised maps (N, C, H, W) on the CPU.
    """
    compute.settle()
    working = working_copy(model)
    for method in methods:
        method.check(examples.part(slice(0, 1)).workspace(working, "original", seed, state))
    found: dict[str, list[Tensor]] = {method.name: [] for method in methods}
    for part in chunks(examples.images):
        workspace = examples.part(part).workspace(working, "original", seed, state)
        for name, maps in explain(methods, workspace).items():
            found[name].append(maps.cpu())
    return {name: torch.cat(pieces) for name, pieces in found.items()}
