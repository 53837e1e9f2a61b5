"""What a similarity is worth: corrected by its null, and the value above which it says something."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib.compute import seed_of
from lib.map_nulls import INTERVENTION
from lib.nulls import NULLS, corrected
from lib.statistics import Estimate, cells, crossed_bootstrap, estimate

QUANTILE = 0.975
"""Of 40 unrelated pairs, one is as similar."""


def _rows(scores: pd.DataFrame, method: str, metric: str, against: str, step: int) -> pd.DataFrame:
    """The rows of one question."""
    return scores[
        (scores.intervention == INTERVENTION)
        & (scores.method == method)
        & (scores.metric == metric)
        & (scores.against == against)
        & (scores.step == step)
    ]


def measured_methods(scores: pd.DataFrame, methods: Sequence[str]) -> list[str]:
    """The methods that a table of `lib.map_nulls.null_scores` has rows of, in the given order."""
    found = set(scores[scores.intervention == INTERVENTION].method)
    return [method for method in methods if method in found]


def corrected_estimate(scores: pd.DataFrame, method: str, metric: str, null: str, step: int) -> Estimate:
    """The mean similarity at a step, counted from the mean of a null upwards, with its 95 % interval.

    Images and draws are resampled together for both, because the null of an image is a number about that image.

    Parameters
    ----------
    scores : of one net, of `lib.map_nulls.null_scores`.
    null : a word of `lib.nulls.NULLS`.
    step : of the cascade.
    """
    values = cells(_rows(scores, method, metric, "original", step))
    nulls = cells(_rows(scores, method, metric, null, 0)).reindex(values.index)
    tables = np.stack([values.to_numpy(), np.broadcast_to(nulls.to_numpy(), values.shape)])
    return crossed_bootstrap(tables, lambda means: corrected(means[:, 0], means[:, 1]), seed_of("corrected", method))


def corrected_table(scores: pd.DataFrame, methods: Sequence[str], metric: str) -> pd.DataFrame:
    """What is left of the similarity of a wholly randomized net's maps if it is counted from a null upwards.

    Parameters
    ----------
    scores : of one net.
    methods : rows.
    metric : see `lib.map_nulls.METRICS`.

    Returns
    -------
    Columns: ``raw``, and pairs of a null and ``corrected by it``; NaN where a map is constant.
    """
    last = int(scores[scores.intervention == INTERVENTION].step.max())
    rows = {}
    for method in measured_methods(scores, methods):
        row = {"raw": estimate(_rows(scores, method, metric, "original", last)).value}
        for null in NULLS:
            name = null.removeprefix("null_").replace("_", " ")
            row[f"null: {name}"] = estimate(_rows(scores, method, metric, null, 0)).value
            row[f"corrected by {name}"] = corrected_estimate(scores, method, metric, null, last).value
        rows[method] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def what_means_similar(scores: pd.DataFrame, methods: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """From which value on a similarity says something, and up to which it can rise: the scale of each method.

    Parameters
    ----------
    scores : of one net.
    methods, metrics : rows.

    Returns
    -------
    Columns: ``above`` (the largest, over the nulls, of the 97.5 % quantile over images), ``set by`` (the null that it
    belongs to), ``ceiling`` (mean similarity of two maps from different noise; 1 for methods without noise),
    ``random net`` (mean similarity after the last step), ``exceeding`` (share of its images and draws above the
    value).
    """
    last = int(scores[scores.intervention == INTERVENTION].step.max())
    rows = {}
    for metric in metrics:
        for method in measured_methods(scores, methods):
            quantiles = {null: _rows(scores, method, metric, null, 0).value.quantile(QUANTILE) for null in NULLS}
            null = max(quantiles, key=lambda each: quantiles[each])
            again = _rows(scores, method, metric, "self", 0).value
            values = _rows(scores, method, metric, "original", last).value.dropna()
            rows[metric, method] = {
                "above": quantiles[null],
                "set by": null.removeprefix("null_").replace("_", " "),
                "ceiling": again.mean() if len(again) else 1.0,
                "random net": values.mean(),
                "exceeding": (values > quantiles[null]).mean() if len(values) else np.nan,
            }
    return pd.DataFrame.from_dict(rows, orient="index")
