"""The qualitative findings of the cascade, on nets trained for seconds, with margins."""

from __future__ import annotations

import pytest
import torch

from lib import data, training
from lib.claims import CONTRADICTED, SUPPORTED, decide
from lib.randomization import explained_classes, randomization_scores
from lib.training import Recipe

METHODS = [
    "gradient",
    "smoothgrad(samples=5)",
    "gradient_x_input",
    "integrated_gradients(steps=5)",
    "guided_backprop",
    "edge",
    "input",
    "random",
]
PRODUCTS = ["gradient_x_input", "integrated_gradients(steps=5)"]
CONVOLUTIONAL = ["gradcam", "guided_gradcam"]
RECIPES = {
    "cnn": Recipe("cnn", "mnist-5k", 0, 60, 48, 0.001, 0.001),
    "mlp": Recipe("mlp", "mnist-5k", 0, 40, 48, 0.001, 0.0),
}


class Run:
    """A trained net, ten images of ten classes, and the scores of three draws."""

    def __init__(self, name: str) -> None:
        self.name = name
        dataset = data.load("mnist-5k")
        self.model, _ = training.train(RECIPES[name])
        self.before = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.accuracy = training.correct(self.model, dataset.test_images, dataset.test_labels).double().mean().item()
        self.images = dataset.test_images[data.balanced(dataset.test_labels, 10)]
        methods = METHODS + (CONVOLUTIONAL if name == "cnn" else [])
        targets = explained_classes(self.model, self.images)
        self.scores = randomization_scores(self.model, self.images, targets, methods, draws=3)

    def mean(self, method: str, step: int, metric: str = "spearman_abs", against: str = "original") -> float:
        table = self.scores
        keep = (table.method == method) & (table.step == step) & (table.metric == metric) & (table.against == against)
        values = table[keep].value
        assert len(values) == (30 if step else 10)
        return values.mean()

    def curve(self, method: str, metric: str = "spearman_abs") -> list[float]:
        return [self.mean(method, step, metric) for step in range(1, 5)]


@pytest.fixture(scope="module", params=RECIPES)
def run(request, digits):
    return Run(request.param)


def test_the_nets_have_learned_something(run):
    assert run.accuracy > 0.85


def test_the_gradient_collapses(run):
    assert run.mean("gradient", 4) < 0.5
    assert abs(run.mean("gradient", 4, "spearman")) < 0.1
    assert run.mean("gradient", 0) == pytest.approx(1.0)


def test_smoothgrad_behaves_like_the_gradient(run):
    for step in range(1, 5):
        assert run.mean("smoothgrad(samples=5)", step) == pytest.approx(run.mean("gradient", step), abs=0.2)


@pytest.mark.parametrize("method", PRODUCTS)
def test_products_with_the_input_stay_similar_on_all_pixels(run, method):
    assert min(run.curve(method)) >= 0.9


@pytest.mark.parametrize("method", PRODUCTS)
def test_but_not_in_sign_and_not_on_the_ink(run, method):
    assert abs(run.mean(method, 2, "spearman")) < 0.15
    assert run.mean(method, 2, "sign_agreement_fg") == pytest.approx(0.5, abs=0.1)
    assert run.mean(method, 4, "spearman_abs_fg") < 0.6


@pytest.mark.parametrize("method", PRODUCTS)
def test_their_similarity_is_what_shared_zeros_force(run, method):
    # Unrelated maps that share the zeros of an image reach 3p / (3p + (1-p)^2), from the image alone.
    zeros = (run.images == 0).flatten(1).double().mean(1)
    floor = (3 * zeros / (3 * zeros + (1 - zeros) ** 2)).mean().item()
    for value in run.curve(method):
        assert floor - 0.005 < value < floor + 0.5 * (1 - floor)


def test_guided_backprop_falls_in_steps(run):
    curve = run.curve("guided_backprop")
    assert curve[3] < curve[0] - 0.1
    # Above the gradient while only the upper layers are random.
    assert min(curve[:2]) > max(run.curve("gradient")[:2]) + 0.2
    # It keeps its signs too, as long as only the top unit is random.
    assert run.mean("guided_backprop", 1, "sign_agreement_fg") > 0.8
    assert run.mean("guided_backprop", 1, "spearman") > 0.7
    # And no map of a destroyed net is the intact one's: the first version's claim fails.
    assert decide("A-12", run.scores.assign(model=run.name, dataset="mnist-5k", seed=0))["verdict"] == CONTRADICTED


def test_the_ledger_agrees_about_the_gradient(run):
    table = run.scores.assign(model=run.name, dataset="mnist-5k", seed=0)
    assert decide("A-10", table)["verdict"] == SUPPORTED
    assert decide("A-11", table)["verdict"] == SUPPORTED


def test_gradcam_reacts(run):
    if run.name == "mlp":
        pytest.skip("no convolution, no GradCAM")
    assert run.mean("gradcam", 1) < 0.75
    assert run.mean("gradcam", 4) < 0.6
    assert run.mean("guided_gradcam", 4) < run.mean("guided_backprop", 4)


def test_noise_passes_the_test_perfectly(run):
    for metric in ("spearman_abs", "spearman"):
        assert max(abs(value) for value in run.curve("random", metric)) < 0.05
    assert abs(run.mean("random", 0, against="null_other_image")) < 0.05


@pytest.mark.parametrize("method", ["input", "edge"])
def test_what_never_looks_at_the_model_fails_it_perfectly(run, method):
    for metric in ("spearman_abs", "spearman", "spearman_abs_fg"):
        assert run.curve(method, metric) == pytest.approx([1.0] * 4, abs=1e-12)


def test_similarities_lie_above_their_null_on_the_intact_net(run):
    for method in METHODS[:-1]:
        assert run.mean(method, 0) == pytest.approx(1.0)
        assert run.mean(method, 0, against="null_other_image") < 0.7


def test_the_net_is_as_it_was(run):
    for name, value in run.model.state_dict().items():
        assert torch.equal(value, run.before[name]), name
