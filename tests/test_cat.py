"""The cat that is drawn into maps: the drawing, its shift against closed forms, what is measured, and its figures."""

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
from scipy import ndimage
from torch import nn

from lib import data, figures
from lib.cat import cat, cat_shift, desired_attribution, reliable
from lib.cat_scores import BORROWED, OTHER, OWN, SAME, UNCLIPPED, cat_pictures, cat_scores
from lib.claims import SUPPORTED, decide
from lib.errors import StudyError
from lib.scores import COLUMNS, pack_scores, read_scores
from lib.statistics import summary

PRODUCT, ZERO, BLACK = (
    "gradient_x_input",
    "integrated_gradients(steps=7)",
    "integrated_gradients(reference=black,steps=7)",
)
SHARED, AGAIN = "pattern_attribution(patterns=shared)", "pattern_attribution"
METHODS = [PRODUCT, ZERO, BLACK, "dtd_zero", SHARED, AGAIN]
CLASSES = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
SAMPLES, LENDERS, REST = [0, 4, 7], [0, 7], [1, 2, 3, 5, 6]
"""Three samples, spread over eight images; two of them, spread over three; the images that are no samples."""


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def drawn_net():
    """A dense net with biases, float64, random in every tensor."""
    layers = [nn.Flatten(), nn.Linear(784, 12), nn.ReLU(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 3)]
    return toys.randomise(nn.Sequential(*layers).double()).eval()


def sparse(count, seed):
    """Images in [0, 1], two thirds of them black."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(count, 1, 28, 28, generator=generator, dtype=torch.float64)
    return values * (torch.rand(values.shape, generator=generator) < 1 / 3)


NET, IMAGES, TRAINING = drawn_net(), sparse(8, 1), sparse(40, 2)
IMAGES[5] += 0.1  # one image without black
GIVEN = {"image_ids": list(range(10, 18)), "training_images": TRAINING, "pattern_images": 30}
GRADIENTS = torch.stack([plain_gradient(NET, x, int(c)) for x, c in zip(IMAGES, CLASSES, strict=True)])


def scored(**changed):
    given = GIVEN | {"samples": 3, "borrowed": 2, "background": 0.0, "labels": CLASSES} | changed
    methods = given.pop("methods", METHODS)
    images = given.pop("images", IMAGES)
    return cat_scores(NET, images, CLASSES[: len(images)], methods, **given)


@pytest.fixture(scope="module")
def table():
    return scored().assign(model="k_mlp", dataset="mnist", seed=0)


def value(table, intervention, method, metric, against, image, draw=-1):
    keys = {"intervention": intervention, "method": method, "metric": metric, "against": against}
    keys |= {"image": image, "draw": draw}
    chosen = table[np.logical_and.reduce([table[name] == word for name, word in keys.items()])]
    assert len(chosen) == 1
    return chosen.value.item()


def plain_shift(number, clip=0.3):
    """The shift of an image, pixel by pixel."""
    x, g, drawing = (each.flatten().numpy() for each in (IMAGES[number], GRADIENTS[number], cat()))
    kept = np.abs(g) >= 1e-3 * np.abs(g).max()
    strength = 0.3 / np.percentile([drawing[i] / abs(g[i]) for i in range(784) if kept[i] and drawing[i]], 10)
    shift = np.array([strength * drawing[i] / g[i] - x[i] if kept[i] else 0.0 for i in range(784)])
    return torch.tensor(shift if clip is None else shift.clip(-clip, clip)).view(1, 28, 28)


class Moved(nn.Module):
    """``f(x - m)``: network 2 without any compensation of biases."""

    def __init__(self, shift):
        super().__init__()
        self.shift = shift

    def forward(self, x):
        return NET(x - self.shift)


def plain_maps(number, shift):
    """Maps of an image with a shift, each by its own plain way."""
    x, target, net = IMAGES[number] + shift, int(CLASSES[number]), Moved(shift)
    darkest = torch.full_like(x, float((TRAINING + shift).min()))
    return {
        PRODUCT: x * plain_gradient(net, x, target),
        ZERO: plain_integrated_gradients(net, x, target, 7),
        BLACK: plain_integrated_gradients(net, x, target, 7, darkest),
        "dtd_zero": x * plain_gradient(net, x, target),
        SHARED: plain_pattern_map(NET, IMAGES[number], target, TRAINING[:30], "two_component", True),
    }


# The drawing --------------------------------------------------------------------------------------------------------


def test_the_drawing_is_a_face_in_thin_lines():
    drawing = cat()
    assert drawing.shape == (1, 28, 28) and drawing.dtype == torch.float64
    assert set(drawing.unique().tolist()) == {0.0, 1.0}
    assert 0.1 < drawing.mean() < 0.2
    assert torch.equal(drawing, drawing.flip(2)), "both halves of the face"
    lines = drawing[0].numpy().astype(bool)
    pieces, count = ndimage.label(lines, structure=np.ones((3, 3)))
    assert count == 4, "head with whiskers, two eyes, and the nose with the mouth"
    head = ndimage.binary_fill_holes(pieces == pieces[lines.argmax() // 28, lines.argmax() % 28])
    assert head[lines].all(), "eyes, nose and mouth lie inside the head"
    # A line is thin: no 3 x 3 pixels are full.
    assert not ndimage.binary_erosion(lines, np.ones((3, 3))).any()


# The shift ----------------------------------------------------------------------------------------------------------


def test_small_gradients_are_not_divided_by():
    gradients = torch.zeros(2, 1, 2, 2, dtype=torch.float64)
    gradients[0, 0] = torch.tensor([[-2.0, 0.002], [0.0019, 0.0]], dtype=torch.float64)
    gradients[1, 0] = torch.tensor([[1e-9, -1.1e-12], [9e-13, 0.0]])
    expected = [[True, True, False, False]] * 2
    assert reliable(gradients).flatten(1).tolist() == expected
    assert not reliable(torch.zeros(1, 1, 2, 2)).any()


def test_a_tenth_of_the_drawing_is_below_the_clip():
    drawing = cat() * torch.linspace(0.5, 1.0, 28, dtype=torch.float64)  # grey levels
    wanted = desired_attribution(GRADIENTS, drawing)
    for found, g in zip(wanted, GRADIENTS, strict=True):
        lines = (drawing != 0) & (g.abs() >= 1e-3 * g.abs().max())
        assert np.percentile((found / g).abs()[lines].numpy(), 10) == pytest.approx(0.3, rel=1e-12)
        assert torch.allclose(found * drawing.max(), found.max() * drawing, rtol=1e-12, atol=0)
    with pytest.raises(StudyError, match="gradient of an image is 0 wherever the cat"):
        desired_attribution(GRADIENTS * (torch.arange(8) != 5).view(-1, 1, 1, 1), drawing)


@pytest.mark.parametrize("clip", [0.3, None])
def test_the_shift_is_the_papers_formula_on_reliable_pixels(clip):
    gradients = GRADIENTS.clone()
    gradients[:, :, 5:9] *= 1e-5
    found = cat_shift(IMAGES, gradients, cat(), clip)
    assert (found[:, :, 5:9] == 0).all()
    assert torch.allclose(cat_shift(IMAGES, GRADIENTS, cat(), clip)[3], plain_shift(3, clip), rtol=1e-12, atol=1e-14)
    product = ((IMAGES + found) * gradients) * reliable(gradients)
    assert torch.allclose(product, desired_attribution(gradients, cat()) * reliable(gradients)) == (clip is None)
    if clip:
        assert found.abs().max() == clip
        # Off the drawing the shift takes the image away, as far as it may.
        off = (cat() == 0) & reliable(gradients)
        assert torch.equal(found[off], -IMAGES.clamp(max=clip)[off])


# What is measured ---------------------------------------------------------------------------------------------------


def test_maps_of_both_networks_are_compared_with_the_cat(table):
    drawing = cat().flatten().numpy()
    for number in SAMPLES:
        first, second = plain_maps(number, torch.zeros(1, 28, 28)), plain_maps(number, plain_shift(number))
        for method in first:
            pairs = {"original": first[method].flatten().numpy(), "shifted": second[method].flatten().numpy()}
            for against, flat in pairs.items():
                for metric, seen in (("cat_correlation", flat), ("cat_correlation_abs", np.abs(flat))):
                    expected = np.corrcoef(seen, drawing)[0, 1]
                    assert value(table, OWN, method, metric, against, 10 + number) == pytest.approx(expected, abs=1e-9)
            change = np.linalg.norm(pairs["shifted"] - pairs["original"]) / np.linalg.norm(pairs["original"])
            found = value(table, OWN, method, "relative_change", "original", 10 + number)
            assert found == pytest.approx(change, rel=1e-8, abs=1e-12)


def test_gradient_x_input_changes_by_shift_times_gradient():
    """J-03."""
    pictures = cat_pictures(NET, IMAGES, CLASSES, [PRODUCT], **GIVEN)
    rise = pictures[f"net 2: {PRODUCT}"] - pictures[f"net 1: {PRODUCT}"]
    assert torch.allclose(rise, (pictures["shift"][:, None] * GRADIENTS)[:, 0], rtol=0, atol=1e-12)
    assert rise.abs().max() > 0.01


def test_networks_agree_and_shared_patterns_do_not_move(table):
    for number in SAMPLES:
        assert value(table, OWN, "none", "output_error", "none", 10 + number) < 1e-13
        assert value(table, OWN, SHARED, "relative_change", "original", 10 + number) < 1e-12
        assert value(table, OWN, AGAIN, "relative_change", "original", 10 + number) > 1e-3
        assert value(table, OWN, "none", "largest_shift", "none", 10 + number) == 0.3
        lines, sizes = cat() != 0, GRADIENTS[number].abs()
        share = (sizes[lines] < 1e-3 * sizes.max()).double().mean()
        assert value(table, OWN, "none", "untouched_share", "none", 10 + number) == pytest.approx(float(share))
    shares = table[table.metric == "untouched_share"].value
    assert shares.max() > 0, "else the test could not fail"


def test_without_the_clip_nothing_but_the_cat_is_seen(table):
    """K-56."""
    own = table[table.intervention == UNCLIPPED]
    errors = own[own.metric == "relative_error"].value
    assert (errors < 1e-10).all() and errors.max() > 0, "rounding, but measured"
    assert (own[own.metric == "cat_correlation"].value > 0.99).all()
    for number in SAMPLES:
        largest = float(plain_shift(number, None).abs().max())
        found = value(table, UNCLIPPED, "none", "largest_shift", "none", 10 + number)
        assert found == pytest.approx(largest, rel=1e-9) and found > 1


def test_other_images_borrow_the_shifts_of_samples(table):
    drawing = cat().flatten().numpy()
    borrowed = table[table.intervention == BORROWED]
    assert sorted(borrowed.image.unique()) == [10 + number for number in REST]
    assert set(borrowed[borrowed.against == "original"].draw) == {-1}
    for draw, lender in enumerate(LENDERS):
        for number in REST:
            expected = plain_maps(number, plain_shift(lender))
            for method in (PRODUCT, BLACK):
                found = value(table, BORROWED, method, "cat_correlation", "shifted", 10 + number, draw)
                wanted = np.corrcoef(expected[method].flatten().numpy(), drawing)[0, 1]
                assert found == pytest.approx(wanted, abs=1e-9)
            level = borrowed[(borrowed.draw == draw) & (borrowed.image == 10 + number)].level.unique().tolist()
            assert level == [SAME if CLASSES[lender] == CLASSES[number] else OTHER]
    assert {SAME, OTHER} < set(borrowed.level)


def test_no_two_rows_have_one_name_and_the_table_survives_its_file(table, tmp_path):
    keys = [name for name in COLUMNS if name not in ("value", "target")]
    assert (table.groupby(keys).size() == 1).all() and np.isfinite(table.value).all()
    (tmp_path / "scores.csv.xz").write_bytes(pack_scores(table))
    again = read_scores(tmp_path / "scores.csv.xz")
    for of in (OWN, BORROWED):
        assert figures.rises(again, of).value.mean() == pytest.approx(figures.rises(table, of).value.mean(), abs=1e-5)
    assert figures.cat_words(again, METHODS) == figures.cat_words(table, METHODS)


def test_the_same_call_gives_the_same_numbers(table):
    again = scored()
    pd.testing.assert_frame_equal(again, table.drop(columns=["model", "dataset", "seed"]))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"samples": 9}, "samples is 9, but there are 1 to 8"),
        ({"samples": 0}, "samples is 0"),
        ({"borrowed": 4}, "borrowed is 4, but there are 1 to 3"),
        ({"samples": 8}, "none is left to borrow a shift; raise n_images"),
        ({"pattern_images": 0}, "pattern_images is 0"),
        ({"methods": ["gradients"]}, "did you mean gradient"),
        (
            {"images": torch.zeros(8, 1, 28, 27)},
            r"drawn on \(1, 28, 28\) pixels, but an image has the shape \(1, 28, 27\)",
        ),
    ],
)
def test_wrong_settings_are_refused(changed, message):
    with pytest.raises(StudyError, match=message):
        scored(**changed)


# Pictures and figures -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures():
    found = cat_pictures(NET, IMAGES, CLASSES, [PRODUCT, SHARED], **GIVEN, labels=CLASSES)
    return {name: picture.numpy() for name, picture in found.items()}


def test_pictures_show_what_both_networks_take_and_give(pictures):
    rows = [f"{row}: {name}" for row in ("net 1", "net 2", "borrowed") for name in ("x", PRODUCT, SHARED)]
    assert set(pictures) == {"cat", "shift", "unclipped", *rows}
    assert {picture.shape for picture in pictures.values()} == {(8, 28, 28)}
    for number in (0, 5):
        own, first = plain_shift(number), plain_shift(0)
        for row, shift in (("net 1", 0 * own), ("net 2", own), ("borrowed", first)):
            taken = (IMAGES[number] + shift)[0].numpy()
            assert pictures[f"{row}: x"][number] == pytest.approx(taken - taken.min(), abs=1e-12)
            expected = plain_maps(number, shift)
            for method in (PRODUCT, SHARED):
                assert pictures[f"{row}: {method}"][number] == pytest.approx(expected[method][0].numpy(), abs=1e-9)
    flat = np.stack([pictures["unclipped"][3].ravel(), pictures["cat"][3].ravel()])
    assert np.corrcoef(flat)[0, 1] > 0.99


def test_galleries_have_a_cell_for_each_picture(pictures):
    figure = figures.cat_gallery(pictures, [0, 5], [PRODUCT, SHARED])
    shown = [len(axis.images) for axis in figure.axes]
    assert len(shown) == 4 * 5 and shown.count(0) == 2, "net 1 has nothing without the clip"
    assert np.array(figure.axes[5].images[0].get_array()) == pytest.approx(pictures["net 2: x"][0])
    assert np.array(figure.axes[6].images[0].get_array()) == pytest.approx(pictures["shift"][0])
    grid = figures.borrowed_cats(pictures, {0: "own", 3: "other"}, PRODUCT)
    assert [axis.get_title() for axis in grid.axes] == ["own", "other", "", "", "", ""]
    assert np.array(grid.axes[5].images[0].get_array()) == pytest.approx(pictures[f"borrowed: {PRODUCT}"][3])


def test_rises_are_differences_image_by_image(table):
    rise = figures.rises(table, BORROWED, "cat_correlation_abs", OTHER)
    assert set(rise.level) == {OTHER}
    one = rise[(rise.method == PRODUCT) & (rise.image == 15) & (rise.draw == 0)].value.item()
    after, before = (
        value(table, BORROWED, PRODUCT, "cat_correlation_abs", against, 15, draw)
        for against, draw in (("shifted", 0), ("original", -1))
    )
    assert one == pytest.approx(after - before, abs=1e-12)


@pytest.mark.parametrize("make", [figures.cat_rise, figures.cat_transfer])
def test_dots_stand_at_the_mean_rises(table, make):
    figure = make(table, [PRODUCT, SHARED, "gradient"])
    (axis,) = figure.axes
    assert [tick.get_text() for tick in axis.get_yticklabels()][-1] == "PatternAttribution, shared patterns"
    dots = {container.get_label(): container[0].get_xdata() for container in axis.containers}
    marks = {"signed maps": (OWN, "cat_correlation", ""), "absolute maps": (OWN, "cat_correlation_abs", "")}
    if make is figures.cat_transfer:
        marks = {
            "the image's own shift": (OWN, "cat_correlation", ""),
            "the shift of an image of the same class": (BORROWED, "cat_correlation", SAME),
            "the shift of an image of another class": (BORROWED, "cat_correlation", OTHER),
        }
    assert dots.keys() == marks.keys()
    for label, (of, metric, level) in marks.items():
        found = summary(figures.rises(table, of, metric, level), ["method"]).set_index("method").value
        assert sorted(dots[label]) == pytest.approx(sorted(found[[PRODUCT, SHARED]])), label


def test_words_are_the_mean_rises(table):
    mean = figures.rises(table, OWN).query("method == @PRODUCT").value.mean()
    expected = f"Gradient ⊙ input {mean:.2f}, PatternAttribution, shared patterns 0.00"
    assert figures.cat_words(table, [PRODUCT, SHARED]) == expected


# Finding ------------------------------------------------------------------------------------------------------------


def test_on_digits_the_cat_appears_and_patterns_hide_it(digits):
    """K-53 to K-55, with a net of a hundred units that has learned nothing: the cat is arithmetic."""
    dataset = data.load("mnist-5k")
    layers = [nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10)]
    net = toys.randomise(nn.Sequential(*layers)).eval()
    chosen = data.balanced(dataset.test_labels, 12)
    images = dataset.test_images[chosen]
    given = {"training_images": dataset.train_images, "pattern_images": 200, "image_ids": chosen.tolist()}
    methods = [PRODUCT, "integrated_gradients", "integrated_gradients(reference=black)", "dtd_zero", SHARED]
    found = cat_scores(net, images, net(images).argmax(1), methods, samples=10, borrowed=1, **given)
    found = found.assign(model="k_mlp", dataset="mnist-5k", seed=0)
    means = figures.rises(found, OWN).groupby("method").value.mean()
    assert (means[[PRODUCT, "integrated_gradients", "dtd_zero"]] > 0.15).all()
    assert abs(means[SHARED]) < 1e-10
    decided = {claim: decide(claim, found) for claim in ("K-53", "K-54", "K-55", "K-56")}
    assert not [part for claim in decided.values() for part in claim["parts"] if "not measured" in part["label"]]
    assert [len(claim["parts"]) for claim in decided.values()] == [2, 6, 2, 1]
    assert {claim: decided[claim]["verdict"] for claim in ("K-53", "K-55", "K-56")} == dict.fromkeys(
        ("K-53", "K-55", "K-56"), SUPPORTED
    )
