"""What a value of a similarity is worth: beside the printed calibration, in units of chance, corrected by a null."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from lib.attributions import CONTROLS
from lib.chance import gaussian_ssim, spearman_std
from lib.compute import seed_of
from lib.map_nulls import INTERVENTION, MASK
from lib.mask_scores import reading
from lib.nulls import NULLS, corrected
from lib.statistics import Estimate, cells, crossed_bootstrap, estimate, summary

PUBLISHED = {"spearman": "ρ", "spearman_abs": "ρₐ", "hog": "HOG", "ssim": "SSIM"}
"""The metrics of the published tuples, in their order, as tables write them."""

PRINTED_LAWS = ("uniform(1)", "gaussian(1)")
"""Laws of the masks whose tuples are printed."""

QUANTILE = 0.975
"""Of 40 unrelated pairs, one is as similar."""


def published() -> dict[str, dict[str, float]]:
    """The printed averages over 50 pairs: pair -> metric -> value."""
    pairs: dict[str, dict[str, float]] = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text(encoding="utf-8"))
    return pairs


def beside_published(scores: pd.DataFrame, laws: Sequence[str]) -> pd.DataFrame:
    """The printed tuples beside ours.

    Parameters
    ----------
    scores : of `mask_scores`.
    laws : those of `published` to show.

    Returns
    -------
    Rows are laws and metrics; columns printed, ours, from, to (the 95 % interval over pairs).
    """
    chosen = scores[(scores.intervention == "masks") & scores.metric.isin(list(PUBLISHED))]
    found = summary(chosen, ["method", "metric"]).set_index(["method", "metric"])
    rows = {}
    for law, metric in product(laws, PUBLISHED):
        ours = found.loc[(law, metric)]
        numbers = {"printed": published()[law][metric], "ours": ours.value, "from": ours.low, "to": ours.high}
        rows[law, PUBLISHED[metric]] = numbers
    return pd.DataFrame.from_dict(rows, orient="index")


def ssim_readings(scores: pd.DataFrame) -> pd.DataFrame:
    """SSIM of Gaussian masks as the paper's words can be read, and which reading can give the printed number.

    Parameters
    ----------
    scores : of `lib.mask_scores.mask_scores`, with the law ``gaussian(1)``.

    Returns
    -------
    Rows are written forms of the metric, see `lib.mask_scores.reading`. Columns: theory (`lib.chance.gaussian_ssim`),
    ours, from, to (the 95 % interval), printed, and how many standard errors of a mean of 50 pairs printed lies above
    theory.
    """
    law = PRINTED_LAWS[1]
    chosen = scores[(scores.intervention == "masks") & (scores.method == law)]
    values = {metric: own.value for metric, own in chosen.groupby("metric", observed=True)}
    rows = {}
    for scale, data_range in (("max", 2), ("max", 1), ("std", 2), ("none", 2)):
        # Undivided pixels have a standard deviation of 1, and the spread of a window is a fixed share of it.
        spread = values[reading("window_std", scale)].mean() / values["window_std(normalisation=none)"].mean()
        theory = float(gaussian_ssim(np.array(2 / data_range * spread)))
        metric = reading("ssim", scale, data_range)
        found = estimate(chosen[chosen.metric == metric])
        error = values[metric].std() / 50**0.5
        rows[metric] = {
            "theory": theory,
            "ours": found.value,
            "from": found.low,
            "to": found.high,
            "printed": published()[law]["ssim"],
            "in standard errors": (published()[law]["ssim"] - theory) / error,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def standard_scores(scores: pd.DataFrame, side: int) -> pd.DataFrame:
    """Rank correlations of independent masks in units of the standard error that theory gives their mean.

    Parameters
    ----------
    scores : of `mask_scores`.
    side : of the masks; the printed numbers are taken to be of 299x299 pixels and 50 pairs.

    Returns
    -------
    Columns: source (``printed`` or ``ours``), name (of the pair), metric, value, and ``z``, standard normal if the
    masks are independent.
    """
    printed = [
        {"source": "printed", "name": pair, "metric": metric, "value": numbers[metric]}
        for pair, numbers in published().items()
        for metric in ("spearman", "spearman_abs")
    ]
    chosen = scores[(scores.intervention == "masks") & scores.metric.isin(["spearman", "spearman_abs"])]
    ours = summary(chosen, ["method", "metric"]).rename(columns={"method": "name"}).assign(source="ours")
    # The absolute values of a mask of one sign are the mask: one number, not two.
    ours = ours.drop_duplicates(["name", "value"])
    table = pd.concat([pd.DataFrame(printed).assign(images=50, side=299), ours.assign(side=side)], ignore_index=True)
    error = table.side.pow(2).map(spearman_std) / table.images.pow(0.5)
    return table.assign(z=table.value / error)[["source", "name", "metric", "value", "z"]]


def beside_masks(scores: pd.DataFrame, methods: Sequence[str], pixels: int) -> pd.DataFrame:
    """Maps of a net beside Gaussian masks, as in the published calibration.

    Parameters
    ----------
    scores : of one net, of `lib.map_nulls.null_scores`.
    methods : rows; those that were not measured are left out.
    pixels : of a map.

    Returns
    -------
    Columns: mean ρ, ρₐ and SSIM over images, and the standard error that theory gives the first two.
    """
    chosen = scores[(scores.intervention == INTERVENTION) & (scores.against == MASK)]
    means = chosen.groupby(["method", "metric"], observed=True).value.mean().unstack()
    table = means.loc[measured_methods(scores, methods), ["spearman", "spearman_abs", "ssim"]]
    error = spearman_std(pixels) / chosen.image.nunique() ** 0.5
    return table.rename(columns=PUBLISHED).rename_axis(index=None, columns=None).assign(**{"standard error": error})


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
    """The methods that a table of `lib.map_nulls.null_scores` has rows of, in the given order, without controls.

    A control's map is the same for every class, and its similarity to itself cannot be corrected by 1.
    """
    found = set(scores[scores.intervention == INTERVENTION].method) - set(CONTROLS)
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
    Columns: raw, and for each null its mean and the mean corrected by it; NaN where all maps are constant.
    """
    last = int(scores[scores.intervention == INTERVENTION].step.max())
    rows = {}
    for method in measured_methods(scores, methods):
        row = {("", "raw"): estimate(_rows(scores, method, metric, "original", last)).value}
        for null in NULLS:
            name = _null_words(null)
            row[name, "null"] = estimate(_rows(scores, method, metric, null, 0)).value
            row[name, "corrected"] = corrected_estimate(scores, method, metric, null, last).value
        rows[method] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def _null_words(null: str) -> str:
    """A null as tables write it: ``null_other_image`` becomes ``other image``."""
    return null.removeprefix("null_").replace("_", " ")


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
                "set by": _null_words(null),
                "ceiling": again.mean() if len(again) else 1.0,
                "random net": values.mean(),
                "exceeding": (values > quantiles[null]).mean() if len(values) else np.nan,
            }
    return pd.DataFrame.from_dict(rows, orient="index")
