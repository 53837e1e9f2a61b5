"""A net for photographs that takes pixels in [0, 1] and encodes them itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lib.initialisers import Law
from lib.preprocessing import Encoding


class Encoded(nn.Module):
    """A net behind the encoding of its pictures.

    Nets with different encodings then share one data set, and a map speaks of pixels: its 0 is black, not the mean
    colour. A grey picture (N, 1, H, W) becomes three equal channels.

    Parameters
    ----------
    net : with the attributes of `lib.image_models.Architecture.blank`.
    encoding : how the net takes its pictures; nothing is resized or cropped.

    Attributes
    ----------
    units, gradcam_layer, own_law, label : the net's own, with the names that its modules have in here.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, encoding: Encoding) -> None:
        super().__init__()
        self.net = net
        for name, values in (("mean", encoding.mean), ("std", encoding.std)):
            # Not part of the weights: they belong to no unit that could be re-initialised.
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)
        units: dict[str, tuple[str, ...]] = net.units  # type: ignore[assignment]
        self.units = {unit: tuple(f"net.{module}" for module in modules) for unit, modules in units.items()}
        self.gradcam_layer = f"net.{net.gradcam_layer}"
        self.own_law = _law_inside(net.own_law)  # type: ignore[arg-type]
        self.label = net.label

    def forward(self, pictures: Tensor) -> Tensor:
        return self.net((pictures - self.mean) / self.std)


def _law_inside(law: Law) -> Law:
    """A law that knows tensors by their names in the net, told their names in `Encoded`."""

    def outside(name: str, trained: Tensor, uniform: Tensor) -> Tensor:
        return law(name.removeprefix("net."), trained, uniform)

    return outside
