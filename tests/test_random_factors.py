"""Laws of noise and the ways in which it grows: moments, order, identity of the draws, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from lib.errors import StudyError
from lib.random_factors import LAWS, MODES, check, factor, noise, symmetric, unit_std

CUT = stats.truncnorm(-2, 2)
ORACLES = {
    "normal": stats.norm(),
    "truncated_normal": stats.truncnorm(-2, 2, scale=1 / CUT.std()),
    "uniform": stats.uniform(-math.sqrt(3), 2 * math.sqrt(3)),
}


@pytest.mark.parametrize("law", LAWS)
def test_a_law_is_the_named_one_with_variance_one(law):
    uniform = torch.linspace(0, 1, 1002, dtype=torch.float64)[1:-1]
    assert LAWS[law](uniform).numpy() == pytest.approx(ORACLES[law].ppf(uniform.numpy()), abs=1e-9)
    assert ORACLES[law].std() == pytest.approx(1.0) and ORACLES[law].mean() == pytest.approx(0.0)


def test_the_noise_follows_its_law_and_all_laws_order_the_pixels_alike():
    drawn = {law: noise(law, (1, 60, 60), "u", 0, [0, 1], 0).numpy() for law in LAWS}
    for law, values in drawn.items():
        assert stats.kstest(values.ravel(), ORACLES[law].cdf).pvalue > 0.001
        assert (np.argsort(values.ravel()) == np.argsort(drawn["normal"].ravel())).all()
    assert abs(stats.spearmanr(drawn["normal"][0].ravel(), drawn["normal"][1].ravel())[0]) < 0.06


def test_an_image_has_its_own_noise_in_whatever_batch_it_stands():
    alone, among = noise("normal", (1, 3, 3), "u", 2, [17], 5), noise("normal", (1, 3, 3), "u", 2, [3, 17], 5)
    assert torch.equal(alone[0], among[1]) and not torch.equal(among[0], among[1])
    for other in (("v", 2, [17], 5), ("u", 1, [17], 5), ("u", 2, [17], 6)):
        assert not torch.equal(alone, noise("normal", (1, 3, 3), *other))


def test_the_factors_are_those_of_the_formulas():
    n, g = torch.tensor([[[[2.0, -1.0]]]]), torch.tensor([[[[5.0, 7.0]]]])
    assert factor("scale", n, 3.0).flatten().tolist() == [6.0, -3.0]
    assert factor("mean-one", n, 3.0).flatten().tolist() == [7.0, -2.0]
    assert factor("gradient+noise", n, 3.0, g).flatten().tolist() == [11.0, 4.0]
    assert factor("gradient+noise", n, 0.0, g).flatten().tolist() == [5.0, 7.0]


def test_each_gradient_is_scaled_by_itself_over_all_channels():
    maps = torch.randn(3, 2, 5, 5) * torch.tensor([1e-8, 1.0, 50.0]).view(3, 1, 1, 1) + 0.1
    scaled = unit_std(maps).numpy()
    assert scaled.reshape(3, -1).std(1) == pytest.approx([1.0] * 3)
    ratio = scaled / maps.numpy()
    assert np.ptp(ratio.reshape(3, -1), axis=1) == pytest.approx([0.0] * 3, abs=1e-3 * ratio.max())


def test_pixels_are_stretched_about_grey():
    assert symmetric(torch.tensor([0.0, 0.5, 1.0])).tolist() == [-1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"modes": ["louder"]}, "name some of scale, gradient"),
        ({"modes": []}, "modes is"),
        ({"laws": ["cauchy"]}, "name some of normal, truncated_normal, uniform"),
        ({"laws": ["normal", "normal"]}, "at most once"),
        ({"sigmas": [0.1, 1.0]}, "begin with 0"),
        ({"sigmas": [0.0]}, "begin with 0"),
        ({"sigmas": [0.0, 1.0, 1.0]}, "grow"),
        ({"sigmas": [0.0, math.nan]}, "grow"),
        ({"sigmas": [0.0, math.inf]}, "grow"),
        ({"draws": 0}, "at least 1"),
    ],
)
def test_what_makes_no_sense_is_refused(given, words):
    good = {"modes": list(MODES), "laws": list(LAWS), "sigmas": [0.0, 0.5, 2.0], "draws": 1}
    check(**good)
    with pytest.raises(StudyError, match=words):
        check(**(good | given))
