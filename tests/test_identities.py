"""Identities between methods, sums of integrated gradients, and laws of VarGrad, as studies measure them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from lib.comparison import Examples
from lib.errors import StudyError
from lib.exactness import largest_error
from lib.explained import maps_of
from lib.identities import completeness_scores, identity_scores, without_biases
from lib.vargrad_laws import Quadratic, exponent, quadratic_scores, softened, vargrad_scores

METHODS = ["lrp_epsilon(epsilon=0.0)", "deeplift", "integrated_gradients(steps=2)"]
STATES = ["identity", "identity(bias=none)", "identity(weights=random)", "identity(weights=random,bias=none)"]


class Small(nn.Module):
    """A convolution, a max-pooling and two dense layers on 8x8 pixels; biases that matter."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.relu1, self.relu2, self.pool = nn.ReLU(), nn.ReLU(), nn.MaxPool2d(2)
        self.hidden = nn.Linear(64, 12)
        self.logits = nn.Linear(12, 3)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for each in self.parameters():
                each.copy_(torch.randn(each.shape, generator=generator) / 3)

    def forward(self, x):
        return self.logits(self.relu2(self.hidden(self.pool(self.relu1(self.conv(x))).flatten(1))))


def given(black=False):
    images = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    if black:
        images[:, :, :2] = 0.0
    numbers = torch.arange(4)
    return {
        "images": images,
        "targets": numbers % 3,
        "labels": numbers % 3,
        "image_ids": [3, 5, 7, 9],
        "references": {"mean": images.mean(0)},
        "training_images": images,
        "background": 0.0,
    }


@pytest.fixture(scope="module")
def identities():
    return identity_scores(Small(), methods=METHODS, draws=2, **given())


@pytest.mark.parametrize("state", STATES)
def test_lrp_is_gradient_x_input_with_and_without_biases(identities, state):
    assert largest_error(identities, state, METHODS[0], "gradient_x_input") < 1e-10


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("written", METHODS[1:])
def test_deeplift_and_integrated_gradients_are_gradient_x_input_without_biases_only(identities, state, written):
    rows = identities[(identities.intervention == state) & (identities.method == written)].value
    if "bias=none" in state:
        assert rows.max() < 1e-10
    else:
        assert rows.min() > 1e-3


def test_every_state_has_its_images_and_draws(identities):
    counts = identities.groupby("intervention").size()
    assert counts["identity"] == counts["identity(bias=none)"] == 3 * 4
    assert counts["identity(weights=random)"] == counts["identity(weights=random,bias=none)"] == 3 * 4 * 2
    random = identities[identities.intervention == "identity(weights=random)"]
    assert set(random.draw) == {0, 1} and random.value.nunique() > 8


def test_the_usual_epsilon_is_not_exact():
    table = identity_scores(Small(), methods=["lrp_epsilon"], draws=1, **given())
    assert table[table.intervention == "identity"].value.max() > 1e-8


def test_integrated_gradients_leave_the_product_where_max_pooling_has_ties():
    """Equal pixels answer with equal numbers up to the last bits, and those decide who gets the gradient."""
    model, arguments = Small(), given()
    arguments["images"] = torch.ones(4, 1, 8, 8) * torch.tensor([0.3, 0.7, 0.9, 1.0]).view(4, 1, 1, 1)
    flat = identity_scores(model, methods=METHODS[2:], draws=1, **arguments)
    arguments["images"] += 1e-3 * given()["images"]
    untied = identity_scores(model, methods=METHODS[2:], draws=1, **arguments)
    assert largest_error(flat, "identity(bias=none)", METHODS[2], "gradient_x_input") > 1e-3
    assert largest_error(untied, "identity(bias=none)", METHODS[2], "gradient_x_input") < 1e-10


def test_the_model_is_left_as_it_was():
    model = Small()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    identity_scores(model, methods=METHODS[:1], draws=1, **given())
    vargrad_scores(model, noise_levels=[0.1], **given())
    for name, value in model.state_dict().items():
        assert value.dtype == torch.float32 and torch.equal(value, before[name])
    assert isinstance(model.relu1, nn.ReLU)
    bare = without_biases(model)
    assert all((p == 0).all() == name.endswith("bias") for name, p in bare.named_parameters())


PATHS = ["integrated_gradients(steps=400)", "integrated_gradients(reference=mean,steps=400)"]


def test_the_sum_of_integrated_gradients_is_the_difference_of_logits():
    model, arguments = Small(), given()
    table = (
        completeness_scores(model, methods=PATHS, **arguments)
        .set_index(["method", "against", "image"])
        .value.sort_index()
    )
    with torch.no_grad():
        logits = model(arguments["images"]).gather(1, arguments["targets"][:, None])[:, 0]
    for written, start in zip(PATHS, (torch.zeros(1, 1, 8, 8), arguments["references"]["mean"][None]), strict=True):
        with torch.no_grad():
            there = model(start)[0, arguments["targets"]]
        gaps = table[written, "logit_difference"]
        # The trapezia of 400 steps are off by a hundredth of the sum at most, the logits themselves by S(reference).
        assert (gaps.to_numpy() * (logits - there).abs().numpy() < 0.01).all()
        expected = (there / logits).abs().numpy()
        assert table[written, "logit"].to_numpy() == pytest.approx(expected, abs=0.01 / logits.abs().min().item())
        assert expected.min() > 0.02


def test_only_integrated_gradients_are_asked_for_their_sum():
    with pytest.raises(StudyError, match="gradient is not a form of integrated_gradients"):
        completeness_scores(Small(), methods=["gradient"], **given())


def test_vargrad_of_quadratics_keeps_its_law():
    table = quadratic_scores(draws=6, samples=400, side=6)
    errors = table[table.metric == "standard_errors"].value
    assert len(errors) == 6 and errors.between(0.6, 1.5).all()
    assert table[table.metric == "spearman_abs"].value.abs().mean() < 0.4


def test_the_measure_of_the_law_would_notice_another_one(monkeypatch):
    """Twice the noise is four times the variance, and far outside three standard errors."""
    from lib import vargrad_laws

    class Louder(vargrad_laws.VarGrad):
        def copies(self, workspace):
            plain = super().copies(workspace)
            return lambda part: workspace.images + 2 * (plain(part) - workspace.images)

    monkeypatch.setattr(vargrad_laws, "VarGrad", Louder)
    assert vargrad_laws.quadratic_scores(draws=2, samples=400, side=6).value.iloc[0] > 3


def test_a_quadratic_has_its_matrix_as_hessian():
    matrix = torch.randn(9, 9, dtype=torch.float64)
    matrix = matrix + matrix.T
    model = Quadratic(matrix)
    hessian = torch.autograd.functional.hessian(lambda x: model(x.view(1, 1, 3, 3)).sum(), torch.randn(9).double())
    assert torch.allclose(hessian, matrix)


def test_vargrad_grows_like_the_noise_with_relu_and_like_its_square_without_kinks():
    rng = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 5000), nn.ReLU(), nn.Linear(5000, 3))
    with torch.no_grad():
        for each in model.parameters():
            each.copy_(torch.randn(each.shape, generator=rng) / 8)
    levels = [0.003, 0.01, 0.03]
    table = vargrad_scores(model, noise_levels=levels, **given())
    means = table[table.metric == "variance"].groupby(["intervention", "level"]).value.mean()
    with_relu, smooth = (
        exponent(levels, [means[words, f"{level:g}"] for level in levels])
        for words in ("vargrad", "vargrad(activation=softplus)")
    )
    assert with_relu == pytest.approx(1.0, abs=0.25) and smooth == pytest.approx(2.0, abs=0.05)


def test_vargrad_is_compared_with_the_size_of_the_gradient():
    from scipy import stats

    from lib.attributions import methods

    model, arguments = Small(), given(black=True)
    table = vargrad_scores(model, noise_levels=[0.1], **arguments)
    found = (
        table[(table.intervention == "vargrad") & (table.against == "gradient")].set_index(["metric", "image"]).value
    )
    examples = Examples.of(arguments["images"], arguments["targets"], image_ids=arguments["image_ids"])
    maps = maps_of(model, examples, methods(["vargrad", "gradient"]))
    for number, image in enumerate(arguments["image_ids"]):
        variance, gradient = (each[number].flatten().abs() for each in maps.values())
        ink = arguments["images"][number].flatten() != 0
        expected = [stats.spearmanr(variance[m], gradient[m]).statistic for m in (ink | True, ink)]
        assert [found["spearman_abs", image], found["spearman_abs_fg", image]] == pytest.approx(expected, abs=1e-6)


def test_exponent_of_a_power_law():
    noise = [0.1, 0.2, 0.7]
    assert exponent(noise, [3 * each**1.7 for each in noise]) == pytest.approx(1.7)


def test_softened_nets_have_no_kink_left_and_keep_their_weights():
    model = Small()
    soft = softened(model, 1e6)
    assert not any(isinstance(each, nn.ReLU) for each in soft.modules())
    images = given()["images"]
    assert torch.allclose(soft(images), model(images), atol=1e-4)
    assert not np.allclose(softened(model)(images).detach(), model(images).detach(), atol=1e-3)
    with pytest.raises(StudyError, match="no ReLU module"):
        softened(nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: identity_scores(Small(), methods=METHODS, draws=0, **given()), "draws is 0"),
        (lambda: identity_scores(Small(), methods=METHODS, draws=1, init="best", **given()), "'best' is not known"),
        (lambda: vargrad_scores(Small(), noise_levels=[], **given()), "give numbers above 0"),
        (lambda: vargrad_scores(Small(), noise_levels=[0.1, 0.0], **given()), "give numbers above 0"),
        (lambda: quadratic_scores(draws=1, samples=1, side=4), "at least 1, 2 and 2"),
    ],
)
def test_what_cannot_be_run_is_refused(call, words):
    with pytest.raises(StudyError, match=words):
        call()
