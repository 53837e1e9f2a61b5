"""What maps sum to: logits, differences of logits, and the share of the biases; and what lies on empty pixels."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
import torch
import toys
from oracles import plain_gradient
from torch import nn

from lib import figures
from lib.compensation import compensated
from lib.completeness import bias_part, sum_scores
from lib.errors import StudyError

CLASSES = torch.tensor([0, 2, 1, 0])
SHAPE = (2, toys.SIDE, toys.SIDE)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def pictures(count=4, seed=1):
    """Pixels in [0, 1], of which about half are exactly 0."""
    generator = torch.Generator().manual_seed(seed)
    pixels, ink = (torch.rand(count, *SHAPE, generator=generator, dtype=torch.float64) for _ in range(2))
    return pixels * (ink < 0.5)


METHODS = [
    "integrated_gradients(steps=2000)", "integrated_gradients(reference=mean,steps=2000)", "deeplift",
    "deeplift(reference=mean)", "gradient_x_input", "dtd_zero", "dtd_zero(bias=out)", "gradient",
]  # fmt: skip


@pytest.fixture(scope="module")
def table():
    return sum_scores(
        toys.net("mlp"), pictures(), CLASSES, METHODS, shifts=["const"], background=0.0,
        training_images=pictures(30, seed=2), pattern_images=30, image_ids=[4, 5, 6, 7],
    ).assign(model="mlp", dataset="toy", seed=0)  # fmt: skip


def values(table, metric, method="none", against="none", shift="none"):
    own = table[(table.intervention == f"sums(shift={shift})") & (table.metric == metric)]
    own = own[(own.method == method) & (own.against == against)]
    assert own.image.to_list() == [4, 5, 6, 7]
    return own.value.to_numpy()


def logit(x):
    return toys.net("mlp")(x).gather(1, CLASSES[:, None]).squeeze(1).detach()


def gradients():
    return torch.stack([plain_gradient(toys.net("mlp"), x, int(c)) for x, c in zip(pictures(), CLASSES, strict=True)])


def plain_bias_part(model, x, target):
    """Bias times gradient at the output of every layer, summed."""
    outputs = []
    layers = [module for module in model.modules() if isinstance(module, (nn.Linear, nn.Conv2d))]
    handles = [layer.register_forward_hook(lambda _m, _i, output: outputs.append(output)) for layer in layers]
    value = model(x.clone()[None].requires_grad_(True))[0, target]
    for handle in handles:
        handle.remove()
    total = 0.0
    for layer, output in zip(layers, outputs, strict=True):
        if layer.bias is not None:
            bias = layer.bias.detach().view(1, -1, *[1] * (output.dim() - 2))
            total += float((torch.autograd.grad(value, output, retain_graph=True)[0] * bias).sum())
    return total


# Shares -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["mlp", "max_pool", "overlapping"])
def test_the_part_of_the_biases_is_their_product_with_the_gradients(kind):
    model, images = toys.net(kind), toys.images(3, kind)
    classes = torch.tensor([0, 1, 3])
    found = bias_part(model, images, classes)
    expected = [plain_bias_part(model, x, int(c)) for x, c in zip(images, classes, strict=True)]
    assert found.numpy() == pytest.approx(expected, rel=1e-11)
    product = torch.stack([(x * plain_gradient(model, x, int(c))).sum() for x, c in zip(images, classes, strict=True)])
    explained = model(images).detach().gather(1, classes[:, None])[:, 0]
    assert (product + found).numpy() == pytest.approx(explained.numpy(), rel=1e-11)


def test_biases_that_differ_from_place_to_place_count_too():
    model, images, shift = toys.net("max_pool"), toys.images(3, "max_pool"), toys.images(1, "max_pool", seed=9)[0]
    classes = torch.tensor([0, 1, 3])
    second = compensated(model, shift)
    moved = bias_part(second, images + shift, classes) - bias_part(model, images, classes)
    gradient = torch.stack([plain_gradient(model, x, int(c)) for x, c in zip(images, classes, strict=True)])
    assert moved.numpy() == pytest.approx(-(shift * gradient).flatten(1).sum(1).numpy(), rel=1e-10)


def test_a_network_without_biases_has_no_share_of_them():
    model = nn.Sequential(nn.Flatten(), nn.Linear(72, 9, bias=False), nn.ReLU(), nn.Linear(9, 4, bias=False)).double()
    assert bias_part(model.requires_grad_(False), pictures(), CLASSES).tolist() == [0.0] * 4


def test_sums_over_the_logit_and_over_differences(table):
    starts = {"zero": torch.zeros(4, *SHAPE), "mean": pictures(30, seed=2).mean(0).expand(4, -1, -1, -1)}
    here = logit(pictures())
    for method in ("deeplift", "deeplift(reference=mean)"):
        there = logit(starts["mean" if "mean" in method else "zero"].double())
        assert values(table, "completeness_gap", method, "logit_difference").max() < 1e-12
        expected = ((here - there) / here).numpy()
        assert values(table, "completeness", method, "logit") == pytest.approx(expected, rel=1e-10)
        path = method.replace("deeplift", "integrated_gradients").replace(")", ",steps=2000)")
        path = path if "(" in path else "integrated_gradients(steps=2000)"
        # The path crosses ReLUs between its nodes.
        assert values(table, "completeness_gap", path, "logit_difference").max() < 1e-2
    for method in ("gradient_x_input", "dtd_zero"):
        expected = (pictures() * gradients()).flatten(1).sum(1) / here
        assert values(table, "completeness", method, "logit") == pytest.approx(expected.numpy(), rel=1e-10)
        assert values(table, "completeness_gap", method, "logit") == pytest.approx((expected - 1).abs().numpy())
    assert values(table, "completeness_gap", "dtd_zero(bias=out)", "logit").max() < 1e-10
    assert values(table, "completeness", "gradient", "logit") == pytest.approx(
        (gradients().flatten(1).sum(1) / here).numpy(), rel=1e-10
    )


def test_a_shift_moves_what_the_biases_hold(table):
    """The shifted images of the second network: its product with the input differs by the sum of m times gradient."""
    for shift, moved in (("none", pictures()), ("const", pictures() - 1)):
        total = (moved * gradients()).flatten(1).sum(1)
        expected = ((logit(pictures()) - total) / logit(pictures())).numpy()
        assert values(table, "bias_share", shift=shift) == pytest.approx(expected, rel=1e-9)
        assert values(table, "relative_error", "gradient_x_input", "bias_share", shift).max() < 1e-12
    assert values(table, "completeness_gap", "deeplift", "logit_difference", "const").max() < 1e-11


def test_empty_pixels_are_those_of_the_images_as_they_were(table):
    empty = pictures() == 0
    assert values(table, "empty_share") == pytest.approx(empty.double().mean((1, 2, 3)).numpy())
    for shift, moved in (("none", pictures()), ("const", pictures() - 1)):
        sizes = (moved * gradients()).abs()
        expected = (sizes * empty).flatten(1).sum(1) / sizes.flatten(1).sum(1)
        assert values(table, "mass_on_empty", "gradient_x_input", shift=shift) == pytest.approx(expected.numpy())
    for method in ("gradient_x_input", "dtd_zero", "deeplift", "integrated_gradients(steps=2000)"):
        assert values(table, "mass_on_empty", method).max() == 0
        assert values(table, "mass_on_empty", method, shift="const").min() > 0.1
    for shift in ("none", "const"):
        assert values(table, "mass_on_empty", "gradient", shift=shift).min() > 0.1


def test_bad_settings_are_refused():
    given = {"background": 0.0, "training_images": pictures(5), "pattern_images": 5}
    with pytest.raises(StudyError, match="'tilt' is not known"):
        sum_scores(toys.net("mlp"), pictures(), CLASSES, ["gradient"], shifts=["tilt"], **given)
    with pytest.raises(StudyError, match="pixels below 0"):
        sum_scores(toys.net("mlp"), pictures(), CLASSES, ["dtd_zplus"], shifts=["const"], **given)


# Figures ------------------------------------------------------------------------------------------------------------


def test_strips_show_every_image_and_say_what_is_exact(table):
    rows = ["deeplift", "absent", "gradient_x_input", "gradient"]
    left, right = figures.completeness_strips(table, rows).axes
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["DeepLIFT", "Gradient ⊙ input", "Gradient"]
    for axis, against in ((left, "logit"), (right, "logit_difference")):
        dots = {"o": [], "<": [], ">": []}
        for line in axis.lines:
            if line.get_marker() in dots:
                dots[line.get_marker()] += line.get_xdata().tolist()
        ratios = [value for row in rows if row != "absent" for value in values(table, "completeness", row, against)]
        assert sorted(dots["o"]) == pytest.approx(sorted(each for each in ratios if 0 <= each <= 2))
        assert len(dots["<"]) == sum(each < 0 for each in ratios)
        assert len(dots[">"]) == sum(each > 2 for each in ratios)
    assert right.texts[0].get_text().startswith("exact (")
    gap = values(table, "completeness_gap", "deeplift", "logit").mean()
    assert left.texts[0].get_text() == f"off by {figures.gap_words(gap)}"


@pytest.mark.parametrize(("gap", "words"), [(0.000841, "0.084 %"), (0.0224, "2.2 %"), (0.39, "39 %"), (1.7, "170 %")])
def test_gaps_are_percents(gap, words):
    assert figures.gap_words(gap) == words


def test_dots_show_both_networks_and_the_share_of_empty_pixels(table):
    networks = {"sums(shift=none)": "network 1", "sums(shift=const)": "network 2"}
    axis = figures.empty_mass_dots(table, ["gradient_x_input", "gradient"], networks).axes[0]
    drawn = {bars.get_label(): bars.lines[0].get_xdata() for bars in axis.containers}
    for name, words in networks.items():
        shift = name.removeprefix("sums(shift=").removesuffix(")")
        expected = [
            values(table, "mass_on_empty", each, shift=shift).mean() for each in ("gradient_x_input", "gradient")
        ]
        assert drawn[words] == pytest.approx(expected)
    share = next(line for line in axis.lines if line.get_label() == "share of the empty pixels")
    assert share.get_xdata()[0] == pytest.approx(values(table, "empty_share").mean())


def test_means_for_sentences(table):
    assert figures.mean_of_sums(table, "bias_share") == pytest.approx(values(table, "bias_share").mean())
    gap = figures.mean_of_sums(table, "completeness_gap", "deeplift", "logit", "sums(shift=const)")
    assert gap == pytest.approx(values(table, "completeness_gap", "deeplift", "logit", "const").mean())
    with pytest.raises(StudyError, match="no bias_share of gradient"):
        figures.mean_of_sums(table, "bias_share", "gradient")
