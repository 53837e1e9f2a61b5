"""Nulls are named draws: the same for an image in any batch, and with nothing left of what they are to destroy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from lib.errors import StudyError
from lib.nulls import NULLS, check_nulls, corrected, other_classes, other_images, shuffled

MAPS = torch.randn(5, 3, 6, 7, generator=torch.Generator().manual_seed(0))
IDS = [3, 1, 4, 15, 9]


def test_shuffled_maps_keep_their_marginal_and_their_channels_together():
    found = shuffled(MAPS, IDS, 0)
    assert found.shape == MAPS.shape and not torch.equal(found, MAPS)
    for before, after in zip(MAPS.flatten(2), found.flatten(2), strict=True):
        pixels = [sorted(map(tuple, each.T.tolist())) for each in (before, after)]
        assert pixels[0] == pixels[1]


def test_every_image_has_an_order_of_its_own_that_its_company_does_not_change():
    found = shuffled(MAPS, IDS, 0)
    for place, image in enumerate(IDS):
        assert torch.equal(shuffled(MAPS[place : place + 1], [image], 0)[0], found[place])
    same_map = shuffled(MAPS[:1].expand(5, -1, -1, -1), IDS, 0).flatten(1)
    assert len({tuple(each) for each in same_map.tolist()}) == 5
    assert not torch.equal(shuffled(MAPS, IDS, 1), found)
    assert torch.equal(shuffled(MAPS, IDS, 0), found)


def test_no_image_keeps_its_own_map():
    for count in (2, 3, 5):
        found = other_images(MAPS[:count])
        assert not any(torch.equal(*pair) for pair in zip(found, MAPS[:count], strict=True))
        assert sorted(each.sum().item() for each in found) == sorted(each.sum().item() for each in MAPS[:count])


def test_other_classes_are_never_the_same_and_all_others_occur():
    classes = torch.arange(4).repeat(200)
    found = other_classes(classes, 4, list(range(800)), 0)
    assert not (found == classes).any() and found.dtype == classes.dtype
    for own in range(4):
        drawn = found[classes == own].bincount(minlength=4)
        assert drawn[own] == 0 and drawn.sum() == 200
        assert (drawn[torch.arange(4) != own] > 40).all()
    assert torch.equal(other_classes(classes[7:9], 4, [7, 8], 0), found[7:9])
    assert not torch.equal(other_classes(classes, 4, list(range(800)), 1), found)


def test_one_class_has_no_other():
    with pytest.raises(StudyError, match="one class"):
        other_classes(torch.zeros(2, dtype=torch.long), 1, [0, 1], 0)


@pytest.mark.parametrize("kind", [float, torch.tensor, np.array, pd.Series])
def test_corrected_is_0_at_the_null_and_1_for_equal_maps(kind):
    null = 0.8 if kind is float else kind([0.8, 0.8, 0.8])
    value = 0.9 if kind is float else kind([0.8, 1.0, 0.9])
    found = corrected(value, null)
    assert np.allclose(found, 0.5 if kind is float else [0.0, 1.0, 0.5], atol=1e-6)


@pytest.mark.parametrize("words", [["null_shuffle", "null_shuffle"], ["null_other_layer"]])
def test_unknown_and_doubled_nulls_are_refused(words):
    check_nulls(NULLS)
    check_nulls(())
    with pytest.raises(StudyError, match="null_other_image, null_shuffle, null_other_class"):
        check_nulls(words)
