"""Named architectures and, for each, its units in execution order, its GradCAM layer and its own initialiser."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from lib.errors import StudyError
from lib.initialisers import constant, draw, fan_in, truncated_normal
from lib.units import Units


class CNN(nn.Module):
    """The `cnn` of Adebayo et al.: two 5x5 convolutions with max-pooling, one hidden layer.

    Sizes from the paper; SAME padding, max-pooling and the GradCAM layer from the authors' released code.
    Takes (N, 1, 28, 28), gives (N, 10) logits; 3 274 634 parameters.
    """

    units: ClassVar[Units] = {
        "conv1": ("conv1",),
        "conv2": ("conv2",),
        "fc1": ("fc1",),
        "logits": ("logits",),
    }
    gradcam_layer: ClassVar[str] = "relu2"
    decayed: ClassVar[tuple[str, ...]] = ("conv1.weight", "conv2.weight", "fc1.weight")
    input_shape: ClassVar[tuple[int, ...]] = (1, 28, 28)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 5, padding=2)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(32, 64, 5, padding=2)
        self.relu2 = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(64 * 7 * 7, 1024)
        self.relu3 = nn.ReLU()
        self.logits = nn.Linear(1024, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.relu1(self.conv1(x)))
        x = self.pool(self.relu2(self.conv2(x)))
        return self.logits(self.relu3(self.fc1(x.flatten(1))))

    @staticmethod
    def own_law(name: str, trained: Tensor, uniform: Tensor) -> Tensor:
        """The released training initialiser: weights truncated normal with std 0.1, biases 0.1."""
        return constant(uniform, 0.1) if name.endswith("bias") else truncated_normal(uniform, 0.1)


class MLP(nn.Module):
    """The `mlp` of Adebayo et al.: hidden layers of 2500, 1500 and 500 units; 6 469 510 parameters.

    Takes (N, 1, 28, 28), gives (N, 10) logits.
    """

    units: ClassVar[Units] = {
        "hidden1": ("hidden1",),
        "hidden2": ("hidden2",),
        "hidden3": ("hidden3",),
        "logits": ("logits",),
    }
    decayed: ClassVar[tuple[str, ...]] = ()
    input_shape: ClassVar[tuple[int, ...]] = (1, 28, 28)

    def __init__(self) -> None:
        super().__init__()
        self.hidden1 = nn.Linear(28 * 28, 2500)
        self.hidden2 = nn.Linear(2500, 1500)
        self.hidden3 = nn.Linear(1500, 500)
        self.relu1, self.relu2, self.relu3 = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.logits = nn.Linear(500, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.hidden1(x.flatten(1)))
        x = self.relu2(self.hidden2(x))
        return self.logits(self.relu3(self.hidden3(x)))

    @staticmethod
    def own_law(name: str, trained: Tensor, uniform: Tensor) -> Tensor:
        """The released training initialiser: weights truncated normal with std 2/sqrt(fan-in), biases 0."""
        if name.endswith("bias"):
            return constant(uniform, 0.0)
        return truncated_normal(uniform, 2.0 / math.sqrt(fan_in(trained)))


class KMLP(nn.Module):
    """The network of Kindermans et al. 2017: three hidden layers of 1024 units; 2 913 290 parameters.

    Takes (N, 1, 28, 28), gives (N, 10) logits. The paper says "3 layers of 1024 ReLU units"; read as three hidden
    layers, and one of 10 logits above them.
    """

    units: ClassVar[Units] = {
        "hidden1": ("hidden1",),
        "hidden2": ("hidden2",),
        "hidden3": ("hidden3",),
        "logits": ("logits",),
    }
    decayed: ClassVar[tuple[str, ...]] = ()
    input_shape: ClassVar[tuple[int, ...]] = (1, 28, 28)

    def __init__(self) -> None:
        super().__init__()
        self.hidden1 = nn.Linear(28 * 28, 1024)
        self.hidden2 = nn.Linear(1024, 1024)
        self.hidden3 = nn.Linear(1024, 1024)
        self.relu1, self.relu2, self.relu3 = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.logits = nn.Linear(1024, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu1(self.hidden1(x.flatten(1)))
        x = self.relu2(self.hidden2(x))
        return self.logits(self.relu3(self.hidden3(x)))

    @staticmethod
    def own_law(name: str, trained: Tensor, uniform: Tensor) -> Tensor:
        """Ours, for the paper does not tell: weights truncated normal with std sqrt(2/fan-in), biases 0."""
        if name.endswith("bias"):
            return constant(uniform, 0.0)
        return truncated_normal(uniform, math.sqrt(2.0 / fan_in(trained)))


ARCHITECTURES: dict[str, type[CNN] | type[MLP] | type[KMLP]] = {"cnn": CNN, "mlp": MLP, "k_mlp": KMLP}


def build(name: str, generator: torch.Generator) -> nn.Module:
    """Build a named architecture with weights drawn from its own initialiser.

    Raises
    ------
    StudyError
        If the name is not known.
    """
    if name not in ARCHITECTURES:
        raise StudyError(f"The model {name!r} is not known; choose one of {', '.join(ARCHITECTURES)}.")
    model = ARCHITECTURES[name]()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            parameter.copy_(draw(model.own_law, parameter_name, parameter, generator))
    return model
