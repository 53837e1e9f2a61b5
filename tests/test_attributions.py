"""Every method equals a slow, plain re-implementation on every net, and its written form says what it does."""

from __future__ import annotations

import copy
import itertools
import re

import numpy as np
import oracles
import pytest
import torch
import toys
from captum import attr as captum
from torch import nn

from lib import attributions, compute, sources
from lib.attributions import attribute, method, methods
from lib.attributions.base import explain
from lib.attributions.noise import streamed_moments
from lib.comparison import Examples
from lib.errors import StudyError
from lib.randomization import check_methods
from lib.workspace import Noise, Workspace, working_copy


def noise_of(image_id, seed=0):
    """The library's own noise for one image, as its documented name says, for use in a plain loop."""
    return lambda count: torch.randn(
        (count, 2, toys.SIDE, toys.SIDE), generator=compute.generator(seed, "noise", image_id)
    )


def explained(model, images, targets, written):
    """Maps by a workspace that has the reference images and the training images of the grid."""
    return attribute(model, images, targets, written, references=toys.REFERENCES, training_images=toys.TRAINING)


def test_every_registered_method_is_in_the_shared_grid():
    assert {case.written.partition("(")[0] for case in toys.CASES} == set(attributions.METHODS)


@pytest.mark.parametrize("case", [pair for pair in toys.GRID if pair[0].oracle], indirect=True, ids=toys.pair_name)
def test_method_equals_a_plain_re_implementation(case):
    declared, model, images, targets = case
    maps = explained(model, images, targets, [declared.written])[declared.written]
    for number, (image, target) in enumerate(zip(images, targets.tolist(), strict=True)):
        expected = declared.oracle(model, image, target, noise_of(number))
        scale = expected.abs().max()
        of_gradients_that_may_be_equal = ("vargrad(samples", "vargrad_absolute")
        assert scale > 0 or "cam" in declared.written or declared.written.startswith(of_gradients_that_may_be_equal)
        assert (maps[number] - expected).abs().max() <= 1e-10 * max(scale, 1e-3)


@pytest.mark.parametrize(("written", "zero_on"), [("gradcam", {"linear", "mlp"}), ("vargrad(samples=5)", {"linear"})])
def test_grid_gives_maps_that_are_not_zero(written, zero_on):
    """So that the comparison above cannot pass on zeros alone."""
    for name in toys.NETS.keys() - zero_on:
        maps = attribute(toys.net(name), toys.images(3, name), torch.tensor([0, 1, 3]), [written])[written]
        assert maps.min() >= 0 and (maps.flatten(1).amax(1) > 0).any(), name


def test_map_has_the_images_shape_and_precision_and_the_model_stays_as_it_was(case):
    declared, model, images, targets = case
    model.train()
    before, kept = copy.deepcopy(model.state_dict()), images.clone()
    maps = explained(model, images, targets, [declared.written])[declared.written]
    assert maps.shape == images.shape and not maps.requires_grad and maps.isfinite().all()
    assert maps.dtype == torch.float64
    assert torch.equal(images, kept) and model.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_map_of_an_image_does_not_depend_on_its_batch_mates(case):
    declared, model, images, targets = case
    together = explained(model, images, targets, [declared.written])[declared.written]
    alone = explained(model, images[:1], targets[:1], [declared.written])[declared.written]
    assert torch.allclose(together[:1], alone, rtol=1e-10, atol=1e-12)


def test_map_in_single_precision_is_repeatable_to_the_bit_and_agrees_with_double(case):
    """Each call explains by a working copy of its own."""
    declared, model, images, targets = case
    model, images = model.float(), images.float()
    first, again = (explained(model, images, targets, [declared.written])[declared.written] for _ in range(2))
    assert first.dtype == torch.float32 and first.shape == images.shape and torch.equal(first, again)
    double = explained(model.double(), images.double(), targets, [declared.written])[declared.written]
    assert (first - double).abs().max() <= declared.rounding * double.abs().max()


def test_method_written_back_is_the_same_method(case):
    written = case[0].written
    assert method(written).name == written
    assert method(method(written).name) == method(written)


def test_methods_together_give_the_bits_they_give_alone():
    """Shared parts must not leak from one method to another, in any order; no two of these share noisy copies."""
    model, images, targets = toys.net("max_pool"), toys.images(3), torch.tensor([0, 1, 3])
    written = [case.written for case in toys.CASES if not case.positive]
    forwards = explained(model, images, targets, written)
    backwards = explained(model, images, targets, written[::-1])
    for each in written:
        alone = explained(model, images, targets, [each])[each]
        assert torch.equal(forwards[each], alone) and torch.equal(backwards[each], alone), each


def test_many_images_are_worked_on_in_parts_without_a_seam(monkeypatch):
    """More images than one pass takes: same maps as one image at a time, noise by the image's number."""
    monkeypatch.setattr("lib.workspace._PASS_NUMBERS", 1)
    model, images, targets = toys.net("max_pool"), toys.images(19), torch.arange(19) % 4
    maps = attribute(model, images, targets, ["smoothgrad(samples=2)", "gradcam"])
    for number in (0, 7, 8, 18):
        noise = noise_of(number)(2)
        expected = oracles.plain_smoothgrad(model, images[number], number % 4, noise)
        assert torch.allclose(maps["smoothgrad(samples=2)"][number], expected, atol=1e-12)
        assert torch.allclose(maps["gradcam"][number], oracles.plain_gradcam(model, images[number], number % 4))


# ---------------------------------------------------------------- other people's implementations


def test_integrated_gradients_equal_captum_with_the_midpoint_rule():
    model, images, targets = toys.net("max_pool"), toys.images(3), torch.tensor([0, 1, 3])
    theirs = captum.IntegratedGradients(model).attribute(images, target=targets, n_steps=20, method="riemann_middle")
    ours = attribute(model, images, targets, ["integrated_gradients(steps=20)"])["integrated_gradients(steps=20)"]
    # Captum's nodes are made in float32. Its other rules (Gauss-Legendre, trapezoid) differ by more than 1e-3.
    assert (ours - theirs).abs().max() < 1e-6 * ours.abs().max()


def test_integrated_gradients_from_a_reference_equal_captum():
    model, images, targets = toys.net("max_pool"), toys.images(3), torch.tensor([0, 1, 3])
    for name, reference in toys.REFERENCES.items():
        theirs = captum.IntegratedGradients(model).attribute(
            images, reference.expand_as(images), target=targets, n_steps=20, method="riemann_middle"
        )
        (ours,) = explained(model, images, targets, [f"integrated_gradients(reference={name},steps=20)"]).values()
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


def test_default_vargrad_and_smoothgrad_have_50_samples_and_ig_smoothgrad_25_of_10_steps():
    model, images, targets = toys.net("max_pool"), toys.images(2), torch.tensor([0, 3])
    for short in ("vargrad", "smoothgrad"):
        assert method(short) == method(f"{short}(of=gradient,samples=50,noise_level=0.15)")
    long = "smoothgrad(of=integrated_gradients(steps=10),samples=25)"
    maps, same = (attribute(model, images, targets, [each])[each] for each in ("ig_smoothgrad", long))
    assert torch.equal(maps, same)
    expected = oracles.plain_vargrad(model, images[1], 3, noise_of(1)(50))
    found = attribute(model, images, targets, ["vargrad"])["vargrad"][1]
    assert (found - expected).abs().max() <= 1e-10 * expected.abs().max()


@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_variance_is_never_negative_where_the_mean_is_large_and_the_difference_of_squares_fails(size):
    """float32, mean 10 000, spread about 0.05: E[x²] - E[x]² is negative or far off at most pixels (Captum's form)."""
    generator = torch.Generator().manual_seed(0)
    maps = (1e4 + 0.05 * torch.randn(50, 2, 1, 6, 6, generator=generator)).float()
    true = np.var(maps.double().numpy(), axis=0)
    mean, variance = streamed_moments(maps.split(size))
    assert variance.dtype == torch.float32 and variance.min() >= 0
    assert np.allclose(variance, true, rtol=1e-5) and np.allclose(mean, maps.double().mean(0), rtol=6e-8)
    naive = (maps.square().mean(0) - maps.mean(0).square()).numpy()
    assert (naive < 0).mean() > 0.1 and (abs(naive - true) > true).mean() > 0.5


def test_variance_of_equal_maps_is_exactly_zero_in_whatever_groups():
    maps = torch.full((10, 1, 1, 1, 1), 0.1)
    assert maps.sum(0) / 10 != 0.1, "a plain mean is not exact here"
    for size in (1, 3, 10):
        assert streamed_moments(maps.split(size)).variance == 0


@pytest.mark.parametrize("of", ["gradient", "integrated_gradients(reference=mean,steps=3)", "guided_backprop"])
def test_noisy_copies_are_explained_in_groups_of_bounded_size_with_the_same_result(of, monkeypatch):
    written = method(f"vargrad(of={of},samples=7)").name
    model, images, targets = toys.net("max_pool"), toys.images(3), torch.tensor([0, 1, 3])
    (whole,) = explained(model, images, targets, [written]).values()
    monkeypatch.setattr("lib.workspace._PASS_NUMBERS", 1)  # then 8 images go through the model at once
    sizes = []
    model.register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    (pieces,) = explained(model, images, targets, [written]).values()
    assert max(sizes) == 6 and torch.allclose(pieces, whole, rtol=1e-12, atol=0)


# ---------------------------------------------------------------- shared work


def passes(written, model="max_pool", references=toys.REFERENCES):
    """Maps of some methods on one workspace, and how many forward passes they took together."""
    model, images = working_copy(toys.net(model)), toys.images(3)
    targets, noise = torch.tensor([0, 1, 3]), Noise([0, 1, 2], images.shape[1:], 0)
    calls = []
    workspace = Workspace(model, images, targets, noise, references=references)
    for each in (chosen := methods(written)):
        each.check(workspace)
    model.register_forward_hook(lambda *_: calls.append(1))
    return explain(chosen, workspace), len(calls)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("vargrad", "smoothgrad"),
        ("vargrad(of=guided_backprop,samples=4)", "smoothgrad(of=guided_backprop,samples=4)"),
        ("vargrad(of=integrated_gradients(steps=10),samples=25)", "ig_smoothgrad"),
    ],
)
def test_mean_over_noisy_copies_comes_from_vargrads_pass_in_any_order(first, second):
    _, alone = passes([first])
    together, both = passes([first, second])
    turned, also = passes([second, first])
    mean, _ = passes([second])
    assert both == also == alone
    assert list(together) == [first, second] and list(turned) == [second, first]
    assert all(torch.equal(together[name], turned[name]) for name in together)
    assert (together[second] - mean[second]).abs().max() <= 1e-12 * mean[second].abs().max()


@pytest.mark.parametrize("other", ["vargrad(samples=49)", "vargrad(noise_level=0.2)", "vargrad(of=gradient_x_input)"])
def test_mean_is_not_taken_from_other_copies_or_another_method(other):
    (smooth, _), (alone, _) = passes([other, "smoothgrad"]), passes(["smoothgrad"])
    assert torch.equal(smooth["smoothgrad"], alone["smoothgrad"])


def test_smoothgrad_from_vargrads_pass_agrees_in_float32_to_1e_6():
    model, images, targets = toys.net("residual").float(), toys.images(3).float(), torch.tensor([0, 1, 3])
    together, alone = (attribute(model, images, targets, each) for each in (["vargrad", "smoothgrad"], ["smoothgrad"]))
    difference = (together["smoothgrad"] - alone["smoothgrad"]).abs().max()
    assert 0 < difference <= 1e-6 * alone["smoothgrad"].abs().max()


def test_references_that_are_the_same_image_share_the_passes_and_the_bits():
    written = ["integrated_gradients", *(f"integrated_gradients(reference={name})" for name in ("black", "pixelmin"))]
    zero = torch.zeros(2, toys.SIDE, toys.SIDE, dtype=torch.float64)
    maps, together = passes(written, references={"black": zero, "pixelmin": -zero.float()})
    (alone, once), (_, twice) = passes(written[:1]), passes(written[:2])
    assert together == once < twice
    assert all(torch.equal(found, alone["integrated_gradients"]) for found in maps.values())


def test_quadratures_and_steps_do_not_share_a_map():
    written = [f"integrated_gradients({each})" for each in ("steps=5", "quadrature=linspace,steps=5", "steps=6")]
    maps, _ = passes(written)
    assert all(not torch.allclose(maps[a], maps[b], rtol=1e-3) for a, b in itertools.combinations(written, 2))


# ---------------------------------------------------------------- references


class Untouchable(nn.Module):
    def forward(self, x):
        raise AssertionError("the model must not run before the references are checked")


@pytest.mark.parametrize(
    "of",
    [
        "integrated_gradients(reference=mean)",
        "vargrad(of=integrated_gradients(reference=mean),samples=2)",
        "input(reference=mean)",
    ],
)
@pytest.mark.parametrize(
    ("references", "says"),
    [
        (None, "give references={'mean': tensor of shape (2, 6, 6)}"),
        ({"black": toys.REFERENCES["black"]}, "needs a reference image called 'mean'"),
        ({"mean": toys.REFERENCES["mean"][:1]}, "shape (1, 6, 6)"),
        ({"mean": toys.images(3)}, "shape (3, 2, 6, 6)"),
    ],
)
def test_missing_or_misshapen_reference_is_refused_before_any_compute(references, says, of):
    images, targets = toys.images(3), torch.tensor([0, 1, 3])
    workspace = Workspace(Untouchable(), images, targets, Noise([0, 1, 2], (2, 6, 6), 0), references=references)
    chosen = method(of)
    for attempt in (chosen.check, chosen):
        with pytest.raises(StudyError) as caught:
            attempt(workspace)
        assert says in str(caught.value)


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
        ("integrated_gradients(reference=grey)", "zero, black, mean, pixelmin, white"),
        ("input(reference=grey)", "input(reference=…) got 'grey'; choose one of zero, black, mean, pixelmin, white."),
        ("edge(detector=prewitt)", "edge(detector=…) got 'prewitt'; choose one of sobel, canny, log, scharr."),
        ("integrated_gradients(quadrature=simpson)", "midpoint, linspace"),
        ("integrated_gradients(quadrature=linspace,steps=1)", "at least 2"),
        ("vargrad(samples=0)", "vargrad needs samples"),
        ("ig_smoothgrad(samples=0)", "ig_smoothgrad needs samples"),
        ("ig_smoothgrad(steps=0)", "at least 1"),
        ("ig_smoothgrad(of=gradient)", "no argument 'of'"),
        ("vargrad(of=gradiant)", "did you mean gradient"),
        ("vargrad(of=)", "not known"),
        ("vargrad(of=integrated_gradients(steps=ten),samples=2)", "integrated_gradients(steps=…)"),
        ("vargrad(of=integrated_gradients(steps=10)", "brackets of the method 'vargrad"),
        ("vargrad(of=integrated_gradients(steps=10)),samples=2)", "brackets"),
        ("vargrad(of=integrated_gradients)steps=10(,samples=2)", "brackets"),
        ("vargrad(of=gradient,of=gradient)", "twice"),
        ("vargrad(of=vargrad)", "vargrad adds noise itself"),
        ("smoothgrad(of=ig_smoothgrad(samples=2))", "ig_smoothgrad(samples=2) adds noise itself"),
        ("vargrad(of=random)", "does not look at the model"),
        ("vargrad(of=edge)", "does not look at the model"),
        ("smoothgrad(of=input,samples=2)", "does not look at the model"),
        ("smoothgrad(of=no_such_module:function)", "could not be imported"),
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


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("vargrad(of=integrated_gradients(steps=10),samples=25)", None),
        (
            "vargrad(samples=25, of = integrated_gradients( steps=10 ))",
            "vargrad(of=integrated_gradients(steps=10),samples=25)",
        ),
        ("smoothgrad(of=integrated_gradients(reference=mean,quadrature=linspace,steps=9),noise_level=0.4)", None),
        ("smoothgrad(of=gradcam(layer=0.1),samples=2)", None),
        ("vargrad(of=toys:own_gradient,samples=2)", None),
        ("smoothgrad(of=gradient,samples=50)", "smoothgrad"),
        ("vargrad(of=integrated_gradients(steps=50))", "vargrad(of=integrated_gradients)"),
        ("ig_smoothgrad(steps=10,samples=50)", "ig_smoothgrad(samples=50)"),
        ("integrated_gradients(steps=50,quadrature=midpoint,reference=zero)", "integrated_gradients"),
    ],
)
def test_methods_inside_methods_are_written_back_in_one_form(written, name):
    each = method(written)
    assert each.name == (name or written) and method(each.name) == each


def test_numbers_of_a_method_rest_on_the_code_of_the_method_inside_it():
    """The key of stored scores is made of these modules."""

    def of(written):
        return [sources.name_of(part) for part in method(written).made_of]

    assert of("gradient") == ["lib.attributions.gradients:Gradient"]
    inside = ["lib.attributions.noise:VarGrad", "lib.attributions.rectified:GuidedBackprop"]
    assert of("vargrad(of=guided_backprop)") == inside
    assert of("ig_smoothgrad") == ["lib.attributions.noise:IGSmoothGrad", "lib.attributions.path:IntegratedGradients"]
    own = of("smoothgrad(of=toys:own_gradient)")[1:]
    # What the module of the function imports from its own folder counts too.
    assert own[:2] == ["lib.attributions.custom:Custom", "toys:own_gradient"] and "oracles" in own


def test_method_named_twice_is_refused():
    with pytest.raises(StudyError, match="twice"):
        methods(["vargrad", "edge", "vargrad"])


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("integrated_gradients(steps=50)", "integrated_gradients"),
        ("vargrad(of=gradient)", "vargrad"),
        ("smoothgrad( samples = 4 )", "smoothgrad(samples=4)"),
        ("integrated_gradients(steps=4,reference=mean)", "integrated_gradients(reference=mean,steps=4)"),
    ],
)
def test_another_spelling_is_refused_because_scores_would_not_have_it(spelling, name):
    with pytest.raises(StudyError, match=re.escape(f"called {name!r}")):
        methods(["edge", spelling])


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
        ("mlp", "smoothgrad(of=gradcam,samples=2)", "names none"),
        ("mlp", "gradcam(layer=nowhere)", "no module 'nowhere'"),
        ("mlp", "gradcam(layer=3)", "convolutional"),
        ("residual", "gradcam(layer=relu)", "runs 2 times"),
    ],
)
def test_gradcam_without_a_usable_layer_is_refused(name, written, says):
    with pytest.raises(StudyError) as caught:
        check_methods(toys.net(name), Examples.of(toys.images(2), torch.tensor([0, 1])), [written])
    assert says in str(caught.value)
