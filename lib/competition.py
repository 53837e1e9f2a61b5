"""Does a competition between classes make Gradient ⊙ input pass, or do the zeros that it leaves behind?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from torch import Tensor, nn

from lib.comparison import Scores, Table
from lib.randomization import randomization_maps, randomization_scores
from lib.similarity import foreground

INTERVENTION = "competition"
"""The top-down cascade of a study of its own, so that its rows do not meet those of the model-randomization study."""


def competition_scores(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Sequence[str],
    *,
    draws: int,
    image_ids: list[int],
    background: float,
    **given: Any,
) -> pd.DataFrame:
    """The top-down cascade of `lib.randomization.randomization_scores` under the intervention ``competition``.

    Parameters
    ----------
    model, images, targets, methods, draws, image_ids, background, given : those of `randomization_scores`.

    Returns
    -------
    The similarities of absolute maps, on all pixels and on the foreground, to the intact model's maps (original), to
    maps with other noise (self) and to another image's (null_other_image). The metric ``kept_share`` is the share of
    the foreground on which a map of draw 0 is not 0, ``foreground_share`` that of the foreground itself.
    """
    given |= {"image_ids": image_ids, "background": background}
    metrics = ["spearman_abs", "spearman_abs_fg"]
    table = randomization_scores(model, images, targets, methods, draws=draws, metrics=metrics, **given)
    kept = table[table.against.isin(["original", "self", "null_other_image"])].assign(intervention=INTERVENTION)
    del given["background"]
    maps = randomization_maps(model, images, targets, methods, **given)
    shares = Table(image_ids)
    levels = ["none", *table[table.step > 0].drop_duplicates("step").sort_values("step").level]
    mask = foreground(images, background)
    for method, (stages,) in maps.items():
        for step, (level, stage) in enumerate(zip(levels, stages, strict=True)):
            shares.add(INTERVENTION, level, step, 0 if step else -1, _shares(method, stage, mask, targets))
    shares.add(
        INTERVENTION, "none", 0, -1, Scores(targets, {("none", "none", "foreground_share"): mask.double().mean(1)})
    )
    return pd.concat([kept, shares.frame()], ignore_index=True)


def _shares(method: str, maps: Tensor, mask: Tensor, targets: Tensor) -> Scores:
    """How much of the foreground (N, H*W) maps (N, H, W) of one method cover."""
    covered = ((maps.flatten(1) != 0) & mask).sum(1).double() / mask.sum(1)
    return Scores(targets, {(method, "none", "kept_share"): covered})


def kept_by_chance(first: Tensor, second: Tensor, foreground_share: Tensor) -> Tensor:
    r"""Spearman of absolute maps that keep shares q and q' of the foreground, each its own at random (derived here).

    With a foreground of share f, both are 0 on the background, and on the foreground they have nothing in common:

    .. math:: \rho_a = (1 - f) \sqrt{h(q) h(q')}, \qquad h(q) = \frac{q}{1 - fq + (fq)^2 / 3}

    Parameters
    ----------
    first, second, foreground_share : q, q' and f, in (0, 1]; any shape.
    """
    heights = [q / (1.0 - foreground_share * q + (foreground_share * q) ** 2 / 3.0) for q in (first, second)]
    return (1.0 - foreground_share) * (heights[0] * heights[1]).sqrt()
