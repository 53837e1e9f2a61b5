"""Small photographs for a net that needs larger ones: enlarged, and mirrored beside for training."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 75
"""Height and width of an enlarged photograph: the least that Inception v3 takes. A constant, for it decides what a
net is trained on."""


def enlarged(photographs: Tensor) -> Tensor:
    """Photographs (N, C, H, W) in [0, 1], enlarged (bilinear) to (N, C, `SIDE`, `SIDE`); still in [0, 1]."""
    return F.interpolate(photographs, size=(SIDE, SIDE), mode="bilinear", align_corners=False)


def with_mirrored(photographs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Photographs (N, C, H, W) and their labels (N,), and after them the same with left and right exchanged."""
    return torch.cat([photographs, photographs.flip(3)]), labels.repeat(2)
