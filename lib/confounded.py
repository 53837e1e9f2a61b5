"""The study of confounded tasks: what is computed for a net of a task, beside a net of the natural one.

Yona & Greenfeld 2021. A *natural* net tells digits; nets of other tasks see nearly the same images and must look
elsewhere. All nets of a comparison explain the same images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from lib.accuracy import correct
from lib.causal_effect import effect_scores
from lib.comparison import Scores, Table
from lib.errors import StudyError
from lib.localisation import NATURAL, SIMILARITIES, localisation, net_word
from lib.randomization import explained_classes, randomization_scores

CASCADE = "confounded_cascade"
"""The top-down cascade of this study; rows of study 01 are decided by themselves."""
ALTERED = "altered"
"""Predictions of images with one thing taken out."""
ACCURACY = "task"
"""Accuracy on all test images of a task."""

CHECKED = 1000
"""Test images whose predictions are followed when something is taken out."""
PATTERN_IMAGES = 1000
"""Training images that patterns are estimated on, in every net anew."""


def confounded_localisation(
    model: nn.Module, images: Tensor, targets: Tensor, methods: Sequence[str], *,
    labels: Tensor, image_ids: list[int], regions: Mapping[str, Tensor], training_images: Tensor,
    name: str, only: Sequence[int], others: Sequence[str] = (NATURAL,), tag: str = "", **given: Any,
) -> pd.DataFrame:  # fmt: skip
    """`lib.localisation.localisation` on the test images of some labels.

    Parameters
    ----------
    regions : name -> bool (T, H, W), of all test images.
    only : labels of the images that take part.
    name, others : how the net is called, and which of the further arguments are nets to stand beside it.
    tag : what the interventions say of the images, e.g. ``images=deleted``.
    given : those nets, and what `localisation` takes besides; patterns are estimated on `PATTERN_IMAGES` images.
    """
    part = images_of(labels, only)
    numbers = [image_ids[each] for each in part.tolist()]
    options = {each: given[each] for each in ("draws", "init", "measures", "references") if each in given}
    table = localisation(
        model, images[part], targets[part], methods, {region: masks[numbers] for region, masks in regions.items()},
        name=name, others={each: given[each] for each in others}, image_ids=numbers,
        training_images=training_images[:PATTERN_IMAGES], **options,
    )  # fmt: skip
    return tagged(table, tag)


def confounded_effect(
    model: nn.Module, images: Tensor, targets: Tensor, methods: Sequence[str], *,
    labels: Tensor, image_ids: list[int], name: str, only: Sequence[int], weights: Mapping[str, float],
    draws: int, init: str, others: Sequence[str] = (NATURAL,), tag: str = "", **given: Any,
) -> pd.DataFrame:  # fmt: skip
    """`lib.causal_effect.effect_scores` on the test images of some labels; parameters as for the localisation."""
    part = images_of(labels, only)
    table = effect_scores(
        model, images[part], targets[part], methods, name=name, others={each: given[each] for each in others},
        weights=weights, draws=draws, init=init, image_ids=[image_ids[each] for each in part.tolist()],
    )  # fmt: skip
    return tagged(table, tag)


def confounded_cascade(
    model: nn.Module, images: Tensor, targets: Tensor, methods: Sequence[str], *,
    labels: Tensor, image_ids: list[int], references: Mapping[str, Tensor], training_images: Tensor,
    name: str, only: Sequence[int], draws: int, others: Sequence[str] = (NATURAL,), **given: Any,
) -> pd.DataFrame:  # fmt: skip
    """The top-down cascade of `lib.randomization` for the nets of two or three tasks, on the same images.

    Each net explains the classes that it predicts itself when intact. The random weights of a draw are the same.

    Returns
    -------
    Similarities to the intact net's maps and to another image's, under ``confounded_cascade(net=…)``.
    """
    part = images_of(labels, only)
    few = images[part]
    shared = {
        "image_ids": [image_ids[each] for each in part.tolist()], "references": references, "draws": draws,
        "training_images": training_images[:PATTERN_IMAGES], "metrics": list(SIMILARITIES),
    }  # fmt: skip
    tables = []
    for word, net in {name: model, **{each: given[each] for each in others}}.items():
        classes = targets[part] if net is model else explained_classes(net, few)
        table = randomization_scores(net, few, classes, methods, **shared)  # type: ignore[arg-type]
        kept = table[table.against.isin(["original", "null_other_image"])]
        tables.append(kept.assign(intervention=net_word(word, CASCADE)))
    return pd.concat(tables, ignore_index=True)


def prediction_changes(
    model: nn.Module, *, test_images: Tensor, test_labels: Tensor, altered: Mapping[str, Tensor],
    name: str, only: Mapping[str, Sequence[int]], others: Sequence[str] = (), **given: Any,
) -> pd.DataFrame:  # fmt: skip
    """Whether a prediction follows when one thing is taken out of an image: the check of the ground truth.

    Parameters
    ----------
    altered : what is done -> test images (T, 1, H, W) to which it is done.
    only : what is done -> labels of the images to which it makes a difference; the first `CHECKED` of them are taken.
    name, others, given : as in `confounded_localisation`.

    Returns
    -------
    Metric ``prediction_changed``, 0 or 1, under ``altered(net=…,by=…)``.
    """
    tables = []
    for change, kept in only.items():
        part = images_of(test_labels, kept)[:CHECKED]
        table = Table(part.tolist())
        for word, net in {name: model, **{each: given[each] for each in others}}.items():
            before, after = (explained_classes(net, each[part]) for each in (test_images, altered[change]))
            changed = {("none", "none", "prediction_changed"): (before != after).double()}
            table.add(tagged_word(net_word(word, ALTERED), f"by={change}"), change, 0, -1, Scores(before, changed))
        tables.append(table.frame())
    return pd.concat(tables, ignore_index=True)


def task_accuracy(model: nn.Module, *, test_images: Tensor, test_labels: Tensor, **given: Any) -> pd.DataFrame:
    """Whether each test image of a task is classified rightly: metric ``accuracy`` under the intervention `ACCURACY`.

    Not under ``none``, where the study of model randomization looks for the accuracy of its own nets.
    """
    right = correct(model, test_images, test_labels).double()
    table = Table(list(range(len(right))))
    table.add(ACCURACY, "none", 0, -1, Scores(test_labels, {("none", "none", "accuracy"): right}))
    return table.frame()


def tagged(table: pd.DataFrame, tag: str) -> pd.DataFrame:
    """A table whose interventions say in brackets what else is special, e.g. ``…(net=random,images=deleted)``."""
    return table.assign(intervention=[tagged_word(word, tag) for word in table.intervention])


def tagged_word(word: str, tag: str) -> str:
    """``name(net=…)`` with something more in the brackets."""
    return f"{word.removesuffix(')')},{tag})" if tag else word


def images_of(labels: Tensor, only: Sequence[int]) -> Tensor:
    """Places of the images whose label is one of some: (n,).

    Raises
    ------
    StudyError
        If there are none.
    """
    found = torch.isin(labels, torch.tensor(list(only))).nonzero().flatten()
    if not len(found):
        raise StudyError(f"There is no image with one of the labels {list(only)}; make n_images larger.")
    return found
