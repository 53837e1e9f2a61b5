"""Identities that must hold exactly, by their id in the methods document; each can fail, and some show that it can."""

from __future__ import annotations

import itertools
import math

import numpy as np
import oracles
import pytest
import torch
import toys
from scipy.optimize import nnls
from torch import nn

from lib import compute, reinitialisation
from lib.attributions import attribute, method
from lib.initialisers import truncated_normal
from lib.similarity import spearman
from lib.units import units_of

TARGETS = torch.tensor([0, 1, 3])
DEGREES = {
    "gradient": 1,
    "gradient_x_input": 1,
    "integrated_gradients": 1,
    "integrated_gradients(reference=mean,quadrature=linspace,steps=7)": 1,
    "smoothgrad": 1,
    "ig_smoothgrad(samples=3,steps=4)": 1,
    "vargrad(samples=5)": 2,
    "vargrad(of=integrated_gradients(steps=3),samples=4)": 2,
    "guided_backprop": 1,
    "deconvnet": 1,
}
"""Methods, and the power with which their maps grow when the explained logit is scaled."""


def close(a, b, tolerance=1e-10):
    """Equal relative to the size of the second."""
    return (a - b).abs().max() <= tolerance * b.abs().max()


def maps_of(model, images, *written, targets=TARGETS):
    written = [method(each).name for each in written]
    return list(attribute(model, images, targets[: len(images)], written, references=toys.REFERENCES).values())


# ---------------------------------------------------------------- linear models


@pytest.mark.parametrize(
    "written",
    [
        "gradient",
        "guided_backprop",
        "deconvnet",
        "smoothgrad",
        "smoothgrad(of=deconvnet,samples=3)",
        "smoothgrad(samples=1,noise_level=3.0)",
        "smoothgrad(samples=7,noise_level=0.0)",
    ],
)
def test_I01_linear_model_is_explained_by_its_weights(written):
    model, images = toys.net("linear"), toys.images(3)
    (maps,) = maps_of(model, images, written)
    assert close(maps.flatten(1), model[1].weight.detach()[TARGETS])


@pytest.mark.parametrize("written", ["vargrad", "vargrad(of=guided_backprop,samples=3,noise_level=3.0)"])
def test_I01_linear_model_has_vargrad_exactly_zero(written):
    """Captum's one-pass formula gives negative numbers here."""
    model, images = toys.net("linear"), toys.images(3)
    assert (maps_of(model, images, written)[0] == 0).all()
    assert (maps_of(model.float(), images.float(), written)[0] == 0).all()


def test_I01_guided_backprop_and_deconvnet_of_a_net_without_relu_are_the_gradient():
    """Convolution, batch norm with negative factors, average and max pooling, a skip: linear pieces only."""
    pool = nn.MaxPool2d(2)
    model = toys.Lambda(
        lambda m, x: m.out(pool(m.norm(m.conv(x)) + x).flatten(1)),
        conv=nn.Conv2d(2, 2, 3, padding=1),
        norm=nn.BatchNorm2d(2),
        out=nn.Linear(18, 4),
    )
    model = toys.randomise(model.double()).eval()
    model.norm.weight.data[0] = -1.5
    guided, deconvnet, gradient = maps_of(model, toys.images(3), "guided_backprop", "deconvnet", "gradient")
    assert torch.equal(guided, gradient) and torch.equal(deconvnet, gradient)


@pytest.mark.parametrize("steps", [1, 2, 50])
def test_I02_linear_model_has_ig_input_times_weights_without_a_half(steps):
    """Both texts of Adebayo et al. print a factor 1/2 that is not there (trap T14)."""
    model, images = toys.net("linear"), toys.images(3)
    expected = images * model[1].weight.detach()[TARGETS].view_as(images)
    for maps in maps_of(model, images, f"integrated_gradients(steps={steps})", "gradient_x_input"):
        assert close(maps, expected)


@pytest.mark.parametrize("rest", ["steps=1", "steps=50", "quadrature=linspace,steps=2", "quadrature=linspace"])
def test_I02_linear_model_has_ig_difference_from_the_reference_times_weights(rest):
    model, images = toys.net("linear"), toys.images(3)
    weights = model[1].weight.detach()[TARGETS].view_as(images)
    for name, reference in toys.REFERENCES.items():
        assert close(
            maps_of(model, images, f"integrated_gradients(reference={name},{rest})")[0], (images - reference) * weights
        )


def test_I02_linear_model_has_ig_smoothgrad_of_each_copys_own_difference_and_its_variance():
    """IG of a copy is (x + g_i) ⊙ w, so the mean has the mean noise in it, and the variance is that of g_i times w²."""
    model, images = toys.net("linear"), toys.images(3)
    weights = model[1].weight.detach()[TARGETS].view_as(images)
    mean, variance = maps_of(model, images, "ig_smoothgrad(samples=4)", "vargrad(of=integrated_gradients,samples=4)")
    for number, image in enumerate(images):
        noise = noise_of(number, 4) * 0.15 * (image.max() - image.min())
        assert close(mean[number], (image + noise.mean(0)) * weights[number])
        assert close(variance[number], torch.from_numpy(np.var(noise.numpy(), axis=0)) * weights[number] ** 2)


# ---------------------------------------------------------------- integrated gradients


@pytest.fixture(scope="module")
def trained_mlp():
    """A small net trained on four noisy templates of 6x6 pixels with a black frame; float64, biases included."""
    generator = torch.Generator().manual_seed(0)
    templates = torch.rand(4, 2 * toys.SIDE**2, generator=generator, dtype=torch.float64)
    labels = torch.arange(400) % 4
    noise = torch.rand(400, 2 * toys.SIDE**2, generator=generator, dtype=torch.float64)
    images = (0.5 * templates[labels] + 0.5 * noise).view(-1, 2, toys.SIDE, toys.SIDE)
    images[:, :, 0] = 0.0
    model = toys.net("mlp")
    optimiser = torch.optim.Adam(model.parameters(), lr=0.003)
    for _ in range(150):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimiser.step()
    model.zero_grad()
    accuracy = (model(images).argmax(1) == labels).double().mean()
    assert accuracy > 0.95, "the net of this test must be trained"
    return model, images[:24], labels[:24]


def completeness_errors(model, images, targets, steps, reference=None, quadrature="midpoint"):
    start = torch.zeros_like(images[0]) if reference is None else reference
    name = "zero" if reference is None else "mean"
    written = f"integrated_gradients(reference={name},quadrature={quadrature},steps={steps})"
    (maps,) = attribute(model, images, targets, [method(written).name], references={"mean": start}).values()
    with torch.no_grad():
        here, there = (model(each).gather(1, targets[:, None])[:, 0] for each in (images, start.expand_as(images)))
    scale = torch.stack([here.abs(), there.abs(), maps.flatten(1).abs().sum(1)]).amax(0)
    return (maps.flatten(1).sum(1) - (here - there)).abs() / scale


def test_I03_completeness_error_falls_with_steps_and_is_below_one_percent_at_50(trained_mlp):
    errors = [completeness_errors(*trained_mlp, steps).mean().item() for steps in (2, 10, 50, 500, 2000)]
    assert all(fewer > more for fewer, more in itertools.pairwise(errors)), errors
    assert errors[0] > 0.01 > errors[2] and errors[-1] < 1e-4, errors
    assert completeness_errors(*trained_mlp, 50).max() < 0.01


def test_I03_completeness_holds_from_the_mean_image_too(trained_mlp):
    _, images, _ = trained_mlp
    errors = [completeness_errors(*trained_mlp, steps, images.mean(0)) for steps in (2, 10, 50, 500)]
    assert all(fewer.mean() > more.mean() for fewer, more in itertools.pairwise(errors))
    assert errors[0].mean() > 0.01 > errors[2].max()


@pytest.mark.parametrize("at_mean", [False, True])
def test_I03_midpoint_rule_is_closer_than_linspace_at_the_same_cost(trained_mlp, at_mean):
    """By a factor of one to three on this net, which jumps about with the number of steps: hence the mean factor."""
    reference = trained_mlp[1].mean(0) if at_mean else None
    factors = []
    for steps in (5, 10, 20, 50, 100):
        midpoint, linspace = (
            completeness_errors(*trained_mlp, steps, reference, rule).mean() for rule in ("midpoint", "linspace")
        )
        factors.append(linspace / midpoint)
    assert torch.stack(factors).log().mean().exp() > 1.3


class Cubic(nn.Module):
    def forward(self, x):
        return x.flatten(1).pow(3).sum(1, keepdim=True)


@pytest.mark.parametrize("steps", [2, 3, 50])
def test_I03_errors_of_both_quadratures_have_their_closed_forms_on_a_cubic(steps):
    """The mean of 3 alpha² over the nodes: 1 - 1/(4n²) in the middle of n parts, 1 + 1/(2n - 2) from end to end."""
    images, zeros = toys.images(3), torch.zeros(3, dtype=torch.long)
    written = [f"integrated_gradients(quadrature={rule},steps={steps})" for rule in ("midpoint", "linspace")]
    midpoint, linspace = attribute(Cubic(), images, zeros, [method(each).name for each in written]).values()
    assert close(midpoint, images**3 * (1 - 1 / (4 * steps**2)))
    assert close(linspace, images**3 * (1 + 1 / (2 * steps - 2)))


def test_I03_ig_smoothgrad_is_complete_on_average_over_the_copies(trained_mlp):
    model, images, targets = (each[:4] if isinstance(each, torch.Tensor) else each for each in trained_mlp)
    (maps,) = maps_of(model, images, "ig_smoothgrad(samples=3,steps=500)", targets=targets)
    for number, (image, target) in enumerate(zip(images, targets.tolist(), strict=True)):
        noise = noise_of(number, 3) * 0.15 * (image.max() - image.min())
        with torch.no_grad():
            expected = (model(image + noise)[:, target] - model(torch.zeros_like(image)[None])[0, target]).mean()
        assert abs(maps[number].sum() - expected) < 1e-3 * maps[number].abs().sum()


@pytest.mark.parametrize("reference", ["zero", "mean"])
def test_I03_completeness_of_a_quadratic_is_exact(reference):
    """Any rule with equal weights and nodes that lie as far from one end as from the other is exact here."""
    images, start = toys.images(3), toys.REFERENCES["mean"] if reference == "mean" else 0.0
    model = Quadratic(2 * torch.eye(images[0].numel(), dtype=torch.float64))
    zeros = torch.zeros(3, dtype=torch.long)
    (maps,) = maps_of(model, images, f"integrated_gradients(reference={reference},steps=3)", targets=zeros)
    # Each pixel stands alone in x'x, so its share is known, not only the sum of all.
    assert close(maps, images.square() - start**2)


def without_bias(name):
    model = toys.net(name)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                module.bias.zero_()
    return model


@pytest.mark.parametrize("name", ["mlp", "max_pool"])
def test_I06_bias_free_net_has_ig_equal_gradient_x_input_and_both_sum_to_the_logit(name):
    model, images = without_bias(name), toys.images(3)
    ig, ig3, product = maps_of(
        model, images, "integrated_gradients", "integrated_gradients(steps=3)", "gradient_x_input"
    )
    assert close(ig, product) and close(ig3, product)
    logits = model(images).gather(1, TARGETS[:, None])[:, 0].detach()
    assert close(product.flatten(1).sum(1), logits)
    with_bias = maps_of(toys.net(name), images, "integrated_gradients", "gradient_x_input")
    assert not close(*with_bias, tolerance=0.05)


@pytest.mark.parametrize("name", ["mlp", "max_pool"])
def test_I06_node_at_the_zero_reference_loses_its_share(name):
    """The gradient at 0 is 0 in a net without biases, so one of n nodes adds nothing: trap of the released rule."""
    model, images = without_bias(name), toys.images(3)
    maps, product = maps_of(model, images, "integrated_gradients(quadrature=linspace,steps=5)", "gradient_x_input")
    assert close(maps, 4 / 5 * product)


@pytest.mark.parametrize("name", ["residual", "pooled"])
def test_I07_fully_re_initialised_net_without_biases_has_ig_equal_gradient_x_input(name):
    """Batch norm is made fresh (beta 0, running mean 0), so no constant is left once the biases are drawn as 0."""
    model, images = toys.net(name), toys.images(3)

    def law(tensor, trained, uniform):
        return torch.zeros_like(uniform) if tensor.endswith("bias") else truncated_normal(uniform, 0.01)

    *_, last = reinitialisation.steps(model, units_of(model, images), law, 0)
    assert not close(*maps_of(model, images, "integrated_gradients", "gradient_x_input"), tolerance=0.05)
    model.load_state_dict(last.state)
    assert close(*maps_of(model, images, "integrated_gradients", "gradient_x_input"))


@pytest.mark.parametrize("name", ["mlp", "residual", "from_input"])
def test_I08_products_with_the_input_vanish_exactly_where_the_input_does(name):
    images = toys.images(3)
    gradient, *products = maps_of(toys.net(name), images, "gradient", "gradient_x_input", "integrated_gradients")
    assert (images == 0).any() and (gradient[images == 0] != 0).float().mean() > 0.9
    assert all((maps[images == 0] == 0).all() and (maps[images != 0] != 0).any() for maps in products)


@pytest.mark.parametrize("quadrature", ["midpoint", "linspace"])
def test_I08_integrated_gradients_vanish_exactly_where_the_image_equals_the_reference(quadrature):
    images = toys.images(3)
    images[:, :, :3] = toys.REFERENCES["mean"][:, :3]
    (maps,) = maps_of(toys.net("residual"), images, f"integrated_gradients(reference=mean,quadrature={quadrature})")
    assert (maps[:, :, :3] == 0).all() and (maps[:, :, 3:] != 0).float().mean() > 0.9


# ---------------------------------------------------------------- Guided Backprop


def test_I09_guided_backprop_is_a_non_negative_combination_of_first_layer_filters():
    """12 independent filters in 72 pixels: the weights are unique, and those of the gradient are not all >= 0."""
    model, images = toys.net("mlp"), toys.images(3)
    filters = model[1].weight.detach().T.numpy()
    guided, gradient = maps_of(model, images, "guided_backprop", "gradient")
    for number in range(3):
        weights, distance = nnls(filters, guided[number].flatten().numpy())
        assert distance < 1e-10 and weights.max() > 0
        _, distance = nnls(filters, gradient[number].flatten().numpy())
        assert distance > 1e-3


def test_I09_signal_behind_the_first_convolution_is_non_negative():
    """The map is the transposed first convolution of a signal r >= 0, found by least squares on the whole map."""
    model, images = toys.net("relu6"), toys.images(3, "relu6")
    with torch.no_grad():
        bias = model[0].bias.view(1, -1, 1, 1)
        columns = [
            nn.functional.conv_transpose2d(basis.view(1, 5, 4, 4), model[0].weight).flatten()
            for basis in torch.eye(80, dtype=torch.float64)
        ]
        shut = ((model[0](images) <= 0) | (model[0](images) >= 6)).flatten(1)
    assert bias.abs().max() > 0
    matrix = torch.stack(columns, 1).numpy()
    for number, maps in enumerate(maps_of(model, images, "guided_backprop")[0]):
        open_to = ~shut[number].numpy()
        weights, distance = nnls(matrix[:, open_to], maps.flatten().numpy())
        assert distance < 1e-9 and weights.max() > 0


def test_I10_guided_backprop_is_the_gradient_when_all_weights_above_the_first_layer_are_positive():
    model, images = toys.net("max_pool"), toys.images(3)
    guided, gradient = maps_of(model, images, "guided_backprop", "gradient")
    assert not close(guided, gradient, 0.05)
    with torch.no_grad():
        for number in (3, 6):
            model[number].weight.abs_()
    guided, gradient = maps_of(model, images, "guided_backprop", "gradient")
    assert torch.equal(guided, gradient) and guided.abs().max() > 0


@pytest.mark.parametrize("factor", [7.0, 1e-6, -1.0, -3.0])
def test_I11_scaling_the_logit_layer(factor):
    """A positive factor scales every map, a negative one flips it (and leaves a variance as it is).

    Guided Backprop and DeconvNet become another map when the factor is negative.
    """
    model, images = toys.net("max_pool"), toys.images(3)
    before = attribute(model, images, TARGETS, DEGREES, references=toys.REFERENCES)
    with torch.no_grad():
        model[6].weight *= factor
        model[6].bias *= factor
    after = attribute(model, images, TARGETS, DEGREES, references=toys.REFERENCES)
    for name, degree in DEGREES.items():
        if factor < 0 and name in ("guided_backprop", "deconvnet"):
            assert not close(after[name], factor * before[name], 0.1)
            assert not close(after[name], -factor * before[name], 0.1)
        else:
            assert close(after[name], factor**degree * before[name])
            signed = spearman(after[name], before[name], absolute=False)
            assert torch.allclose(signed, torch.full_like(signed, math.copysign(1.0, factor**degree)))


# ---------------------------------------------------------------- DeconvNet


@pytest.mark.parametrize("name", sorted(toys.NETS.keys() - {"max_pool", "overlapping"}))
def test_I12_deconvnet_without_max_pooling_does_not_depend_on_the_image(name):
    """One map per class for all images: it cannot explain any of them. Guided Backprop does differ."""
    model, targets = toys.net(name), torch.tensor([0, 0, 0, 1])
    images = toys.images(4, name)
    deconvnet, guided = maps_of(model, images, "deconvnet", "guided_backprop", targets=targets)
    assert close(deconvnet[1], deconvnet[0], 1e-14) and close(deconvnet[2], deconvnet[0], 1e-14)
    assert deconvnet[0].abs().max() > 0 and not close(deconvnet[3], deconvnet[0], 0.1)
    assert name == "linear" or not close(guided[1], guided[0], 0.1)


def test_I12_max_pooling_makes_deconvnet_depend_on_the_image():
    """The switches of the pooling are all it has of the image."""
    deconvnet = maps_of(toys.net("max_pool"), toys.images(3), "deconvnet", targets=torch.tensor([2, 2, 2]))[0]
    assert not close(deconvnet[1], deconvnet[0], 0.1) and not close(deconvnet[2], deconvnet[0], 0.1)


# ---------------------------------------------------------------- GradCAM


def test_I13_gradcam_before_global_pooling_is_rectified_cam():
    model, images = toys.net("pooled"), toys.images(3)
    with torch.no_grad():
        activation = model[:5](images)
        weights = model[7].weight[TARGETS]
        cam = torch.einsum("nk,nkij->nij", weights, activation).clamp(min=0) / activation[0, 0].numel()
    expected = torch.stack([oracles.bilinear(each, toys.SIDE, toys.SIDE) for each in cam])
    (maps,) = maps_of(model, images, "gradcam")
    assert close(maps[:, 0], expected) and torch.equal(maps[:, 0], maps[:, 1])


def test_I14_randomising_above_the_gradcam_layer_changes_its_weights_only():
    model, images = toys.net("max_pool"), toys.images(3)
    layer = model.gradcam_layer
    before = [
        oracles.activation_and_gradient(model, x, c, layer) for x, c in zip(images, TARGETS.tolist(), strict=True)
    ]
    (map_before,) = maps_of(model, images, "gradcam")
    step = next(
        reinitialisation.steps(model, units_of(model, images), lambda n, t, uniform: truncated_normal(uniform, 0.5), 0)
    )
    assert step.unit == "6"
    model.load_state_dict(step.state)
    after = [oracles.activation_and_gradient(model, x, c, layer) for x, c in zip(images, TARGETS.tolist(), strict=True)]
    (map_after,) = maps_of(model, images, "gradcam")
    for number, ((value, old), (same, new)) in enumerate(zip(before, after, strict=True)):
        assert torch.equal(value, same) and not torch.equal(old, new)
        # The new map is the old activations under the new weights.
        coarse = torch.einsum("k,kij->ij", new.mean((1, 2)), value).clamp(min=0)
        assert torch.allclose(map_after[number, 0], oracles.bilinear(coarse, toys.SIDE, toys.SIDE), rtol=0, atol=1e-12)
    assert not torch.equal(map_before, map_after)


# ---------------------------------------------------------------- SmoothGrad, VarGrad and invariance


def noise_of(image_id, count, shape=(2, toys.SIDE, toys.SIDE)):
    """The library's own standard normal noise for one image: (count, C, H, W), float64."""
    return torch.randn((count, *shape), generator=compute.generator(0, "noise", image_id)).double()


class Quadratic(nn.Module):
    """One logit, x'Qx / 2: smooth, with the gradient Qx."""

    def __init__(self, matrix):
        super().__init__()
        self.matrix = matrix

    def forward(self, x):
        return ((x.flatten(1) @ self.matrix) * x.flatten(1)).sum(1, keepdim=True) / 2


@pytest.mark.parametrize("name", ["mlp", "max_pool", "residual", "from_input"])
def test_I15_smoothgrad_tends_to_the_gradient_with_its_noise(name):
    """Exactly the gradient once all copies share the pieces of the net; far from it with much noise."""
    images = toys.images(3)
    gradient, near, far = maps_of(
        toys.net(name), images, "gradient", "smoothgrad(noise_level=1e-9)", "smoothgrad(noise_level=1.0)"
    )
    assert close(near, gradient) and not close(far, gradient, 0.1)


@pytest.mark.parametrize("name", ["mlp", "max_pool", "residual", "from_input"])
def test_I15_vargrad_tends_to_zero_with_its_noise_and_is_zero_within_one_piece(name):
    """In proportion to the noise, as the share of copies that fall into another piece; 0 once none does."""
    images, targets = toys.images(30), torch.arange(30) % 4
    levels = (1.0, 1e-1, 1e-2, 1e-3, 1e-9)
    maps = maps_of(toys.net(name), images, *(f"vargrad(noise_level={each})" for each in levels), targets=targets)
    sizes = [each.mean() for each in maps]
    assert all(more > 1.5 * less for more, less in itertools.pairwise(sizes)) and sizes[3] < sizes[1] / 20
    # A matrix product may have other last bits in a batch of another size; on most machines this is 0 to the bit.
    assert (maps[0] > 0).all() and maps[-1].max() <= 1e-30 * maps[0].max()


QUADRATIC_SHAPE, QUADRATIC_SAMPLES = (1, 2, 4), 3000


@pytest.fixture(scope="module")
def quadratic():
    """Q (8, 8), an image x (1, 1, 2, 4), sigma, and SmoothGrad and VarGrad of x'Qx / 2 there, flattened."""
    generator = torch.Generator().manual_seed(1)
    matrix = torch.randn(8, 8, generator=generator, dtype=torch.float64)
    matrix = matrix + matrix.T
    image = torch.randn(1, *QUADRATIC_SHAPE, generator=generator, dtype=torch.float64)
    options = f"(samples={QUADRATIC_SAMPLES},noise_level=0.3)"
    written = [method(name + options).name for name in ("smoothgrad", "vargrad")]
    mean, variance = attribute(
        Quadratic(matrix), image, torch.tensor([0]), [method(each).name for each in written]
    ).values()
    return matrix, image, 0.3 * (image.max() - image.min()), mean.flatten(), variance.flatten()


def test_I16_gaussian_chaos_gives_vargrad_and_smoothgrad_of_a_quadratic(quadratic):
    """VarGrad is sigma² times the squared rows of the Hessian, without a term in the gradient; SmoothGrad is Qx."""
    matrix, image, sigma, mean, variance = quadratic
    count = QUADRATIC_SAMPLES
    rows = matrix.square().sum(1)
    expected = sigma**2 * rows * (count - 1) / count
    # A variance of N normal numbers has the relative standard error sqrt(2 / N), their mean sigma / sqrt(N).
    assert ((variance - expected).abs() < 3 * expected * (2 / count) ** 0.5).all()
    assert ((mean - matrix @ image.flatten()).abs() < 3 * sigma * (rows / count).sqrt()).all()
    # These bounds tell the law from its neighbours: the diagonal alone, twice the noise, or the gradient itself.
    for other in (sigma**2 * matrix.diagonal().square(), 2 * expected, (matrix @ image.flatten()).square()):
        assert not ((variance - other).abs() < 3 * expected * (2 / count) ** 0.5).all()


def test_I16_vargrad_of_a_quadratic_is_the_population_variance_of_its_gradients_exactly(quadratic):
    matrix, image, sigma, mean, variance = quadratic
    copies = image.flatten().numpy() + sigma.item() * noise_of(0, QUADRATIC_SAMPLES, QUADRATIC_SHAPE).flatten(1).numpy()
    gradients = copies @ matrix.numpy()
    assert close(variance, torch.from_numpy(gradients.var(axis=0))) and close(mean, torch.from_numpy(gradients.mean(0)))


ALL = [*DEGREES, "gradcam", "guided_gradcam"]


@pytest.mark.parametrize("written", ALL)
def test_I18_permuting_hidden_units_changes_no_map(written):
    model, images = toys.net("max_pool"), toys.images(3)
    (before,) = maps_of(model, images, written)
    with torch.no_grad():
        first, second = (torch.randperm(n, generator=torch.Generator().manual_seed(5)) for n in (5, 6))
        model[0].weight.copy_(model[0].weight[first])
        model[0].bias.copy_(model[0].bias[first])
        model[3].weight.copy_(model[3].weight[second][:, first])
        model[3].bias.copy_(model[3].bias[second])
        model[6].weight.copy_(model[6].weight.view(4, 6, 4)[:, second].reshape(4, 24))
    (after,) = maps_of(model, images, written)
    assert close(after, before)


@pytest.mark.parametrize("written", ALL)
def test_I18_positive_rescaling_between_layers_changes_no_map(written):
    """One factor per hidden unit; GradCAM too, since its channels at the layer itself are scaled both ways."""
    model, images = toys.net("max_pool"), toys.images(3)
    (before,) = maps_of(model, images, written)
    with torch.no_grad():
        first, second = (10 ** torch.linspace(-2, 2, n, dtype=torch.float64) for n in (5, 6))
        model[0].weight *= first.view(-1, 1, 1, 1)
        model[0].bias *= first
        model[3].weight *= second.view(-1, 1, 1, 1) / first.view(1, -1, 1, 1)
        model[3].bias *= second
        model[6].weight /= second.repeat_interleave(4)
    (after,) = maps_of(model, images, written)
    assert close(after, before)


def test_identities_would_notice_a_wrong_relu_mask():
    """The tests above can fail: a Guided Backprop without its forward mask breaks I-09's uniqueness and I-10."""
    model, images = toys.net("mlp"), toys.images(1)
    filters = model[1].weight.detach().T.numpy()
    (guided,) = maps_of(model, images, "guided_backprop")
    weights, _ = nnls(filters, guided[0].flatten().numpy())
    shut = (model[1](images.flatten(1)) <= 0)[0].numpy()
    assert shut.any() and np.all(weights[shut] < 1e-12)


# ---------------------------------------------------------------- one convolution and a sum (I-17)


def sum_pool_conv(filters):
    """``l = sum of relu(filters * x)`` as a model with one logit; cross-correlation with zero padding, no bias."""
    conv = nn.Conv2d(1, 1, 3, padding=1, bias=False).double()
    conv.weight.data.copy_(filters)
    return toys.Lambda(lambda m, x: m.conv(x).relu().sum((2, 3)), conv=conv).eval()


def test_I17_gradient_of_a_sum_pooled_convolution_has_its_closed_form():
    """Pixel (i, j) gets w_km from each unit (i - k, j - m) that is on, which is a convolution of the mask with w.

    On means above 0: a black background gives units of exactly 0, and the papers' "at least 0" counts them in (T15).
    """
    generator = torch.Generator().manual_seed(0)
    filters = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    image = torch.zeros(1, 1, 20, 20, dtype=torch.float64)
    image[..., 6:15, 5:16] = torch.rand(9, 11, generator=generator, dtype=torch.float64)
    model = sum_pool_conv(filters)
    (gradient,) = attribute(model, image, torch.tensor([0]), ["gradient"]).values()
    z = model.conv(image)[0, 0].detach()

    def closed_form(on):
        expected = torch.zeros(20, 20, dtype=torch.float64)
        for i, j, k, m in itertools.product(range(20), range(20), (-1, 0, 1), (-1, 0, 1)):
            if 0 <= i - k < 20 and 0 <= j - m < 20 and on[i - k, j - m]:
                expected[i, j] += filters[k + 1, m + 1]
        return expected

    assert close(gradient[0, 0], closed_form(z > 0))
    assert (gradient[0, 0] - closed_form(z >= 0)).abs().max() > 0.1
    assert (gradient[0, 0] - closed_form((z > 0).T).T).abs().max() > 0.1, "the orientation matters"


def test_I17_interior_takes_at_most_512_values_and_the_product_sums_to_the_logit():
    generator = torch.Generator().manual_seed(1)
    model = sum_pool_conv(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    image = torch.randn(1, 1, 64, 64, generator=generator, dtype=torch.float64)
    gradient, product = attribute(model, image, torch.tensor([0]), ["gradient", "gradient_x_input"]).values()
    values = gradient[0, 0, 1:-1, 1:-1].flatten().sort().values
    distinct = 1 + int((values.diff() > 1e-12).sum())
    assert 50 < distinct <= 512 < values.numel()
    assert float(product.sum()) == pytest.approx(float(model(image)), rel=1e-10)
