"""Localisation: do maps point at what a classifier must look at, and would those of a random model do so too?

The test of Yona & Greenfeld 2021 in numbers. They show maps of a trained and of a random model side by side for tasks
in which it is known where the evidence stands, and judge by eye.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pandas as pd
import torch
from torch import Tensor, nn

from lib import compute
from lib.attributions.base import Method, explain
from lib.comparison import Examples, Scores, Table
from lib.errors import StudyError
from lib.initialisers import law_named
from lib.progress import Progress
from lib.randomization import check_methods, explained_classes
from lib.regions import check_regions, measured, metrics_of
from lib.reinitialisation import steps
from lib.similarity import PreparedMaps, compare
from lib.units import units_of
from lib.workspace import chunks, working_copy

RANDOM = "random"
"""How the table names the model whose weights are all drawn anew."""

NATURAL = "natural"
"""How studies name the model of the natural task, where there is one."""

SIMILARITIES = ("spearman_abs", "spearman")
"""How maps of the trained and of the random model are compared."""


def net_word(net: str, name: str = "localisation") -> str:
    """How the scores name what was measured of a net, e.g. ``localisation(net=random)``."""
    return f"{name}(net={net})"


def localisation(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Sequence[str],
    regions: Mapping[str, Tensor],
    *,
    name: str = "trained",
    others: Mapping[str, nn.Module] | None = None,
    draws: int = 5,
    init: str = "tn(0.01)",
    measures: Sequence[str] = (),
    seed: int = 0,
    image_ids: list[int] | None = None,
    references: Mapping[str, Tensor] | None = None,
    training_images: Tensor | None = None,
) -> pd.DataFrame:
    """How much of each map lies in regions that matter, for a trained model and for the same with random weights.

    Parameters
    ----------
    model : any classifier; it is copied, not changed.
    images : (N, C, H, W), as the model takes them.
    targets : (N,) classes that ``model`` explains, for example `lib.randomization.explained_classes`. Every other net,
        the random ones among them, explains the class that it predicts itself, as Yona & Greenfeld do.
    methods : written forms, e.g. ``["gradient", "guided_backprop"]``.
    regions : name -> bool (N, H, W).
    name : how the table calls ``model``.
    others : name -> further trained classifiers to explain on the same images, e.g. of another task.
    draws : number of random models, the last step of so many cascades of `lib.randomization`.
    init : what their weights are drawn from, a word of `lib.initialisers.LAWS`.
    measures : what to measure, e.g. ``["auc_shape"]``: a word of `lib.regions.MEASURES` and a region; default: all.
    seed : names every draw.
    image_ids : number of each image in its data set; default 0, 1, 2, …
    references : name -> image (C, H, W), for the methods that take one.
    training_images : (M, C, H, W), for the methods that estimate something on them, in every net anew.

    Returns
    -------
    One row per number, with the columns intervention (``localisation(net=…)``), level (the net), step (0), draw (-1
    for trained nets), image, target, method, metric, against, value. Metrics ``against`` none are those of
    `lib.regions`, e.g. ``auc_shape``. `SIMILARITIES` are those of a trained net's maps to a random one's (``random``),
    and of a random one's to those of the draw before (``other_random``); not of controls, which look at no model.

    Raises
    ------
    StudyError
        If a word is not known, a mask does not fit the images, or a method is not defined for a model.
    """
    compute.settle()
    check_regions(regions, images)
    metrics = metrics_of(regions, measures)
    nets = {name: model} | dict(others or {})
    if RANDOM in nets or len(nets) <= len(others or {}):
        raise StudyError(f"The nets are called {name}, {', '.join(others or {})}; give each a name, none {RANDOM!r}.")
    examples = Examples.of(images, targets, None, image_ids, references, training_images)
    examples.check({"original"})
    chosen, *_ = [check_methods(net, examples, methods) for net in nets.values()]
    looking = [each.name for each in chosen if not each.control]
    progress = Progress("localisation", len(nets) + draws)
    table = Table(examples.image_ids)
    trained: dict[str, dict[str, Tensor]] = {}
    for word, net in nets.items():
        classes = targets if net is model else explained_classes(net, images)
        trained[word] = maps_of(net, examples, chosen, classes, word, seed)
        table.add(net_word(word), word, 0, -1, _in_regions(trained[word], classes, regions, metrics))
        progress.step(word)
    before: dict[str, Tensor] = {}
    for draw, net in enumerate(random_models(model, images, init, draws, seed)):
        classes = explained_classes(net, images)
        maps = maps_of(net, examples, chosen, classes, f"draw {draw}", seed)
        table.add(net_word(RANDOM), RANDOM, 0, draw, _in_regions(maps, classes, regions, metrics))
        for word, own in trained.items():
            table.add(net_word(word), word, 0, draw, _alike(own, maps, looking, classes, RANDOM))
        if before:
            table.add(net_word(RANDOM), RANDOM, 0, draw, _alike(before, maps, looking, classes, f"other_{RANDOM}"))
        before = maps
        progress.step(f"draw {draw + 1}/{draws}")
    return table.frame()


def random_models(model: nn.Module, images: Tensor, init: str, draws: int, seed: int = 0) -> Iterator[nn.Module]:
    """The model with all of its units drawn anew, as at the end of a cascade; one copy, changed from draw to draw."""
    if draws < 1:
        raise StudyError(f"draws is {draws}; compare with at least one random model.")
    units, law, working = units_of(model, images), law_named(init, model), working_copy(model)
    for draw in range(draws):
        *_, last = steps(model, units, law, draw, seed)
        working.load_state_dict(last.state)
        yield working


def maps_of(
    model: nn.Module, examples: Examples, chosen: Sequence[Method], classes: Tensor, state: str, seed: int = 0
) -> dict[str, Tensor]:
    """Explain a class of each image: method name -> signed, un-normalised maps (N, C, H, W) on the CPU.

    Parameters
    ----------
    examples : their own targets are not used.
    classes : (N,).
    state : names the weights, see `lib.workspace.Workspace`.
    """
    working = working_copy(model)
    told = replace(examples, targets=classes)
    # Patterns are estimated once, not for every batch.
    first = told.part(slice(0, 1)).workspace(working, "original", seed, state)
    pieces = [
        explain(chosen, told.part(part).workspace(working, "original", seed, state, pattern_source=first))
        for part in chunks(examples.images)
    ]
    return {each.name: torch.cat([piece[each.name].cpu() for piece in pieces]) for each in chosen}


def _in_regions(
    maps: Mapping[str, Tensor], classes: Tensor, regions: Mapping[str, Tensor], metrics: Mapping[str, tuple[str, str]]
) -> Scores:
    scores = Scores(classes)
    for method, own in maps.items():
        scores.add(method, "none", measured(own, regions, metrics))
    return scores


def _alike(
    maps: Mapping[str, Tensor], others: Mapping[str, Tensor], methods: Sequence[str], classes: Tensor, against: str
) -> Scores:
    scores = Scores(classes)
    for method in methods:
        scores.add(method, against, compare(PreparedMaps(maps[method]), PreparedMaps(others[method]), SIMILARITIES))
    return scores
