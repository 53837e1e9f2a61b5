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

from lib.similarity import (
    METRICS,
    RankedMaps,
    absolute,
    compare,
    foreground,
    ranks,
    sign_agreement,
    signed,
    spearman,
    tie_floor,
)

SHAPE = (2, 3, 4, 5)

# Few distinct values, so that ties, zeros and constant maps are common; and floats, so that they are rare.
TIED = hnp.arrays(np.float64, SHAPE, elements=st.integers(-2, 2).map(float))
FLOAT = hnp.arrays(np.float32, SHAPE, elements=st.floats(-1e3, 1e3, width=32))
MAPS = st.one_of(TIED, FLOAT)
MASKS = hnp.arrays(np.bool_, (2, 20))
QUICK = settings(max_examples=40, deadline=None)


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
    found = compare(RankedMaps(a, mask), RankedMaps(b, mask))
    for metric, reduce in (("spearman_abs_fg", absolute), ("spearman_fg", signed)):
        pairs = zip(reduce(a), reduce(b), mask, strict=True)
        assert same(found[metric], [scipy_spearman(x[m].numpy(), y[m].numpy()) for x, y, m in pairs])


@QUICK
@given(MAPS, MAPS, MASKS)
def test_sign_agreement_equals_a_plain_loop(a, b, mask):
    a, b, mask = torch.from_numpy(a), torch.from_numpy(b), torch.from_numpy(mask)
    found = compare(RankedMaps(a, mask), RankedMaps(b, mask))["sign_agreement_fg"]
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


def test_ranks_are_scipys_average_ranks():
    values = torch.randint(-3, 4, (5, 50), generator=torch.Generator().manual_seed(0)).double()
    assert same(ranks(values), stats.rankdata(values.numpy(), axis=1), 0)


def test_channels_are_reduced_as_declared():
    maps = torch.tensor([[[[1.0, -2.0]], [[-3.0, 5.0]]]])
    assert torch.equal(absolute(maps), torch.tensor([[4.0, 7.0]]))
    assert torch.equal(signed(maps), torch.tensor([[-2.0, 3.0]]))


# ---------------------------------------------------------------- what is undefined

RANDOM = torch.randn(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
EVERYWHERE = torch.ones(1, 16, dtype=torch.bool)


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
        found = compare(RankedMaps(a, EVERYWHERE), RankedMaps(b, EVERYWHERE))
        assert set(found) == set(METRICS)
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
        found = compare(RankedMaps(RANDOM, mask), RankedMaps(RANDOM.flip(2), mask))
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
