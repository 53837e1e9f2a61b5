"""Trained nets and the edges of the image: how like the edges a map is, and what the edges alone are explained by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor, nn

from lib import attributions
from lib.comparison import UNSIGNED, Examples, Scores, Table
from lib.edges import edges_only, luminance, magnitude
from lib.explained import maps_of
from lib.nulls import other_images
from lib.similarity import PreparedMaps, compare, foreground


def edge_map_scores(
    model: nn.Module, *, images: Tensor, targets: Tensor, labels: Tensor, image_ids: list[int],
    references: Mapping[str, Tensor], training_images: Tensor, background: float, methods: Sequence[str],
    seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    r"""Compare maps with the edges of the image, and with the maps of the edges alone.

    Parameters
    ----------
    model, images, targets, image_ids, references, training_images : of the trained net; labels are not used.
    background : pixel value of an empty pixel.
    methods : written forms.
    seed : of the noise, which is the same for an image and for its edges.

    Returns
    -------
    Scores of ``edge_detector``: rank correlations of absolute maps with Sobel's magnitude (``edge``) and with that of
    another image (``edge_other``). And of ``mask_input``, step 1: similarities of the maps of the image and of
    :math:`x' = x \odot` edges, both explained for the class of x (``original``), the same with the maps of another
    image (``null_other_image``), and the ``confidence`` of the net in that class, for x at step 0 and x' at step 1.
    """
    chosen = attributions.methods(methods)
    mask = foreground(images, background)
    edges = magnitude(luminance(images))
    strength, elsewhere = PreparedMaps(edges, mask), PreparedMaps(other_images(edges), mask)
    whole, reduced = (
        Examples.of(each, targets, image_ids=image_ids, references=references, training_images=training_images)
        for each in (images, edges_only(images))
    )
    of_whole, of_edges = maps_of(model, whole, chosen, seed), maps_of(model, reduced, chosen, seed, "masked")
    beside, after = Scores(targets), Scores(targets)
    for name, found in of_whole.items():
        maps = PreparedMaps(found, mask)
        beside.add(name, "edge", compare(maps, strength, UNSIGNED))
        beside.add(name, "edge_other", compare(maps, elsewhere, UNSIGNED))
        now = PreparedMaps(of_edges[name], mask)
        after.add(name, "original", compare(now, maps))
        after.add(name, "null_other_image", compare(now, PreparedMaps(other_images(found), mask)))
    table = Table(image_ids)
    table.add("edge_detector", "sobel", 0, -1, beside)
    for step, examples in enumerate((whole, reduced)):
        confidence = Scores(targets)
        confidence.add("none", "none", {"confidence": confidence_in(model, examples.images, targets)})
        table.add("mask_input", "soft", step, -1, confidence)
    table.add("mask_input", "soft", 1, -1, after)
    return table.frame()


def edge_map_pictures(
    model: nn.Module, *, images: Tensor, targets: Tensor, labels: Tensor, image_ids: list[int],
    references: Mapping[str, Tensor], training_images: Tensor, background: float, methods: Sequence[str],
    seed: int = 0,
) -> dict[str, Tensor]:  # fmt: skip
    """The images, their edges alone, and the maps of both: ``whole:image``, ``edges alone:image``, ``whole:gradient``.

    Parameters as those of `edge_map_scores`; each (N, H, W).
    """
    pictures = {}
    for state, each in (("whole", images), ("edges alone", edges_only(images))):
        pictures[f"{state}:image"] = each.mean(1)
        examples = Examples.of(each, targets, image_ids=image_ids, references=references)
        found = maps_of(model, examples, attributions.methods(methods), seed, state)
        pictures |= {f"{state}:{name}": maps.sum(1) for name, maps in found.items()}
    return pictures


def confidence_in(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """The probability that a net gives to a class: (N,), float64."""
    with torch.no_grad():
        return model(images).double().softmax(1).gather(1, targets.unsqueeze(1)).squeeze(1)
