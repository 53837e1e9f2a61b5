"""Hands and the maps of a net that tells bone age, trained and random, for galleries."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lib import hands
from lib.attributions.controls import Edge
from lib.bone_age import Recipe, trained
from lib.bone_age_scores import clean_hands, the_output
from lib.comparison import Examples
from lib.explained import maps_of
from lib.randomization import randomization_maps


def hand_pictures(
    *, train_hands: int, iterations: int, training_seed: int, ages: Sequence[float], methods: Sequence[str],
    init: Sequence[str], seed: int = 0,
) -> dict[str, Tensor]:  # fmt: skip
    """Hands of some ages, and their maps by a trained net and by the same net with all weights drawn anew.

    Parameters
    ----------
    train_hands, iterations, training_seed : see `lib.bone_age.Recipe`.
    ages : in months.
    methods : written forms; the first is looked at closely, under all laws and before clean hands too.
    init : laws of the new weights; the first for all methods.
    seed : of the new weights, those of draw 0 of `lib.bone_age_scores.cascade_scores`.

    Returns
    -------
    ``alike``, hands that differ in age alone; ``image``, hands as the net sees them, and their ``edge``; ``clean``, the
    same without noise on black. For each method ``guided_backprop, trained`` and ``guided_backprop, random, own``; for
    clean hands ``clean, guided_backprop, trained`` and so on. Each (ages, H, W).
    """
    in_months = torch.tensor(list(ages), dtype=torch.float64)
    model = trained(Recipe(train_hands, iterations, seed=training_seed))
    seen, clean = hands.hands_of(in_months, "shown").images, clean_hands(in_months, "shown")
    targets = the_output(len(ages))
    found = {
        "alike": hands.rendered(in_months, hands.usual_looks(len(ages))),
        "image": seen,
        "clean": clean,
        "edge": maps_of(model, Examples.of(seen, targets), [Edge()], seed)["edge"],
    }
    found = {name: images[:, 0] for name, images in found.items()}
    for number, law in enumerate(init):
        some = methods if number == 0 else methods[:1]
        for kind, images, chosen in (("", seen, some), ("clean, ", clean, methods[:1])):
            for name, (stages,) in randomization_maps(model, images, targets, chosen, init=law, seed=seed).items():
                found[f"{kind}{name}, trained"] = stages[0]
                found[f"{kind}{name}, random, {law}"] = stages[-1]
    return found
