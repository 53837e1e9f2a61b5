"""Intervals for crossed images and draws cover what they promise; nested ones would not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lib.statistics import cells, crossed_mean, estimate, summary

RUNS = 2000


def simulated(seed, images, draws, image_effect, draw_effect, residual):
    """Tables of a known mean 0: an effect per image, one per draw, and a residual, all normal."""
    generator = np.random.default_rng(seed)
    for _ in range(RUNS):
        yield (
            image_effect * generator.normal(size=(images, 1))
            + draw_effect * generator.normal(size=(1, draws))
            + residual * generator.normal(size=(images, draws))
        )


def coverage(interval, tables):
    hits = [low <= 0.0 <= high for low, high in map(interval, tables)]
    return sum(hits) / len(hits)


def crossed(table):
    found = crossed_mean(table)
    return found.low, found.high


def nested(table):
    """What one gets by treating all numbers of a table as independent."""
    return stats.t.interval(0.95, table.size - 1, table.mean(), stats.sem(table.ravel()))


@pytest.mark.parametrize(
    ("images", "draws", "effects"),
    [
        (100, 10, (1.0, 1.0, 1.0)),
        (100, 10, (0.2, 1.0, 0.5)),
        (100, 10, (1.0, 0.3, 1.0)),
        (40, 5, (1.0, 0.5, 0.5)),
        (20, 5, (1.0, 1.0, 0.2)),
    ],
)
def test_crossed_interval_covers_the_mean_in_93_to_97_percent(images, draws, effects):
    found = coverage(crossed, simulated(7, images, draws, *effects))
    assert 0.93 <= found <= 0.97, found


@pytest.mark.parametrize("effects", [(1.0, 0.0, 1.0), (0.0, 1.0, 1.0), (0.0, 0.0, 1.0)])
def test_where_an_effect_is_absent_the_interval_is_wide_rather_than_wrong(effects):
    assert coverage(crossed, simulated(7, 60, 10, *effects)) >= 0.94


def test_treating_draws_as_nested_covers_far_less():
    """The reason for crossing: every draw meets every image, so the numbers of a draw err together."""
    tables = list(simulated(7, 100, 10, 0.5, 1.0, 1.0))
    assert coverage(nested, tables) < 0.5 < 0.93 <= coverage(crossed, tables)


@pytest.mark.parametrize("effects", [(1.0, 1.0, 1.0), (0.2, 1.0, 0.5)])
def test_crossed_interval_covers_with_undefined_cells(effects):
    generator = np.random.default_rng(1)

    def with_holes():
        for table in simulated(8, 60, 10, *effects):
            table[generator.random(table.shape) < 0.1] = np.nan
            yield table

    assert 0.92 <= coverage(crossed, with_holes()) <= 0.97


def test_interval_equals_the_formula_written_out():
    table = np.random.default_rng(0).normal(size=(7, 4)) + 3 * np.arange(4)
    n, draws = table.shape
    mean = table.mean()
    by_draw = sum((table[:, j].mean() - mean) ** 2 for j in range(draws)) / (draws - 1)
    by_image = sum((table[i].mean() - mean) ** 2 for i in range(n)) / (n - 1)
    rest = 0.0
    for i in range(n):
        for j in range(draws):
            rest += (table[i, j] - table[i].mean() - table[:, j].mean() + mean) ** 2
    rest /= (n - 1) * (draws - 1)
    terms = np.array([by_draw / draws, by_image / n, -rest / (n * draws)])
    variance = terms.sum()
    assert variance > terms[:2].max(), "the case without the lower bound"
    freedom = variance**2 / (terms**2 / np.array([draws - 1, n - 1, (n - 1) * (draws - 1)])).sum()
    expected = stats.t.interval(0.95, freedom, mean, np.sqrt(variance))
    assert np.allclose(crossed(table), expected, rtol=1e-12)


@pytest.mark.parametrize("shape", [(25, 1), (1, 25)])
def test_one_draw_or_one_image_gives_the_ordinary_t_interval(shape):
    values = np.random.default_rng(0).normal(size=shape)
    found = crossed_mean(values)
    expected = stats.t.interval(0.95, 24, values.mean(), stats.sem(values.ravel()))
    assert np.allclose((found.low, found.high), expected, rtol=1e-12)
    assert (found.images, found.draws) == shape and found.value == pytest.approx(values.mean())


def test_images_and_draws_play_the_same_part():
    table = np.random.default_rng(0).normal(size=(9, 5)) + np.arange(5)
    assert np.allclose(crossed(table), crossed(table.T), rtol=1e-12)


def test_zero_variance_gives_an_interval_of_no_width():
    found = crossed_mean(np.full((5, 3), 0.25))
    assert (found.low, found.value, found.high) == (0.25, 0.25, 0.25)


def test_a_single_number_says_nothing_about_its_precision():
    found = crossed_mean(np.array([[0.3]]))
    assert (found.value, found.low, found.high) == (0.3, -np.inf, np.inf)


@pytest.mark.parametrize("shape", [(3, 2), (0, 0), (0, 4)])
def test_nothing_defined_gives_nan_and_counts_everything_as_undefined(shape):
    found = crossed_mean(np.full(shape, np.nan))
    assert np.isnan([found.value, found.low, found.high]).all()
    assert (found.images, found.draws, found.undefined) == (0, 0, 1.0)


def test_undefined_values_are_counted_and_an_undefined_image_or_draw_is_left_out():
    table = np.random.default_rng(0).normal(size=(6, 4))
    with_holes = np.full((8, 5), np.nan)
    with_holes[:6, :4] = table
    found, clean = crossed_mean(with_holes), crossed_mean(table)
    assert (found.low, found.high, found.images, found.draws) == (clean.low, clean.high, 6, 4)
    assert found.undefined == pytest.approx(1 - 24 / 40) and clean.undefined == 0.0


def scores(values):
    """A long table of images x draws x steps."""
    rows = np.ndindex(*values.shape)
    return pd.DataFrame([{"image": i, "draw": j, "step": k, "value": values[i, j, k]} for i, j, k in rows])


def test_steps_of_a_cell_are_averaged_and_a_cell_with_an_undefined_step_is_undefined():
    values = np.random.default_rng(0).normal(size=(4, 3, 2))
    values[1, 2, 0] = np.nan
    table = cells(scores(values).sample(frac=1, random_state=0))
    assert table.shape == (4, 3)
    expected = values.mean(axis=2)
    assert np.isnan(expected[1, 2]) and np.allclose(table.to_numpy(), expected, equal_nan=True)
    assert estimate(scores(values)).undefined == pytest.approx(1 / 12)


def test_summary_has_one_row_per_group_equal_to_the_estimate_of_the_group():
    values = np.random.default_rng(0).normal(size=(4, 3, 2))
    table = summary(scores(values), ["step"])
    assert table["step"].tolist() == [0, 1]
    for k in (0, 1):
        assert table.loc[k, ["low", "high"]].tolist() == list(crossed(values[:, :, k]))
