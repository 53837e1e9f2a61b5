"""An image times random numbers: closed forms, an independent recomputation, flatness, and what a net adds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import toys
from scipy import integrate, stats

from lib.attributions import attribute
from lib.errors import StudyError
from lib.random_factors import LAWS, factor, noise, unit_std
from lib.random_gradient import (
    dense_scores,
    intervention,
    noisy_gradient_pictures,
    noisy_gradient_scores,
    product_pictures,
    random_gradient_scores,
)

CUT = stats.truncnorm(-2, 2)
SIZES = {
    "normal": stats.halfnorm(),
    "truncated_normal": stats.truncnorm(0, 2, scale=1 / CUT.std()),
    "uniform": stats.uniform(0, math.sqrt(3)),
}
"""Laws of |u|."""

SIGMAS = (0.0, 0.3, 1.0, 10.0)


def sparse(count=3, side=12, empty=0.5, channels=1, seed=0):
    """Images of which a share is exactly 0."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(count, channels, side, side, generator=generator)
    order = torch.rand(count, 1, side * side, generator=generator).argsort(-1).argsort(-1).view(count, 1, side, side)
    return images * (order >= empty * side * side)


def cell(scores, mode="scale", law="normal", **keep):
    """Values of one question, by image and draw."""
    found = scores[scores.intervention == intervention(mode, law)]
    for name, value in ({"method": "gradient_x_input", "metric": "spearman_abs", "against": "self"} | keep).items():
        found = found[found[name] == value]
    return found.sort_values(["draw", "image"]).value.to_numpy()


def explained_by_the_picture(law):
    """Spearman of |x u| and |x v| for x uniform in [0, 1]: 12 E[G(x)^2] - 3 with G(x) = E F(x |u|), by quadrature."""
    x = (np.arange(300) + 0.5) / 300
    sizes = SIZES[law].ppf(x)
    products = np.linspace(0, sizes[-1], 1001)
    below = SIZES[law].cdf(products[:, None] / x).mean(1)
    ranks = np.interp(np.multiply.outer(x, sizes), products, below).mean(1)
    return 12 * (ranks**2).mean() - 3


# Closed forms -------------------------------------------------------------------------------------------------------


def test_uniform_times_uniform_is_seventeen_thirty_sixths():
    square = integrate.quad(lambda x: (0.75 * x - 0.5 * x * math.log(x)) ** 2, 0, 1)[0]
    assert 12 * square - 3 == pytest.approx(17 / 36, abs=1e-9)
    assert explained_by_the_picture("uniform") == pytest.approx(17 / 36, abs=2e-3)


@pytest.mark.parametrize(("law", "value"), [("normal", 0.405), ("truncated_normal", 0.42), ("uniform", 0.472)])
def test_dense_pictures_keep_the_share_of_ranks_that_they_explain(law, value):
    assert explained_by_the_picture(law) == pytest.approx(value, abs=0.005)
    table = dense_scores(count=10, side=28, laws=[law], draws=5)
    assert set(table.intervention) == {f"dense(mode=scale,law={law})"}
    found = table[(table.method == "gradient_x_input") & (table.against == "self")]
    means = found.groupby("metric").value.agg(["mean", "sem"])
    # Values of 50 pairs scatter by about 0.03 each.
    assert means["mean"]["spearman_abs"] == pytest.approx(explained_by_the_picture(law), abs=0.015)
    assert abs(means["mean"]["spearman"]) < 4 * means["sem"]["spearman"]


def test_pictures_in_minus_one_to_one_keep_as_much():
    images = torch.rand(20, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    given = {"image_ids": list(range(20)), "modes": ["scale"], "laws": ["truncated_normal"], "sigmas": (0.0, 1.0)}
    given["draws"] = 3
    scores = random_gradient_scores(images, stretch=True, **given)
    assert cell(scores, law="truncated_normal").mean() == pytest.approx(0.42, abs=0.015)
    # Without the stretch the same numbers would be those of [0, 1]: equal in the mean, not pair by pair.
    plain = random_gradient_scores(images, **given)
    assert not np.allclose(cell(scores, law="truncated_normal"), cell(plain, law="truncated_normal"))


@pytest.mark.parametrize(("empty", "value"), [(0.5, 0.92), (0.8, 0.99)])
def test_zeros_raise_it(empty, value):
    images = sparse(10, 28, empty)
    scores = random_gradient_scores(
        images, image_ids=list(range(10)), modes=["scale"], laws=["truncated_normal"], sigmas=(0.0, 1.0), draws=3
    )
    assert cell(scores, law="truncated_normal").mean() == pytest.approx(value, abs=0.005)
    assert cell(scores, law="truncated_normal", metric="spearman_abs_fg").mean() == pytest.approx(0.42, abs=0.04)


# The table ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def all_modes():
    images = sparse(channels=2)
    gradients = torch.randn(images.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    scores = random_gradient_scores(
        images,
        image_ids=[4, 8, 15],
        modes=["scale", "gradient+noise", "mean-one"],
        laws=["normal", "uniform"],
        sigmas=SIGMAS,
        draws=2,
        gradients=gradients,
    )
    return images.double(), unit_std(gradients), scores


@pytest.mark.parametrize("mode", ["scale", "gradient+noise", "mean-one"])
@pytest.mark.parametrize("law", ["normal", "uniform"])
@pytest.mark.parametrize("step", [1, 3])
def test_every_number_is_scipys(all_modes, mode, law, step):
    images, gradients, scores = all_modes
    u, v = (
        factor(mode, noise(law, images.shape[1:], side, 1, [4, 8, 15], 0), SIGMAS[step], gradients)
        for side in ("u", "v")
    )
    for image, name in enumerate([4, 8, 15]):
        keep = {"mode": mode, "law": law, "step": step, "draw": 1, "image": name}
        x, a, b = images[image], (images * u)[image], (images * v)[image]
        absolute = [each.abs().sum(0).flatten().numpy() for each in (a, b)]
        ink = (x != 0).any(0).flatten().numpy()
        other = (images * v)[(image + 2) % 3].abs().sum(0).flatten().numpy()
        expected = {
            ("gradient_x_input", "self", "spearman_abs"): absolute,
            ("gradient_x_input", "self", "spearman"): [each.sum(0).flatten().numpy() for each in (a, b)],
            ("gradient_x_input", "self", "spearman_abs_fg"): [each[ink] for each in absolute],
            ("gradient_x_input", "input", "spearman_abs"): [absolute[0], x.abs().sum(0).flatten().numpy()],
            ("gradient_x_input", "null_other_image", "spearman_abs"): [absolute[0], other],
            ("gradient", "self", "spearman_abs"): [each[image].abs().sum(0).flatten().numpy() for each in (u, v)],
        }
        for (method, against, metric), pair in expected.items():
            value = cell(scores, **keep, method=method, against=against, metric=metric)
            assert value == pytest.approx([stats.spearmanr(*pair)[0]], abs=1e-9), (method, against, metric)


def test_where_each_mode_begins(all_modes):
    _, _, scores = all_modes
    assert cell(scores, step=0, metric="spread") == pytest.approx([0.0] * 6, abs=1e-12)
    assert not len(cell(scores, step=0))
    for mode in ("gradient+noise", "mean-one"):
        for metric in ("spearman_abs", "spearman", "spearman_abs_fg"):
            assert cell(scores, mode, step=0, metric=metric) == pytest.approx([1.0] * 6)
    assert cell(scores, "mean-one", step=0, against="input") == pytest.approx([1.0] * 6)
    assert cell(scores, "gradient+noise", step=0, method="gradient") == pytest.approx([1.0] * 6)
    assert np.isnan(cell(scores, "mean-one", step=0, method="gradient")).all(), "a constant factor has no ranks"


def test_where_each_mode_ends(all_modes):
    _, _, scores = all_modes
    for mode in ("gradient+noise", "mean-one"):
        for metric in ("spearman_abs", "spearman_abs_fg"):
            end, alone = cell(scores, mode, step=3, metric=metric), cell(scores, step=3, metric=metric)
            assert end == pytest.approx(alone, abs=0.15)
            falls = [cell(scores, mode, step=step, metric=metric).mean() for step in range(4)]
            assert falls == sorted(falls, reverse=True)


def test_noise_times_a_number_changes_nothing_also_for_ssim_and_hog():
    metrics = ["spearman_abs", "spearman", "ssim", "hog"]
    scores = random_gradient_scores(
        torch.rand(2, 3, 48, 48),
        image_ids=[0, 1],
        modes=["scale"],
        sigmas=(0.0, 0.1, 0.3, 7.0),
        draws=1,
        metrics=metrics,
    )
    assert (cell(scores, metric="spread") < 1e-12).all()
    for metric in metrics:
        first, *others = (cell(scores, step=step, metric=metric) for step in (1, 2, 3))
        assert all(np.allclose(first, each, rtol=0, atol=1e-12) for each in others)
        assert np.isfinite(first).all()


def test_the_spread_would_be_seen():
    scores = random_gradient_scores(sparse(), image_ids=[0, 1, 2], modes=["scale"], sigmas=(0.0, 1e-320, 1.0), draws=1)
    # Numbers of 1e-320 have three digits left, so their ranks change.
    assert (cell(scores, metric="spread") > 1e-6).all()


def test_the_same_call_gives_the_same_table():
    given = {"image_ids": [0, 1, 2], "sigmas": SIGMAS, "draws": 1}
    assert random_gradient_scores(sparse(), **given).equals(random_gradient_scores(sparse(), **given))
    other = random_gradient_scores(sparse(), **given, seed=1)
    assert not np.allclose(cell(other), cell(random_gradient_scores(sparse(), **given)))


# With a net ---------------------------------------------------------------------------------------------------------


def test_a_nets_gradients_drown():
    net, images, targets = toys.net("residual"), toys.images(3), torch.tensor([0, 1, 3])
    given = {"image_ids": [0, 1, 2], "background": 0.0, "laws": ["normal"], "sigmas": SIGMAS, "draws": 2}
    scores = noisy_gradient_scores(net, images, targets, ["gradient"], labels=targets, references={}, **given)
    gradients = attribute(net, images, targets, ["gradient"])["gradient"]
    expected = random_gradient_scores(
        images, image_ids=[0, 1, 2], modes=["gradient+noise"], sigmas=SIGMAS, draws=2, gradients=gradients
    )
    assert np.array_equal(cell(scores, "gradient+noise"), cell(expected, "gradient+noise"))
    assert set(scores[scores.intervention == intervention("scale", "normal")].step) == {1}
    assert scores.target.unique().tolist() == [0, 1, 3]


# Pictures -----------------------------------------------------------------------------------------------------------


def test_pictures_are_the_products():
    images = torch.rand(2, 3, 6, 6)
    pictures = product_pictures(images, image_ids=[5, 6], mode="mean-one", sigmas=[0.0, 2.0], stretch=True)
    x = 2 * images.double() - 1
    u, v = (1 + 2 * noise("normal", (3, 6, 6), side, 0, [5, 6], 0) for side in ("u", "v"))
    assert torch.allclose(pictures["x"], x.sum(1))
    for name, expected in {"u": u, "x ⊙ u": x * u, "x ⊙ v": x * v}.items():
        assert torch.allclose(pictures[name][1], expected.sum(1)), name
    assert torch.allclose(pictures["x ⊙ u"][0], x.sum(1))


def test_pictures_of_a_net_begin_with_its_gradient_times_the_input():
    net, images, targets = toys.net("residual"), toys.images(2), torch.tensor([0, 1])
    pictures = noisy_gradient_pictures(
        net, images, targets, ["gradient"], image_ids=[0, 1], sigmas=[0.0, 1.0], labels=0
    )
    maps = attribute(net, images, targets, ["gradient", "gradient_x_input"])
    scale = maps["gradient"].flatten(1).std(1, correction=0).view(-1, 1, 1)
    assert torch.allclose(scale * pictures["x ⊙ u"][0], maps["gradient_x_input"].sum(1))


# Refusals -----------------------------------------------------------------------------------------------------------


def test_what_makes_no_sense_is_refused_before_anything_is_computed():
    images, given = sparse(), {"image_ids": [0, 1, 2]}
    for more, words in (
        ({"laws": ["cauchy"]}, "laws"),
        ({"sigmas": [1.0]}, "sigmas"),
        ({"modes": ["gradient+noise"]}, "needs a gradient"),
        ({"metrics": ["hog"]}, "HOG|hog"),
        ({"metrics": ["beauty"]}, "metrics"),
    ):
        with pytest.raises(StudyError, match=words):
            random_gradient_scores(images, **(given | more))
    for more, words in (({"count": 0}, "count is 0"), ({"side": 1}, "side is 1"), ({"laws": []}, "laws")):
        with pytest.raises(StudyError, match=words):
            dense_scores(**({"count": 2, "side": 4, "laws": list(LAWS), "draws": 1} | more))
    net, targets = toys.net("residual"), torch.tensor([0, 1, 3])
    with pytest.raises(StudyError, match="name the one method"):
        noisy_gradient_pictures(net, toys.images(3), targets, ["gradient", "input"], image_ids=[0, 1, 2], sigmas=SIGMAS)
