"""Whether a classifier is right."""

from __future__ import annotations

import torch
from torch import Tensor, nn


@torch.no_grad()
def correct(model: nn.Module, images: Tensor, labels: Tensor, batch_size: int = 500) -> Tensor:
    """Whether each image is classified rightly: bool (N,)."""
    device = next(model.parameters()).device
    pairs = zip(images.split(batch_size), labels.split(batch_size), strict=True)
    return torch.cat([(model(x.to(device)).argmax(1).cpu() == y) for x, y in pairs])
