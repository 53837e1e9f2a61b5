"""Epsilon-LRP and deep Taylor decomposition: their identities by id; Zennit and Captum beside them."""

from __future__ import annotations

import pytest
import torch
import toys
from captum import attr as captum
from captum.attr._utils.lrp_rules import EpsilonRule as CaptumEpsilon
from torch import nn
from zennit.attribution import Gradient as ZennitGradient
from zennit.composites import LayerMapComposite, SpecialFirstLayerMapComposite
from zennit.rules import Epsilon, Pass, WSquare, ZBox, ZPlus

from lib import image_models
from lib.attributions import attribute, method
from lib.errors import StudyError
from lib.workspace import Noise, Workspace, working_copy

TARGETS = torch.tensor([0, 1, 3])
PIECEWISE_LINEAR = sorted(toys.NETS.keys() - {"relu6"})
LAYERED = sorted(toys.NETS.keys() - {"relu6", *toys.NO_DEEP_TAYLOR})
REFERENCES = toys.REFERENCES | {
    "white": torch.full((2, 6, 6), 9.0).double(),
    "black": torch.full((2, 6, 6), -9.0).double(),
}


def explained(model, images, *written, references=REFERENCES):
    return list(attribute(model, images, TARGETS[: len(images)], written, references=references).values())


def logits_of(model, images):
    with torch.no_grad():
        return model(images).gather(1, TARGETS[: len(images), None])[:, 0]


def close(a, b, tolerance=1e-10):
    return (a - b).abs().max() <= tolerance * b.abs().max()


# ---------------------------------------------------------------- LRP-0 is Gradient x input (I-05)


@pytest.mark.parametrize("name", PIECEWISE_LINEAR)
def test_I05_lrp_without_epsilon_is_gradient_x_input_with_biases_batch_norm_and_sums(name):
    model, images = toys.net(name), toys.images(3)
    lrp, dtd, product = explained(model, images, "lrp_epsilon(epsilon=0)", "dtd_zero", "gradient_x_input")
    assert close(lrp, product) and torch.equal(dtd, lrp)


def test_I05_not_with_relu6_where_relevance_passes_a_cut_unit_whole():
    model, images = toys.net("relu6"), toys.images(3, "relu6")
    lrp, product = explained(model, images, "dtd_zero", "gradient_x_input")
    assert not close(lrp, product, 0.1)


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_0"])
def test_I05_holds_on_architectures_for_photographs(name):
    model = toys.randomise(image_models.architecture(name).blank("random").double()).eval()
    images = torch.randn((1, 3, 64, 64), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    lrp, product = attribute(model, images, TARGETS[:1], ["dtd_zero", "gradient_x_input"]).values()
    assert product.abs().max() > 0 and close(lrp, product)


@pytest.mark.parametrize("name", ["mlp", "max_pool"])
def test_I05_default_epsilon_leaves_an_error_of_its_own_order(name):
    """An error far below 1e-4 would mean that epsilon is lost; 3 % of the map is what a unit near 0 makes of it."""
    model, images = toys.net(name), toys.images(3)
    errors = [
        (explained(model, images, written)[0] - explained(model, images, "dtd_zero")[0]).abs().max()
        for written in ("lrp_epsilon(epsilon=1e-09)", "lrp_epsilon(epsilon=1e-07)", "lrp_epsilon")
    ]
    assert 0 < errors[0] < errors[1] < errors[2]
    assert errors[1] / errors[0] == pytest.approx(100, rel=0.1)


def test_I05_bias_share_is_what_a_sum_misses():
    """The sum of a map and the gradient at every bias, times the bias, make up the logit."""
    model, images = toys.net("mlp"), toys.images(3)
    (lrp,) = explained(model, images, "dtd_zero")
    for number, (image, target) in enumerate(zip(images, TARGETS.tolist(), strict=True)):
        biases = [layer.bias for layer in model if isinstance(layer, nn.Linear)]
        slopes = torch.autograd.grad(model(image[None])[0, target], biases)
        share = sum((bias * slope).sum() for bias, slope in zip(biases, slopes, strict=True))
        assert float(lrp[number].sum() + share) == pytest.approx(float(model(image[None])[0, target]), rel=1e-10)


@pytest.mark.parametrize("name", ["mlp", "max_pool"])
def test_I06_without_biases_and_from_zero_deeplift_lrp_and_gradient_x_input_are_one(name):
    model, images = toys.net(name), toys.images(3)
    with torch.no_grad():
        for parameter in (each for each in model.parameters() if each.dim() == 1):
            parameter.zero_()
    deeplift, lrp, product = explained(model, images, "deeplift", "dtd_zero", "gradient_x_input")
    assert close(deeplift, product) and close(lrp, product)
    assert close(product.sum((1, 2, 3)), logits_of(model, images))
    with_biases = explained(toys.net(name), images, "deeplift", "gradient_x_input")
    assert not close(*with_biases, 0.05)


@pytest.mark.parametrize("name", ["mlp", "residual", "from_input"])
def test_I08_products_vanish_exactly_where_the_image_is_the_reference(name):
    model, images = toys.net(name), toys.images(3)
    for maps in explained(model, images, "deeplift", "lrp_epsilon", "dtd_zero"):
        assert (maps[images == 0] == 0).all() and (maps[images != 0] != 0).any()
    images[:, :, :3] = REFERENCES["mean"][:, :3]
    (maps,) = explained(model, images, "deeplift(reference=mean)")
    assert (maps[:, :, :3] == 0).all() and (maps[:, :, 3:] != 0).any()


@pytest.mark.parametrize("written", ["deeplift", "deeplift(reference=mean)"])
def test_I02_deeplift_of_a_linear_model_is_the_difference_times_the_weights(written):
    model, images = toys.net("linear"), toys.images(3)
    reference = REFERENCES["mean"] if "mean" in written else torch.zeros_like(images[0])
    assert close(
        explained(model, images, written)[0], (images - reference) * model[1].weight.detach()[TARGETS].view_as(images)
    )


# ---------------------------------------------------------------- conservation (I-20) and shifts (I-23)


@pytest.mark.parametrize("name", LAYERED)
@pytest.mark.parametrize("written", ["dtd_zplus", "dtd_zbox", "dtd_w2"])
def test_I20_deep_taylor_rules_conserve_the_logit_and_are_non_negative_for_a_positive_one(name, written):
    """One sum over the pixels stands for all layers: what a layer loses, the image misses."""
    model, images = toys.net(name), toys.images(3).abs()
    (maps,) = explained(model, images, written)
    logits = logits_of(model, images)
    alive = maps.flatten(1).abs().amax(1) > 0
    assert alive.any()
    assert close(maps.sum((1, 2, 3))[alive], logits[alive])
    assert (maps[logits > 0] >= 0).all() and (maps[logits < 0] <= 0).all()


@pytest.mark.parametrize("name", LAYERED)
def test_I20_lrp_with_the_bias_left_out_conserves_the_logit(name):
    model, images = toys.net(name), toys.images(3)
    (maps,) = explained(model, images, "dtd_zero(bias=out)")
    assert close(maps.sum((1, 2, 3)), logits_of(model, images), 1e-9)
    (within,) = explained(model, images, "dtd_zero")
    assert not close(within.sum((1, 2, 3)), logits_of(model, images), 1e-3)


def shifted_net(name, shift):
    """The net of an image moved by ``shift`` (C, H, W): its first layer's bias makes up for it."""
    model = toys.net(name)
    return toys.Lambda(lambda m, x: m.rest(m.first(x)), first=Compensated(model, shift), rest=model[2:])


class Compensated(nn.Module):
    """A dense first layer behind a flatten whose bias takes a shift of the images back."""

    def __init__(self, model, shift):
        super().__init__()
        self.weight, self.bias = model[1].weight, nn.Parameter(model[1].bias - model[1].weight @ shift.flatten())

    def forward(self, x):
        return nn.functional.linear(x.flatten(1), self.weight, self.bias)


def test_I23_zbox_with_its_box_and_w2_do_not_see_a_shift_of_the_images():
    images, shift = toys.images(3), torch.randn((2, 6, 6), generator=torch.Generator().manual_seed(7)).double()
    model, other = toys.net("mlp"), shifted_net("mlp", shift)
    assert close(other(images + shift), model(images))
    moved = {name: image + shift for name, image in REFERENCES.items()}
    for written in ("dtd_zbox", "dtd_w2"):
        assert close(
            explained(other, images + shift, written, references=moved)[0], explained(model, images, written)[0]
        )
    unmoved, before = explained(other, images + shift, "dtd_zbox")[0], explained(model, images, "dtd_zbox")[0]
    assert not close(unmoved, before, 0.01)


def test_J06_lrp_sees_a_shift_as_gradient_x_input_does():
    images, shift = toys.images(3), torch.randn((2, 6, 6), generator=torch.Generator().manual_seed(7)).double()
    model, other = toys.net("mlp"), shifted_net("mlp", shift)
    (gradient,) = explained(model, images, "gradient")
    difference = explained(other, images + shift, "dtd_zero")[0] - explained(model, images, "dtd_zero")[0]
    assert close(difference, shift * gradient)


# ---------------------------------------------------------------- invariance (I-11, I-18)


@pytest.mark.parametrize("written", ["deeplift(reference=mean)", "dtd_zero", "dtd_zplus", "dtd_w2", "dtd_zbox"])
def test_I18_rescaling_a_hidden_unit_changes_no_map(written):
    model, images = toys.net("max_pool"), toys.images(3).abs()
    (before,) = explained(model, images, written)
    with torch.no_grad():
        factors = 10 ** torch.linspace(-2, 2, 5, dtype=torch.float64)
        model[0].weight *= factors.view(-1, 1, 1, 1)
        model[0].bias *= factors
        model[3].weight /= factors.view(1, -1, 1, 1)
    assert close(explained(model, images, written)[0], before)


@pytest.mark.parametrize("written", ["deeplift", "lrp_epsilon(scale=layer)", "dtd_zero", "dtd_zplus", "dtd_w2"])
@pytest.mark.parametrize("factor", [1e-9, 2.5, -3.0])
def test_I11_scaling_the_logit_layer_scales_the_map(written, factor):
    """Also by 1e-9, as in a destroyed net: no threshold of these rules is absolute."""
    model, images = toys.net("max_pool"), toys.images(3).abs()
    (before,) = explained(model, images, written)
    with torch.no_grad():
        model[6].weight *= factor
        model[6].bias *= factor
    if (factor < 0 and written.startswith("dtd_z") and written != "dtd_zero") or (written == "dtd_w2" and factor < 0):
        # The positive weights of the logit layer are others then.
        assert not close(explained(model, images, written)[0], factor * before, 0.01)
    else:
        assert close(explained(model, images, written)[0], factor * before)


def test_epsilon_of_the_layer_survives_a_tiny_net_and_an_absolute_one_erases_it():
    model, images = toys.net("mlp"), toys.images(3)
    with torch.no_grad():
        for depth, layer in enumerate((model[1], model[3], model[5]), start=1):
            layer.weight.mul_(1e-5)
            layer.bias.mul_(1e-5**depth)
    absolute, layered, exact = explained(model, images, "lrp_epsilon", "lrp_epsilon(scale=layer)", "gradient_x_input")
    assert absolute.abs().max() < 1e-6 * exact.abs().max()
    assert close(layered, exact, 0.1)


# ---------------------------------------------------------------- beside Zennit and Captum


def zennits(model, images, composite):
    start = torch.nn.functional.one_hot(TARGETS, 4).double() * model(images).detach()
    with ZennitGradient(model=model, composite=composite) as attributor:
        return attributor(images, start)[1].detach()


LAYERS, RELU = (nn.Linear, nn.Conv2d), [(nn.ReLU, Pass())]


@pytest.mark.parametrize("name", ["linear", "mlp", "max_pool"])
@pytest.mark.parametrize("epsilon", [1e-4, 0.3])
def test_lrp_equals_zennit(name, epsilon):
    model, images = toys.net(name), toys.images(3)
    theirs = zennits(model, images, LayerMapComposite([*RELU, (LAYERS, Epsilon(epsilon))]))
    written = "lrp_epsilon" if epsilon == 1e-4 else f"lrp_epsilon(epsilon={epsilon})"
    assert close(explained(model, images, written)[0], theirs, 1e-9)


@pytest.mark.parametrize("name", ["mlp", "max_pool"])
@pytest.mark.parametrize(
    ("written", "first"),
    [
        ("dtd_zplus", lambda: ZPlus(1e-15, zero_params="bias")),
        ("dtd_w2", lambda: WSquare(1e-15, zero_params="bias")),
        ("dtd_zbox", lambda: ZBox(-9.0, 9.0, 1e-15, zero_params="bias")),
    ],
)
def test_deep_taylor_decomposition_equals_zennit(name, written, first):
    model, images = toys.net(name), toys.images(3).abs()
    above = [*RELU, (LAYERS, ZPlus(1e-15, zero_params="bias"))]
    theirs = zennits(model, images, SpecialFirstLayerMapComposite(above, [(LAYERS, first())]))
    assert close(explained(model, images, written)[0], theirs, 1e-9)


def test_lrp_equals_captum():
    """It has no rule for nn.Flatten."""
    model, images = toys.net("mlp")[1:], toys.images(3).flatten(1)
    for layer in model:
        if isinstance(layer, nn.Linear):
            layer.rule = CaptumEpsilon(0.3)
    theirs = captum.LRP(model).attribute(images, target=TARGETS).detach()
    ours = explained(toys.net("mlp"), toys.images(3), "lrp_epsilon(epsilon=0.3)")[0]
    assert close(ours.flatten(1), theirs, 1e-6)


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize("written", ["dtd_zplus", "dtd_w2", "dtd_zbox", "dtd_zero(bias=out)"])
def test_batch_norm_and_sums_are_refused_by_layer(written):
    with pytest.raises(StudyError, match=r"NativeBatchNormBackward0 in the layer 'norm1' \(BatchNorm2d\)"):
        explained(toys.net("residual"), toys.images(3).abs(), written)


@pytest.mark.parametrize(
    ("written", "images", "says"),
    [
        ("dtd_zplus", toys.images(3), "pixels below 0, for which the z. rule is not defined; take dtd_zbox or dtd_w2"),
        ("dtd_zbox", 20 * toys.images(3), "below the reference 'black' or above 'white'"),
    ],
)
def test_pixels_out_of_range_are_refused(written, images, says):

    model = working_copy(toys.net("mlp"))
    workspace = Workspace(model, images, TARGETS, Noise([0, 1, 2], (2, 6, 6), 0), references=REFERENCES)
    with pytest.raises(StudyError, match=says):
        method(written).check(workspace)


def test_layer_that_takes_negative_values_is_refused():
    model = toys.randomise(nn.Sequential(nn.Flatten(), nn.Linear(72, 8), nn.Linear(8, 4)).double())
    with pytest.raises(StudyError, match=r"a ReLU before every dense .* weights \(4, 8\) with negative values"):
        explained(model, toys.images(3).abs(), "dtd_w2")


@pytest.mark.parametrize("written", ["lrp_epsilon", "dtd_w2", "dtd_zero(bias=out)"])
def test_layer_out_of_reach_is_refused(written):
    """A product with a matrix that no linear layer makes: its epsilon or its positive part would be left out."""
    model = toys.Lambda(
        lambda m, x: torch.relu(m.hidden(x.flatten(1))) @ m.out.weight.T, hidden=nn.Linear(72, 8), out=nn.Linear(8, 4)
    )
    with pytest.raises(StudyError, match="MmBackward0 outside its layers"):
        explained(toys.randomise(model.double()), toys.images(3), written)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("lrp_epsilon(epsilon=-0.1)", "a number >= 0"),
        ("lrp_epsilon(scale=huge)", "choose one of absolute, layer"),
        ("lrp_epsilon(bias=none)", "choose one of in, out"),
        ("dtd_zero(bias=none)", "choose one of in, out"),
    ],
)
def test_wrong_words_are_refused(written, says):

    with pytest.raises(StudyError, match=says):
        method(written)
