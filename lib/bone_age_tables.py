"""The scores of bone age as the figures of the other studies read them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from lib.bone_age_scores import CLEAN, MEAN_AGE, PREFIX
from lib.null_corrected import corrected_ssim
from lib.statistics import Estimate, estimate


def of_net(scores: pd.DataFrame, training_seed: int) -> pd.DataFrame:
    """The scores of one net on hands as it was trained on, its interventions without the prefix of this study."""
    return _of(scores, training_seed, PREFIX)


def on_clean_hands(scores: pd.DataFrame, training_seed: int) -> pd.DataFrame:
    """The scores of one net on clean hands, its interventions without the prefix of this study."""
    return _of(scores, training_seed, CLEAN)


def _of(scores: pd.DataFrame, training_seed: int, prefix: str) -> pd.DataFrame:
    interventions = scores.intervention.astype(str)
    own = scores[(scores.seed == training_seed) & interventions.str.startswith(prefix)]
    return own.assign(intervention=own.intervention.astype(str).str.removeprefix(prefix))


def with_corrected(scores: pd.DataFrame) -> pd.DataFrame:
    r"""Add :math:`s^* = (s - s_0) / (1 - s_0)` to SSIM, as the metric ``ssim_corrected``.

    Parameters
    ----------
    scores : of one net. :math:`s_0` is the SSIM of the trained net's map of the same hand with that of another.

    Returns
    -------
    All rows, and those of one metric more.
    """
    return pd.concat([scores.astype({"metric": str}), corrected_ssim(scores, "null_other_image")], ignore_index=True)


def error_table(scores: pd.DataFrame, seeds: Sequence[int]) -> pd.DataFrame:
    """Mean absolute errors in months with 95 % intervals: rows are training seeds, and the mean age for every hand."""
    nets = {f"net, training seed {seed}": of_net(scores, seed) for seed in seeds}
    rows = {name: (own, "net") for name, own in nets.items()} | {MEAN_AGE: (of_net(scores, seeds[0]), MEAN_AGE)}
    found = {name: _error(*asked) for name, asked in rows.items()}
    return pd.DataFrame.from_dict(
        {name: {"error": each.value, "from": each.low, "to": each.high} for name, each in found.items()}, orient="index"
    )


def error_words(scores: pd.DataFrame) -> tuple[str, str]:
    """The mean absolute errors in months of one net and of always saying the mean age: ``5.2 [4.9, 5.6]``."""
    net, mean = (_error(scores, level) for level in ("net", MEAN_AGE))
    return _words(net), _words(mean)


def _words(found: Estimate) -> str:
    return f"{found.value:.1f} [{found.low:.1f}, {found.high:.1f}]"


def _error(scores: pd.DataFrame, level: str) -> Estimate:
    return estimate(scores[(scores.metric == "absolute_error") & (scores.level == level)])
