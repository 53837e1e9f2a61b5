"""Data randomization: compare a model's maps with those of one that was fitted to permuted labels.

Beside the comparison that Adebayo et al. 2018 make in section 4 stand the two that give it a meaning: a model trained
on the true labels once more, and models that were never trained.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from lib import compute
from lib.accuracy import correct
from lib.attributions.base import Method, explain
from lib.attributions.controls import Edge, Input
from lib.comparison import UNSIGNED, Examples, Scores, Table
from lib.errors import StudyError
from lib.initialisers import Law, law_named
from lib.map_statistics import components, positive_share
from lib.nulls import other_images
from lib.progress import Progress
from lib.randomization import check_methods
from lib.reinitialisation import steps
from lib.similarity import RANK_METRICS, PreparedMaps, compare, foreground
from lib.units import Units, units_of
from lib.workspace import Workspace, chunks, working_copy

LEAST_FIT = 0.95
"""Share of the permuted labels that a model must have learned (Adebayo et al. 2018, section 4); with less, a map that
differs could be the map of a model that has learned nothing."""

LABELS = "labels"
RANDOM_NET = "labels(net=random)"
CURRENT_CLASS = "labels(target=current)"
"""How the table names the comparison, the same with untrained nets, and the same with each net's own class."""

_SHOWN = 10_000
"""Training images whose fit goes into the table, spread evenly; all of them are looked at before."""


def label_randomization(
    model: nn.Module,
    permuted: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Sequence[str],
    *,
    training_images: Tensor,
    permuted_labels: Tensor,
    again: nn.Module | None = None,
    costly: Sequence[str] = (),
    draws: int = 3,
    init: str = "own",
    test_images: Tensor | None = None,
    test_labels: Tensor | None = None,
    labels: Tensor | None = None,
    references: Mapping[str, Tensor] | None = None,
    background: float = 0.0,
    seed: int = 0,
    image_ids: list[int] | None = None,
) -> pd.DataFrame:
    """How similar the maps of a model are to those of one of the same architecture that was fitted to random labels.

    The test of Adebayo et al. 2018, section 4. The class that ``model`` predicts is explained for all.

    Parameters
    ----------
    model : trained on the true labels; it is copied, not changed, like all others here.
    permuted : fitted to ``permuted_labels``.
    images : (N, C, H, W), as the models take them; none that was trained on.
    targets : (N,) classes to explain, for example `lib.randomization.explained_classes`.
    methods : written forms, e.g. ``["gradient", "guided_backprop"]``.
    training_images, permuted_labels : (M, C, H, W) and (M,), what ``permuted`` was fitted to; also for methods that
        estimate something on them.
    again : trained as ``model`` from another seed: how similar two maps are that mean the same.
    costly : further methods, left out where a net was never trained and where each net explains its own class.
    draws : number of models that were never trained.
    init : what their weights are drawn from, a word of `lib.initialisers.LAWS`; ``own`` is the training initialiser.
    test_images, test_labels : (T, C, H, W) and (T,); with them the accuracy of both models goes into the table.
    labels : (N,) true classes of ``images``; not used here, taken because every study has them.
    references : name -> image (C, H, W), for the methods that take one.
    background : pixel value of an empty pixel; the foreground metrics leave such pixels out.
    seed : names every draw.
    image_ids : number of each image in its data set; default 0, 1, 2, …

    Returns
    -------
    One row per number, with the columns intervention (``labels``; `RANDOM_NET`; `CURRENT_CLASS`), level (the labels
    that the net was fitted to), step (0: ``model``, 1: the other net), draw, image, target, method, metric, against,
    value. ``against`` is ``original`` for the maps of ``model``, ``other_seed`` for those of ``again``, ``input`` and
    ``edge`` for image and edges, and ``none`` for numbers about one map or one net: components, positive_share_fg,
    positive_share_bg, train_accuracy, accuracy.

    Raises
    ------
    StudyError
        If the models differ in architecture, or ``permuted`` has learned `LEAST_FIT` of its labels or less.
    """
    compute.settle()
    examples = Examples.of(images, targets, labels, image_ids, references, training_images)
    examples.check({"original"})
    others = {"permuted": permuted} | ({} if again is None else {"again": again})
    for name, other in others.items():
        check_alike(model, other, name)
    chosen = check_methods(model, examples, [*methods, *costly])
    law = law_named(init, model)
    fit = fitted(permuted, training_images, permuted_labels)
    tables = [_fit_rows(fit, permuted_labels)]
    if test_images is not None and test_labels is not None:
        tables += [_accuracy_rows(net, step, test_images, test_labels) for step, net in enumerate((model, permuted))]
    nets = list(_nets(model, permuted, again, draws, law, units_of(model, images), seed))
    parts = list(chunks(images))
    progress = Progress("label randomization", len(parts) * (1 + len(nets)))
    working = working_copy(model)
    trained = copy.deepcopy(working.state_dict())
    for part in parts:
        few, table = examples.part(part), Table(examples.image_ids[part])
        working.load_state_dict(trained)
        bench = _Bench(working, few, chosen, background, seed)
        table.add(LABELS, "true", 0, -1, bench.true_scores())
        progress.step("true labels")
        for net in nets:
            working.load_state_dict(net.state)
            table.add(net.intervention, net.level, net.step, net.draw, bench.scores(net, costly))
            progress.step(net.name)
        tables.append(table.frame())
    return pd.concat(tables, ignore_index=True)


def check_alike(model: nn.Module, other: nn.Module, name: str) -> None:
    """Refuse a model whose weights do not fit into the other's architecture."""
    own, others = ({key: value.shape for key, value in each.state_dict().items()} for each in (model, other))
    if own != others:
        raise StudyError(
            f"The net given as {name} has other layers than the one studied; give one of its architecture."
        )


def fitted(permuted: nn.Module, training_images: Tensor, permuted_labels: Tensor) -> Tensor:
    """Whether each permuted label was learned: bool (M,).

    Raises
    ------
    StudyError
        If no more than `LEAST_FIT` of them were.
    """
    right = correct(working_copy(permuted), training_images, permuted_labels)
    share = right.double().mean().item()
    if share <= LEAST_FIT:
        raise StudyError(
            f"The net given as permuted has learned {share:.1%} of its labels, but the comparison needs more than "
            f"{LEAST_FIT:.0%}; train it longer."
        )
    return right


@dataclass(frozen=True)
class _Net:
    """A net whose maps are compared with those of the net studied, and how the table names that."""

    name: str
    state: Mapping[str, Tensor]
    intervention: str = LABELS
    level: str = "permuted"
    step: int = 1
    draw: int = -1
    against: str = "original"
    rule: str = "original"


def _nets(
    model: nn.Module, permuted: nn.Module, again: nn.Module | None, draws: int, law: Law, units: Units, seed: int
) -> Iterator[_Net]:
    """All nets beside the one studied; a chain of draws ends in a net without a trained number."""
    if again is not None:
        yield _Net("again", again.state_dict(), level="true", step=0, against="other_seed")
    yield _Net("permuted", permuted.state_dict())
    yield _Net("permuted", permuted.state_dict(), intervention=CURRENT_CLASS, rule="current")
    for draw in range(draws):
        *_, last = steps(model, units, law, draw, seed)
        yield _Net(f"random {draw}", last.state, intervention=RANDOM_NET, level="none", draw=draw)


class _Bench:
    """Explains some images by whatever net the working copy holds; at first it holds the net studied."""

    def __init__(
        self, working: nn.Module, examples: Examples, methods: Sequence[Method], background: float, seed: int
    ) -> None:
        self.working = working
        self.examples = examples
        self.methods = methods
        self.seed = seed
        self.mask = foreground(examples.images, background)
        # Patterns are those of the net studied, also when another net is explained.
        self.patterns = examples.workspace(copy.deepcopy(working), "original", seed, "true")
        self.true = self._explained(self._workspace("true", "original"), self.methods)
        controls = explain([Edge(), Input()], self.patterns)
        self.controls = {name: PreparedMaps(maps, self.mask) for name, maps in controls.items()}

    def true_scores(self) -> Scores:
        """The maps of the net studied, compared with other images' maps and with those from other noise."""
        scores = Scores(self.examples.targets)
        stochastic = [each for each in self.methods if each.stochastic]
        repeated = self._explained(self._workspace("true", "original", "self"), stochastic)
        for name, maps in self.true.items():
            if len(maps.maps) > 1:
                other = PreparedMaps(other_images(maps.maps), self.mask)
                scores.add(name, "null_other_image", compare(maps, other, RANK_METRICS))
            if name in repeated:
                scores.add(name, "self", compare(maps, repeated[name], RANK_METRICS))
        self._add_alone(scores, self.true)
        return scores

    def scores(self, net: _Net, costly: Sequence[str]) -> Scores:
        """The maps of the net that the working copy holds, compared with those of the net studied."""
        workspace = self._workspace(net.name, net.rule)
        cheap = [each for each in self.methods if each.name not in costly]
        found = self._explained(workspace, self.methods if net.intervention == LABELS else cheap)
        scores = Scores(workspace.targets)
        for name, maps in found.items():
            scores.add(name, net.against, compare(maps, self.true[name], RANK_METRICS))
        if (net.against, net.rule) == ("original", "original"):
            self._add_alone(scores, found)
        return scores

    def _add_alone(self, scores: Scores, found: Mapping[str, PreparedMaps]) -> None:
        """What can be said of a map without the other net's: its numbers, its likeness to the image and its edges."""
        for name, maps in found.items():
            alone = {
                "components": components(maps.maps),
                "positive_share_fg": positive_share(maps.maps, self.mask),
                "positive_share_bg": positive_share(maps.maps, ~self.mask),
            }
            scores.add(name, "none", alone)
            for against, control in self.controls.items():
                scores.add(name, against, compare(maps, control, UNSIGNED))

    def _explained(self, workspace: Workspace, methods: Sequence[Method]) -> dict[str, PreparedMaps]:
        return {name: PreparedMaps(maps, self.mask) for name, maps in explain(methods, workspace).items()}

    def _workspace(self, name: str, rule: str, purpose: str = "noise") -> Workspace:
        return self.examples.workspace(self.working, rule, self.seed, name, purpose, self.patterns)


def _fit_rows(fit: Tensor, labels: Tensor) -> pd.DataFrame:
    """Whether permuted labels were learned, for some training images."""
    some = torch.linspace(0, len(fit) - 1, min(len(fit), _SHOWN)).long()
    return _net_rows("train_accuracy", 1, some, labels[some], fit[some])


def _accuracy_rows(model: nn.Module, step: int, images: Tensor, labels: Tensor) -> pd.DataFrame:
    """Whether test images are classified rightly."""
    return _net_rows("accuracy", step, torch.arange(len(labels)), labels, correct(working_copy(model), images, labels))


def _net_rows(metric: str, step: int, image_ids: Tensor, labels: Tensor, right: Tensor) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "intervention": LABELS,
            "level": "permuted" if step else "true",
            "step": step,
            "draw": -1,
            "image": image_ids.tolist(),
            "target": labels.tolist(),
            "method": "none",
            "metric": metric,
            "against": "none",
            "value": right.double().tolist(),
        }
    )


def label_randomization_maps(
    model: nn.Module,
    permuted: nn.Module,
    again: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Sequence[str],
    *,
    training_images: Tensor,
    labels: Tensor | None = None,
    references: Mapping[str, Tensor] | None = None,
    background: float = 0.0,
    seed: int = 0,
    image_ids: list[int] | None = None,
) -> dict[str, Tensor]:
    """The maps to look at, with the parameters of `label_randomization`.

    Returns
    -------
    Method -> (4, N, H, W): by the net studied, the same trained again, the net of permuted labels, an untrained net.
    """
    compute.settle()
    examples = Examples.of(images, targets, labels, image_ids, references, training_images).part(slice(None))
    chosen = check_methods(model, examples, methods)
    working = working_copy(model)
    bench = _Bench(working, examples, chosen, background, seed)
    stages = [bench.true]
    for net in _nets(model, permuted, again, 1, law_named("own", model), units_of(model, images), seed):
        if net.rule == "original":
            working.load_state_dict(net.state)
            stages.append(bench._explained(bench._workspace(net.name, net.rule), chosen))
    return {each.name: torch.stack([maps[each.name].maps.sum(1).cpu() for maps in stages]) for each in chosen}
