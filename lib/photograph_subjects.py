"""A trained network for photographs, with photographs as it takes them and the classes that it predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from lib import compute, photographs, weights
from lib.comparison import Examples
from lib.image_models import architecture
from lib.photographs import Entry
from lib.randomization import explained_classes


@dataclass(frozen=True)
class Subject:
    """What a computation about photographs works on.

    Attributes
    ----------
    network : name of the architecture.
    dataset : name of the set of photographs.
    model : trained, in evaluation mode.
    images : (N, 3, H, W), encoded for the network.
    targets : (N,) the classes that it predicts.
    labels : (N,) the true classes, `lib.photographs.UNKNOWN` where there is none.
    image_ids : number of each photograph in its set.
    references : name -> (3, H, W), see `lib.preprocessing.Encoding.references`; ``mean`` is zero in this encoding.
    """

    network: str
    dataset: str
    model: nn.Module
    images: Tensor
    targets: Tensor
    labels: Tensor
    image_ids: list[int]
    references: Mapping[str, Tensor]

    @property
    def examples(self) -> Examples:
        """Photographs and predicted classes, to be explained."""
        return Examples.of(self.images, self.targets, self.labels, self.image_ids, self.references)

    def named(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table of scores with the columns that say whose they are."""
        return table.assign(model=self.network, dataset=self.dataset.rpartition("/")[2], seed=0)


def subject(network: str, weights_of: str, dataset: str, chosen: Sequence[Entry]) -> Subject:
    """Load a trained network and photographs.

    Parameters
    ----------
    network : name of the architecture, see `lib.image_models.ARCHITECTURES`.
    weights_of : see `lib.weights.load`.
    dataset : name of the set, see `lib.photographs.entries`.
    chosen : photographs of this set.

    Raises
    ------
    StudyError
        If the network, its weights or a photograph is not to be had.
    """
    compute.settle()
    encoding = architecture(network).encoding
    model = weights.load(network, weights_of)
    images = encoding.encode([photographs.picture(dataset, each) for each in chosen])
    labels = torch.tensor([each.label for each in chosen])
    numbers = [each.number for each in chosen]
    return Subject(
        network, dataset, model, images, explained_classes(model, images), labels, numbers, encoding.references()
    )
