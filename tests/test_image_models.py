"""The named networks for photographs: units, GradCAM layer, initialiser, and batch norm in a destroyed Inception v3."""

from __future__ import annotations

import copy
import functools
import itertools
import math

import pytest
import torch
import torchvision
from destroyed import law_of
from torch import nn
from torch.nn import functional as F

from lib import image_models
from lib.attributions import attribute
from lib.compute import generator
from lib.errors import StudyError
from lib.image_models import ARCHITECTURES, build
from lib.initialisers import law_named
from lib.reinitialisation import manifest, steps
from lib.units import unit_tensors, units_of

INCEPTION_UNITS = (
    "conv2d_1a_3x3 conv2d_2a_3x3 conv2d_2b_3x3 conv2d_3b_1x1 conv2d_4a_3x3 mixed_5b mixed_5c mixed_5d "
    "mixed_6a mixed_6b mixed_6c mixed_6d mixed_6e mixed_7a mixed_7b mixed_7c logits"
)
FACTS = {
    "inception_v3": (17, 23_834_568, (2048, 8, 8)),
    "resnet18": (6, 11_689_512, (512, 7, 7)),
    "vgg16": (16, 138_357_544, (512, 14, 14)),
    "squeezenet1_0": (10, 1_248_424, (512, 13, 13)),
    "efficientnet_lite0": (19, 4_652_008, (1280, 7, 7)),
}
"""Number of units, of parameters, and shape of the last convolutional activation."""


@functools.cache
def drawn(name):
    """A net with weights from its own initialiser; not to be changed."""
    return build(name, generator("test", name))


@functools.cache
def shapes(name):
    """A net without memory: all its shapes, at no cost."""
    return ARCHITECTURES[name].blank("shapes only").to("meta")


# ---------------------------------------------------------------- units


@pytest.mark.parametrize("name", FACTS)
def test_units_run_in_their_order_and_cover_every_tensor(name):
    model = shapes(name)
    units = units_of(model, torch.zeros(1, *model.input_shape))
    assert len(units) == FACTS[name][0] and sum(p.numel() for p in model.parameters()) == FACTS[name][1]
    assert sorted(itertools.chain(*(unit_tensors(model, modules) for modules in units.values()))) == sorted(
        model.state_dict()
    )


def test_units_of_inception_are_those_of_the_paper_without_an_auxiliary_head():
    model = shapes("inception_v3")
    assert list(model.units) == INCEPTION_UNITS.split()
    assert not any("Aux" in name for name in model.state_dict()) and not model.transform_input


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [("resnet18", "stem", "fc"), ("squeezenet1_0", "stem", "classifier"), ("efficientnet_lite0", "stem", "fc")],
)
def test_first_and_last_unit_are_where_the_image_enters_and_the_logits_leave(name, first, last):
    """The first unit owns the first tensor that a gradient reaches last, the last one has a number per class."""
    model = shapes(name)
    tensors = model.state_dict()
    assert [next(iter(model.units)), list(model.units)[-1]] == [first, last]
    assert tensors[unit_tensors(model, model.units[first])[0]].shape[1] == 3
    assert tensors[unit_tensors(model, model.units[last])[0]].shape[0] == 1000


def test_swapped_units_of_a_residual_net_are_refused():
    model = copy.copy(shapes("resnet18"))
    model.units = {name: model.units[name] for name in ("stem", "layer2", "layer1", "layer3", "layer4", "fc")}
    with pytest.raises(StudyError, match=r"of the unit 'layer2' is called after .* of the unit 'layer1'"):
        units_of(model, torch.zeros(1, 3, 64, 64))


def test_unknown_network_is_one_sentence():
    with pytest.raises(StudyError, match="'resnet' is not known; choose one of inception_v3, resnet18"):
        build("resnet", generator("test"))


# ---------------------------------------------------------------- the GradCAM layer


@pytest.mark.parametrize("name", FACTS)
def test_gradcam_layer_runs_once_and_has_the_shape_of_the_last_activation(name):
    model, outputs = copy.deepcopy(shapes(name)), []
    model.get_submodule(model.gradcam_layer).register_forward_hook(lambda _m, _i, output: outputs.append(output.shape))
    model(torch.zeros(2, *model.input_shape, device="meta"))
    assert outputs == [(2, *FACTS[name][2])]


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("inception_v3", lambda model, last: model.fc(last)),
        ("resnet18", lambda model, last: model.fc(last)),
        ("efficientnet_lite0", lambda model, last: model._fc(last)),
    ],
)
def test_logits_follow_from_the_mean_of_the_gradcam_layer(name, head):
    model, outputs = copy.deepcopy(drawn(name)), []
    model.get_submodule(model.gradcam_layer).register_forward_hook(lambda _m, _i, output: outputs.append(output))
    logits = model(torch.randn(2, 3, 96, 96, generator=generator("test", "images")))
    assert (outputs[0] >= 0).all() and outputs[0].std() > 0
    torch.testing.assert_close(head(model, outputs[0].mean((2, 3))), logits, rtol=1e-4, atol=1e-6)


def test_gradcam_layer_of_vgg16_is_the_last_activation_before_the_last_pool():
    features = shapes("vgg16").features
    last_pool = max(place for place, module in enumerate(features) if isinstance(module, nn.MaxPool2d))
    assert features[last_pool - 1] is shapes("vgg16").get_submodule(shapes("vgg16").gradcam_layer)
    assert isinstance(features[last_pool - 1], nn.ReLU) and last_pool == len(features) - 1


@pytest.mark.parametrize("name", ["squeezenet1_0", "efficientnet_lite0"])
def test_gradcam_of_a_named_network_is_its_formula(name):
    model = copy.deepcopy(drawn(name))
    images, targets = torch.randn(2, 3, 64, 64, generator=generator("test", "images")), torch.tensor([3, 500])
    found = attribute(model, images, targets, ["gradcam"])["gradcam"]

    def keep(_module, _inputs, output):
        kept.append(output.requires_grad_(True))

    kept = []
    model.get_submodule(model.gradcam_layer).register_forward_hook(keep)
    scores = model(images)[range(2), targets]
    weights = torch.autograd.grad(scores.sum(), kept[0])[0].mean((2, 3), keepdim=True)
    coarse = (weights * kept[0]).sum(1, keepdim=True).clamp(min=0).detach()
    fine = F.interpolate(coarse, size=(64, 64), mode="bilinear", align_corners=False)
    assert fine.max() > 0
    torch.testing.assert_close(found, fine.expand(2, 3, 64, 64), rtol=1e-4, atol=1e-5 * float(fine.max()))


# ---------------------------------------------------------------- the initialisers


def assert_same_law(one, other):
    """Standard deviation within 4 %, and the same shape of the distribution: uniform, normal or constant."""
    if (other == other.flatten()[0]).all():
        assert torch.equal(one, other)
        return
    assert float(one.std() / other.std()) == pytest.approx(1, abs=max(0.04, 4 / math.sqrt(one.numel())))
    assert abs(float(one.abs().mean() / one.std()) - float(other.abs().mean() / other.std())) < max(
        0.01, 2 / math.sqrt(one.numel())
    )


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_0"])
def test_own_law_is_torchvisions(name):
    torch.manual_seed(0)
    original = dict(getattr(torchvision.models, name)().named_parameters())
    for parameter, ours in drawn(name).named_parameters():
        assert_same_law(ours, original[parameter].detach())


@pytest.mark.parametrize(
    ("module", "name"), [(nn.Conv2d(64, 32, 3), "features.2"), (nn.Linear(300, 200), "classifier.0")]
)
def test_own_law_of_vgg16_is_torchvisions(module, name):
    torch.manual_seed(0)
    with torch.no_grad():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        else:
            nn.init.normal_(module.weight, 0, 0.01)
        nn.init.zeros_(module.bias)
    for kind, value in module.named_parameters():
        uniform = torch.rand(value.shape, dtype=torch.float64)
        assert_same_law(image_models.vgg_law(f"{name}.{kind}", value.detach(), uniform).float(), value.detach())


def test_own_law_of_inception_keeps_the_size_of_signals_and_is_cut():
    model = drawn("inception_v3")
    for name, value in model.named_parameters():
        if value.dim() == 1:
            assert (value == (0 if name.endswith("bias") else 1)).all()
        else:
            wanted = math.sqrt(2 / value[0].numel())
            assert float(value.std()) == pytest.approx(wanted, rel=max(0.01, 3 / math.sqrt(value.numel())))
            assert 1.9 * wanted < float(value.abs().max()) <= 2 * wanted * math.sqrt(1.3)


def test_own_law_of_efficientnet_counts_the_outputs_of_one_input():
    tensors = drawn("efficientnet_lite0").state_dict()
    depthwise, pointwise = tensors["_blocks.15._depthwise_conv.weight"], tensors["_conv_head.weight"]
    assert float(depthwise.std()) == pytest.approx(math.sqrt(2 / 9), rel=0.02)
    assert float(pointwise.std()) == pytest.approx(math.sqrt(2 / 1280), rel=0.02)
    assert float(tensors["_fc.weight"].abs().max()) == pytest.approx(1 / math.sqrt(1000), rel=1e-4)
    assert (tensors["_fc.bias"] == 0).all() and (tensors["_bn1.weight"] == 1).all()


def test_build_draws_from_its_generator_alone():
    before = torch.get_rng_state()
    one, same = (build("squeezenet1_0", generator("test", 1)).state_dict() for _ in range(2))
    other = build("squeezenet1_0", generator("test", 2)).state_dict()
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["features.0.weight"], other["features.0.weight"])
    assert torch.equal(torch.get_rng_state(), before)


def test_built_network_is_frozen_and_says_that_its_weights_are_random():
    model = drawn("squeezenet1_0")
    assert model.label == "SqueezeNet 1.0 (random weights)" and not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert law_named("own", model) is image_models.squeezenet_law


# ---------------------------------------------------------------- batch norm in a destroyed Inception v3 (T18)

CALIBRATION = torch.rand(6, 3, 96, 96, generator=generator("test", "calibration")) * 2 - 1
STATISTICS = ("running_mean", "running_var")


@pytest.fixture(scope="module")
def inception():
    """Inception v3 whose batch norms are as different from fresh ones as trained ones are."""
    model = copy.deepcopy(drawn("inception_v3"))
    numbers = generator("test", "statistics")
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                tensor.copy_(0.5 + torch.rand(tensor.shape, generator=numbers))
            module.num_batches_tracked.fill_(7)
    return model


def second_step(model, bn):
    """The state in which the logits and mixed_7c are destroyed."""
    calibration = CALIBRATION if bn == "recalibrate" else None
    return next(itertools.islice(steps(model, model.units, law_of(), 0, bn=bn, calibration=calibration), 1, None))


@pytest.mark.parametrize("bn", ["fresh", "drawn", "keep-stats", "recalibrate"])
def test_T18_each_policy_of_batch_norm_in_inception(inception, bn):
    trained, step = inception.state_dict(), second_step(inception, bn)
    assert step.destroyed == ("logits", "mixed_7c")
    norms = [name for name, module in inception.Mixed_7c.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 9
    for norm in norms:
        now = {kind: step.state[f"Mixed_7c.{norm}.{kind}"] for kind in ("weight", "bias", *STATISTICS)}
        before = {kind: trained[f"Mixed_7c.{norm}.{kind}"] for kind in STATISTICS}
        if bn == "drawn":
            assert all(0 < now[kind].abs().max() <= 0.02 and now[kind].std() > 0 for kind in ("weight", "bias"))
        else:
            assert (now["weight"] == 1).all() and (now["bias"] == 0).all()
        if bn == "keep-stats":
            assert all(torch.equal(now[kind], before[kind]) for kind in STATISTICS)
        elif bn != "recalibrate":
            assert (now["running_mean"] == 0).all() and (now["running_var"] == 1).all()


def test_T18_recalibrated_statistics_are_those_of_the_calibration_images(inception):
    state = second_step(inception, "recalibrate").state
    model, inputs = copy.deepcopy(inception), []
    model.load_state_dict(state)
    norm = model.Mixed_7c.branch1x1.bn
    norm.register_forward_pre_hook(lambda _module, arguments: inputs.append(arguments[0]))
    model(CALIBRATION)
    values = inputs[0].double().transpose(0, 1).flatten(1)
    torch.testing.assert_close(norm.running_mean.double(), values.mean(1), rtol=1e-4, atol=1e-5 * float(values.std()))
    torch.testing.assert_close(norm.running_var.double(), values.var(1), rtol=1e-4, atol=0)


def test_manifest_of_inception_says_that_two_units_changed_and_fifteen_did_not(inception):
    table = manifest(inception, inception.units, [("cascade", second_step(inception, "fresh"))]).set_index("unit")
    assert list(table.index) == INCEPTION_UNITS.split()
    assert (table.changed[:-2] == 0).all()
    assert table.changed["logits"] == 1 and table.changed["mixed_7c"] > 0.999
    assert table.numbers["logits"] == 2049 * 1000 and table.tensors["logits"] == 2
    assert table.tensors["mixed_7c"] == 9 * 6, "each convolution, and five tensors of its batch norm"
    assert table["std"]["logits"] == pytest.approx(0.0088, rel=0.01)
