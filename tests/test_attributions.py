"""Every method equals a slow, plain re-implementation on every net, and its written form says what it does."""

from __future__ import annotations

import copy

import pytest
import torch
import toys
from captum import attr as captum
from torch import nn

from lib import attributions, compute
from lib.attributions import attribute, method, methods
from lib.errors import StudyError
from lib.randomization import check_methods
from lib.workspace import Noise, Workspace


def noise_of(image_id, seed=0):
    """The library's own noise for one image, as its documented name says, for use in a plain loop."""
    return lambda count: torch.randn(
        (count, 2, toys.SIDE, toys.SIDE), generator=compute.generator(seed, "noise", image_id)
    )


def test_every_registered_method_is_in_the_shared_grid():
    assert {case.written.partition("(")[0] for case in toys.CASES} == set(attributions.METHODS)


@pytest.mark.parametrize("case", [pair for pair in toys.GRID if pair[0].oracle], indirect=True, ids=toys.pair_name)
def test_method_equals_a_plain_re_implementation(case):
    declared, model, images, targets = case
    maps = attribute(model, images, targets, [declared.written])[declared.written]
    for number, (image, target) in enumerate(zip(images, targets.tolist(), strict=True)):
        expected = declared.oracle(model, image, target, noise_of(number))
        scale = expected.abs().max()
        assert scale > 0 or "cam" in declared.written
        assert (maps[number] - expected).abs().max() <= 1e-10 * max(scale, 1e-3)


def test_grid_gives_gradcam_maps_that_are_not_zero():
    """So that the comparison above cannot pass on zeros alone."""
    for name in toys.NETS.keys() - {"linear", "mlp"}:
        maps = attribute(toys.net(name), toys.images(3, name), torch.tensor([0, 1, 3]), ["gradcam"])["gradcam"]
        assert maps.min() >= 0 and (maps.flatten(1).amax(1) > 0).any(), name


def test_map_has_the_images_shape_and_precision_and_the_model_stays_as_it_was(case):
    declared, model, images, targets = case
    model.train()
    before, kept = copy.deepcopy(model.state_dict()), images.clone()
    maps = attribute(model, images, targets, [declared.written])[declared.written]
    assert maps.shape == images.shape and not maps.requires_grad and maps.isfinite().all()
    if declared.written != "random":
        assert maps.dtype == torch.float64
    assert torch.equal(images, kept) and model.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_map_of_an_image_does_not_depend_on_its_batch_mates(case):
    declared, model, images, targets = case
    together = attribute(model, images, targets, [declared.written])[declared.written]
    alone = attribute(model, images[:1], targets[:1], [declared.written])[declared.written]
    assert torch.allclose(together[:1], alone, rtol=1e-10, atol=1e-12)


def test_method_written_back_is_the_same_method(case):
    written = case[0].written
    assert method(written).name == written
    assert method(method(written).name) == method(written)


def test_methods_together_give_the_bits_they_give_alone():
    """Shared parts must not leak from one method to another, in any order."""
    model, images, targets = toys.net("max_pool"), toys.images(3), torch.tensor([0, 1, 3])
    written = [case.written for case in toys.CASES]
    forwards = attribute(model, images, targets, written)
    backwards = attribute(model, images, targets, written[::-1])
    for each in written:
        alone = attribute(model, images, targets, [each])[each]
        assert torch.equal(forwards[each], alone) and torch.equal(backwards[each], alone), each


def test_many_images_are_worked_on_in_parts_without_a_seam(monkeypatch):
    """More images than one pass takes: same maps as one image at a time, noise by the image's number."""
    monkeypatch.setattr("lib.workspace._PASS_NUMBERS", 1)
    model, images, targets = toys.net("max_pool"), toys.images(19), torch.arange(19) % 4
    maps = attribute(model, images, targets, ["smoothgrad(samples=2)", "gradcam"])
    for number in (0, 7, 8, 18):
        noise = noise_of(number)(2)
        expected = toys.plain_smoothgrad(model, images[number], number % 4, noise)
        assert torch.allclose(maps["smoothgrad(samples=2)"][number], expected, atol=1e-12)
        assert torch.allclose(maps["gradcam"][number], toys.plain_gradcam(model, images[number], number % 4))


# ---------------------------------------------------------------- other people's implementations


def test_integrated_gradients_equal_captum_with_the_midpoint_rule():
    model, images, targets = toys.net("max_pool"), toys.images(3), torch.tensor([0, 1, 3])
    theirs = captum.IntegratedGradients(model).attribute(images, target=targets, n_steps=20, method="riemann_middle")
    ours = attribute(model, images, targets, ["integrated_gradients(steps=20)"])["integrated_gradients(steps=20)"]
    # Captum's nodes are made in float32. Its other rules (Gauss-Legendre, trapezoid) differ by more than 1e-3.
    assert (ours - theirs).abs().max() < 1e-6 * ours.abs().max()


@pytest.mark.parametrize("name", ["max_pool", "pooled"])
def test_gradcam_and_guided_gradcam_equal_captum(name):
    model, images, targets = toys.net(name), toys.images(3), torch.tensor([0, 1, 3])
    layer = dict(model.named_modules())[model.gradcam_layer]
    coarse = captum.LayerGradCam(model, layer).attribute(images, target=targets, relu_attributions=True)
    theirs = captum.LayerAttribution.interpolate(coarse, images.shape[2:], "bilinear")
    guided = captum.GuidedGradCam(model, layer).attribute(images, target=targets, interpolate_mode="bilinear")
    ours = attribute(model, images, targets, ["gradcam", "guided_gradcam"])
    assert torch.allclose(ours["gradcam"], theirs.expand_as(images), rtol=0, atol=1e-12)
    assert torch.allclose(ours["guided_gradcam"], guided, rtol=0, atol=1e-12)


# ---------------------------------------------------------------- noise


def test_random_is_new_for_every_image_state_and_seed_and_standard_normal():
    model, images, targets = toys.net("linear"), toys.images(40), torch.zeros(40, dtype=torch.long)
    maps = attribute(model, images, targets, ["random"])["random"]
    assert len(maps.flatten(1).unique(dim=0)) == 40
    assert abs(maps.mean()) < 4 / maps.numel() ** 0.5 and abs(maps.std() - 1) < 4 / (2 * maps.numel()) ** 0.5
    assert not torch.equal(attribute(model, images, targets, ["random"], seed=1)["random"], maps)
    noise = Noise([0], (2, toys.SIDE, toys.SIDE), 0)
    trained, broken = (method("random")(Workspace(model, images[:1], targets[:1], noise, s)) for s in ("trained", "0"))
    assert torch.equal(trained[0], maps[0]) and not torch.isclose(broken, trained).any()


def test_smoothgrad_noise_is_a_share_of_each_images_own_range():
    """S = sum of relu(x): the averaged gradient at x = 0.3 is the share of noise that stays above -0.3."""

    class Crossed(nn.Module):
        def forward(self, x):
            return torch.relu(x).flatten(1).sum(1, keepdim=True)

    images = torch.zeros(2, 1, 40, 40, dtype=torch.float64) + 0.3
    images[0, 0, 0, :2] = torch.tensor([0.0, 1.0])
    images[1, 0, 0, :2] = torch.tensor([-1.0, 3.0])
    maps = attribute(Crossed(), images, torch.tensor([0, 0]), ["smoothgrad"])["smoothgrad"]
    normal = torch.distributions.Normal(0.0, 1.0)
    for number, width in enumerate((1.0, 4.0)):
        share = normal.cdf(torch.tensor(0.3 / (0.15 * width)))
        assert abs(maps[number, 0, 1:].mean() - share) < 0.006


# ---------------------------------------------------------------- written forms


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("gradiant", "did you mean gradient"),
        ("", "not known"),
        ("integrated_gradients(stepps=10)", "no argument 'stepps'"),
        ("integrated_gradients(steps=ten)", "steps"),
        ("integrated_gradients(steps=2.5)", "steps"),
        ("integrated_gradients(steps=True)", "steps"),
        ("integrated_gradients(steps=0)", "at least 1"),
        ("integrated_gradients(steps)", "steps"),
        ("integrated_gradients(10)", "no argument '10'"),
        ("smoothgrad(samples=0)", "samples"),
        ("smoothgrad(noise_level=-0.1)", "noise_level"),
        ("gradient(steps=10)", "no argument 'steps'"),
        ("gradient(", "brackets"),
        ("integrated_gradients(steps=10", "brackets"),
        ("integrated_gradients(steps=10))", "brackets"),
        ("integrated_gradients(steps=10)0", "brackets"),
        ("integrated_gradients(steps=10, steps=20)", "twice"),
        ("smoothgrad(noise_level=1e999)", "noise_level"),
        ("no_such_module:function", "could not be imported"),
        ("toys:no_such_function", "could not be imported"),
        ("toys:", "could not be imported"),
        (":function", "could not be imported"),
        ("..:function", "could not be imported"),
        ("toys:not_callable", "not a function"),
    ],
)
def test_wrong_written_form_is_refused_with_one_sentence(written, says):
    with pytest.raises(StudyError, match=r".+") as caught:
        method(written)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_default_arguments_do_not_stand_in_the_name():
    assert method("integrated_gradients(steps=50)").name == "integrated_gradients"
    assert method("smoothgrad(samples=10, noise_level=0.15)").name == "smoothgrad(samples=10)"


def test_method_named_twice_is_refused_also_in_two_spellings():
    with pytest.raises(StudyError, match="twice"):
        methods(["integrated_gradients", "gradient", "integrated_gradients(steps=50)"])


def test_words_need_no_quotes_and_a_layer_may_have_a_number_for_a_name():
    """Layers of an nn.Sequential are called 4 or 0.1; such a name must survive being written and read again."""
    for layer in ("4", "0.1", "features.29", "relu2"):
        each = method(f"gradcam(layer={layer})")
        assert each.layer == layer and method(each.name) == each
    model, images, targets = toys.net("max_pool"), toys.images(2), torch.tensor([0, 1])
    named = attribute(model, images, targets, ["gradcam(layer=4)"])["gradcam(layer=4)"]
    assert torch.equal(named, attribute(model, images, targets, ["gradcam"])["gradcam"])


# ---------------------------------------------------------------- a method of your own


def test_dotted_path_is_a_method_under_its_own_name():
    model, images, targets = toys.net("residual"), toys.images(3), torch.tensor([0, 1, 3])
    maps = attribute(model, images, targets, ["toys:own_gradient", "gradient"])
    assert torch.equal(maps["toys:own_gradient"], maps["gradient"])


@pytest.mark.parametrize("path", ["toys:wrong_shape", "toys:not_a_tensor"])
def test_dotted_path_that_gives_no_map_is_refused(path):
    with pytest.raises(StudyError, match="tensor of the images' shape"):
        attribute(toys.net("mlp"), toys.images(2), torch.tensor([0, 1]), [path])


# ---------------------------------------------------------------- GradCAM's layer


def test_own_method_cannot_spoil_the_model_or_the_images():
    model, images, targets = toys.net("mlp"), toys.images(2), torch.tensor([0, 1])
    with pytest.raises(StudyError, match="changed the model"):
        attribute(model, images, targets, ["toys:halves_the_weights", "gradient"])
    kept = images.clone()
    maps = attribute(model, images, targets, ["toys:erases_the_images", "input"])
    assert torch.equal(images, kept) and torch.equal(maps["input"], kept)


@pytest.mark.parametrize(
    ("name", "written", "says"),
    [
        ("mlp", "gradcam", "names none"),
        ("mlp", "guided_gradcam", "names none"),
        ("mlp", "gradcam(layer=nowhere)", "no module 'nowhere'"),
        ("mlp", "gradcam(layer=3)", "convolutional"),
        ("residual", "gradcam(layer=relu)", "runs 2 times"),
    ],
)
def test_gradcam_without_a_usable_layer_is_refused(name, written, says):
    with pytest.raises(StudyError) as caught:
        check_methods(toys.net(name), toys.images(2), torch.tensor([0, 1]), [written])
    assert says in str(caught.value)
