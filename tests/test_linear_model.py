"""The linear model: its fit is the minimum, its closed forms and the noise of its maps are as derived by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lib import attributions, data
from lib.attributions import method
from lib.comparison import Examples
from lib.errors import StudyError
from lib.exactness import largest_error, relative_error
from lib.linear_model import (
    autocorrelation,
    closed_form,
    linear_model,
    linear_scores,
    logistic_regression,
    random_weights,
    white_noise_bound,
)

METHODS = [
    "gradient",
    "smoothgrad(samples=3)",
    "vargrad(samples=3)",
    "guided_backprop",
    "deconvnet",
    "gradient_x_input",
    "lrp_epsilon(epsilon=0.0)",
    "integrated_gradients(steps=3)",
    "integrated_gradients(reference=mean,steps=3)",
    "deeplift",
    "deeplift(reference=mean)",
]


def clouds(count=90, classes=3, side=4, seed=0):
    """Images of overlapping classes, so that the penalised minimum lies at finite weights."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centres = rng.uniform(0.2, 0.8, (classes, side * side))
    pixels = np.clip(centres[labels] + rng.normal(0, 0.3, (count, side * side)), 0, 1)
    return torch.from_numpy(pixels).view(count, 1, side, side), torch.from_numpy(labels)


def test_logistic_regression_ends_where_the_gradient_of_its_loss_is_zero():
    """The penalised loss is strictly convex in W, so a point without slope is the minimum; written out in NumPy."""
    images, labels = clouds()
    weight, bias = (each.numpy() for each in logistic_regression(images, labels, penalty=0.02))
    pixels, truth = images.flatten(1).numpy(), np.eye(3)[labels]
    logits = pixels @ weight.T + bias
    shares = np.exp(logits - logits.max(1, keepdims=True))
    shares /= shares.sum(1, keepdims=True)
    slope = (shares - truth).T @ pixels / len(pixels) + 0.02 * weight
    assert np.abs(slope).max() < 1e-5 and np.abs((shares - truth).mean(0)).max() < 1e-5
    assert np.abs(weight).max() > 0.1
    assert np.abs((shares - truth).T @ pixels / len(pixels)).max() > 1e-3, "without its penalty it is no minimum"


def test_the_model_is_the_weighted_sum_of_pixels():
    weight, bias = random_weights(2 * 3 * 5, draw=1)
    image = torch.randn(4, 2, 3, 5, dtype=torch.float64)
    assert torch.allclose(linear_model(weight, bias)(image), image.flatten(1) @ weight.T + bias)


def test_draws_of_weights_differ_and_come_again():
    first, again, other = (random_weights(50, draw)[0] for draw in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert abs(float(random_weights(40_000, 0)[0].std()) - 1) < 0.02


@pytest.fixture(scope="module")
def table(digits):
    found = data.load("mnist-5k")
    images = found.test_images[:6]
    return linear_scores(
        images, image_ids=list(range(6)), background=0.0, methods=METHODS, dataset="mnist-5k", draws=12
    )


EXPECTED = {
    "gradient": "weights",
    "smoothgrad(samples=3)": "weights",
    "guided_backprop": "weights",
    "deconvnet": "weights",
    "vargrad(samples=3)": "zero",
    "gradient_x_input": "weights_x_input",
    "lrp_epsilon(epsilon=0.0)": "weights_x_input",
    "integrated_gradients(steps=3)": "weights_x_difference",
    "deeplift": "weights_x_difference",
    "integrated_gradients(reference=mean,steps=3)": "weights_x_difference",
    "deeplift(reference=mean)": "weights_x_difference",
}


@pytest.mark.parametrize("state", ["linear", "linear(weights=random)"])
@pytest.mark.parametrize("written", METHODS)
def test_every_method_has_its_closed_form(table, state, written):
    assert largest_error(table, state, written, EXPECTED[written]) < 1e-10


def test_half_the_product_is_wrong_by_its_whole_size_and_the_ratio_is_one(table):
    ig = table[table.method.str.startswith("integrated")]
    half = ig[(ig.against == "half")].value
    assert half.to_numpy() == pytest.approx(1.0, abs=1e-12)
    assert ig[ig.metric == "ratio"].value.to_numpy() == pytest.approx(1.0, abs=1e-12)


def test_from_the_mean_image_integrated_gradients_are_not_gradient_x_input(table):
    assert largest_error(table, "linear", "integrated_gradients(steps=3)", "gradient_x_input") < 1e-10
    assert largest_error(table, "linear", "integrated_gradients(reference=mean,steps=3)", "gradient_x_input") > 0.1


@pytest.mark.parametrize("written", ["gradient", "vargrad", "lrp_epsilon", "deeplift(reference=mean)"])
def test_closed_forms_are_those_of_the_formulas(written):
    images, weights = (torch.randn(2, 1, 3, 3, dtype=torch.float64) for _ in range(2))
    mean = torch.full((1, 3, 3), 0.25, dtype=torch.float64)
    examples = Examples.of(images, torch.zeros(2, dtype=torch.int64), references={"mean": mean})
    expected = {
        "gradient": weights,
        "vargrad": 0 * weights,
        "lrp_epsilon": images * weights,
        "deeplift(reference=mean)": (images - 0.25) * weights,
    }
    assert torch.equal(closed_form(method(written), weights, examples)[1], expected[written])


def test_a_random_map_is_white_noise_and_a_trained_one_is_not(table):
    rows = table[(table.metric == "autocorrelation")]
    random = rows[rows.intervention == "linear(weights=random)"].value
    assert random.abs().max() < white_noise_bound(784) < 0.11
    assert rows[rows.intervention == "linear"].value.min() > 0.4


def test_a_random_map_says_nothing_of_the_trained_one_but_its_product_shares_the_zeros(table):
    def mean(written, metric, against="original"):
        rows = table[(table.intervention == "linear(weights=random)") & (table.method == written)]
        return rows[(rows.metric == metric) & (rows.against == against)].value.mean()

    assert abs(mean("gradient", "spearman")) < 0.05
    ig = linear_scores(
        data.load("mnist-5k").test_images[:6],
        image_ids=list(range(6)),
        background=0.0,
        methods=["gradient", "integrated_gradients"],
        dataset="mnist-5k",
        draws=3,
    )
    rows = ig[(ig.method == "integrated_gradients") & (ig.intervention == "linear(weights=random)")]
    means = rows.groupby(["against", "metric"]).value.mean()
    assert means["original", "spearman_abs"] > 0.95 and means["input", "spearman_abs"] > 0.95
    assert means["original", "spearman_abs_fg"] < 0.6 and abs(means["original", "spearman"]) < 0.1


def test_autocorrelation_is_the_correlation_of_neighbours():
    """Beside NumPy over explicit pairs, and at its extremes: a checkerboard, stripes, a ramp."""
    plane = torch.randn(1, 1, 5, 7, dtype=torch.float64)
    values = plane[0, 0].numpy() - plane.numpy().mean()
    pairs = [values[i, j] * values[i, j + 1] for i in range(5) for j in range(6)]
    pairs += [values[i, j] * values[i + 1, j] for i in range(4) for j in range(7)]
    assert float(autocorrelation(plane)) == pytest.approx(np.mean(pairs) / np.mean(values**2), rel=1e-12)
    rows, columns = torch.meshgrid(torch.arange(20), torch.arange(20), indexing="ij")
    board, stripes = 1.0 - 2 * ((rows + columns) % 2), 1.0 - 2 * (rows % 2)
    assert autocorrelation(board[None, None]).item() == pytest.approx(-1.0)
    assert abs(autocorrelation(stripes[None, None]).item()) < 1e-12
    assert autocorrelation((rows + columns)[None, None].double()).item() > 0.9


def test_relative_error_is_per_map_and_needs_a_scale_where_zero_is_expected():
    expected = torch.tensor([[1.0, -4.0], [0.0, 0.0]])
    found = torch.tensor([[1.0, -3.0], [0.5, 0.0]])
    assert relative_error(found, expected)[0] == 0.25 and relative_error(found, expected)[1].isinf()
    assert relative_error(found, expected, torch.tensor([2.0, 2.0])).tolist() == [0.5, 0.25]


def test_an_error_that_was_not_computed_is_not_zero(table):
    with pytest.raises(StudyError, match="compute it"):
        largest_error(table, "linear", "gradient", "half")
    with pytest.raises(StudyError, match="compute it"):
        undefined = table.assign(value=float("nan"))
        largest_error(undefined, "linear", "gradient", "weights")


@pytest.mark.parametrize(
    ("change", "words"),
    [({"draws": 0}, "draws is 0"), ({"methods": ["gradcam"]}, "no closed form"), ({"methods": ["x"]}, "not known")],
)
def test_what_cannot_be_run_is_refused(digits, change, words):
    given = {"methods": ["gradient"], "dataset": "mnist-5k", "draws": 1} | change
    with pytest.raises(StudyError, match=words):
        linear_scores(data.load("mnist-5k").test_images[:1], image_ids=[0], background=0.0, **given)


def test_the_methods_of_the_list_are_the_ones_that_have_a_closed_form():
    assert [each.name for each in attributions.methods(METHODS)] == METHODS
