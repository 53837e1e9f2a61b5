"""A comparison computes the metrics and nulls that it was asked for, everywhere, and names its draws."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lib import attributions, nulls
from lib.comparison import Comparison, Examples
from lib.errors import StudyError
from lib.similarity import METRICS, RANK_METRICS, PreparedMaps, compare, normalised
from lib.ssim import ssim
from lib.workspace import working_copy

METHODS = attributions.methods(["gradient", "smoothgrad(samples=3)", "random"])
IDS = [5, 2, 11, 7]


def net(classes=3, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(2, 4, 5), nn.ReLU(), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(36, classes))


IMAGES = torch.randn(4, 2, 48, 50, generator=torch.Generator().manual_seed(0))
TARGETS = torch.tensor([0, 1, 2, 1])


def comparison(images=slice(0, 4), model=None, **options):
    examples = Examples.of(IMAGES[images], TARGETS[images], image_ids=IDS[images])
    made = Comparison(working_copy(net() if model is None else model), examples, 0.0, 3, **options)
    made.remember("original", METHODS)
    return made


def test_without_a_choice_the_five_rank_metrics_and_the_other_image_are_compared():
    found = comparison().intact_scores(METHODS, "original").values
    assert {metric for _, against, metric in found if against == "original"} == set(RANK_METRICS)
    assert {against for _, against, _ in found} == {"original", "null_other_image", "self", "edge", "input"}
    assert {metric for _, against, metric in found if against == "edge"} == {"spearman_abs", "spearman_abs_fg"}


def test_the_metrics_chosen_are_used_everywhere():
    chosen = comparison(metrics=("ssim", "spearman_abs", "hog"), nulls=nulls.NULLS)
    intact = chosen.intact_scores(METHODS, "original").values
    chosen.working.load_state_dict(net(seed=1).state_dict())
    later = chosen.scores(METHODS, "original", "another").values
    stale = chosen.stale_scores(METHODS, "original").values
    for found in (intact, later, stale):
        for against in {each for _, each, _ in found}:
            expected = {"spearman_abs"} if against in ("edge", "input") else {"ssim", "spearman_abs", "hog"}
            assert {metric for _, each, metric in found if each == against} == expected
    assert {against for _, against, _ in intact} == {"original", "self", "edge", "input", *nulls.NULLS}
    assert {against for _, against, _ in later} == {"original", "edge", "input"}


def test_every_null_compares_the_map_that_it_names():
    chosen = comparison(metrics=METRICS, nulls=nulls.NULLS)
    found = chosen.intact_scores(METHODS, "original").values
    model = net().eval()

    def gradient(targets):
        leaf = IMAGES.clone().requires_grad_(True)
        return torch.autograd.grad(model(leaf).gather(1, targets[:, None]).sum(), leaf)[0]

    maps = gradient(TARGETS)
    drawn = nulls.other_classes(TARGETS, 3, IDS, 3)
    expected = {
        "original": maps,
        "null_other_image": maps.roll(2, 0),
        "null_shuffle": nulls.shuffled(maps, IDS, 3),
        "null_other_class": gradient(drawn),
    }
    for against, other in expected.items():
        values = compare(*(PreparedMaps(each, chosen.mask) for each in (maps, other)), METRICS)
        for metric in METRICS:
            assert torch.allclose(found["gradient", against, metric], values[metric], rtol=0, atol=1e-4), metric
    assert found["gradient", "null_other_class", "spearman"].max() < 0.99
    # A map that does not look at the model does not look at the class.
    assert (found["random", "null_other_class", "spearman"] == found["random", "original", "spearman"]).all()


def test_nulls_do_not_depend_on_the_batch_an_image_stands_in():
    options = {"metrics": ("spearman", "ssim"), "nulls": ("null_shuffle", "null_other_class")}
    whole = comparison(**options).intact_scores(METHODS, "original").values
    alone = comparison(slice(1, 2), **options).intact_scores(METHODS, "original").values
    assert set(whole) == set(alone)
    for key, value in alone.items():
        assert torch.allclose(value, whole[key][1:2], rtol=0, atol=1e-4), key


def test_one_image_has_no_null_of_another_image():
    found = (
        comparison(slice(0, 1), nulls=("null_other_image", "null_shuffle")).intact_scores(METHODS, "original").values
    )
    assert "null_other_image" not in {against for _, against, _ in found}


def test_normalisation_reaches_the_metrics():
    by = {word: comparison(metrics=("ssim",), normalisation=word) for word in ("max", "std")}
    for word, made in by.items():
        maps = made.intact["original", "gradient"].maps.sum(1)
        expected = ssim(normalised(maps, word), normalised(maps.roll(2, 0), word))
        found = made.intact_scores(METHODS, "original").values["gradient", "null_other_image", "ssim"]
        assert torch.allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metrics": ("psnr",)}, "metrics is"),
        ({"nulls": ("null_noise",)}, "nulls is"),
        ({"normalisation": "sum"}, "normalisation is"),
    ],
)
def test_unknown_words_are_refused(options, words):
    with pytest.raises(StudyError, match=words):
        comparison(**options)


def test_a_model_of_one_class_has_no_other_class():
    made = Comparison(working_copy(net(1)), Examples.of(IMAGES, TARGETS * 0), 0.0, 0, nulls=("null_other_class",))
    made.remember("original", METHODS[:1])
    with pytest.raises(StudyError, match="null_other_class"):
        made.intact_scores(METHODS[:1], "original")
