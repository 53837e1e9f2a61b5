"""Maps of nets of confounded tasks to look at: image by image, and on average."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lib.attributions import methods as chosen_methods
from lib.causal_effect import causal_effect, unit
from lib.comparison import Examples
from lib.confounded import images_of
from lib.localisation import NATURAL, RANDOM, maps_of, random_models
from lib.randomization import explained_classes


def confounded_pictures(
    model: nn.Module, images: Tensor, targets: Tensor, methods: Sequence[str], *,
    image_ids: list[int], labels: Tensor, regions: Mapping[str, Tensor], name: str, init: str,
    others: Sequence[str] = (NATURAL,), weights: Mapping[str, Mapping[str, float]], **given: Any,
) -> dict[str, Tensor]:  # fmt: skip
    """Maps of all nets for a gallery, channels summed, and the causal effect on them.

    Parameters
    ----------
    weights : label, as text -> net -> posterior probability of its task.

    Returns
    -------
    ``image`` and, by name, the regions; ``<net>/<method>``, the random net being draw 0; ``effect of <net>/<method>``,
    where the net ``posterior`` is the average over tasks. All (N, H, W).
    """
    examples, chosen = Examples.of(images, targets, None, image_ids), chosen_methods(methods)
    nets = {name: model, **{each: given[each] for each in others}}
    nets[RANDOM] = next(random_models(model, images, init, 1))
    found = {"image": images.sum(1)} | {region: masks[image_ids].float() for region, masks in regions.items()}
    maps = {}
    for word, net in nets.items():
        classes = targets if net is model else explained_classes(net, images)
        maps[word] = maps_of(net, examples, chosen, classes, word)
        found |= {f"{word}/{method}": each.sum(1) for method, each in maps[word].items()}
    for method in methods:
        random = maps[RANDOM][method]
        for word in (name, *others):
            found[f"effect of {word}/{method}"] = (unit(maps[word][method]) - unit(random)).sum(1)
        own = {word: maps[word][method] for word in (name, *others)}
        averages = {label: causal_effect(own, random, each) for label, each in weights.items()}
        rows = [averages[str(label)][row] for row, label in enumerate(labels.tolist())]
        found[f"effect of posterior/{method}"] = torch.stack(rows).sum(1)
    return found


def mean_maps(
    model: nn.Module, images: Tensor, targets: Tensor, methods: Sequence[str], *,
    image_ids: list[int], labels: Tensor, name: str, only: Sequence[int], draws: int, init: str,
    others: Sequence[str] = (NATURAL,), **given: Any,
) -> dict[str, Tensor]:  # fmt: skip
    """Where the maps of some images lie on average: absolute maps of sum 1, and their mean over images and draws.

    Returns
    -------
    ``image`` and ``<net>/<method>``, each (1, H, W); maps of nothing but 0 are left out of the mean.
    """
    part = images_of(labels, only)
    few = images[part]
    examples = Examples.of(few, targets[part], None, [image_ids[each] for each in part.tolist()])
    chosen = chosen_methods(methods)
    sums: dict[str, list[Tensor]] = {}

    def note(word: str, net: nn.Module, classes: Tensor, state: str) -> None:
        for method, maps in maps_of(net, examples, chosen, classes, state).items():
            sums.setdefault(f"{word}/{method}", []).append(_mean_share(maps))

    for word, net in {name: model, **{each: given[each] for each in others}}.items():
        note(word, net, targets[part] if net is model else explained_classes(net, few), word)
    for draw, net in enumerate(random_models(model, few, init, draws)):
        note(RANDOM, net, explained_classes(net, few), f"draw {draw}")
    return {"image": _mean_share(few)} | {each: torch.stack(found).mean(0) for each, found in sums.items()}


def _mean_share(maps: Tensor) -> Tensor:
    """Mean over images of absolute maps (N, C, H, W) of sum 1: (1, H, W), float64."""
    mass = maps.double().abs().sum(1)
    shares = mass / mass.sum((1, 2), keepdim=True)
    return shares[shares.isfinite().all((1, 2))].mean(0, keepdim=True) if shares.numel() else shares
