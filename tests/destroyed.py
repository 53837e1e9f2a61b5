"""Destroying a small net step by step, as the tests of states and of scores both do."""

from __future__ import annotations

import torch
import toys

from lib.initialisers import truncated_normal
from lib.reinitialisation import steps
from lib.units import units_of

IMAGES = toys.images(3)


def law_of(std=0.01):
    return lambda name, trained, uniform: truncated_normal(uniform, std)


def trained_law(name, trained, uniform):
    """Gives back what was there: a randomization that changes nothing."""
    return trained


def steps_of(model, images=IMAGES, draw=0, law=None, **options):
    return list(steps(model, units_of(model, images), law or law_of(), draw, **options))


def same_tensors(state, other, names):
    return all(torch.equal(state[name], other[name]) for name in names)
