"""Which computations the experiment with pairs is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from lib import compute, data, finetuning, image_models
from lib.calls import Call
from lib.comparison import Examples
from lib.confounded import task_accuracy
from lib.encoded import Encoded
from lib.errors import StudyError
from lib.gathered import Gathered
from lib.origins import origin_of
from lib.pair_scores import (
    learning_curve,
    pair_exchanges,
    pair_localisation,
    pair_pictures,
    untuned_accuracy,
)
from lib.pairs import outputs_of
from lib.randomization import check_methods
from lib.training import TrainedNet


def pair_calls(
    study: Gathered,
    net: TrainedNet,
    stopped: TrainedNet | None = None,
    *,
    methods: Sequence[str],
    few_methods: Sequence[str],
    n_pairs: int,
    few_pairs: int,
    draws: int,
) -> list[Call]:
    """All computations about one fine-tuned net.

    Parameters
    ----------
    net : fine-tuned on pairs.
    stopped : the same after fewer iterations.
    methods, few_methods : what explains ``n_pairs`` and ``few_pairs`` test pairs, spread evenly over the classes.
    draws : random nets.

    Raises
    ------
    StudyError
        If a net is not one of pairs, a method is not defined for it, or there are not so many pairs.
    """
    for each in filter(None, (net, stopped)):
        _check(each, [*methods, *few_methods], max(n_pairs, few_pairs))
    given = _given(net)
    beside = {"pretrained": origin_of(net)} | ({} if stopped is None else {"stopped": stopped})
    outputs = outputs_of(net.recipe.dataset)
    accuracy: dict[str, Any] = {
        "net": net,
        "parts_of": {part: (net.recipe.dataset, part) for part in ("test_images", "test_labels")},
    }
    return [
        study.call(learning_curve, net=net, n_images=len(outputs)),
        study.call(task_accuracy, **accuracy, n_images=len(outputs)),
        study.call(pair_exchanges, n_images=n_pairs, **given),
        study.call(untuned_accuracy, n_images=n_pairs, outputs=outputs, beside=beside, **given),
        *(
            study.call(
                pair_localisation,
                methods=list(some),
                n_images=count,
                outputs=outputs,
                draws=draws,
                beside=beside,
                **given,
            )
            for some, count in ((methods, n_pairs), (few_methods, few_pairs))
            if some
        ),
    ]


def nets_of_pairs(nets: Sequence[TrainedNet]) -> tuple[TrainedNet | None, list[TrainedNet], list[TrainedNet]]:
    """Which of some fine-tuned nets is which: the one that is studied, the same stopped early, others beside it.

    Parameters
    ----------
    nets : the first is studied; at most one more of its architecture, which was stopped early, and at most one of any
        other architecture.

    Returns
    -------
    The net that is studied, None without any; no or one net stopped early; those of other architectures.

    Raises
    ------
    StudyError
        If there are too many of an architecture.
    """
    if not nets:
        return None, [], []
    first, *rest = nets
    stopped = [net for net in rest if net.recipe.model == first.recipe.model]
    others = [net for net in rest if net not in stopped]
    if len(stopped) > 1 or len({net.recipe.model for net in others}) < len(others):
        raise StudyError(
            f"pair_models names {', '.join(net.name for net in nets)}; name one net, at most one more of the same "
            "model that was stopped early, and at most one of each other model."
        )
    return first, stopped, others


def weights_of(net: TrainedNet) -> str:
    """Whose weights a fine-tuned net started from, in words for captions."""
    return str(finetuning.blank(net.recipe).label)


def pair_picture_calls(study: Gathered, nets: Mapping[str, TrainedNet], methods: Sequence[str]) -> dict[str, Call]:
    """A gallery of one test pair of each class for every fine-tuned net: its name -> the call."""
    return {
        f"pairs of {name}": study.call(
            pair_pictures, methods=list(methods), n_images=len(outputs_of(net.recipe.dataset)),
            outputs=outputs_of(net.recipe.dataset), beside={"pretrained": origin_of(net)}, **_given(net),
        )
        for name, net in nets.items()
    }  # fmt: skip


def _check(net: TrainedNet, methods: Sequence[str], count: int) -> None:
    """Refuse what cannot be computed, before anything is."""
    dataset = net.recipe.dataset
    if not (net.recipe.weights and dataset.endswith("-pairs")):
        raise StudyError(
            f"The net {net.name} is not fine-tuned on pairs; name one that starts from weights, on a data set with "
            "-pairs behind its name."
        )
    test = data.load(dataset)
    data.balanced(test.test_labels, count)
    chosen = image_models.architecture(net.recipe.model)
    # Random weights do: whether a method is defined depends on the architecture.
    random = Encoded(image_models.build(net.recipe.model, compute.generator("check")), chosen.encoding).eval()
    references = data.references(test)
    one = Examples.of(test.test_images[:1], torch.zeros(1, dtype=torch.int64), references=references)
    check_methods(random, one, methods)


def _given(net: TrainedNet) -> dict[str, Any]:
    return {"net": net, "parts_of": {"regions": (net.recipe.dataset, "test_regions")}}
