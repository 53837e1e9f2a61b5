"""The scores of a randomization know a perfect method from a blind one, in every order and under every setting."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import torch
import toys
from destroyed import IMAGES, same_tensors, steps_of, trained_law
from scipy.stats import spearmanr
from torch import nn

from lib import models
from lib.backward_rules import ReLURule, modified_gradient
from lib.comparison import Examples
from lib.errors import StudyError
from lib.initialisers import LAWS
from lib.randomization import check_methods, explained_classes, randomization_maps, randomization_scores, sweep
from lib.reinitialisation import ORDERS

TARGETS = torch.tensor([0, 1, 3])
METHODS = [
    "gradient",
    "gradient_x_input",
    "integrated_gradients(steps=5)",
    "smoothgrad(samples=4)",
    "guided_backprop",
    "gradcam",
    "guided_gradcam",
]
CONTROLS = ["edge", "input", "random"]


@pytest.fixture
def identity_law(monkeypatch):
    monkeypatch.setitem(LAWS, "identity", lambda model: trained_law)


# ---------------------------------------------------------------- scores: known answers


def values(scores, method, metric="spearman_abs", against="original"):
    chosen = (scores["method"] == method) & (scores["metric"] == metric) & (scores["against"] == against)
    return scores[chosen].sort_values(["step", "draw", "image"])["value"].to_numpy()


def scores_of(model, methods, images=IMAGES, targets=TARGETS, **options):
    return randomization_scores(model, images, targets, methods, **({"draws": 2} | options))


def test_method_that_returns_the_input_is_similar_at_every_step():
    scores = scores_of(toys.net("max_pool"), ["toys:returns_input"])
    against_original = scores[scores["against"] == "original"]
    assert len(against_original) == 5 * 3 * (1 + 2 * 3)
    assert np.allclose(against_original["value"], 1.0, rtol=0, atol=1e-12)


def test_method_that_returns_noise_is_not_similar_at_any_step():
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(20, 1, 28, 28, generator=generator)
    model = models.build("cnn", generator)
    scores = scores_of(model, ["toys:returns_noise"], images, torch.zeros(20, dtype=torch.long), draws=1)
    broken = scores[(scores["against"] == "original") & (scores["step"] > 0)]
    for metric, mean in broken.groupby("metric")["value"].mean().items():
        # 80 values of standard deviation 1 / 28 (half of it for the share of equal signs).
        assert abs(mean - (0.5 if metric == "sign_agreement_fg" else 0.0)) < 4 / 28 / 80**0.5, metric


@pytest.mark.parametrize("name", ["max_pool", "in_place", "relu6"])
def test_randomization_that_changes_nothing_scores_one_for_every_method(name, identity_law):
    """Noise included: SmoothGrad sees the same noise at every stage (trap T19). Only `random` draws anew."""
    scores = scores_of(toys.net(name), METHODS + CONTROLS, toys.images(3, name), init="identity")
    original = scores[(scores["against"] == "original") & (scores["method"] != "random")]
    assert np.allclose(original["value"].dropna(), 1.0, rtol=0, atol=1e-12)
    # A GradCAM map may be 0 everywhere, but not for all images; no other map may be.
    undefined = original.groupby("method")["value"].apply(lambda column: column.isna().mean())
    assert (undefined.drop(["gradcam", "guided_gradcam"]) == 0).all() and (undefined < 0.7).all()
    random = values(scores, "random")
    assert (random[:3] == pytest.approx(1.0)) and (np.abs(random[3:]) < 0.8).all()


def test_scores_are_those_of_maps_made_by_hand():
    """Re-initialise, explain and compare anew, by the plain oracles and SciPy."""
    model = toys.net("max_pool")
    scores = scores_of(model, ["guided_backprop"], draws=1, seed=5)
    broken = copy.deepcopy(model)
    for step in steps_of(model, seed=5):
        broken.load_state_dict(step.state)
        for number, (image, target) in enumerate(zip(IMAGES, TARGETS.tolist(), strict=True)):
            before, after = (toys.plain_guided_backprop(net, image, target) for net in (model, broken))
            chosen = (scores["step"] == step.step) & (scores["image"] == number) & (scores["against"] == "original")
            row = scores[chosen].set_index("metric")["value"]
            inside = (image != 0).any(0).flatten().numpy()
            for reduce, suffix in ((lambda m: m.abs().sum(0), "_abs"), (lambda m: m.sum(0), "")):
                a, b = (reduce(each).flatten().numpy() for each in (before, after))
                for kept, where in ((slice(None), ""), (inside, "_fg")):
                    expected = spearmanr(a[kept], b[kept]).statistic
                    assert row[f"spearman{suffix}{where}"] == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_intact_model_is_compared_with_itself_another_image_and_other_noise():
    scores = scores_of(toys.net("max_pool"), ["smoothgrad(samples=4)", "gradient"])
    intact = scores[scores["step"] == 0]
    assert (intact["draw"] == -1).all() and (intact["level"] == "none").all()
    found = intact.groupby(["method", "against"]).size().unstack(fill_value=0)
    assert found.loc["gradient"].to_dict() == {
        "edge": 6,
        "input": 6,
        "null_other_image": 15,
        "original": 15,
        "self": 0,
    }
    assert found.loc["smoothgrad(samples=4)", "self"] == 15
    assert np.allclose(values(intact, "smoothgrad(samples=4)"), 1.0)
    own, other = (values(intact, "smoothgrad(samples=4)", against=each) for each in ("self", "null_other_image"))
    assert (own < 1 - 1e-6).all() and own.mean() > other.mean()


def test_table_crosses_every_draw_with_every_image_step_method_and_metric():
    scores = scores_of(toys.net("max_pool"), ["gradient", "edge"], draws=3, image_ids=[7, 3, 11])
    broken = scores[(scores["step"] > 0) & (scores["against"] == "original")]
    assert len(broken) == 3 * 3 * 3 * 2 * 5
    assert not broken.duplicated(["step", "draw", "image", "method", "metric"]).any()
    assert set(scores["image"]) == {7, 3, 11} and (scores["intervention"] == "cascade").all()
    assert dict(zip(scores["image"], scores["target"], strict=True)) == {7: 0, 3: 1, 11: 3}
    assert broken.groupby("step")["level"].unique().map(list).to_dict() == {1: ["6"], 2: ["3"], 3: ["0"]}


def test_constant_maps_are_counted_as_nan():
    model = toys.net("max_pool")
    with torch.no_grad():
        model[6].weight[:] = -model[6].weight.abs()
    scores = scores_of(model, ["gradcam"], targets=torch.tensor([0, 0, 0]))
    intact = scores[(scores["step"] == 0) & (scores["against"] == "original")]
    assert intact["value"].isna().all(), "all weights negative: GradCAM is 0 everywhere"
    assert len(scores[scores["against"] == "original"]) == 5 * 3 * (1 + 2 * 3)


# ---------------------------------------------------------------- orders, settings, and the fault shown on purpose


def column(scores, intervention, step, method="gradient", metric="spearman_abs", against="original"):
    chosen = scores[(scores["intervention"] == intervention) & (scores["step"] == step)]
    return values(chosen, method, metric, against)


def test_orders_share_the_states_that_they_reach_by_other_ways():
    """Alone at the top is the cascade's first step, alone at the bottom the reverse one's, and all is all."""
    scores = scores_of(toys.net("max_pool"), ["gradient", "gradcam"], orders=ORDERS)
    for method in ("gradient", "gradcam"):
        pairs = [
            (("independent", 1), ("cascade", 1)),
            (("independent", 3), ("reverse", 1)),
            (("reverse", 3), ("cascade", 3)),
        ]
        for one, other in pairs:
            assert np.array_equal(column(scores, *one, method), column(scores, *other, method), equal_nan=True)
    assert not np.allclose(column(scores, "independent", 2), column(scores, "cascade", 2))
    reached = (
        scores[scores["step"] > 0]
        .drop_duplicates(["intervention", "step"])
        .set_index(["intervention", "step"])["level"]
    )
    assert list(reached["cascade"]) == list(reached["independent"]) == ["6", "3", "0"]
    assert list(reached["reverse"]) == ["0", "3", "6"]


@pytest.mark.parametrize("order", ["reverse", "independent"])
def test_scores_of_an_order_are_those_of_maps_made_by_hand(order):
    model = toys.net("max_pool")
    scores = scores_of(model, ["guided_backprop"], draws=1, seed=5, orders=["cascade", order])
    broken = copy.deepcopy(model)
    for step in steps_of(model, seed=5, order=order):
        broken.load_state_dict(step.state)
        found = column(scores, order, step.step, "guided_backprop")
        for number, (image, target) in enumerate(zip(IMAGES, TARGETS.tolist(), strict=True)):
            maps = (toys.plain_guided_backprop(net, image, target).abs().sum(0).flatten() for net in (model, broken))
            assert found[number] == pytest.approx(spearmanr(*maps).statistic, abs=1e-6)


def test_sweep_names_one_departure_at_a_time():
    settings = sweep(init=["tn(0.01)", "own"], prefix="nested", target=["label", "current", "original"])
    assert list(settings) == ["cascade", "cascade(init=own)", "cascade(target=current)", "cascade(target=original)"]
    assert settings["cascade"].target == "label" and settings["cascade(init=own)"].target == "label"
    assert settings["cascade(target=current)"].init == "tn(0.01)"
    for words in ([], ["own", "own"]):
        with pytest.raises(StudyError, match="init"):
            sweep(init=words)


def test_a_swept_setting_scores_as_it_does_as_the_main_one():
    model = toys.net("max_pool")
    labels = torch.tensor([1, 1, 3])
    both = {"labels": labels, "draws": 1}
    lists = {"init": ["tn(0.01)", "tn(0.1)"], "prefix": ["nested", "fresh"], "target": ["original", "current", "label"]}
    swept = scores_of(model, ["gradient", "edge"], sweep_methods=["gradient"], **lists, **both)
    for field, words in lists.items():
        for word in words[1:]:
            alone = scores_of(model, ["gradient"], **{field: word}, **both)
            for step in (1, 2, 3):
                found, expected = column(swept, f"cascade({field}={word})", step), column(alone, "cascade", step)
                assert np.array_equal(found, expected, equal_nan=True)
    assert set(swept[swept["intervention"] != "cascade"]["method"]) == {"gradient"}
    unswept = scores_of(model, ["gradient", "edge"], **lists, **both)
    assert set(unswept["intervention"]) == {"cascade"}, "without sweep methods nothing is swept"


def test_explained_class_follows_the_rule():
    model, labels = toys.net("max_pool"), torch.tensor([2, 2, 2])
    scores = scores_of(
        model, ["gradient"], labels=labels, target=["original", "label", "current"], sweep_methods=["gradient"], draws=1
    )

    def explained(intervention, step):
        chosen = scores[(scores["intervention"] == intervention) & (scores["step"] == step)]
        return chosen.drop_duplicates("image").sort_values("image")["target"].tolist()

    assert explained("cascade", 3) == TARGETS.tolist() and explained("cascade(target=label)", 3) == [2, 2, 2]
    broken = copy.deepcopy(model)
    for step in steps_of(model):
        broken.load_state_dict(step.state)
        assert explained("cascade(target=current)", step.step) == broken(IMAGES).argmax(1).tolist()


def test_costly_methods_run_in_the_main_cascade_alone():
    scores = scores_of(
        toys.net("max_pool"), ["gradient"], costly=["input"], orders=ORDERS, init=["kaiming", "tn(0.1)"],
        sweep_methods=["gradient"], draws=1,
    )  # fmt: skip
    assert set(scores[scores["method"] == "input"]["intervention"]) == {"cascade"}
    assert set(scores["intervention"]) == {*ORDERS, "cascade(init=tn(0.1))"}


def test_stale_copy_gives_a_map_that_never_changes_and_a_fresh_one_does_not():
    """A1's "entirely invariant" Guided Backprop, by the most ordinary of faults."""
    scores = scores_of(toys.net("max_pool"), ["guided_backprop"], stale=["guided_backprop"])
    stale = scores[(scores["intervention"] == "cascade(weights=stale)") & (scores["metric"] == "spearman_abs")]
    assert len(stale) == 2 * 3 * 3 and np.allclose(stale["value"], 1.0, rtol=0, atol=1e-12)
    assert (column(scores, "cascade", 3, "guided_backprop") < 0.99).all()


def test_guard_refuses_the_stale_copy():
    """The logits that the library compares before it uses a map are those of the net that is to be explained."""
    model = toys.net("max_pool")
    randomized = copy.deepcopy(model)
    randomized.load_state_dict(steps_of(model)[0].state)
    with pytest.raises(StudyError, match="other logits"):
        modified_gradient(model, IMAGES, lambda logits: logits[:, 0], ReLURule(True), randomized(IMAGES))


def test_words_that_do_not_fit_together_are_refused():
    model = toys.net("mlp")
    for options in (
        {"orders": ["reverse"]}, {"orders": ["cascade", "cascade"]}, {"orders": ["cascade", "sideways"]},
        {"target": "label"}, {"target": "best"}, {"bn": "keep"}, {"init": "own"}, {"prefix": ["nested", "nested"]},
        {"sweep_methods": ["edge"]}, {"stale": ["guided_backprop"]}, {"costly": ["gradient"]},
    ):  # fmt: skip
        with pytest.raises(StudyError):
            scores_of(model, ["gradient"], **options)


# ---------------------------------------------------------------- scores: what they must not depend on


def test_same_seed_gives_the_same_table_and_another_seed_another():
    model = toys.net("max_pool")
    methods = METHODS + CONTROLS
    first = scores_of(model, methods)
    pd.testing.assert_frame_equal(first, scores_of(model, methods), check_exact=True)
    other = scores_of(model, methods, seed=1)
    assert not np.allclose(values(first, "gradient")[3:], values(other, "gradient")[3:])


def test_order_and_company_of_methods_do_not_matter():
    model = toys.net("max_pool")
    methods = METHODS + CONTROLS
    together, backwards = scores_of(model, methods), scores_of(model, methods[::-1])
    for method in methods:
        alone = scores_of(model, [method])
        for other in (together, backwards):
            chosen = other[other["method"] == method].reset_index(drop=True)
            pd.testing.assert_frame_equal(alone, chosen, check_exact=True)


def test_images_in_parts_score_as_they_do_together(monkeypatch):
    model, images, targets = toys.net("max_pool"), toys.images(11), torch.arange(11) % 4
    methods = ["gradient", "smoothgrad(samples=4)", "random"]

    def sorted_scores():
        scores = scores_of(model, methods, images, targets)
        scores = scores[scores["against"] != "null_other_image"]
        return scores.sort_values(["method", "against", "step", "draw", "metric", "image"]).reset_index(drop=True)

    together = sorted_scores()
    monkeypatch.setattr("lib.workspace._PASS_NUMBERS", 1)
    pd.testing.assert_frame_equal(together, sorted_scores(), check_exact=False, rtol=1e-9, atol=1e-9)


def test_number_of_an_image_names_its_noise_not_its_place():
    model = toys.net("max_pool")
    whole = scores_of(model, ["smoothgrad(samples=4)", "random"], image_ids=[4, 5, 6])
    alone = scores_of(model, ["smoothgrad(samples=4)", "random"], IMAGES[2:], TARGETS[2:], image_ids=[6])
    keys = ["method", "against", "step", "draw", "metric", "image"]
    merged = alone.merge(whole, on=keys, suffixes=("", "_whole"))
    assert len(merged) == len(alone) and np.allclose(merged["value"], merged["value_whole"], atol=1e-9)


def test_nested_and_fresh_differ_after_the_first_step_has_its_own_draw():
    model = toys.net("max_pool")
    nested, fresh = (values(scores_of(model, ["gradient"], prefix=p), "gradient") for p in ("nested", "fresh"))
    assert nested.shape == fresh.shape and not np.allclose(nested[3:], fresh[3:])


@pytest.mark.parametrize("training", [True, False])
def test_users_model_is_bit_identical_afterwards(training):
    model = toys.net("residual").train(training)
    model.norm1.eval()
    model.conv1.weight.requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    flags = [module.training for module in model.modules()]
    wanted = [parameter.requires_grad for parameter in model.parameters()]
    kept = IMAGES.clone()
    scores_of(model, METHODS, draws=1)
    randomization_maps(model, IMAGES, TARGETS, METHODS)
    explained_classes(model, IMAGES)
    assert list(model.state_dict()) == list(before) and same_tensors(model.state_dict(), before, list(before))
    assert [module.training for module in model.modules()] == flags
    assert [parameter.requires_grad for parameter in model.parameters()] == wanted
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.equal(IMAGES, kept)


# ---------------------------------------------------------------- maps for galleries, classes, refusals


def test_gallery_maps_are_those_of_the_oracles_at_every_step():
    model = toys.net("max_pool")
    maps = randomization_maps(model, IMAGES, TARGETS, ["guided_backprop", "input"], orders=ORDERS, seed=5)
    assert maps["guided_backprop"].shape == (3, 4, 3, 6, 6)
    broken = copy.deepcopy(model)
    for place, order in enumerate(ORDERS):
        states = [model.state_dict(), *(step.state for step in steps_of(model, seed=5, order=order))]
        for number, state in enumerate(states):
            broken.load_state_dict(state)
            expected = toys.plain_guided_backprop(broken, IMAGES[1], 1).sum(0)
            assert torch.allclose(maps["guided_backprop"][place, number, 1], expected, rtol=1e-9, atol=1e-30)
            assert torch.equal(maps["input"][place, number], IMAGES.sum(1))


def test_explained_classes_are_the_largest_logits_in_evaluation_mode(any_net):
    _, model, images, _ = any_net
    expected = torch.stack([model(image[None])[0].argmax() for image in images])
    assert torch.equal(explained_classes(model.train(), images), expected)


def test_lengths_that_do_not_agree_are_refused():
    for options in ({"targets": TARGETS[:2]}, {"image_ids": [0, 1]}, {"labels": TARGETS[:1]}):
        with pytest.raises(StudyError, match="3 images"):
            scores_of(toys.net("mlp"), ["gradient"], **options)


def test_method_that_is_not_defined_for_the_model_is_refused_before_any_draw(monkeypatch):
    """One clear sentence in the first seconds, not a traceback after an hour."""
    monkeypatch.setattr("lib.randomization.steps", lambda *_, **__: pytest.fail("the cascade began"))
    gelu = nn.Sequential(nn.Flatten(), nn.Linear(72, 8), nn.GELU(), nn.Linear(8, 4)).double()
    for model, methods in (
        (gelu, ["gradient", "guided_backprop"]),
        (gelu, ["gradcam"]),
        (toys.net("mlp"), ["gradient", "guided_gradcam"]),
        (toys.net("mlp"), ["gradient", "toys:wrong_shape"]),
        (toys.net("mlp"), ["gradient", "toys:halves_the_weights"]),
        (toys.net("mlp"), ["gradient", "gradient"]),
        (toys.net("mlp"), ["gradiant"]),
    ):
        with pytest.raises(StudyError):
            check_methods(model, Examples.of(IMAGES, TARGETS), methods)
        with pytest.raises(StudyError):
            scores_of(model, methods)
