"""Data randomization knows methods with a known answer, and refuses nets that have not learned their labels."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import toys
from scipy import stats
from torch import nn

from lib.errors import StudyError
from lib.label_randomization import CURRENT_CLASS, LABELS, RANDOM_NET, label_randomization, label_randomization_maps

IMAGES = toys.images(4, "max_pool")
TARGETS = torch.tensor([0, 1, 3, 2])
METHODS = ["gradient", "gradient_x_input", "smoothgrad(samples=3)", "guided_backprop"]


def net(seed=0):
    return toys.net("max_pool", seed)


def labels_of(model, images=IMAGES):
    """Labels that a net has "learned": what it says."""
    with torch.no_grad():
        return model(images).argmax(1)


def scores_of(methods=METHODS, permuted=None, **options):
    permuted = permuted or net(1)
    given = {"training_images": IMAGES, "permuted_labels": labels_of(permuted), "init": "kaiming", "draws": 2}
    return label_randomization(net(), permuted, IMAGES, TARGETS, methods, **(given | options))


def values(scores, method, metric="spearman_abs", against="original", intervention=LABELS, step=1):
    at = {"method": method, "metric": metric, "against": against, "intervention": intervention, "step": step}
    chosen = np.logical_and.reduce([scores[name] == word for name, word in at.items()])
    return scores[chosen].sort_values(["draw", "image"])["value"].to_numpy()


def gradients(model, targets=TARGETS):
    images = IMAGES.clone().requires_grad_()
    return torch.autograd.grad(model(images).gather(1, targets[:, None]).sum(), images)[0]


def test_similarity_is_that_of_the_two_nets_gradients():
    permuted, again = net(1), net(2)
    scores = scores_of(permuted=permuted, again=again)
    for other, against, step in ((permuted, "original", 1), (again, "other_seed", 0)):
        for metric, see in (("spearman_abs", lambda x: x.abs().sum(0)), ("spearman", lambda x: x.sum(0))):
            pairs = zip(gradients(net()), gradients(other), strict=True)
            expected = [stats.spearmanr(see(a).flatten(), see(b).flatten()).statistic for a, b in pairs]
            assert np.allclose(values(scores, "gradient", metric, against, step=step), expected, rtol=0, atol=1e-6)


def test_each_nets_own_class_is_explained_where_it_says_so():
    permuted = net(1)
    scores = scores_of(["gradient"], permuted)
    pairs = zip(gradients(net()), gradients(permuted, labels_of(permuted)), strict=True)
    expected = [stats.spearmanr(a.abs().sum(0).flatten(), b.abs().sum(0).flatten()).statistic for a, b in pairs]
    assert np.allclose(values(scores, "gradient", intervention=CURRENT_CLASS), expected, rtol=0, atol=1e-6)
    chosen = scores[scores.intervention == CURRENT_CLASS].drop_duplicates("image").sort_values("image")
    assert chosen.target.tolist() == labels_of(permuted).tolist()


def test_a_method_that_returns_the_input_is_blind_and_noise_is_unlike():
    scores = scores_of(["toys:returns_input", "random"], again=net(2))
    assert np.allclose(values(scores, "toys:returns_input"), 1.0)
    assert np.allclose(values(scores, "toys:returns_input", intervention=RANDOM_NET), 1.0)
    assert np.abs(values(scores, "random")).max() < 0.5
    ink = (IMAGES != 0).any(1).sum((1, 2))
    positive = (IMAGES.sum(1) > 0).sum((1, 2)) / ink
    assert np.allclose(values(scores, "toys:returns_input", "positive_share_fg", "none"), positive)


def test_the_same_net_given_as_permuted_has_the_same_maps():
    scores = scores_of(permuted=net())
    for method in METHODS:
        assert np.allclose(values(scores, method), 1.0, rtol=0, atol=1e-12)


def test_draws_of_untrained_nets_differ_and_repeat():
    scores = scores_of()
    found = values(scores, "gradient", intervention=RANDOM_NET).reshape(2, len(IMAGES))
    assert not np.allclose(*found)
    again = scores_of()
    assert scores.equals(again)


def test_rows_of_the_net_studied_have_nulls_a_ceiling_and_numbers_of_their_own():
    scores = scores_of()
    at_first = scores[(scores.step == 0) & (scores.method != "none")]
    assert set(at_first.against) == {"null_other_image", "self", "none", "input", "edge"}
    assert set(at_first[at_first.against == "self"].method) == {"smoothgrad(samples=3)"}
    assert set(at_first[at_first.against == "none"].metric) == {"components", "positive_share_fg", "positive_share_bg"}
    assert not scores.duplicated([name for name in scores if name not in ("value", "target")]).any()


def test_accuracies_are_those_of_the_nets():
    test_labels = torch.tensor([0, 1, 2, 3])
    scores = scores_of(["gradient"], test_images=IMAGES, test_labels=test_labels)
    for step, model in ((0, net()), (1, net(1))):
        right = (labels_of(model) == test_labels).double().numpy()
        assert np.array_equal(values(scores, "none", "accuracy", "none", step=step), right)
    assert np.array_equal(values(scores, "none", "train_accuracy", "none"), np.ones(4))


def test_costly_methods_are_left_out_of_the_sidelines():
    whole, spared = scores_of(again=net(2)), scores_of(METHODS[:2], costly=METHODS[2:], again=net(2))
    assert set(spared[spared.intervention == LABELS].method) == {*METHODS, "none"}
    for intervention in (RANDOM_NET, CURRENT_CLASS):
        assert set(spared[spared.intervention == intervention].method) == set(METHODS[:2])
    left_out = whole.method.isin(METHODS[2:]) & (whole.intervention != LABELS)
    keys = [name for name in whole if name != "value"]
    expected = whole[~left_out].set_index(keys).value.sort_index()
    assert spared.set_index(keys).value.sort_index().equals(expected)


def test_models_stay_as_they_were():
    model, permuted = net(), net(1)
    before = [copy.deepcopy(each.state_dict()) for each in (model, permuted)]
    label_randomization(
        model, permuted, IMAGES, TARGETS, METHODS, training_images=IMAGES, permuted_labels=labels_of(permuted),
        init="kaiming", draws=1,
    )  # fmt: skip
    for each, state in zip((model, permuted), before, strict=True):
        assert all(torch.equal(value, state[name]) for name, value in each.state_dict().items())


def test_maps_are_those_of_the_four_nets(monkeypatch):
    monkeypatch.setattr("lib.label_randomization.law_named", lambda word, model: toys_law)
    maps = label_randomization_maps(net(), net(1), net(2), IMAGES, TARGETS, ["gradient"], training_images=IMAGES)
    assert maps["gradient"].shape == (4, len(IMAGES), *IMAGES.shape[2:])
    for place, model in enumerate((net(), net(2), net(1))):
        assert torch.allclose(maps["gradient"][place], gradients(model).sum(1), atol=1e-6)
    assert not torch.allclose(maps["gradient"][3], maps["gradient"][0])


def toys_law(_name, trained, uniform):
    return (uniform - 0.5).to(trained)


# Refusals -----------------------------------------------------------------------------------------------------------


def test_a_net_that_has_not_learned_its_labels_is_refused_before_any_map(monkeypatch):
    def fail(*_args):
        raise AssertionError("a map was made")

    wrong = (labels_of(net(1)) + 1) % 4
    monkeypatch.setattr("lib.label_randomization.explain", fail)
    with pytest.raises(StudyError, match=r"learned 0\.0% of its labels, .* 95%"):
        scores_of(permuted_labels=wrong)


def test_exactly_95_percent_are_too_few():
    images = IMAGES[:1].repeat(20, 1, 1, 1)
    labels = labels_of(net(1), images)
    labels[0] = (labels[0] + 1) % 4
    with pytest.raises(StudyError, match=r"95\.0%"):
        scores_of(training_images=images, permuted_labels=labels)


@pytest.mark.parametrize("name", ["permuted", "again"])
def test_a_net_of_another_architecture_is_refused(name):
    with pytest.raises(StudyError, match=f"given as {name} has other layers"):
        scores_of(**{name: nn.Sequential(nn.Flatten(), nn.Linear(IMAGES[0].numel(), 4)).double()})
