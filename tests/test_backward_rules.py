"""Guided Backprop and DeconvNet equal implementations on autograd nodes, bit for bit, or refuse; never a wrong map."""

from __future__ import annotations

import itertools

import oracles
import pytest
import torch
import torchvision
import toys
from captum import attr as captum
from efficientnet_lite_pytorch import EfficientNet
from torch import nn
from torch.nn import functional as F
from toys import Lambda
from zennit.attribution import Gradient as ZennitGradient
from zennit.composites import DeconvNet as ZennitDeconvNet
from zennit.composites import GuidedBackprop as ZennitGuidedBackprop

from lib import models
from lib.attributions import attribute
from lib.backward_rules import ReLURule, modified_gradient
from lib.errors import StudyError
from lib.workspace import working_copy


def guided(model, images, targets, forward_mask=True):
    """The map of the library and the number of ReLU calls it replaced."""
    rule = ReLURule(forward_mask)
    (maps,) = modified_gradient(
        model.eval().requires_grad_(False), images, lambda logits: logits.gather(1, targets[:, None])[:, 0], rule
    )
    return maps, rule.calls


def one_hidden(activation, **modules):
    """Two channels of 6x6 -> 12 hidden -> ``activation(net, h)`` -> 4 logits, random in every tensor."""

    def forward(m, x):
        return m.out(activation(m, m.hidden(x.flatten(1))))

    return toys.randomise(Lambda(forward, hidden=nn.Linear(72, 12), out=nn.Linear(12, 4), **modules).double())


IMAGES, TARGETS = toys.images(3), torch.tensor([0, 1, 3])


# ---------------------------------------------------------------- real architectures


def architecture(name):
    """A net of that name, random in every weight and every statistic of batch norm."""
    if name in models.ARCHITECTURES:
        return models.build(name, torch.Generator().manual_seed(0))
    if name == "efficientnet_lite0":
        return toys.randomise(EfficientNet.from_name("efficientnet-lite0"))
    options = {"init_weights": False} if name == "inception_v3" else {}
    return toys.randomise(getattr(torchvision.models, name)(weights=None, **options))


@pytest.mark.parametrize(
    ("name", "calls", "side"),
    [
        ("cnn", 3, 28),
        ("mlp", 3, 28),
        ("inception_v3", 94, 96),
        ("resnet18", 17, 64),
        ("densenet121", 121, 64),
        ("efficientnet_lite0", 33, 64),
    ],
)
def test_modified_gradients_are_bit_equal_to_hooks_on_autograd_nodes(name, calls, side):
    """Hooks on modules would miss calls, silently, where ReLUs are functional or one module is called again.

    Inception v3 has 94 calls and no ReLU module, so its map would be the plain gradient (trap T1); DenseNet-121 has
    121 calls and 120 modules (T2); EfficientNet-Lite0 has 33 calls of 17 ReLU6 modules.
    """
    model = working_copy(architecture(name))
    images = torch.randn(
        2, 1 if name in models.ARCHITECTURES else 3, side, side, generator=torch.Generator().manual_seed(0)
    )
    targets = torch.tensor([0, 7])
    maps = attribute(model, images, targets, ["gradient", "guided_backprop", "deconvnet"])
    for written, oracle in (
        ("guided_backprop", oracles.node_hook_guided_backprop),
        ("deconvnet", oracles.node_hook_deconvnet),
    ):
        expected, nodes = oracle(model, images, targets)
        _, found = guided(model, images, targets, forward_mask=written == "guided_backprop")
        assert found == nodes == calls
        assert torch.equal(maps[written], expected)
    assert all(each.isfinite().all() and (each != 0).any() for each in maps.values())
    assert not any(torch.equal(one, other) for one, other in itertools.combinations(maps.values(), 2))


def test_global_average_pooling_is_no_reason_to_refuse_channels_last_models():
    """As the library runs them, torchvision's ResNet and SqueezeNet pool by a strided view."""
    model = working_copy(toys.net("pooled"))
    expected, _ = oracles.node_hook_guided_backprop(model, IMAGES, TARGETS)
    assert torch.equal(guided(model, IMAGES, TARGETS)[0], expected)


# ---------------------------------------------------------------- every form of a ReLU

FORMS = {
    "module": (lambda m, h: m.act(h), nn.ReLU(), 1),
    "module_in_place": (lambda m, h: m.act(h), nn.ReLU(inplace=True), 1),
    "functional": (lambda m, h: F.relu(h), None, 1),
    "functional_in_place": (lambda m, h: F.relu(h, inplace=True), None, 1),
    "functional_keyword": (lambda m, h: F.relu(input=h), None, 1),
    "torch_relu": (lambda m, h: torch.relu(h), None, 1),
    "torch_relu_in_place": (lambda m, h: torch.relu_(h), None, 1),
    "method": (lambda m, h: h.relu(), None, 1),
    "method_in_place": (lambda m, h: h.relu_(), None, 1),
    "module_called_twice": (lambda m, h: m.act(m.act(h) - 0.5), nn.ReLU(), 2),
    "skip_beside_relu_T3": (lambda m, h: F.relu(h) + h, None, 1),
    "skip_beside_in_place_relu_of_a_copy": (lambda m, h: F.relu(h.clone(), inplace=True) + h, None, 1),
    "relu6_module": (lambda m, h: m.act(4 * h), nn.ReLU6(), 1),
    "relu6_functional": (lambda m, h: F.relu6(4 * h), None, 1),
    "relu6_in_place": (lambda m, h: F.relu6(4 * h, inplace=True), None, 1),
    "hardtanh_0_6": (lambda m, h: m.act(4 * h), nn.Hardtanh(0.0, 6.0), 1),
    "exactly_zero_input": (lambda m, h: F.relu(h - h), None, 1),
}


@pytest.mark.parametrize("form", FORMS)
def test_relu_is_found_in_every_form(form):
    activation, module, calls = FORMS[form]
    model = one_hidden(activation, **({} if module is None else {"act": module}))
    for oracle, forward_mask in ((oracles.node_hook_deconvnet, False), (oracles.node_hook_guided_backprop, True)):
        expected, nodes = oracle(model, IMAGES, TARGETS)
        maps, found = guided(model, IMAGES, TARGETS, forward_mask)
        assert found == nodes == calls
        assert torch.equal(maps, expected)
    plain, _ = guided(one_hidden(lambda m, h: h), IMAGES, TARGETS)
    assert not torch.equal(maps, plain)


def test_T3_captum_is_wrong_beside_a_skip_and_we_are_not():
    """Captum clamps the whole signal at the tensor that feeds both ways; if it is repaired this test says so."""
    model = one_hidden(lambda m, h: m.act(h) + h, act=nn.ReLU())
    expected, _ = oracles.node_hook_guided_backprop(model, IMAGES, TARGETS)
    theirs = captum.GuidedBackprop(model).attribute(IMAGES.clone().requires_grad_(), target=TARGETS)
    assert not torch.allclose(theirs, expected)
    assert torch.equal(guided(model, IMAGES, TARGETS)[0], expected)


def test_relu6_passes_no_signal_where_it_is_cut_off():
    """At 6 exactly, and above, the forward mask is 0, as in the gradient; below 0 too; between it is 1."""

    def column(z):
        model = Lambda(lambda m, x: F.relu6(x).flatten(1))
        return guided(model, torch.tensor(z).view(1, 1, 1, 1), torch.tensor([0]))[0].item()

    assert [column(z) for z in (-1.0, 0.0, 1e-30, 3.0, 5.999, 6.0, 7.0)] == [0, 0, 1, 1, 1, 0, 0]


@pytest.mark.parametrize("forward_mask", [True, False], ids=["guided_backprop", "deconvnet"])
def test_rules_equal_matrices_written_by_hand(forward_mask):
    """The closed form, without autograd: R = W1' (m1 . relu(W2' (m2 . relu(w3)))); DeconvNet leaves out the m."""
    model = toys.net("mlp")
    (w1, b1), (w2, b2), (w3, _) = ((model[i].weight.detach(), model[i].bias.detach()) for i in (1, 3, 5))
    maps, calls = guided(model, IMAGES, TARGETS, forward_mask)
    assert calls == 2
    for image, target, found in zip(IMAGES.flatten(1), TARGETS, maps.flatten(1), strict=True):
        z1 = w1 @ image + b1
        z2 = w2 @ z1.clamp(min=0) + b2
        m1, m2 = ((z1 > 0).double(), (z2 > 0).double()) if forward_mask else (1.0, 1.0)
        r2 = m2 * w3[target].clamp(min=0)
        r1 = m1 * (w2.T @ r2).clamp(min=0)
        assert torch.allclose(found, w1.T @ r1, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["mlp", "max_pool", "pooled"])
@pytest.mark.parametrize(
    ("written", "by_captum", "by_zennit"),
    [
        ("guided_backprop", captum.GuidedBackprop, ZennitGuidedBackprop),
        ("deconvnet", captum.Deconvolution, ZennitDeconvNet),
    ],
    ids=["guided_backprop", "deconvnet"],
)
def test_maps_equal_captum_and_zennit_where_every_relu_is_its_own_module(name, written, by_captum, by_zennit):
    model = toys.net(name)
    maps = attribute(model, IMAGES, TARGETS, [written])[written]
    images = IMAGES.clone().requires_grad_()
    assert torch.allclose(by_captum(model).attribute(images, target=TARGETS), maps, rtol=0, atol=1e-12)
    start = torch.eye(4, dtype=torch.float64)[TARGETS]
    with ZennitGradient(model=model, composite=by_zennit()) as attributor:
        assert torch.allclose(attributor(IMAGES, start)[1], maps, rtol=0, atol=1e-12)


# ---------------------------------------------------------------- what is refused


class OwnReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z.clamp(min=0)

    @staticmethod
    def backward(ctx, r):
        return r * (ctx.saved_tensors[0] > 0)


REFUSED = {
    "gelu": lambda m, h: F.gelu(h),
    "gelu_beside_relu": lambda m, h: F.relu(h) + F.gelu(h),
    "clamp": lambda m, h: h.clamp(min=0),
    "clamp_min": lambda m, h: torch.clamp_min(h, 0),
    "maximum": lambda m, h: torch.maximum(h, torch.zeros_like(h)),
    "where": lambda m, h: torch.where(h > 0, h, 0.0),
    "threshold": lambda m, h: F.threshold(h, 0.0, 0.0),
    "leaky_relu": lambda m, h: F.leaky_relu(h),
    "hardtanh_symmetric": lambda m, h: F.hardtanh(h),
    "softmax": lambda m, h: F.softmax(F.relu(h), 1),
    "product_of_two_activations": lambda m, h: F.relu(h) * F.relu(-h),
    "square": lambda m, h: h * h,
    "quotient_of_activations": lambda m, h: h / (F.relu(h) + 1),
    "constant_over_activation": lambda m, h: torch.ones_like(h) / (F.relu(h) + 1),
    "weights_made_of_activations": lambda m, h: F.linear(h, (h.T @ h)),
    "kernel_made_of_activations": lambda m, h: F.conv1d(h[:, None], h[:1, None, :1]).flatten(1),
    "norm_with_statistics_of_the_batch": lambda m, h: F.batch_norm(F.relu(h), None, None, training=True),
    "instance_norm": lambda m, h: F.instance_norm(F.relu(h)[:, None]).flatten(1),
    "own_function": lambda m, h: OwnReLU.apply(h),
    "aten_operator": lambda m, h: torch.ops.aten.relu(h),
}


@pytest.mark.parametrize("form", REFUSED)
def test_what_the_rule_does_not_reach_is_refused(form):
    with pytest.raises(StudyError, match="only non-linearities are ReLU"):
        guided(one_hidden(REFUSED[form]), IMAGES, TARGETS)


def test_net_of_the_refusal_tests_is_not_refused_by_itself():
    """Else the tests above could pass for a wrong reason."""
    guided(one_hidden(lambda m, h: F.relu(h) * 2 / 3), IMAGES, TARGETS)


def test_traced_module_is_refused_also_once_the_compiler_has_fused_it():
    traced = torch.jit.trace(toys.net("mlp").requires_grad_(False), IMAGES)
    for _ in range(4):
        with pytest.raises(StudyError, match="only non-linearities are ReLU"):
            guided(traced, IMAGES, TARGETS)


@pytest.mark.parametrize("shift", [0.0, 100.0], ids=["some negative", "all positive: the ReLU changes nothing"])
def test_model_that_relies_on_an_in_place_change_is_right(shift):
    def activation(m, h):
        F.relu(h, inplace=True)
        return h

    model, plain = one_hidden(activation), one_hidden(lambda m, h: F.relu(h))
    with torch.no_grad():
        model.hidden.bias += shift
        plain.load_state_dict(model.state_dict())
    assert torch.equal(guided(model, IMAGES, TARGETS)[0], guided(plain, IMAGES, TARGETS)[0])


def test_dropout_left_in_training_mode_is_refused():
    model = one_hidden(lambda m, h: F.dropout(F.relu(h), 0.5, training=True))
    with pytest.raises(StudyError, match="other logits"):
        guided(model, IMAGES, TARGETS)


def test_rule_leaves_no_trace():
    """After the pass the model's own backward is the plain one again."""
    model = toys.net("residual")
    before = torch.stack([oracles.plain_gradient(model, image, 1) for image in IMAGES])
    guided(model, IMAGES, TARGETS)
    assert torch.equal(torch.stack([oracles.plain_gradient(model, image, 1) for image in IMAGES]), before)
