"""Patterns, PatternNet and PatternAttribution: definitions to the letter, planted signals, shifts, states, refusals."""

from __future__ import annotations

import copy
import itertools

import oracles
import pytest
import torch
import toys
from torch import nn
from torch.nn import functional as F
from toys import Lambda

from lib import pattern_estimators
from lib.attributions import attribute, method
from lib.errors import StudyError
from lib.pattern_estimators import ESTIMATORS, patterns, patterns_of
from lib.pattern_layers import pattern_layers
from lib.workspace import Noise, Workspace, working_copy

IMAGES, TARGETS = toys.images(3), torch.tensor([0, 1, 3])
TRAINING = toys.TRAINING
METHODS = ("pattern_net", "pattern_attribution")


def frozen(net):
    return net.eval().requires_grad_(False)


def close(a, b, tolerance=1e-10):
    """Equal relative to the size of the second."""
    return bool((a - b).abs().max() <= tolerance * b.abs().max())


def cosine(a, b):
    return F.cosine_similarity(a.flatten(), b.flatten(), dim=0).item()


def drawn(*shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def estimate(net, images, estimator, size=None):
    return patterns(frozen(net), images.split(size or len(images)), estimator).directions


def workspace_of(net, images=IMAGES, targets=TARGETS, **more):
    noise = Noise(list(range(len(images))), tuple(images.shape[1:]), 0)
    return Workspace(working_copy(net), images, targets[: len(images)], noise, **more)


def maps_of(written, net, images=IMAGES, training=TRAINING, **more):
    return method(written)(workspace_of(net, images, training_images=training, **more))


# ---------------------------------------------------------------- the estimators, sample by sample


def single(layer):
    """A net of one layer before a ReLU, and the logits."""
    flat = layer(IMAGES).flatten(1).shape[1]
    return toys.randomise(nn.Sequential(layer, nn.ReLU(), nn.Flatten(), nn.Linear(flat, 4, dtype=torch.float64)))


LAYERS = {
    "plain": lambda: nn.Conv2d(2, 5, 3),
    "padded": lambda: nn.Conv2d(2, 5, 3, padding=1),
    "strided": lambda: nn.Conv2d(2, 5, 3, stride=2, padding=(2, 1)),
    "dilated": lambda: nn.Conv2d(2, 5, 2, dilation=(2, 3)),
    "same": lambda: nn.Conv2d(2, 5, (2, 3), padding="same"),
    "grouped": lambda: nn.Conv2d(2, 6, 3, padding=1, groups=2, bias=False),
}


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("kind", LAYERS)
def test_patterns_of_a_convolution_equal_loops_over_its_patches(kind, estimator):
    net = single(LAYERS[kind]().double())
    found, of_logits = estimate(net, TRAINING[:12], estimator)
    assert close(found, oracles.plain_conv_pattern(net[0], TRAINING[:12], estimator))
    hidden = net[:3](TRAINING[:12])
    assert close(of_logits, oracles.plain_pattern(net[3].weight, net[3].bias, [hidden] * 4, "linear"))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_patterns_of_dense_layers_equal_loops_over_samples(estimator):
    net = toys.net("mlp")
    x = TRAINING.flatten(1)
    for number, found in zip((1, 3, 5), estimate(net, TRAINING, estimator, 7), strict=True):
        expected = oracles.plain_pattern(
            net[number].weight, net[number].bias, [x] * len(net[number].weight), "linear" if number == 5 else estimator
        )
        assert close(found, expected)
        x = F.relu(net[number](x))


@pytest.mark.parametrize("name", ["mlp", "max_pool", "in_place"])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_pattern_has_product_one_with_its_weights(name, estimator):
    net = toys.net(name)
    layers = [each for each in net if isinstance(each, nn.Linear | nn.Conv2d)]
    for layer, a in zip(layers, estimate(net, TRAINING, estimator), strict=True):
        products = (layer.weight * a).flatten(1).sum(1)
        dead = (a == 0).flatten(1).all(1)
        assert dead.sum() <= 1 and close(products[~dead], torch.ones(len(products) - int(dead.sum())), 1e-12)


def test_both_components_together_are_the_covariance():
    """cov[x, y] = pi (E+[xy] - E+[x]E[y]) + (1 - pi) (E-[xy] - E-[x]E[y]); the negative one is that of -w, -b."""
    net, opposite = toys.net("mlp"), toys.net("mlp")
    with torch.no_grad():
        opposite[1].weight.neg_(), opposite[1].bias.neg_()
    x = TRAINING.flatten(1)
    y = net[1](x)
    positive, negative = (estimate(each, TRAINING, "two_component")[0] for each in (net, opposite))
    parts = []
    for a, sign in ((positive, 1.0), (negative, -1.0)):
        chosen = (sign * y > 0).double()
        numerators = (y * chosen).T @ x - (chosen.T @ x) * y.mean(0)[:, None]
        # The estimate is this direction; its length is put back.
        parts.append(a * sign * (numerators * net[1].weight).sum(1, keepdim=True) / len(x))
    covariance = (y - y.mean(0)).T @ (x - x.mean(0)) / len(x)
    assert close(sum(parts), covariance)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("name", ["mlp", "max_pool"])
def test_any_partition_into_batches_gives_the_same_patterns(name, estimator):
    net = toys.net(name)
    whole = estimate(net, TRAINING, estimator)
    for sizes in ([1] * 60, [7] * 8 + [4], [59, 1], [1, 59]):
        parts = patterns(frozen(net), TRAINING.split(sizes), estimator).directions
        assert all(close(a, b, 1e-12) for a, b in zip(parts, whole, strict=True))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_float32_patterns_are_sound_where_the_mean_is_large(estimator):
    """Inputs of 10 000 + N(0, 1), of which E[xy] - E[x]E[y] in float32 leaves two digits."""
    net = toys.net("mlp")
    with torch.no_grad():
        net[1].bias -= 1e4 * net[1].weight.sum(1)
        net[1].bias[:3] += 1e4  # outputs with a large mean too
    images = 1e4 + drawn(600, 2, 6, 6, seed=1)
    images, small = images.float(), copy.deepcopy(net).float()
    # Weights that float32 holds, so that both nets are the same function of the same pixels.
    net.load_state_dict(small.state_dict())
    found, expected = estimate(small, images, estimator, 50)[0], estimate(net, images.double(), estimator)[0]
    x, y = images.flatten(1), small[1](images.flatten(1))
    naive = y.T @ x / len(x) - y.mean(0)[:, None] * x.mean(0)
    assert not close(naive.double(), (y - y.mean(0)).double().T @ x.double() / len(x), 5e-3)
    assert close(found.double(), expected, 1e-6)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_float32_patterns_of_a_destroyed_net_do_not_underflow(estimator):
    """Activations of 1e-30, whose products float32 does not hold, have the patterns that they have at size 1."""
    net = toys.net("max_pool").float()
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.dim() == 1:
                parameter.zero_()
        expected = estimate(net, TRAINING.float(), estimator)
        net[0].weight *= 2.0**-100
    found = estimate(net.requires_grad_(True), TRAINING.float(), estimator)
    assert close(found[0] * 2.0**-100, expected[0], 1e-4)
    assert all(close(a, b, 1e-4) for a, b in zip(found[1:], expected[1:], strict=True))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_units_that_are_dead_or_constant_have_the_pattern_zero(estimator):
    net = toys.net("mlp")
    training = TRAINING.clone()
    training[:, 0] = drawn(6, 6, seed=7)
    with torch.no_grad():
        net[1].bias[0] = -1e3  # never active
        net[1].weight[1] = 0  # has no direction
        net[1].weight[2, 36:] = 0  # sees constant pixels only
        net[1].bias[2:4] = 50.0  # always active
    a = estimate(net, training, estimator, 7)[0]
    if estimator != "linear":
        assert (a[0] == 0).all()
    assert (a[1:3] == 0).all() and (a[3] != 0).any() and a.isfinite().all()
    for each, start in itertools.product(METHODS, (TRAINING[:3], training[:3])):
        assert maps_of(f"{each}(estimator={estimator})", net, start, training).isfinite().all()


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("name", ["mlp", "max_pool"])
def test_equal_training_images_leave_no_pattern_but_that_of_positions(name, estimator):
    """Not even one of rounding: the mean of seven equal numbers is not always that number."""
    found = estimate(toys.net(name), TRAINING[:1].repeat(30, 1, 1, 1), estimator, 7)
    assert all((each == 0).all() for each in found if each.dim() == 2) and all(each.isfinite().all() for each in found)


def test_unknown_estimator_and_missing_images_are_refused():
    with pytest.raises(StudyError, match="'quadratic' is not known; choose one of two_component"):
        patterns(toys.net("mlp"), [TRAINING], "quadratic")
    with pytest.raises(StudyError, match="at least one batch"):
        patterns(toys.net("mlp"), [], "linear")


# ---------------------------------------------------------------- which layer is followed by a ReLU

FORMS = {
    "module": (lambda m, h: m.act(h), nn.ReLU()),
    "module in place": (lambda m, h: m.act(h), nn.ReLU(inplace=True)),
    "functional in place": (lambda m, h: F.relu_(h), nn.Identity()),
    "method of a view": (lambda m, h: h.view(-1, 3, 4).relu().flatten(1), nn.Identity()),
    "in place, result unused": (lambda m, h: (h.relu_(), h)[1], nn.Identity()),
}


def two_layers(between, act=None):
    return toys.randomise(
        Lambda(
            lambda m, x: m.out(between(m, m.hidden(x.flatten(1)))),
            hidden=nn.Linear(72, 12),
            act=act or nn.Identity(),
            out=nn.Linear(12, 4),
        ).double()
    )


@pytest.mark.parametrize("form", FORMS)
def test_relu_after_a_layer_is_found_in_every_form(form):
    net = frozen(two_layers(*FORMS[form]))
    assert [(each.name, each.before_relu) for each in pattern_layers(net, IMAGES)] == [("hidden", True), ("out", False)]
    plain = two_layers(lambda m, h: F.relu(h))
    for found, expected in zip(estimate(net, TRAINING, "centred"), estimate(plain, TRAINING, "centred"), strict=True):
        assert torch.equal(found, expected)


def test_layer_without_a_relu_has_the_linear_pattern():
    net = frozen(two_layers(lambda m, h: h))
    assert [each.before_relu for each in pattern_layers(net, IMAGES)] == [False, False]
    found, expected = (estimate(net, TRAINING, estimator) for estimator in ("two_component", "linear"))
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_layer_that_is_called_twice_has_a_pattern_for_each_call():
    net = Lambda(
        lambda m, x: m.out(F.relu(m.shared(F.relu(m.shared(x)))).flatten(1)),
        shared=nn.Conv2d(2, 2, 3, padding=1),
        out=nn.Linear(72, 4),
    )
    net = toys.randomise(net.double())
    first, second, _ = estimate(net, TRAINING[:9], "centred")
    assert close(first, oracles.plain_conv_pattern(net.shared, TRAINING[:9], "centred"))
    assert close(second, oracles.plain_conv_pattern(net.shared, F.relu(net.shared(TRAINING[:9])), "centred"))


REFUSED = {
    "batch norm": (lambda m, h: F.relu(m.act(h)), nn.BatchNorm1d(12), "NativeBatchNorm.* in the layer 'act'"),
    "GELU": (lambda m, h: m.act(h), nn.GELU(), "GeluBackward0 in the layer 'act' .GELU."),
    "ReLU6": (lambda m, h: m.act(h), nn.ReLU6(), "Hardtanh.* in the layer 'act' .ReLU6."),
    "residual sum": (lambda m, h: F.relu(m.act(F.relu(h)) + h), nn.Linear(12, 12), "AddBackward0"),
    "dropout in training mode": (lambda m, h: F.dropout(F.relu(h), 0.5, training=True), None, "MulBackward0"),
    "pooling before the ReLU": (
        lambda m, h: F.relu(F.max_pool2d(m.act(h.view(-1, 1, 3, 4)), 1)).flatten(1),
        nn.Conv2d(1, 1, 1),
        "'hidden' goes to|'act' goes to MaxPool2DWithIndicesBackward0",
    ),
    "ReLU beside a skip": (
        lambda m, h: torch.cat([F.relu(h)[:, :6], h[:, 6:]], 1),
        None,
        "'hidden' goes to ReluBackward0 and SliceBackward0",
    ),
    "two ReLUs": (
        lambda m, h: torch.cat([F.relu(h)[:, :6], F.relu(h)[:, 6:]], 1),
        None,
        "'hidden' goes to ReluBackward0 and ReluBackward0",
    ),
}


@pytest.mark.parametrize("form", REFUSED)
@pytest.mark.parametrize("written", METHODS)
def test_net_without_patterns_is_refused_and_the_layer_named(written, form):
    between, act, says = REFUSED[form]
    net = two_layers(between, act)
    workspace = workspace_of(net, training_images=TRAINING)
    for run in (method(written).check, method(written)):
        with pytest.raises(StudyError, match=says):
            run(workspace)


# ---------------------------------------------------------------- the backward rule


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("name", ["linear", "mlp", "max_pool", "in_place"])
def test_maps_equal_the_gradient_of_a_net_with_other_weights_and_the_same_masks(name, estimator):
    net = toys.net(name)
    for each, times_weights in zip(METHODS, (False, True), strict=True):
        maps = maps_of(f"{each}(estimator={estimator})", net)
        for image, target, found in zip(IMAGES, TARGETS.tolist(), maps, strict=True):
            expected = oracles.plain_pattern_map(net, image, target, TRAINING, estimator, times_weights)
            assert expected.abs().max() > 0 and close(found, expected)


def test_I19_one_linear_neuron():
    net = toys.randomise(nn.Sequential(nn.Flatten(), nn.Linear(72, 1)).double())
    x = TRAINING.flatten(1)
    w, y = net[1].weight[0].detach(), net(IMAGES).detach()
    deviations = net(TRAINING).detach() - net(TRAINING).mean()
    a = (deviations * (x - x.mean(0))).mean(0) / deviations.square().mean()
    workspace = workspace_of(net, targets=torch.zeros(3, dtype=torch.int64), training_images=TRAINING)
    signal, attribution = (method(each)(workspace).flatten(1) for each in METHODS)
    assert close(signal, a * y) and close(attribution, w * a * y) and close(attribution.sum(1), y[:, 0])


def test_pattern_methods_do_not_depend_on_the_batch_and_leave_the_model_alone():
    net = toys.net("max_pool").train()
    before = copy.deepcopy(net.state_dict())
    together, alone = (
        attribute(net, IMAGES[:count], TARGETS[:count], METHODS, training_images=TRAINING) for count in (3, 1)
    )
    for each in METHODS:
        assert together[each].shape == IMAGES.shape and close(together[each][:1], alone[each])
    assert net.training and all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in net.parameters())


def test_smoothgrad_of_pattern_attribution_has_training_images():
    (maps,) = attribute(
        toys.net("mlp"),
        IMAGES,
        TARGETS,
        ["smoothgrad(of=pattern_attribution,samples=2)"],
        training_images=TRAINING,
    ).values()
    assert maps.isfinite().all() and maps.abs().max() > 0


# ---------------------------------------------------------------- planted signals


def smooth(noise):
    """Noise that is correlated over pixels, of variance about 1."""
    kernel = torch.outer(*[torch.tensor([1.0, 3.0, 4.0, 3.0, 1.0], dtype=torch.float64)] * 2)
    return F.conv2d(noise, kernel[None, None] / kernel.square().sum().sqrt(), padding=2)


def reads_out(inputs, values):
    """The least-squares filter of values (n,) from inputs (n, D): what a linear unit learns."""
    return torch.linalg.lstsq(inputs - inputs.mean(0), (values - values.mean())[:, None]).solution[:, 0]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_dense_relu_net_shows_the_planted_signal_and_its_gradient_does_not(estimator):
    signal = torch.zeros(6, 6, dtype=torch.float64)
    signal[1:4, 2:5] = 1.0
    value = drawn(12000, seed=0)
    images = value[:, None, None, None] * signal + 2 * smooth(drawn(12000, 1, 6, 6, seed=1))
    w = reads_out(images.flatten(1), value)
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 2), nn.ReLU(), nn.Linear(2, 1)).double()
    with torch.no_grad():
        net[1].weight.copy_(torch.stack([w, -w])), net[1].bias.zero_()
        net[3].weight.copy_(torch.tensor([[1.0, -1.0]])), net[3].bias.zero_()
    workspace = workspace_of(net, images[:5], torch.zeros(5, dtype=torch.int64), training_images=images)
    gradient = workspace.gradient
    found = method(f"pattern_net(estimator={estimator})")(workspace)
    for number in range(5):
        assert abs(cosine(found[number], signal)) > 0.99
        assert abs(cosine(gradient[number], signal)) < 0.8


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_convolution_shows_the_planted_signal_and_its_filter_does_not(estimator):
    """A blob stands at every place with a random sign and strength, on a correlated background."""
    blob = torch.tensor([[0.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    value = drawn(600, 1, 18, 18, seed=2)
    images = F.conv_transpose2d(value, blob[None, None], stride=1)[..., :] + 3 * smooth(drawn(600, 1, 20, 20, seed=3))
    patches = F.unfold(images, 3).transpose(1, 2).flatten(0, 1)
    w = reads_out(patches, value.flatten())
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 18 * 18, 1)).double()
    with torch.no_grad():
        net[0].weight.copy_(torch.stack([w, -w]).view(2, 1, 3, 3)), net[0].bias.zero_()
    a = estimate(net, images, estimator, 128)[0]
    # What goes with the value read out: the blob and its blurred copies from the neighbours the filter does not cancel.
    assert all(abs(cosine(each, blob)) > 0.99 for each in a), [cosine(each, blob) for each in a]
    assert abs(cosine(w, blob)) < 0.8


# ---------------------------------------------------------------- shifts


def shifted(net, shift):
    """The net that gives for images plus a shift what the net gives for the images."""
    other = copy.deepcopy(net)
    with torch.no_grad():
        other[1].bias -= other[1].weight @ shift.flatten()
    return other


SHIFTS = {
    "constant": -torch.ones(2, 6, 6, dtype=torch.float64),
    "checker": ((torch.arange(6)[:, None] // 2 + torch.arange(6) // 2) % 2).double().expand(2, 6, 6),
}


@pytest.mark.parametrize("name", SHIFTS)
@pytest.mark.parametrize("written", METHODS)
def test_J07_shift_behaviour_is_that_of_the_estimator(written, name):
    net, shift = toys.net("mlp"), SHIFTS[name]
    other = shifted(net, shift)
    assert close(other(IMAGES + shift), net(IMAGES))

    def change(options, **more):
        before = maps_of(f"{written}({options})", net, **more)
        after = maps_of(f"{written}({options})", other, IMAGES + shift, TRAINING + shift, **more)
        return ((after - before).norm() / before.norm()).item()

    assert change("estimator=linear") < 1e-10 and change("estimator=centred") < 1e-10
    assert change("estimator=two_component") > 0.1
    source = workspace_of(net, training_images=TRAINING)
    assert change("patterns=shared", pattern_source=source) < 1e-10


# ---------------------------------------------------------------- states of a model


def test_patterns_are_estimated_once_for_each_state_and_never_stale(monkeypatch):
    """Weights are loaded into one model in place; the patterns of the old ones would be wrong without a sign of it."""
    runs = []
    monkeypatch.setattr(pattern_estimators, "patterns", lambda *a: (runs.append(1), patterns(*a))[1])
    working = working_copy(toys.net("mlp"))
    trained, broken = copy.deepcopy(working.state_dict()), toys.net("mlp", seed=9).state_dict()

    def found():
        return patterns_of(working, TRAINING, "two_component").directions

    first = found()
    assert found() is first and len(runs) == 1
    working.load_state_dict(broken)
    second = found()
    expected = estimate(toys.net("mlp", seed=9), TRAINING, "two_component")
    assert all(torch.equal(a, b) for a, b in zip(second, expected, strict=True)) and len(runs) == 2
    assert not torch.equal(first[0], second[0])
    working[1].bias.data.add_(0.5)  # unseen by torch's counter of versions
    assert not torch.equal(found()[0], second[0]) and len(runs) == 3
    working.load_state_dict(trained)
    assert all(torch.equal(a, b) for a, b in zip(found(), first, strict=True)) and len(runs) == 4
    patterns_of(working, TRAINING, "linear")
    assert found() is not None and len(runs) == 5
    assert not torch.equal(patterns_of(working, TRAINING + 1, "two_component").directions[0], first[0])


def test_batches_and_methods_of_one_state_share_one_estimate(monkeypatch):
    runs = []
    monkeypatch.setattr(pattern_estimators, "patterns", lambda *a: (runs.append(1), patterns(*a))[1])
    monkeypatch.setattr("lib.workspace._PASS_NUMBERS", 1)
    images = toys.images(19)
    attribute(toys.net("mlp"), images, torch.arange(19) % 4, METHODS, training_images=TRAINING)
    assert len(runs) == 1


def test_options_do_not_share_patterns_in_one_workspace():
    net, source = toys.net("mlp"), workspace_of(toys.net("mlp", seed=9), training_images=TRAINING)
    together = workspace_of(net, training_images=TRAINING, pattern_source=source)
    for options in ("estimator=two_component", "estimator=centred", "patterns=shared"):
        written = method(f"pattern_net({options})")
        alone = workspace_of(net, training_images=TRAINING, pattern_source=source)
        assert torch.equal(written(together), written(alone))


def test_own_patterns_follow_the_weights_and_shared_ones_do_not():
    trained, broken = toys.net("mlp"), toys.net("mlp", seed=9)
    source = workspace_of(trained, training_images=TRAINING)
    own = maps_of("pattern_net", broken)
    shared = maps_of("pattern_net(patterns=shared)", broken, pattern_source=source)
    assert not close(own, shared, 0.1)
    for image, target, a, b in zip(IMAGES, TARGETS.tolist(), own, shared, strict=True):
        assert close(a, oracles.plain_pattern_map(broken, image, target, TRAINING, "two_component", False))
        assert close(
            b, oracles.plain_pattern_map(broken, image, target, TRAINING, "two_component", False, estimated_on=trained)
        )


# ---------------------------------------------------------------- what a workspace must have


@pytest.mark.parametrize(
    ("written", "more", "says"),
    [
        ("pattern_net", {}, r"pattern_net estimates patterns on training images, .*\(M, 2, 6, 6\)"),
        ("pattern_attribution", {"training_images": TRAINING[:, :1]}, "have the shape .60, 1, 6, 6."),
        ("pattern_attribution", {"training_images": TRAINING[:0]}, "needs at least one"),
        ("pattern_net(patterns=shared)", {"training_images": TRAINING}, "needs a workspace with a pattern source"),
    ],
)
def test_missing_training_images_or_source_are_refused(written, more, says):
    workspace = workspace_of(toys.net("mlp"), **more)
    for run in (method(written).check, method(written)):
        with pytest.raises(StudyError, match=says):
            run(workspace)


def test_source_without_training_images_or_of_another_architecture_is_refused():
    written = method("pattern_net(patterns=shared)")
    with pytest.raises(StudyError, match="there are none"):
        written.check(workspace_of(toys.net("mlp"), pattern_source=workspace_of(toys.net("mlp"))))
    source = workspace_of(toys.net("linear"), training_images=TRAINING)
    with pytest.raises(StudyError, match=r"patterns are of other layers \(1\)"):
        written(workspace_of(toys.net("mlp"), pattern_source=source))


def test_check_estimates_nothing(monkeypatch):
    monkeypatch.setattr(pattern_estimators, "patterns", lambda *_: pytest.fail("estimated"))
    method("pattern_net").check(workspace_of(toys.net("mlp"), training_images=TRAINING))


@pytest.mark.parametrize("written", ["pattern_net(estimator=filter)", "pattern_attribution(patterns=frozen)"])
def test_wrong_words_are_refused(written):
    with pytest.raises(StudyError, match="choose one of"):
        method(written)


def test_published_estimator_is_the_default():
    assert method("pattern_net").estimator == method("pattern_attribution").estimator == "two_component"
