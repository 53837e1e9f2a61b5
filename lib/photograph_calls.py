"""Which computations the study of networks for photographs is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from lib import compute, finetuning, image_models, photographs
from lib.attributions import CONTROLS
from lib.calls import Call
from lib.checks import data_folder
from lib.comparison import Examples
from lib.errors import StudyError
from lib.gathered import Gathered
from lib.photograph_cascades import cascade_pictures, cascade_scores, recognition_scores
from lib.photograph_maps import edge_pictures, edge_scores, mask_scores
from lib.photograph_networks import accuracy_scores, block_scores
from lib.randomization import check_methods, check_orders
from lib.weights import load
from lib.workspace import pass_size

BLOCKS_OF = "inception_v3"
"""The network whose cut into blocks a claim is about."""

EDGE_MAPS = ("gradient", "guided_backprop", "guided_gradcam")
"""Methods that the gallery of edges shows."""


def networks_of(study: Gathered, networks: Sequence[str], weights: Sequence[str], dataset: str) -> list[dict[str, Any]]:
    """What every computation about a network is given: its name, its weights and the set of photographs.

    Raises
    ------
    StudyError
        If there are not as many weights as networks, a network is named twice or not known, the set has no list, or a
        photograph of the list cannot be read.
    """
    if len(networks) != len(weights) or len(set(networks)) < len(networks) or not networks:
        raise StudyError(
            f"networks is {list(networks)} and weights is {list(weights)}; name each network once, and its weights in "
            "the same place."
        )
    with data_folder(study.params.get("data_dir", "")):
        every = photographs.entries(dataset)
        try:
            tells = photographs.digest(dataset, every)
        except OSError as error:
            raise StudyError(
                f"The photograph {error.filename} cannot be read; replace it, or take it off the list."
            ) from error
        given = []
        for network, own in zip(networks, weights, strict=True):
            image_models.architecture(network)
            digest = finetuning.fingerprint(own)
            given.append(
                {"network": network, "weights_of": own, "dataset": dataset, "files_digest": f"{digest} {tells}"}
            )
    return given


def labels_of(study: Gathered, given: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Network -> the truth about its weights, in words for captions."""
    with data_folder(study.params.get("data_dir", "")):
        return {each["network"]: str(load(each["network"], each["weights_of"]).label) for each in given}


def photograph_calls(
    study: Gathered, given: Sequence[dict[str, Any]], *, methods: Sequence[str], costly: Sequence[str],
    products: Sequence[str], calibrated: Sequence[str], orders: Sequence[str], sweep_methods: Sequence[str],
    init: Sequence[str], bn: Sequence[str], count: int, image_range: Sequence[int], draws: int, mask_draws: int,
) -> list[Call]:  # fmt: skip
    """All tables of the study.

    Parameters
    ----------
    given : networks, see `networks_of`.
    methods, costly, orders, sweep_methods, init, bn, draws : see `lib.randomization.randomization_scores`.
    products, calibrated : methods of `recognition_scores` and of `mask_scores`; all must be among the others.
    count, image_range : which photographs, see `lib.photographs.spread`.
    mask_draws : masks for each image.

    Raises
    ------
    StudyError
        If a method is not defined for a network, there are not so many photographs, or a part of them would not be
        worked on in the batches of the whole.
    """
    everything = [*methods, *costly]
    for name in (*products, *calibrated, *sweep_methods):
        if name not in everything:
            raise StudyError(f"{name} is to be looked at closely, but is not among the methods; add it there.")
    check_orders(orders)
    images = {"count": count, "image_range": list(image_range)}
    for each in given:
        _check(study, each, everything, images)
    calls = []
    looking = [each for each in everything if each not in CONTROLS]
    whole = not image_range or image_range[0] == 0
    for each in given:
        some = each | images
        calls += [
            study.call(
                cascade_scores, methods=list(methods), costly=list(costly), sweep_methods=list(sweep_methods),
                orders=list(orders), init=list(init), bn=list(bn), draws=draws, **some,
            ),
            study.call(recognition_scores, products=list(products), init=init[0], bn=bn[0], draws=draws, **some),
            study.call(edge_scores, methods=looking, **some),
            study.call(mask_scores, methods=list(calibrated), mask_draws=mask_draws, **some),
        ]  # fmt: skip
        # These are about all photographs, or about none.
        calls += [study.call(accuracy_scores, **each)] if whole else []
    return calls + ([study.call(block_scores, network=BLOCKS_OF)] if whole else [])


def photograph_picture_calls(
    study: Gathered,
    given: dict[str, Any],
    *,
    files: Sequence[str],
    methods: Sequence[str],
    signed: Sequence[str],
    init: str,
    bn: str,
) -> dict[str, Call]:
    """The galleries of one network: ``cascade`` and ``edges``; parameters as those of `cascade_pictures`."""
    with data_folder(study.params.get("data_dir", "")):
        photographs.named(given["dataset"], files)
    shown = given | {"files": list(files)}
    return {
        "cascade": study.call(cascade_pictures, methods=list(methods), signed=list(signed), init=init, bn=bn, **shown),
        "edges": study.call(edge_pictures, methods=list(EDGE_MAPS), **shown),
    }


def _check(study: Gathered, given: dict[str, Any], methods: Sequence[str], images: dict[str, Any]) -> None:
    """Refuse what cannot be computed, before anything is."""
    with data_folder(study.params.get("data_dir", "")):
        photographs.spread(given["dataset"], images["count"], images["image_range"])
    encoding = image_models.architecture(given["network"]).encoding
    # Random weights do: whether a method is defined depends on the architecture.
    model = image_models.build(given["network"], compute.generator("check"))
    image = torch.rand(1, *encoding.shape, generator=compute.generator("check"))
    check_methods(
        model, Examples.of(image, torch.zeros(1, dtype=torch.int64), references=encoding.references()), methods
    )
    size = pass_size(image)
    if any(place % size and place != images["count"] for place in images["image_range"]):
        raise StudyError(
            f"image_range is {images['image_range']}; a part begins and ends at multiples of {size} photographs, so "
            "that the parts are worked on in the batches of the whole."
        )
