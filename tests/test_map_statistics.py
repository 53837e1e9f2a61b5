"""Pieces and signs of single maps, against counts by hand."""

import math

import pytest
import torch

from lib.map_statistics import components, positive_share


def maps_of(*rows):
    return torch.tensor(rows, dtype=torch.float32)[None, None]


@pytest.mark.parametrize(
    ("rows", "count"),
    [
        (([9, 0, 9], [0, 0, 0], [9, 0, 9]), 4),
        (([9, 9, 0], [0, 0, 0], [0, 9, 9]), 2),
        (([9, 0, 0], [0, 9, 0], [0, 0, 9]), 1),  # corners touch
        (([9, 4, 9], [0, 0, 0], [0, 0, 0]), 2),  # 4 is below half of 9
        (([9, 5, 9], [0, 0, 0], [0, 0, 0]), 1),
        (([-9, 0, 9], [0, 0, 0], [0, 0, 0]), 2),  # sizes count, not signs
        (([8, 4, 8], [0, 0, 0], [0, 0, 0]), 2),  # exactly half is not above half
    ],
)
def test_pieces_are_counted(rows, count):
    assert components(maps_of(*rows)).tolist() == [count]
    assert components(1e-19 * maps_of(*rows)).tolist() == [count]


@pytest.mark.parametrize("value", [0.0, 3.0, math.inf, math.nan])
def test_a_constant_or_broken_map_has_no_pieces(value):
    assert components(torch.full((2, 1, 3, 3), value)).isnan().all()


def test_positive_share_counts_the_pixels_of_the_mask():
    maps = torch.tensor([[[[1.0, -1.0], [0.0, 2.0]]], [[[-1.0, -1.0], [-1.0, 5.0]]]])
    ink = torch.tensor([[True, True, True, False], [False, False, False, True]])
    assert positive_share(maps, ink).tolist() == [pytest.approx(1 / 3), 1.0]
    assert positive_share(maps, ~ink).tolist() == [1.0, 0.0]
    assert positive_share(maps, torch.zeros(2, 4, dtype=torch.bool)).isnan().all()


def test_channels_are_summed_with_their_signs():
    maps = torch.tensor([[[[3.0]], [[-1.0]], [[-1.0]]]])
    assert positive_share(maps, torch.ones(1, 1, dtype=torch.bool)).tolist() == [1.0]
    assert positive_share(torch.full((1, 1, 1, 1), math.nan), torch.ones(1, 1, dtype=torch.bool)).isnan().all()
