"""The net that tells bone age: its parts, its loss, and that it learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from lib import bone_age, compute
from lib.attributions.rectified import GuidedBackprop
from lib.bone_age import CENTRE, SCALE, BoneAgeNet, InceptionBlock, Recipe, mixed_loss, months, train, trained
from lib.comparison import Examples
from lib.errors import StudyError
from lib.explained import maps_of
from lib.hands import SIDE, drawn_ages, hands
from lib.initialisers import draw
from lib.units import unit_tensors, units_of


def random_net(seed=0):
    """A net whose biases and batch norm statistics are random too."""
    generator = torch.Generator().manual_seed(seed)
    model = BoneAgeNet().eval().requires_grad_(False)
    for name, value in model.state_dict().items():
        if value.dtype.is_floating_point:
            drawn = torch.randn(value.shape, generator=generator) * (0.3 if value.dim() > 1 else 0.1)
            value.copy_(drawn.abs() + 0.5 if name.endswith(("running_var", "norm.weight")) else drawn)
    return model


def test_the_loss_is_the_mean_of_l1_and_l2():
    outputs, targets = np.random.default_rng(0).normal(size=(2, 40))
    expected = 0.5 * np.mean(np.abs(outputs - targets)) + 0.5 * np.mean((outputs - targets) ** 2)
    found = mixed_loss(torch.from_numpy(outputs), torch.from_numpy(targets))
    assert float(found) == pytest.approx(expected, rel=1e-12)


def test_units_cover_all_tensors_in_the_order_of_execution():
    model, image = BoneAgeNet(), torch.rand(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    units = units_of(model, image)
    assert list(units) == ["conv1", "conv2", "mixed1", "mixed2", "mixed3", "age"]
    covered = [name for modules in units.values() for name in unit_tensors(model, modules)]
    assert sorted(covered) == sorted(model.state_dict())
    order = []
    for name, module in model.named_children():
        module.register_forward_hook(lambda *_, name=name: order.append(name))
    assert model(image).shape == (1, 1)
    assert [name for name in order if name in units] == list(units)


def test_a_block_lays_four_branches_side_by_side():
    generator = torch.Generator().manual_seed(1)
    block = InceptionBlock(6, 8).eval()
    x = torch.rand(2, 6, 12, 12, generator=generator)
    reaches, channels = {}, {}
    for name, branch in (("one", block.one), ("three", block.three), ("five", block.five), ("pool", block.pool)):
        # What reaches the middle pixel, when all weights are positive.
        for parameter in branch.parameters():
            parameter.data.abs_()
        image = x.clone().requires_grad_(True)
        out = branch(image)
        out[0, :, 6, 6].sum().backward()
        reaches[name] = int((image.grad[0].abs().sum(0) > 0).sum())
        channels[name] = out.shape[1]
    assert reaches == {"one": 1, "three": 9, "five": 25, "pool": 9}
    assert channels == {"one": 8, "three": 8, "five": 4, "pool": 4}
    parts = block(x).split([8, 8, 4, 4], dim=1)
    for part, branch in zip(parts, (block.one, block.three, block.five, block.pool), strict=True):
        assert torch.equal(part, branch(x))


def test_guided_backprop_is_defined_for_it_and_changes_every_relu():
    model, images = random_net(), hands(2, "some").images
    found = maps_of(model, Examples.of(images, torch.zeros(2, dtype=torch.int64)), [GuidedBackprop()])
    # Hooks on modules see every ReLU of this net, because each is a module of its own.
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            module.register_full_backward_hook(lambda _m, grads, _out: (grads[0].clamp(min=0.0),))
    inputs = images.clone().requires_grad_(True)
    with torch.enable_grad():
        model(inputs).sum().backward()
    torch.testing.assert_close(found["guided_backprop"], inputs.grad, rtol=1e-4, atol=1e-8)


def test_the_own_law_keeps_the_size_of_the_signal():
    model, generator = BoneAgeNet(), torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        values = draw(model.own_law, name, parameter, generator)
        if parameter.dim() == 1:
            assert (values == (1.0 if name.endswith("norm.weight") else 0.0)).all()
        elif parameter.numel() > 1000:
            assert values.square().mean() == pytest.approx(2.0 / parameter[0].numel(), rel=0.1)


def test_it_learns_to_tell_the_age_of_hands_it_has_not_seen():
    known, unseen = hands(128, "some"), hands(60, "others")
    model = train(Recipe(128, 45, batch_size=16, learning_rate=0.005), known)
    assert not model.training and not any(parameter.requires_grad for parameter in model.parameters())
    error = (months(model, unseen.images) - unseen.ages).abs().mean()
    of_the_mean = (known.ages.mean() - unseen.ages).abs().mean()
    assert of_the_mean > 40 and error < 0.7 * of_the_mean


def test_training_is_its_recipe():
    known = hands(8, "some")
    states = [
        train(Recipe(8, iterations, batch_size=4, seed=seed), known).state_dict()
        for iterations, seed in ((2, 0), (2, 0), (2, 1), (1, 0))
    ]
    same = [all(torch.equal(value, other[name]) for name, value in states[0].items()) for other in states[1:]]
    assert same == [True, False, False]


class Fixed(nn.Module):
    """Tells every image's mean as its age."""

    def forward(self, x):
        return x.mean((1, 2, 3)).unsqueeze(1)


def test_outputs_are_read_as_months():
    images = torch.tensor([-1.0, 0.0, 1.5]).view(3, 1, 1, 1).expand(3, 1, 4, 4)
    assert months(Fixed(), images).tolist() == [CENTRE - SCALE, CENTRE, CENTRE + 1.5 * SCALE]
    ages = drawn_ages(5000, "some")
    # One unit is about a standard deviation, so that neither term of the loss rules.
    assert ages.mean() == pytest.approx(CENTRE, abs=3) and ages.std() == pytest.approx(SCALE, abs=3)


def test_a_trained_net_comes_from_the_cache_the_second_time(tmp_path, monkeypatch):
    monkeypatch.setenv("SALIENCY_CACHE", str(tmp_path))
    recipe = Recipe(4, 1, batch_size=2)
    first = trained(recipe)
    monkeypatch.setattr(bone_age.hands, "hands", None)
    second = trained(recipe)
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())
    with pytest.raises(TypeError):
        trained(Recipe(4, 1, batch_size=2, seed=1))


@pytest.mark.parametrize("recipe", [Recipe(31, 5), Recipe(64, 0)])
def test_a_recipe_that_learns_nothing_is_refused(recipe, monkeypatch):
    monkeypatch.setattr(compute, "settle", None)
    for use in (trained, lambda each: train(each, None)):
        with pytest.raises(StudyError, match="at least one batch of 32 hands, and 1 iteration"):
            use(recipe)
