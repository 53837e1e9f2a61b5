"""Intervals for images and draws that are crossed: every draw meets every image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 2000


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
    return _interval(*_moments(table))


def unpaired_difference(first: np.ndarray, second: np.ndarray) -> Estimate:
    """Mean of one table less that of another with other images and draws, with its interval (Welch 1947).

    Parameters
    ----------
    first, second : (n images, J draws), float, as for `crossed_mean`; they may differ in size.

    Returns
    -------
    An estimate with the images and draws of the smaller table and the larger share of undefined values.
    """
    a, b = _moments(first), _moments(second)
    variance = a.variance + b.variance
    degrees = np.inf
    if 0.0 < variance < np.inf:
        degrees = variance**2 / (a.variance**2 / a.degrees + b.variance**2 / b.degrees)
    images, draws = min(a.images, b.images), min(a.draws, b.draws)
    return _interval(a.mean - b.mean, variance, degrees, images, draws, max(a.undefined, b.undefined))


class _Moments(NamedTuple):
    """A mean, its variance with the degrees of freedom, and what it was taken over."""

    mean: float
    variance: float
    degrees: float
    images: int
    draws: int
    undefined: float


def _moments(table: np.ndarray) -> _Moments:
    """The mean of images x draws and its variance, infinite where one value cannot tell."""
    table = np.asarray(table, dtype=float)
    undefined = float(np.isnan(table).mean()) if table.size else 1.0
    table = table[~np.isnan(table).all(1)][:, ~np.isnan(table).all(0)]
    n, draws = table.shape
    if n == 0:
        return _Moments(np.nan, np.nan, np.nan, 0, 0, undefined)
    mean = float(np.nanmean(table))
    image_means, draw_means = np.nanmean(table, axis=1), np.nanmean(table, axis=0)
    terms, freedom = [], []
    for means in (draw_means, image_means):
        if len(means) > 1:
            terms.append(means.var(ddof=1) / len(means))
            freedom.append(len(means) - 1)
    if not terms:
        return _Moments(mean, np.inf, 1.0, n, draws, undefined)
    residual = 0.0
    if len(terms) == 2:
        residuals = table - image_means[:, None] - draw_means[None, :] + mean
        residual = np.nansum(residuals**2) / ((n - 1) * (draws - 1)) / (n * draws)
        terms.append(-residual)
        freedom.append((n - 1) * (draws - 1))
    variance = max(sum(terms), *terms)
    if variance == 0.0:
        return _Moments(mean, 0.0, 1.0, n, draws, undefined)
    # Never fewer degrees of freedom than the smallest sample of the three would give by itself.
    degrees = max(variance**2 / sum(t**2 / f for t, f in zip(terms, freedom, strict=True)), min(freedom))
    return _Moments(mean, float(variance), float(degrees), n, draws, undefined)


def _interval(mean: float, variance: float, degrees: float, n: int, draws: int, undefined: float) -> Estimate:
    """The t interval about a mean."""
    if variance == 0.0:
        return Estimate(mean, mean, mean, n, draws, undefined)
    if variance == np.inf:
        return Estimate(mean, -np.inf, np.inf, n, draws, undefined)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, degrees) * np.sqrt(variance))
    return Estimate(mean, mean - half, mean + half, n, draws, undefined)


def crossed_bootstrap(
    tables: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    seed: int,
    strata: np.ndarray | None = None,
) -> Estimate:
    """Any function of the means of several tables, with its interval: images and draws resampled independently.

    All tables share their images and draws, so an image or draw that is drawn twice counts twice in each of them
    (Owen 2007). The interval takes the percentiles of the resampled values, a little further out than 2.5 and 97.5 %
    (Hesterberg 2015): plain percentiles are those of a normal law and of a variance divided by J instead of J - 1,
    which with 10 draws covers about 90 % instead of 95 %. The smaller of the two samples says how far out.

    Parameters
    ----------
    tables : (T, n images, J draws), float; NaN where a value is undefined, left out of the mean.
    statistic : from means (B, T) to values (B,).
    seed : of the resampling.
    strata : (J,) a number per draw; draws are resampled among those of the same number. Default: all alike.
    """
    tables = np.asarray(tables, dtype=float)
    strata = np.zeros(tables.shape[2], dtype=int) if strata is None else np.asarray(strata)
    undefined = float(np.isnan(tables).mean()) if tables.size else 1.0
    images, draws = ((~np.isnan(tables)).any(axis) for axis in ((0, 2), (0, 1)))
    tables, strata = tables[:, images][:, :, draws], strata[draws]
    n, count = tables.shape[1:]
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, 0, 0, undefined)
    value = float(statistic(_weighted_means(tables, np.ones((1, n)), np.ones((1, count))))[0])
    sizes = np.unique(strata, return_counts=True)[1]
    samples = [(n, n - 1), (sizes.min(), count - len(sizes))]
    stretch = [np.sqrt(m / (m - 1)) * stats.t.ppf((1 + CONFIDENCE) / 2, freedom) for m, freedom in samples if m > 1]
    if not stretch:
        return Estimate(value, -np.inf, np.inf, n, count, undefined)
    generator = np.random.default_rng(seed)
    image_counts = _resampled(generator, np.zeros(n, dtype=int))
    draw_counts = _resampled(generator, strata)
    values = statistic(_weighted_means(tables, image_counts, draw_counts))
    values = values[~np.isnan(values)]
    if np.isnan(value) or not len(values):
        return Estimate(value, np.nan, np.nan, n, count, undefined)
    tail = stats.norm.cdf(-max(stretch))
    low, high = np.quantile(values, [tail, 1 - tail])
    return Estimate(value, float(low), float(high), n, count, undefined)


def _resampled(generator: np.random.Generator, strata: np.ndarray) -> np.ndarray:
    """How often each of a sample is drawn, with replacement and among its own stratum: (RESAMPLES, sample)."""
    counts = np.empty((RESAMPLES, len(strata)))
    for stratum in np.unique(strata):
        own = strata == stratum
        counts[:, own] = generator.multinomial(own.sum(), np.full(own.sum(), 1 / own.sum()), RESAMPLES)
    return counts


def _weighted_means(tables: np.ndarray, images: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Means of tables (T, n, J) under weights of images (B, n) and draws (B, J), undefined values left out: (B, T)."""

    def sums(values: np.ndarray) -> np.ndarray:
        count, n, _ = values.shape
        by_image = images @ values.transpose(1, 0, 2).reshape(n, -1)
        return np.einsum("btj,bj->bt", by_image.reshape(len(images), count, -1), draws)

    defined = ~np.isnan(tables)
    with np.errstate(invalid="ignore"):
        return sums(np.where(defined, tables, 0.0)) / sums(defined.astype(float))


def kendall(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    r"""Kendall's :math:`\tau_b` between rows of two arrays (…, M): (…); NaN where a row is constant or has a NaN."""
    left, right = np.triu_indices(first.shape[-1], 1)
    a, b = (np.sign(values[..., left] - values[..., right]) for values in (first, second))
    with np.errstate(invalid="ignore"):
        return (a * b).sum(-1) / np.sqrt((a != 0).sum(-1) * (b != 0).sum(-1))


def spearman(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    r"""Spearman's :math:`\rho` between rows of two arrays (…, M): (…); NaN where a row is constant or has a NaN."""
    gone = np.isnan(first).any(-1) | np.isnan(second).any(-1)
    a, b = (stats.rankdata(values, axis=-1) - (values.shape[-1] + 1) / 2 for values in (first, second))
    with np.errstate(invalid="ignore"):
        found = (a * b).sum(-1) / np.sqrt((a**2).sum(-1) * (b**2).sum(-1))
    return np.where(gone, np.nan, found)


def cells(scores: pd.DataFrame) -> pd.DataFrame:
    """Arrange the scores of one question as images x draws; several steps of a cell are averaged.

    A cell is undefined (NaN) if one of its values is.
    """
    images, row = np.unique(scores["image"], return_inverse=True)
    draws, column = np.unique(scores["draw"], return_inverse=True)
    place, size = row * len(draws) + column, len(images) * len(draws)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(place, scores["value"], size) / np.bincount(place, minlength=size)
    index, columns = pd.Index(images, name="image"), pd.Index(draws, name="draw")
    return pd.DataFrame(mean.reshape(len(images), len(draws)), index, columns)


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
