"""Normalised inputs: what they are, that the network makes up for them, and which maps then agree."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import toys
from oracles import plain_gradient
from torch import nn

from lib import compute
from lib.centred import SCALES, centred_scores, scaled_scores
from lib.errors import StudyError
from lib.normalisation import NORMALISATIONS, Normalisation, stretched
from lib.shifts import named_shift

SHAPE = (1, 8, 8)
CLASSES = torch.tensor([0, 2, 1, 0])


def dense_net(seed=0):
    generator = torch.Generator().manual_seed(seed)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, 10), nn.ReLU(), nn.Linear(10, 3))
    with torch.no_grad():
        for each in net.parameters():
            each.copy_(torch.randn(each.shape, generator=generator) / each.shape[-1] ** 0.5)
    return net.double().eval().requires_grad_(False)


def pictures(count=4, seed=1):
    generator = torch.Generator().manual_seed(seed)
    pixels, ink = (torch.rand(count, *SHAPE, generator=generator, dtype=torch.float64) for _ in range(2))
    return pixels * (ink < 0.4)


TRAINING = pictures(80, seed=2) ** 2


def gradients(model):
    return torch.stack([plain_gradient(model, x, int(c)) for x, c in zip(pictures(), CLASSES, strict=True)])


def sizes(maps):
    return maps.flatten(1).norm(dim=1)


def centred(methods, by=NORMALISATIONS, shifts=("const", "checker"), model=None, **more):
    given = {"training_images": TRAINING, "pattern_images": 80} | more
    model = dense_net() if model is None else model
    return centred_scores(model, pictures(), CLASSES, methods, by=list(by), shifts=list(shifts), **given)


def scaled(methods, by=("none", "image"), draws=1, **more):
    given = {"training_images": TRAINING, "pattern_images": 80} | more
    return scaled_scores(dense_net(), pictures(), CLASSES, methods, by=list(by), draws=draws, **given)


def values(table, intervention, method, metric="relative_change"):
    own = table[(table.intervention == intervention) & (table.method == method) & (table.metric == metric)]
    return own.sort_values(["draw", "image"]).value.to_numpy()


# Normalisations -----------------------------------------------------------------------------------------------------


def test_images_are_normalised_as_the_names_say():
    images, pixels = pictures().numpy(), TRAINING.numpy()
    expected = {
        "none": images,
        "scalar": images - pixels.mean(),
        "image": images - pixels.mean(0),
        "standardised": np.stack([(each - each.mean()) / each.std() for each in images]),
    }
    for name in NORMALISATIONS:
        found = Normalisation.learned(name, TRAINING).images(pictures())
        assert np.allclose(found.numpy(), expected[name], atol=1e-13), name
    flat = torch.full((1, *SHAPE), 0.7, dtype=torch.float64)
    assert Normalisation.learned("standardised", TRAINING).images(flat).abs().max() == 0


@pytest.mark.parametrize("name", ["none", "scalar", "image"])
@pytest.mark.parametrize("kind", ["mlp", "max_pool"])
def test_the_network_makes_up_for_means(name, kind):
    model, images = toys.net(kind), toys.images(3, kind)
    learned = Normalisation.learned(name, 2 * toys.images(9, kind, seed=5) + 1)
    found = learned.network(model)(learned.images(images))
    assert torch.allclose(found, model(images), atol=1e-12)


def test_the_network_makes_up_for_the_average_standardisation_only():
    learned = Normalisation.learned("standardised", TRAINING)
    spread = TRAINING.numpy().std((1, 2, 3)).mean()
    assert learned.scale == pytest.approx(spread, rel=1e-12)
    seen = (pictures() - TRAINING.mean()) / spread
    assert torch.allclose(learned.network(dense_net())(seen), dense_net()(pictures()), atol=1e-12)


def test_factors_go_into_the_weights_of_a_dense_layer_only():
    factors = torch.rand(SHAPE, generator=torch.Generator().manual_seed(3), dtype=torch.float64) + 0.5
    model = dense_net()
    assert torch.allclose(stretched(model, factors)(pictures()), model(factors * pictures()), atol=1e-13)
    assert torch.equal(model[1].weight, dense_net()[1].weight)
    for kind in ("max_pool", "from_input"):
        with pytest.raises(StudyError, match="one dense layer alone"):
            stretched(toys.net(kind), torch.ones(2, toys.SIDE, toys.SIDE, dtype=torch.float64))


# Shifts -------------------------------------------------------------------------------------------------------------

EVERY = [
    "gradient", "guided_backprop", "gradient_x_input", "integrated_gradients(steps=5)", "dtd_zero", "dtd_w2",
    "deeplift", "pattern_net", "pattern_attribution", "pattern_attribution(patterns=shared)",
]  # fmt: skip
INPUT = ["gradient_x_input", "integrated_gradients(steps=5)", "dtd_zero", "deeplift", "pattern_attribution"]


def test_every_method_agrees_where_the_mean_moves_along():
    table = centred(EVERY, by=["scalar", "image", "standardised"])
    for method in EVERY:
        for name, shift in (("image", "const"), ("image", "checker"), ("scalar", "const"), ("standardised", "const")):
            assert values(table, f"centred(by={name},shift={shift})", method).max() < 1e-12, (method, name, shift)
    for method in INPUT:
        assert values(table, "centred(by=scalar,shift=checker)", method).min() > 0.1, method
    for method in ("gradient", "guided_backprop", "pattern_attribution(patterns=shared)"):
        assert values(table, "centred(by=scalar,shift=checker)", method).max() < 1e-12, method


def test_what_a_scalar_mean_leaves_of_a_shift_is_in_the_product():
    """J-03 for what is left: the maps differ by (m - mean of m) times the gradient."""
    table = centred(["gradient_x_input"], by=["none", "scalar"])
    gradient = gradients(dense_net())
    checker = named_shift("checker", SHAPE)
    for name, mean, left in (("none", 0.0, checker), ("scalar", TRAINING.mean(), checker - checker.mean())):
        expected = sizes(left * gradient) / sizes((pictures() - mean) * gradient)
        found = values(table, f"centred(by={name},shift=checker)", "gradient_x_input")
        assert found == pytest.approx(expected.numpy(), rel=1e-10), name


def test_outputs_stay_unless_images_are_standardised():
    table = centred(["gradient"])
    for name in NORMALISATIONS:
        for shift in ("none", "const", "checker"):
            label = f"centred(by={name},shift={shift})"
            error, same = (values(table, label, "none", metric) for metric in ("relative_error", "same_class"))
            assert len(error) == len(same) == 4
            assert (error > 1e-3).all() if name == "standardised" else (error < 1e-12).all() and (same == 1).all()
    assert not len(values(table, "centred(by=image,shift=none)", "gradient"))


def test_classes_that_brightness_decides_change_with_standardised_images():
    """Standardised images are equally bright, so the network takes all for the same class."""
    brightness = pictures().flatten(1).sum(1)
    bar = brightness.sort().values[1:3].mean()
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).double().requires_grad_(False)
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([1.0, 0.0, 0.0])[:, None].expand(3, 64))
        model[1].bias.copy_(torch.tensor([0.0, float(bar), -99.0]))
    expected = (brightness > bar) == (64 * TRAINING.mean() > bar)
    assert expected.sum() == 2
    table = centred(["gradient"], by=["standardised", "image"], model=model)
    for shift in ("none", "const"):
        same = values(table, f"centred(by=standardised,shift={shift})", "none", "same_class")
        assert same.tolist() == expected.double().tolist()
        assert values(table, f"centred(by=image,shift={shift})", "none", "same_class").tolist() == [1.0] * 4


# Scaled pixels ------------------------------------------------------------------------------------------------------


def test_scaled_pixels_change_the_gradient_by_their_factors():
    table = scaled(EVERY, draws=2)
    gradient = gradients(dense_net())
    low, high = SCALES
    for name in ("none", "image"):
        expected = []
        for draw in range(2):
            uniform = torch.rand(SHAPE, generator=compute.generator(0, "scaled pixels", draw), dtype=torch.float64)
            expected.append(sizes((1 / (low + (high - low) * uniform) - 1) * gradient) / sizes(gradient))
        found = values(table, f"scaled(by={name})", "gradient")
        assert found == pytest.approx(torch.cat(expected).numpy(), rel=1e-10)
    # Mean of (1/d - 1)^2 for d uniform in [1/2, 2]: 2 - 2 log 4 / 1.5.
    assert np.sqrt(np.mean(found**2)) == pytest.approx(np.sqrt(2 - 2 * np.log(4) / 1.5), rel=0.15)


def test_scaled_pixels_leave_products_with_the_input():
    table = scaled(EVERY)
    label = "scaled(by=image)"
    for method in ("gradient_x_input", "integrated_gradients(steps=5)", "dtd_zero", "deeplift", "pattern_attribution"):
        assert values(table, label, method).max() < 1e-12, method
    for method in ("guided_backprop", "dtd_w2", "pattern_net", "pattern_attribution(patterns=shared)"):
        assert values(table, label, method).min() > 0.1, method
    for each in (label, "scaled(by=image,scale=none)"):
        assert values(table, each, "none", "relative_error").max() < 1e-12


# Refusals -----------------------------------------------------------------------------------------------------------


def test_bad_settings_are_refused():
    with pytest.raises(StudyError, match="'median' is not known"):
        centred(["gradient"], by=["image", "median"])
    with pytest.raises(StudyError, match="by is empty"):
        centred(["gradient"], by=[])
    with pytest.raises(StudyError, match="shifts is empty"):
        centred(["gradient"], shifts=[])
    with pytest.raises(StudyError, match="draws is 0"):
        scaled(["gradient"], draws=0)
    with pytest.raises(StudyError, match="pattern_images is 0"):
        centred(["gradient"], pattern_images=0)
    with pytest.raises(StudyError, match="pixels below 0"):
        centred(["dtd_zplus"], by=["none"], shifts=["const"])
