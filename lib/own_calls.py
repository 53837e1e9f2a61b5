"""Which computations the study of your own model is made of, checked before any of them begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from lib import own_models, photographs
from lib.calls import Call
from lib.checks import data_folder
from lib.comparison import Examples
from lib.gathered import Gathered
from lib.own_scores import own_accuracy, own_manifest, own_pictures, own_scores
from lib.own_subjects import Given, references_of, settings_of
from lib.randomization import check_among, check_methods, sweep
from lib.units import Units


@dataclass(frozen=True)
class OwnModel:
    """A network with pictures that was found fit for study.

    Attributes
    ----------
    given : what the parameters say.
    settings : the same for computations, with what tells its files and code from others.
    label : the network and whose weights it has, for captions.
    units : what it is destroyed by, in execution order.
    shape : of one encoded picture, (C, H, W).
    """

    given: Given
    settings: dict[str, Any]
    label: str
    units: Units
    shape: tuple[int, ...]


def own_model(study: Gathered) -> OwnModel:
    """The network and the pictures that the parameters of a study name.

    Reads the parameters model, weights, images, size, mean, std, units, and checks beside them n_images, methods,
    costly, sweep_methods, init and bn.

    Raises
    ------
    StudyError
        One sentence about what is not there or does not fit, before anything is computed.
    """
    params = study.params
    given = Given(
        network=params["model"],
        weights_of=params["weights"],
        dataset=params["images"],
        crop=params["size"],
        mean=params["mean"],
        std=params["std"],
        units=params["units"],
    )
    with data_folder(params.get("data_dir", "")):
        chosen = photographs.spread(given.dataset, params["n_images"])
        model, encoding = given.load()
        image = given.encoded(encoding, chosen[:1])
        units = own_models.check_model(model, given.network, image)
        examples = Examples.of(image, torch.zeros(1, dtype=torch.int64), references=references_of(encoding, image))
        check_methods(model, examples, [*params["methods"], *params["costly"]])
        check_among(params["sweep_methods"], params["methods"])
        for setting in sweep(init=params["init"], bn=params["bn"]).values():
            setting.check(model)
        label = str(getattr(model, "label", own_models.short_name(given.network)))
        return OwnModel(given, settings_of(given), label, units, tuple(image.shape[1:]))


def own_calls(study: Gathered, own: OwnModel) -> list[Call]:
    """All tables of the study: accuracy, manifest, and the scores of the cascade and other orders."""
    params = study.params
    law = {"init": params["init"], "bn": params["bn"]}
    return [
        study.call(own_accuracy, **own.settings),
        study.call(own_manifest, **law, **own.settings),
        study.call(
            own_scores, methods=params["methods"], costly=params["costly"], sweep_methods=params["sweep_methods"],
            orders=params["orders"], draws=params["draws"], count=params["n_images"], **law, **own.settings,
        ),
    ]  # fmt: skip


def own_picture_calls(study: Gathered, own: OwnModel) -> dict[str, Call]:
    """The maps of the gallery, under the name ``cascade``."""
    params = study.params
    call = study.call(
        own_pictures, methods=[*params["methods"], *params["costly"]], count=params["n_images"],
        gallery=params["gallery"], init=params["init"][0], bn=params["bn"][0], **own.settings,
    )  # fmt: skip
    return {"cascade": call}
