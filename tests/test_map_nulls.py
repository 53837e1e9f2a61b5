"""Matched nulls of maps: the numbers of the cascade, other normalisations beside them, and what tables make of them."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from made_up import around, rows_of
from scipy import stats
from skimage.metrics import structural_similarity
from torch import nn

from lib import attributions, calibration, data, figures, training
from lib.chance import spearman_std
from lib.claims import CONTRADICTED, INCONCLUSIVE, SUPPORTED, decide
from lib.comparison import Examples
from lib.errors import StudyError
from lib.map_nulls import PICTURES, null_pictures, null_scores
from lib.nulls import NULLS
from lib.randomization import explained_classes, randomization_scores
from lib.training import Recipe
from lib.workspace import working_copy

METHODS = ["gradient", "smoothgrad(samples=3)", "gradient_x_input", "guided_backprop", "edge"]
IDS = [5, 2, 11, 7]
KEYS = ["step", "draw", "image", "target", "method", "metric", "against"]


def net(seed=0):
    torch.manual_seed(seed)
    layers = [nn.Conv2d(2, 4, 5), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 14 * 16, 8)]
    return nn.Sequential(*layers, nn.ReLU(), nn.Linear(8, 3)).double()


IMAGES = torch.randn(4, 2, 20, 22, generator=torch.Generator().manual_seed(0), dtype=torch.float64).clamp(min=-0.3)
TARGETS = torch.tensor([0, 1, 2, 1])
GIVEN = {"init": "kaiming", "background": -0.3, "image_ids": IDS, "seed": 3}


@pytest.fixture(scope="module")
def table():
    return null_scores(net(), IMAGES, TARGETS, METHODS, draws=2, **GIVEN)


def test_what_the_cascade_has_too_is_the_same_to_the_last_bit(table):
    metrics = ["spearman_abs", "spearman", "spearman_abs_fg", "ssim"]
    cascade = randomization_scores(
        net(), IMAGES, TARGETS, METHODS, draws=2, metrics=metrics, nulls=NULLS, orders=["cascade"], **GIVEN
    )
    cascade = cascade[~cascade.against.isin(["edge", "input"]) & cascade.step.isin([0, 1, 2, 4])]
    ours = table[table.metric.isin(metrics) & (table.against != "gaussian_mask")]
    one, other = (each.set_index(KEYS).value.sort_index() for each in (ours, cascade))
    pd.testing.assert_series_equal(one, other, check_exact=True)
    assert set(table.intervention) == {"calibration"}
    levels = dict(zip(cascade.step, cascade.level, strict=True))
    assert dict(zip(table.step, table.level, strict=True)) == levels


def maps_of(method, targets=TARGETS):
    """Signed sums over channels of the intact net's maps, (N, H, W)."""
    workspace = Examples.of(IMAGES, targets, image_ids=IDS).workspace(working_copy(net()), "original", 3, "trained")
    return attributions.method(method)(workspace).sum(1).numpy()


SCALES = {
    "ssim": lambda plane: plane / np.abs(plane).max(),
    "ssim(normalisation=p99)": lambda plane: np.clip(plane / np.quantile(np.abs(plane), 0.99), -1, 1),
    "ssim(normalisation=std)": lambda plane: plane / np.sqrt((plane**2).mean()),
}


@pytest.mark.parametrize("metric", SCALES)
def test_other_normalisations_divide_by_another_scale(table, metric):
    maps = maps_of("guided_backprop")
    # The map of another image is that of the one half a batch on.
    for number, other in enumerate([2, 3, 0, 1]):
        planes = [SCALES[metric](maps[each]) for each in (number, other)]
        expected = structural_similarity(*planes, data_range=2, win_size=5)
        chosen = table[(table.method == "guided_backprop") & (table.metric == metric) & (table.image == IDS[number])]
        assert chosen[chosen.against == "null_other_image"].value.item() == pytest.approx(expected, abs=1e-9)
        assert chosen[(chosen.against == "original") & (chosen.step == 0)].value.item() == pytest.approx(1.0)


def test_masks_are_of_the_image_and_of_nothing_else(table):
    own = table[table.against == "gaussian_mask"]
    assert set(own.step) == {0} and len(own) == 4 * len(METHODS) * 6
    # The same images in another company, by another net: the mask of an image stays.
    few = null_scores(net(), IMAGES[[3, 0]], TARGETS[[3, 0]], METHODS, draws=1, **GIVEN | {"image_ids": [7, 5]})
    keys = ["image", "method", "metric"]
    one, other = (each[each.against == "gaussian_mask"].set_index(keys).value for each in (few, own))
    assert one.to_numpy() == pytest.approx(other.loc[one.index].to_numpy(), abs=1e-9)
    ranks = own[own.metric == "spearman"].value
    assert ranks.abs().max() < 5 * spearman_std(440) and ranks.nunique() == len(ranks)


def test_pictures_are_the_maps_behind_the_numbers(table):
    found = null_pictures(net(), IMAGES, TARGETS, METHODS[:4], **GIVEN)
    against = ["original", "null_other_class", "null_other_image", "null_shuffle", "original"]
    for method, planes in found.items():
        assert planes.shape == (len(PICTURES), 20, 22)
        own = table[(table.method == method) & (table.image == IDS[0]) & table.draw.isin([-1, 0])]
        for number, plane in enumerate(planes.numpy()):
            chosen = own[(own.against == against[number]) & (own.step == (4 if number == 4 else 0))]
            values = chosen.set_index("metric").value
            signed = stats.spearmanr(planes[0].flatten(), plane.flatten()).statistic
            assert values["spearman"] == pytest.approx(signed, abs=1e-9)
            pair = [SCALES["ssim"](each) for each in (planes[0].numpy(), plane)]
            assert values["ssim"] == pytest.approx(structural_similarity(*pair, data_range=2, win_size=5), abs=1e-9)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"draws": 0}, "draws is 0"),
        ({"init": "normal"}, "'normal' is not known"),
        ({"images": IMAGES[:1], "targets": TARGETS[:1], "image_ids": [5]}, "one image only"),
        ({"methods": ["gradiant"]}, "gradiant"),
    ],
)
def test_wrong_arguments_are_refused(change, words):
    given = {"images": IMAGES, "targets": TARGETS, "methods": METHODS, "draws": 2} | GIVEN | change
    with pytest.raises(StudyError, match=words):
        null_scores(net(), **given)


def test_the_model_is_as_it_was():
    model = net()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    null_scores(model, IMAGES, TARGETS, ["gradient"], draws=1, **GIVEN)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


# Tables ------------------------------------------------------------------------------------------------------------


def made_up(values, null, method="gradient", metric="ssim", ceiling=None):
    """One method of one net: similarities at steps 1, 2 and 4, its nulls, and perhaps its ceiling."""
    same = {"method": method, "metric": metric, "intervention": "calibration"}
    tables = [
        rows_of(around(value, seed=step), step=step, **same) for step, value in zip((1, 2, 4), values, strict=True)
    ]
    nulls = dict(zip(NULLS, null, strict=True)) | ({} if ceiling is None else {"self": ceiling})
    tables += [
        rows_of(around(value, draws=1, seed=9), step=0, against=against, **same).assign(draw=-1)
        for against, value in nulls.items()
    ]
    return pd.concat(tables, ignore_index=True)


def test_a_similarity_is_counted_from_the_mean_of_its_null():
    table = pd.concat(
        [made_up([0.9, 0.8, 0.6], [0.2, 0.1, 0.6]), made_up([0.9, 0.8, 0.3], [0.5, 0.1, 0.9], "guided_backprop")]
    )
    found = calibration.corrected_table(table, ["guided_backprop", "gradient", "gradcam"], "ssim")
    assert list(found.index) == ["guided_backprop", "gradient"]
    assert found.loc["gradient"].tolist() == pytest.approx([0.6, 0.2, 0.5, 0.1, 0.5 / 0.9, 0.6, 0.0], abs=1e-12)
    assert found.loc["guided_backprop", ("other image", "corrected")] == pytest.approx(-0.4)
    estimate = calibration.corrected_estimate(table, "gradient", "ssim", "null_other_image", 4)
    assert estimate.low < 0.5 < estimate.high and estimate.high - estimate.low < 0.1
    assert (estimate.images, estimate.draws) == (10, 3)


def test_images_of_value_and_null_are_paired():
    """Where each image's value follows its null, the corrected value is known far better than either."""
    images = np.linspace(0.1, 0.5, 10)
    same = {"metric": "ssim", "intervention": "calibration"}
    values = rows_of(np.tile((0.5 + 0.5 * images)[:, None], 3), step=4, **same)
    nulls = rows_of(images, step=0, against="null_other_image", **same).assign(draw=-1)
    estimate = calibration.corrected_estimate(pd.concat([values, nulls]), "gradient", "ssim", "null_other_image", 4)
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((0.5, 0.5, 0.5), abs=1e-9)


def test_what_means_similar_is_set_by_the_highest_null():
    table = made_up([0.9, 0.8, 0.6], [0.2, 0.1, 0.59], "smoothgrad", ceiling=0.95)
    row = calibration.what_means_similar(table, ["smoothgrad", "random"], ["ssim"]).loc[("ssim", "smoothgrad")]
    worst = table[table.against == "null_other_class"].value
    assert row["above"] == pytest.approx(np.quantile(worst, 0.975))
    assert row["set by"] == "other class"
    assert (row["ceiling"], row["random net"]) == pytest.approx((0.95, 0.6))
    full = table[(table.step == 4)].value
    assert row["exceeding"] == pytest.approx((full > row["above"]).mean()) and 0 < row["exceeding"] < 1
    without = calibration.what_means_similar(made_up([0.9, 0.8, 0.6], [0.2, 0.1, 0.3]), ["gradient"], ["ssim"])
    assert without["ceiling"].item() == 1.0


def test_constant_maps_are_left_out():
    table = made_up([0.9, 0.8, 0.6], [0.2, 0.1, 0.3])
    table.loc[table.step == 4, "value"] = math.nan
    row = calibration.what_means_similar(table, ["gradient"], ["ssim"]).iloc[0]
    assert math.isnan(row["random net"]) and math.isnan(row["exceeding"])
    assert math.isnan(calibration.corrected_table(table, ["gradient"], "ssim").loc["gradient", ("", "raw")])


def test_maps_beside_masks_have_the_error_of_chance(table):
    found = calibration.beside_masks(table, ["gradient_x_input", "gradient", "gradcam"], 440)
    assert list(found.index) == ["gradient_x_input", "gradient"]
    assert list(found.columns) == ["ρ", "ρₐ", "SSIM", "standard error"]
    assert found["standard error"].unique() == pytest.approx([1 / math.sqrt(439 * 4)])
    own = table[(table.method == "gradient") & (table.metric == "ssim") & (table.against == "gaussian_mask")]
    assert found.loc["gradient", "SSIM"] == pytest.approx(own.value.mean())


def test_figures_are_drawn(table):
    scores = table.assign(model="toy", dataset="none", seed=0)
    planes = null_pictures(net(), IMAGES, TARGETS, METHODS[:2], **GIVEN)
    grid = figures.null_grid({name: each.numpy() for name, each in planes.items()}, scores, IDS[0])
    own = scores[(scores.method == "gradient") & (scores.image == IDS[0]) & (scores.against == "null_other_class")]
    told = f"SSIM {own[own.metric == 'ssim'].value.item():.2f}".replace("-", "−")
    assert told in grid.axes[1].get_xlabel()
    rows = figures.null_rows(scores, METHODS, ["ssim", "spearman_abs"])
    assert len(rows.axes) == 2 and all(axis.has_data() for axis in rows.axes)
    axes = figures.normalisation_rows(scores, METHODS[:4], 0.5).axes
    assert all(axis.has_data() for axis in axes)
    means = scores[(scores.method == "gradient") & (scores.metric == "ssim")]
    last, null = means[means.step == 4].value.mean(), means[means.against == "null_other_class"].value.mean()
    assert figures.beside_null_words(scores, ["gradient"], "ssim") == f"Gradient {last:.2f} (null {null:.2f})"


# Claims ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nulls", "verdict"),
    [([0.01, 0.02, 0.9], SUPPORTED), ([0.3, 0.02, 0.0], CONTRADICTED), ([0.01, 0.3, 0.0], CONTRADICTED)],
)
def test_metrics_are_meaningful_if_their_nulls_are_low(nulls, verdict):
    table = pd.concat([made_up([0.9, 0.8, 0.6], nulls, metric=metric) for metric in ("ssim", "spearman_abs")])
    control = made_up([1.0, 1.0, 1.0], [0.5, 0.5, 1.0], "input", metric="ssim")
    assert decide("A-89", pd.concat([table, control]))["verdict"] == verdict
    # A second training seed is not asked.
    again = made_up([0.9, 0.8, 0.6], [0.5, 0.5, 0.5]).assign(seed=1)
    assert decide("A-89", pd.concat([table, again]))["verdict"] == verdict


@pytest.mark.parametrize(
    ("upper", "verdict"),
    [
        ([0.7, 0.6, 0.65], SUPPORTED),
        ([0.3, 0.1, 0.2], SUPPORTED),
        ([0.7, 0.6, 0.3], CONTRADICTED),
        ([0.7, 0.3, 0.6], CONTRADICTED),
        ([0.7, 0.6, 0.5], INCONCLUSIVE),
    ],
)
def test_the_normalisation_decides_or_does_not(upper, verdict):
    """Steps 1 and 2 are the upper half; what happens below it is not asked."""
    nulls = [0.1, 0.1, 0.1]
    products = pd.concat(
        [
            made_up([value + 0.05, value - 0.05, 0.4], nulls, method, metric)
            for method in ("gradient_x_input", "integrated_gradients")
            for metric, value in zip(SCALES, upper, strict=True)
        ]
    )
    assert decide("A-82", products)["verdict"] == verdict
    steady = products[products.method == "integrated_gradients"]
    other = pd.concat([made_up([0.7, 0.7, 0.7], nulls, "gradient_x_input", metric) for metric in SCALES])
    assert decide("A-82", pd.concat([steady, other]))["verdict"] == verdict


# Findings ----------------------------------------------------------------------------------------------------------


def test_products_with_the_input_are_as_similar_as_maps_for_another_class(digits):
    """On a net trained for seconds: SSIM and absolute ranks are high, and the null that shares the zeros is as high."""
    dataset = data.load("mnist-5k")
    model, _ = training.train(Recipe("cnn", "mnist-5k", 0, 60, 48, 0.001, 0.001))
    images = dataset.test_images[data.balanced(dataset.test_labels, 10)]
    methods = ["gradient", "gradient_x_input", "random"]
    scores = null_scores(model, images, explained_classes(model, images), methods, draws=2, init="tn(0.01)")
    scores = scores.assign(model="cnn", dataset="mnist-5k", seed=0)
    for metric, least in (("ssim", 0.35), ("spearman_abs", 0.95)):
        row = calibration.corrected_table(scores, methods, metric).loc["gradient_x_input"]
        assert row["", "raw"] > least
        assert row["other class", "null"] == pytest.approx(row["", "raw"], abs=0.1)
        assert row["other image", "null"] > 0.2
        assert row["other image", "corrected"] > 0.1
    assert decide("A-89", scores)["verdict"] == CONTRADICTED
    masks = calibration.beside_masks(scores, methods, 784)
    assert masks[["ρ", "ρₐ"]].abs().max(axis=None) < 4 * masks["standard error"].iloc[0]
