r"""The causal effect of a model on its maps, averaged over the tasks that an image may come from.

Yona & Greenfeld 2021 ask how a map :math:`S(x; M)` changes if the trained model :math:`M_t` is replaced by a random one
:math:`M'`. The task :math:`t` decides both the model and the images, so they condition on it:

.. math:: \Lambda(x) = \sum_t \bigl(S(x; M_t) - S(x; M')\bigr) \Pr(T = t \mid X = x).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from torch import Tensor, nn

from lib import compute
from lib.comparison import Examples, Scores, Table
from lib.errors import StudyError
from lib.localisation import RANDOM, maps_of, net_word, random_models
from lib.randomization import check_methods, explained_classes

EFFECT = "causal_effect"
"""Intervention of the scores, with the net in brackets; ``posterior`` is the average over tasks."""

POSTERIOR = "posterior"


def posterior(likelihoods: Mapping[str, float], prior: Mapping[str, float] | None = None) -> dict[str, float]:
    r"""Bayes: :math:`\Pr(T = t \mid x)` from the densities :math:`p(x \mid T = t)` of an image under some tasks.

    Parameters
    ----------
    likelihoods : task -> density, 0 or more, in any common unit.
    prior : task -> probability; default: each as likely.

    Raises
    ------
    StudyError
        If the image has density 0 under every task.
    """
    prior = prior or dict.fromkeys(likelihoods, 1.0)
    joint = {task: likelihood * prior[task] for task, likelihood in likelihoods.items()}
    total = sum(joint.values())
    if total <= 0 or min(joint.values()) < 0:
        raise StudyError(f"The likelihoods {dict(likelihoods)} must be 0 or more, and one of them above 0.")
    return {task: each / total for task, each in joint.items()}


def unit(maps: Tensor) -> Tensor:
    """Maps divided by their Euclidean norms, because nets of different weights give maps of any size: (N, C, H, W).

    NaN for a map that is 0 everywhere or not finite.
    """
    flat = maps.double().flatten(1)
    flat = flat / flat.abs().amax(1, keepdim=True)  # the square of 1e-200 would be 0
    return (flat / flat.norm(dim=1, keepdim=True)).view(maps.shape)


def causal_effect(trained: Mapping[str, Tensor], random: Tensor, weights: Mapping[str, float]) -> Tensor:
    r"""The formula :math:`\Lambda(x)` for maps of norm 1: (N, C, H, W), float64.

    Parameters
    ----------
    trained : task -> maps (N, C, H, W) of the net trained on it.
    random : (N, C, H, W), of the random net.
    weights : task -> posterior probability; tasks of weight 0 may be missing in ``trained``.
    """
    effect = torch.zeros(random.shape, dtype=torch.float64)
    for task, weight in weights.items():
        if weight:
            effect += weight * (unit(trained[task]) - unit(random))
    return effect


def effect_scores(
    model: nn.Module,
    images: Tensor,
    targets: Tensor,
    methods: Sequence[str],
    *,
    name: str,
    others: Mapping[str, nn.Module],
    weights: Mapping[str, float],
    draws: int = 5,
    init: str = "tn(0.01)",
    seed: int = 0,
    image_ids: list[int] | None = None,
) -> pd.DataFrame:
    r"""The size of the causal effect, task by task and averaged, beside that of one random net on another.

    Parameters
    ----------
    model, images, targets, methods, name, others, draws, init, seed, image_ids : as in `lib.localisation.localisation`.
    weights : name of a net -> posterior probability of its task, for all images alike.

    Returns
    -------
    One row per number, with the columns of a table of scores. ``causal_effect(net=…)``, metric ``effect``, is
    :math:`\lVert S(x; M_t) - S(x; M') \rVert` for maps of norm 1, between 0 and 2 and √2 for maps that have nothing to
    do with each other; of ``random`` it is the same between two random nets, of ``posterior`` it is
    :math:`\lVert \Lambda(x) \rVert`. The metric ``kept`` of ``posterior`` is the latter over the weighted mean of the
    former: what the average over tasks has left.
    """
    compute.settle()
    nets = {name: model} | dict(others)
    if not set(weights) <= set(nets):
        raise StudyError(f"weights names {', '.join(weights)}; the nets are {', '.join(nets)}.")
    examples = Examples.of(images, targets, None, image_ids)
    examples.check({"original"})
    chosen, *_ = [check_methods(net, examples, methods) for net in nets.values()]
    classes = {word: targets if net is model else explained_classes(net, images) for word, net in nets.items()}
    trained = {word: maps_of(net, examples, chosen, classes[word], word, seed) for word, net in nets.items()}
    table = Table(examples.image_ids)
    before: dict[str, Tensor] = {}
    for draw, net in enumerate(random_models(model, images, init, draws, seed)):
        own = explained_classes(net, images)
        maps = maps_of(net, examples, chosen, own, f"draw {draw}", seed)
        found: dict[str, Scores] = {word: Scores(classes[word]) for word in nets}
        found |= {POSTERIOR: Scores(torch.full_like(targets, -1)), RANDOM: Scores(own)}
        for method, random in maps.items():
            sizes = {word: _norms(unit(trained[word][method]) - unit(random)) for word in nets}
            average = _norms(causal_effect({word: trained[word][method] for word in nets}, random, weights))
            for word, size in sizes.items():
                found[word].add(method, RANDOM, {"effect": size})
            mean = torch.stack([weight * sizes[word] for word, weight in weights.items()]).sum(0)
            found[POSTERIOR].add(method, RANDOM, {"effect": average, "kept": average / mean})
            if before:
                found[RANDOM].add(method, RANDOM, {"effect": _norms(unit(before[method]) - unit(random))})
        for word, scores in found.items():
            table.add(net_word(word, EFFECT), word, 0, draw, scores)
        before = maps
    return table.frame()


def _norms(maps: Tensor) -> Tensor:
    return maps.flatten(1).norm(dim=1)
