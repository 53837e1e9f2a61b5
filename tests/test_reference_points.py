"""Maps with different references: encoding, references that are the same, every number against a plain one, figures."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
import toys
from oracles import plain_gradient, plain_integrated_gradients, plain_pattern_map
from scipy import stats
from torch import nn

from lib import figures, image_models, reference_points
from lib.claims import decide
from lib.errors import StudyError
from lib.image_models import architecture
from lib.image_sets import image_set
from lib.preprocessing import Encoding
from lib.reference_points import distinct, encode, net_reference_scores, reference_point_pictures
from lib.reference_points import reference_point_scores as scores_of
from lib.scores import COLUMNS

ENCODING = Encoding(24, 16, (0.5, 0.4, 0.3), (0.2, 0.25, 0.5))
IG = "integrated_gradients"
TOY = {"network": "toy", "weights": "package", "steps": 3}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture
def toy(monkeypatch):
    """A network for photographs of 16 x 16 pixels that `load` finds: the network, in single precision."""
    layers = [nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(125, 6)]
    net = toys.randomise(nn.Sequential(*layers)).eval().requires_grad_(False)
    declared = architecture("squeezenet1_0")
    known = image_models.Architecture("Toy", lambda: net, declared.units, "3", declared.own_law, ENCODING)
    monkeypatch.setitem(image_models.ARCHITECTURES, "toy", known)
    monkeypatch.setattr(reference_points, "load", lambda name, weights: {("toy", "package"): net}[name, weights])
    return net


def photographs(count=3, size=24):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, size, size), generator=generator) / 255.0


def plain_encoded(images):
    """The middle 16 x 16 of 24 x 24 pixels, channel by channel."""
    channels = [(images[:, c, 4:20, 4:20].double() - ENCODING.mean[c]) / ENCODING.std[c] for c in range(3)]
    return torch.stack(channels, 1)


def plain_reference(name):
    pixel = {"black": 0.0, "white": 1.0}.get(name)
    values = [0.0 if pixel is None else (pixel - m) / s for m, s in zip(ENCODING.mean, ENCODING.std, strict=True)]
    return torch.tensor(values, dtype=torch.float64).view(3, 1, 1).expand(3, 16, 16)


def number(table, method, against, metric, image):
    keys = {"method": method, "against": against, "metric": metric, "image": image}
    chosen = table[np.logical_and.reduce([table[name] == word for name, word in keys.items()])]
    assert len(chosen) == 1
    return chosen.value.item()


def named(reference):
    return IG if reference == "zero" else f"{IG}(reference={reference})"


def spearman(a, b, absolute):
    """Of sums over channels, by SciPy."""
    flat = [(each.abs() if absolute else each).sum(0).flatten().numpy() for each in (a, b)]
    return stats.spearmanr(*flat).statistic


# Encoding and references --------------------------------------------------------------------------------------------


def test_photographs_are_encoded_pixel_by_pixel(toy):
    images = photographs()
    assert torch.allclose(encode(images, "toy").double(), plain_encoded(images), atol=1e-6)
    # Values between those of 8 bits are rounded to the nearest.
    between = encode(images * 0.999, "toy") - plain_encoded(images * 0.999)
    assert 0 < between.abs().max() <= 0.5 / 255 / 0.2 + 1e-6
    with pytest.raises(
        StudyError, match="have 24 x 20 pixels, but toy takes the middle of 24 x 24; set their size to 24"
    ):
        encode(images[..., :20], "toy")


def test_references_that_are_the_same_image_count_once():
    one, two, three = (torch.full((1, 2, 2), value) for value in (0.0, 0.3, 1.0))
    assert distinct({"black": one, "mean": two, "white": three}) == ["zero", "mean", "white"]
    assert distinct({"black": two, "mean": one, "white": three}) == ["zero", "black", "white"]
    assert distinct({"black": -one, "mean": one, "white": one}) == ["zero"]
    assert distinct(architecture("efficientnet_lite0").encoding.references()) == ["zero", "black", "white"]


# Numbers ------------------------------------------------------------------------------------------------------------


def test_every_two_references_are_compared(toy):
    images = photographs()
    table = scores_of(images, image_ids=[4, 5, 6], background=0.0, **TOY)
    assert set(table.intervention) == {"reference_point(toy)"} and set(table.level) == {"3 steps"}
    net, encoded = toy.double(), plain_encoded(images)
    classes = net(encoded).argmax(1).tolist()
    explained = list(zip(encoded, classes, strict=True))
    maps = {
        name: [plain_integrated_gradients(net, x, c, 3, plain_reference(name)) for x, c in explained]
        for name in ("zero", "black", "white")
    }
    longer = [plain_integrated_gradients(net, x, c, 4) for x, c in explained]
    pairs = [("zero", "black"), ("zero", "white"), ("black", "white")]
    for metric, absolute in (("spearman", False), ("spearman_abs", True)):
        for i in range(3):
            for first, second in pairs:
                expected = spearman(maps[first][i], maps[second][i], absolute)
                assert number(table, named(first), named(second), metric, 4 + i) == pytest.approx(expected, abs=2e-3)
            expected = spearman(maps["zero"][i], longer[i], absolute)
            assert number(table, IG, "self", metric, 4 + i) == pytest.approx(expected, abs=2e-3)
            for name, found in maps.items():
                expected = spearman(found[i], found[i - 1], absolute)
                assert number(table, named(name), "null_other_image", metric, 4 + i) == pytest.approx(
                    expected, abs=2e-3
                )
    for i, x in enumerate(encoded):
        for name, found in maps.items():
            with torch.no_grad():
                ends = net(torch.stack([x, plain_reference(name)]))[:, classes[i]]
            expected = float((found[i].sum() - (ends[0] - ends[1])).abs() / (ends[0] - ends[1]).abs())
            gap = number(table, named(name), "logit_difference", "completeness_gap", 4 + i)
            assert gap == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert len(table) == 3 * (2 * (3 + 3 + 1) + 3)
    assert set(table.target) == set(classes)


def test_one_photograph_has_no_other(toy):
    table = scores_of(photographs(1), image_ids=[0], **TOY)
    assert "null_other_image" not in set(table.against) and np.isfinite(table.value).all()


@pytest.fixture(scope="module")
def digit():
    """A net, images and the table of a net trained elsewhere."""
    net, images = toys.net("mlp"), toys.images(3).abs()
    images[:, :, :2] = 0.0
    classes, given = torch.tensor([0, 1, 3]), {"references": toys.REFERENCES | {"black": 0 * toys.REFERENCES["black"]}}
    given |= {"training_images": toys.TRAINING, "background": 0.0, "labels": classes, "image_ids": [7, 8, 9]}
    table = net_reference_scores(net, images, classes, steps=4, pattern_images=40, methods=[], **given)
    return net, images, classes, table


def test_a_net_of_ours_has_both_roots_and_a_foreground(digit):
    net, images, classes, table = digit
    assert set(table.intervention) == {"reference_point"}
    assert "integrated_gradients(reference=black)" not in set(table.method), "black is zero"
    for i, (x, c) in enumerate(zip(images, classes.tolist(), strict=True)):
        roots = [
            x * plain_gradient(net, x, c),
            plain_pattern_map(net, x, c, toys.TRAINING[:40], "two_component", True),
        ]
        found = number(table, "dtd_zero", "pattern_attribution", "spearman", 7 + i)
        assert found == pytest.approx(spearman(*roots, False), abs=1e-9)
        paths = [plain_integrated_gradients(net, x, c, 4, toys.REFERENCES[name]) for name in ("mean", "white")]
        found = number(table, named("mean"), named("white"), "spearman_abs", 7 + i)
        assert found == pytest.approx(spearman(*paths, True), abs=1e-9)
        ink = (x != 0).any(0).flatten()
        assert not ink[:12].any() and ink.sum() > 12
        flat = [each.sum(0).flatten()[ink].numpy() for each in paths]
        found = number(table, named("mean"), named("white"), "spearman_fg", 7 + i)
        assert found == pytest.approx(stats.spearmanr(*flat).statistic, abs=1e-9)
    keys = [name for name in COLUMNS if name not in ("model", "dataset", "seed", "value", "target")]
    assert (table.groupby(keys).size() == 1).all()


def test_wrong_settings_are_refused_before_weights_are_sought(toy, monkeypatch):
    def fail(*_):
        raise AssertionError("weights were sought")

    monkeypatch.setattr(reference_points, "load", fail)
    with pytest.raises(StudyError, match="steps"):
        scores_of(photographs(), image_ids=[0, 1, 2], **TOY | {"steps": 0})
    with pytest.raises(StudyError, match="set their size to 24"):
        scores_of(photographs(size=16), image_ids=[0, 1, 2], **TOY)
    with pytest.raises(StudyError, match="network 'vgg17' is not known"):
        scores_of(photographs(), image_ids=[0, 1, 2], **TOY | {"network": "vgg17"})


def test_on_a_real_network_black_and_white_contradict_each_other(digit):
    """K-58, two photographs; the ledger reads what is written here and of a net of ours."""
    found = image_set("photos", 2, 256)
    given = {"network": "efficientnet_lite0", "weights": "package", "steps": 2}
    table = scores_of(found.images, image_ids=found.image_ids, **given)
    assert table.target.unique().tolist() == [967, 872], "espresso, tripod"
    assert max(number(table, named("black"), named("white"), "spearman", i) for i in range(2)) < -0.1
    assert max(number(table, IG, named("black"), "spearman", i) for i in range(2)) < 0.5
    tables = [
        table.assign(model="none", dataset="photos", seed=0),
        digit[-1].assign(model="k_mlp", dataset="m", seed=0),
    ]
    parts = decide("K-58", pd.concat(tables, ignore_index=True))["parts"]
    assert [part["second"] for part in parts] == [False] * 3 + [True] * 4
    assert not [part["label"] for part in parts if "not measured" in part["label"]]


# Pictures and figures -----------------------------------------------------------------------------------------------


@pytest.fixture
def pictures(toy):
    found = reference_point_pictures(photographs(), image_ids=[0, 1, 2], **TOY)
    return {name: picture.numpy() for name, picture in found.items()}


def test_attributions_are_multiplied_onto_the_photograph(toy, pictures):
    images = photographs()
    assert list(pictures) == ["photograph", "zero", "black", "white"]
    middle = images[:, :, 4:20, 4:20].double().numpy()
    small = middle.reshape(3, 3, 8, 2, 8, 2).mean((3, 5))
    net, encoded = toy.double(), plain_encoded(images)
    for i, x in enumerate(encoded):
        colours = pictures["photograph"][i].reshape(8, 8, 3)
        assert colours == pytest.approx(small[i].transpose(1, 2, 0), abs=1e-5)
        target = int(net(x[None]).argmax())
        strength = plain_integrated_gradients(net, x, target, 3, plain_reference("white")).sum(0).abs().numpy()
        strength = strength.reshape(8, 2, 8, 2).mean((1, 3))
        expected = (strength / np.percentile(strength, 99)).clip(0, 1)[..., None] * colours
        assert pictures["white"][i].reshape(8, 8, 3) == pytest.approx(expected, abs=1e-3)


def test_the_gallery_shows_colours(pictures):
    figure = figures.reference_gallery(pictures, [2, 0])
    assert [axis.get_title() for axis in figure.axes[:4]] == [
        "photograph", "zero reference", "black reference", "white reference",
    ]  # fmt: skip
    shown = np.array(figure.axes[4].images[0].get_array())
    colours = pictures["photograph"][0].reshape(8, 8, 3)
    assert shown == pytest.approx(colours / colours.max(), abs=1e-6)


def test_dots_stand_at_the_means_and_words_name_them(digit):
    table = digit[-1].assign(model="k_mlp", dataset="mnist", seed=0)
    figure = figures.reference_dots(table)
    (axis,) = figure.axes
    labels = [tick.get_text() for tick in axis.get_yticklabels()]
    pairs = ["zero – mean", "zero – white", "mean – white", "DTD, zero root – DTD, pattern root"]
    assert labels[:4] == pairs and labels[-1] == "zero – one more step"
    assert [label.endswith("another image's map") for label in labels[4:-1]] == [True] * 5
    signed = axis.containers[0]
    assert signed.get_label() == "signed maps"
    row = labels.index("mean – white")
    (dot,) = (x for x, y in zip(*signed[0].get_data(), strict=True) if round(y) == row)
    own = table[(table.method == named("mean")) & (table.against == named("white"))]
    mean = own[own.metric == "spearman"].value.mean()
    assert dot == pytest.approx(mean)
    words = figures.reference_words(table)
    assert all(pair in words for pair in pairs) and "another" not in words and "step" not in words
    assert f"mean – white {mean:.2f}".replace("-", "−") in words
