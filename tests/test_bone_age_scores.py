"""The scores of bone age: rows under their own names, clean hands, errors in months, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from made_up import rows_of, scores
from torch import nn

from lib import bone_age_pictures, bone_age_scores, figures
from lib.attributions.rectified import GuidedBackprop
from lib.bone_age import CENTRE, BoneAgeNet
from lib.bone_age_calls import bone_age_calls, bone_age_picture_calls
from lib.bone_age_pictures import hand_pictures
from lib.bone_age_scores import (
    CLEAN,
    DATASET,
    MODEL,
    PREFIX,
    cascade_scores,
    clean_hands,
    error_scores,
)
from lib.bone_age_tables import error_table, error_words, of_net, on_clean_hands, with_corrected
from lib.calls import Call
from lib.comparison import Examples
from lib.errors import StudyError
from lib.explained import maps_of
from lib.hands import drawn_ages, drawn_looks, hands
from lib.initialisers import law_named
from lib.reinitialisation import steps
from lib.units import units_of

RECIPE = {"train_hands": 40, "iterations": 3, "training_seed": 7}
PLAN = {
    "methods": ["guided_backprop", "input"],
    "sweep_methods": ["guided_backprop"],
    "orders": ["cascade", "reverse"],
    "init": ["tn(0.01)", "own"],
    "count": 2,
    "draws": 1,
}


class Constant(nn.Module):
    """Tells the same age of every hand."""

    def forward(self, x):
        return torch.full((len(x), 1), 0.5)


@pytest.fixture
def untrained(monkeypatch):
    """A net in the place of the trained one."""
    model = BoneAgeNet().eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(3)
    for value in model.parameters():
        value.copy_(torch.randn(value.shape, generator=generator) * 0.2 + (value.dim() == 1))
    asked = []
    for module in (bone_age_scores, bone_age_pictures):
        monkeypatch.setattr(module, "trained", lambda recipe: asked.append(recipe) or model)
    return model, asked


def test_rows_stand_under_names_of_their_own(untrained):
    noisy, clean = (cascade_scores(**RECIPE, **PLAN, clean=each) for each in (False, True))
    asked = untrained[1]
    assert {(each.hands, each.iterations, each.seed) for each in asked} == {(40, 3, 7)}
    for table, prefix in ((noisy, PREFIX), (clean, CLEAN)):
        assert set(table.intervention) == {prefix + each for each in ("cascade", "reverse", "cascade(init=own)")}
        assert {(MODEL, DATASET, 7)} == set(zip(table.model, table.dataset, table.seed, strict=True))
        assert set(table.target) == {0} and set(table.metric) == {"spearman_abs", "spearman", "ssim"}
    table = scores(noisy, clean)
    for found, given in ((of_net(table, 7), noisy), (on_clean_hands(table, 7), clean)):
        assert found.value.equals(given.set_axis(found.index).value)
        assert set(found.intervention) == {"cascade", "reverse", "cascade(init=own)"}
    assert of_net(table, 0).empty
    controls = noisy[(noisy.method == "input") & (noisy.against == "original")]
    assert np.allclose(controls.value, 1.0)
    last = noisy[(noisy.method == "guided_backprop") & (noisy.against == "original") & (noisy.step == 6)]
    assert set(last.level) == {"conv1", "age"} and (last.value < 0.9).all()


def test_clean_hands_are_those_without_noise_on_black():
    clean, noisy = clean_hands(drawn_ages(4, "some"), "some"), hands(4, "some").images
    looks = drawn_looks(4, "some")
    assert (clean[:, 0, 0] == 0).all() and (clean > 0.1).float().mean() > 0.2
    background = clean == 0
    for i in range(4):
        brighter = (noisy[i] - clean[i])[~background[i]].mean()
        assert brighter == pytest.approx(float(looks.brightness[i]), abs=0.003)


def test_errors_are_in_months_beside_those_of_the_mean_age(monkeypatch):
    monkeypatch.setattr(bone_age_scores, "trained", lambda recipe: Constant())
    table = error_scores(**RECIPE, count=30)
    ages, known = drawn_ages(30, "test").numpy(), drawn_ages(40, "train").numpy()
    told = CENTRE + 0.5 * 60.0
    values = {key: group.sort_values("image").value.to_numpy() for key, group in table.groupby(["level", "metric"])}
    np.testing.assert_allclose(values["net", "absolute_error"], np.abs(told - ages))
    np.testing.assert_allclose(values["the mean age", "absolute_error"], np.abs(known.mean() - ages))
    np.testing.assert_allclose(values["net", "age"], ages)
    assert (values["net", "told_age"] == told).all()
    found = error_table(table, [7])
    assert list(found.index) == ["net, training seed 7", "the mean age"]
    np.testing.assert_allclose(found["error"], [np.abs(told - ages).mean(), np.abs(known.mean() - ages).mean()])
    net, mean = error_words(of_net(table, 7))
    assert net.startswith(f"{found['error'].iloc[0]:.1f} [") and mean.startswith(f"{found['error'].iloc[1]:.1f} [")
    dots = figures.told_ages(of_net(table, 7)).axes[0].lines[1]
    np.testing.assert_allclose(sorted(dots.get_xdata()), sorted(ages))
    assert set(dots.get_ydata()) == {told}


def test_pictures_are_maps_of_the_trained_net_and_of_the_wholly_random_one(untrained):
    model, _ = untrained
    laws = ["tn(0.01)", "own"]
    found = hand_pictures(**RECIPE, ages=[24.0, 200.0], methods=["guided_backprop", "gradient"], init=laws)
    columns = [*figures.map_columns("guided_backprop", laws), *figures.map_columns("gradient", laws[:1])]
    clean = [*figures.map_columns("guided_backprop", laws, "clean, ")]
    assert set(found) == {"alike", "image", "clean", "edge", *columns, *clean}
    *_, last = steps(model, units_of(model, found["image"].unsqueeze(1)), law_named("own", model), 0)
    random = BoneAgeNet().eval().requires_grad_(False)
    random.load_state_dict(last.state)
    for image, kind in (("image", ""), ("clean", "clean, ")):
        examples = Examples.of(found[image].unsqueeze(1), torch.zeros(2, dtype=torch.int64))
        for net, words in ((model, "trained"), (random, "random, own")):
            maps = maps_of(net, examples, [GuidedBackprop()])["guided_backprop"]
            assert torch.equal(found[f"{kind}guided_backprop, {words}"], maps[:, 0])
    assert torch.equal(found["clean"], clean_hands(torch.tensor([24.0, 200.0]).double(), "shown")[:, 0])
    assert (found["edge"] >= 0).all() and found["alike"].shape == (2, 96, 96)
    figure = figures.hand_maps(
        found, [24.0, 200.0], dict.fromkeys(["image"], "image") | dict(zip(clean, "abc", strict=True))
    )
    assert [axis.get_title() for axis in figure.axes[:4]] == ["image", "a", "b", "c"] and len(figure.axes) == 8
    assert [axis.images[0].get_cmap().name for axis in figure.axes[:2]] == ["gray", "RdBu_r"]


def made(value, against="original", step=6, method="guided_backprop", metric="ssim", intervention="cascade", draw=0):
    table = rows_of([[each] for each in value], method, metric, step, MODEL, DATASET, intervention=intervention)
    return table.assign(against=against, draw=draw, level=f"unit{step}")


def whole(end=(0.5, 0.6), null=(0.3, 0.2), law="cascade"):
    """Scores of a net of one step: the SSIM and rank correlation at the end, and of another hand."""
    tables = []
    for metric in ("ssim", "spearman_abs"):
        tables.append(made((1.0, 1.0), step=0, metric=metric, draw=-1))
        tables.append(made(null, "null_other_image", 0, metric=metric, draw=-1))
        tables.append(made(end, step=1, metric=metric, intervention=law))
    return scores(*tables)


def test_ssim_is_counted_from_that_of_another_hand():
    found = with_corrected(whole())
    stars = found[(found.metric == "ssim_corrected") & (found.against == "original") & (found.step == 1)]
    np.testing.assert_allclose(stars.sort_values("image").value, [0.2 / 0.7, 0.4 / 0.8])
    null = found[(found.metric == "ssim_corrected") & (found.against == "null_other_image")]
    assert (null.value == 0).all()
    words = figures.complete_words(whole(), ["guided_backprop"], "cascade")
    assert words == "Guided Backprop ρₐ 0.55, SSIM 0.55, s* 0.39"


def test_no_mark_of_the_complete_randomization_is_cut_off():
    figure = figures.complete_dots(
        whole((0.1, -0.2), (0.8, 0.7)), ["guided_backprop"], {"cascade": "tn"}, {"ssim_corrected": 0.8}
    )
    stars = (-3.5 - 3.0) / 2
    axis = figure.axes[2]
    drawn = [line.get_xdata()[0] for line in axis.lines if line.get_marker() == "D"]
    assert drawn == [pytest.approx(stars)] and axis.get_xlim()[0] < stars
    assert any(line.get_linestyle() == ":" and list(line.get_xdata()) == [0.8, 0.8] for line in axis.lines)


class FakeStudy:
    """Takes calls as a study does."""

    def call(self, function, **settings):
        methods = settings.pop("methods", [])
        return Call(function, methods=methods, settings=settings)


GOOD = {
    "seeds": [3, 4],
    "recipe": {"train_hands": 40, "iterations": 2},
    "methods": ["guided_backprop", "input"],
    "orders": ["cascade", "reverse"],
    "init": ["tn(0.01)", "own"],
    "n_images": 2,
    "test_hands": 2,
    "draws": 1,
}


def test_each_seed_is_a_net_and_clean_hands_are_for_the_first():
    calls = bone_age_calls(FakeStudy(), **GOOD)
    told = [(each.function.__name__, each.settings["training_seed"], "clean" in each.settings) for each in calls]
    two = ["cascade_scores", "error_scores"]
    assert told == [*((name, seed, False) for seed in (3, 4) for name in two), ("cascade_scores", 3, True)]
    assert calls[0].settings["sweep_methods"] == ["guided_backprop"]
    assert calls[-1].settings["orders"] == ["cascade"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"seeds": []}, "seeds is"),
        ({"seeds": [1, 1]}, "each once"),
        ({"recipe": {"train_hands": 31, "iterations": 2}}, "at least one batch of 32 hands"),
        ({"init": ["tn(0.02)"]}, "initialiser 'tn"),
        ({"methods": ["lime"]}, "lime"),
        ({"methods": ["edge", "input"]}, "at least one that looks at the net"),
        ({"methods": ["gradcam"]}, "GradCAM needs a convolutional layer"),
        ({"orders": ["reverse"]}, "start with cascade"),
        ({"n_images": 1}, "n_images is 1; it must be at least 2"),
        ({"test_hands": 0}, "test_hands is 0"),
        ({"draws": 0}, "draws is 0"),
    ],
)
def test_what_cannot_be_run_is_refused_before_a_net_is_trained(change, sentence):
    with pytest.raises(StudyError, match=sentence):
        bone_age_calls(FakeStudy(), **GOOD | change)


@pytest.mark.parametrize("ages", [[], [11.0], [24.0, 217.0]])
def test_hands_of_impossible_ages_are_not_shown(ages):
    given = {name: GOOD[name] for name in ("seeds", "recipe", "methods", "init")}
    with pytest.raises(StudyError, match="from 12 to 216 months"):
        bone_age_picture_calls(FakeStudy(), **given, ages=ages)
