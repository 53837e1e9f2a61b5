"""The scores of photographs as the figures of the first study read them."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import pandas as pd

from lib.figures.looks import spoken
from lib.null_corrected import corrected_ssim
from lib.photograph_cascades import PREFIX
from lib.photograph_networks import ACCURACY, BLOCKS
from lib.statistics import estimate


def of_network(scores: pd.DataFrame, network: str) -> pd.DataFrame:
    """The scores of one network, its interventions without the prefix of this study."""
    own = scores[scores.model == network]
    return own.assign(intervention=own.intervention.astype(str).str.removeprefix(PREFIX))


def with_corrected(scores: pd.DataFrame) -> pd.DataFrame:
    r"""Add :math:`s^* = (s - s_0) / (1 - s_0)` to SSIM in the cascade, as the metric `lib.null_corrected.CORRECTED`.

    Parameters
    ----------
    scores : of one network. :math:`s_0` is the SSIM of the intact map of the same image with its pixels shuffled.

    Returns
    -------
    The rows of the cascade with one metric more.
    """
    cascade = scores[scores.intervention == "cascade"]
    found = corrected_ssim(cascade, "null_shuffle")
    return pd.concat([cascade, found[found.against == "original"]], ignore_index=True)


def accuracy_table(scores: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    """How often each network is right on the photographs of its set: top-1 and top-5, with 95 % intervals.

    Parameters
    ----------
    scores : of this study.
    labels : network -> the truth about its weights, in the order of the rows. A network without photographs that have
        a class has no row.
    """
    rows = {}
    for network, label in labels.items():
        own = scores[(scores.model == network) & (scores.intervention == ACCURACY)]
        if len(own):
            rows[label] = {"photographs": own.image.nunique()} | {
                words: _with_interval(own[own.metric == metric])
                for words, metric in (("top-1", "top1"), ("top-5", "top5"))
            }
    return pd.DataFrame.from_dict(rows, orient="index")


def _with_interval(scores: pd.DataFrame) -> str:
    found = estimate(scores)
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def block_table(scores: pd.DataFrame) -> pd.DataFrame:
    """The cut of networks into units, by name of the network; see `lib.photograph_networks.block_scores`."""
    own = scores[scores.intervention == BLOCKS]
    table = own.astype({"model": str, "metric": str}).pivot(index="model", columns="metric", values="value")
    return table.rename_axis(index=None, columns=None)


MASK_METRICS = {
    "ρ": "spearman",
    "ρₐ": "spearman_abs",
    "HOG": "hog",
    "SSIM": "ssim",
    "SSIM, P99": "ssim(normalisation=p99)",
    "SSIM, std": "ssim(normalisation=std)",
}
"""The columns of `mask_table`; behind SSIM stands what maps are divided by, if not by their largest value."""


def mask_table(scores: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Similarity of maps to random masks: rows are methods, columns metrics, each a mean ± half its 95 % interval.

    Parameters
    ----------
    scores : of one network, see `of_network`.
    methods : in the order of the rows.
    """
    own = scores[scores.intervention == "random_mask"]
    rows = {}
    for method in methods:
        of_method = own[own.method == method]
        found = {words: estimate(of_method[of_method.metric == metric]) for words, metric in MASK_METRICS.items()}
        rows[spoken(method)] = {
            words: f"{_four_digits(each.value)} ± {_four_digits((each.high - each.low) / 2)}"
            for words, each in found.items()
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _four_digits(value: float) -> str:
    return f"{value:.4f}".replace("-", "−") if isfinite(value) else "–"
