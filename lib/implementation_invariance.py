r"""Do maps change when a network is rewired and computes the same (`lib.rewired`)?

What must hold follows from the rules of the methods. Gradient, integrated gradients, Gradient ⊙ input and with it the
zero root of deep Taylor decomposition (its biases in the denominators) see the function alone, so nothing may change.
All the others hand on a signal through every unit. Order does not matter to them; nor do positive factors: a unit
times :math:`\alpha` gets the signal times :math:`1 / \alpha` and hands it on times :math:`\alpha` (patterns, estimated
anew, have the factors the other way round). What remains depends on the weights:

- PatternNet hands on the signal times patterns. A pattern is estimated from what a unit *receives*, and two copies of a
  unit are received as strongly as one, not half: ``duplicated`` doubles their signal. The patterns of a cancelling
  pair have the same sign, although its outgoing weights have not.
- The others multiply with the weights, so copies share the signal of one. Of a cancelling pair one gets r and the other
  -r, and what they hand on cancels, unless a rule treats signs differently, as Guided Backprop, DeconvNet and z+ (also
  above w²) do.
- DeepLIFT and PatternAttribution pass these four. ``nested`` finds out that they look at the weights all the same: the
  two ways have different multipliers, and different patterns.

How much changes has no meaning of its own: v is free, and what the pairs send, and what the outputs do not show, can be
as large as one likes. A method is implementation invariant if nothing changes beyond rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from lib import attributions, compute
from lib.comparison import Scores, Table
from lib.errors import StudyError
from lib.exactness import relative_error
from lib.networks import Network
from lib.rewired import rewired
from lib.shift_invariance import relative_change


def rewired_scores(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Sequence[str],
    *,
    hows: Sequence[str],
    draws: int,
    training_images: Tensor,
    pattern_images: int = 10_000,
    image_ids: Sequence[int] | None = None,
    seed: int = 0,
    **others: Any,
) -> pd.DataFrame:
    """Compare the maps of a network with those of rewired copies, in double precision.

    Parameters
    ----------
    model : dense layers with a ReLU after each but the last; it is copied, not changed.
    images : (N, C, H, W) to explain, with pixels between -1 and 1.
    targets : (N,) explained classes.
    methods : written forms; patterns are estimated anew for each copy, unless a method shares those of the model.
    hows : names of `lib.rewired.REWIRINGS`.
    draws : copies of each kind.
    training_images : (M, C, H, W), for references and patterns.
    pattern_images : patterns are estimated on so many of them.
    image_ids, seed : name the noise, and the seed the copies; by default images are numbered from 0.
    others : what else a study gives to the functions it calls with a net; not used.

    Returns
    -------
    A table with the interventions ``rewired(<how>)`` and, for each image: the metric ``relative_change`` of each method
    against ``original``, see `lib.shift_invariance.relative_change`; and ``relative_error`` against ``logits``, the
    largest difference of a logit over the largest logit.
    """
    compute.settle()
    if draws < 1 or not hows:
        raise StudyError(f"draws is {draws} and hows is {list(hows)}; give at least one draw of at least one way.")
    if images.abs().max() > 1:
        raise StudyError("The images have pixels outside [-1, 1], on which nested nets differ; scale the images.")
    chosen = attributions.methods(methods)
    ids = list(range(len(images)) if image_ids is None else image_ids)
    first = Network.of(model, training_images, pattern_images)
    first.check(images, targets, chosen)
    # Building is quick: all copies are built before anything long, so that what cannot be built is refused at once.
    copies = {
        (how, draw): rewired(first.model, how, images, draw=draw, seed=seed) for how in hows for draw in range(draws)
    }
    before, logits = first.maps(images, targets, chosen, ids, seed), _logits(first, images)
    table = Table(ids)
    for (how, draw), duplicate in copies.items():
        second = Network(duplicate, first.references, first.training_images, pattern_source=first)
        scores = Scores(
            targets, {("none", "logits", "relative_error"): relative_error(_logits(second, images), logits)}
        )
        for name, maps in second.maps(images, targets, chosen, ids, seed).items():
            scores.add(name, "original", {"relative_change": relative_change(before[name], maps)})
        table.add(f"rewired({how})", how, 0, draw, scores)
    return table.frame()


def _logits(network: Network, images: Tensor) -> Tensor:
    """All logits (N, K), on the CPU."""
    with torch.no_grad():
        return network.model(images.double().to(compute.device())).cpu()
