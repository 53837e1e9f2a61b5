"""What the zeros and the brightness of an image demand: exact expectations against simulated maps and SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from lib.errors import StudyError
from lib.similarity import spearman, tie_floor
from lib.tie_floors import expected_correlation, tie_scores


def simulated(values, draws=20000, seed=0):
    """Mean Spearman correlation of |x u| and |x v| over draws, by NumPy."""
    u, v = np.random.default_rng(seed).normal(size=(2, draws, len(values)))
    ranks = [np.abs(each * values).argsort(1).argsort(1).astype(float) for each in (u, v)]
    a, b = (each - each.mean(1, keepdims=True) for each in ranks)
    correlations = (a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1))
    return correlations.mean(), stats.sem(correlations)


@pytest.mark.parametrize(
    "values", [[1.0, 2.0], [0.1, 0.5, 0.5, 0.9], [1, 1, 1, 5, 5, 20], [-3.0, 0.2, 1.0, 1.0, 7.0, 0.01, 2.0]]
)
def test_the_expectation_is_exact_for_a_handful_of_pixels(values):
    mean, error = simulated(np.array(values))
    assert error < 0.008
    assert expected_correlation(torch.tensor(values)) == pytest.approx(mean, abs=4 * error)


def test_cases_that_can_be_done_by_hand():
    # Two pixels: they keep their order with probability p, so the correlation is 1 or -1.
    p = 2 / math.pi * math.atan(3.0)
    assert expected_correlation(torch.tensor([3.0, 1.0])) == pytest.approx((2 * p - 1) ** 2)
    assert expected_correlation(torch.full((50,), 0.3)) == pytest.approx(0.0, abs=1e-12)
    assert expected_correlation(10.0 ** torch.arange(-40, 41, 4, dtype=torch.float64)) == pytest.approx(1.0, abs=0.01)
    values = torch.rand(30) + 0.1
    assert expected_correlation(values) == pytest.approx(expected_correlation(-7 * values))
    assert math.isnan(expected_correlation(torch.tensor([1.0]))) and math.isnan(expected_correlation(torch.tensor([])))


def test_a_dense_uniform_picture_has_the_closed_form_of_the_normal_law():
    grid = (torch.arange(2000, dtype=torch.float64) + 0.5) / 2000
    # 12 E[G^2] - 3 with G(x) = E_y (2/pi) arctan(x / y), by quadrature on another grid.
    x = (np.arange(1500) + 0.5) / 1500
    means = (2 / np.pi * np.arctan(x[:, None] / x)).mean(1)
    assert expected_correlation(grid) == pytest.approx(12 * (means**2).mean() - 3, abs=1e-4)
    assert expected_correlation(grid) == pytest.approx(0.405, abs=0.001)


@pytest.mark.parametrize("zeros", [0, 30, 144, 288, 350])
@pytest.mark.parametrize("correlated", [False, True])
def test_the_tie_floor_is_an_identity_up_to_one_over_the_pixels_squared(zeros, correlated):
    pixels = 19 * 19
    a = np.random.default_rng(zeros).lognormal(size=pixels)
    b = (
        a * np.exp(np.random.default_rng(1).normal(size=pixels))
        if correlated
        else np.random.default_rng(2).random(pixels)
    )
    a[:zeros] = b[:zeros] = 0
    r = stats.spearmanr(a[zeros:], b[zeros:])[0]
    assert abs(r) > 0.4 or not correlated
    expected = float(tie_floor(torch.tensor(zeros / pixels, dtype=torch.float64), r))
    assert stats.spearmanr(a, b)[0] == pytest.approx(expected, abs=2 / pixels**2)


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(3)
    values = (torch.rand(6, 1, 20, 20, generator=generator) * 255).round() / 255
    kept = torch.rand(6, 1, 20, 20, generator=generator) < torch.linspace(0.1, 1.0, 6).view(6, 1, 1, 1)
    return values * kept


@pytest.fixture(scope="module")
def table(images):
    scores = tie_scores(images, image_ids=[3, 1, 4, 10, 5, 9], background=0.0)
    assert set(scores.intervention) == {"ties"} and set(scores.against) == {"self"}
    return scores.pivot(index="image", columns="metric", values="value").loc[[3, 1, 4, 10, 5, 9]]


def test_the_table_says_what_it_says(images, table):
    zeros = (images == 0).flatten(1).double().mean(1)
    assert table.zero_share.to_numpy() == pytest.approx(zeros.numpy())
    assert (table.identity_gap < 2 / 400**2).all() and (table.identity_gap > 0).any()
    for row, image, share in zip(table.itertuples(), images, zeros, strict=True):
        r = expected_correlation(image[image != 0])
        assert row.expected_fg == pytest.approx(r)
        assert row.expected == pytest.approx(float(tie_floor(share, r)))
        # One pair scatters by about one over the root of the pixels that are left.
        assert row.spearman_abs_fg == pytest.approx(r, abs=4 / math.sqrt(float(400 * (1 - share))))


def test_what_is_measured_is_the_product_with_the_named_noise(images, table):
    from lib.random_factors import noise

    u, v = (noise("normal", (1, 20, 20), side, 0, [3, 1, 4, 10, 5, 9], 0) for side in ("u", "v"))
    measured = spearman(images * u, images * v)
    assert table.spearman_abs.to_numpy() == pytest.approx(measured.numpy(), abs=1e-12)


def test_images_that_are_not_zero_where_they_are_empty_are_refused():
    with pytest.raises(StudyError, match="one channel that are 0"):
        tie_scores(torch.rand(2, 3, 8, 8), image_ids=[0, 1], background=0.0)
    with pytest.raises(StudyError, match="one channel that are 0"):
        tie_scores(torch.rand(2, 1, 8, 8), image_ids=[0, 1], background=-1.0)
