"""The networks for photographs themselves: how often they are right, and whether their units cover them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import torch
from torch import Tensor

from lib import compute, image_models, photographs
from lib.photograph_cascades import PREFIX
from lib.photograph_subjects import subject
from lib.scores import COLUMNS
from lib.units import unit_tensors, units_of
from lib.workspace import chunks, working_copy

ACCURACY, BLOCKS = f"{PREFIX}accuracy", f"{PREFIX}blocks"
"""The interventions of `accuracy_scores` and `block_scores`."""


def accuracy_scores(*, network: str, weights_of: str, dataset: str, **others: Any) -> pd.DataFrame:
    """Whether each photograph of a set with classes is recognised: ``top1`` and ``top5``, 0 or 1.

    Parameters are those of `lib.photograph_cascades.cascade_scores`; all photographs of the set take part. A set
    without classes gives no rows.
    """
    every = [each for each in photographs.entries(dataset) if each.label != photographs.UNKNOWN]
    if not every:
        return pd.DataFrame(columns=COLUMNS)
    given = subject(network, weights_of, dataset, every)
    working = working_copy(given.model)
    with torch.no_grad():
        logits = torch.cat([working(given.images[part].to(compute.device())).cpu() for part in chunks(given.images)])
    best = logits.topk(5, dim=1).indices == given.labels.unsqueeze(1)
    values = {"top1": best[:, 0], "top5": best.any(1)}
    rows = [
        _rows(ACCURACY, metric, value.double(), image=given.image_ids, target=given.labels)
        for metric, value in values.items()
    ]
    return given.named(pd.concat(rows, ignore_index=True))


def block_scores(*, network: str, seed: int = 0, **others: Any) -> pd.DataFrame:
    """How a network is cut into units: their number, and how they cover its trainable tensors.

    The weights do not matter and are drawn at random.

    Returns
    -------
    ``units``, ``covered`` (share of the trainable tensors that a unit owns) and ``shared`` (number of tensors that two
    units own). `lib.units.units_of` has run the network before and refuses units out of order.
    """
    chosen = image_models.architecture(network)
    model = image_models.build(network, compute.generator(seed, "blocks"))
    image = torch.rand(1, *chosen.encoding.shape, generator=compute.generator(seed, "image"))
    units = units_of(model, image)
    owned = [name for modules in units.values() for name in unit_tensors(model, modules)]
    trainable = {name for name, _ in model.named_parameters()}
    values = {
        "units": float(len(units)),
        "covered": len(trainable & set(owned)) / len(trainable),
        "shared": float(len(owned) - len(set(owned))),
    }
    rows = [_rows(BLOCKS, metric, torch.tensor([value])) for metric, value in values.items()]
    return pd.concat(rows, ignore_index=True).assign(model=network, dataset="none", seed=0)


def _rows(intervention: str, metric: str, value: Tensor, image: Any = -1, target: Any = -1) -> pd.DataFrame:
    table = pd.DataFrame({"value": value.numpy()})
    return table.assign(
        intervention=intervention, level="none", step=0, draw=-1, image=image, target=target, method="none",
        metric=metric, against="none",
    )  # fmt: skip
