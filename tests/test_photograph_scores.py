"""Scores of networks for photographs, each against a plain one, on a small network and pictures of 56 x 64 pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles import plain_gradient, plain_guided_backprop
from PIL import Image
from scipy import special, stats
from skimage.color import rgb2gray
from skimage.feature import hog
from skimage.filters import sobel
from skimage.metrics import structural_similarity
from torch import nn
from toy_photographs import CLASSES, ENCODING, declare, small, write_photographs

from lib import image_models, photograph_cascades, photograph_networks, photographs, weights
from lib.compute import generator
from lib.errors import StudyError
from lib.initialisers import kaiming_law
from lib.photograph_cascades import (
    NOISE,
    PREFIX,
    RECOGNITION,
    cascade_pictures,
    cascade_scores,
    recognition_scores,
    thumbnails,
)
from lib.photograph_maps import EDGES, EDGES_ALONE, MASKS, edge_pictures, edge_scores, mask_scores
from lib.photograph_networks import ACCURACY, BLOCKS, accuracy_scores, block_scores
from lib.photograph_subjects import subject
from lib.randomization import randomization_maps, randomization_scores
from lib.reinitialisation import Step, steps
from lib.scores import COLUMNS
from lib.units import units_of

METHODS = ["gradient", "gradient_x_input", "guided_backprop"]
WORDS = ["intervention", "level", "step", "draw", "image", "target", "method", "metric", "against"]


@pytest.fixture
def net(monkeypatch):
    return declare(monkeypatch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_photographs(tmp_path_factory.mktemp("pictures"))


@pytest.fixture
def given(net, folder):
    """What every computation is given."""
    return {"network": "toy", "weights_of": "package", "dataset": folder, "count": 4, "image_range": []}


def encoded(folder, numbers):
    """Photographs as the network takes them; `lib.preprocessing` is tested by itself."""
    return ENCODING.encode([Image.open(f"{folder}/{number}.png") for number in numbers])


def numbers_of(table, **wanted):
    """The values of one question, by image."""
    for column, value in wanted.items():
        table = table[table[column] == value]
    assert not table.duplicated("image").any()
    return table.set_index("image").value.sort_index()


def plain(net, image, method):
    """One map in double precision: (3, H, W)."""
    net, image = toys_double(net), image.double()
    target = net(image[None]).argmax().item()
    found = plain_guided_backprop if method == "guided_backprop" else plain_gradient
    return found(net, image, target) * (image if method == "gradient_x_input" else 1.0)


def toys_double(net):
    double = small().double()
    double.load_state_dict(net.state_dict())
    return double


def scaled(values):
    return values / np.abs(values).max()


def plain_ssim(a, b):
    return structural_similarity(scaled(a), scaled(b), win_size=5, data_range=2)


def plain_hog(a, b):
    found = [
        hog(scaled(each), orientations=9, pixels_per_cell=(16, 16), cells_per_block=(3, 3), block_norm="L2-Hys")
        for each in (a, b)
    ]
    return np.corrcoef(*found)[0, 1]


def moved(values, number):
    """The pixels of the last two axes in the order of the null of shuffled maps."""
    order = torch.randperm(values.shape[-2] * values.shape[-1], generator=generator(0, "null shuffle", number)).numpy()
    return values.reshape(*values.shape[:-2], -1)[..., order].reshape(values.shape)


# What is worked on --------------------------------------------------------------------------------------------------


def test_a_subject_has_photographs_predicted_classes_and_true_ones(net, folder):
    chosen = photographs.spread(folder, 4)
    found = subject("toy", "package", folder, chosen)
    images = encoded(folder, [0, 5, 10, 15])
    assert torch.equal(found.images, images) and found.image_ids == [0, 5, 10, 15]
    assert found.labels.tolist() == [3, 2, 2, 2]
    assert found.targets.tolist() == net(images).argmax(1).tolist()
    assert torch.equal(found.references["mean"], torch.zeros(3, 48, 48))
    examples = found.examples
    assert torch.equal(examples.targets, found.targets) and examples.image_ids == found.image_ids
    assert torch.equal(examples.labels, found.labels)
    for name, reference in found.references.items():
        assert torch.equal(examples.references[name], reference)


def test_rows_are_named_by_network_and_folder(given, folder):
    table = mask_scores(**given, methods=["gradient"], mask_draws=1)
    assert set(table.columns) == set(COLUMNS)
    names = table[["model", "dataset", "seed"]].drop_duplicates().values.tolist()
    assert names == [["toy", folder.rpartition("/")[2], 0]] and "/" not in names[0][1]


# The cascade --------------------------------------------------------------------------------------------------------

CASCADE = {
    "methods": ["gradient", "guided_backprop"], "costly": ["smoothgrad(samples=2)"], "sweep_methods": ["gradient"],
    "orders": ["cascade", "reverse", "independent"], "init": ["tn(0.01)", "own"], "bn": ["fresh", "keep-stats"],
    "draws": 1,
}  # fmt: skip


def test_a_cascade_is_that_of_the_small_nets_under_names_of_its_own(given, net, folder):
    found = cascade_scores(**given | {"count": 3}, **CASCADE)
    images = encoded(folder, [0, 8, 15])
    expected = randomization_scores(
        net, images, net(images).argmax(1), metrics=["spearman_abs", "spearman", "ssim", "hog"],
        nulls=["null_other_image", "null_shuffle"], references=ENCODING.references(), image_ids=[0, 8, 15],
        **CASCADE,
    )  # fmt: skip
    assert found.intervention.str.startswith("photographs: ").all() and PREFIX == "photographs: "
    found = found.assign(intervention=found.intervention.str.removeprefix("photographs: "))
    assert found[expected.columns].equals(expected)
    assert set(found.intervention) == {
        "cascade", "reverse", "independent", "cascade(init=own)", "cascade(bn=keep-stats)",
    }  # fmt: skip
    assert set(found.metric) == {"spearman_abs", "spearman", "ssim", "hog"}
    assert {"null_other_image", "null_shuffle", "self", "edge", "input"} <= set(found.against)


def test_the_parts_of_a_run_are_the_run(given):
    few = CASCADE | {"methods": ["gradient"], "costly": [], "orders": ["cascade"], "sweep_methods": [], "draws": 1}
    few |= {"init": ["tn(0.01)"], "bn": ["fresh"]}
    others = {
        recognition_scores: {"products": ["gradient_x_input"], "init": "kaiming", "bn": "fresh", "draws": 1},
        edge_scores: {"methods": ["gradient"]},
        mask_scores: {"methods": ["gradient"], "mask_draws": 1},
    }
    for function, settings in {cascade_scores: few, **others}.items():
        whole, *parts = (
            function(**given | {"count": 16, "image_range": part}, **settings) for part in ([], [0, 8], [8, 16])
        )
        both = parts[0].merge(parts[1], how="outer").set_index(WORDS).value.sort_index()
        assert len(both) == len(whole) and set(whole.image) == set(range(16))
        assert both.equals(whole.set_index(WORDS).value.sort_index()), function.__name__


def test_another_seed_draws_anew(given):
    settings = CASCADE | {"orders": ["cascade"], "costly": [], "sweep_methods": []}
    settings |= {"methods": ["gradient"], "init": ["tn(0.01)"], "bn": ["fresh"], "draws": 1}
    first, second = (cascade_scores(**given | {"count": 2}, **settings, seed=seed) for seed in (0, 1))
    later = first.step > 0
    assert not np.isclose(first.value[later], second.value[later]).any()


# Small maps ---------------------------------------------------------------------------------------------------------


def test_a_thumbnail_is_a_mean_within_squares_in_hundredths_of_the_largest():
    maps = np.random.default_rng(0).normal(size=(2, 3, 192, 192))
    means = maps.reshape(2, 3, 64, 3, 64, 3).mean((3, 5))
    expected = means / np.abs(means).max((2, 3), keepdims=True)
    found = thumbnails(torch.from_numpy(maps))
    assert found.shape == (2, 3, 64, 64) and np.abs(found.numpy() - expected).max() <= 0.005 + 1e-12
    assert torch.equal((found * 100).round() / 100, found)
    assert (found.abs().amax((2, 3)) == 1).all() and found.min() < 0


def test_a_map_of_zeros_stays_one():
    maps = torch.zeros(2, 1, 128, 128)
    maps[1] = 1e-30
    found = thumbnails(maps)
    assert (found[0] == 0).all() and (found[1] == 1).all()


def test_pictures_are_the_maps_of_every_stage(given, net, folder):
    files = ["3.png", "1.png"]
    settings = {"init": "kaiming", "bn": "keep-stats"}
    own = given | {"files": files, "methods": METHODS, "signed": ["gradient"]} | settings
    found = cascade_pictures(**own)
    assert list(found) == ["image", "abs:gradient", "signed:gradient", "abs:gradient_x_input", "abs:guided_backprop"]
    original = np.stack([
        np.asarray(Image.open(f"{folder}/{file}").resize((59, 52), Image.BILINEAR)) for file in files
    ])[:, 2:50, 6:54].transpose(0, 3, 1, 2) / 255  # fmt: skip
    assert found["image"].shape == (2, 144, 48)
    assert np.abs(found["image"].numpy().reshape(2, 3, 48, 48) - original).max() < 0.02
    images = encoded(folder, [3, 1])
    maps = randomization_maps(net, images, net(images).argmax(1), METHODS, image_ids=[3, 1], **settings)
    for name in METHODS:
        (stages,) = maps[name]
        assert found[f"abs:{name}"].shape == (6, 2, 64, 64) and found[f"abs:{name}"].min() >= 0
        assert torch.equal(found[f"abs:{name}"], thumbnails(stages.abs()))
    assert torch.equal(found["signed:gradient"], thumbnails(maps["gradient"][0]))
    intact = thumbnails(plain(net, images[0], "gradient").sum(0)[None].abs())
    assert (found["abs:gradient"][0, 0] - intact[0]).abs().max() < 0.011


# Is the image still seen? -------------------------------------------------------------------------------------------


@pytest.fixture
def recognised(given):
    products = ["gradient_x_input", "guided_backprop"]
    return recognition_scores(**given, products=products, init="kaiming", bn="keep-stats", draws=2)


def test_noise_times_image_is_what_scipy_says(recognised, folder):
    for draw in (0, 1):
        noise = torch.randn((3, 48, 48), generator=generator(0, "noise times input", draw)).numpy()
        for number in (0, 5, 10, 15):
            image = encoded(folder, [number])[0].numpy()
            product, size = np.abs(image * noise).sum(0).ravel(), np.abs(image).sum(0).ravel()
            expected = stats.spearmanr(product, size).statistic
            for step in (1, 2, 3):
                found = numbers_of(recognised, method=NOISE, draw=draw, step=step)[number]
                assert found == pytest.approx(expected, abs=1e-9)
            assert 0.3 < expected < 0.95


@pytest.mark.parametrize(("count", "reached"), [(17, 8), (19, 9), (6, 3), (10, 5), (5, 3), (1, 1)])
def test_eight_of_seventeen_units_are_destroyed_or_that_share(given, monkeypatch, count, reached):
    asked = {f"unit{number}": ("0",) for number in range(count)}
    monkeypatch.setattr(photograph_cascades, "units_of", lambda model, images: asked)

    def destroyed(model, units, law, draw, seed, bn):
        assert units is asked
        for number, unit in enumerate(units, start=1):
            yield Step(draw, number, unit, (unit,), model.state_dict())

    monkeypatch.setattr(photograph_cascades, "steps", destroyed)
    own = given | {"count": 1}
    table = recognition_scores(**own, products=["gradient"], init="kaiming", bn="fresh", draws=1)
    assert sorted(table.step.unique()) == list(range(1, reached + 1))


@pytest.mark.parametrize("method", ["gradient_x_input", "guided_backprop"])
def test_products_are_those_of_the_destroyed_network(recognised, net, folder, method):
    assert set(recognised.intervention) == {RECOGNITION} and set(recognised.against) == {"input"}
    assert set(recognised.metric) == {"spearman_abs"} and sorted(recognised.draw.unique()) == [0, 1]
    images = encoded(folder, [0, 5, 10, 15])
    targets = net(images).argmax(1)
    assert recognised.target.tolist() == targets.tolist() * (len(recognised) // 4)
    seen = []
    for draw in (0, 1):
        for step in steps(net, units_of(net, images), kaiming_law, draw, 0, bn="keep-stats"):
            if step.step > 3:
                break
            destroyed = small().double()
            destroyed.load_state_dict(step.state)
            found = numbers_of(recognised, method=method, draw=draw, step=step.step, level=step.unit)
            for number, image, target in zip([0, 5, 10, 15], images.double(), targets.tolist(), strict=True):
                explain = plain_guided_backprop if method == "guided_backprop" else plain_gradient
                own = explain(destroyed, image, target) * (image if method == "gradient_x_input" else 1.0)
                sizes = (each.abs().sum(0).flatten().numpy() for each in (own, image))
                expected = stats.spearmanr(*sizes).statistic
                # Pixels that no filter looks at have gradients of rounding alone.
                assert found[number] == pytest.approx(expected, abs=1e-3)
                seen.append(expected)
    stages = np.reshape(seen, (6, 4))
    apart = np.abs(stages[:, None] - stages[None]).max(2)[np.triu_indices(6, 1)]
    assert apart.min() > 0.01, "no two stages are alike"


# Edges --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def edges(given):
    return edge_scores(**given, methods=METHODS)


@pytest.mark.parametrize("method", METHODS)
def test_maps_are_compared_with_the_edges_of_their_image_and_of_another(edges, net, folder, method):
    numbers = [0, 5, 10, 15]
    images = encoded(folder, numbers)
    strengths = [sobel(rgb2gray(image.double().permute(1, 2, 0).numpy())) for image in images]
    sizes = [plain(net, image, method).abs().sum(0).numpy() for image in images]
    own = edges[(edges.intervention == EDGES) & (edges.method == method)]
    assert set(own.step) == {0} and set(own.draw) == {-1}
    for against, places in (("edge", [0, 1, 2, 3]), ("edge_other", [2, 3, 0, 1])):
        for k, number in enumerate(numbers):
            size, strength = sizes[k], strengths[places[k]]
            expected = {
                "spearman_abs": stats.spearmanr(size.ravel(), strength.ravel()).statistic,
                "ssim": plain_ssim(size, strength),
                "hog": plain_hog(size, strength),
            }
            if against == "edge":
                chance = plain_ssim(moved(size, number), strength)
                expected["ssim_corrected"] = (expected["ssim"] - chance) / (1 - chance)
            found = own[(own.against == against) & (own.image == number)].set_index("metric").value
            assert found.to_dict() == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("method", METHODS)
def test_maps_of_the_edges_alone_are_for_the_class_of_the_image(edges, net, folder, method):
    numbers, images = [0, 5, 10, 15], encoded(folder, [0, 5, 10, 15])
    double, explain = toys_double(net), plain_guided_backprop if method == "guided_backprop" else plain_gradient
    targets = net(images).argmax(1).tolist()
    before, after = [], []
    for image, target in zip(images.double(), targets, strict=True):
        strength = torch.from_numpy(sobel(rgb2gray(image.permute(1, 2, 0).numpy())))
        left = image * strength / strength.max()
        before.append(plain(net, image, method).numpy())
        now = explain(double, left, target) * (left if method == "gradient_x_input" else 1.0)
        after.append(now.numpy())
    own = edges[(edges.intervention == EDGES_ALONE) & (edges.method == method)]
    assert set(own.step) == {1} and set(own.level) == {"soft"}
    for against, places in (("original", [0, 1, 2, 3]), ("null_other_image", [2, 3, 0, 1])):
        for k, number in enumerate(numbers):
            now, then = after[k], before[places[k]]
            expected = {
                "spearman_abs": stats.spearmanr(*(np.abs(each).sum(0).ravel() for each in (now, then))).statistic,
                "spearman": stats.spearmanr(*(each.sum(0).ravel() for each in (now, then))).statistic,
                "ssim": plain_ssim(now.sum(0), then.sum(0)),
            }
            if against == "original":
                chance = plain_ssim(moved(now, number).sum(0), then.sum(0))
                expected["ssim_corrected"] = (expected["ssim"] - chance) / (1 - chance)
            found = own[(own.against == against) & (own.image == number)].set_index("metric").value
            assert found.to_dict() == pytest.approx(expected, abs=2e-4)


def test_confidence_is_a_softmax_before_and_after(edges, net, folder):
    double = toys_double(net)
    for number in (0, 5, 10, 15):
        image = encoded(folder, [number])[0].double()
        strength = torch.from_numpy(sobel(rgb2gray(image.permute(1, 2, 0).numpy())))
        logits = [double(each[None])[0].numpy() for each in (image, image * strength / strength.max())]
        for step, each in enumerate(logits):
            found = numbers_of(edges, metric="confidence", step=step)[number]
            assert found == pytest.approx(special.softmax(each)[logits[0].argmax()], abs=1e-6)
    assert len(edges[edges.metric == "confidence"]) == 8


def test_pictures_of_edges_stand_beside_the_photographs(given, net, folder):
    found = edge_pictures(**given, files=["5.png", "2.png"], methods=["gradient", "guided_backprop"])
    assert {name: tuple(each.shape) for name, each in found.items()} == dict.fromkeys(
        [f"{state}:{name}" for state in ("whole", "edges alone") for name in ("image", "gradient", "guided_backprop")],
        (2, 48, 48),
    )
    images = encoded(folder, [5, 2])
    for k, image in enumerate(images):
        colours = image.double().permute(1, 2, 0).numpy() * np.array(ENCODING.std) + np.array(ENCODING.mean)
        assert np.abs(found["whole:image"][k].numpy() - rgb2gray(colours)).max() < 1e-6
        strength = sobel(rgb2gray(image.double().permute(1, 2, 0).numpy()))
        assert np.abs(found["edges alone:image"][k].numpy() - strength).max() < 1e-5
        for method in ("gradient", "guided_backprop"):
            expected = plain(net, image, method).sum(0)
            assert torch.allclose(found[f"whole:{method}"][k].double(), expected, atol=1e-4 * expected.abs().max())
        double, target = toys_double(net), net(images[k : k + 1]).argmax().item()
        left = image.double() * torch.from_numpy(strength / strength.max())
        expected = plain_gradient(double, left, target).sum(0)
        assert torch.allclose(found["edges alone:gradient"][k].double(), expected, atol=1e-4 * expected.abs().max())


# Random masks -------------------------------------------------------------------------------------------------------


def test_masks_are_drawn_for_each_photograph_and_compared_by_every_metric(given, net, folder):
    table = mask_scores(**given, methods=["gradient", "gradient_x_input"], mask_draws=2)
    assert set(table.intervention) == {MASKS} and set(table.against) == {"gaussian(1)"}
    assert set(table.step) == {0} and len(table) == 2 * 4 * 2 * 6
    for number in (0, 15):
        image = encoded(folder, [number])[0]
        for draw in (0, 1):
            mask = torch.randn((48, 48), generator=generator(0, "mask", draw, number), dtype=torch.float64).numpy()
            for method in ("gradient", "gradient_x_input"):
                maps = plain(net, image, method).numpy()
                own = maps.sum(0)
                of_99 = [np.clip(each / np.percentile(np.abs(each), 99), -1, 1) for each in (own, mask)]
                of_std = [each / np.sqrt((each**2).mean()) for each in (own, mask)]
                expected = {
                    "spearman": stats.spearmanr(own.ravel(), mask.ravel()).statistic,
                    "spearman_abs": stats.spearmanr(np.abs(maps).sum(0).ravel(), np.abs(mask).ravel()).statistic,
                    "hog": plain_hog(own, mask),
                    "ssim": plain_ssim(own, mask),
                    "ssim(normalisation=p99)": structural_similarity(*of_99, win_size=5, data_range=2),
                    "ssim(normalisation=std)": structural_similarity(*of_std, win_size=5, data_range=2),
                }
                found = table[(table.image == number) & (table.draw == draw) & (table.method == method)]
                assert found.set_index("metric").value.to_dict() == pytest.approx(expected, abs=2e-4)


# The networks themselves --------------------------------------------------------------------------------------------


class Known(nn.Module):
    """Logits that are written down: class c of photograph i has the number ``table[i][c]``."""

    def __init__(self, images, table):
        super().__init__()
        self.images, self.table = images, table

    def forward(self, images):
        places = [next(k for k, each in enumerate(self.images) if torch.equal(each, image)) for image in images]
        return self.table[places]


def test_a_class_counts_among_the_first_and_the_first_five(net, folder, monkeypatch):
    # The true class of photograph i has the rank i modulo 7: 0 is the best.
    table = torch.zeros(16, 7)
    for place, label in enumerate(CLASSES):
        others = [c for c in range(7) if c != label]
        order = [*others[: place % 7], label, *others[place % 7 :]]
        table[place, order] = torch.arange(7.0, 0.0, -1.0)
    known = Known(encoded(folder, range(16)), table)
    monkeypatch.setattr(weights, "load", lambda name, of: known)
    found = accuracy_scores(network="toy", weights_of="package", dataset=folder, count=2, image_range=[0, 1])
    assert set(found.columns) == set(COLUMNS) and set(found.intervention) == {ACCURACY}
    first = numbers_of(found, metric="top1")
    assert first.index.tolist() == list(range(16)), "all photographs of the set"
    assert first.tolist() == [float(place % 7 == 0) for place in range(16)]
    assert numbers_of(found, metric="top5").tolist() == [float(place % 7 < 5) for place in range(16)]
    assert found[found.metric == "top1"].target.tolist() == CLASSES


def test_photographs_without_classes_tell_no_accuracy(net, monkeypatch):
    monkeypatch.setattr(weights, "load", lambda name, of: pytest.fail("nothing is to be computed"))
    found = accuracy_scores(network="toy", weights_of="package", dataset=photographs.PACKAGED)
    assert list(found.columns) == COLUMNS and found.empty


def blocks(network):
    table = block_scores(network=network)
    assert set(table.columns) == set(COLUMNS)
    assert table[["intervention", "model", "dataset", "image", "draw"]].drop_duplicates().values.tolist() == [
        [BLOCKS, network, "none", -1, -1]
    ]
    return table.set_index("metric").value.to_dict()


def test_ten_units_cover_squeezenet():
    assert blocks("squeezenet1_0") == {"units": 10.0, "covered": 1.0, "shared": 0.0}


def test_seventeen_units_cover_inception(monkeypatch):
    # Without its initialiser, which takes seconds: the weights do not matter.
    monkeypatch.setattr(image_models, "build", lambda name, _: image_models.architecture(name).blank(name))
    assert blocks("inception_v3") == {"units": 17.0, "covered": 1.0, "shared": 0.0}


def test_what_no_unit_owns_and_what_two_own_is_counted(net, monkeypatch):
    # Weight and bias of the last layer belong to none; those of the first to two.
    asked = {"first": ("0",), "all but the last": ("0", "2", "3", "5", "7")}
    monkeypatch.setattr(photograph_networks, "units_of", lambda model, image: asked)
    monkeypatch.setattr(image_models, "build", lambda name, _: net)
    assert blocks("toy") == {"units": 2.0, "covered": pytest.approx(10 / 12), "shared": 2.0}


@pytest.mark.parametrize("function", [cascade_scores, recognition_scores, edge_scores, mask_scores])
def test_photographs_that_are_not_there_are_refused(given, function):
    settings = CASCADE | {"products": ["gradient"], "mask_draws": 1}
    with pytest.raises(StudyError, match="n_images is 17"):
        function(**given | {"count": 17}, **settings)
