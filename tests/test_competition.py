"""The competition's cascade under a name of its own, what it keeps, and what keeping by lot would give."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import toys
from scipy import stats

from lib.attributions import attribute
from lib.competition import competition_scores, kept_by_chance
from lib.randomization import randomization_scores
from lib.similarity import tie_floor

METHODS = [
    "gradient_x_input",
    "competitive_gradient_x_input",
    "competitive_gradient_x_input(keep=random)",
    "competitive_gradient_x_input(keep=random,classes=2)",
]


@pytest.fixture(scope="module")
def run():
    images = toys.images(3).abs()
    images[:, :, :4] = 0
    given = {"image_ids": [7, 8, 9], "background": 0.0, "labels": torch.tensor([0, 1, 3])}
    net, targets = toys.net("residual"), torch.tensor([0, 1, 3])
    return images, competition_scores(net, images, targets, METHODS, draws=2, **given), (net, targets, given)


def test_the_cascade_is_that_of_the_first_study_under_another_name(run):
    images, scores, (net, targets, given) = run
    assert set(scores.intervention) == {"competition"}
    cascade = randomization_scores(net, images, targets, METHODS, draws=2, **given)
    keys = ["level", "step", "draw", "image", "target", "method", "metric", "against"]
    both = scores.merge(cascade, on=keys)
    assert np.array_equal(both.value_x, both.value_y, equal_nan=True)
    kept = cascade[cascade.metric.isin(["spearman_abs", "spearman_abs_fg"])]
    kept = kept[kept.against.isin(["original", "self", "null_other_image"])]
    assert len(both) == len(kept) > 0
    assert (scores.groupby(keys).size() == 1).all(), "no two rows of the same name"


def test_shares_are_counted_on_the_foreground(run):
    images, scores, (net, targets, _) = run
    whole = scores[scores.metric == "foreground_share"].set_index("image").value
    ink = (images != 0).any(1).flatten(1)
    assert whole.loc[[7, 8, 9]].to_numpy() == pytest.approx(ink.double().mean(1).numpy())
    shares = scores[scores.metric == "kept_share"]
    steps = scores[scores.method == METHODS[1]].step.unique()
    assert set(shares.step) == set(steps) and (shares.groupby(["method", "step"]).size() == 3).all()
    for method, maps in attribute(net, images, targets, METHODS[:2]).items():
        covered = (maps.sum(1).flatten(1) != 0) & ink
        found = shares[(shares.method == method) & (shares.step == 0)].set_index("image").value
        assert found.loc[[7, 8, 9]].to_numpy() == pytest.approx((covered.sum(1) / ink.sum(1)).numpy()), method
    means = shares[shares.step == 0].groupby("method").value.mean()
    assert means[METHODS[2]] < means[METHODS[3]] < means[METHODS[0]] == 1.0, "one in four, one in two, all"


def test_a_competition_of_equals_keeps_two_in_c():
    claims = torch.randn(10, 200_000, generator=torch.Generator().manual_seed(0))
    own = claims[0]
    wins = ((own >= 0) & (own == claims.amax(0))) | ((own < 0) & (own == claims.amin(0)))
    assert wins.double().mean().item() == pytest.approx(2 / 10, abs=0.005)


@pytest.mark.parametrize(
    ("first", "second", "share"), [(0.1, 0.1, 0.2), (0.2, 0.3, 0.5), (0.9, 0.4, 0.9), (1.0, 1.0, 0.3)]
)
def test_keeping_by_lot_has_a_closed_form(first, second, share):
    generator, pixels = np.random.default_rng(0), 100_000
    ink = np.arange(pixels) < share * pixels
    maps = [generator.lognormal(size=pixels) * ink * (generator.random(pixels) < each) for each in (first, second)]
    expected = kept_by_chance(*(torch.tensor(each, dtype=torch.float64) for each in (first, second, share)))
    assert stats.spearmanr(*maps)[0] == pytest.approx(expected.item(), abs=0.012)


def test_keeping_everything_leaves_the_tie_floor_and_no_background_leaves_nothing():
    one, share = torch.tensor(1.0, dtype=torch.float64), torch.linspace(0.05, 0.95, 10, dtype=torch.float64)
    assert torch.allclose(kept_by_chance(one, one, share), tie_floor(1 - share))
    assert kept_by_chance(one / 5, one / 5, one).item() == 0.0
