"""Rank correlations equal SciPy's, with ties and on the foreground; what is undefined is NaN, never a number."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from lib.correlation import Centred, correlation, ranks, ranks_at_once
from lib.errors import StudyError
from lib.similarity import (
    METRICS,
    NORMALISATIONS,
    RANK_METRICS,
    PreparedMaps,
    absolute,
    check_metrics,
    compare,
    foreground,
    largest,
    normalised,
    sign_agreement,
    signed,
    spearman,
    stretched,
    tie_floor,
)
from lib.ssim import ssim

SHAPE = (2, 3, 4, 5)

# Few distinct values, so that ties, zeros and constant maps are common; and floats, so that they are rare.
TIED = hnp.arrays(np.float64, SHAPE, elements=st.integers(-2, 2).map(float))
FLOAT = hnp.arrays(np.float32, SHAPE, elements=st.floats(-1e3, 1e3, width=32))
MAPS = st.one_of(TIED, FLOAT)
MASKS = hnp.arrays(np.bool_, (2, 20))
QUICK = settings(max_examples=40, deadline=None)
RANDOM = torch.randn(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
EVERYWHERE = torch.ones(1, 16, dtype=torch.bool)


def scipy_spearman(a, b):
    """SciPy's value for two vectors; NaN for a constant one."""
    if len(a) < 2 or len(set(a.tolist())) == 1 or len(set(b.tolist())) == 1:
        return math.nan
    return stats.spearmanr(a, b).statistic


def same(found, expected, tolerance=1e-6):
    return np.allclose(np.asarray(found), np.asarray(expected), rtol=0, atol=tolerance, equal_nan=True)


@QUICK
@given(MAPS, MAPS)
def test_spearman_equals_scipy_with_ties(a, b):
    a, b = torch.from_numpy(a), torch.from_numpy(b)
    for use_absolute, reduce in ((True, absolute), (False, signed)):
        expected = [scipy_spearman(x, y) for x, y in zip(reduce(a).numpy(), reduce(b).numpy(), strict=True)]
        assert same(spearman(a, b, absolute=use_absolute), expected)


@QUICK
@given(MAPS, MAPS, MASKS)
def test_foreground_spearman_equals_scipy_on_the_pixels_of_the_foreground(a, b, mask):
    a, b, mask = torch.from_numpy(a), torch.from_numpy(b), torch.from_numpy(mask)
    found = compare(PreparedMaps(a, mask), PreparedMaps(b, mask))
    for metric, reduce in (("spearman_abs_fg", absolute), ("spearman_fg", signed)):
        pairs = zip(reduce(a), reduce(b), mask, strict=True)
        assert same(found[metric], [scipy_spearman(x[m].numpy(), y[m].numpy()) for x, y, m in pairs])


@QUICK
@given(MAPS, MAPS, MASKS)
def test_sign_agreement_equals_a_plain_loop(a, b, mask):
    a, b, mask = torch.from_numpy(a), torch.from_numpy(b), torch.from_numpy(mask)
    found = compare(PreparedMaps(a, mask), PreparedMaps(b, mask))["sign_agreement_fg"]
    for number in range(2):
        agree, decided = 0, 0
        for x, y, inside in zip(signed(a)[number].tolist(), signed(b)[number].tolist(), mask[number], strict=True):
            if inside and x != 0 and y != 0:
                decided += 1
                agree += (x > 0) == (y > 0)
        assert same(found[number], agree / decided if decided else math.nan)


@QUICK
@given(MAPS, MAPS)
def test_spearman_is_symmetric_bounded_and_one_with_itself(a, b):
    a, b = torch.from_numpy(a), torch.from_numpy(b)
    for use_absolute in (True, False):
        one, other = spearman(a, b, use_absolute), spearman(b, a, use_absolute)
        assert same(one, other, 1e-12) and not (one.abs() > 1 + 1e-12).any()
        self_similarity = spearman(a, a, use_absolute)
        assert torch.allclose(self_similarity[~self_similarity.isnan()], torch.ones(1, dtype=torch.float64))


@QUICK
@given(TIED, TIED, st.sampled_from([1e-30, 1e-3, 7.0, 1e20]))
def test_I21_spearman_does_not_change_under_positive_scaling_and_monotone_maps(a, b, factor):
    a, b = torch.from_numpy(a)[:, :1], torch.from_numpy(b)[:, :1]
    for use_absolute in (True, False):
        plain = spearman(a, b, use_absolute)
        for changed in (factor * a, a**3, torch.atan(a), a.sign() * a.abs().exp() * (a != 0)):
            assert same(spearman(changed, b, use_absolute), plain, 1e-12)
    assert same(spearman(-a, b, absolute=False), -spearman(a, b, absolute=False), 1e-12)


def test_tiny_maps_of_deep_random_nets_keep_their_ranks():
    """Gradients of 1e-19 and below are ordinary here; an additive epsilon or an absolute threshold would erase them."""
    a, b = torch.randn(2, 4, 1, 9, 9, generator=torch.Generator().manual_seed(0)).unbind(0)
    assert torch.equal(spearman(a * 1e-30, b), spearman(a, b))


ROWS = torch.randn(3, 40000, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("find", [ranks, ranks_at_once])
@pytest.mark.parametrize(
    "values",
    [
        torch.randint(-3, 4, (5, 50), generator=torch.Generator().manual_seed(0)),
        ROWS,
        ROWS * 1e-42,
        ROWS.round(decimals=2),
        ROWS.double() * 1e-200,
        torch.cat([ROWS, -ROWS, torch.full_like(ROWS, math.inf), torch.zeros_like(ROWS), -torch.zeros_like(ROWS)], 1),
        ROWS.bfloat16(),
        ROWS[:, :1],
        ROWS.T[:7],
        ROWS[:0],
    ],
)
def test_ranks_are_scipys_average_ranks(find, values):
    found = find(values)
    assert found.dtype == torch.float64
    assert torch.equal(found, torch.from_numpy(stats.rankdata(values.double().numpy(), axis=1)))


def test_only_what_is_asked_for_is_computed():
    maps = PreparedMaps(RANDOM)
    compare(maps, maps, ["spearman"])
    computed = [set(vars(each.parts[0])) for each in (maps, PreparedMaps(RANDOM))]
    assert computed[0] - computed[1] == {"signed", "signed_values"}


@pytest.mark.parametrize("metric", ["spearman_abs_fg", "spearman_fg", "sign_agreement_fg"])
def test_metrics_on_the_foreground_ask_for_it_and_others_do_not(metric):
    maps = PreparedMaps(RANDOM)
    assert all(values == 1 for values in compare(maps, maps, ["spearman_abs", "spearman"]).values())
    with pytest.raises(StudyError, match="foreground"):
        compare(maps, maps, [metric])


def test_metrics_are_refused_before_anything_is_computed():
    check_metrics(METRICS, 48, 48)
    check_metrics(RANK_METRICS, 1, 1)
    for metrics, side, words in (
        (["psnr"], 48, "name each of spearman_abs, "),
        (["ssim", "ssim"], 48, "at most once"),
        (["ssim_flip"], 4, "5x5"),
        (["ssim_released"], 10, "11x11"),
        (["hog_released"], 47, "48x48"),
    ):
        with pytest.raises(StudyError, match=words):
            check_metrics(metrics, 48, side)


# ---------------------------------------------------------------- normalisation

FEW = torch.tensor([[-2.0, 1.0, 0.5], [0.0, 0.0, 0.0], [1e-30, -3e-30, 2e-30]])


def test_maps_are_divided_by_their_largest_value():
    expected = torch.tensor([[-1.0, 0.5, 0.25], [math.nan] * 3, [1 / 3, -1.0, 2 / 3]])
    assert same(normalised(FEW), expected)


def test_maps_are_divided_by_the_99th_percentile_and_clipped():
    values = torch.randn(2, 1, 30, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 1e-25
    flat = values.flatten(1).numpy()
    expected = np.clip(flat / np.quantile(np.abs(flat), 0.99, axis=1, keepdims=True), -1, 1)
    found = normalised(values, "p99")
    assert found.shape == values.shape and same(found.flatten(1), expected, 1e-12)
    assert (found.abs() == 1).sum() == 18
    mostly_zero = torch.zeros(1, 1000).index_fill(1, torch.tensor([5]), 1.0)
    assert normalised(mostly_zero, "p99").isnan().all()


@pytest.mark.parametrize("factor", [1e-200, 1.0, 1e200])
def test_maps_are_divided_by_the_root_of_their_mean_square(factor):
    found = normalised(RANDOM.double() * factor, "std")
    assert same(found.square().mean(), 1.0, 1e-12) and same(found / found.max(), RANDOM / RANDOM.max())


def test_stretched_maps_reach_from_0_to_1():
    assert same(stretched(FEW), torch.tensor([[0.0, 1.0, 2.5 / 3], [math.nan] * 3, [0.8, 0.0, 1.0]]))


def test_parts_of_a_batch_are_put_together_in_order():
    maps = torch.randn(5, 2, 400, 300, generator=torch.Generator().manual_seed(0))
    mask = maps[:, 0].flatten(1) > 0
    whole, again = PreparedMaps(maps, mask), PreparedMaps(maps.roll(1, 0), mask)
    assert len(whole.parts) == 5
    found = compare(whole, again)
    for number in range(5):
        alone = [PreparedMaps(each[number : number + 1], mask[number : number + 1]) for each in (maps, maps.roll(1, 0))]
        for metric, value in compare(*alone).items():
            assert value == found[metric][number]


def test_normalisation_decides_ssim_and_not_ranks():
    maps = torch.randn(2, 2, 1, 20, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = {
        by: compare(*(PreparedMaps(each, normalisation=by) for each in maps), ["ssim", "spearman"])
        for by in NORMALISATIONS
    }
    for by in NORMALISATIONS:
        assert torch.equal(found[by]["ssim"], ssim(*(normalised(each.squeeze(1), by) for each in maps)))
        assert torch.equal(found[by]["spearman"], found["max"]["spearman"])
    assert len({values["ssim"][0].item() for values in found.values()}) == 3
    with pytest.raises(StudyError, match="max, p99, std"):
        normalised(FEW, "sum")


def test_channels_are_reduced_as_declared():
    maps = torch.tensor([[[[1.0, -2.0]], [[-3.0, 5.0]]]])
    assert torch.equal(absolute(maps), torch.tensor([[4.0, 7.0]]))
    assert torch.equal(signed(maps), torch.tensor([[-2.0, 3.0]]))
    assert torch.equal(largest(maps), torch.tensor([[3.0, 5.0]]))


# ---------------------------------------------------------------- what is undefined


def with_one(value):
    maps = RANDOM.clone()
    maps[0, 0, 1, 2] = value
    return maps


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("constant", [0.0, 1.0, -0.1])
def test_constant_map_has_no_rank_correlation_not_even_with_itself(constant, swap):
    flat = torch.full_like(RANDOM, constant)
    for other in (RANDOM, flat):
        pair = (other, flat) if swap else (flat, other)
        assert spearman(*pair).isnan().all() and spearman(*pair, absolute=False).isnan().all()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_map_that_is_not_finite_gives_nan_for_every_metric(value):
    bad = with_one(value)
    for a, b in ((bad, RANDOM), (RANDOM, bad), (bad, bad)):
        found = compare(PreparedMaps(a, EVERYWHERE), PreparedMaps(b, EVERYWHERE))
        assert set(found) == set(RANK_METRICS)
        assert all(values.isnan().all() for values in found.values()), found


def test_an_undefined_image_does_not_touch_its_neighbours():
    maps = torch.cat([RANDOM, with_one(math.nan), torch.zeros_like(RANDOM), RANDOM.flip(3)])
    other = torch.cat([RANDOM.flip(2)] * 4)
    found = spearman(maps, other)
    assert found.isnan().tolist() == [False, True, True, False]
    assert torch.equal(found[[0, 3]], torch.cat([spearman(maps[i : i + 1], other[:1]) for i in (0, 3)]))


def test_empty_foreground_and_foreground_of_one_pixel_are_undefined():
    for count in (0, 1):
        mask = torch.zeros_like(EVERYWHERE)
        mask[:, :count] = True
        found = compare(PreparedMaps(RANDOM, mask), PreparedMaps(RANDOM.flip(2), mask))
        assert found["spearman_abs_fg"].isnan() and found["spearman_fg"].isnan()
        assert not found["spearman"].isnan()
        assert found["sign_agreement_fg"].isnan() == (count == 0)


def test_foreground_is_where_some_channel_is_not_background():
    images = torch.tensor([[[[0.0, 0.0, 0.5, -1.0]], [[0.0, 2.0, 0.0, -1.0]]]])
    assert foreground(images, 0.0).tolist() == [[False, True, True, True]]
    assert foreground(images, -1.0).tolist() == [[True, True, True, False]]


def test_sign_agreement_of_opposite_and_equal_maps():
    flat = RANDOM.flatten(1)
    assert sign_agreement(flat, flat, EVERYWHERE) == 1 and sign_agreement(flat, -flat, EVERYWHERE) == 0


# ---------------------------------------------------------------- the tie floor


@pytest.mark.parametrize("zero_share", [0.0, 0.2, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_I21_tie_floor_is_what_maps_with_common_zeros_reach(zero_share, correlation):
    """Simulated at 28x28: both maps vanish on the same pixels and are otherwise correlated by a Gaussian copula."""
    generator = torch.Generator().manual_seed(1)
    draws, side = 600, 28
    first, second = torch.randn(2, draws, 1, side, side, generator=generator, dtype=torch.float64).unbind(0)
    # Spearman r of two normal variables is (6 / pi) arcsin(pearson / 2); absolute values would need another law.
    pearson = 2 * math.sin(math.pi * correlation / 6)
    second = pearson * first + math.sqrt(1 - pearson**2) * second
    kept = torch.ones(side * side, dtype=torch.float64)
    kept[: round(zero_share * side * side)] = 0.0
    kept = kept.view(side, side)
    maps = [torch.exp(each) * kept for each in (first, second)]
    exact_share = torch.tensor(1 - kept.mean().item(), dtype=torch.float64)
    found = spearman(*maps).mean().item()
    assert abs(found - tie_floor(exact_share, correlation).item()) < 0.01


def test_I21_tie_floor_has_the_printed_values():
    printed = {0.0: 0.0, 0.5: 0.857, 0.8: 0.984, 1.0: 1.0}
    assert same(tie_floor(torch.tensor(list(printed))), list(printed.values()), 5e-4)
    assert same(tie_floor(torch.tensor([0.0]), 0.37), [0.37])


# ---------------------------------------------------------------- Pearson's correlation


def test_correlation_of_rows_is_pearsons_and_a_constant_row_has_none():
    a, b = torch.randn(2, 4, 18, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    b = a + b
    a[1], b[2] = 0.1, 0.7  # the mean of these is rounded
    found = correlation(Centred.of(a), Centred.of(b))
    assert found.isnan().tolist() == [False, True, True, False]
    assert same(found[[0, 3]], [stats.pearsonr(a[i].numpy(), b[i].numpy()).statistic for i in (0, 3)])
