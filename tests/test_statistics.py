"""Intervals for crossed images and draws cover what they promise; nested ones would not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lib import statistics
from lib.statistics import (
    cells,
    crossed_bootstrap,
    crossed_mean,
    estimate,
    kendall,
    spearman,
    summary,
    unpaired_difference,
)

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


# Bootstrap ----------------------------------------------------------------------------------------------------------


def first(means):
    return means[:, 0]


def bootstrap_coverage(monkeypatch, images, draws, effects, runs=400):
    monkeypatch.setattr(statistics, "RESAMPLES", 500)
    tables = (table for _, table in zip(range(runs), simulated(7, images, draws, *effects), strict=False))
    found = [crossed_bootstrap(table[None], first, seed) for seed, table in enumerate(tables)]
    return sum(each.low <= 0.0 <= each.high for each in found) / runs


@pytest.mark.parametrize(
    ("images", "draws", "effects", "most"),
    [
        (60, 10, (1.0, 1.0, 1.0), 0.98),
        (60, 10, (0.2, 1.0, 0.5), 0.98),
        (30, 30, (1.0, 1.0, 1.0), 0.98),
        # As wide as the smaller sample asks for, wherever the scatter comes from.
        (60, 10, (1.0, 0.3, 1.0), 1.0),
    ],
)
def test_bootstrap_interval_covers_the_mean_in_93_percent_or_more(monkeypatch, images, draws, effects, most):
    # 400 runs: two standard errors are 0.02.
    found = bootstrap_coverage(monkeypatch, images, draws, effects)
    assert 0.92 <= found <= most, found


def test_plain_percentiles_would_cover_far_less():
    """The reason for going further out: ten draws, resampled, scatter less than ten draws do."""
    generator, hits = np.random.default_rng(0), 0
    for _, table in zip(range(400), simulated(7, 60, 10, 0.2, 1.0, 0.5), strict=False):
        images, draws = (generator.multinomial(n, np.full(n, 1 / n), 500) for n in table.shape)
        low, high = np.quantile(((images @ table) * draws).sum(1) / table.size, [0.025, 0.975])
        hits += low <= 0.0 <= high
    assert hits / 400 < 0.92


def test_bootstrap_covers_a_ratio_of_means(monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES", 500)
    generator, hits = np.random.default_rng(3), 0
    for seed in range(400):
        shared = 0.2 * (generator.normal(size=(60, 1)) + generator.normal(size=(1, 10)))
        tables = np.stack([centre + shared + 0.2 * generator.normal(size=(60, 10)) for centre in (1.0, 2.0)])
        found = crossed_bootstrap(tables, lambda means: means[:, 0] / means[:, 1], seed)
        hits += found.low <= 0.5 <= found.high
    assert 0.92 <= hits / 400 <= 0.985, hits / 400


@pytest.mark.parametrize(("effects", "axis"), [((1.0, 0.0, 0.0), 0), ((0.0, 1.0, 0.0), 1)])
def test_bootstrap_of_a_mean_is_the_t_interval_where_one_sample_scatters(effects, axis):
    table = next(simulated(5, 25, 25, *effects))
    values = table[:, 0] if axis == 0 else table[0]
    found = crossed_bootstrap(table[None], first, 0)
    expected = stats.t.interval(0.95, 24, values.mean(), stats.sem(values))
    assert np.allclose((found.low, found.high), expected, atol=0.15 * np.ptp(expected))
    assert found.value == pytest.approx(values.mean())


def test_bootstrap_resamples_images_and_draws_of_all_tables_together():
    # Two tables that differ by 0.1 in every cell: resampled together, the difference never moves.
    table = next(simulated(5, 12, 8, 1.0, 1.0, 1.0))
    found = crossed_bootstrap(np.stack([table + 0.1, table]), lambda means: means[:, 0] - means[:, 1], 0)
    assert (found.low, found.value, found.high) == pytest.approx((0.1, 0.1, 0.1))


def test_bootstrap_means_are_weighted_means_written_out():
    generator = np.random.default_rng(0)
    tables = generator.normal(size=(3, 6, 4))
    tables[generator.random(tables.shape) < 0.2] = np.nan
    images, draws = generator.integers(0, 3, (5, 6)), generator.integers(1, 3, (5, 4))
    found = statistics._weighted_means(tables, images, draws)
    for b in range(5):
        for t in range(3):
            drawn = [tables[t, i, j] for i in range(6) for j in range(4) for _ in range(images[b, i] * draws[b, j])]
            assert found[b, t] == pytest.approx(np.nanmean(drawn), rel=1e-12)


def test_draws_are_resampled_within_their_stratum():
    # All that scatters is between the strata, which is no chance: no width at all.
    table = np.tile([0.0, 1.0, 0.0, 1.0, 0.0, 1.0], (5, 1))
    strata = np.array([0, 1] * 3)
    found = crossed_bootstrap(table[None], first, 0, strata)
    assert (found.low, found.value, found.high) == (0.5, 0.5, 0.5)
    found = crossed_bootstrap(table[None], first, 0)
    assert found.low < 0.2 and found.high > 0.8
    counts = statistics._resampled(np.random.default_rng(0), strata)
    assert (counts[:, strata == 0].sum(1) == 3).all() and (counts[:, strata == 1].sum(1) == 3).all()


def test_bootstrap_is_the_same_on_every_call_and_depends_on_its_seed():
    table = next(simulated(5, 12, 8, 1.0, 1.0, 1.0))[None]
    assert crossed_bootstrap(table, first, 3) == crossed_bootstrap(table, first, 3)
    assert crossed_bootstrap(table, first, 3) != crossed_bootstrap(table, first, 4)


def test_bootstrap_leaves_out_what_is_undefined_and_counts_it():
    table = next(simulated(5, 12, 8, 1.0, 1.0, 1.0))
    with_holes = np.full((14, 9), np.nan)
    with_holes[:12, :8] = table
    found, clean = (crossed_bootstrap(each[None], first, 0) for each in (with_holes, table))
    assert (found.value, found.low, found.high, found.images, found.draws) == (
        clean.value, clean.low, clean.high, 12, 8,
    )  # fmt: skip
    assert found.undefined == pytest.approx(1 - 96 / 126) and clean.undefined == 0.0
    nothing = crossed_bootstrap(np.full((2, 3, 2), np.nan), first, 0)
    assert np.isnan([nothing.value, nothing.low, nothing.high]).all() and nothing.undefined == 1.0
    # A statistic that is undefined has no interval.
    half = np.stack([table, np.full_like(table, np.nan)])
    found = crossed_bootstrap(half, lambda means: means[:, 1], 0)
    assert np.isnan([found.value, found.low, found.high]).all() and found.undefined == 0.5


def test_bootstrap_of_a_single_number_and_of_a_single_draw():
    found = crossed_bootstrap(np.array([[[0.3]]]), first, 0)
    assert (found.value, found.low, found.high) == (0.3, -np.inf, np.inf)
    found = crossed_bootstrap(np.random.default_rng(0).normal(size=(1, 40, 1)), first, 0)
    assert -0.6 < found.low < found.value < found.high < 0.6 and (found.images, found.draws) == (40, 1)


# Rank correlation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ties", [False, True])
def test_kendall_is_that_of_scipy(ties):
    a, b = np.random.default_rng(0).normal(size=(2, 50, 7))
    if ties:
        a, b = a.round(), b.round()
    expected = [stats.kendalltau(x, y).statistic for x, y in zip(a, b, strict=True)]
    assert np.allclose(kendall(a, b), expected, rtol=1e-12)


def test_kendall_is_undefined_for_a_constant_row_and_for_undefined_values():
    rows = np.array([[1.0, 1.0, 1.0], [1.0, np.nan, 2.0], [1.0, 2.0, 3.0]])
    assert np.isnan(kendall(rows, np.tile([1.0, 2.0, 3.0], (3, 1)))).tolist() == [True, True, False]


@pytest.mark.parametrize("ties", [False, True])
def test_spearman_is_that_of_scipy(ties):
    a, b = np.random.default_rng(0).normal(size=(2, 50, 7))
    if ties:
        a, b = a.round(), b.round()
        assert max(len(np.unique(row)) for row in a) < 7
    expected = [stats.spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]
    assert np.allclose(spearman(a, b), expected, rtol=1e-12)
    assert np.allclose(spearman(a.reshape(5, 10, 7), b.reshape(5, 10, 7)).ravel(), expected, rtol=1e-12)


def test_spearman_is_undefined_for_a_constant_row_and_for_undefined_values():
    rows = np.array([[1.0, 1.0, 1.0], [1.0, np.nan, 2.0], [1.0, 2.0, 3.0]])
    other = np.tile([1.0, 2.0, 3.0], (3, 1))
    for found in (spearman(rows, other), spearman(other, rows)):
        assert np.isnan(found).tolist() == [True, True, False] and found[2] == pytest.approx(1.0)


# Tables of scores ---------------------------------------------------------------------------------------------------


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


def test_cells_are_means_written_out_whatever_is_missing_or_stands_twice():
    generator = np.random.default_rng(1)
    table = pd.DataFrame({"image": generator.choice([3, 7, 40], 60), "draw": generator.choice([-1, 2], 60)})
    table["value"] = generator.normal(size=60)
    table.loc[5, "value"] = np.nan
    table = table[~((table.image == 7) & (table.draw == 2))]
    found = cells(table)
    assert found.index.tolist() == [3, 7, 40] and found.columns.tolist() == [-1, 2]
    for image in found.index:
        for draw in found.columns:
            values = [row.value for row in table.itertuples() if (row.image, row.draw) == (image, draw)]
            expected = sum(values) / len(values) if values else np.nan
            assert found.loc[image, draw] == pytest.approx(expected, rel=1e-12, nan_ok=True)


# Two samples that share nothing -------------------------------------------------------------------------------------


def test_the_unpaired_difference_of_images_is_welchs_interval():
    generator = np.random.default_rng(3)
    first, second = generator.normal(1.0, 1.0, 12), generator.normal(0.0, 3.0, 30)
    found = unpaired_difference(first[:, None], second[:, None])
    expected = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert found.value == pytest.approx(first.mean() - second.mean())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert (found.images, found.draws) == (12, 1)


def test_the_unpaired_difference_counts_what_is_undefined_and_knows_no_precision_of_one_value():
    first = np.array([[1.0], [np.nan], [2.0], [3.0]])
    assert unpaired_difference(first, np.ones((5, 1))).undefined == 0.25
    lonely = unpaired_difference(first, np.ones((1, 1)))
    assert (lonely.low, lonely.high) == (-np.inf, np.inf)
    assert np.isnan(unpaired_difference(first, np.full((3, 1), np.nan)).value)
    same = unpaired_difference(np.full((4, 1), 2.0), np.full((3, 1), 0.5))
    assert (same.low, same.high) == (1.5, 1.5)


def test_the_unpaired_difference_of_crossed_tables_covers():
    generator = np.random.default_rng(5)

    def table(centre, images, draws):
        effects = generator.normal(0, 0.3, (images, 1)) + generator.normal(0, 0.2, (1, draws))
        return centre + effects + generator.normal(0, 0.2, (images, draws))

    inside = 0
    for _ in range(600):
        found = unpaired_difference(table(1.0, 12, 5), table(0.4, 20, 4))
        inside += found.low < 0.6 < found.high
    assert 0.92 < inside / 600 < 0.99
