r"""A second network for shifted images: what it computes is the first one's, shift and all (Kindermans et al. 2017).

With :math:`z = Wx + b` in the first layer, images :math:`x + m` and the bias :math:`b - Wm` give the same z, and so the
same activations, logits and gradients above it. (The paper's text speaks of adding the shift; the sign must be minus.)
In a convolution with zero padding, or for a shift that is not the same everywhere, :math:`w * m` differs from place to
place, and no single bias per channel can make up for it: the bias becomes a map, untied from place to place.
"""

from __future__ import annotations

import copy
from collections import OrderedDict

import torch
from torch import Tensor, nn

from lib.errors import StudyError
from lib.workspace import first_layer, hooked


class BiasMap(nn.Module):
    """Adds a map (1, K, h, w) to the output of a convolution."""

    bias: Tensor

    def __init__(self, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.bias


def compensated(model: nn.Module, shift: Tensor) -> nn.Module:
    """A copy of a model that gives for ``images + shift`` what the model gives for ``images``.

    Parameters
    ----------
    model : sees its input through one dense or convolutional layer; it is not changed.
    shift : (C, H, W), in the units of the images. Its product with the weights is taken in double precision.

    Returns
    -------
    The model with the bias ``b - W m`` in its first layer: the layer's own where it is dense; where it is a
    convolution, a `BiasMap` after a convolution without a bias.

    Raises
    ------
    StudyError
        If the model sees its input in another way.
    """
    name = first_layer(model, shift.unsqueeze(0).to(next(model.parameters())))
    if name is None:
        raise StudyError(
            "The model does not see its input through one dense or convolutional layer alone, so no bias can make up "
            "for a shift of the input; study a model that starts with such a layer."
        )
    duplicate = copy.deepcopy(model)
    layer = _layer(duplicate, name)
    bias = torch.zeros(1) if layer.bias is None else layer.bias.detach()
    per_place = bias if isinstance(layer, nn.Linear) else bias.view(-1, 1, 1)
    untied = (per_place.double() - _response(model, name, shift)).to(layer.weight)
    if isinstance(layer, nn.Linear):
        layer.bias = nn.Parameter(untied.squeeze(0), requires_grad=False)
    else:
        layer.bias = None
        duplicate.set_submodule(name, nn.Sequential(OrderedDict(weights=layer, bias=BiasMap(untied))))
    return duplicate


def _layer(model: nn.Module, name: str) -> nn.Linear | nn.Conv2d:
    """The first layer, which is one of these two kinds (`lib.workspace.first_layer`)."""
    layer = model.get_submodule(name)
    assert isinstance(layer, nn.Linear | nn.Conv2d)
    return layer


@torch.no_grad()
def _response(model: nn.Module, name: str, shift: Tensor) -> Tensor:
    """``W m``: what the layer of a name answers to a shift, without its bias; (1, K) or (1, K, h, w), float64."""
    double = copy.deepcopy(model).double()
    layer = _layer(double, name)
    layer.bias = None
    answers: list[Tensor] = []
    with hooked(layer, lambda _module, _inputs, output: answers.append(output)):
        double(shift.unsqueeze(0).to(next(double.parameters())))
    return answers[0]
