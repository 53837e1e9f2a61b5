"""Named architectures and, for each, its *units*: what cascading randomization walks.

A unit is a named group of modules that is re-initialised as a whole. Units stand in execution order, from the
input to the logits; the cascade of Adebayo et al. walks them from the logits down.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from lib.errors import StudyError
from lib.initialisers import constant, draw, fan_in, truncated_normal

Units = dict[str, tuple[str, ...]]
"""Unit name -> names of the modules it owns, in execution order."""


class CNN(nn.Module):
    """The `cnn` of Adebayo et al.: two 5x5 convolutions with max-pooling, one hidden layer.

    Sizes from the paper; SAME padding, max-pooling and the GradCAM layer from the authors' released code.
    Takes (N, 1, 28, 28), gives (N, 10) logits; 3 274 634 parameters.
    """

    units: ClassVar[Units] = {"conv1": ("conv1",), "conv2": ("conv2",), "fc1": ("fc1",), "logits": ("logits",)}
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


ARCHITECTURES: dict[str, type[CNN] | type[MLP]] = {"cnn": CNN, "mlp": MLP}


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


def units_of(model: nn.Module, images: Tensor) -> Units:
    """The units of any model, in execution order.

    A model's attribute ``units`` decides; without one, every module that owns parameters is a unit by itself,
    in the order in which a forward pass on ``images`` (N, C, H, W) first calls it.

    Raises
    ------
    StudyError
        If a trainable tensor belongs to no unit (a module never called, e.g. an auxiliary head) or to two.
    """
    units = getattr(model, "units", None) or _called_modules(model, images)
    owners: dict[str, list[str]] = {name: [] for name in model.state_dict()}
    for unit, modules in units.items():
        for module in modules:
            for tensor in unit_tensors(model, (module,)):
                owners[tensor].append(unit)
    for name, units_with_it in owners.items():
        if not units_with_it:
            raise StudyError(
                f"The tensor {name!r} belongs to no unit, so no step would randomize it; "
                "give the model an attribute `units` that covers it, or delete the unused module."
            )
        if len(units_with_it) > 1:
            raise StudyError(
                f"The tensor {name!r} belongs to several units ({', '.join(units_with_it)}); make them disjoint."
            )
    return dict(units)


def unit_tensors(model: nn.Module, modules: tuple[str, ...]) -> list[str]:
    """The state-dict names (parameters and buffers) owned by some modules of a model."""
    prefixes = tuple(f"{module}." for module in modules)
    names = [name for name in model.state_dict() if name.startswith(prefixes)]
    if not names:
        raise StudyError(f"The modules {', '.join(modules)} own no tensor of the model; check the unit's spelling.")
    return names


def _called_modules(model: nn.Module, images: Tensor) -> Units:
    called: Units = {}

    def note(name: str) -> None:
        called.setdefault(name, (name,))

    hooks = [
        module.register_forward_pre_hook(lambda _module, _inputs, name=name: note(name))  # type: ignore[misc]
        for name, module in model.named_modules()
        if name and next(module.parameters(recurse=False), None) is not None
    ]
    training = model.training
    try:
        with torch.no_grad():
            model.eval()(images[:1])
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return called
