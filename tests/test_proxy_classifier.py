"""The machine in the analyst's place: right where maps differ, at a loss where they do not."""

import numpy as np
import pytest
import torch
import toys

from lib.errors import StudyError
from lib.proxy_classifier import recognised, told_apart


def test_maps_of_two_laws_are_recognised_and_equal_laws_are_not():
    generator = np.random.default_rng(0)
    same = generator.normal(size=(2, 60, 9))
    apart = same + np.array([0.0, 3.0])[:, None, None]
    assert recognised(apart, seed=1).mean() > 0.97
    # 120 guesses of which those of an image hang together: three standard deviations.
    assert abs(recognised(same, seed=1).mean() - 0.5) < 3 * 0.5 / np.sqrt(60)
    assert np.array_equal(recognised(same, seed=1), recognised(same, seed=1))


def test_both_maps_of_an_image_stand_in_the_same_fold():
    # Two equal maps: a forest that had seen one of them would know the other, and put it down to the wrong net.
    generator = np.random.default_rng(1)
    maps = np.repeat(generator.normal(size=(1, 40, 5)), 2, axis=0)
    assert np.array_equal(recognised(maps, seed=0), np.full(40, 0.5))


def test_two_nets_with_the_same_weights_cannot_be_told_apart():
    images, targets = toys.images(6, "max_pool"), torch.zeros(6, dtype=torch.int64)
    model = toys.net("max_pool")
    table = told_apart(model, toys.net("max_pool"), images, targets, ["gradient"])
    assert (table.value == 0.5).all() and sorted(table.metric.unique()) == ["told_apart", "told_apart_abs"]
    assert table.groupby("metric").image.apply(list).tolist() == [list(range(6))] * 2


def test_a_net_of_another_architecture_is_refused():
    with pytest.raises(StudyError, match="other layers"):
        told_apart(toys.net("max_pool"), toys.net("mlp"), toys.images(6), torch.zeros(6).long(), ["gradient"])
