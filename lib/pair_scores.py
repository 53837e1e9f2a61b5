"""The study of pairs: do maps of a fine-tuned net point at the half that decides, and where do those of others point?

Yona & Greenfeld 2021 show maps of three nets for the true class of a pair: fine-tuned on pairs, trained on single
pictures only, and random. Here their positive mass on either half is measured. That only one half decides is checked
on the fine-tuned net by exchanging the halves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn

from lib import compute
from lib.comparison import Examples, Scores, Table
from lib.errors import StudyError
from lib.localisation import RANDOM, maps_of, net_word, random_models
from lib.pairs import RELEVANT, Halves
from lib.progress import Progress
from lib.randomization import check_methods, explained_classes
from lib.regions import check_regions, measured, metrics_of
from lib.workspace import chunks, working_copy

PAIRS = "pairs"
"""The intervention of the maps, e.g. ``pairs(net=fine-tuned)``."""

FINE_TUNED, STOPPED, PRETRAINED = "fine-tuned", "stopped early", "pretrained"
"""How the table names the net that learned pairs, the same after fewer iterations, and the one it started from."""

MEASURES = tuple(f"{measure}_{RELEVANT}" for measure in ("mass_share", "mass_share_abs", "pointing", "auc"))
"""What is measured of each map; the first is the H of the claims."""

LEARNING = "learning"
"""The intervention of the accuracies during training."""

_OWN = "own"
"""Random nets are drawn from the initialiser of their architecture."""


class _Explained(NamedTuple):
    """A net with the outputs (N,) that are explained."""

    net: str
    draw: int
    model: nn.Module
    outputs: Tensor


def pair_localisation(
    model: nn.Module, images: Tensor, methods: Sequence[str], *,
    labels: Tensor, image_ids: list[int], regions: Mapping[str, Tensor], pretrained: nn.Module,
    outputs: Sequence[int], draws: int, stopped: nn.Module | None = None, measures: Sequence[str] = MEASURES,
    seed: int = 0, references: Mapping[str, Tensor] | None = None, training_images: Tensor | None = None,
    **given: Any,
) -> pd.DataFrame:  # fmt: skip
    """How much of each map lies on the half that decides; every map explains the true class.

    Parameters
    ----------
    model : fine-tuned on pairs.
    images : (N, C, H, 2W), pairs in [0, 1].
    methods : written forms.
    labels : (N,), the true classes.
    image_ids : number of each pair in its data set.
    regions : name -> bool (T, H, 2W), of all pairs of the data set.
    pretrained : the net that fine-tuning started from.
    outputs : its outputs that stand for the classes, see `lib.pairs.outputs_of`.
    draws : number of random nets; of the same architecture as ``model``, with as many outputs.
    stopped : the fine-tuned net after fewer iterations.
    measures : words of `lib.regions.MEASURES` with a region, e.g. ``auc_relevant``.
    seed : names every draw.
    references, training_images : for the methods that take some.
    given : what else a study gives to the functions that it calls with a net; not used.

    Returns
    -------
    One row per number, with the columns intervention (``pairs(net=…)``), level (the net), step (0), draw (-1 for
    trained nets), image, target, method, metric, against (none), value.
    """
    compute.settle()
    own = {name: masks[image_ids] for name, masks in regions.items()}
    check_regions(own, images)
    metrics = metrics_of(own, measures)
    examples = Examples.of(images, labels, labels, image_ids, references, training_images)
    examples.check({"original"})
    chosen, _ = (check_methods(each, examples, methods) for each in (model, pretrained))
    trained = _trained(model, labels, pretrained, outputs, stopped)
    progress = Progress("maps of pairs", len(trained) + draws)
    table = Table(image_ids)
    for each in _with_random(trained, images, draws, seed):
        maps = maps_of(each.model, examples, chosen, each.outputs, f"{each.net} {each.draw}", seed)
        scores = Scores(labels)
        for method, found in maps.items():
            scores.add(method, "none", measured(found, own, metrics))
        table.add(net_word(each.net, PAIRS), each.net, 0, each.draw, scores)
        progress.step(each.net)
    return table.frame()


def pair_pictures(
    model: nn.Module, images: Tensor, methods: Sequence[str], *,
    labels: Tensor, image_ids: list[int], regions: Mapping[str, Tensor], pretrained: nn.Module,
    outputs: Sequence[int], seed: int = 0, **given: Any,
) -> dict[str, Tensor]:  # fmt: skip
    """Pairs and their maps for a gallery; parameters as in `pair_localisation`.

    Returns
    -------
    ``pair`` : (N, C*H, 2W), the channels one below the other, so that one number scales all colours. ``relevant`` :
    (N, H, 2W), 1 on the half that decides. ``<net>/<method>`` : (N, H, 2W), signed, channels summed.
    """
    examples = Examples.of(images, labels, labels, image_ids)
    chosen = check_methods(model, examples, methods)
    found = {"pair": images.flatten(1, 2), RELEVANT: regions[RELEVANT][image_ids].float()}
    for each in _with_random(_trained(model, labels, pretrained, outputs), images, 1, seed):
        maps = maps_of(each.model, examples, chosen, each.outputs, f"{each.net} {each.draw}", seed)
        found |= {f"{each.net}/{method}": own.sum(1) for method, own in maps.items()}
    return found


def pair_exchanges(
    model: nn.Module, images: Tensor, *, labels: Tensor, image_ids: list[int], regions: Mapping[str, Tensor],
    seed: int = 0, **given: Any,
) -> pd.DataFrame:  # fmt: skip
    """The check of the ground truth: what a net predicts when a half is exchanged.

    Parameters are those of `pair_localisation`.

    Returns
    -------
    Metric ``prediction_changed``, 0 or 1, under ``exchanged(half=other)``: a picture of group 2 takes the place of
    another; ``exchanged(half=relevant)``: a picture of another class of group 1; ``exchanged(half=both)``: the halves
    change places. And ``class_followed``, whether the prediction is the class of the new picture of group 1.
    """
    halves = Halves.of(images, regions[RELEVANT][image_ids])
    generator = compute.generator(seed, "exchanged halves")
    others = _partners(torch.ones(len(images), len(images)).fill_diagonal_(0.0), generator)
    strangers = _partners((labels.view(-1, 1) != labels).float(), generator)
    exchanged = {
        "other": (Halves(halves.relevant, halves.other[others], halves.left), labels),
        "relevant": (Halves(halves.relevant[strangers], halves.other, halves.left), labels[strangers]),
        "both": (Halves(halves.relevant, halves.other, ~halves.left), labels),
    }
    before = explained_classes(model, images)
    table = Table(image_ids)
    for half, (new, classes) in exchanged.items():
        after = explained_classes(model, new.joined)
        values = {"prediction_changed": after != before, "class_followed": after == classes}
        rows = {("none", "none", metric): value.double() for metric, value in values.items()}
        table.add(f"exchanged(half={half})", half, 0, -1, Scores(classes, rows))
    return table.frame()


def untuned_accuracy(
    model: nn.Module, images: Tensor, *, labels: Tensor, image_ids: list[int], pretrained: nn.Module,
    outputs: Sequence[int], **given: Any,
) -> pd.DataFrame:  # fmt: skip
    """How often the net before fine-tuning is right if only its five outputs for the classes are compared.

    Parameters are those of `pair_localisation`.

    Returns
    -------
    Metric ``accuracy``, 0 or 1, under ``pairs(net=pretrained)``.
    """
    working = working_copy(pretrained)
    with torch.no_grad():
        logits = torch.cat([working(images[part].to(compute.device())).cpu() for part in chunks(images)])
    right = (logits[:, list(outputs)].argmax(1) == labels).double()
    table = Table(image_ids)
    table.add(net_word(PRETRAINED, PAIRS), PRETRAINED, 0, -1, Scores(labels, {("none", "none", "accuracy"): right}))
    return table.frame()


def learning_curve(model: nn.Module, **given: Any) -> pd.DataFrame:
    """The accuracy on test pairs while a net was fine-tuned.

    Parameters
    ----------
    model : its attribute ``history`` holds what `lib.finetuning.finetune` noted.

    Returns
    -------
    Metric ``test_accuracy`` under the intervention ``learning``; step is the iteration.
    """
    table = Table([-1])
    for entry in model.history:  # type: ignore[union-attr]
        value = {("none", "none", "test_accuracy"): torch.tensor([entry["test_accuracy"]], dtype=torch.float64)}
        table.add(LEARNING, "none", int(entry["iteration"]), -1, Scores(torch.tensor([-1]), value))
    return table.frame()


def _trained(
    model: nn.Module, labels: Tensor, pretrained: nn.Module, outputs: Sequence[int], stopped: nn.Module | None = None
) -> list[_Explained]:
    """The trained nets, each with the output of the true class."""
    early = [] if stopped is None else [_Explained(STOPPED, -1, stopped, labels)]
    numbers = torch.tensor(list(outputs))[labels]
    return [_Explained(FINE_TUNED, -1, model, labels), *early, _Explained(PRETRAINED, -1, pretrained, numbers)]


def _with_random(trained: Sequence[_Explained], images: Tensor, draws: int, seed: int) -> Iterator[_Explained]:
    """The trained nets, then random ones of the first one's architecture."""
    yield from trained
    first = trained[0]
    for draw, net in enumerate(random_models(first.model, images, _OWN, draws, seed)):
        yield _Explained(RANDOM, draw, net, first.outputs)


def _partners(allowed: Tensor, generator: torch.Generator) -> Tensor:
    """For each pair another one at random, among those allowed (N, N): (N,)."""
    if not bool((allowed.sum(1) > 0).all()):
        raise StudyError("The pairs do not show two classes, so no half can be exchanged; make n_images larger.")
    return torch.multinomial(allowed, 1, generator=generator).squeeze(1)
