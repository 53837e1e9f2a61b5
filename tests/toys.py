"""Tiny nets in float64 and slow, plain oracles; nothing here uses the library's own computations.

Every net has random biases, gammas, betas and running statistics: with the zero biases of many initialisers
several methods coincide and hide each other's faults.

A new method joins the shared tests by one line in `CASES`, a new model by one line in `NETS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy import ndimage
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 6


class Lambda(nn.Module):
    """Some modules and the function that joins them: ``Lambda(f, a=…)(x) = f(self, x)``."""

    def __init__(self, function: Callable, **modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def _linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(2 * SIDE**2, 4))


def _mlp() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(2 * SIDE**2, 12), nn.ReLU(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 4)
    )


def _max_pool() -> nn.Module:
    net = nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(5, 6, 2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(24, 4),
    )
    net.gradcam_layer = "4"
    return net


def _in_place() -> nn.Module:
    """Convolutions followed at once by an in-place ReLU, as in torchvision's VGG, AlexNet and SqueezeNet."""
    net = nn.Sequential(
        nn.Conv2d(2, 5, 3),
        nn.ReLU(inplace=True),
        nn.Conv2d(5, 6, 3),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(24, 4),
    )
    net.gradcam_layer = "2"
    return net


def _residual() -> nn.Module:
    """Batch norm, one ReLU module called twice, a functional ReLU, and a tensor that feeds a ReLU and a skip."""

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        h = m.relu(m.norm1(m.conv1(x)))
        h = m.norm2(m.conv2(h))
        h = m.conv3(F.relu(h)) + h
        return m.logits(F.avg_pool2d(m.relu(h), 2).flatten(1))

    net = Lambda(
        forward,
        conv1=nn.Conv2d(2, 5, 3, padding=1, bias=False),
        norm1=nn.BatchNorm2d(5),
        relu=nn.ReLU(),
        conv2=nn.Conv2d(5, 5, 3, padding=1, bias=False),
        norm2=nn.BatchNorm2d(5),
        conv3=nn.Conv2d(5, 5, 1),
        logits=nn.Linear(45, 4),
    )
    net.gradcam_layer = "conv3"
    return net


def _from_input() -> nn.Module:
    """The input reaches the logits by two ways, so no single first layer sees all of it."""

    def forward(m: nn.Module, x: Tensor) -> Tensor:
        return m.logits((F.relu(m.conv(x)) + x).flatten(1))

    net = Lambda(forward, conv=nn.Conv2d(2, 2, 3, padding=1), logits=nn.Linear(2 * SIDE**2, 4))
    net.gradcam_layer = "conv"
    return net


def _relu6() -> nn.Module:
    net = nn.Sequential(nn.Conv2d(2, 5, 3), nn.ReLU6(), nn.Conv2d(5, 4, 2), nn.ReLU6(), nn.Flatten(), nn.Linear(36, 4))
    net.gradcam_layer = "2"
    return net


def _pooled() -> nn.Module:
    """Global average pooling and one linear layer: the setting of CAM."""
    net = nn.Sequential(
        nn.Conv2d(2, 5, 3),
        nn.ReLU(),
        nn.Conv2d(5, 6, 2),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 4),
    )
    net.gradcam_layer = "4"
    return net


NETS: dict[str, Callable[[], nn.Module]] = {
    "linear": _linear,
    "mlp": _mlp,
    "max_pool": _max_pool,
    "in_place": _in_place,
    "residual": _residual,
    "from_input": _from_input,
    "relu6": _relu6,
    "pooled": _pooled,
}

SINGLE_FIRST_LAYER = {"linear": "1", "mlp": "1", "max_pool": "0", "residual": "conv1", "relu6": "0", "pooled": "0"}
"""Nets in which the first-layer short cut must be taken. `in_place` may take it or not, but be right."""


def randomise(net: nn.Module, seed: int = 0) -> nn.Module:
    """Draw every parameter and every running statistic; biases are as large as activations."""
    generator = torch.Generator().manual_seed(seed)

    def normal(like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=generator, dtype=torch.float64)

    with torch.no_grad():
        for module in net.modules():
            for parameter in module.parameters(recurse=False):
                fan_in = parameter[0].numel() if parameter.dim() > 1 else 4
                parameter.copy_(normal(parameter) * math.sqrt(2 / fan_in))
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.copy_(normal(module.running_mean))
                module.running_var.copy_(normal(module.running_var).square() + 0.2)
    return net


def net(name: str, seed: int = 0) -> nn.Module:
    """A declared net, float64, evaluation mode, random in every tensor."""
    return randomise(NETS[name]().double(), seed).eval()


def images(count: int, name: str = "", seed: int = 1) -> Tensor:
    """Normal images (count, 2, 6, 6), float64, one quarter of them exactly 0; larger for `relu6`, to reach its cut."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count, 2, SIDE, SIDE)
    values = torch.randn(shape, generator=generator, dtype=torch.float64)
    values[torch.rand(shape, generator=generator) < 0.25] = 0.0
    return values * (6.0 if name == "relu6" else 1.0)


# ---------------------------------------------------------------- slow, plain oracles, one image at a time


def plain_gradient(model: nn.Module, x: Tensor, target: int) -> Tensor:
    x = x.clone().requires_grad_(True)
    return torch.autograd.grad(model(x[None])[0, target], x)[0]


def nodes(output: Tensor) -> list:
    """All autograd nodes behind a tensor."""
    found, waiting = [], [output.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in found:
            found.append(node)
            waiting.extend(parent for parent, _ in node.next_functions)
    return found


def node_hook_guided_backprop(model: nn.Module, x: Tensor, targets: Tensor) -> tuple[Tensor, int]:
    """Guided Backprop of a batch by clamping the signal before each ReLU node of the plain graph; maps and calls.

    The nodes are those of the untouched forward pass, so functional, in-place and reused ReLUs are all found, and a
    skip connection beside a ReLU stays unclamped.
    """
    x = x.clone().requires_grad_(True)
    logits = model(x)
    rectifiers = [node for node in nodes(logits) if node.name() in ("ReluBackward0", "HardtanhBackward0")]
    for node in rectifiers:
        node.register_prehook(lambda signals: tuple(signal.clamp(min=0) for signal in signals))
    picked = logits.gather(1, targets.unsqueeze(1)).sum()
    return torch.autograd.grad(picked, x)[0], len(rectifiers)


def plain_guided_backprop(model: nn.Module, x: Tensor, target: int) -> Tensor:
    return node_hook_guided_backprop(model, x[None], torch.tensor([target]))[0][0]


def plain_integrated_gradients(model: nn.Module, x: Tensor, target: int, steps: int) -> Tensor:
    total = sum(plain_gradient(model, x * (i - 0.5) / steps, target) for i in range(1, steps + 1))
    return x * total / steps


def plain_smoothgrad(model: nn.Module, x: Tensor, target: int, noise: Tensor, level: float = 0.15) -> Tensor:
    sigma = level * (x.max() - x.min())
    return sum(plain_gradient(model, x + sigma * each, target) for each in noise) / len(noise)


def activation_and_gradient(model: nn.Module, x: Tensor, target: int, layer: str) -> tuple[Tensor, Tensor]:
    """A layer's output (K, h, w) and the gradient there, by finite code: record the value, then a tensor hook."""
    kept: dict[str, Tensor] = {}

    def record(_module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor:
        kept["value"] = output.detach().clone()
        output.register_hook(lambda gradient: kept.__setitem__("gradient", gradient.clone()))
        return output.clone()

    handle = dict(model.named_modules())[layer].register_forward_hook(record)
    x = x[None].clone().requires_grad_(True)
    model(x)[0, target].backward(inputs=[x])
    handle.remove()
    return kept["value"][0], kept["gradient"][0]


def bilinear(coarse: Tensor, height: int, width: int) -> Tensor:
    """Bilinear up-sampling with half-pixel centres and clamped borders, pixel by pixel: (h, w) -> (height, width)."""
    h, w = coarse.shape
    fine = torch.zeros(height, width, dtype=coarse.dtype)
    for i in range(height):
        for j in range(width):
            y, x = max((i + 0.5) * h / height - 0.5, 0.0), max((j + 0.5) * w / width - 0.5, 0.0)
            top, left = int(y), int(x)
            bottom, right = min(top + 1, h - 1), min(left + 1, w - 1)
            v, u = y - top, x - left
            fine[i, j] = (
                (1 - v) * (1 - u) * coarse[top, left]
                + (1 - v) * u * coarse[top, right]
                + v * (1 - u) * coarse[bottom, left]
                + v * u * coarse[bottom, right]
            )
    return fine


def plain_gradcam(model: nn.Module, x: Tensor, target: int) -> Tensor:
    value, gradient = activation_and_gradient(model, x, target, model.gradcam_layer)
    coarse = torch.zeros(value.shape[1:], dtype=x.dtype)
    for k in range(len(value)):
        coarse += gradient[k].mean() * value[k]
    return bilinear(coarse.clamp(min=0), *x.shape[1:]).expand_as(x)


def plain_edge(_model: nn.Module, x: Tensor, _target: int) -> Tensor:
    """Sobel magnitude scaled as scikit-image does: each derivative is a mean (weights sum to 1), joined by RMS."""
    grey = x.mean(0).numpy()
    parts = [ndimage.sobel(grey, axis=axis, mode="reflect") / 4 for axis in (0, 1)]
    return torch.from_numpy(((parts[0] ** 2 + parts[1] ** 2) / 2) ** 0.5).expand_as(x)


@dataclass(frozen=True)
class Case:
    """A method as it is written, its slow oracle for one image, and the nets on which it is not defined.

    ``oracle(model, x, target, noise)`` with ``noise`` the standard normal samples of that image.
    """

    written: str
    oracle: Callable[[nn.Module, Tensor, int, Callable[[int], Tensor]], Tensor] | None
    not_on: tuple[str, ...] = ()
    looks_at_model: bool = True


CASES = (
    Case("gradient", lambda m, x, c, _: plain_gradient(m, x, c)),
    Case("gradient_x_input", lambda m, x, c, _: x * plain_gradient(m, x, c)),
    Case("integrated_gradients", lambda m, x, c, _: plain_integrated_gradients(m, x, c, 50)),
    Case("integrated_gradients(steps=7)", lambda m, x, c, _: plain_integrated_gradients(m, x, c, 7)),
    Case("smoothgrad", lambda m, x, c, noise: plain_smoothgrad(m, x, c, noise(50))),
    Case("smoothgrad(samples=3,noise_level=0.4)", lambda m, x, c, noise: plain_smoothgrad(m, x, c, noise(3), 0.4)),
    Case("guided_backprop", lambda m, x, c, _: plain_guided_backprop(m, x, c)),
    Case("gradcam", lambda m, x, c, _: plain_gradcam(m, x, c), ("linear", "mlp")),
    Case(
        "guided_gradcam",
        lambda m, x, c, _: plain_guided_backprop(m, x, c) * plain_gradcam(m, x, c),
        ("linear", "mlp"),
    ),
    Case("edge", lambda m, x, c, _: plain_edge(m, x, c), looks_at_model=False),
    Case("input", lambda m, x, c, _: x, looks_at_model=False),
    Case("random", None, looks_at_model=False),
)

GRID = [(case, name) for case in CASES for name in sorted(NETS) if name not in case.not_on]


def pair_name(pair: tuple[Case, str]) -> str:
    """How a pair of the grid is called in the name of a test."""
    return f"{pair[0].written}-{pair[1]}"


# ---------------------------------------------------------------- methods named by their dotted path in tests


def returns_input(_model: nn.Module, x: Tensor, _targets: Tensor) -> Tensor:
    return x


_FRESH_NOISE = torch.Generator().manual_seed(0)


def returns_noise(_model: nn.Module, x: Tensor, _targets: Tensor) -> Tensor:
    return torch.randn(x.shape, generator=_FRESH_NOISE)


def own_gradient(model: nn.Module, x: Tensor, targets: Tensor) -> Tensor:
    with torch.enable_grad():
        x = x.clone().requires_grad_(True)
        return torch.autograd.grad(model(x).gather(1, targets[:, None]).sum(), x)[0]


def wrong_shape(_model: nn.Module, x: Tensor, _targets: Tensor) -> Tensor:
    return x.sum(1)


def not_a_tensor(_model: nn.Module, x: Tensor, _targets: Tensor) -> list[float]:
    return x.flatten().tolist()


def halves_the_weights(model: nn.Module, x: Tensor, _targets: Tensor) -> Tensor:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.5)
    return x


def erases_the_images(_model: nn.Module, x: Tensor, _targets: Tensor) -> Tensor:
    return x.mul_(0.0)


not_callable = 3
