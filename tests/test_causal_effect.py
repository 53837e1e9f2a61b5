"""The causal effect: Bayes by counting, closed forms for maps of norm 1, the run against the formula written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import toys
from oracles import plain_gradient

from lib.causal_effect import causal_effect, effect_scores, posterior, unit
from lib.confounded_calls import WEIGHTS
from lib.errors import StudyError
from lib.localisation import net_word, random_models
from lib.randomization import explained_classes


def test_bayes_by_counting():
    # A million images of each task: all natural ones intact, every other one of the half-digit task.
    intact = {"natural": 1_000_000, "half": 500_000}
    assert posterior({"natural": 1.0, "half": 0.5}) == {
        task: count / sum(intact.values()) for task, count in intact.items()
    }
    assert posterior({"a": 3.0, "b": 1.0}, {"a": 0.1, "b": 0.9}) == pytest.approx({"a": 0.25, "b": 0.75})
    assert posterior({"a": 0.0, "b": 1e-300}) == {"a": 0.0, "b": 1.0}


@pytest.mark.parametrize("likelihoods", [{"a": 0.0, "b": 0.0}, {"a": -1.0, "b": 2.0}, {}])
def test_an_image_without_a_task_is_refused(likelihoods):
    with pytest.raises(StudyError, match="likelihoods"):
        posterior(likelihoods)


def test_the_weights_of_the_study():
    assert WEIGHTS["an intact digit"] == pytest.approx({"natural": 2 / 3, "half": 1 / 3})
    assert WEIGHTS["a halved digit"] == {"natural": 0.0, "half": 1.0}
    assert WEIGHTS["a digit beside a shape"] == pytest.approx({"natural": 0.0, "shape": 0.5, "digit": 0.5})
    assert WEIGHTS["a digit that could have a shape"] == pytest.approx({"natural": 0.6, "shape": 0.2, "digit": 0.2})


def test_maps_of_norm_one():
    maps = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    for scale in (1.0, 1e-30, 1e30):
        assert torch.allclose(unit(maps * scale).flatten(1).norm(dim=1), torch.ones(3, dtype=torch.float64))
        assert torch.allclose(unit(maps * scale), unit(maps), atol=1e-6)
    assert unit(torch.zeros(1, 1, 2, 2)).isnan().all()


def test_closed_forms_of_the_effect():
    one, other = torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    one[0, 0, 0, 0], other[0, 0, 1, 1] = 5.0, 0.1
    assert causal_effect({"t": one}, one * 7, {"t": 1.0}).norm() == 0.0
    assert causal_effect({"t": one}, other, {"t": 1.0}).norm() == pytest.approx(math.sqrt(2))
    assert causal_effect({"t": one}, -one, {"t": 1.0}).norm() == pytest.approx(2.0)
    # Two tasks that say the contrary of each other leave nothing but the random map.
    opposite = causal_effect({"a": one, "b": -one}, other, {"a": 0.5, "b": 0.5})
    assert torch.allclose(opposite, -unit(other))
    # A task of weight 0 need not even be there.
    assert torch.equal(causal_effect({"a": one}, other, {"a": 1.0, "b": 0.0}), unit(one) - unit(other))


def test_the_run_is_the_formula():
    net, other, images = toys.net("max_pool"), toys.net("max_pool", seed=4), toys.images(4)
    targets = explained_classes(net, images)
    weights = {"half": 0.25, "natural": 0.75}
    found = effect_scores(
        net,
        images,
        targets,
        ["gradient"],
        name="half",
        others={"natural": other},
        weights=weights,
        draws=2,
        init="kaiming",
    )

    def gradients(model):
        classes = model(images).argmax(1)
        own = [plain_gradient(model, x, int(c)).numpy() for x, c in zip(images, classes, strict=True)]
        return np.stack([each / np.sqrt((each**2).sum()) for each in own])

    trained = {"half": gradients(net), "natural": gradients(other)}
    randoms = [gradients(model) for model in random_models(net, images, "kaiming", 2)]

    def values(net_, metric, draw):
        rows = found[(found.intervention == net_word(net_, "causal_effect")) & (found.metric == metric)]
        return rows[rows.draw == draw].sort_values("image").value.to_numpy()

    def size(difference):
        return np.sqrt((difference**2).reshape(4, -1).sum(1))

    for draw, random in enumerate(randoms):
        sizes = {word: size(own - random) for word, own in trained.items()}
        for word, expected in sizes.items():
            assert np.allclose(values(word, "effect", draw), expected)
        average = size(sum(weights[word] * (trained[word] - random) for word in weights))
        assert np.allclose(values("posterior", "effect", draw), average)
        mean = sum(weights[word] * sizes[word] for word in weights)
        assert np.allclose(values("posterior", "kept", draw), average / mean)
        assert (values("posterior", "kept", draw) < 1).all()
    assert len(values("random", "effect", 0)) == 0
    assert np.allclose(values("random", "effect", 1), size(randoms[0] - randoms[1]))
    assert set(found.against) == {"random"} and len(found) == 4 * (2 * 4 + 1)


def test_weights_of_a_net_that_is_not_there_are_refused():
    net, images = toys.net("linear"), toys.images(2)
    with pytest.raises(StudyError, match="weights names natural; the nets are half"):
        effect_scores(net, images, torch.tensor([0, 1]), ["gradient"], name="half", others={}, weights={"natural": 1.0})
