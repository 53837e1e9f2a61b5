"""The scores of photographs as the figures of the first study read them."""

from __future__ import annotations

import pandas as pd

from lib.nulls import corrected
from lib.photograph_cascades import PREFIX
from lib.photograph_networks import ACCURACY
from lib.statistics import estimate

CORRECTED = "ssim_corrected"
"""The metric s* of `with_corrected`."""


def of_network(scores: pd.DataFrame, network: str) -> pd.DataFrame:
    """The scores of one network, its interventions without the prefix of this study."""
    own = scores[scores.model == network]
    return own.assign(intervention=own.intervention.astype(str).str.removeprefix(PREFIX))


def with_corrected(scores: pd.DataFrame) -> pd.DataFrame:
    r"""Add :math:`s^* = (s - s_0) / (1 - s_0)` to SSIM in the cascade, as the metric `CORRECTED`.

    Parameters
    ----------
    scores : of one network. :math:`s_0` is the SSIM of the intact map of the same image with its pixels shuffled.

    Returns
    -------
    The rows of the cascade with one metric more.
    """
    cascade = scores[scores.intervention == "cascade"]
    own = cascade[(cascade.metric == "ssim") & cascade.against.isin(["original", "null_shuffle"])]
    by = ["method", "image"]
    chance = own[own.against == "null_shuffle"].set_index(by).value.rename("chance")
    maps = own[own.against == "original"].join(chance, on=by)
    maps = maps.assign(value=corrected(maps.value, maps.chance), metric=CORRECTED).drop(columns="chance")
    return pd.concat([cascade, maps], ignore_index=True)


def accuracy_table(scores: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    """How often each network is right on the photographs of its set: top-1 and top-5, with 95 % intervals.

    Parameters
    ----------
    scores : of this study.
    labels : network -> the truth about its weights, in the order of the rows. Without classes there are no numbers.
    """
    rows = {}
    for network, label in labels.items():
        own = scores[(scores.model == network) & (scores.intervention == ACCURACY)]
        found = {metric: estimate(own[own.metric == metric]) for metric in ("top1", "top5") if len(own)}
        rows[label] = {"photographs": own.image.nunique()} | {
            f"{metric[:3]}-{metric[3:]}": f"{each.value:.3f} [{each.low:.3f}, {each.high:.3f}]"
            for metric, each in found.items()
        }
    return pd.DataFrame.from_dict(rows, orient="index")
