"""Sum-pooled nets: closed forms beside slow sums, patterns beside sets, scores beside what is known of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from lib.comparison import Examples
from lib.errors import StudyError
from lib.exactness import largest_error
from lib.sum_pool import (
    convolutional,
    dense,
    distinct_values,
    gradient_in_closed_form,
    pattern_codes,
    preactivation,
    random_dense,
    random_filters,
    spread_within_patterns,
)
from lib.sum_pool_scores import NETS, closed_form_scores, edge_scores, sum_pool_pictures

SIZE = 9
FILTER = torch.tensor([[0.5, -1.0, 0.25], [2.0, 0.0, -0.75], [1.5, -0.5, 1.0]], dtype=torch.float64)


def framed(side=SIZE, seed=0):
    """Two images with black margins, so that some units answer exactly 0."""
    image = torch.zeros(2, 1, side, side, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    image[:, :, 3:-2, 2:-3] = torch.rand(2, 1, side - 5, side - 5, generator=generator, dtype=torch.float64)
    return image


def slow_gradient(image, filter_, on, turned=False):
    """The derivative of the sum of units that are on, unit by unit and weight by weight."""
    gradient = np.zeros((SIZE, SIZE))
    for p, q, k, m in itertools.product(range(SIZE), range(SIZE), (-1, 0, 1), (-1, 0, 1)):
        i, j = (p - k, q - m) if turned else (p + k, q + m)
        if on[p, q] and 0 <= i < SIZE and 0 <= j < SIZE:
            gradient[i, j] += on[p, q] * filter_[k + 1, m + 1]
    return gradient


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("index", ["minus", "plus"])
def test_closed_form_is_the_derivative_unit_by_unit(slope, index):
    """With the index turned it is the gradient of the convolution of mathematics, whose filter is turned over."""
    images = framed()
    answers = preactivation(images, FILTER).numpy()
    assert (answers == 0).any() and (answers < 0).any()
    found = gradient_in_closed_form(images, FILTER, slope, index)
    for image, answer, gradient in zip(images, answers, found, strict=True):
        on = (answer > 0) + slope * (answer == 0)
        expected = slow_gradient(image, FILTER.numpy(), on, turned=index == "plus")
        assert gradient[0].numpy() == pytest.approx(expected, abs=1e-12)


def test_only_the_right_conventions_give_autograds_gradient():
    images = framed().requires_grad_()
    (truth,) = torch.autograd.grad(convolutional([FILTER[None, None]])(images).sum(), images)
    errors = {
        (slope, index): float((gradient_in_closed_form(images.detach(), FILTER, slope, index) - truth).abs().max())
        for slope in (0.0, 1.0)
        for index in ("minus", "plus")
    }
    assert errors.pop((0.0, "minus")) < 1e-12 and min(errors.values()) > 0.5


def test_the_papers_index_is_right_for_a_filter_that_is_turned_over():
    images = framed().requires_grad_()
    flipped = convolutional([FILTER.flip(0, 1)[None, None]])
    (truth,) = torch.autograd.grad(flipped(images).sum(), images)
    # The closed form is given the filter of mathematics; the activations are those of its convolution.
    on = (preactivation(images.detach(), FILTER.flip(0, 1)) > 0).numpy()
    for gradient, active in zip(truth, on, strict=True):
        assert gradient[0].numpy() == pytest.approx(slow_gradient(None, FILTER.numpy(), active, turned=True), abs=1e-12)


def test_a_filter_answers_as_a_sum_over_its_nine_places():
    image = framed()[:1]
    answer = preactivation(image, FILTER)[0]
    for i, j in [(0, 0), (4, 4), (3, 8)]:
        places = itertools.product((-1, 0, 1), (-1, 0, 1))
        inside = [(k, m) for k, m in places if 0 <= i + k < SIZE and 0 <= j + m < SIZE]
        expected = sum(float(FILTER[k + 1, m + 1] * image[0, 0, i + k, j + m]) for k, m in inside)
        assert float(answer[i, j]) == pytest.approx(expected, abs=1e-12)


def test_pattern_codes_number_the_nine_neighbours():
    active = torch.zeros(1, 4, 5, dtype=torch.bool)
    active[0, 1, 1] = True
    codes = pattern_codes(active)[0]
    # The one unit that is on stands below right (bit 8) of (0, 0) and above left (bit 0) of (2, 2).
    assert codes[0, 0] == 2**8 and codes[2, 2] == 1 and codes[1, 1] == 2**4 and codes[1, 2] == 2**3
    assert codes[:, 3:].sum() == 0 and len(codes.unique()) == 10
    assert (pattern_codes(torch.ones(1, 5, 5, dtype=torch.bool))[0, 1:-1, 1:-1] == 511).all()


def test_spread_and_distinct_values():
    maps = torch.tensor([[1.0, 1.0, 2.0, 5.0], [1.0, 1.5, 1.0, 1.0]]).view(2, 1, 2, 2)
    codes = torch.tensor([[7, 7, 3, 3], [0, 0, 511, 511]]).view(2, 2, 2)
    assert spread_within_patterns(maps, codes).tolist() == [3.0, 0.5]
    assert distinct_values(maps).tolist() == [3, 2]
    assert distinct_values(torch.tensor([[1.0, 1.0 + 1e-12, 3.0]]).double()).item() == 2


def test_nets_sum_their_rectified_units():
    images = framed()
    first, second = random_filters(0, layers=2, channels=3)
    hidden = nn.functional.conv2d(images, first, padding=1).clamp(min=0)
    stacked = nn.functional.conv2d(hidden, second, padding=1).clamp(min=0).sum((1, 2, 3))
    assert torch.allclose(convolutional([first, second])(images)[:, 0], stacked)
    weight = random_dense(0, SIZE**2).double()
    plain = (images.flatten(1) @ weight.T).clamp(min=0).sum(1)
    assert torch.allclose(dense(weight)(images)[:, 0], plain)


def test_draws_are_named_by_number_layer_and_width():
    assert torch.equal(random_filters(2)[0], random_filters(2)[0])
    assert not torch.equal(random_filters(2)[0], random_filters(3)[0])
    first, second = random_filters(0, layers=2, channels=1)
    assert not torch.equal(first, second) and torch.equal(first, random_filters(0)[0])
    assert [each.shape for each in random_filters(0, 2, 5)] == [(5, 1, 3, 3), (5, 5, 3, 3)]


GIVEN = {"image_ids": [0, 1], "background": 0.0}


@pytest.fixture(scope="module")
def forms():
    return closed_form_scores(framed(16), draws=6, **GIVEN)


def test_exact_statements_hold_for_every_filter(forms):
    for method, against in [
        ("gradient", "closed_form"),
        ("gradient", "pattern"),
        ("guided_backprop", "gradient"),
        ("gradient_x_input", "logit"),
    ]:
        assert largest_error(forms, "sum_pool_conv", method, against) < 1e-10
    for against in ("printed", "slope_one", "index_plus"):
        assert forms[forms.against == against].value.min() > 0.01


def test_maps_have_as_many_values_as_patterns_at_most(forms):
    wide = forms[forms.metric.isin(["distinct_values", "patterns"])].pivot_table(
        index=["draw", "image"], columns="metric", values="value"
    )
    assert (wide.distinct_values <= wide.patterns).all() and wide.patterns.between(2, 512).all()
    assert len(wide) == 12


def test_the_share_of_uniform_patterns_is_counted_pixel_by_pixel(forms):
    rows = forms[(forms.metric == "uniform_share") & (forms.draw == 2)].set_index("image").value
    on = preactivation(framed(16), random_filters(2)[0][0, 0]) > 0
    for number in range(2):
        padded = np.pad(on[number].numpy(), 1)
        sums = [padded[i : i + 3, j : j + 3].sum() for i in range(16) for j in range(16)]
        assert rows[number] == pytest.approx(np.mean([each in (0, 9) for each in sums]))


def test_every_net_method_image_and_draw_has_its_auc():
    table = edge_scores(
        framed(16), methods=["gradient", "edge", "random"], nets=NETS, draws=3, layers=[1, 2], channels=2, **GIVEN
    )
    assert set(table.groupby(["intervention", "step"]).groups) == {
        ("sum_pool_conv", 0),
        ("dense_relu", 0),
        ("stacked_conv", 1),
        ("stacked_conv", 2),
    }
    assert len(table) == 4 * 3 * 2 * 3 and table.value.between(0, 1).all()
    # The edge detector finds its own edges, but for ties between an edge pixel and another.
    assert table[table.method == "edge"].value.min() > 0.95
    assert abs(table[table.method == "random"].value.mean() - 0.5) < 0.1


def test_colours_are_explained_by_their_luminance():
    colours = framed(16).expand(-1, 3, -1, -1) * torch.tensor([1.0, 0.5, 0.2]).view(1, 3, 1, 1)
    grey = framed(16) * float(torch.tensor([0.2125, 0.5 * 0.7154, 0.2 * 0.0721]).double().sum())
    settings = {"methods": ["gradient"], "nets": ["sum_pool_conv"], "draws": 2, **GIVEN}
    first, second = (edge_scores(each, **settings) for each in (colours, grey))
    assert first.value.to_numpy() == pytest.approx(second.value.to_numpy(), abs=1e-6)


def test_pictures_show_what_their_names_say():
    images = framed(16)
    pictures = sum_pool_pictures(images, methods=["gradient"], filters=2, layers=2, channels=2, **GIVEN)
    for draw in range(2):
        filter_ = random_filters(draw)[0][0, 0]
        assert torch.equal(pictures[f"filter {draw + 1}:units on"] > 0, preactivation(images, filter_) > 0)
        expected = gradient_in_closed_form(images, filter_)[:, 0]
        assert torch.allclose(pictures[f"filter {draw + 1}:gradient"], expected)
    assert {"image", "edges", "dense layer:gradient", "2 layers:gradient"} < set(pictures) and len(pictures) == 8
    assert all(each.shape == (2, 16, 16) for each in pictures.values())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"draws": 0}, "draws is 0"),
        ({"layers": [1, 0]}, r"layers\[1\] is 0"),
        ({"channels": 0}, "channels is 0"),
        ({"nets": ["resnet"]}, "choose from sum_pool_conv, dense_relu, stacked_conv"),
        ({"nets": []}, "choose from"),
        ({"methods": ["gradeint"]}, "did you mean gradient"),
    ],
)
def test_what_cannot_be_run_is_refused(change, words):
    given = {"methods": ["gradient"], "nets": ["stacked_conv"], "draws": 1, "layers": [1], "channels": 1} | change
    with pytest.raises(StudyError, match=words):
        edge_scores(framed(), **given, **GIVEN)


def test_the_dense_map_is_the_image_with_noise():
    """E[w 1(w·x > 0)] = x / (|x| sqrt(2π)): averaged over many random layers the gradient points at the image."""
    from lib.attributions.gradients import Gradient
    from lib.explained import maps_of

    image = framed(12)[:1]
    examples = Examples.of(image, torch.zeros(1, dtype=torch.int64))
    maps = [maps_of(dense(random_dense(draw, 144).double()), examples, [Gradient()])["gradient"] for draw in range(200)]
    mean, single = torch.stack(maps).mean(0).flatten(), maps[0].flatten()
    # Rows have variance 1/144, there are 144 of them.
    expected = 144 * image.flatten() / image.norm() / (2 * torch.pi) ** 0.5 / 12
    noise = (torch.stack(maps).std(0) / 200**0.5).flatten()
    assert ((mean - expected).abs() < 4 * noise).all()
    assert torch.corrcoef(torch.stack([mean, image.flatten()]))[0, 1] > 0.95
    assert torch.corrcoef(torch.stack([single, image.flatten()]))[0, 1] < 0.95
