"""Calibration of the metrics on pairs of independent random masks (Adebayo et al. 2018, first version, appendix B)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from lib import compute
from lib.correlation import Centred, correlation
from lib.errors import StudyError
from lib.hog import BLOCK, CELL, ORIENTATIONS, hog_features
from lib.masks import check_laws, mask
from lib.progress import Progress
from lib.similarity import NORMALISATIONS, PreparedMaps, compare, normalised
from lib.ssim import WINDOWS, ssim

SCALES = (*NORMALISATIONS, "none")
"""What a mask is divided by before its SSIM: `lib.similarity.NORMALISATIONS`, or nothing."""

DATA_RANGES = (2, 1)
"""SSIM's parameter L. Maps in [-1, 1] have a range of 2."""

SMALLEST = CELL * (BLOCK + 2)
"""Side in pixels from which on a block of HOG lies inside, with a cell around it."""

_COMPARED = ("spearman", "spearman_abs", "ssim_released")


def reading(metric: str, scale: str, data_range: int = 2) -> str:
    """The written form of a metric: arguments stand where they depart from ``normalisation=max, data_range=2``."""
    changed = [f"normalisation={scale}"] * (scale != "max") + [f"data_range={data_range}"] * (data_range != 2)
    return f"{metric}({','.join(changed)})" if changed else metric


def mask_scores(laws: Sequence[str], pairs: int, side: int, *, seed: int = 0) -> pd.DataFrame:
    """Every metric between pairs of independent masks.

    Parameters
    ----------
    laws : of the pixels, see `lib.masks.FAMILIES`.
    pairs : number of pairs of each law, at least 2.
    side : height and width in pixels, at least 80, or HOG has no block inside.
    seed : names every draw.

    Returns
    -------
    One row per number, with the columns of `lib.scores.COLUMNS` but the net's. Intervention ``masks``; method is the
    law and image the number of the pair. Metrics: ``spearman``, ``spearman_abs``, ``hog``, ``hog_released`` (ranks of
    the features), ``hog_centred`` (see `without_orientation_means`), ``hog_inside`` (the same `without_border`),
    ``ssim`` under all `SCALES` and `DATA_RANGES`, ``ssim_released``. Of the masks themselves (``against`` none):
    ``window_std`` under all `SCALES`, and ``orientation``, nine times the share of each orientation of HOG, whose
    middle in degrees is the level.
    """
    check_laws(laws)
    if side < SMALLEST:
        raise StudyError(f"side is {side}; give at least {SMALLEST} pixels, or HOG has no block inside.")
    if pairs < 2:
        raise StudyError(f"pairs is {pairs}; give at least 2, or there is no interval.")
    compute.settle()
    progress = Progress("calibration", len(laws) * pairs)
    rows = []
    for law, pair in product(laws, range(pairs)):
        first, second = (mask(law, side, compute.generator(seed, "mask", law, pair, each)) for each in range(2))
        rows += [
            {"method": law, "image": pair, "metric": metric, "against": against, "level": level, "value": value}
            for metric, against, level, value in _scores(first.to(compute.device()), second.to(compute.device()))
        ]
        progress.step(f"{law}, pair {pair + 1}/{pairs}")
    return pd.DataFrame(rows).assign(intervention="masks", step=0, draw=0, target=-1)


def _scores(first: Tensor, second: Tensor) -> Iterator[tuple[str, str, str, float]]:
    """Metric, against what, level and value, of two masks (1, 1, H, W)."""
    found = compare(PreparedMaps(first), PreparedMaps(second), _COMPARED)
    for scale in SCALES:
        planes = [scaled(each, scale) for each in (first, second)]
        for data_range in DATA_RANGES:
            # SSIM sees a range only beside the values: half the range is the same as twice the values.
            a, b = (2 / data_range * each for each in planes)
            found[reading("ssim", scale, data_range)] = ssim(a, b)
        spread = torch.stack([window_std(each) for each in planes]).mean()
        yield reading("window_std", scale), "none", "none", spread.item()
    features = [hog_features(normalised(each[:, 0])) for each in (first, second)]
    found["hog"] = correlation(*map(Centred.of, features))
    found["hog_released"] = correlation(*map(Centred.of_ranks, features))
    found["hog_centred"] = correlation(*(Centred.of(without_orientation_means(each)) for each in features))
    inside = [without_orientation_means(without_border(each, *first.shape[2:])) for each in features]
    found["hog_inside"] = correlation(*map(Centred.of, inside))
    for metric, value in found.items():
        yield metric, "independent", "none", value.item()
    width = 180 // ORIENTATIONS
    for number, share in enumerate(orientation_means(torch.cat(features)).mean(0).tolist()):
        yield "orientation", "none", str(width // 2 + width * number), share


def scaled(masks: Tensor, scale: str) -> Tensor:
    """Masks (N, 1, H, W) divided by a scale of `SCALES`: (N, H, W)."""
    return masks[:, 0] if scale == "none" else normalised(masks[:, 0], scale)


def window_std(maps: Tensor) -> Tensor:
    """How much the typical window of SSIM varies: median over windows of the standard deviation, (N, H, W) -> (N,)."""
    side = WINDOWS["uniform"]
    means, squares = (functional.avg_pool2d(each, side, stride=1) for each in (maps, maps.square()))
    # Rounding can leave less than nothing of the variance of a constant window.
    variances = (squares - means.square()).clamp(min=0.0) * side**2 / (side**2 - 1)
    return variances.flatten(1).median(1).values.sqrt()


def orientation_means(features: Tensor) -> Tensor:
    """Mean HOG feature of each orientation, relative to the mean of all: (N, F) -> (N, 9)."""
    means = features.unflatten(1, (-1, ORIENTATIONS)).mean(1)
    return means / means.mean(1, keepdim=True)


def without_orientation_means(features: Tensor) -> Tensor:
    """HOG features less the mean over a map of their orientation: (N, F).

    HOG's correlation takes one mean off all features. What is left of nine different means is the same for any two
    maps of one law, and correlates.
    """
    by_orientation = features.unflatten(1, (-1, ORIENTATIONS))
    return (by_orientation - by_orientation.mean(1, keepdim=True)).flatten(1)


def without_border(features: Tensor, height: int, width: int) -> Tensor:
    """HOG features without the outermost blocks: (N, F) -> (N, F').

    scikit-image takes the gradient of the outermost pixels to be 0, so the cells there hold less, in every map alike.

    Parameters
    ----------
    features : of maps of this height and width, at least `SMALLEST` pixels.
    """
    blocks = (height // CELL - BLOCK + 1, width // CELL - BLOCK + 1)
    return features.unflatten(1, (*blocks, -1))[:, 1:-1, 1:-1].flatten(1)


def mask_pictures(laws: Sequence[str], side: int, crop: int, *, seed: int = 0) -> dict[str, Tensor]:
    """The first pair of each law as SSIM sees it, divided by its largest value: law -> (2, crop, crop).

    Each picture is cut out around its largest pixel, which sets the scale of the whole mask.
    """
    check_laws(laws)
    found = {}
    for law in laws:
        drawn = [mask(law, side, compute.generator(seed, "mask", law, 0, each))[:, 0] for each in range(2)]
        found[law] = torch.stack([_around_largest(normalised(each)[0], crop) for each in drawn])
    return found


def _around_largest(plane: Tensor, crop: int) -> Tensor:
    """A square of a plane (H, W) that holds its largest absolute value, in the middle if the border allows."""
    place = divmod(int(plane.abs().argmax()), plane.shape[1])
    top, left = (min(max(at - crop // 2, 0), length - crop) for at, length in zip(place, plane.shape, strict=True))
    return plane[top : top + crop, left : left + crop]
