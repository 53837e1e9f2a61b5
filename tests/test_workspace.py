"""What methods share: noise by image, averaged gradients with or without the first-layer short cut, and a memo."""

from __future__ import annotations

import oracles
import pytest
import torch
import toys
from torch import nn
from torch.nn import functional as F
from toys import Lambda

from lib import attributions
from lib.errors import StudyError
from lib.workspace import Noise, Workspace, chunks, first_layer, pass_size, working_copy

TARGETS = torch.tensor([0, 1, 3])


def workspace_of(model, images, targets=TARGETS):
    return Workspace(working_copy(model), images, targets, Noise(list(range(len(images))), images.shape[1:], 0))


# ---------------------------------------------------------------- averaged gradients


def test_mean_gradient_equals_the_plain_mean(any_net):
    _, model, images, targets = any_net
    count = 9
    generator = torch.Generator().manual_seed(3)
    points = images + torch.randn((count, *images.shape), generator=generator, dtype=torch.float64)
    found = workspace_of(model, images).mean_gradient(lambda part: points[part], count)
    for number, target in enumerate(targets.tolist()):
        plain = sum(oracles.plain_gradient(model, point[number], target) for point in points) / count
        assert (found[number] - plain).abs().max() <= 1e-10 * plain.abs().max()


@pytest.mark.parametrize("name", ["max_pool", "from_input"])
def test_mean_gradient_is_the_same_however_points_are_grouped(name, monkeypatch):
    model, images = toys.net(name), toys.images(3)
    points = images + toys.images(3, seed=9).expand(11, 3, -1, -1, -1) * torch.arange(11.0).view(-1, 1, 1, 1, 1)
    whole = workspace_of(model, images).mean_gradient(lambda part: points[part], 11)
    monkeypatch.setattr("lib.workspace._PASS_NUMBERS", 1)
    asked = []

    def noted(part):
        asked.append(part)
        return points[part]

    pieces = workspace_of(model, images).mean_gradient(noted, 11)
    assert [len(range(11)[part]) for part in asked] == [2, 2, 2, 2, 2, 1]
    assert torch.allclose(pieces, whole, rtol=1e-12, atol=1e-12)


def test_mean_gradient_follows_the_weights_after_they_change():
    """The door is found once per model; the weights it is used with must be those of the moment."""
    model, images = working_copy(toys.net("max_pool")), toys.images(3)
    noise = Noise([0, 1, 2], images.shape[1:], 0)
    points = images.expand(4, -1, -1, -1, -1) * torch.arange(1.0, 5.0).view(-1, 1, 1, 1, 1)
    Workspace(model, images, TARGETS, noise).mean_gradient(lambda part: points[part], 4)
    model.load_state_dict(toys.net("max_pool", seed=8).state_dict())
    found = Workspace(model, images, TARGETS, noise).mean_gradient(lambda part: points[part], 4)
    plain = sum(oracles.plain_gradient(model, point[1], 1) for point in points) / 4
    assert torch.allclose(found[1], plain, rtol=0, atol=1e-11)


def test_first_layer_is_found_where_there_is_one(any_net):
    name, model, images, _ = any_net
    expected = toys.SINGLE_FIRST_LAYER.get(name)
    found = first_layer(model, images)
    assert found == expected or (name == "in_place" and found in (None, "0"))


class Rectified(nn.Linear):
    """A layer with an activation of its own: an instance of Linear that is not linear."""

    def forward(self, x):
        return F.relu(super().forward(x))


NO_SINGLE_DOOR = {
    "residual_from_the_input": lambda m, x: m.out((m.conv(x) + x).flatten(1)),
    "layer_called_twice": lambda m, x: m.out((m.conv(x) + m.conv(x.flip(3))).flatten(1)),
    "input_squared_first": lambda m, x: m.out(m.conv(x * x).flatten(1)),
    "input_normalised_by_its_own_maximum": lambda m, x: m.out(m.conv(x / x.amax((1, 2, 3), True)).flatten(1)),
    "product_with_the_input": lambda m, x: m.out((m.conv(x) * x).flatten(1)),
    "rectified_subclass_of_linear": lambda m, x: m.out(m.rectified(x.flatten(1))),
    "functional_first_layer": lambda m, x: m.out(F.relu(F.conv2d(x, m.conv.weight, padding=1)).flatten(1)),
    "input_as_keyword": lambda m, x: m.out(F.relu(m.conv(input=x)).flatten(1)),
    "in_place_relu_at_once": lambda m, x: m.out(F.relu_(m.conv(x)).flatten(1)),
}


@pytest.mark.parametrize("form", NO_SINGLE_DOOR)
def test_without_a_single_linear_door_the_plain_way_is_taken_and_right(form):
    model = Lambda(
        NO_SINGLE_DOOR[form],
        conv=nn.Conv2d(2, 2, 3, padding=1),
        rectified=Rectified(72, 72),
        out=nn.Linear(72, 4),
    )
    model, images = toys.randomise(model.double()), toys.images(3)
    assert first_layer(model, images) is None
    points = images + 0.7 * torch.arange(1.0, 5.0).view(-1, 1, 1, 1, 1)
    found = workspace_of(model, images).mean_gradient(lambda part: points[part], 4)
    plain = sum(oracles.plain_gradient(model, point[1], 1) for point in points) / 4
    assert (found[1] - plain).abs().max() <= 1e-10 * plain.abs().max()


# ---------------------------------------------------------------- noise


def test_noise_belongs_to_the_image_in_whatever_batch_it_stands():
    together = Noise([4, 17, 5], (2, 6, 6), seed=0).samples(8)
    alone = Noise([17], (2, 6, 6), seed=0).samples(8)
    assert torch.equal(together[:, 1], alone[:, 0])


def test_noise_differs_between_images_seeds_and_purposes_and_is_drawn_once():
    noise = Noise([1, 2], (2, 6, 6), seed=0)
    samples = noise.samples(8)
    assert noise.samples(8) is samples
    others = [
        samples[:, 1],
        Noise([1], (2, 6, 6), seed=1).samples(8)[:, 0],
        Noise([1], (2, 6, 6), seed=0, purpose="self").samples(8)[:, 0],
    ]
    for other in others:
        correlation = torch.corrcoef(torch.stack([samples[:, 0].flatten(), other.flatten()]))[0, 1]
        assert abs(correlation) < 4 / other.numel() ** 0.5


def test_noise_is_standard_normal_and_independent_between_samples():
    samples = Noise(list(range(20)), (2, 6, 6), seed=0).samples(50).flatten(1)
    count = samples.numel()
    assert abs(samples.mean()) < 4 / count**0.5 and abs(samples.std() - 1) < 4 / (2 * count) ** 0.5
    correlation = torch.corrcoef(samples) - torch.eye(50)
    assert correlation.abs().max() < 5.5 / samples.shape[1] ** 0.5


# ---------------------------------------------------------------- the workspace itself


def test_gradient_logits_and_layer_equal_plain_ones(any_net):
    name, model, images, targets = any_net
    workspace = workspace_of(model, images)
    assert torch.allclose(workspace.logits, model(images).detach(), rtol=0, atol=1e-12)
    for number, target in enumerate(targets.tolist()):
        plain = oracles.plain_gradient(model, images[number], target)
        assert torch.allclose(workspace.gradient[number], plain, rtol=0, atol=1e-11)
        if name not in ("linear", "mlp"):
            value, signal = oracles.activation_and_gradient(model, images[number], target, model.gradcam_layer)
            found = workspace.layer(model.gradcam_layer)
            assert torch.allclose(found[0][number], value, rtol=0, atol=1e-11)
            assert torch.allclose(found[1][number], signal, rtol=0, atol=1e-11)


def test_shared_parts_are_computed_once():
    model = working_copy(toys.net("max_pool"))
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    workspace = Workspace(model, toys.images(3), TARGETS, Noise([0, 1, 2], (2, 6, 6), 0))
    each = ("gradient", "gradient_x_input", "guided_backprop", "deconvnet", "gradcam", "guided_gradcam", "gradient")
    for written in (*each, "deconvnet"):
        attributions.method(written)(workspace)
    # One plain pass, one guided pass, one of DeconvNet, one for GradCAM's layer.
    assert len(calls) == 4


def test_memo_is_looked_into_without_computing():
    workspace = workspace_of(toys.net("mlp"), toys.images(3))
    assert workspace.remembered("a part") is None
    workspace.once("a part", lambda: 3)
    assert workspace.remembered("a part") == 3 and workspace.once("a part", lambda: 4) == 3


def test_workspace_of_copies_explains_the_classes_of_the_originals(any_net):
    _, model, images, targets = any_net
    references = {"mean": images.mean(0)}
    noise = Noise([0, 1, 2], images.shape[1:], 0)
    source = Workspace(model, images, targets, noise)
    original = Workspace(model, images, targets, noise, "draw 1", references, toys.TRAINING, source)
    copies = torch.stack([images, 2 * images])
    found = original.of_copies(copies)
    assert found.references == references and found.state == "draw 1"
    assert found.training_images is toys.TRAINING and found.pattern_source is source
    gradient = found.gradient.unflatten(0, (2, 3))
    for number, target in enumerate(targets.tolist()):
        for copy in range(2):
            plain = oracles.plain_gradient(model, copies[copy, number], target)
            assert torch.allclose(gradient[copy, number], plain, rtol=0, atol=1e-11)


def test_working_copy_is_another_model_in_evaluation_mode_with_frozen_parameters():
    model = toys.net("pooled").train()
    copy = working_copy(model)
    assert model.training and all(parameter.requires_grad for parameter in model.parameters())
    assert not any(module.training for module in copy.modules())
    assert not any(parameter.requires_grad for parameter in copy.parameters())
    with torch.no_grad():
        for parameter in copy.parameters():
            parameter.zero_()
    assert all(parameter.abs().sum() > 0 for parameter in model.parameters())


def test_traced_model_is_refused_with_one_sentence():
    traced = torch.jit.trace(toys.net("mlp"), toys.images(3))
    with pytest.raises(StudyError, match=r"traced|script"):
        attributions.attribute(traced, toys.images(3), TARGETS, ["gradient"])


def test_chunks_cover_all_images_once_and_bound_the_size_of_a_pass():
    for shape in ((1, 28, 28), (3, 299, 299)):
        images = torch.empty(1, *shape).expand(300, *shape)
        parts = list(chunks(images))
        assert [number for part in parts for number in range(part.start, part.stop)] == list(range(300))
        assert max(part.stop - part.start for part in parts) == pass_size(images)
    assert pass_size(torch.empty(1, 1, 28, 28)) == 128 and pass_size(torch.empty(1, 3, 299, 299)) == 8


@pytest.mark.parametrize("layer", ["nowhere", "relu"])
def test_layer_that_is_absent_or_runs_twice_is_refused(layer):
    with pytest.raises(StudyError, match=layer):
        workspace_of(toys.net("residual"), toys.images(3)).layer(layer)
