"""Model randomization: destroy a model unit by unit and compare its maps with those of the intact model.

What is destroyed, and in which order, is decided in `lib.reinitialisation`; here maps are made at every stage and
compared. The user's model is never touched.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch
from torch import Tensor, nn

from lib import attributions, compute
from lib.attributions.base import Method, explain
from lib.comparison import Comparison, Examples, Scores, Table
from lib.errors import StudyError
from lib.initialisers import law_named
from lib.progress import Progress
from lib.reinitialisation import BATCH_NORMS, ORDERS, PREFIXES, Step, steps
from lib.similarity import RANK_METRICS
from lib.units import Units, units_of
from lib.workspace import chunks, working_copy

TARGETS = ("original", "current", "label")
"""Which class a map explains: the one that the intact model predicts, held fixed; the one that the randomized model
predicts (as the released notebooks do, so that part of a change comes from a change of class); the true one."""


STALE = "cascade(weights=stale)"
"""How the table names maps that were computed the wrong way, from a copy that never got the new weights."""

_NOT_EVERYWHERE = ("spearman_fg", "sign_agreement_fg")
"""Metrics that are stored for the main cascade only."""


@dataclass(frozen=True)
class Setting:
    """The choices that the papers leave open; their words are in `LAWS`, `PREFIXES`, `TARGETS`, `BATCH_NORMS`."""

    init: str = "tn(0.01)"
    prefix: str = "nested"
    target: str = "original"
    bn: str = "fresh"

    def check(self, model: nn.Module) -> None:
        """Raise `StudyError` unless every word is known."""
        law_named(self.init, model)
        for word, allowed in (("prefix", PREFIXES), ("target", TARGETS), ("bn", BATCH_NORMS)):
            if getattr(self, word) not in allowed:
                raise StudyError(f"{word} is {getattr(self, word)!r}; choose one of {', '.join(allowed)}.")


def sweep(**choices: str | Sequence[str]) -> dict[str, Setting]:
    """Name the settings of a run as interventions.

    Parameters
    ----------
    **choices : the words of each field of `Setting`; the first of each make the main setting, every further one
        departs from it alone.

    Returns
    -------
    ``{"cascade": main, "cascade(init=uniform)": …}``, the main setting first.
    """
    lists = {name: [words] if isinstance(words, str) else list(words) for name, words in choices.items()}
    for name, words in lists.items():
        if not words or len(set(words)) < len(words):
            raise StudyError(f"{name} is {words}; give at least one word, and each once.")
    main = Setting(**{name: words[0] for name, words in lists.items()})
    others = {
        f"cascade({name}={word})": replace(main, **{name: word}) for name, words in lists.items() for word in words[1:]
    }
    return {"cascade": main, **others}


def explained_classes(model: nn.Module, images: Tensor) -> Tensor:
    """The class that the model predicts for each image: (N,), on the CPU."""
    working = working_copy(model)
    with torch.no_grad():
        return torch.cat([working(images[part].to(compute.device())).argmax(1).cpu() for part in chunks(images)])


def check_methods(model: nn.Module, examples: Examples, methods: Iterable[str]) -> list[Method]:
    """Refuse a method that is unknown or not defined for the model, before any long computation."""
    chosen = attributions.methods(methods)
    check_logits(model, examples.images)
    one = examples.part(slice(0, 1))
    intact = one.workspace(working_copy(model), "original", 0, "trained")
    workspace = one.workspace(working_copy(model), "original", 0, "trained", pattern_source=intact)
    for each in chosen:
        each.check(workspace)
    return chosen


def check_logits(model: nn.Module, images: Tensor) -> None:
    """Refuse a model that gives probabilities: a map explains a logit, and softmax mixes in all other classes."""
    with torch.no_grad():
        outputs = working_copy(model)(images[:2].to(compute.device()))
    if outputs.dim() != 2:
        raise StudyError(f"The model gives {tuple(outputs.shape)} for two images; it must give logits, (2, classes).")
    if bool((outputs >= 0).all()) and torch.allclose(outputs.sum(1), torch.ones_like(outputs[:, 0])):
        raise StudyError("The model ends in a softmax, but maps explain logits; give the model without its last layer.")


def check_orders(orders: Sequence[str]) -> None:
    """Refuse unknown orders; the cascade must come first, because the rows of the intact model stand under it."""
    if list(orders[:1]) != ["cascade"] or len(set(orders)) < len(orders) or not set(orders) <= set(ORDERS):
        raise StudyError(
            f"orders is {list(orders)}; start with cascade, and name each of {', '.join(ORDERS)} at most once."
        )


def check_among(names: Iterable[str], methods: Sequence[str]) -> None:
    """Refuse a method that takes part in a sweep, or is shown stale, without being one of the methods."""
    for name in names:
        if name not in methods:
            raise StudyError(f"{name} is to be swept or shown stale, but is not in `methods`; add it there.")


def randomization_scores(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Sequence[str],
    *,
    draws: int = 10,
    orders: Sequence[str] = ("cascade",),
    init: str | Sequence[str] = "tn(0.01)",
    prefix: str | Sequence[str] = "nested",
    target: str | Sequence[str] = "original",
    bn: str | Sequence[str] = "fresh",
    sweep_methods: Sequence[str] = (),
    costly: Sequence[str] = (),
    stale: Sequence[str] = (),
    metrics: Sequence[str] = RANK_METRICS,
    nulls: Sequence[str] = ("null_other_image",),
    labels: Tensor | None = None,
    references: Mapping[str, Tensor] | None = None,
    training_images: Tensor | None = None,
    calibration: Tensor | None = None,
    background: float = 0.0,
    seed: int = 0,
    image_ids: list[int] | None = None,
) -> pd.DataFrame:
    """How similar maps stay to those of the intact model while it is destroyed unit by unit.

    The tests of Adebayo et al. 2018, sections 3.1 and 3.2. Every draw meets every image, and a method sees the same
    images, classes, noise and weights as every other.

    Parameters
    ----------
    model : any classifier; it is copied, not changed.
    images : (N, C, H, W), as the model takes them.
    targets : (N,) classes explained under ``target="original"`` (for example `explained_classes`).
    methods : written forms, e.g. ``["gradient", "guided_backprop"]``.
    draws : number of re-initialisations of the whole chain.
    orders : words of `lib.reinitialisation.ORDERS`, the cascade first.
    init, prefix, target, bn : a word of `lib.initialisers.LAWS`, `PREFIXES`, `TARGETS`, `BATCH_NORMS`, or a list. The
        first of each list make the main setting. With ``sweep_methods``, every further word gets a cascade of its own.
    sweep_methods : those of the methods that take part in the sweeps; without any, nothing is swept.
    costly : further methods, for the main cascade only.
    stale : those of the methods that are also computed the wrong way, from a copy that never gets the new weights.
    metrics : words of `lib.similarity.METRICS`.
    nulls : words of `lib.nulls.NULLS`: what the intact model's maps are compared with to see how low "unrelated" is.
    labels : (N,) true classes, for ``target="label"``.
    references : name -> image (C, H, W), for the methods that take one.
    training_images : (M, C, H, W), for the methods that estimate something on them.
    calibration : (M, C, H, W), images for ``bn="recalibrate"``.
    background : pixel value of an empty pixel; the foreground metrics leave such pixels out.
    seed : names every draw.
    image_ids : number of each image in its data set; default 0, 1, 2, …

    Returns
    -------
    One row per number, with the columns intervention (an order, or ``cascade(init=uniform)`` and the like), level (the
    unit reached), step, draw, image, target, method, metric, against, value. Maps are compared with the intact model's
    (``against`` original); those of the fully random model also with the image and its edges (input, edge), those of
    models with one random unit with the edges. Step 0 is the intact model; its maps are also compared with the nulls
    and, for stochastic methods, with those from other noise (self).
    """
    compute.settle()
    before = _digest(model)
    examples = Examples.of(images, targets, labels, image_ids, references, training_images)
    settings = sweep(init=init, prefix=prefix, target=target, bn=bn)
    for setting in settings.values():
        setting.check(model)
    check_orders(orders)
    check_among([*sweep_methods, *stale], methods)
    runs = _runs(settings, orders, list(methods), list(sweep_methods), list(costly))
    examples.check({run.setting.target for run in runs})
    chosen = {each.name: each for each in check_methods(model, examples, [*methods, *costly])}
    units = units_of(model, images)
    working = working_copy(model)
    trained = copy.deepcopy(working.state_dict())
    parts = list(chunks(images))
    progress = Progress("randomization", len(parts) * (1 + draws * len(runs)))
    tables = []
    for part in parts:
        working.load_state_dict(trained)
        comparison = Comparison(working, examples.part(part), background, seed, metrics, nulls)
        for run in runs:
            comparison.remember(run.setting.target, [chosen[name] for name in run.methods])
        table = Table(examples.image_ids[part])
        table.add("cascade", "none", 0, -1, comparison.intact_scores(list(chosen.values()), runs[0].setting.target))
        progress.step("the intact model")
        for number in range(draws):
            # A nested draw is decided by the units that are destroyed, whatever the order they were reached in.
            known: dict[object, Scores] = {}
            for run in runs:
                nested = run.setting.prefix == "nested"
                for step in run.steps(model, units, number, seed, calibration):
                    key = (run.setting, frozenset(step.destroyed) if nested else (run.order, step.step))
                    if key not in known:
                        working.load_state_dict(step.state)
                        using = [chosen[name] for name in run.methods]
                        known[key] = comparison.scores(using, run.setting.target, _name_of(step))
                    table.add(run.intervention, step.unit, step.step, number, run.kept(known[key], step, units))
                    if stale and run.intervention == "cascade":
                        wrong = comparison.stale_scores([chosen[name] for name in stale], run.setting.target)
                        table.add(STALE, step.unit, step.step, number, wrong)
                progress.step(f"draw {number + 1}/{draws}, {run.intervention}")
        tables.append(table.frame())
    if _digest(model) != before:
        raise StudyError("A method changed the model it was given; it must work on tensors, not on the model.")
    return pd.concat(tables, ignore_index=True)


def randomization_maps(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Sequence[str],
    *,
    orders: Sequence[str] = ("cascade",),
    init: str = "tn(0.01)",
    prefix: str = "nested",
    target: str = "original",
    bn: str = "fresh",
    labels: Tensor | None = None,
    references: Mapping[str, Tensor] | None = None,
    training_images: Tensor | None = None,
    calibration: Tensor | None = None,
    seed: int = 0,
    image_ids: list[int] | None = None,
) -> dict[str, Tensor]:
    """The maps of draw 0 for a gallery: method name -> signed sums over channels (orders, steps + 1, N, H, W).

    Parameters are those of `randomization_scores`, for one setting; stage 0 of every order is the intact model.
    """
    compute.settle()
    setting = Setting(init, prefix, target, bn)
    setting.check(model)
    examples = Examples.of(images, targets, labels, image_ids, references, training_images)
    examples.check({target})
    chosen = check_methods(model, examples, methods)
    working = working_copy(model)
    trained = copy.deepcopy(working.state_dict())
    intact = examples.workspace(working_copy(model), "original", seed, "trained")
    units = units_of(model, images)
    stages: dict[str, list[Tensor]] = {each.name: [] for each in chosen}
    for order in orders:
        run = _Run(order, order, setting, list(methods))
        for step in [None, *run.steps(model, units, 0, seed, calibration)]:
            working.load_state_dict(trained if step is None else step.state)
            state = "trained" if step is None else _name_of(step)
            pieces = [
                explain(chosen, examples.part(part).workspace(working, target, seed, state, pattern_source=intact))
                for part in chunks(images)
            ]
            for name, stage in stages.items():
                stage.append(torch.cat([maps[name].sum(1).cpu() for maps in pieces]))
    return {name: torch.stack(stage).unflatten(0, (len(orders), -1)) for name, stage in stages.items()}


@dataclass(frozen=True)
class _Run:
    """One walk through the units under a name of its own in the table."""

    intervention: str
    order: str
    setting: Setting
    methods: list[str]

    def steps(self, model: nn.Module, units: Units, draw: int, seed: int, calibration: Tensor | None) -> Iterator[Step]:
        """All stages of one draw."""
        law = law_named(self.setting.init, model)
        prefix, bn = self.setting.prefix, self.setting.bn
        return steps(model, units, law, draw, seed, order=self.order, prefix=prefix, bn=bn, calibration=calibration)

    def kept(self, scores: Scores, step: Step, units: Units) -> Scores:
        """The scores of a stage that go into the table, which would be several times as large with all of them.

        Image and edges are compared with maps of the fully random model only, and the edges, without regard to the
        foreground, with those of single random units.
        """

        def kept(method: str, against: str, metric: str) -> bool:
            if method not in self.methods:
                return False
            if against == "original":
                return self.intervention == "cascade" or metric not in _NOT_EVERYWHERE
            if self.intervention == "independent":
                return against == "edge" and not metric.endswith("_fg")
            return self.intervention == "cascade" and step.step == len(units)

        return scores.only(kept)


def _runs(
    settings: Mapping[str, Setting], orders: Sequence[str], methods: list[str], swept: list[str], costly: list[str]
) -> list[_Run]:
    """All walks of a run: the main setting in every order, then the sweeps."""
    main = settings["cascade"]
    first = [_Run(order, order, main, [*methods, *costly] if order == "cascade" else methods) for order in orders]
    others = {name: setting for name, setting in settings.items() if name != "cascade"} if swept else {}
    return [*first, *(_Run(name, "cascade", setting, swept) for name, setting in others.items())]


def _name_of(step: Step) -> str:
    return f"draw {step.draw}, without {' '.join(sorted(step.destroyed))}"


def _digest(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in model.state_dict().items():
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
