"""Every method on every named architecture: a map that keeps its promises, or one sentence that names the layer.

A new method joins by one line in `CASES`, a new architecture by one line in `SIDES`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import pytest
import torch
import toys
from torch import nn

from lib import image_models, models
from lib.attributions import METHODS, method
from lib.attributions.base import explain
from lib.errors import StudyError
from lib.workspace import Noise, Workspace, working_copy

SIDES = {
    "cnn": 28,
    "mlp": 28,
    "k_mlp": 28,
    "inception_v3": 80,
    "resnet18": 64,
    "vgg16": 32,
    "squeezenet1_0": 64,
    "efficientnet_lite0": 64,
}
"""The named architectures, and a side of images near the least that each can take."""

BATCH_NORM = MappingProxyType(
    {
        "inception_v3": "'Conv2d_1a_3x3.bn' (BatchNorm2d)",
        "resnet18": "'bn1' (BatchNorm2d)",
        "efficientnet_lite0": "'_bn0' (BatchNorm2d)",
    }
)
NO_CONVOLUTION = MappingProxyType({"mlp": "this model names none", "k_mlp": "this model names none"})
NOWHERE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Case:
    """A method with cheap arguments; the architectures that it refuses, with words of the refusal."""

    written: str
    refused: Mapping[str, str] = field(default_factory=lambda: NOWHERE)
    may_be_flat_on: tuple[str, ...] = ()
    """Architectures on which all pixels of a map may be equal."""
    tolerance: float = 1e-3
    """Share of the largest value by which a map may differ from that of the same image in a batch, by rounding."""

    @property
    def label(self) -> str:
        return self.written.partition("(")[0]


CASES = {
    case.label: case
    for case in (
        Case("gradient"),
        Case("gradient_x_input"),
        Case("integrated_gradients(steps=2)"),
        Case("smoothgrad(samples=2)"),
        Case("vargrad(samples=2)"),
        Case("smoothgrad_absolute(samples=2)"),
        Case("vargrad_absolute(samples=2)"),
        Case("ig_smoothgrad(samples=2,steps=2)"),
        Case("guided_backprop"),
        Case("deconvnet"),
        # At this size the last convolution of Inception v3 has one place only.
        Case("gradcam", NO_CONVOLUTION, may_be_flat_on=("inception_v3",)),
        Case("guided_gradcam", NO_CONVOLUTION),
        Case("deeplift"),
        Case("lrp_epsilon"),
        Case("dtd_zero"),
        Case("dtd_zplus", BATCH_NORM),
        Case("dtd_zbox", BATCH_NORM),
        Case("dtd_w2", BATCH_NORM),
        Case("pattern_net", BATCH_NORM),
        Case("pattern_attribution", BATCH_NORM),
        # The start with a disc takes more passes than all other methods together. Adam's first steps have the same
        # size for every gradient, so they enlarge the rounding of the small ones.
        Case("meaningful_perturbation(start=half,iterations=2)", tolerance=0.03),
        Case("competitive_gradient_x_input(classes=2)"),
        Case("edge"),
        Case("input"),
        Case("random"),
    )
}

GRID = [(name, label) for name in SIDES for label in METHODS]
DEFINED = [(name, label) for name, label in GRID if name not in CASES[label].refused]
REFUSED = [(name, label) for name, label in GRID if name in CASES[label].refused]


@functools.cache
def drawn(name: str) -> nn.Module:
    """A named net, float32, random in every weight, bias and statistic of batch norm; not to be changed."""
    if name in models.ARCHITECTURES:
        return toys.randomise(models.ARCHITECTURES[name]()).eval()
    model = image_models.architecture(name).blank("random")
    if name == "vgg16":
        # Its first two dense layers have 119 million weights, which would take longer than all the rest.
        model.classifier[0], model.classifier[3] = nn.Linear(512 * 7 * 7, 64), nn.Linear(64, 64)
        model.classifier[6] = nn.Linear(64, 1000)
    return toys.randomise(model).eval()


def workspace(name: str, ids: Sequence[int], dtype: torch.dtype = torch.float32) -> Workspace:
    """A fresh working copy and some of two images, whose pixels lie in [0, 1], as dtd_zplus and dtd_zbox need.

    The explained class of image 0 is the one of its highest logit, of image 1 the one of its second highest.
    """
    model = working_copy(drawn(name)).to(dtype)
    shape = (model.input_shape[0], SIDES[name], SIDES[name])
    pixels = torch.rand((6, *shape), generator=torch.Generator().manual_seed(1)).to(dtype)
    with torch.no_grad():
        targets = model(pixels[:2]).topk(2).indices.diagonal()
    return Workspace(
        model,
        pixels[ids],
        targets[ids],
        Noise(list(ids), shape, seed=0),
        references={"black": torch.zeros(shape), "white": torch.ones(shape)},
        training_images=pixels[2:],
    )


@functools.cache
def alone(name: str) -> Workspace:
    """The second image alone."""
    return workspace(name, [1])


def maps_in(space: Workspace, name: str) -> dict[str, torch.Tensor]:
    """The maps of all methods that are defined, by label."""
    chosen = {label: method(CASES[label].written) for each, label in DEFINED if each == name}
    maps = explain(list(chosen.values()), space)
    return {label: maps[each.name] for label, each in chosen.items()}


@dataclass(frozen=True)
class Runs:
    """Maps by label: of both images, of the second alone, of the second alone by another copy of the model."""

    together: dict[str, torch.Tensor]
    alone: dict[str, torch.Tensor]
    again: dict[str, torch.Tensor]
    traces: list[str]
    """Tensors and modules of the model that the methods did not leave as they were."""


@functools.cache
def runs(name: str) -> Runs:
    """All that is computed with one architecture."""
    both = workspace(name, [0, 1])
    before = state_of(both.model)
    together = maps_in(both, name)
    traces = [what for what, state in state_of(both.model).items() if state != before[what]]
    return Runs(together, maps_in(alone(name), name), maps_in(workspace(name, [1]), name), traces)


def state_of(model: nn.Module) -> dict[str, tuple[object, ...]]:
    """How often each tensor was changed in place, its gradient, and the mode and number of hooks of each module."""
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    changes = {name: (each._version, each.requires_grad, each.grad is None) for name, each in tensors.items()}
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return changes | {
        f"module {name}": (each.training, *(len(getattr(each, kind)) for kind in hooks))
        for name, each in model.named_modules()
    }


def test_every_registered_method_and_every_architecture_has_a_line():
    assert METHODS.keys() <= CASES.keys(), "add a line to CASES for each new method"
    assert SIDES.keys() == models.ARCHITECTURES.keys() | image_models.ARCHITECTURES.keys()


@pytest.mark.parametrize(("name", "label"), DEFINED)
def test_map_is_finite_repeatable_and_independent_of_the_batch(name, label):
    run = runs(name)
    together, single = run.together[label], run.alone[label]
    assert together.shape == (2, drawn(name).input_shape[0], SIDES[name], SIDES[name])
    assert together.dtype == torch.float32 and not together.requires_grad and together.isfinite().all()
    assert torch.equal(single, run.again[label])
    assert (together[1:] - single).abs().max() <= CASES[label].tolerance * single.abs().max()
    assert not torch.equal(together[0], together[1])
    if name not in CASES[label].may_be_flat_on:
        values = together.flatten(1)
        assert (values.amin(1) < values.amax(1)).all()


@pytest.mark.parametrize(("name", "label"), REFUSED)
def test_refusal_is_one_sentence_that_names_the_layer(name, label):
    with pytest.raises(StudyError) as caught:
        method(CASES[label].written).check(alone(name))
    assert CASES[label].refused[name] in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", SIDES)
def test_methods_leave_no_trace_in_the_model(name):
    assert runs(name).traces == []


# ---------------------------------------------------------------- closed forms, float64


@pytest.mark.parametrize("name", SIDES)
def test_lrp_with_epsilon_0_is_gradient_x_input_except_where_a_relu6_is_cut_off(name):
    space = workspace(name, [1], torch.float64)
    expected = space.images * space.gradient
    difference = (method("lrp_epsilon(epsilon=0)")(space) - expected).abs().max() / expected.abs().max()
    assert difference > 0.01 if name == "efficientnet_lite0" else difference <= 1e-8


@pytest.mark.parametrize("name", sorted(SIDES.keys() - BATCH_NORM.keys()))
def test_deep_taylor_decomposition_hands_out_the_whole_logit(name):
    space = workspace(name, [1], torch.float64)
    logit = space.select(space.logits)
    for written in ("dtd_zplus", "dtd_zbox", "dtd_w2"):
        assert abs(method(written)(space).sum() - logit) <= 1e-10 * abs(logit), written
