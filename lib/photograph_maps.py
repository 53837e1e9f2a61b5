"""Maps of intact networks for photographs, beside the edges of the image and beside random masks (Adebayo et al. 2018).

A1, Figs. 1, 8 and 27 and appendix B; A3, Figs. 1 and 37.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from lib import attributions, compute, photographs
from lib.comparison import Examples, Scores, Table
from lib.edge_masked import confidence_in
from lib.edges import edges_only, luminance, magnitude
from lib.explained import maps_of
from lib.masks import mask
from lib.nulls import corrected, other_images, shuffled
from lib.photograph_cascades import PREFIX, shown
from lib.photograph_subjects import subject
from lib.similarity import NORMALISATIONS, PreparedMaps, absolute, compare
from lib.workspace import chunks

EDGES, EDGES_ALONE, MASKS = f"{PREFIX}edge_detector", f"{PREFIX}mask_input", f"{PREFIX}random_mask"
"""The interventions of `edge_scores` and `mask_scores`."""

MASK_LAW = "gaussian(1)"
"""The random masks of `mask_scores`, see `lib.masks`."""


def edge_scores(
    *, network: str, weights_of: str, dataset: str, count: int, image_range: Sequence[int], methods: Sequence[str],
    seed: int = 0, **others: Any,
) -> pd.DataFrame:  # fmt: skip
    r"""Compare maps with the edges of the image, and with the maps of the edges alone.

    Parameters
    ----------
    methods : written forms; the other parameters are those of `lib.photograph_cascades.cascade_scores`.

    Returns
    -------
    Under `EDGES`: :math:`\sum_c |E|` against Sobel's magnitude of the luminance (``edge``) and against that of another
    image (``edge_other``), by rank correlation, SSIM and HOG; and ``ssim_corrected``, the SSIM counted from that of the
    same map with its pixels shuffled. Under `EDGES_ALONE`, step 1: maps of :math:`x' = x \odot` edges against those of
    x (``original``) and of another image (``null_other_image``), both for the class of x, with ``ssim_corrected`` in
    the same sense; and the ``confidence`` of the network in that class, for x at step 0 and for x' at step 1.
    """
    given = subject(network, weights_of, dataset, photographs.spread(dataset, count, image_range))
    chosen = attributions.methods(methods)
    tables = []
    for part in chunks(given.images):
        ids, targets = given.image_ids[part], given.targets[part]
        whole, reduced = (
            Examples.of(images, targets, image_ids=ids, references=given.references)
            for images in (given.images[part], edges_only(given.images[part]))
        )
        edges = magnitude(luminance(whole.images))
        of_whole = maps_of(given.model, whole, chosen, seed)
        of_edges = maps_of(given.model, reduced, chosen, seed, "edges alone")
        beside, after = Scores(targets), Scores(targets)
        for name, maps in of_whole.items():
            sizes = absolute(maps).view_as(edges)
            beside.add(name, "edge", _with_corrected(sizes, edges, ids, seed, ("spearman_abs", "ssim", "hog")))
            beside.add(name, "edge_other", _compared(sizes, other_images(edges), ("spearman_abs", "ssim", "hog")))
            now = of_edges[name]
            after.add(name, "original", _with_corrected(now, maps, ids, seed, ("spearman_abs", "spearman", "ssim")))
            after.add(
                name, "null_other_image", _compared(now, other_images(maps), ("spearman_abs", "spearman", "ssim"))
            )
        table = Table(ids)
        table.add(EDGES, "sobel", 0, -1, beside)
        for step, examples in enumerate((whole, reduced)):
            sure = {"confidence": confidence_in(given.model, examples.images, targets)}
            table.add(EDGES_ALONE, "soft", step, -1, Scores(targets, {("none", "none", k): v for k, v in sure.items()}))
        table.add(EDGES_ALONE, "soft", 1, -1, after)
        tables.append(table.frame())
    return given.named(pd.concat(tables, ignore_index=True))


def edge_pictures(
    *, network: str, weights_of: str, dataset: str, files: Sequence[str], methods: Sequence[str], seed: int = 0,
    **others: Any,
) -> dict[str, Tensor]:  # fmt: skip
    """Photographs, their edges, and the maps of both, for galleries; parameters as those of `edge_scores`.

    Returns
    -------
    ``whole:image`` and ``edges alone:image``, grey (N, H, W); ``whole:gradient`` and so on, signed sums over channels.
    """
    given = subject(network, weights_of, dataset, photographs.named(dataset, files))
    found = {
        "whole:image": luminance(shown(given))[:, 0],
        "edges alone:image": magnitude(luminance(given.images))[:, 0],
    }
    for state, images in (("whole", given.images), ("edges alone", edges_only(given.images))):
        examples = Examples.of(images, given.targets, image_ids=given.image_ids, references=given.references)
        maps = maps_of(given.model, examples, attributions.methods(methods), seed, state)
        found |= {f"{state}:{name}": each.sum(1) for name, each in maps.items()}
    return found


def mask_scores(
    *, network: str, weights_of: str, dataset: str, count: int, image_range: Sequence[int], methods: Sequence[str],
    mask_draws: int, seed: int = 0, **others: Any,
) -> pd.DataFrame:  # fmt: skip
    """Compare maps with masks of independent Gaussian pixels, which explain nothing.

    Parameters
    ----------
    methods : written forms.
    mask_draws : masks for each image.
    The others are those of `lib.photograph_cascades.cascade_scores`.

    Returns
    -------
    ``against`` `MASK_LAW`: ``spearman``, ``spearman_abs``, ``hog``, ``ssim``, and SSIM with both divided by another
    number than their largest, ``ssim(normalisation=…)``.
    """
    given = subject(network, weights_of, dataset, photographs.spread(dataset, count, image_range))
    maps = maps_of(given.model, given.examples, attributions.methods(methods), seed)
    table = Table(given.image_ids)
    for draw in range(mask_draws):
        drawn = torch.cat(
            [
                mask(MASK_LAW, given.images.shape[2], compute.generator(seed, "mask", draw, number))
                for number in given.image_ids
            ]
        )
        scores = Scores(given.targets)
        for name, own in maps.items():
            found = _compared(own.double(), drawn, ("spearman", "spearman_abs", "hog"))
            for scale in NORMALISATIONS:
                (value,) = _compared(own.double(), drawn, ("ssim",), scale).values()
                found["ssim" if scale == "max" else f"ssim(normalisation={scale})"] = value
            scores.add(name, MASK_LAW, found)
        table.add(MASKS, "none", 0, draw, scores)
    return given.named(table.frame())


def _compared(a: Tensor, b: Tensor, metrics: Sequence[str], normalisation: str = "max") -> dict[str, Tensor]:
    first, second = (PreparedMaps(each, normalisation=normalisation) for each in (a, b))
    return compare(first, second, metrics)


def _with_corrected(a: Tensor, b: Tensor, ids: list[int], seed: int, metrics: Sequence[str]) -> dict[str, Tensor]:
    """Similarities of a to b, and SSIM counted from its value for a with its pixels in another order."""
    found = _compared(a, b, metrics)
    (chance,) = _compared(shuffled(a, ids, seed), b, ("ssim",)).values()
    return found | {"ssim_corrected": corrected(found["ssim"], chance)}
