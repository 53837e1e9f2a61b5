"""Intervals for means over images and draws that are crossed: every draw meets every image."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval.

    Attributes
    ----------
    value, low, high : the mean and its 95 % interval; NaN without any defined value.
    images, draws : how many of each were crossed.
    undefined : share of undefined values (constant maps), left out of the mean.
    """

    value: float
    low: float
    high: float
    images: int
    draws: int
    undefined: float


def crossed_mean(table: np.ndarray) -> Estimate:
    r"""Mean and two-way t interval of a table of images x draws.

    Both images and draws are a sample of many, so the mean varies with both:

    .. math:: V = \frac{s^2_\text{draw}}{J} + \frac{s^2_\text{image}}{n} - \frac{s^2_\text{res}}{nJ},

    sample variances of the J draw means, of the n image means, and of the residuals; at least the larger of the
    first two terms. Degrees of freedom after Satterthwaite (1946). With one draw it is the ordinary t interval
    over images.

    Parameters
    ----------
    table : (n images, J draws), float; NaN where a value is undefined.
    """
    table = np.asarray(table, dtype=float)
    undefined = float(np.isnan(table).mean()) if table.size else 1.0
    table = table[~np.isnan(table).all(1)][:, ~np.isnan(table).all(0)]
    n, draws = table.shape
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, 0, 0, undefined)
    mean = float(np.nanmean(table))
    image_means, draw_means = np.nanmean(table, axis=1), np.nanmean(table, axis=0)
    terms, freedom = [], []
    for means in (draw_means, image_means):
        if len(means) > 1:
            terms.append(means.var(ddof=1) / len(means))
            freedom.append(len(means) - 1)
    if not terms:
        return Estimate(mean, -np.inf, np.inf, n, draws, undefined)
    residual = 0.0
    if len(terms) == 2:
        residuals = table - image_means[:, None] - draw_means[None, :] + mean
        residual = np.nansum(residuals**2) / ((n - 1) * (draws - 1)) / (n * draws)
        terms.append(-residual)
        freedom.append((n - 1) * (draws - 1))
    variance = max(sum(terms), *terms)
    if variance == 0.0:
        return Estimate(mean, mean, mean, n, draws, undefined)
    # Never fewer degrees of freedom than the smallest sample of the three would give by itself.
    degrees = max(variance**2 / sum(t**2 / f for t, f in zip(terms, freedom, strict=True)), min(freedom))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, degrees) * np.sqrt(variance))
    return Estimate(mean, mean - half, mean + half, n, draws, undefined)


def cells(scores: pd.DataFrame) -> pd.DataFrame:
    """Arrange the scores of one question as images x draws; several steps of a cell are averaged.

    A cell is undefined (NaN) if one of its values is.
    """
    grouped = scores.groupby(["image", "draw"])["value"]
    mean = grouped.mean().where(grouped.count() == grouped.size())
    return mean.unstack("draw")


def estimate(scores: pd.DataFrame) -> Estimate:
    """Mean and interval of the scores of one question."""
    return crossed_mean(cells(scores).to_numpy())


def summary(scores: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """One row per group with value, low, high, images, draws and undefined."""
    rows = []
    for key, group in scores.groupby(by, sort=False, observed=True):
        keys = key if isinstance(key, tuple) else (key,)
        rows.append(dict(zip(by, keys, strict=True)) | vars(estimate(group)))
    return pd.DataFrame(rows, columns=[*by, *(field.name for field in fields(Estimate))])
