"""Rewired networks: the same outputs, the weights that were promised, and which methods notice."""

from __future__ import annotations

import itertools

import pytest
import torch
import toys
from oracles import plain_deconvnet, plain_guided_backprop
from torch import nn

from lib.errors import StudyError
from lib.implementation_invariance import rewired_scores
from lib.rewired import REWIRINGS, rewired

WIDTHS = (12, 10, 8, 6, 3)
CLASSES = torch.tensor([0, 2, 1, 0])


def dense_net(widths=WIDTHS, seed=0, bias=True):
    generator = torch.Generator().manual_seed(seed)
    layers = [nn.Flatten()]
    for inputs, outputs in itertools.pairwise(widths):
        layer = nn.Linear(inputs, outputs, bias=bias).double()
        with torch.no_grad():
            for each in layer.parameters():
                each.copy_(torch.randn(each.shape, generator=generator, dtype=torch.float64) / inputs**0.5)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1]).eval().requires_grad_(False)


def pictures(count=4, seed=1):
    """Pixels in [0, 1], half of them 0, so that units are active for some pictures and not for others."""
    generator = torch.Generator().manual_seed(seed)
    pixels, ink = (torch.rand(count, 1, 3, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    return pixels * (ink < 0.5)


def layers_of(model):
    return [module for module in model if isinstance(module, nn.Linear)]


def scores_of(methods, hows=tuple(REWIRINGS), model=None, images=None, **more):
    given = {"draws": 1, "training_images": pictures(60, seed=2), "pattern_images": 60} | more
    model = dense_net() if model is None else model
    return rewired_scores(model, pictures() if images is None else images, CLASSES, methods, hows=list(hows), **given)


def changes(methods, **more):
    """Way -> method -> largest relative change."""
    found = scores_of(methods, **more)
    found = found[(found.metric == "relative_change") & (found.against == "original")]
    return found.groupby(["method", "intervention"]).value.max().unstack(0).to_dict("index")


# The copies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", REWIRINGS)
@pytest.mark.parametrize("bias", [True, False])
def test_outputs_are_equal_and_the_model_is_not_changed(how, bias):
    model = dense_net(bias=bias)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    images = 2 * pictures(50, seed=3) - 1
    duplicate = rewired(model, how, images)
    assert (duplicate(images) - model(images)).abs().max() < 1e-13
    assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
    hidden, before = (torch.cat([each.weight.flatten() for each in layers_of(net)]) for net in (duplicate, model))
    assert not torch.equal(hidden, before)
    assert not any(each.requires_grad for each in duplicate.parameters())


@pytest.mark.parametrize("how", REWIRINGS)
def test_copies_are_drawn_by_name(how):
    weights = [
        torch.cat([each.flatten() for each in rewired(dense_net(), how, pictures(), draw=draw, seed=seed).parameters()])
        for draw, seed in ((0, 0), (0, 0), (1, 0), (0, 1))
    ]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2]) and not torch.equal(weights[0], weights[3])


def test_permuted_units_are_the_same_in_another_order():
    before, after = (layers_of(net)[0] for net in (dense_net(), rewired(dense_net(), "permuted", pictures())))
    order = before.bias.argsort(), after.bias.argsort()
    assert not torch.equal(*order)
    assert torch.equal(before.weight[order[0]], after.weight[order[1]])


def test_rescaled_units_have_factors_between_a_half_and_two():
    net = dense_net((12, 400, 3))
    before, after = layers_of(net), layers_of(rewired(net, "rescaled", pictures()))
    factor = after[0].bias / before[0].bias
    assert torch.allclose(after[0].weight, before[0].weight * factor[:, None], rtol=1e-12)
    assert torch.allclose(after[1].weight * factor, before[1].weight, rtol=1e-12)
    # Uniform logarithms of base 2 between -1 and 1: 400 of them come near both ends, and half are below 0.
    assert 0.5 <= factor.min() < 0.52 and 1.92 < factor.max() <= 2.0
    assert (factor.log2() < 0).double().mean() == pytest.approx(0.5, abs=0.1)


def test_half_of_the_units_of_every_layer_are_duplicated_or_join_as_pairs():
    net = dense_net()
    assert [each.out_features for each in layers_of(rewired(net, "duplicated", pictures()))] == [15, 12, 9, 3]
    paired = layers_of(rewired(net, "cancelling", pictures()))
    assert [each.out_features for each in paired] == [20, 16, 12, 3]
    assert [each.in_features for each in paired] == [12, 20, 16, 12]
    sent = paired[-1].weight[:, 6:]
    assert torch.equal(sent[:, :3], -sent[:, 3:]) and (sent != 0).all()
    assert torch.equal(paired[0].weight[10:15], paired[0].weight[15:]), "a pair reads the same"


def test_nested_pairs_have_one_value_and_reach_it_by_two_ways():
    images = 2 * pictures(200, seed=4) - 1
    net = dense_net()
    duplicate = rewired(net, "nested", images)
    first, second, third = layers_of(duplicate)[:3]
    assert (first.out_features, second.out_features, third.in_features) == (14, 16, 16)
    lowest = torch.relu(first(images.flatten(1)))
    assert (lowest[:, 10:] > 0).all(), "the way round the ReLU is always open"
    nested, direct = torch.relu(second(lowest))[:, 8:].chunk(2, 1)
    assert torch.allclose(nested, direct, atol=1e-13) and (nested > 0).any(0).all()
    assert not torch.equal(*second.weight[8:].chunk(2))
    assert torch.equal(third.weight[:, 8:12], -third.weight[:, 12:])


# Who notices --------------------------------------------------------------------------------------------------------

FUNCTION = ["gradient", "gradient_x_input", "integrated_gradients(steps=5)", "dtd_zero"]
LINEAR = ["pattern_attribution", "pattern_attribution(estimator=linear)", "deeplift"]
SIGNED = ["guided_backprop", "deconvnet", "dtd_zplus", "dtd_w2"]
PATTERNS = ["pattern_net", "pattern_net(estimator=linear)"]
NOTICE = {
    "permuted": [],
    "rescaled": [],
    "duplicated": PATTERNS,
    "cancelling": PATTERNS + SIGNED,
    "nested": PATTERNS + SIGNED + LINEAR,
}


def test_every_method_notices_what_it_must_and_nothing_else():
    methods = FUNCTION + LINEAR + SIGNED + PATTERNS
    found = changes(methods)
    assert set(found) == {f"rewired({how})" for how in REWIRINGS}
    for how, noticed in NOTICE.items():
        for method in methods:
            change = found[f"rewired({how})"][method]
            assert change > 1e-4 if method in noticed else change < 1e-12, (how, method, change)


def test_the_patterns_of_two_copies_are_those_of_one():
    """One hidden unit, sent twice at half the strength: PatternNet's map doubles, the others' do not."""
    net = dense_net((12, 1, 3))
    with torch.no_grad():
        layers_of(net)[0].bias.fill_(5.0)
    found = changes(["pattern_net", "pattern_attribution"], hows=["duplicated"], model=net)["rewired(duplicated)"]
    assert found["pattern_net"] == pytest.approx(1.0, abs=1e-12)
    assert found["pattern_attribution"] < 1e-12


@pytest.mark.parametrize(
    ("method", "oracle"), [("guided_backprop", plain_guided_backprop), ("deconvnet", plain_deconvnet)]
)
def test_changes_are_those_of_plain_maps(method, oracle):
    nets = dense_net(), rewired(dense_net(), "cancelling", pictures())
    before, after = (
        torch.stack([oracle(net, x, int(c)) for x, c in zip(pictures(), CLASSES, strict=True)]) for net in nets
    )
    expected = (after - before).flatten(1).norm(dim=1) / before.flatten(1).norm(dim=1)
    found = scores_of([method], ["cancelling"], image_ids=[7, 3, 5, 1])
    found = found[found.method == method]
    assert found.image.to_list() == [7, 3, 5, 1] and set(found.metric) == {"relative_change"}
    assert found.value.to_numpy() == pytest.approx(expected.numpy(), rel=1e-10)


def test_the_table_holds_logits_and_draws():
    found = scores_of(["gradient", "pattern_net"], ["nested", "permuted"], draws=2)
    logits = found[found.metric == "relative_error"]
    assert (logits.against == "logits").all() and (logits.value < 1e-13).all() and len(logits) == 2 * 2 * 4
    assert set(found.draw) == {0, 1} and set(found.step) == {0}
    first, second = (found[(found.method == "pattern_net") & (found.draw == draw)].value.to_numpy() for draw in (0, 1))
    assert (first != second).all()


# Refusals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["max_pool", "residual", "linear"])
def test_other_nets_are_refused(kind):
    with pytest.raises(StudyError):
        rewired(toys.net(kind), "permuted", toys.images(1, kind))


def test_a_layer_that_runs_twice_is_refused():
    layer = nn.Linear(12, 12).double().requires_grad_(False)
    net = nn.Sequential(
        nn.Flatten(), layer, nn.ReLU(), layer, nn.ReLU(), nn.Linear(12, 3).double().requires_grad_(False)
    )
    with pytest.raises(StudyError, match="each used once"):
        rewired(net.eval(), "permuted", pictures())


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"hows": ["shuffled"]}, "choose one of permuted"),
        ({"hows": []}, "at least one way"),
        ({"draws": 0}, "at least one draw"),
        ({"images": 2 * pictures()}, "scale the images"),
        ({"model": dense_net((12, 5, 3))}, "two hidden layers"),
        ({"pattern_images": 0}, "pattern_images is 0"),
    ],
)
def test_bad_settings_are_refused(more, words):
    with pytest.raises(StudyError, match=words):
        scores_of(["gradient"], **more)
