"""Photographs are enlarged as the formula of bilinear interpolation says, and mirrored beside with their labels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lib import finetuning, training
from lib.enlarged import SIDE, enlarged, with_mirrored
from lib.units import unit_tensors, units_of

NET = "inception_v3-tiny"


def bilinear(rows: np.ndarray) -> np.ndarray:
    """The weights that take so many rows to `SIDE`: pixel centres of both images cover the same square, float64."""
    count = len(rows)
    places = np.clip((np.arange(SIDE) + 0.5) * count / SIDE - 0.5, 0.0, count - 1.0)
    return np.maximum(0.0, 1.0 - np.abs(places[:, None] - np.arange(count)))


def test_enlarging_is_bilinear_and_stays_in_range():
    small = torch.rand((2, 3, 10, 64), generator=torch.Generator().manual_seed(0))
    found = enlarged(small)
    down, right = bilinear(small[0, 0].numpy()), bilinear(small[0, 0].numpy().T)
    expected = np.einsum("ir,ncrs,js->ncij", down, small.double().numpy(), right)
    assert found.dtype == torch.float32 and found.shape == (2, 3, SIDE, SIDE)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)
    assert found.min() >= 0.0 and found.max() <= 1.0


def test_mirrored_photographs_follow_with_the_same_labels():
    images, labels = torch.arange(12.0).reshape(2, 1, 2, 3), torch.tensor([4, 7])
    both, named = with_mirrored(images, labels)
    assert both[:2].equal(images) and named.tolist() == [4, 7, 4, 7]
    assert both[2:].tolist() == [[[[2, 1, 0], [5, 4, 3]]], [[[8, 7, 6], [11, 10, 9]]]]


@pytest.fixture(scope="module")
def blank():
    """The net of the recipe, its weights not set."""
    torch.manual_seed(0)
    model = finetuning.blank(training.read_recipe(NET))
    for parameter in model.parameters():
        parameter.zero_()
    return model


def test_seventeen_units_cover_the_net_in_its_order_of_execution(blank):
    units = units_of(blank, torch.zeros(1, 3, SIDE, SIDE))  # refuses another order
    blocks = [f"mixed_{each}" for each in ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")]
    assert list(units)[5:] == [*blocks, "logits"] and len(units) == 17
    owned = [tensor for modules in units.values() for tensor in unit_tensors(blank, modules)]
    assert sorted(owned) == sorted(blank.state_dict())
    assert blank(torch.zeros(2, 3, SIDE, SIDE)).shape == (2, 10)


def test_the_side_is_the_least_that_the_net_takes(blank):
    with pytest.raises(RuntimeError, match="Kernel size"):
        blank(torch.zeros(1, 3, SIDE - 1, SIDE - 1))


def test_the_recipe_is_named_after_its_net_and_starts_from_nothing_learned():
    recipe = training.read_recipe(NET)
    assert f"{recipe.model}-{recipe.dataset}" == NET and recipe.seed == 0
    assert recipe.weights == finetuning.OWN
    assert finetuning._label(recipe) == "Inception v3 (trained on tiny)"
