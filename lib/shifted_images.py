"""Images of a network, and their shifted copies with the network that makes up for the shift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch
from torch import Tensor

from lib import compute
from lib.attributions.base import Method
from lib.comparison import Scores, Table
from lib.networks import Network


@dataclass(frozen=True)
class ShiftedImages:
    """Images and the network that they are meant for.

    Attributes
    ----------
    network : network 1, or that of a shift.
    images : (N, C, H, W), float64, on the CPU.
    targets : (N,) explained classes.
    image_ids, seed : name the noise.
    """

    network: Network
    images: Tensor
    targets: Tensor
    image_ids: list[int]
    seed: int = 0

    def only(self, numbers: Sequence[int]) -> ShiftedImages:
        """Some of the images, by their places."""
        at = list(numbers)
        ids = [self.image_ids[number] for number in at]
        return replace(self, images=self.images[at], targets=self.targets[at], image_ids=ids)

    def shifted(self, shift: Tensor) -> ShiftedImages:
        """The images plus a shift (C, H, W), with the network that makes up for it."""
        return replace(self, network=self.network.shifted(shift), images=self.images + shift)

    def maps(self, methods: Sequence[Method]) -> dict[str, Tensor]:
        """Name of the method -> maps (N, C, H, W)."""
        return self.network.maps(self.images, self.targets, methods, self.image_ids, self.seed)

    def each_shifted(self, shifts: Tensor, methods: Sequence[Method]) -> dict[str, Tensor]:
        """Maps of the images, each plus a shift of its own (N, C, H, W) and with a network of its own."""
        found = [self.only([number]).shifted(shift).maps(methods) for number, shift in enumerate(shifts)]
        return {name: torch.cat([maps[name] for maps in found]) for name in found[0]}

    @torch.no_grad()
    def logits(self) -> Tensor:
        """(N, K)."""
        found: Tensor = self.network.model(self.images.to(compute.device()))
        return found.cpu()

    def rows(self, intervention: str, scores: Scores, draw: int = -1) -> pd.DataFrame:
        """Scores of these images as a table."""
        table = Table(self.image_ids)
        table.add(intervention, "none", 0, draw, scores)
        return table.frame()
