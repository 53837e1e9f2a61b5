"""Drawn hands: age closes the gaps and fills the wrist, and does nothing else; nothing else does it."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.transform import rotate

from lib.errors import StudyError
from lib.hands import AGES, GAPS, RANGES, SIDE, Looks, drawn_ages, drawn_looks, hands, hands_of, rendered, usual_looks

PIXELS, WRIST, FINGER, JOINT = 80.0, (45.0, 86.0), 0.020, 0.710
"""A hand of size 1 in pixels, the column and row of its wrist, and where a joint of the middle finger lies."""


def drawn(ages, **change):
    """Images (N, H, W) of usual hands with some of their looks changed, in float64."""
    looks = usual_looks(len(ages))
    looks = replace(looks, **{name: torch.full_like(looks.size, value) for name, value in change.items()})
    return rendered(torch.tensor(ages, dtype=torch.float64), looks)[:, 0].double().numpy()


def measured_gaps(images, size=0.94, across=0.0, down=0.0):
    """What is missing of bone along a joint of the middle finger of each image, in pixels.

    The first image must have a gap that is wide enough to show the flesh.
    """
    column = round(WRIST[0] + across + FINGER * PIXELS * size)
    row = round(WRIST[1] + down - JOINT * PIXELS * size)
    along = images[:, row - 6 : row + 7, column]
    bone, flesh = along.max(), along[0].min()
    return (bone - along).sum(1) / (bone - flesh)


def test_the_gaps_close_with_age_as_the_formula_says():
    ages = np.linspace(*AGES, 18)
    gaps = measured_gaps(drawn(ages))
    assert (np.diff(gaps) < -0.02).all()
    expected = np.interp(ages, AGES, GAPS) * PIXELS * 0.94
    wide = expected > 1.0
    assert 10 < wide.sum() < len(ages)
    np.testing.assert_allclose(gaps[wide], expected[wide], atol=1e-4)


@pytest.mark.parametrize(
    "change",
    [{"contrast": 0.7}, {"contrast": 1.1}, {"brightness": 0.12}, {"across": 4.0}, {"down": -3.0}, {"size": 1.04}]
)  # fmt: skip
def test_nothing_else_closes_them(change):
    ages = np.linspace(AGES[0], 150.0, 4)
    usual = measured_gaps(drawn(ages)) / 0.94
    places = {name: value for name, value in change.items() if name in ("size", "across", "down")}
    changed = measured_gaps(drawn(ages, **change), **places) / places.get("size", 0.94)
    np.testing.assert_allclose(changed, usual, atol=1e-3)


def test_bones_grow_everywhere_and_the_flesh_stays():
    images = drawn(np.linspace(*AGES, 6))
    assert (np.diff(images, axis=0) >= 0).all()
    background = images[0, 0, 0]
    silhouettes = images > background
    assert (silhouettes == silhouettes[0]).all() and 0.2 < silhouettes[0].mean() < 0.6
    edge = images[:, [0, -1]][:, 0]
    assert (edge == background).all() and (images[:, :, [0, -1]] == background).all(), "fingers are not cut off"


@pytest.mark.parametrize(("age", "count"), [(12.0, 2), (36.0, 3), (50.0, 4), (80.0, 7)])
def test_the_bones_of_the_wrist_come_one_after_the_other(age, count):
    # Three times as large, so that bones of the wrist are some pixels wide and apart.
    image = drawn([age], size=3.0)[0]
    labels, found = ndimage.label(image > image.min() + 0.26 * 0.9 + 0.21)
    rows, columns = np.array(ndimage.center_of_mass(image, labels, range(1, found + 1))).T
    x, y = (columns - WRIST[0]) / (3 * PIXELS), (WRIST[1] - rows) / (3 * PIXELS)
    assert ((y > 0.05) & (y < 0.16) & (abs(x) < 0.11)).sum() == count


def test_a_bone_that_is_not_there_yet_leaves_no_pixel():
    image = drawn([12.0], size=3.0)[0]
    # The place of a bone that comes with 42 months.
    row, column = round(WRIST[1] - 0.068 * 3 * PIXELS), round(WRIST[0] - 0.022 * 3 * PIXELS)
    patch = image[row - 4 : row + 5, column - 4 : column + 5]
    assert np.ptp(patch) == 0 and patch[0, 0] > image.min()


def test_contrast_and_brightness_change_the_scale_of_an_image_and_nothing_else():
    plain = drawn([24.0, 100.0, 216.0], contrast=1.0, brightness=0.0)
    for contrast, brightness in ((0.7, 0.02), (1.1, 0.12)):
        changed = drawn([24.0, 100.0, 216.0], contrast=contrast, brightness=brightness)
        np.testing.assert_allclose(changed, brightness + contrast * plain, atol=1e-6)


def test_a_turn_turns_the_whole_hand():
    usual, turned = drawn([100.0])[0], drawn([100.0], turn=10.0)[0]
    pivot = (WRIST[0], WRIST[1] - 0.4 * PIXELS * 0.94)
    inner = np.s_[8:76, 16:80]
    by = {angle: rotate(usual, angle, center=pivot) for angle in (-10, 0, 10)}
    alike = {angle: np.corrcoef(image[inner].ravel(), turned[inner].ravel())[0, 1] for angle, image in by.items()}
    assert alike[-10] > 0.98 > 0.9 > max(alike[0], alike[10]), "clockwise, as written"


def test_spread_moves_the_outer_fingers_apart():
    widths = []
    for spread in (0.75, 1.35):
        columns = np.nonzero((drawn([100.0], spread=spread)[0] > 0.2)[:60].any(0))[0]
        widths.append(np.ptp(columns))
    assert widths[1] > widths[0] + 8


def test_looks_are_drawn_within_their_ranges_and_know_nothing_of_age():
    ages, looks = drawn_ages(2000, "some"), drawn_looks(2000, "some")
    factors = {field.name: getattr(looks, field.name) for field in fields(Looks)}
    assert factors.keys() == RANGES.keys()
    for name, values in factors.items():
        low, high = RANGES[name]
        assert low <= values.min() < low + 0.01 * (high - low) and high - 0.01 * (high - low) < values.max() <= high
    table = torch.stack([ages, *factors.values()])
    assert (table.corrcoef() - torch.eye(len(table))).abs().max() < 4 / 2000**0.5
    assert drawn_ages(50, "some").min() >= AGES[0] and drawn_ages(500, "some").max() <= AGES[1]


def test_a_set_is_its_name_and_its_noise_is_as_strong_as_drawn():
    first, again, other = hands(3, "one"), hands(3, "one"), hands(3, "two")
    assert torch.equal(first.images, again.images) and torch.equal(first.ages, again.ages)
    assert not torch.equal(first.ages, other.ages)
    assert first.images.shape == (3, 1, SIDE, SIDE) and first.images.dtype == torch.float32
    assert first.images.min() >= 0 and first.images.max() <= 1
    looks = drawn_looks(3, "one")
    clean = rendered(first.ages, looks)
    # In the flesh, where nothing is clipped.
    flesh = clean > 0.25
    for difference, inside, strength in zip(first.images - clean, flesh, looks.noise, strict=True):
        assert difference[inside].std() == pytest.approx(float(strength), rel=0.15)
    assert torch.equal(hands_of(first.ages, "one").images, first.images)


def test_impossible_hands_are_refused():
    with pytest.raises(StudyError, match="0 hands"):
        hands(0, "none")
    for age in (11.9, 216.1):
        with pytest.raises(StudyError, match="ages of 12 to 216 months"):
            rendered(torch.tensor([age], dtype=torch.float64), usual_looks(1))
