r"""Gradient ⊙ input without a gradient: the image times random numbers, compared with the image times others.

Adebayo et al. 2018, section 5.2: keep the image :math:`x`, draw two "gradients" :math:`u, v` that have nothing to do
with each other, and compare :math:`x \odot u` with :math:`x \odot v`. What is similar there came from the image.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from lib import compute
from lib.attributions import attribute
from lib.comparison import Scores, Table
from lib.errors import StudyError
from lib.nulls import other_images
from lib.random_factors import check, factor, noise, symmetric, unit_std
from lib.similarity import PreparedMaps, check_metrics, compare, foreground

SIGMAS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)

_UNSIGNED = ("spearman_abs", "ssim", "hog")
"""What is compared of u and v, and of products of two images; without a common image, signs have no mean to show."""


def intervention(mode: str, law: str) -> str:
    """How a mode and a law are written in the scores, e.g. ``random_gradient(mode=scale,law=normal)``."""
    return f"random_gradient(mode={mode},law={law})"


def random_gradient_scores(
    images: Tensor,
    *,
    image_ids: list[int],
    background: float = 0.0,
    modes: Sequence[str] = ("scale", "mean-one"),
    laws: Sequence[str] = ("normal",),
    sigmas: Sequence[float] = SIGMAS,
    draws: int = 10,
    metrics: Sequence[str] = ("spearman_abs", "spearman", "spearman_abs_fg"),
    stretch: bool = False,
    gradients: Tensor | None = None,
    targets: Tensor | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """How similar two products of an image with unrelated random numbers are, while the noise in them grows.

    A draw is a pair (u, v). Every image has pairs of its own, the same for all modes, laws and strengths.

    Parameters
    ----------
    images : (N, C, H, W) in [0, 1].
    image_ids : number of each image in its set.
    background : pixel value of an empty pixel in ``images``; the foreground metrics leave such pixels out.
    modes, laws : words of `lib.random_factors.MODES` and `lib.random_factors.LAWS`.
    sigmas : strengths of the noise, 0 first and growing; the mode ``scale`` leaves 0 out, where u would be 0.
    draws : pairs per image.
    metrics : words of `lib.similarity.METRICS`.
    stretch : multiply the pixels stretched to [-1, 1] instead of those in [0, 1].
    gradients : (N, C, H, W), for the mode ``gradient+noise``; scaled to standard deviation 1, image by image.
    targets : (N,) classes that the gradients explain, for the table.
    seed : names every draw.

    Returns
    -------
    One row per number, with the columns intervention, level (the strength), step (its place in ``sigmas``), draw,
    image, target, method, metric, against, value. The method ``gradient`` is u, ``gradient_x_input`` is x ⊙ u;
    ``against`` self is the same with v, input is the image, and null_other_image is another image times v. In the mode
    ``scale`` with several strengths, the metric ``spread`` at step 0 is the largest range of a metric over them.
    """
    compute.settle()
    check(modes, laws, sigmas, draws)
    check_metrics(metrics, *images.shape[2:])
    if "gradient+noise" in modes and gradients is None:
        raise StudyError("The mode gradient+noise needs a gradient; pass gradients=…, or leave the mode out.")
    device = compute.device()
    pictures = (symmetric(images) if stretch else images).double().to(device)
    comparison = _Products(pictures, foreground(images, background).to(device), metrics)
    scaled = None if gradients is None else unit_std(gradients).to(device)
    classes = torch.full((len(images),), -1) if targets is None else targets.cpu()
    table = Table(image_ids)
    for law, draw in itertools.product(laws, range(draws)):
        pair = [noise(law, images.shape[1:], side, draw, image_ids, seed).to(device) for side in ("u", "v")]
        for mode in modes:
            seen = []
            for step, sigma in enumerate(sigmas):
                if mode == "scale" and sigma == 0:
                    continue
                u, v = (factor(mode, each, sigma, scaled) for each in pair)
                scores = comparison.scores(u, v, classes)
                table.add(intervention(mode, law), f"{sigma:g}", step, draw, scores)
                seen.append(torch.stack([scores.values["gradient_x_input", "self", metric] for metric in metrics]))
            if mode == "scale" and len(seen) > 1:
                values = torch.stack(seen)
                spread = (values.amax(0) - values.amin(0)).amax(0)
                flat = Scores(classes, {("gradient_x_input", "self", "spread"): spread})
                table.add(intervention(mode, law), "none", 0, draw, flat)
    return table.frame()


class _Products:
    """Compares products of the same images with different factors.

    Parameters
    ----------
    pictures : (N, C, H, W), as they are multiplied.
    mask : (N, H*W) bool, the foreground.
    metrics : words of `lib.similarity.METRICS`.
    """

    def __init__(self, pictures: Tensor, mask: Tensor, metrics: Sequence[str]) -> None:
        self.pictures = pictures
        self.mask = mask
        self.metrics = metrics
        self.unsigned = [metric for metric in metrics if metric in _UNSIGNED]
        self.picture = PreparedMaps(pictures)

    def scores(self, u: Tensor, v: Tensor, classes: Tensor) -> Scores:
        """The similarities of one pair of factors (N, C, H, W)."""
        scores = Scores(classes)
        ours, theirs = (PreparedMaps(self.pictures * each, self.mask) for each in (u, v))
        scores.add("gradient_x_input", "self", compare(ours, theirs, self.metrics))
        scores.add("gradient_x_input", "input", compare(ours, self.picture, ["spearman_abs"]))
        scores.add("gradient", "self", compare(PreparedMaps(u), PreparedMaps(v), self.unsigned))
        if len(u) > 1:
            others = PreparedMaps(other_images(theirs.maps))
            scores.add("gradient_x_input", "null_other_image", compare(ours, others, self.unsigned))
        return scores


def noisy_gradient_scores(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Sequence[str],
    *,
    image_ids: list[int],
    background: float,
    laws: Sequence[str],
    sigmas: Sequence[float],
    draws: int,
    metrics: Sequence[str] = ("spearman_abs", "spearman_abs_fg"),
    seed: int = 0,
    **others: Any,
) -> pd.DataFrame:
    """The mode ``gradient+noise`` with the gradients of a net, and where it ends: noise without any gradient.

    Parameters
    ----------
    model, targets : the net, and the classes (N,) that are explained.
    methods : the one method whose maps are to drown, ``gradient``.
    others : what else a study gives to the functions it calls with a net; not used.

    The rest, and the table, are those of `random_gradient_scores`. Noise alone stands under the mode ``scale`` with
    strength 1.
    """
    check(["gradient+noise"], laws, sigmas, draws)
    gradients = _only_map(model, images, targets, methods)

    def scores_of(mode: str, strengths: Sequence[float]) -> pd.DataFrame:
        return random_gradient_scores(
            images, image_ids=image_ids, background=background, modes=[mode], laws=laws, sigmas=strengths, draws=draws,
            metrics=metrics, gradients=gradients, targets=targets, seed=seed,
        )  # fmt: skip

    return pd.concat([scores_of("gradient+noise", sigmas), scores_of("scale", (0.0, 1.0))], ignore_index=True)


def dense_scores(*, count: int, side: int, laws: Sequence[str], draws: int, seed: int = 0) -> pd.DataFrame:
    """The control without a single zero: pictures whose pixels are uniform in [0, 1], times noise.

    Pictures uniform in [-1, 1] have the same absolute values, so the same similarities of absolute maps.

    Parameters
    ----------
    count, side : pictures (count, 1, side, side).
    laws, draws, seed : as in `random_gradient_scores`.

    Returns
    -------
    The table of the mode ``scale`` with strength 1, under interventions like ``dense(mode=scale,law=normal)``.
    """
    for name, value, least in (("count", count, 1), ("side", side, 2)):
        if value < least:
            raise StudyError(f"{name} is {value}; it must be at least {least}.")
    check(["scale"], laws, (0.0, 1.0), draws)
    ids = list(range(count))
    images = torch.stack([torch.rand(1, side, side, generator=compute.generator(seed, "dense", each)) for each in ids])
    table = random_gradient_scores(
        images, image_ids=ids, modes=["scale"], laws=laws, sigmas=(0.0, 1.0), draws=draws, seed=seed,
        metrics=("spearman_abs", "spearman"),
    )  # fmt: skip
    return table.assign(intervention=table.intervention.str.replace("random_gradient", "dense"))


def product_pictures(
    images: Tensor,
    *,
    image_ids: list[int],
    mode: str,
    sigmas: Sequence[float] = SIGMAS,
    law: str = "normal",
    stretch: bool = False,
    gradients: Tensor | None = None,
    seed: int = 0,
    **others: Any,
) -> dict[str, Tensor]:
    """The images and their first pair of products for a gallery, channels summed.

    Parameters are those of `random_gradient_scores`, for one mode and law.

    Returns
    -------
    ``x`` : (N, H, W); ``u``, ``x ⊙ u``, ``x ⊙ v`` : (strengths, N, H, W).
    """
    check([mode], [law], sigmas, 1)
    pictures = (symmetric(images) if stretch else images).double()
    u, v = (noise(law, images.shape[1:], side, 0, image_ids, seed) for side in ("u", "v"))
    scaled = None if gradients is None else unit_std(gradients)
    stacks: dict[str, list[Tensor]] = {"u": [], "x ⊙ u": [], "x ⊙ v": []}
    for sigma in sigmas:
        first, second = (factor(mode, each, sigma, scaled) for each in (u, v))
        for name, maps in zip(stacks, (first, pictures * first, pictures * second), strict=True):
            stacks[name].append(maps.sum(1))
    return {"x": pictures.sum(1)} | {name: torch.stack(stack) for name, stack in stacks.items()}


def noisy_gradient_pictures(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Sequence[str],
    *,
    image_ids: list[int],
    sigmas: Sequence[float],
    **others: Any,
) -> dict[str, Tensor]:
    """`product_pictures` of the mode ``gradient+noise`` with the gradients of a net."""
    gradients = _only_map(model, images, targets, methods)
    return product_pictures(images, image_ids=image_ids, mode="gradient+noise", sigmas=sigmas, gradients=gradients)


def _only_map(model: nn.Module, images: Tensor, targets: Tensor, methods: Sequence[str]) -> Tensor:
    """The maps of the one method in a list: (N, C, H, W)."""
    if len(methods) != 1:
        raise StudyError(f"methods is {list(methods)}; name the one method whose maps are to drown in noise.")
    return attribute(model, images, targets, methods)[methods[0]]
