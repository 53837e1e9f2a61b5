r"""Networks whose inputs are normalised first, and what that does to a shift or a scaling of the images.

Kindermans et al. 2017, in their discussion: if the inputs are normalised, a shift of the data is undone before the
network sees it, and methods that failed become invariant; but normalising does not help against every transformation.

A network f on images x becomes one on normalised images :math:`u = (x - \mu) / \sigma`, with maps on u:

.. math:: f_u(u) = f(\sigma u + \mu), \qquad W_u = \sigma W, \quad b_u = b + W \mu.

The mean :math:`\mu` is estimated on the very training images that the network is meant for, the shifted ones if they
are shifted.

- A shift: :math:`x_2 = x_1 + m` and :math:`f_2(x) = f_1(x - m)`. If :math:`\mu_2 = \mu_1 + m`, then :math:`u_2 = u_1`
  and the two networks are one and the same, so that every method agrees (J-09). The mean image moves with every m, the
  mean of all pixels with constant m only.
- A scaling of each pixel: :math:`x_2 = D x_1` and :math:`f_2(x) = f_1(D^{-1} x)`. The mean image moves along, yet
  :math:`u_2 = D u_1`: the gradient and all that is like it become :math:`D^{-1}` times what they were. Products with
  the input stay, :math:`D u \odot D^{-1} g = u \odot g`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn

from lib import attributions, compute
from lib.comparison import Scores, Table
from lib.compensation import compensated
from lib.errors import StudyError
from lib.exactness import relative_error
from lib.networks import Network
from lib.normalisation import Normalisation, check_normalisation, stretched
from lib.shift_invariance import fields_of, relative_change
from lib.workspace import working_copy

SCALES = (0.5, 2.0)
"""Between which the factors of `scaled_scores` are uniform."""


class Transformed(NamedTuple):
    """Images after a transformation, and the network that computes for them what the first one computes for the images.

    Attributes
    ----------
    intervention : as it stands in the table, with ``{by}`` for the normalisation.
    draw : -1 if nothing was drawn.
    images : transforms images (N, C, H, W), float64.
    model : for transformed images, of double precision.
    """

    intervention: str
    draw: int
    images: Callable[[Tensor], Tensor]
    model: nn.Module


def centred_scores(
    model: nn.Module, images: Tensor, targets: Tensor, methods: Sequence[str], *, by: Sequence[str],
    shifts: Sequence[str], training_images: Tensor, pattern_images: int = 10_000,
    image_ids: Sequence[int] | None = None, seed: int = 0, **others: Any,
) -> pd.DataFrame:  # fmt: skip
    """Compare the maps of a network for normalised images with those of the network for shifted, normalised images.

    Parameters
    ----------
    model : sees its input through one dense layer; or, without ``standardised``, through a convolution. It is copied,
        not changed.
    images : (N, C, H, W) to explain.
    targets : (N,) explained classes.
    methods : written forms; the reference ``zero`` is 0 after the normalisation.
    by : names of `lib.normalisation.NORMALISATIONS`.
    shifts : as for `lib.shift_invariance.shift_invariance`.
    training_images : (M, C, H, W), for means, references and patterns.
    pattern_images : patterns are estimated on so many of them.
    image_ids, seed : name the noise; by default images are numbered from 0.
    others : what else a study gives to the functions it calls with a net; not used.

    Returns
    -------
    A table with the interventions ``centred(by=<name>,shift=<name>)`` and, for each image: the metric
    ``relative_change`` of each method against ``original``, the network for normalised images without a shift; and what
    becomes of the outputs, compared with those of the model for images as they are: the ``relative_error`` against
    ``logits``, and ``same_class`` against ``original``. With ``shift=none`` there are the outputs alone.
    """
    compute.settle()
    double = working_copy(model).double()
    fields = fields_of(Network.of(double, training_images, pattern_images), images, targets, shifts)
    transformed = [
        Transformed(f"centred(by={{by}},shift={name})", -1, shift.__add__, compensated(double, shift))
        for name, shift in fields.items()
    ]
    plain = Transformed("centred(by={by},shift=none)", -1, torch.clone, double)
    return _compared(plain, transformed, images, targets, methods, by, training_images, pattern_images, image_ids, seed)


def scaled_scores(
    model: nn.Module, images: Tensor, targets: Tensor, methods: Sequence[str], *, by: Sequence[str], draws: int,
    training_images: Tensor, pattern_images: int = 10_000, image_ids: Sequence[int] | None = None, seed: int = 0,
    **others: Any,
) -> pd.DataFrame:  # fmt: skip
    """Compare the maps of a network for normalised images with those of the network for images with scaled pixels.

    Parameters
    ----------
    model : sees its input through one dense layer; it is copied, not changed.
    draws : how often the factors are drawn, uniform between `SCALES`: one for each pixel, the same for all images.
    seed : of the factors, and of the noise.
    images, targets, methods, by, training_images, pattern_images, image_ids, others : as for `centred_scores`.

    Returns
    -------
    A table as of `centred_scores`, with the interventions ``scaled(by=<name>)``, and ``scaled(by=<name>,scale=none)``
    for the outputs before.
    """
    compute.settle()
    if draws < 1:
        raise StudyError(f"draws is {draws}; it must be at least 1.")
    double = working_copy(model).double()
    transformed = []
    for draw in range(draws):
        generator = compute.generator(seed, "scaled pixels", draw)
        uniform = torch.rand(images.shape[1:], generator=generator, dtype=torch.float64)
        factors = SCALES[0] + (SCALES[1] - SCALES[0]) * uniform
        transformed.append(Transformed("scaled(by={by})", draw, factors.__mul__, stretched(double, 1.0 / factors)))
    plain = Transformed("scaled(by={by},scale=none)", -1, torch.clone, double)
    return _compared(plain, transformed, images, targets, methods, by, training_images, pattern_images, image_ids, seed)


def _compared(
    plain: Transformed, transformed: Sequence[Transformed], images: Tensor, targets: Tensor, methods: Sequence[str],
    by: Sequence[str], training_images: Tensor, pattern_images: int, image_ids: Sequence[int] | None, seed: int,
) -> pd.DataFrame:  # fmt: skip
    """Compare the maps of normalised images before and after transformations, for each kind of normalisation."""
    if not by:
        raise StudyError("by is empty; name at least one normalisation.")
    for name in by:
        check_normalisation(name)
    chosen = attributions.methods(methods)
    ids = list(range(len(images)) if image_ids is None else image_ids)
    images, training_images = images.double(), training_images.double()
    logits = _logits(plain.model, images)
    table = Table(ids)
    for name in by:
        sides = [_side(each, name, images, training_images, pattern_images) for each in (plain, *transformed)]
        for network, seen in sides:
            network.pattern_source = sides[0][0]
            network.check(seen, targets, chosen)
        maps = [network.maps(seen, targets, chosen, ids, seed) for network, seen in sides]
        for each, (network, seen), found in zip((plain, *transformed), sides, maps, strict=True):
            scores = Scores(targets)
            after = _logits(network.model, seen)
            scores.add("none", "logits", {"relative_error": relative_error(after, logits)})
            scores.add("none", "original", {"same_class": (after.argmax(1) == logits.argmax(1)).double()})
            for method, own in found.items() if each is not plain else ():
                scores.add(method, "original", {"relative_change": relative_change(maps[0][method], own)})
            table.add(each.intervention.format(by=name), "none", 0, each.draw, scores)
    return table.frame()


def _side(
    transformed: Transformed, by: str, images: Tensor, training_images: Tensor, pattern_images: int
) -> tuple[Network, Tensor]:
    """The network for transformed, normalised images, and those images."""
    training = transformed.images(training_images)
    learned = Normalisation.learned(by, training)
    network = Network.of(learned.network(transformed.model), learned.images(training), pattern_images)
    return network, learned.images(transformed.images(images))


def _logits(model: nn.Module, images: Tensor) -> Tensor:
    """All logits (N, K), on the CPU."""
    with torch.no_grad():
        return model(images.to(compute.device())).cpu()
