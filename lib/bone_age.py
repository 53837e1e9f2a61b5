"""A small Inception-style net that tells the age of a drawn hand, and how it is trained.

It stands in for the Inception v4 that Adebayo et al. 2018 (first version, Fig. 7) trained on radiographs that cannot
be passed on. From theirs it has the branches, batch norm after each convolution, one output, and a loss that mixes L1
and L2; the weights of the mixture are not printed, ours are equal.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LinearLR

from lib import artefacts, compute, hands
from lib.errors import StudyError
from lib.initialisers import constant, draw, fan_in, truncated_normal
from lib.progress import Progress
from lib.units import Units

CENTRE, SCALE = 114.0, 60.0
"""The net's output y stands for the age ``CENTRE + SCALE * y``, in months: about the mean and spread of all ages."""


def convolution(channels: int, out: int, size: int, stride: int = 1) -> nn.Sequential:
    """A convolution with batch norm and ReLU; odd kernels keep the size of the image, but for the stride."""
    layers = nn.Sequential()
    layers.add_module("conv", nn.Conv2d(channels, out, size, stride, padding=size // 2, bias=False))
    layers.add_module("norm", nn.BatchNorm2d(out))
    layers.add_module("relu", nn.ReLU())
    return layers


class InceptionBlock(nn.Module):
    """Four branches beside each other: 1x1, 3x3, 5x5 and average-pooling, each its share of the output's channels.

    Parameters
    ----------
    channels : of the input.
    share : channels of the branches 1x1 and 3x3; the other two have half as many, so that 3 ``share`` come out.
    """

    def __init__(self, channels: int, share: int) -> None:
        super().__init__()
        half = share // 2
        self.one = convolution(channels, share, 1)
        self.three = nn.Sequential(convolution(channels, half, 1), convolution(half, share, 3))
        self.five = nn.Sequential(convolution(channels, half // 2, 1), convolution(half // 2, half, 5))
        self.pool = nn.Sequential(nn.AvgPool2d(3, 1, padding=1), convolution(channels, half, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1)


class BoneAgeNet(nn.Module):
    """Two strided convolutions, three Inception blocks, one output: (N, 1, 96, 96) -> (N, 1), see `SCALE`."""

    units: ClassVar[Units] = {
        "conv1": ("conv1",),
        "conv2": ("conv2",),
        "mixed1": ("mixed1",),
        "mixed2": ("mixed2",),
        "mixed3": ("mixed3",),
        "age": ("age",),
    }

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = convolution(1, 12, 3, stride=2)
        self.conv2 = convolution(12, 24, 3, stride=2)
        self.mixed1 = InceptionBlock(24, 16)
        self.mixed2 = InceptionBlock(48, 24)
        self.reduce = nn.MaxPool2d(2)
        self.mixed3 = InceptionBlock(72, 32)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.age = nn.Linear(96, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mixed2(self.mixed1(self.conv2(self.conv1(x))))
        return self.age(self.mean(self.mixed3(self.reduce(x))).flatten(1))

    @staticmethod
    def own_law(name: str, trained: Tensor, uniform: Tensor) -> Tensor:
        """As TF-Slim starts an Inception: truncated normal with variance 2 / fan-in after the cut; biases 0."""
        if trained.dim() == 1:
            return constant(uniform, 1.0 if name.endswith("weight") else 0.0)
        # TF-Slim's 1.3 makes up for the variance that the cut takes away.
        return truncated_normal(uniform, math.sqrt(1.3 * 2.0 / fan_in(trained)))


@dataclass(frozen=True)
class Recipe:
    """How a net is trained.

    Attributes
    ----------
    hands : how many it sees.
    iterations, batch_size, learning_rate : of Adam, whose rate falls along a line to 0.
    seed : names the draws of the first weights and of the batches.
    """

    hands: int
    iterations: int
    batch_size: int = 32
    learning_rate: float = 0.003
    seed: int = 0

    def check(self) -> None:
        """Raise `StudyError` if nothing would be learned from."""
        if self.hands < self.batch_size or self.iterations < 1:
            raise StudyError(
                f"{self.hands} hands and {self.iterations} iterations are to train a net; give at least one batch of "
                f"{self.batch_size} hands, and 1 iteration."
            )


def mixed_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    r"""The mean of L1 and L2, :math:`\frac12(|d| + d^2)`, averaged over all examples; any one shape for both."""
    distance = (outputs - targets).abs()
    return (distance + distance.square()).mean() / 2.0


def months(model: nn.Module, images: Tensor) -> Tensor:
    """The ages that a net tells, in months: (N,), float64."""
    with torch.no_grad():
        found = torch.cat([model(part.to(compute.device())).cpu() for part in images.split(64)])
    return CENTRE + SCALE * found[:, 0].double()


def train(recipe: Recipe, known: hands.Hands) -> BoneAgeNet:
    """Train a net on some hands; it is returned in evaluation mode, frozen and on the CPU."""
    recipe.check()
    compute.settle()
    model = BoneAgeNet()
    first = compute.generator(recipe.seed, "bone age", "weights")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(draw(model.own_law, name, parameter, first))
    device = compute.device()
    model = model.to(device).to(memory_format=torch.channels_last).train()
    images, targets = known.images.to(device), ((known.ages - CENTRE) / SCALE).float().to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate)
    schedule = LinearLR(optimizer, start_factor=1.0, end_factor=0.0, total_iters=recipe.iterations)
    batches = _batches(len(images), recipe.batch_size, compute.generator(recipe.seed, "bone age", "batches"))
    progress = Progress("training to tell bone age", recipe.iterations)
    for _ in range(recipe.iterations):
        batch = next(batches)
        loss = mixed_loss(model(images[batch])[:, 0], targets[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        progress.step()
    return model.cpu().to(memory_format=torch.contiguous_format).eval().requires_grad_(False)


def trained(recipe: Recipe) -> BoneAgeNet:
    """The net of a recipe, trained on the hands of the set ``train`` or found in the cache."""
    recipe.check()

    def make(folder: Path) -> None:
        weights = io.BytesIO()
        torch.save(train(recipe, hands.hands(recipe.hands, "train")).state_dict(), weights)
        artefacts.write_atomically(folder / "model.pt", weights.getvalue())
        described = json.dumps(asdict(recipe), indent=1, sort_keys=True)
        artefacts.write_atomically(folder / "config.json", described.encode())

    key = artefacts.key_of({"bone age": asdict(recipe), "scale": [CENTRE, SCALE]}, _CODE)
    folder = artefacts.artefact("models", key, make)
    model = BoneAgeNet()
    model.load_state_dict(torch.load(folder / "model.pt", weights_only=True))
    return model.eval().requires_grad_(False)


def _batches(count: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Endless batches of indices: every epoch a new order, a last short batch is left out."""
    while True:
        yield from torch.randperm(count, generator=generator).split(size)[: count // size]


# What a recipe gives is decided by this code; it is part of the key.
_CODE: list[Any] = [
    hands,
    train,
    _batches,
    mixed_loss,
    BoneAgeNet,
    InceptionBlock,
    convolution,
    draw,
    truncated_normal,
    constant,
    fan_in,
    compute.settle,
    compute.seed_of,
    compute.generator,
]
