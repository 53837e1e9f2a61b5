"""A machine in the place of the analyst: can it tell the maps of two nets apart?

Adebayo et al. 2018, section 4, say that an analyst could take the maps of a net fitted to random labels for
legitimate ones. That is a statement about people. A classifier that tells the maps apart does not refute it; it says
whether the difference is there to be seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GroupKFold
from torch import Tensor, nn

from lib import compute
from lib.attributions.base import explain
from lib.comparison import Examples
from lib.label_randomization import LABELS, check_alike
from lib.randomization import check_methods
from lib.similarity import absolute, normalised, signed
from lib.workspace import chunks, working_copy

FOLDS = 5
TREES = 200


def told_apart(
    model: nn.Module,
    permuted: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Sequence[str],
    *,
    labels: Tensor | None = None,
    references: Mapping[str, Tensor] | None = None,
    training_images: Tensor | None = None,
    background: float = 0.0,
    seed: int = 0,
    image_ids: list[int] | None = None,
) -> pd.DataFrame:
    """How well a random forest tells the maps of two nets apart, on images that it was not fitted to.

    Both maps of an image are divided by their largest absolute value and stand in the same fold of the
    cross-validation. Half is guessing.

    Parameters
    ----------
    model, permuted : two nets of one architecture.
    images : (N, C, H, W), at least `FOLDS`.
    targets : (N,) classes to explain, the same for both nets.
    methods : written forms.
    labels, references, training_images, background, image_ids : as in `lib.label_randomization.label_randomization`.
    seed : of the forests and of the methods' noise.

    Returns
    -------
    One row per image, method and metric (``told_apart`` for signed maps, ``told_apart_abs`` for absolute ones), with
    the columns of `lib.label_randomization.label_randomization`; value is the share of the image's two maps that were
    recognised.
    """
    compute.settle()
    check_alike(model, permuted, "permuted")
    examples = Examples.of(images, targets, labels, image_ids, references, training_images)
    chosen = check_methods(model, examples, methods)
    maps: dict[str, list[Tensor]] = {each.name: [] for each in chosen}
    for part in chunks(images):
        nets = [
            examples.part(part).workspace(working_copy(net), "original", seed, name)
            for name, net in (("true", model), ("permuted", permuted))
        ]
        pairs = [explain(chosen, workspace) for workspace in nets]
        for name, found in maps.items():
            found.append(torch.stack([pair[name].cpu() for pair in pairs]))
    tables = []
    for name, found in maps.items():
        both = torch.cat(found, dim=1)
        for metric, values in (("told_apart", signed), ("told_apart_abs", absolute)):
            planes = torch.stack([normalised(values(each)) for each in both])
            right = recognised(planes.numpy(), compute.seed_of(seed, "proxy classifier", name, metric))
            tables.append(_rows(examples, name, metric, right))
    return pd.concat(tables, ignore_index=True)


def recognised(maps: np.ndarray, seed: int) -> np.ndarray:
    """Share of each image's two maps that forests fitted to other images put down to the right net.

    Parameters
    ----------
    maps : (2, N, D), the maps of two nets for the same N images.
    seed : of the forests.

    Returns
    -------
    (N,) of 0, 0.5 and 1.
    """
    count = maps.shape[1]
    features, nets = maps.reshape(2 * count, -1), np.repeat([0, 1], count)
    image = np.tile(np.arange(count), 2)
    right = np.zeros(2 * count)
    for known, unknown in GroupKFold(FOLDS).split(features, nets, image):
        forest = RandomForestClassifier(TREES, random_state=seed % 2**32)
        right[unknown] = forest.fit(features[known], nets[known]).predict(features[unknown]) == nets[unknown]
    return right.reshape(2, count).mean(0)


def _rows(examples: Examples, method: str, metric: str, right: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "intervention": LABELS,
            "level": "permuted",
            "step": 1,
            "draw": -1,
            "image": examples.image_ids,
            "target": examples.targets.tolist(),
            "method": method,
            "metric": metric,
            "against": "none",
            "value": right,
        }
    )
