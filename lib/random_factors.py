"""What an image is multiplied by when its gradient is random: laws of noise, and what it means that noise grows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lib import compute
from lib.errors import StudyError

MODES = ("scale", "gradient+noise", "mean-one")
r"""What "more noise" can mean for a factor :math:`u`, with :math:`n` of mean 0 and variance 1. ``scale``:
:math:`\sigma n`, noise times a number, which no metric that ignores the scale of a map can see. ``gradient+noise``:
:math:`g + \sigma n`, a true gradient that drowns. ``mean-one``: :math:`1 + \sigma n`, the image itself that drowns."""

_CUT = 2.0


def _normal(uniform: Tensor) -> Tensor:
    return math.sqrt(2.0) * torch.erfinv(2.0 * uniform - 1.0)


def _truncated_normal(uniform: Tensor) -> Tensor:
    inside = math.erf(_CUT / math.sqrt(2.0))
    density = math.exp(-(_CUT**2) / 2.0) / math.sqrt(2.0 * math.pi)
    variance = 1.0 - 2.0 * _CUT * density / inside
    return math.sqrt(2.0 / variance) * torch.erfinv((2.0 * uniform - 1.0) * inside)


def _uniform(uniform: Tensor) -> Tensor:
    return math.sqrt(3.0) * (2.0 * uniform - 1.0)


LAWS: dict[str, Callable[[Tensor], Tensor]] = {
    "normal": _normal,
    "truncated_normal": _truncated_normal,
    "uniform": _uniform,
}
"""Laws of the noise, all with mean 0 and variance 1, from the same uniform numbers in (0, 1): two laws are compared
draw by draw. ``truncated_normal`` is cut at two standard deviations and then stretched back to variance 1."""


def noise(law: str, shape: Sequence[int], side: str, draw: int, image_ids: Sequence[int], seed: int) -> Tensor:
    """The noise of one side of a pair, for each image its own: (N, C, H, W), float64.

    Parameters
    ----------
    law : a word of `LAWS`.
    shape : (C, H, W).
    side : ``u`` or ``v``.
    draw : number of the pair.
    image_ids : number of each image; image 17 has the same noise in whatever batch it stands.
    seed : of the run.
    """
    uniform = [
        torch.rand(tuple(shape), generator=compute.generator(seed, "factor", side, draw, image), dtype=torch.float64)
        for image in image_ids
    ]
    return LAWS[law](torch.stack(uniform))


def factor(mode: str, noise: Tensor, sigma: float, gradients: Tensor | None = None) -> Tensor:
    """The factor u of a product x ⊙ u, with noise of strength ``sigma``, in one of the `MODES`: (N, C, H, W).

    Parameters
    ----------
    mode : a word of `MODES`; ``gradient+noise`` needs ``gradients``.
    noise, gradients : (N, C, H, W).
    sigma : standard deviation of the noise.
    """
    if mode == "gradient+noise":
        assert gradients is not None
        return gradients + sigma * noise
    return sigma * noise + (mode == "mean-one")


def unit_std(maps: Tensor) -> Tensor:
    """Maps (N, C, H, W) divided by their standard deviation over all their values, each its own: float64."""
    values = maps.flatten(1).double()
    return (values / values.std(1, correction=0, keepdim=True)).view_as(maps)


def symmetric(images: Tensor) -> Tensor:
    """Pixels in [0, 1] stretched to [-1, 1], as ImageNet networks take them."""
    return 2.0 * images - 1.0


def check(modes: Sequence[str], laws: Sequence[str], sigmas: Sequence[float], draws: int) -> None:
    """Raise `StudyError` unless all words are known and named once, and strengths begin at 0 and grow."""
    for name, given, known in (("modes", modes, MODES), ("laws", laws, tuple(LAWS))):
        if not given or not set(given) <= set(known) or len(set(given)) < len(given):
            raise StudyError(f"{name} is {list(given)}; name some of {', '.join(known)}, each at most once.")
    grows = all(low < high < math.inf for low, high in itertools.pairwise(sigmas))
    if len(sigmas) < 2 or sigmas[0] != 0 or not grows:
        raise StudyError(f"sigmas is {list(sigmas)}; begin with 0 and let the strengths of the noise grow.")
    if draws < 1:
        raise StudyError(f"draws is {draws}; it must be at least 1.")
