"""Edges: areas under curves by counting pairs, masks by hand, and what trained nets' maps are compared with."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy import stats
from skimage.color import rgb2gray
from skimage.filters import sobel

from lib.edge_masked import confidence_in, edge_map_pictures, edge_map_scores
from lib.edges import edge_auc, edge_pixels, edges_only, luminance, magnitude
from lib.errors import StudyError


def square(side=12):
    image = torch.zeros(1, 1, side, side)
    image[:, :, 4:8, 3:9] = torch.rand(4, 6, generator=torch.Generator().manual_seed(0)) + 0.5
    return image


def test_luminance_is_scikit_images():
    colours = torch.rand(2, 3, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = rgb2gray(colours.permute(0, 2, 3, 1).numpy())
    assert luminance(colours)[:, 0].numpy() == pytest.approx(expected, abs=1e-12)
    assert torch.equal(luminance(colours[:, :1]), colours[:, :1])
    with pytest.raises(StudyError, match="2 channels"):
        luminance(colours[:, :2])


def test_edge_pixels_are_the_strongest_fifth():
    image = torch.rand(1, 1, 20, 20, generator=torch.Generator().manual_seed(2))
    found = edge_pixels(image)[0]
    strength = sobel(image[0, 0].numpy()).ravel()
    assert found.sum() == 80 and strength[found.numpy()].min() > strength[~found.numpy()].max()


def test_flat_pixels_are_never_edges():
    """A small square: less than a fifth of the pixels has any edge."""
    found = edge_pixels(square(40))[0]
    strength = sobel(square(40)[0, 0].numpy()).ravel()
    assert 0 < found.sum() == (strength > 0).sum() < 320
    assert edge_pixels(torch.zeros(1, 1, 6, 6)).sum() == 0


def test_auc_counts_pairs_of_an_edge_pixel_and_another():
    generator = torch.Generator().manual_seed(3)
    maps = torch.randint(-3, 4, (3, 1, 4, 5), generator=generator).double()
    edges = torch.rand(3, 20, generator=generator) < 0.3
    for score, mask, found in zip(maps.flatten(1), edges, edge_auc(maps, edges), strict=True):
        middle = score.sort().values[9]
        apart = (score - middle).abs()
        pairs = list(itertools.product(apart[mask].tolist(), apart[~mask].tolist()))
        expected = np.mean([1.0 if edge > other else 0.5 if edge == other else 0.0 for edge, other in pairs])
        assert float(found) == pytest.approx(expected, abs=1e-12)
        by_scipy = stats.mannwhitneyu(apart[mask], apart[~mask]).statistic / len(pairs)
        assert float(found) == pytest.approx(by_scipy, abs=1e-12)


def test_auc_at_its_extremes():
    edges = edge_pixels(square())
    outline = magnitude(square())
    assert edge_auc(outline, edges).item() == pytest.approx(1.0, abs=1e-9)
    assert edge_auc(-outline, edges).item() == pytest.approx(1.0, abs=1e-9), "it stands out on either side"
    assert edge_auc(torch.ones_like(outline), edges).item() == 0.5
    assert edge_auc(outline, torch.zeros_like(edges)).isnan().all()


def test_auc_does_not_rank_rounding_errors_and_adds_channels_up():
    edges = edge_pixels(square())
    outline = magnitude(square()).double()
    flat = torch.zeros_like(outline)
    flat.view(-1)[:50] = 1.0
    trembling = flat + 1e-9 * torch.randn(flat.shape, generator=torch.Generator().manual_seed(4))
    assert edge_auc(trembling, edges).item() == edge_auc(flat, edges).item()
    two = torch.cat([outline, torch.zeros_like(outline)], 1)
    assert edge_auc(two, edges).item() == edge_auc(outline, edges).item()


def test_edges_only_keeps_the_strongest_edge_and_nothing_flat():
    image = square()
    reduced = edges_only(image)
    strength = sobel(image[0, 0].numpy())
    assert reduced[0, 0].numpy() == pytest.approx(image[0, 0].numpy() * strength / strength.max(), abs=1e-6)
    assert (reduced[image == 0] == 0).all() and (reduced <= image).all()
    assert (edges_only(torch.full((1, 1, 6, 6), 0.5)) == 0).all()


class Small(torch.nn.Module):
    """One channel of 8x8 pixels, two classes, a ReLU."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.layers = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 9), torch.nn.ReLU())
        self.layers.append(torch.nn.Linear(9, 2))
        with torch.no_grad():
            for each in self.parameters():
                each.copy_(torch.randn(each.shape, generator=generator) / 4)

    def forward(self, x):
        return self.layers(x)


def given():
    images = torch.zeros(3, 1, 8, 8)
    images[:, :, 1:7, 2:7] = torch.rand(3, 1, 6, 5, generator=torch.Generator().manual_seed(5)) + 0.1
    numbers = torch.arange(3)
    return {
        "images": images,
        "targets": numbers % 2,
        "labels": numbers % 2,
        "image_ids": [4, 5, 6],
        "references": {},
        "training_images": images,
        "background": 0.0,
    }


def test_maps_of_edges_alone_are_compared_with_those_of_the_image():
    table = edge_map_scores(Small(), methods=["gradient", "input", "edge"], **given())
    chosen = table[(table.intervention == "mask_input") & (table.metric == "spearman_abs")]
    own = chosen[chosen.against == "original"].set_index(["method", "image"]).value
    images, reduced = given()["images"], edges_only(given()["images"])
    for number, image in enumerate([4, 5, 6]):
        expected = stats.spearmanr(images[number].flatten(), reduced[number].flatten()).statistic
        assert own["input", image] == pytest.approx(expected, abs=1e-6)
    other = chosen[(chosen.against == "null_other_image") & (chosen.method == "input")].set_index("image").value
    assert other[5] == pytest.approx(stats.spearmanr(images[0].flatten(), reduced[1].flatten()).statistic, abs=1e-6)


def test_maps_are_compared_with_the_edges_of_the_image_and_of_another():
    table = edge_map_scores(Small(), methods=["gradient", "edge"], **given())
    chosen = table[table.intervention == "edge_detector"].set_index(["method", "metric", "against", "image"]).value
    chosen = chosen.sort_index()
    for metric in ("spearman_abs", "spearman_abs_fg"):
        assert chosen["edge", metric, "edge"].to_numpy() == pytest.approx(1.0)
        assert chosen["edge", metric, "edge_other"].max() < 0.95
        assert chosen["gradient", metric, "edge"].abs().max() < 0.95


def test_confidence_is_the_softmax_of_the_explained_class():
    model, arguments = Small(), given()
    table = edge_map_scores(model, methods=["gradient"], **arguments)
    rows = table[table.metric == "confidence"]
    for step, images in enumerate((arguments["images"], edges_only(arguments["images"]))):
        logits = model(images).detach().double().numpy()
        odds = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        expected = odds[np.arange(3), arguments["targets"]]
        assert rows[rows.step == step].value.to_numpy() == pytest.approx(expected, abs=1e-6)
        assert confidence_in(model, images, arguments["targets"]).numpy() == pytest.approx(expected, abs=1e-6)


def test_pictures_are_those_of_image_and_edges():
    arguments = given()
    pictures = edge_map_pictures(Small(), methods=["input", "gradient"], **arguments)
    assert torch.equal(pictures["whole:input"], arguments["images"][:, 0])
    assert torch.equal(pictures["edges alone:input"], edges_only(arguments["images"])[:, 0])
    assert torch.equal(pictures["edges alone:image"], pictures["edges alone:input"])
    assert not torch.equal(pictures["whole:gradient"], pictures["edges alone:gradient"])
