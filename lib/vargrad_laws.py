"""What VarGrad measures: the squared rows of the Hessian on a smooth function, crossed kinks on a ReLU net."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor, nn

from lib import compute
from lib.attributions.gradients import Gradient
from lib.attributions.noise import VarGrad
from lib.comparison import UNSIGNED, Examples, Scores, Table
from lib.errors import StudyError
from lib.explained import maps_of
from lib.similarity import PreparedMaps, compare, foreground, spearman

GRADIENT = Gradient()
SHARPNESS = 10.0
"""beta of the Softplus that stands in for ReLU: log(1 + exp(beta z)) / beta bends within 1/beta of 0."""


class Quadratic(nn.Module):
    r"""The function :math:`S(x) = \tfrac12 x^\top Q x`: (N, C, H, W) -> (N, 1)."""

    matrix: Tensor

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.register_buffer("matrix", matrix)

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.flatten(1)
        value: Tensor = (pixels @ self.matrix * pixels).sum(1, keepdim=True) / 2
        return value


def quadratic_scores(draws: int, samples: int, side: int, seed: int = 0) -> pd.DataFrame:
    r"""VarGrad of random quadratic functions, beside its closed form.

    .. math:: \mathbb E\, E^\mathrm{VG}_i = \frac{N-1}{N} \sigma^2 \sum_j Q_{ij}^2

    Parameters
    ----------
    draws : random symmetric matrices Q, each with an image of its own.
    samples : noisy copies N, at least 2.
    side : height and width of the image.
    seed : of matrices, images and noise.

    Returns
    -------
    Scores of the intervention ``quadratic``: ``standard_errors``, the root mean square over pixels of the difference
    from the closed form, each in units of its standard error :math:`\sqrt{2/(N-1)}` times the closed form (about 1 if
    it holds); and ``spearman_abs`` of VarGrad with the gradient.
    """
    if draws < 1 or samples < 2 or side < 2:
        raise StudyError(
            f"draws, samples and side are {draws}, {samples} and {side}; they must be at least 1, 2 and 2."
        )
    method = VarGrad(samples=samples)
    table = Table([-1])
    for draw in range(draws):
        generator = compute.generator(seed, "quadratic", draw)
        matrix = torch.randn(side**2, side**2, generator=generator, dtype=torch.float64)
        matrix = (matrix + matrix.T) / 2
        image = torch.rand(1, 1, side, side, generator=generator, dtype=torch.float64)
        examples = Examples.of(image, torch.zeros(1, dtype=torch.int64), image_ids=[draw])
        maps = maps_of(Quadratic(matrix), examples, [method, GRADIENT], seed)
        variance, gradient = maps.values()
        sigma = method.noise_level * float(image.max() - image.min())
        expected = sigma**2 * matrix.square().sum(1) * (samples - 1) / samples
        errors = (variance.flatten() - expected) / (expected * math.sqrt(2 / (samples - 1)))
        scores = Scores(torch.tensor([-1]))
        # Whatever their number, the samples are VarGrad's only.
        scores.add("vargrad", "closed_form", {"standard_errors": errors.square().mean().sqrt().view(1)})
        scores.add("vargrad", "gradient", {"spearman_abs": spearman(variance, gradient)})
        table.add("quadratic", "none", 0, draw, scores)
    return table.frame()


def vargrad_scores(
    model: nn.Module, *, images: Tensor, targets: Tensor, labels: Tensor, image_ids: list[int],
    references: Mapping[str, Tensor], training_images: Tensor, background: float, noise_levels: Sequence[float],
    seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """VarGrad of a trained net beside its gradient, and how it grows with the noise.

    Parameters
    ----------
    model, images, targets, image_ids : of the trained net, whose ReLUs are modules; labels, references and training
        images are not used.
    background : pixel value of an empty pixel.
    noise_levels : above 0; VarGrad is computed with each of them, for the net and for a copy with `SHARPNESS`.
    seed : of the noise.

    Returns
    -------
    Scores of the intervention ``vargrad`` and, of the copy with Softplus, ``vargrad(activation=softplus)``:
    ``spearman_abs`` and ``spearman_abs_fg`` of VarGrad (at its default noise) with the gradient, and for each noise
    level ``variance``, the mean of VarGrad over pixels relative to that of the squared gradient.
    """
    if not noise_levels or min(noise_levels) <= 0:
        raise StudyError(f"noise_levels is {list(noise_levels)}; give numbers above 0.")
    examples = Examples.of(images, targets, image_ids=image_ids)
    mask = foreground(images, background)
    default = VarGrad()
    levels = {level: VarGrad(noise_level=level) for level in noise_levels}
    methods = {each.name: each for each in [GRADIENT, default, *levels.values()]}
    table = Table(image_ids)
    for words, net in {"vargrad": model, "vargrad(activation=softplus)": softened(model)}.items():
        maps = maps_of(net, examples, list(methods.values()), seed)
        gradient = maps[GRADIENT.name]
        scores = Scores(targets)
        pair = PreparedMaps(maps[default.name], mask), PreparedMaps(gradient, mask)
        scores.add(default.name, "gradient", compare(*pair, UNSIGNED))
        table.add(words, "none", 0, -1, scores)
        for level, method in levels.items():
            relative = maps[method.name].flatten(1).mean(1) / gradient.flatten(1).square().mean(1)
            scores = Scores(targets)
            scores.add(method.name, "none", {"variance": relative})
            table.add(words, f"{level:g}", 0, -1, scores)
    return table.frame()


def softened(model: nn.Module, sharpness: float = SHARPNESS) -> nn.Module:
    """A copy with Softplus in the place of every ReLU module.

    Raises
    ------
    StudyError
        If the model has no ReLU module.
    """
    found = copy.deepcopy(model)
    places = [
        (parent, name)
        for parent in found.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.ReLU)
    ]
    if not places:
        raise StudyError("The model has no ReLU module, so it cannot be given another activation.")
    for parent, name in places:
        setattr(parent, name, nn.Softplus(beta=sharpness))
    return found


def exponent(noise: Sequence[float], values: Sequence[float]) -> float:
    """The power p of the law values ~ noise^p that fits best, by least squares of the logarithms."""
    x, y = (torch.tensor(each, dtype=torch.float64).log() for each in (noise, values))
    apart = x - x.mean()
    return float((apart * y).sum() / apart.square().sum())
