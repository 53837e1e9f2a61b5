"""Which computations the study of confounded tasks is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lib.calls import Call
from lib.causal_effect import posterior
from lib.confounded import (
    confounded_cascade,
    confounded_effect,
    confounded_localisation,
    prediction_changes,
    task_accuracy,
)
from lib.confounded_pictures import confounded_pictures, mean_maps
from lib.gathered import Gathered
from lib.localisation import NATURAL
from lib.shapes import KINDS
from lib.task_nets import truth
from lib.tasks import DELETED, INTACT
from lib.training import TrainedNet

PAPER = ("guided_backprop", "gradient")
"""The methods that Yona & Greenfeld look at."""

HALVED = "images=halved"
PLAIN = "images=plain"
"""What interventions say of images where the half is missing, and where no shape stands beside the digit."""

HALF_MEASURES = (
    "mass_share_abs_half",
    "mass_share_half",
    "mass_share_abs_cut",
    "pointing_half",
    "auc_half",
    "density_ink",
)
SHAPE_MEASURES = tuple(
    f"{measure}_{region}" for measure in ("mass_share", "density", "pointing", "auc") for region in ("shape", "digit")
)

LIKELIHOODS: dict[str, dict[str, float]] = {
    "an intact digit": {NATURAL: 1.0, "half": 1 / 2},
    "a halved digit": {NATURAL: 0.0, "half": 1 / 2},
    "a digit beside a shape": {NATURAL: 0.0, "shape": 1 / 3, "digit": 1 / 3},
    "a digit that could have a shape": {NATURAL: 1.0, "shape": 1 / 3, "digit": 1 / 3},
}
"""An image -> task -> its density under the task, in units of the density that nature gives the digit."""

WEIGHTS = {image: posterior(likelihoods) for image, likelihoods in LIKELIHOODS.items()}
"""The same as probabilities of the tasks, each task being as likely beforehand."""

_SHAPES = [number for number, kind in enumerate(KINDS) if kind != "nothing"]


def posterior_table() -> pd.DataFrame:
    """`WEIGHTS` as a table: rows are images, columns tasks; a task that is not of the experiment is left open."""
    return pd.DataFrame.from_dict(WEIGHTS, orient="index")


def accuracy_calls(study: Gathered) -> list[Call]:
    """The accuracy of every net on all test images of its task."""
    return [study.call(task_accuracy, net=net, parts_of=truth(net)) for net in study.nets]


def half_calls(
    study: Gathered,
    nets: Mapping[str, TrainedNet],
    *,
    methods: Sequence[str],
    cascade_methods: Sequence[str],
    few_images: int,
    draws: int,
    init: Sequence[str],
) -> list[Call]:
    """All computations of Y-half-digit; for the caption's reading of the text, in short.

    Parameters
    ----------
    study, nets : see `lib.task_nets.nets_by_task`.
    methods : localised beside `PAPER`, on ``few_images``.
    cascade_methods : those of the cascade, on ``few_images``.
    draws : random nets.
    init : what their weights are drawn from; all but the first for `PAPER` alone.
    """
    calls = []
    intact: dict[str, Any] = {"only": [INTACT]}
    halved: dict[str, Any] = {"only": [DELETED], "tag": HALVED}
    measured: dict[str, Any] = {"measures": list(HALF_MEASURES), "init": init[0]}
    for word in (each for each in ("half", "half-top") if each in nets):
        given = _given(nets, word, [NATURAL], draws)
        calls.append(study.call(confounded_localisation, methods=[*PAPER, "input"], **given, **measured, **intact))
        changes = {"half_removed": [INTACT], "half_restored": [DELETED]}
        calls.append(study.call(prediction_changes, **given | {"others": [], "only": changes}))
    if "half" in nets:
        given = _given(nets, "half", [NATURAL], draws)
        calls.append(study.call(confounded_localisation, methods=[*PAPER, "input"], **given, **measured, **halved))
        calls += _further(study, given, intact, list(HALF_MEASURES), methods, few_images, init)
        for name, kind in (("an intact digit", intact), ("a halved digit", halved)):
            settings = given | kind | {"weights": WEIGHTS[name], "init": init[0]}
            calls.append(study.call(confounded_effect, methods=list(PAPER), **settings))
        calls.append(_cascade(study, given, intact, cascade_methods, few_images))
    return calls


def shape_calls(
    study: Gathered,
    nets: Mapping[str, TrainedNet],
    *,
    methods: Sequence[str],
    cascade_methods: Sequence[str],
    few_images: int,
    draws: int,
    init: Sequence[str],
) -> list[Call]:
    """All computations of Y-shapes-digit, none without its nets; parameters as in `half_calls`."""
    if "digit" not in nets:
        return []
    given = _given(nets, "shape", ["digit", NATURAL], draws)
    beside: dict[str, Any] = {"only": _SHAPES}
    plain: dict[str, Any] = {"only": [KINDS.index("nothing")], "tag": PLAIN}
    measured: dict[str, Any] = {"measures": list(SHAPE_MEASURES), "init": init[0]}
    calls = [study.call(confounded_localisation, methods=[*PAPER, "input"], **given, **measured, **beside)]
    calls += _further(study, given, beside, list(SHAPE_MEASURES), methods, few_images, init)
    for name, kind in (("a digit beside a shape", beside), ("a digit that could have a shape", plain)):
        settings = given | kind | {"weights": WEIGHTS[name], "init": init[0]}
        calls.append(study.call(confounded_effect, methods=list(PAPER), **settings))
    calls.append(_cascade(study, given, beside, cascade_methods, few_images))
    changes = {"shape_removed": _SHAPES, "digit_removed": _SHAPES}
    calls.append(study.call(prediction_changes, **given | {"others": ["digit"], "only": changes}))
    return calls


def picture_calls(study: Gathered, nets: Mapping[str, TrainedNet], draws: int, init: str) -> dict[str, Call]:
    """Galleries of a few images of each task, and mean maps of many: name of the net, and with ``mean`` behind it."""
    calls = {}
    for word, others, images, labels in (
        ("half", [NATURAL], 4, {INTACT: "an intact digit", DELETED: "a halved digit"}),
        ("shape", ["digit", NATURAL], 6, dict.fromkeys(_SHAPES, "a digit beside a shape") | {
            KINDS.index("nothing"): "a digit that could have a shape"}),
    ):  # fmt: skip
        if {word, *others} <= set(nets):
            given = _given(nets, word, others, draws) | {"init": init}
            weights = {str(label): WEIGHTS[name] for label, name in labels.items()}
            kinds = {"half": [INTACT], "shape": _SHAPES}[word]
            calls[word] = study.call(
                confounded_pictures, methods=list(PAPER), n_images=images, weights=weights, **given
            )
            calls[f"{word} mean"] = study.call(mean_maps, methods=list(PAPER), only=kinds, **given)
    return calls


def _given(nets: Mapping[str, TrainedNet], word: str, others: list[str], draws: int) -> dict[str, Any]:
    """What all calls about a net of a task are given."""
    beside = {each: nets[each] for each in others}
    parts = truth(nets[word])
    return {"net": nets[word], "name": word, "beside": beside, "others": others, "parts_of": parts, "draws": draws}


def _further(
    study: Gathered,
    given: Mapping[str, Any],
    kind: Mapping[str, Any],
    measures: list[str],
    methods: Sequence[str],
    few_images: int,
    init: Sequence[str],
) -> list[Call]:
    """The localisation by all other methods, on few images, and of `PAPER` from random weights of other laws."""
    rest = [method for method in methods if method not in (*PAPER, "input")]
    settings = {"measures": measures, **given, **kind}
    calls = [
        study.call(confounded_localisation, methods=list(PAPER), **settings | {"init": law, "tag": f"init={law}"})
        for law in init[1:]
    ]
    if rest:
        calls.append(study.call(confounded_localisation, methods=rest, n_images=few_images, init=init[0], **settings))
    return calls


def _cascade(
    study: Gathered, given: Mapping[str, Any], kind: Mapping[str, Any], methods: Sequence[str], few_images: int
) -> Call:
    return study.call(confounded_cascade, methods=list(methods), n_images=few_images, **given, **kind)
