r"""Does the reference decide the map (Kindermans et al. 2017, Fig. 1)?

Integrated gradients explain the difference from a reference image :math:`\bar x`, deep Taylor decomposition that from a
root point. Neither is given by the network; both are chosen. Here the choices are compared with each other, beside what
they should be compared with: the maps of another image (null_other_image), and those of the same reference with one
step more on the path (self), which differ by the error of the integral alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lib.attributions.path import IntegratedGradients
from lib.attributions.patterns import PatternAttribution
from lib.attributions.relevance import DTDZero
from lib.comparison import Examples, Scores, Table
from lib.errors import StudyError
from lib.explained import maps_of
from lib.image_models import architecture
from lib.nulls import other_images
from lib.randomization import explained_classes
from lib.similarity import PreparedMaps, compare, foreground, normalised, signed
from lib.weights import load
from lib.workspace import chunks

REFERENCES = ("zero", "black", "mean", "white")
"""References of integrated gradients; two that are the same image count once, under the first of their names."""

ROOTS = (DTDZero(), PatternAttribution())
"""Deep Taylor decomposition with the zero root and with the pattern root."""

_ON_PHOTOGRAPHS = ("spearman_abs", "spearman")
_ON_DIGITS = (*_ON_PHOTOGRAPHS, "spearman_abs_fg", "spearman_fg")


def reference_point_scores(
    images: Tensor, *, image_ids: list[int], network: str, weights: str, steps: int, **others: Any
) -> pd.DataFrame:
    """How alike the maps of a named network are that have different references, for the classes that it predicts.

    Parameters
    ----------
    images : (N, 3, H, W) photographs in [0, 1]; H and W are the ``resize`` of the network's encoding.
    image_ids : number of each in its set.
    network, weights : as `lib.weights.load`.
    steps : of integrated gradients.
    others : what else a study gives to the functions it calls with an image set; not used.

    Returns
    -------
    A table with the intervention ``reference_point(<network>)`` and the level ``<steps> steps``. The method is
    integrated gradients with one reference (without its steps), ``against`` the same with another, ``self`` or
    ``null_other_image``; the metrics are those of `lib.similarity`. Against ``logit_difference`` the
    ``completeness_gap`` is how far a map's sum is from what it should be, as a share of that.

    Raises
    ------
    StudyError
        If the network or its weights are not to be had, the photographs have another size, or there are no steps.
    """
    paths = _paths(architecture(network).encoding.references(), steps)
    model, given = _predicted(images, image_ids, network, weights)
    return _along(paths, model, given, f"reference_point({network})", _ON_PHOTOGRAPHS, None)


def net_reference_scores(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    *,
    image_ids: list[int],
    references: Mapping[str, Tensor],
    training_images: Tensor,
    background: float,
    steps: int,
    pattern_images: int,
    **others: Any,
) -> pd.DataFrame:
    """The same of a net trained here, and the two roots of deep Taylor decomposition.

    Parameters
    ----------
    model, images, targets, image_ids, references, training_images, background : of the trained net, see
        `lib.study.Study.examples`.
    steps : of integrated gradients.
    pattern_images : how many training images the pattern root is estimated on.
    others : what else a study gives to the functions it calls with a net; not used.

    Returns
    -------
    As `reference_point_scores`, with the intervention ``reference_point``; besides, the method ``dtd_zero`` against
    ``pattern_attribution``. The metrics on the foreground leave pixels of the background out.

    Raises
    ------
    StudyError
        If there are no steps, or a method is not defined for the net.
    """
    given = Examples.of(images, targets, None, image_ids, references, training_images[:pattern_images])
    mask = foreground(images, background)
    along = _along(_paths(references, steps), model, given, "reference_point", _ON_DIGITS, mask)
    scores = _compared(maps_of(model, given, ROOTS), targets, _ON_DIGITS, mask)
    table = Table(image_ids)
    table.add("reference_point", "none", 0, -1, scores)
    return pd.concat([along, table.frame()], ignore_index=True)


def reference_point_pictures(
    images: Tensor, *, image_ids: list[int], network: str, weights: str, steps: int, **others: Any
) -> dict[str, Tensor]:
    """Photographs, and what each reference leaves of them, as the paper shows it.

    Attributions are summed over channels, taken without sign, divided by their 99th percentile (larger ones count as
    1), and multiplied by the photograph.

    Parameters
    ----------
    images, image_ids, network, weights, steps, others : as `reference_point_scores`.

    Returns
    -------
    ``photograph`` and the names of the references -> (N, H, 3W) at half the network's resolution: the three colours of
    a pixel stand beside each other, so that a picture is scaled as a whole.
    """
    encoding = architecture(network).encoding
    paths = _paths(encoding.references(), steps)
    model, given = _predicted(images, image_ids, network, weights)
    maps = _maps(paths, model, given)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (encoding.mean, encoding.std))
    photographs = F.avg_pool2d(given.images * std + mean, 2)
    found = {"photograph": photographs}
    for name, each in maps.items():
        strength = signed(each).abs().view(len(each), 1, *each.shape[2:])
        found[name] = photographs * normalised(F.avg_pool2d(strength, 2), "p99").to(photographs)
    return {name: picture.permute(0, 2, 3, 1).flatten(2) for name, picture in found.items()}


def encode(images: Tensor, network: str) -> Tensor:
    """Photographs (N, 3, H, W) in [0, 1] as a named network takes them.

    Raises
    ------
    StudyError
        If they do not have the size from which the network's encoding cuts out the middle.
    """
    encoding = architecture(network).encoding
    size = encoding.resize
    if images.shape[2:] != (size, size):
        raise StudyError(
            f"The photographs have {images.shape[2]} x {images.shape[3]} pixels, but {network} takes the middle of "
            f"{size} x {size}; set their size to {size}."
        )
    pixels = (images * 255.0).round().byte().permute(0, 2, 3, 1).numpy()
    return encoding.encode(list(pixels))


def distinct(references: Mapping[str, Tensor]) -> list[str]:
    """The `REFERENCES` that differ, each under the first of its names; ``zero`` is 0 everywhere."""
    found: dict[str, Tensor] = {}
    for name in REFERENCES:
        image = references[name] if name != "zero" else torch.zeros_like(references["black"])
        if not any(torch.equal(image, other) for other in found.values()):
            found[name] = image
    return list(found)


def _predicted(images: Tensor, image_ids: list[int], network: str, weights: str) -> tuple[nn.Module, Examples]:
    """A named network, and photographs with the classes that it predicts."""
    encoded = encode(images, network)
    model = load(network, weights)
    references = architecture(network).encoding.references()
    return model, Examples.of(encoded, explained_classes(model, encoded), None, image_ids, references)


def _paths(references: Mapping[str, Tensor], steps: int) -> dict[str, IntegratedGradients]:
    """Integrated gradients by the name of the reference."""
    return {name: IntegratedGradients(reference=name, steps=steps) for name in distinct(references)}


def _maps(paths: Mapping[str, IntegratedGradients], model: nn.Module, given: Examples) -> dict[str, Tensor]:
    """Maps (N, C, H, W) by the name of the reference."""
    maps = maps_of(model, given, list(paths.values()))
    return {name: maps[path.name] for name, path in paths.items()}


def _along(
    paths: Mapping[str, IntegratedGradients], model: nn.Module, given: Examples, intervention: str,
    metrics: Sequence[str], mask: Tensor | None,
) -> pd.DataFrame:  # fmt: skip
    """Integrated gradients with each reference, held against those with another."""
    by_reference = _maps(paths, model, given)
    names = {name: IntegratedGradients(reference=name).name for name in paths}
    scores = _compared({names[name]: maps for name, maps in by_reference.items()}, given.targets, metrics, mask)
    longer = {"zero": replace(paths["zero"], steps=paths["zero"].steps + 1)}
    ours, theirs = (PreparedMaps(maps["zero"], mask) for maps in (by_reference, _maps(longer, model, given)))
    scores.add(names["zero"], "self", compare(ours, theirs, metrics))
    here = _logits(model, given.images, given.targets)
    for name, maps in by_reference.items():
        start = torch.zeros_like(given.images[0]) if name == "zero" else given.references[name]
        expected = here - _logits(model, start.expand_as(given.images), given.targets)
        gap = (maps.flatten(1).double().sum(1) - expected).abs() / expected.abs()
        scores.add(names[name], "logit_difference", {"completeness_gap": gap})
    table = Table(given.image_ids)
    table.add(intervention, f"{paths['zero'].steps} steps", 0, -1, scores)
    return table.frame()


def _compared(maps: Mapping[str, Tensor], targets: Tensor, metrics: Sequence[str], mask: Tensor | None) -> Scores:
    """Every two maps with each other, and each with that of another image, if there is one."""
    scores = Scores(targets)
    prepared = {name: PreparedMaps(found, mask) for name, found in maps.items()}
    for (name, ours), (other, theirs) in itertools.combinations(prepared.items(), 2):
        scores.add(name, other, compare(ours, theirs, metrics))
    for name, ours in prepared.items() if len(targets) > 1 else ():
        others = PreparedMaps(other_images(ours.maps), mask)
        scores.add(name, "null_other_image", compare(ours, others, metrics))
    return scores


def _logits(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    """The explained logits: (N,), float64."""
    with torch.no_grad():
        found = torch.cat([model(images[part]) for part in chunks(images)])
    return found.double().gather(1, targets.unsqueeze(1)).squeeze(1)
