"""The confounded tasks: a thousand samples of each, whose labels, masks and overlaps are found again in the pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from lib import data, shapes, tasks
from lib.errors import StudyError

SAMPLES = 1000
AROUND = np.ones((3, 3))


@pytest.fixture(scope="module")
def plain(digits):
    """A thousand digits that no net is trained on, (1000, 1, 28, 28)."""
    return data.load("mnist-5k").test_images[:SAMPLES]


def dilated(mask):
    return ndimage.binary_dilation(mask, AROUND)


# Half a digit --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("half", "rows"), [("bottom", range(14, 28)), ("top", range(14))])
def test_half_a_digit(plain, half, rows):
    task = tasks.half_digit(plain, half=half, seed=3)
    found, rows = [], list(rows)
    for number in range(SAMPLES):
        image, original = task.images[number, 0].numpy(), plain[number, 0].numpy()
        others = [row for row in range(28) if row not in rows]
        assert (image[others] == original[others]).all()
        assert original[rows].any(), "a digit without ink there would have no label"
        found.append(int(not image[rows].any()))
        expected = original.copy()
        if found[-1]:
            expected[rows] = 0.0
        assert (image == expected).all()
        assert (task.regions["ink"][number].numpy() == dilated(image > 0)).all()
        own = np.zeros((28, 28), dtype=bool)
        own[rows] = True
        assert (task.regions["half"][number].numpy() == own).all()
        assert task.regions["cut"][number].nonzero()[:, 0].unique().tolist() == [12, 13, 14, 15]
    assert task.labels.tolist() == found
    # Half of a thousand, give or take three standard deviations.
    assert abs(sum(found) - SAMPLES / 2) < 3 * math.sqrt(SAMPLES / 4)
    restored, removed = task.altered["half_restored"], task.altered["half_removed"]
    assert torch.equal(restored, plain) and not removed[:, :, rows].any()
    deleted = task.labels == tasks.DELETED
    assert torch.equal(task.images[deleted], removed[deleted]) and torch.equal(task.images[~deleted], plain[~deleted])


def test_half_a_digit_depends_on_its_seed_alone(plain):
    torch.manual_seed(1)
    first = tasks.half_digit(plain, seed=3)
    torch.manual_seed(2)
    assert torch.equal(tasks.half_digit(plain, seed=3).images, first.images)
    assert not torch.equal(tasks.half_digit(plain, seed=4).labels, first.labels)
    assert torch.equal(tasks.half_digit(plain, half="top", seed=3).labels, first.labels)


def test_an_unknown_half_is_refused(plain):
    with pytest.raises(StudyError, match="half is 'left'; choose one of bottom, top"):
        tasks.half_digit(plain, half="left")


# A shape beside a digit ----------------------------------------------------------------------------------------------


def kind_of(mask):
    """Name a shape by its pixels, and check that it is one: rectangles are filled, circles are rings."""
    if not mask.any():
        return "nothing", None
    assert ndimage.label(mask, AROUND)[1] == 1
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    box = rows[0], columns[0], rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    top, left, height, width = box
    if mask[top : top + height, left : left + width].all():
        assert 4 <= height <= 8 and 4 <= width <= 8
        return "rectangle", box
    radius = (height - 1) // 2
    assert height == width == 2 * radius + 1 and 3 <= radius <= 5
    for row in range(height):
        for column in range(width):
            distance = math.hypot(row - radius, column - radius)
            assert mask[top + row, left + column] == (abs(distance - radius) < 0.5)
    return "circle", box


def in_a_corner(box, side):
    top, left, height, width = box
    return top in (0, side - height) and left in (0, side - width)


@pytest.mark.parametrize("canvas", [28, 40])
def test_a_shape_beside_a_digit(plain, canvas):
    task = tasks.shapes_and_digit(plain, canvas=canvas, seed=5)
    assert task.images.shape == (SAMPLES, 1, canvas, canvas) and task.images.dtype == torch.float32
    edge, cornered, kinds = (canvas - 28) // 2, 0, []
    for number in range(SAMPLES):
        image = task.images[number, 0].numpy()
        digit = np.zeros((canvas, canvas), dtype=np.float32)
        digit[edge : edge + 28, edge : edge + 28] = plain[number, 0].numpy()
        alone = task.altered["digit_removed"][number, 0].numpy()
        assert set(np.unique(alone)) <= {0.0, 1.0}
        shape = alone == 1
        kind, box = kind_of(shape)
        kinds.append(shapes.KINDS.index(kind))
        assert (image == np.maximum(digit, alone)).all()
        assert (task.altered["shape_removed"][number, 0].numpy() == digit).all()
        assert (task.regions["shape"][number].numpy() == dilated(shape)).all()
        assert (task.regions["digit"][number].numpy() == dilated(digit > 0)).all()
        if kind != "nothing" and (shape & (digit > 0)).sum() > 0.1 * shape.sum():
            assert in_a_corner(box, canvas)
            cornered += 1
    assert task.labels.tolist() == kinds
    assert all(abs(kinds.count(kind) - SAMPLES / 3) < 3 * math.sqrt(SAMPLES * 2 / 9) for kind in range(3))
    assert cornered < 0.06 * SAMPLES and (canvas == 28 or cornered == 0)


def test_shapes_stand_anywhere_and_in_all_sizes(plain):
    boxes = shapes.placed(shapes.random_boxes(SAMPLES, 0), torch.zeros(SAMPLES, 28, 28, dtype=torch.bool), 0)
    filled, round_ = boxes.kinds == 1, boxes.kinds == 2
    for sides in (boxes.heights, boxes.widths):
        assert sides[filled].unique().tolist() == [4, 5, 6, 7, 8]
        assert sides[round_].unique().tolist() == [7, 9, 11]
    assert (boxes.heights[filled] != boxes.widths[filled]).any()
    for starts, sides in ((boxes.tops, boxes.heights), (boxes.lefts, boxes.widths)):
        share = starts / (28 - sides)
        assert share.min() == 0 and share.max() == 1
        assert abs(share.double().mean() - 0.5) < 3 * math.sqrt(1 / 12 / SAMPLES) + 0.01
    assert abs(torch.corrcoef(torch.stack([boxes.tops, boxes.lefts]).double())[0, 1]) < 0.15


def test_a_shape_that_fits_nowhere_goes_into_the_emptiest_corner():
    ink = torch.ones(60, 28, 28, dtype=torch.bool)
    ink[:30, 20:, :6] = False  # the lower left corner is the emptiest of the first thirty
    boxes = shapes.random_boxes(60, 1)
    found = shapes.placed(boxes, ink, 1)
    # Small shapes do fit into the gap, wherever chance puts them; large ones do not.
    large = (boxes.widths >= 8) & (boxes.kinds > 0)
    assert large[:30].any() and large[30:].any()
    assert (found.lefts[large] == 0).all()
    assert (found.tops[:30] == 28 - found.heights[:30])[large[:30]].all()
    assert (found.tops[30:] == 0)[large[30:]].all(), "where all are alike, the upper left one"


def test_shapes_depend_on_their_seed_alone(plain):
    torch.manual_seed(1)
    first = tasks.shapes_and_digit(plain[:50], seed="a")
    torch.manual_seed(2)
    again = tasks.shapes_and_digit(plain[:50], seed="a")
    assert torch.equal(first.images, again.images) and torch.equal(first.labels, again.labels)
    assert not torch.equal(tasks.shapes_and_digit(plain[:50], seed="b").images, first.images)


def test_a_canvas_too_small_is_refused(plain):
    with pytest.raises(StudyError, match="canvas is 27, smaller than the digits; give at least 28"):
        tasks.shapes_and_digit(plain, canvas=27)


# As data sets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "labels", "regions"),
    [("mnist-5k-half", 2, ["half", "cut", "ink"]), ("mnist-5k-shapes", 3, ["shape", "digit"])],
)
def test_a_task_is_a_data_set_with_its_ground_truth(digits, name, labels, regions):
    found, base = data.load(name), data.load("mnist-5k")
    assert found.name == name and found.background == 0.0
    assert found.train_images.shape == (4000, 1, 28, 28) and found.test_images.shape == (1000, 1, 28, 28)
    for part in (found.train_labels, found.test_labels):
        assert part.unique().tolist() == list(range(labels))
    assert list(found.test_regions) == regions
    assert all(masks.shape == (1000, 28, 28) and masks.dtype == torch.bool for masks in found.test_regions.values())
    assert all(images.shape == (1000, 1, 28, 28) for images in found.test_altered.values())
    untouched = found.test_labels == 0
    assert torch.equal(found.test_images[untouched], base.test_images[untouched])
    assert not torch.equal(found.train_labels[:1000], found.test_labels), "training and test have draws of their own"


def test_both_tasks_with_shapes_have_the_same_images(digits):
    shape, digit, base = (data.load(f"mnist-5k{suffix}") for suffix in ("-shapes", "-shapes-digit", ""))
    assert digit.name == "mnist-5k-shapes-digit"
    assert digit.train_images is shape.train_images and digit.test_images is shape.test_images
    assert torch.equal(digit.train_labels, base.train_labels) and torch.equal(digit.test_labels, base.test_labels)
    assert digit.test_regions is shape.test_regions


def test_the_key_of_a_task_holds_the_code_that_makes_it():
    assert data.loaders("mnist-half") == [data._half_digit, data._task_set, tasks, data._torchvision]
    assert data.loaders("mnist-half") == data.loaders("mnist-half-top")
    shape = [data._shapes, data._task_set, tasks, shapes, data._few, data._mnist_5k]
    assert data.loaders("mnist-100-shapes") == shape
    assert data.loaders("mnist-100-shapes-digit") == [data._digits_beside, *shape]
