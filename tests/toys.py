"""Tiny nets in float64, and for each method a slow, plain oracle; nothing here uses the library's own computations.

Every net has random biases, gammas, betas and running statistics: with the zero biases of many initialisers
several methods coincide and hide each other's faults.

A new method joins the shared tests by one line in `CASES`, a new model by one line in `NETS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from oracles import (
    of_noisy_copies,
    plain_competition,
    plain_deconvnet,
    plain_edge,
    plain_gradcam,
    plain_gradient,
    plain_guided_backprop,
    plain_integrated_gradients,
    plain_laplacian_of_gaussian,
    plain_pattern_map,
    plain_scharr,
    plain_smoothgrad,
    plain_vargrad,
    variance,
)
from relevance_oracles import deep_taylor_rule, epsilon_rule, plain_deeplift, plain_relevance
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


def _overlapping() -> nn.Module:
    """Max-pooling with overlapping, padded windows, an average pool, and no bias in the last layer."""
    net = nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.Conv2d(5, 8, 2),
        nn.ReLU(),
        nn.AvgPool2d(2, stride=1, padding=1),
        nn.Flatten(),
        nn.Linear(72, 4, bias=False),
    )
    net.gradcam_layer = "4"
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
    "overlapping": _overlapping,
    "pooled": _pooled,
}

SINGLE_FIRST_LAYER = {
    "linear": "1",
    "mlp": "1",
    "max_pool": "0",
    "residual": "conv1",
    "relu6": "0",
    "overlapping": "0",
    "pooled": "0",
}
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


REFERENCES = {
    "black": torch.full((2, SIDE, SIDE), -30.0, dtype=torch.float64),
    "mean": images(50, seed=3).abs().mean(0),
    "pixelmin": images(5, seed=4).amin(0),
    "white": torch.full((2, SIDE, SIDE), 30.0, dtype=torch.float64),
}
"""Reference images of integrated gradients, none of them zero."""

TRAINING = images(60, seed=5)
"""Images on which patterns are estimated."""

NO_PATTERNS = ("residual", "from_input", "relu6", "pooled")
"""Nets with sums, ReLU6 or batch norm."""


NO_DEEP_TAYLOR = ("residual", "from_input", "pooled")
"""Nets with batch norm, sums, or negative values between layers."""


@dataclass(frozen=True)
class Case:
    """A method as it is written, its slow oracle for one image, and the nets on which it is not defined.

    ``oracle(model, x, target, noise)`` with ``noise`` the standard normal samples of that image.
    """

    written: str
    oracle: Callable[[nn.Module, Tensor, int, Callable[[int], Tensor]], Tensor] | None
    not_on: tuple[str, ...] = ()
    looks_at_model: bool = True
    positive: bool = False
    """Whether it takes no negative pixels."""
    rounding: float = 1e-5
    """Share of the largest value by which a map in single precision may differ from one in double precision."""


CASES = (
    Case("gradient", lambda m, x, c, _: plain_gradient(m, x, c)),
    Case("gradient_x_input", lambda m, x, c, _: x * plain_gradient(m, x, c)),
    Case("integrated_gradients", lambda m, x, c, _: plain_integrated_gradients(m, x, c, 50)),
    Case("integrated_gradients(steps=7)", lambda m, x, c, _: plain_integrated_gradients(m, x, c, 7)),
    Case(
        "integrated_gradients(reference=mean)",
        lambda m, x, c, _: plain_integrated_gradients(m, x, c, 50, REFERENCES["mean"]),
    ),
    Case(
        "integrated_gradients(reference=pixelmin,steps=3)",
        lambda m, x, c, _: plain_integrated_gradients(m, x, c, 3, REFERENCES["pixelmin"]),
    ),
    Case(
        "integrated_gradients(reference=black,quadrature=linspace,steps=5)",
        lambda m, x, c, _: plain_integrated_gradients(m, x, c, 5, REFERENCES["black"], ends=True),
    ),
    Case(
        "integrated_gradients(quadrature=linspace,steps=5)",
        lambda m, x, c, _: plain_integrated_gradients(m, x, c, 5, ends=True),
    ),
    Case("smoothgrad", lambda m, x, c, noise: plain_smoothgrad(m, x, c, noise(50))),
    Case("smoothgrad(samples=3,noise_level=0.4)", lambda m, x, c, noise: plain_smoothgrad(m, x, c, noise(3), 0.4)),
    Case(
        "smoothgrad(of=guided_backprop,samples=3)",
        lambda m, x, c, noise: of_noisy_copies(lambda copy: plain_guided_backprop(m, copy, c), x, noise(3)).mean(0),
    ),
    Case(
        "ig_smoothgrad(samples=3,steps=4)",
        lambda m, x, c, noise: of_noisy_copies(
            lambda copy: plain_integrated_gradients(m, copy, c, 4), x, noise(3)
        ).mean(0),
    ),
    Case(
        "smoothgrad_absolute(samples=3,noise_level=0.3)",
        lambda m, x, c, noise: torch.stack([plain_gradient(m, x + 0.3 * each, c) for each in noise(3).to(x)]).mean(0),
    ),
    Case(
        "vargrad_absolute(samples=4,noise_level=0.3)",
        lambda m, x, c, noise: variance(torch.stack([plain_gradient(m, x + 0.3 * each, c) for each in noise(4).to(x)])),
    ),
    Case("vargrad(samples=5)", lambda m, x, c, noise: plain_vargrad(m, x, c, noise(5))),
    Case(
        "vargrad(of=integrated_gradients(reference=mean,steps=3),samples=4,noise_level=0.4)",
        lambda m, x, c, noise: variance(
            of_noisy_copies(
                lambda copy: plain_integrated_gradients(m, copy, c, 3, REFERENCES["mean"]), x, noise(4), 0.4
            )
        ),
    ),
    Case("guided_backprop", lambda m, x, c, _: plain_guided_backprop(m, x, c)),
    Case("deconvnet", lambda m, x, c, _: plain_deconvnet(m, x, c)),
    Case("gradcam", lambda m, x, c, _: plain_gradcam(m, x, c), ("linear", "mlp")),
    Case(
        "guided_gradcam",
        lambda m, x, c, _: plain_guided_backprop(m, x, c) * plain_gradcam(m, x, c),
        ("linear", "mlp"),
    ),
    Case("deeplift", lambda m, x, c, _: plain_deeplift(m, x, c, torch.zeros_like(x))),
    Case("deeplift(reference=mean)", lambda m, x, c, _: plain_deeplift(m, x, c, REFERENCES["mean"])),
    Case("lrp_epsilon", lambda m, x, c, _: plain_relevance(m, x, c, epsilon_rule(1e-4))),
    Case("lrp_epsilon(epsilon=0.3)", lambda m, x, c, _: plain_relevance(m, x, c, epsilon_rule(0.3))),
    Case(
        "lrp_epsilon(epsilon=0.2,scale=layer)",
        lambda m, x, c, _: plain_relevance(m, x, c, epsilon_rule(0.2, relative=True)),
    ),
    Case(
        "lrp_epsilon(epsilon=0.1,bias=out)",
        lambda m, x, c, _: plain_relevance(m, x, c, epsilon_rule(0.1, with_bias=False)),
        NO_DEEP_TAYLOR,
    ),
    Case("dtd_zero", lambda m, x, c, _: plain_relevance(m, x, c, epsilon_rule(0.0))),
    Case(
        "dtd_zero(bias=out)",
        lambda m, x, c, _: plain_relevance(m, x, c, epsilon_rule(0.0, with_bias=False)),
        NO_DEEP_TAYLOR,
        rounding=1e-3,  # denominators come near 0
    ),
    Case(
        "dtd_zplus",
        lambda m, x, c, _: plain_relevance(m, x, c, deep_taylor_rule("zplus")),
        NO_DEEP_TAYLOR,
        positive=True,
    ),
    Case("dtd_w2", lambda m, x, c, _: plain_relevance(m, x, c, deep_taylor_rule("w2")), NO_DEEP_TAYLOR),
    Case(
        "dtd_zbox",
        lambda m, x, c, _: plain_relevance(m, x, c, deep_taylor_rule("zbox", REFERENCES["black"], REFERENCES["white"])),
        NO_DEEP_TAYLOR,
    ),
    Case("meaningful_perturbation(iterations=10)", None),
    Case("meaningful_perturbation(fill=zero,start=half,iterations=3)", None),
    Case("competitive_gradient_x_input", lambda m, x, c, _: plain_competition(m, x, c)),
    Case("competitive_gradient_x_input(classes=2)", lambda m, x, c, _: plain_competition(m, x, c, 2)),
    Case("competitive_gradient_x_input(keep=random,classes=3)", None),
    Case("pattern_net", lambda m, x, c, _: plain_pattern_map(m, x, c, TRAINING, "two_component", False), NO_PATTERNS),
    Case(
        "pattern_attribution(estimator=centred)",
        lambda m, x, c, _: plain_pattern_map(m, x, c, TRAINING, "centred", True),
        NO_PATTERNS,
    ),
    Case("edge", lambda m, x, c, _: plain_edge(m, x, c), looks_at_model=False),
    Case("edge(detector=scharr)", lambda m, x, c, _: plain_scharr(x), looks_at_model=False),
    Case("edge(detector=log)", lambda m, x, c, _: plain_laplacian_of_gaussian(x), looks_at_model=False),
    Case("edge(detector=canny)", None, looks_at_model=False),
    Case("input", lambda m, x, c, _: x, looks_at_model=False),
    Case("input(reference=mean)", lambda m, x, c, _: x - REFERENCES["mean"], looks_at_model=False),
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
