"""Which computations the study of bone age is made of, and what is refused before the first of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from lib import attributions, compute, hands, initialisers, randomization
from lib.attributions import CONTROLS
from lib.bone_age import BoneAgeNet, Recipe
from lib.bone_age_pictures import hand_pictures
from lib.bone_age_scores import cascade_scores, error_scores
from lib.calls import Call
from lib.comparison import Examples
from lib.errors import StudyError
from lib.gathered import Gathered


def bone_age_calls(
    study: Gathered, *, seeds: Sequence[int], recipe: dict[str, Any], methods: Sequence[str], orders: Sequence[str],
    init: Sequence[str], n_images: int, test_hands: int, draws: int,
) -> list[Call]:  # fmt: skip
    """All tables of the study: for each training seed the cascades and the errors on held-out hands.

    The first net is destroyed once more before clean hands, from the output down.

    Parameters
    ----------
    seeds : of training, each a net of its own.
    recipe : ``train_hands`` and ``iterations``, see `lib.bone_age.Recipe`.
    methods, orders, draws : see `lib.randomization.randomization_scores`.
    init : laws of the new weights; those after the first for the top-down cascade of the methods that are no control.
    n_images : hands that are explained.
    test_hands : hands on which the nets' errors are measured.

    Raises
    ------
    StudyError
        If a seed is named twice, a word is not known, a method not defined for the net, or a number too small.
    """
    _check(seeds, recipe, methods, init)
    randomization.check_orders(orders)
    for name, number, least in (("n_images", n_images, 2), ("test_hands", test_hands, 2), ("draws", draws, 1)):
        if number < least:
            raise StudyError(f"{name} is {number}; it must be at least {least}.")
    swept = [each for each in methods if each not in CONTROLS]
    plan: dict[str, Any] = {
        "sweep_methods": swept,
        "orders": list(orders),
        "init": list(init),
        "count": n_images,
        "draws": draws,
    }
    calls = []
    for seed in seeds:
        own = recipe | {"training_seed": seed}
        calls += [
            study.call(cascade_scores, methods=list(methods), **own, **plan),
            study.call(error_scores, **own, count=test_hands),
        ]
    first = recipe | {"training_seed": seeds[0]}
    return [
        *calls,
        study.call(cascade_scores, methods=list(methods), **first, **plan | {"orders": orders[:1]}, clean=True),
    ]


def bone_age_picture_calls(
    study: Gathered, *, seeds: Sequence[int], recipe: dict[str, Any], ages: Sequence[float], methods: Sequence[str],
    init: Sequence[str],
) -> dict[str, Call]:  # fmt: skip
    """The gallery ``hands`` of the first net, for hands of some ages; other parameters as in `bone_age_calls`."""
    _check(seeds, recipe, methods, init)
    youngest, oldest = hands.AGES
    if not ages or not all(youngest <= age <= oldest for age in ages):
        raise StudyError(f"shown is {list(ages)}; name at least one age from {youngest:g} to {oldest:g} months.")
    own = recipe | {"training_seed": seeds[0]}
    explained = [each for each in methods if each not in CONTROLS]
    call = study.call(hand_pictures, methods=explained, ages=list(ages), init=list(init), **own)
    return {"hands": call}


def _check(seeds: Sequence[int], recipe: dict[str, Any], methods: Sequence[str], init: Sequence[str]) -> None:
    """Refuse what cannot be computed before a net is trained for it."""
    if not seeds or len(set(seeds)) < len(seeds):
        raise StudyError(f"seeds is {list(seeds)}; name at least one, and each once.")
    Recipe(recipe["train_hands"], recipe["iterations"]).check()
    model = BoneAgeNet().eval().requires_grad_(False)
    for setting in randomization.sweep(init=init).values():
        initialisers.law_named(setting.init, model)
    attributions.methods(methods)
    if not set(methods) - set(CONTROLS):
        raise StudyError(f"methods is {list(methods)}; name at least one that looks at the net.")
    image = torch.rand(1, 1, hands.SIDE, hands.SIDE, generator=compute.generator("check"))
    examples = Examples.of(image, torch.zeros(1, dtype=torch.int64))
    randomization.check_methods(model, examples, methods)
