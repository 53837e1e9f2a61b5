"""The net that a fine-tuned one started from, to stand beside it in a study."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import nn

from lib import artefacts, encoded, finetuning, image_models, weights
from lib.training import TrainedNet, named_net, recipe_files

_BEFORE = " before fine-tuning"


@dataclass(frozen=True)
class Origin(TrainedNet):
    """Published weights that a net was fine-tuned from, with the outputs that they were trained for.

    Attributes
    ----------
    name, recipe : of the fine-tuned net.
    """

    @property
    def key(self) -> str:
        """The key of these weights: what tells them from others, and the code that reads them."""
        stated = {"model": self.recipe.model, "weights": finetuning.fingerprint(self.recipe.weights)}
        return artefacts.key_of(stated, [encoded, image_models.Architecture, weights.load])

    @cached_property
    def model(self) -> nn.Module:
        """The model in evaluation mode, its parameters frozen."""
        return finetuning.origin(self.recipe.model, self.recipe.weights)


def origin_of(net: TrainedNet) -> TrainedNet:
    """The net that a fine-tuned one started from: another net of a recipe, or published weights."""
    start = net.recipe.weights
    return named_net(start) if start in recipe_files() else Origin(f"{net.name}{_BEFORE}", net.recipe)


def net_called(name: str) -> TrainedNet:
    """The net of a name as results write it: that of a recipe, or what a fine-tuned net started from."""
    fine_tuned = name.removesuffix(_BEFORE)
    return named_net(name) if fine_tuned == name else origin_of(named_net(fine_tuned))
