"""Shift invariance: identities J-02 to J-07 on small nets, the expected cells on a trained one, and traps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from lib import attributions, data, training
from lib.errors import StudyError
from lib.networks import Network
from lib.shift_invariance import relative_change, shift_invariance, shift_rise
from lib.shift_pictures import shift_pictures, stretched
from lib.shifts import named_shift
from lib.training import Recipe
from lib.workspace import Noise

YES = [
    "gradient",
    "guided_backprop",
    "deconvnet",
    "pattern_net(patterns=shared)",
    "integrated_gradients(reference=pixelmin,steps=7)",
    "integrated_gradients(reference=mean,steps=7)",
    "deeplift(reference=mean)",
    "dtd_zbox(low=pixelmin,high=pixelmax)",
    "dtd_w2",
    "pattern_attribution(patterns=shared)",
    "pattern_attribution(estimator=linear)",
    "pattern_attribution(estimator=centred)",
    "smoothgrad_absolute(samples=3)",
    "smoothgrad_absolute(of=guided_backprop,samples=3)",
    "smoothgrad_absolute(of=pattern_attribution(patterns=shared),samples=3)",
    "vargrad_absolute(samples=3)",
]
NO = [
    "gradient_x_input",
    "integrated_gradients(steps=7)",
    "deeplift",
    "dtd_zero",
    "pattern_attribution",
    "smoothgrad_absolute(of=gradient_x_input,samples=3)",
    "smoothgrad_absolute(of=integrated_gradients(steps=3),samples=3)",
    "smoothgrad_absolute(of=dtd_zero,samples=3)",
]
MOVES_WITH_CONSTANTS = [
    "integrated_gradients(reference=black,steps=7)",
    "deeplift(reference=black)",
    "smoothgrad_absolute(of=integrated_gradients(reference=black,steps=3),samples=3)",
]
SHIFTS = ["const", "checker", "cat"]


class Trained:
    """A small `k_mlp`, ten images of ten classes and what an invariance study is given."""

    def __init__(self) -> None:
        dataset = data.load("mnist-5k")
        self.model, _ = training.train_by_sgd(Recipe("k_mlp", "mnist-5k", 0, 60, 64, 0.1, 0.0, optimizer="sgd"))
        chosen = data.balanced(dataset.test_labels, 10)
        self.images = dataset.test_images[chosen]
        self.targets = self.model(self.images).argmax(1)
        self.training_images = dataset.train_images
        right = training.correct(self.model, dataset.test_images, dataset.test_labels)
        self.accuracy = right.double().mean().item()

    def table(self, methods, **settings):
        given = {"shifts": SHIFTS, "training_images": self.training_images, "pattern_images": 100} | settings
        return shift_invariance(self.model, self.images, self.targets, methods, **given)


@pytest.fixture(scope="module")
def trained(digits):
    return Trained()


@pytest.fixture(scope="module")
def changes(trained):
    table = trained.table([*YES, *NO, *MOVES_WITH_CONSTANTS])
    assert len(table[table.metric == "relative_change"]) == len(SHIFTS) * 10 * len([*YES, *NO, *MOVES_WITH_CONSTANTS])
    return table[table.metric == "relative_change"].groupby(["method", "level"]).value.mean().unstack()[SHIFTS]


# The cells of K-10 to K-41 ------------------------------------------------------------------------------------------


def test_the_net_has_learned_something(trained):
    assert trained.accuracy > 0.8


@pytest.mark.parametrize("method", YES)
def test_a_method_that_should_not_notice_does_not(changes, method):
    assert changes.loc[method].max() < 1e-9


@pytest.mark.parametrize("method", NO)
def test_a_method_that_should_notice_does(changes, method):
    assert changes.loc[method].min() > 0.1


@pytest.mark.parametrize("method", MOVES_WITH_CONSTANTS)
def test_black_moves_along_with_a_constant_alone(changes, method):
    assert changes.loc[method, "const"] < 1e-9 and changes.loc[method, SHIFTS[1:]].min() > 0.1


def test_noise_tied_to_the_range_of_the_image_fakes_a_failure(trained):
    table = trained.table(["smoothgrad(samples=3)", "smoothgrad_absolute(samples=3)"], shifts=["const", "checker"])
    means = table[table.metric == "relative_change"].groupby(["method", "level"]).value.mean()
    # A constant leaves the range as it is, a checkerboard doubles it.
    assert means["smoothgrad(samples=3)", "const"] < 1e-9 and means["smoothgrad(samples=3)", "checker"] > 0.05
    assert means["smoothgrad_absolute(samples=3)", "checker"] < 1e-9


def test_perturbation_does_not_notice_a_constant_if_what_is_deleted_is_blurred(trained):
    methods = ["meaningful_perturbation", "meaningful_perturbation(fill=zero)"]
    given = {"shifts": ["const"], "training_images": trained.training_images[:50], "pattern_images": 1}
    table = shift_invariance(trained.model, trained.images[:1], trained.targets[:1], methods, **given)
    blurred, zero = table.value
    assert blurred < 1e-6 and zero > 0.1


def test_the_checkerboard_shows_in_products_alone(trained):
    methods = ["gradient_x_input", "integrated_gradients(steps=7)", "dtd_zero", "pattern_attribution(patterns=shared)"]
    table = trained.table(methods, shifts=["checker"])
    rises = table[table.metric == "shift_rise"].groupby("method").value.mean()
    assert rises[methods[:3]].min() > 0.2 and abs(rises[methods[3]]) < 1e-9


def test_the_z_plus_rule_refuses_negative_pixels_before_anything_is_computed(trained, monkeypatch):
    monkeypatch.setattr(Network, "maps", lambda *_, **__: pytest.fail("computed"))
    with pytest.raises(StudyError, match="pixels below 0, for which the z"):
        trained.table(["dtd_zplus"], shifts=["checker", "const"])


# Identities ---------------------------------------------------------------------------------------------------------


def small():
    torch.manual_seed(4)
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))
    images, training_images = torch.rand(6, 1, 6, 6), torch.rand(80, 1, 6, 6)
    return (
        model.double().eval().requires_grad_(False),
        images.double(),
        torch.tensor([0, 1, 2, 0, 1, 2]),
        training_images,
    )


def both(methods, shift):
    model, images, targets, training_images = small()
    first = Network.of(model, training_images, 80)
    chosen = attributions.methods(methods)
    ids = range(len(images))
    return first.maps(images, targets, chosen, ids), first.shifted(shift).maps(images + shift, targets, chosen, ids)


def a_shift():
    return torch.randn(1, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("method", ["gradient_x_input", "dtd_zero"])
def test_products_change_by_shift_times_gradient(method):
    """J-03 and J-06."""
    before, after = both(["gradient", method], a_shift())
    assert (after[method] - before[method] - a_shift() * before["gradient"]).abs().max() < 1e-13


@pytest.mark.parametrize("method", ["integrated_gradients", "deeplift"])
def test_a_fixed_reference_is_a_reference_that_moved_the_other_way(method):
    """J-04: the shifted image from zero is the image from minus the shift."""
    model, images, targets, _ = small()
    _, after = both([method], a_shift())
    there = attributions.attribute(
        model, images, targets, [f"{method}(reference=mean)"], references={"mean": -a_shift()}
    )
    assert (after[method] - there[f"{method}(reference=mean)"]).abs().max() < 1e-12


def test_the_published_estimator_gains_a_multiple_of_the_shift():
    """J-07, by the formula: the numerator of a unit gains m (E+[y] - E[y])."""
    model, _, _, training_images = small()
    weight, bias = model[1].weight, model[1].bias
    x = training_images.double().flatten(1)
    y = x @ weight.T + bias
    shift = a_shift().flatten()

    def patterns(inputs, unit):
        on = y[:, unit] > 0
        n = (inputs[on] * y[on, unit, None]).mean(0) - inputs[on].mean(0) * y[:, unit].mean()
        return n, n / (weight[unit] @ n)

    gain = torch.stack([patterns(x + shift, unit)[0] - patterns(x, unit)[0] for unit in range(12)])
    factor = torch.stack([y[y[:, unit] > 0, unit].mean() - y[:, unit].mean() for unit in range(12)])
    assert (gain - factor[:, None] * shift).abs().max() < 1e-12 and factor.max() > 0.01
    first = Network.of(model, training_images, 80)
    from lib.pattern_estimators import patterns_of

    for network, inputs in ((first, x), (first.shifted(a_shift()), x + shift)):
        found = patterns_of(network.model, network.training_images, "two_component").directions[0]
        by_hand = torch.stack([patterns(inputs, unit)[1] for unit in range(12)])
        assert (found - by_hand).abs().max() < 1e-9 * by_hand.abs().max()


def test_shared_patterns_are_those_of_the_first_network():
    before, after = both(["pattern_attribution", "pattern_attribution(patterns=shared)"], a_shift())
    shared = "pattern_attribution(patterns=shared)"
    assert torch.equal(before["pattern_attribution"], before[shared])
    assert relative_change(before[shared], after[shared]).max() < 1e-13
    assert relative_change(before["pattern_attribution"], after["pattern_attribution"]).min() > 1e-3


# Numbers and refusals -----------------------------------------------------------------------------------------------


def test_relative_change_and_rise_by_hand():
    first = torch.tensor([[[[3.0, 4.0]]], [[[0.0, 0.0]]]]).double()
    second = torch.tensor([[[[3.0, 5.0]]], [[[1.0, 0.0]]]]).double()
    found = relative_change(first, second)
    assert found[0].item() == pytest.approx(0.2) and found[1].isnan()
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 3, 1, 5, 5, generator=generator).double()
    shift = torch.randn(1, 5, 5, generator=generator).double()
    r = [[np.corrcoef(each.abs().flatten(), shift.flatten())[0, 1] for each in side] for side in maps]
    assert shift_rise(*maps, shift).tolist() == pytest.approx((np.array(r[1]) - np.array(r[0])).tolist())


def test_a_constant_shift_has_no_rise_and_own_shifts_have_their_names():
    model, images, targets, training_images = small()
    given = {"training_images": training_images, "image_ids": [3, 1, 4, 15, 9, 2]}
    fields = {"mine": a_shift().float(), "flat": torch.ones(1, 6, 6)}
    table = shift_invariance(model, images, targets, ["gradient_x_input"], shifts=fields, **given)
    assert set(table.intervention) == {"shift(mine)", "shift(flat)"} and set(table[table.level == "flat"].metric) == {
        "relative_change"
    }
    assert table[table.level == "flat"].image.tolist() == [3, 1, 4, 15, 9, 2]
    gradients = attributions.attribute(model, images, targets, ["gradient"])["gradient"]
    by_hand = (gradients.flatten(1).norm(dim=1) / (gradients * images).flatten(1).norm(dim=1)).tolist()
    assert table[table.level == "flat"].value.tolist() == pytest.approx(by_hand)


def test_jitter_is_the_same_for_both_networks_and_named():
    model, images, targets, training_images = small()
    table = shift_invariance(
        model, images, targets, ["gradient"], shifts={"mine": a_shift()}, training_images=training_images, jitter=0.5
    )
    assert set(table.intervention) == {"shift(mine,jitter=0.5)"}
    assert table[table.metric == "relative_change"].value.max() < 1e-13


def test_maps_do_not_depend_on_how_images_are_cut_into_batches(monkeypatch):
    whole = both(["smoothgrad_absolute(samples=2)", "pattern_attribution"], a_shift())
    monkeypatch.setattr("lib.networks.chunks", lambda images: [slice(0, 2), slice(2, 6)])
    for one, other in zip(
        whole, both(["smoothgrad_absolute(samples=2)", "pattern_attribution"], a_shift()), strict=True
    ):
        assert all(relative_change(one[name], other[name]).max() < 1e-12 for name in one)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"shifts": []}, "shifts is empty"),
        ({"shifts": ["wave"]}, "The shift 'wave' is not known"),
        ({"shifts": {"mine": torch.ones(1, 5, 5)}}, r"The shift 'mine' has the shape \(1, 5, 5\); the images have"),
        ({"pattern_images": 0}, "pattern_images is 0; it must be at least 1"),
    ],
    ids=str,
)
def test_what_cannot_be_run_is_refused(settings, words):
    model, images, targets, training_images = small()
    given = {"shifts": {"mine": a_shift()}, "training_images": training_images} | settings
    with pytest.raises(StudyError, match=words):
        shift_invariance(model, images, targets, ["gradient"], **given)


def test_absolute_noise_has_its_strength_whatever_the_image():
    model, images, targets, _ = small()
    noise = Noise(list(range(6)), (1, 6, 6), 0).samples(4).double()
    for scale in (1.0, 3.0):
        found = attributions.attribute(
            model, scale * images, targets, ["smoothgrad_absolute(of=gradient_x_input,samples=4,noise_level=0.2)"]
        )
        copies = [scale * images + 0.2 * each for each in noise]
        plain = [
            attributions.attribute(model, copy, targets, ["gradient_x_input"])["gradient_x_input"] for copy in copies
        ]
        assert (next(iter(found.values())) - sum(plain) / 4).abs().max() < 1e-8


def test_absolute_and_relative_noise_do_not_share_what_they_remember():
    model, images, targets, _ = small()
    # The range of each image is not 1, so the two noises differ.
    together = attributions.attribute(
        model, images / 2, targets, ["vargrad", "vargrad_absolute", "smoothgrad_absolute"]
    )
    assert (together["vargrad"] - together["vargrad_absolute"]).abs().max() > 1e-6
    alone = attributions.attribute(model, images / 2, targets, ["smoothgrad_absolute"])
    assert (together["smoothgrad_absolute"] - alone["smoothgrad_absolute"]).abs().max() < 1e-12


def test_pictures_show_both_networks(trained):
    methods, few = ["gradient", "gradient_x_input"], trained.training_images[:50]
    given = {"shifts": ["const", "cat"], "training_images": few, "pattern_images": 1, "image_ids": [0, 1]}
    found = shift_pictures(trained.model, trained.images[:2], trained.targets[:2], methods, **given)
    assert len(found) == 2 * 2 * 3 and all(picture.shape == (2, 28, 28) for picture in found.values())
    assert torch.equal(found["const|network 1: image"], trained.images[:2, 0].double())
    assert (found["const|network 2: image"] - trained.images[:2, 0]).abs().max() < 1e-12
    apart = found["const|network 2: gradient_x_input"] - found["const|network 1: gradient_x_input"]
    assert (apart + found["const|network 1: gradient"]).abs().max() < 1e-12
    assert stretched(torch.tensor([[[2.0, 4.0]], [[5.0, 5.0]]])).tolist() == [[[0.0, 1.0]], [[0.0, 0.0]]]
    assert named_shift("const", (1, 2, 2)).mean() == -1
