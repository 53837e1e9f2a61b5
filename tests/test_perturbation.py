"""Meaningful perturbation against plain loops over pixels, closed forms, and nets whose explanation is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import toys
from oracles import bilinear
from scipy import ndimage
from torch import nn

from lib import compute
from lib.attributions import attribute, method, perturbation
from lib.attributions.perturbation import LARGE, SMALL, Canvas, objective, perturbed, suppressing_disc
from lib.comparison import Examples
from lib.errors import StudyError
from lib.randomization import check_methods
from lib.similarity import spearman
from lib.workspace import Noise, Workspace


class Patch(nn.Module):
    """Class 0 speaks for the mean of one patch of the image, class 1 for nothing."""

    def __init__(self, rows=slice(4, 10), columns=slice(14, 20), scale=10.0):
        super().__init__()
        self.rows, self.columns, self.scale = rows, columns, scale

    def forward(self, x):
        score = self.scale * (x[:, :, self.rows, self.columns].mean((1, 2, 3)) - 0.5)
        return torch.stack([score, torch.zeros_like(score)], 1)


class Constant(nn.Module):
    def forward(self, x):
        return torch.zeros(len(x), 3, dtype=x.dtype)


def scene(count, height=28, width=28, channels=1, seed=0):
    """Images between 0.7 and 1."""
    generator = torch.Generator().manual_seed(seed)
    return 0.7 + 0.3 * torch.rand(count, channels, height, width, generator=generator, dtype=torch.float64)


def workspace(model, images, targets=None, purpose="noise", ids=None, seed=0):
    targets = torch.zeros(len(images), dtype=torch.long) if targets is None else targets
    noise = Noise(ids or list(range(len(images))), images.shape[1:], seed, purpose)
    return Workspace(model, images, targets, noise)


def large_net(seed=0):
    """A small net for images of 66x20 with 2 channels, whose masks have 28x20 cells."""
    net = nn.Sequential(nn.Conv2d(2, 3, 5, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 16 * 4, 4))
    return toys.randomise(net.double(), seed).eval().requires_grad_(False)


# ---------------------------------------------------------------- slow and plain


def plain_blur(image, sigma):
    return torch.from_numpy(ndimage.gaussian_filter(image.numpy(), sigma, mode="nearest", truncate=4.0))


def plain_objective(model, image, target, deleted, fill, sigma, shift=(0, 0)):
    """The objective for one image; sigma: of the mask and of the fill, in pixels."""
    cells, (height, width) = deleted.shape, image.shape[1:]
    sparse = smooth = 0.0
    for i in range(cells[0]):
        for j in range(cells[1]):
            mask = 1 - float(deleted[i, j])
            sparse += abs(1 - mask)
            for k, m in ((i + 1, j), (i, j + 1)):
                if k < cells[0] and m < cells[1]:
                    smooth += abs((1 - float(deleted[k, m])) - mask) ** 3
    ratio = 28**2 / (cells[0] * cells[1])
    mask = plain_blur(bilinear(1 - deleted, height, width), sigma[0])
    mixed = torch.zeros_like(image)
    for channel, plane in enumerate(image):
        hidden = plain_blur(plane, sigma[1]) if fill == "blur" else torch.zeros_like(plane)
        for i in range(height):
            for j in range(width):
                a, b = min(max(i - shift[0], 0), height - 1), min(max(j - shift[1], 0), width - 1)
                mixed[channel, i, j] = mask[i, j] * plane[a, b] + (1 - mask[i, j]) * hidden[a, b]
    scores = model(mixed[None])[0].exp()
    return 1e-4 * ratio * sparse + 1e-2 * ratio * smooth + float(scores[target] / scores.sum())


@pytest.mark.parametrize("fill", ["blur", "zero"])
@pytest.mark.parametrize(
    ("shape", "setting", "cells", "sigma"),
    [
        ((2, 6, 6), SMALL, (6, 6), (6 / 28, 18 / 28)),
        ((2, 28, 20), SMALL, (14, 14), (1.0, 3.0)),
        ((1, 66, 40), LARGE, (28, 28), (5 * 66 / 224, 10 * 66 / 224)),
    ],
)
def test_objective_equals_loops_over_pixels(shape, setting, cells, sigma, fill):
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    deleted = torch.rand(2, *cells, generator=generator, dtype=torch.float64)
    net = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), 4)).double()
    net[1].weight.data *= 3
    net.requires_grad_(False)
    targets = torch.tensor([1, 3])
    shifts = torch.tensor([[2, -3], [0, 1]]) if setting.jitter else torch.zeros(2, 2, dtype=torch.long)
    canvas = Canvas.of(images, fill, setting)
    assert (canvas.rows.shape[1], canvas.columns.shape[1]) == cells
    found = objective(workspace(net, images, targets), canvas.shifted(shifts), deleted)
    for number in range(2):
        expected = plain_objective(
            net, images[number], int(targets[number]), deleted[number], fill, sigma, shifts[number].tolist()
        )
        assert abs(float(found[number]) - expected) < 1e-10


def test_gradient_of_the_objective_has_a_closed_form_for_two_linear_classes():
    """Without up-sampling and blur: f(1 - f) w(p - x), and the derivatives of the first two terms cell by cell."""
    images, fill, weights, deleted = toys.images(4, seed=7).split(1)
    deleted = deleted.abs().clamp(0, 1)[:, 0]
    net = nn.Sequential(nn.Flatten(), nn.Linear(72, 2)).double().requires_grad_(False)
    net[1].weight.data = torch.stack([weights.flatten(), torch.zeros(72)]) / 5
    net[1].bias.zero_()
    eye = torch.eye(6, dtype=torch.float64)
    deleted.requires_grad_(True)
    objective(workspace(net, images), Canvas(images, fill, eye, eye), deleted).sum().backward()
    value = deleted.detach()[0]
    mixed = images + value * (fill - images)
    probability = 1 / (1 + math.exp(-float((weights / 5 * mixed).sum())))
    expected = probability * (1 - probability) * (weights / 5 * (fill - images)).sum(1)[0]
    for i in range(6):
        for j in range(6):
            expected[i, j] += 1e-4 * 784 / 36
            for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                if 0 <= a < 6 and 0 <= b < 6:
                    step = float(value[i, j] - value[a, b])
                    expected[i, j] += 3e-2 * 784 / 36 * step * abs(step)
    assert torch.allclose(deleted.grad[0], expected, rtol=1e-10, atol=1e-14)


def test_first_iterations_equal_a_plain_adam_on_slow_differences():
    net, image = toys.net("mlp").requires_grad_(False), toys.images(1)[0]
    found = perturbed(workspace(net, image[None], torch.tensor([2]), ids=[17], seed=5), "zero", "half", 2)
    draw = torch.rand(6, 6, generator=compute.generator(5, "noise", "perturbation", 17)).double()
    deleted, first, second = 0.5 + 0.05 * (2 * draw - 1), torch.zeros(6, 6), torch.zeros(6, 6)
    sigma = (6 / 28, 18 / 28)
    for step in (1, 2):
        gradient = torch.zeros(6, 6, dtype=torch.float64)
        for i in range(6):
            for j in range(6):
                sides = []
                for sign in (1, -1):
                    moved = deleted.clone()
                    moved[i, j] += sign * 1e-5
                    sides.append(plain_objective(net, image, 2, moved, "zero", sigma))
                gradient[i, j] = (sides[0] - sides[1]) / 2e-5
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        deleted = deleted - 0.1 * (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
        deleted = deleted.clamp(0, 1)
    expected = plain_blur(deleted, sigma[0])
    assert (found.deleted[0, 0] - expected).abs().max() < 1e-5 and expected.std() > 0.05
    free = plain_objective(net, image, 2, deleted, "zero", sigma) - _terms(deleted)
    assert abs(float(found.probability[0]) - free) < 1e-5


def _terms(deleted):
    steps = [np.abs(np.diff(deleted.numpy(), axis=axis)) ** 3 for axis in (0, 1)]
    return 784 / 36 * (1e-4 * float(deleted.sum()) + 1e-2 * sum(step.sum() for step in steps))


# ---------------------------------------------------------------- start


def test_disc_is_the_smallest_that_takes_away_99_percent_of_what_full_deletion_takes():
    net, images = large_net(), 3 * torch.randn(6, 2, 66, 20, generator=torch.Generator().manual_seed(3)).double()
    targets = net(images).argmax(1)
    targets[3:] = net(images[3:]).argmin(1)
    space = workspace(net, images, targets)
    canvas = Canvas.of(images, "zero", LARGE)
    discs = suppressing_disc(space, canvas)
    row, column = np.mgrid[0:28, 0:20]
    distance = np.hypot(row - 13.5, column - 9.5)
    plain = [torch.from_numpy((distance < radius).astype(float)) for radius in range(18)]
    assert plain[-1].all()
    masks = [1 - plain_blur(bilinear(disc, 66, 20), 5 * 66 / 224) for disc in plain]
    sizes = []
    for number, (image, target) in enumerate(zip(images, space.targets.tolist(), strict=True)):
        scores = [float(net((mask * image)[None]).softmax(1)[0, target]) for mask in masks]
        whole, nothing = scores[0], scores[-1]
        radius = next(r for r, score in enumerate(scores) if whole - score >= 0.99 * (whole - nothing))
        assert torch.equal(discs[number], plain[radius])
        assert radius == 0 or whole > nothing
        sizes.append(radius)
    assert 0 in sizes and len(set(sizes)) >= 3, "images of both kinds, discs of several sizes"


@pytest.mark.parametrize(("side", "setting"), [(28, SMALL), (64, SMALL), (65, LARGE), (224, LARGE)])
def test_setting_goes_by_the_longer_side_and_shifts_belong_to_large_images(side, setting, monkeypatch):
    seen = []
    original = Canvas.shifted
    monkeypatch.setattr(Canvas, "shifted", lambda self, shifts: seen.append(shifts) or original(self, shifts))
    perturbed(workspace(Constant(), scene(2, 8, side)), "zero", "half", 40)
    assert len(seen) == (40 if setting is LARGE else 0)
    if seen:
        drawn = torch.stack(seen)
        assert drawn.shape == (40, 2, 2) and set(drawn.unique().tolist()) == set(range(-3, 4))
        assert not torch.equal(drawn[:, 0], drawn[:, 1]), "each image has its own"


# ---------------------------------------------------------------- what it finds


@pytest.mark.parametrize(("fill", "start"), [("zero", "disc"), ("zero", "half"), ("blur", "disc")])
def test_mask_finds_the_only_patch_that_matters(fill, start):
    """A blur hides only what is brighter than its surroundings, so there the ground is dark."""
    images = scene(3) * (1.0 if fill == "zero" else 0.3)
    images[:, :, 4:10, 14:20] = 1
    space = workspace(Patch(scale=10 if fill == "zero" else 40), images)
    found = perturbed(space, fill, start)
    inside = torch.zeros(28, 28, dtype=torch.bool)
    inside[4:10, 14:20] = True
    far = torch.from_numpy(ndimage.distance_transform_edt(~inside.numpy()) > 6)
    for each in found.deleted[:, 0]:
        assert each[inside].mean() > 0.75 > 2 * each[far].mean()
    with torch.no_grad():
        hidden = space.model(Canvas.of(images, fill, SMALL).fill).softmax(1)[:, 0]
    assert (found.probability < hidden + 0.05).all() and (found.probability < 0.9).all()
    assert found.deleted.min() >= 0 and found.deleted.max() <= 1 + 1e-12


@pytest.mark.parametrize("start", ["disc", "half"])
@pytest.mark.parametrize("scale", [0.0, 1e-19, 1e-8, 1e-4])
def test_score_that_hardly_depends_on_the_image_leaves_the_mask_to_the_penalty(start, scale):
    """As on re-initialised nets: the penalty's own slope is far above Adam's 1e-8, so the map is exactly 0."""
    found = perturbed(workspace(Patch(scale=scale), scene(2).float()), "zero", start)
    assert (found.deleted == 0).all() and torch.allclose(found.probability, torch.tensor(0.5), atol=1e-4)
    few = perturbed(workspace(Patch(scale=min(scale, 1e-8)), scene(2)), "zero", "half", 3)
    none = perturbed(workspace(Constant(), scene(2)), "zero", "half", 3)
    assert torch.allclose(few.deleted, none.deleted, atol=1e-4) and few.deleted.min() > 0


def test_half_start_may_feel_no_gradient_where_the_disc_start_does():
    """A net that is sure down to a quarter of the patch's brightness: from m = 0.5 the mask empties itself."""
    images = torch.zeros(1, 1, 28, 28, dtype=torch.float64)
    images[:, :, 8:20, 8:20] = 1
    model = Patch(slice(8, 20), slice(8, 20))
    model.forward = lambda x: 60 * (Patch.forward(model, x) + torch.tensor([3.5, 0.0]).to(x)) / 10
    half, disc = (perturbed(workspace(model, images), "zero", start) for start in ("half", "disc"))
    assert (half.deleted == 0).all() and half.probability > 0.99
    assert disc.deleted.max() > 0.9 and disc.probability < 0.5


# ---------------------------------------------------------------- draws


@pytest.mark.parametrize("size", ["small", "large"])
def test_same_draw_gives_the_same_bits_and_another_purpose_another_run_of_similar_result(size):
    model, images, many = {
        "small": (Patch(), scene(2), 300),
        "large": (Patch(slice(5, 25), slice(30, 50)), scene(2, 66, 70), 100),
    }[size]
    first, same = (perturbed(workspace(model, images), "zero", "disc", many) for _ in range(2))
    assert torch.equal(first.deleted, same.deleted) and torch.equal(first.probability, same.probability)
    for again in (
        perturbed(workspace(model, images, purpose="self"), "zero", "disc", many),
        perturbed(workspace(model, images, seed=1), "zero", "disc", many),
    ):
        assert not torch.equal(again.deleted, first.deleted)
        assert spearman(again.deleted, first.deleted).min() > 0.9
    assert spearman(first.deleted, first.deleted.flip(2)).max() < 0.9


def test_large_images_are_explained_alike_in_any_batch():
    """Noise, shifts and discs go by the image's number."""
    net, images = large_net(), scene(3, 66, 20, 2)
    targets = net(images).argmax(1)
    together = perturbed(workspace(net, images, targets, ids=[4, 9, 7]), iterations=8)
    for number, image_id in enumerate((4, 9, 7)):
        part = slice(number, number + 1)
        alone = perturbed(workspace(net, images[part], targets[part], ids=[image_id]), iterations=8)
        assert torch.allclose(together.deleted[part], alone.deleted, rtol=1e-9, atol=1e-12)
        assert torch.allclose(together.probability[part], alone.probability, rtol=1e-9)
    other = perturbed(workspace(net, images, targets, ids=[5, 9, 7]), iterations=8)
    assert together.deleted.amax((1, 2, 3)).min() > 0.05
    assert not torch.allclose(together.deleted[0], other.deleted[0], atol=1e-3)
    assert torch.equal(together.deleted[1:], other.deleted[1:])


# ---------------------------------------------------------------- shifted pixels


@pytest.mark.parametrize(
    ("fill", "pattern", "invariant"),
    [("blur", "constant", True), ("zero", "constant", False), ("blur", "checker", False)],
)
def test_J08_blur_moves_along_with_a_constant_shift_only(fill, pattern, invariant):
    net, images = toys.net("mlp").requires_grad_(False), toys.images(3)
    checker = torch.arange(6).view(-1, 1).add(torch.arange(6)).remainder(2).double().expand(2, 6, 6) - 0.5
    shift = torch.full((2, 6, 6), -1.0, dtype=torch.float64) if pattern == "constant" else checker
    moved = toys.Lambda(lambda m, x: m.net(x - shift), net=net)
    targets = torch.tensor([0, 1, 3])
    written = f"meaningful_perturbation(fill={fill},iterations=30)" if fill == "zero" else None
    written = written or "meaningful_perturbation(iterations=30)"
    (first,) = attribute(net, images, targets, [written]).values()
    (second,) = attribute(moved, images + shift, targets, [written]).values()
    assert torch.allclose(first, second, rtol=0, atol=1e-9) == invariant and first.std() > 0.05


# ---------------------------------------------------------------- as a method


def test_map_is_the_same_in_all_channels_and_probability_needs_no_second_run():
    net, images, targets = toys.net("max_pool"), toys.images(3), torch.tensor([0, 1, 3])
    space, calls = workspace(net.requires_grad_(False), images, targets), []
    net.register_forward_hook(lambda _, inputs, __: calls.append(len(inputs[0])))
    maps = method("meaningful_perturbation(start=half,iterations=12)")(space)
    assert calls == [3] * 13, "one pass of all images per iteration, and one for the final probability"
    found = perturbed(space, start="half", iterations=12)
    assert len(calls) == 13 and torch.equal(maps[:, 0], found.deleted[:, 0]) and torch.equal(maps[:, 1], maps[:, 0])
    canvas = Canvas.of(images, "blur", SMALL)
    mixed = images + found.deleted * (canvas.fill - images)
    expected = net(mixed).softmax(1)[torch.arange(3), targets]
    assert torch.allclose(found.probability, expected, rtol=1e-12)


def test_parameters_that_are_not_frozen_get_no_gradient():
    net = toys.net("mlp")
    perturbed(workspace(net, toys.images(2)), iterations=2)
    assert all(parameter.requires_grad and parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("meaningful_perturbation(fill=mean)", "(fill=…) got 'mean'; choose one of blur, zero."),
        ("meaningful_perturbation(start=none)", "(start=…) got 'none'; choose one of disc, half."),
        ("meaningful_perturbation(iterations=0)", "needs at least 1"),
        ("smoothgrad(of=meaningful_perturbation)", "adds noise itself"),
    ],
)
def test_wrong_words_are_refused_in_one_sentence(written, says):
    with pytest.raises(StudyError) as caught:
        method(written)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_model_with_one_output_is_refused_before_any_optimisation():
    net = nn.Sequential(nn.Flatten(), nn.Linear(72, 1)).double()
    with pytest.raises(StudyError, match="always 1"):
        check_methods(net, Examples.of(toys.images(1), torch.tensor([0])), ["meaningful_perturbation"])


def test_defaults_are_those_of_the_paper():
    assert method("meaningful_perturbation(fill=blur,start=disc,iterations=300)").name == "meaningful_perturbation"
    assert (perturbation.SPARSITY, perturbation.SMOOTHNESS, perturbation.EXPONENT) == (1e-4, 1e-2, 3)
