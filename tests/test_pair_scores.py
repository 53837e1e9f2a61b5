"""Maps of pairs: measured where they should be, for the true class of every net; and the rules that judge them."""

from __future__ import annotations

import dataclasses

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from made_up import around, rows_of, scores
from torch import nn

from lib import data, figures, image_models, pairs
from lib.calls import Call
from lib.claims import CONTRADICTED, INCONCLUSIVE, NOT_TESTED, SUPPORTED, decide
from lib.compute import generator
from lib.errors import StudyError
from lib.initialisers import draw, kaiming_law
from lib.pair_scores import learning_curve, pair_exchanges, pair_localisation, pair_pictures, untuned_accuracy
from lib.pairs import RELEVANT
from lib.scores import COLUMNS

METHODS = ["gradient", "gradient_x_input", "guided_backprop", "input"]
OUTPUTS = [5, 3, 1, 6, 2]


def small(outputs, seed=0):
    """A small convolutional net with its initialiser."""
    net = nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d((2, 4)), nn.Flatten(), nn.Linear(40, outputs)
    )
    net.own_law = kaiming_law
    with torch.no_grad():
        for name, value in net.named_parameters():
            value.copy_(draw(kaiming_law, name, value, generator(seed, "small")))
    return net.eval().requires_grad_(False)


@pytest.fixture
def given():
    """Ten test pairs of forty, as a study gives them."""
    draws = torch.Generator().manual_seed(0)
    task = pairs.pairs(torch.rand(30, 2, 6, 6, generator=draws) + 0.1, torch.arange(30) % 10, 40, "given")
    ids = [3, 5, 7, 11, 13, 17, 19, 23, 29, 31]
    return {
        "images": task.images[ids], "labels": task.labels[ids], "image_ids": ids, "regions": task.regions,
        "targets": torch.zeros(10, dtype=torch.int64), "background": 0.0,
    }  # fmt: skip


def localised(given, **more):
    settings = {"pretrained": small(8, 1), "outputs": OUTPUTS, "draws": 2, "methods": METHODS}
    return pair_localisation(small(5), **given, **settings | more)


def value(table, net, method, image, metric="mass_share_relevant", draw=-1):
    found = table[
        (table.intervention == f"pairs(net={net})") & (table.method == method) & (table.image == image)
        & (table.metric == metric) & (table.draw == draw)
    ]  # fmt: skip
    assert len(found) == 1
    return found.value.item()


def plain_gradient(model, image, output):
    image = image.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(model(image[None])[0, output], image)
    return gradient.double()


def test_every_net_explains_the_true_class_by_its_own_output(given):
    early = small(5, 2)
    table = localised(given, stopped=early)
    explained = {"fine-tuned": (small(5), lambda c: c), "stopped early": (early, lambda c: c)}
    explained["pretrained"] = (small(8, 1), OUTPUTS.__getitem__)
    for place, number in enumerate(given["image_ids"]):
        relevant = given["regions"][RELEVANT][number]
        for net, (model, output) in explained.items():
            gradient = plain_gradient(model, given["images"][place], output(given["labels"][place].item()))
            positive, size = gradient.sum(0).clamp(min=0), gradient.abs().sum(0)
            share = positive[relevant].sum() / positive.sum()
            assert value(table, net, "gradient", number) == pytest.approx(share.item(), rel=1e-4)
            share = size[relevant].sum() / size.sum()
            found = value(table, net, "gradient", number, "mass_share_abs_relevant")
            assert found == pytest.approx(share.item(), rel=1e-4)


def test_random_nets_are_drawn_from_the_own_law_and_differ(given):
    table = localised(given)
    random = table[table.level == "random"]
    assert sorted(random.draw.unique()) == [0, 1]
    first, second = (random[(random.draw == each) & (random.method == "gradient")].value.to_numpy() for each in (0, 1))
    assert not np.allclose(first, second)
    # An image is the same whatever the net.
    assert value(table, "random", "input", 3, draw=0) == value(table, "fine-tuned", "input", 3)


def test_random_nets_are_those_of_the_own_law(given):
    """Of a law that makes all weights equal, every pixel has the same gradient but for the border of the picture."""
    model = small(5)
    model.own_law = lambda name, trained, uniform: torch.full_like(uniform, 0.0 if name.endswith("bias") else 1.0)
    table = pair_localisation(
        model,
        **given,
        pretrained=small(8),
        outputs=OUTPUTS,
        draws=1,
        methods=["gradient"],
        measures=["mass_share_relevant"],
    )
    random = table[table.level == "random"].value
    assert random.to_numpy() == pytest.approx(np.full(10, 0.5), abs=1e-6)


def test_the_table_has_the_form_of_all_tables(given):
    table = localised(given, measures=["mass_share_relevant"])
    assert set(table.columns) == set(COLUMNS) - {"model", "dataset", "seed"}
    assert len(table) == 4 * len(METHODS) * 10 and not table.value.isna().any()
    assert (table.target.to_numpy().reshape(-1, 10) == given["labels"].numpy()).all()
    again = localised(given, measures=["mass_share_relevant"])
    assert table.equals(again)


def test_the_net_before_fine_tuning_is_asked_for_five_classes(given):
    pretrained = small(8, 1)
    table = untuned_accuracy(small(5), **given, pretrained=pretrained, outputs=OUTPUTS)
    chosen = [max(range(5), key=lambda c: pretrained(image[None])[0, OUTPUTS[c]]) for image in given["images"]]
    expected = [float(c == label) for c, label in zip(chosen, given["labels"].tolist(), strict=True)]
    assert table.value.tolist() == expected and 0 < sum(expected) < 10
    assert set(table.intervention) == {"pairs(net=pretrained)"} and set(table.metric) == {"accuracy"}
    assert figures.untuned_words(table).startswith(f"{sum(expected) / 10:.2f} [")


def test_maps_without_mass_are_told():
    table = scores(made([0.5, np.nan], method="gradcam", level="random"), made(0.6, level="fine-tuned"))
    assert figures.undefined_words(table, ["gradcam", "guided_backprop"]) == "GradCAM 50% (random)"
    assert figures.undefined_words(table, ["guided_backprop"]) == "none"


def test_a_method_that_is_not_defined_is_refused_before_any_map(given):
    with pytest.raises(StudyError, match="GradCAM needs a convolutional layer"):
        localised(given, methods=["gradient", "gradcam"])


def test_pictures_are_those_of_the_pairs(given):
    found = pair_pictures(small(5), **given, methods=METHODS[:2], pretrained=small(8, 1), outputs=OUTPUTS)
    assert set(found) == {"pair", RELEVANT} | {
        f"{net}/{method}" for net in ("fine-tuned", "pretrained", "random") for method in METHODS[:2]
    }
    assert torch.equal(found["pair"].reshape(10, 2, 6, 12), given["images"])
    assert torch.equal(found[RELEVANT] > 0, given["regions"][RELEVANT][given["image_ids"]])
    expected = plain_gradient(small(8, 1), given["images"][4], OUTPUTS[given["labels"][4]])
    assert torch.allclose(found["pretrained/gradient"][4].double(), expected.sum(0), atol=1e-6)


# ---------------------------------------------------------------- exchanged halves


class Reads(nn.Module):
    """Pairs of pictures of one brightness c / 10: names the darker one, or always the left one."""

    def __init__(self, side):
        super().__init__()
        self.side = side

    def forward(self, x):
        halves = torch.stack([half.mean((1, 2, 3)) for half in x.chunk(2, dim=3)], dim=1)
        read = halves.amin(1) if self.side == "darker" else halves[:, 0]
        return -(10 * read.view(-1, 1) - torch.arange(10)).abs()


@pytest.fixture
def bright():
    """Pairs whose pictures have the brightness of their class."""
    labels = torch.arange(60) % 10
    pictures = (labels / 10).view(-1, 1, 1, 1).expand(-1, 1, 4, 4).contiguous()
    task = pairs.pairs(pictures, labels, 40, "bright")
    return {"images": task.images, "labels": task.labels, "image_ids": list(range(40)), "regions": task.regions}


def test_a_net_that_looks_at_the_right_half_follows_it_and_nothing_else(bright):
    table = pair_exchanges(Reads("darker"), **bright)
    means = table.groupby(["intervention", "metric"]).value.mean()
    for half, changed in (("other", 0.0), ("relevant", 1.0), ("both", 0.0)):
        assert means[f"exchanged(half={half})", "prediction_changed"] == changed
        assert means[f"exchanged(half={half})", "class_followed"] == 1.0
    new = table[(table.level == "relevant") & (table.metric == "class_followed")].target.to_numpy()
    assert (new != bright["labels"].numpy()).all() and len(set(new)) == 5


def test_a_net_that_looks_at_the_left_half_is_found_out(bright):
    table = pair_exchanges(Reads("left"), **bright)
    left = bright["regions"][RELEVANT][:, 0, 0].numpy()
    changed = table[table.metric == "prediction_changed"]
    assert (changed[changed.level == "both"].value == 1).all()
    assert (changed[changed.level == "relevant"].value.to_numpy() == left).all()
    other = changed[changed.level == "other"].value.to_numpy()
    assert (other[left] == 0).all() and 0.5 < other[~left].mean() <= 1


def test_pairs_of_one_class_have_no_half_to_exchange(bright):
    one = {name: bright[name][:1] for name in ("images", "labels", "image_ids")}
    with pytest.raises(StudyError, match="do not show two classes"):
        pair_exchanges(Reads("left"), **one, regions=bright["regions"])


# ---------------------------------------------------------------- learning, and figures


@pytest.fixture
def learned():
    net = small(5)
    net.history = [{"iteration": 25.0 * k, "loss": 1.0, "test_accuracy": 0.5 + 0.1 * k} for k in (1, 2, 3)]
    return learning_curve(net)


def test_the_learning_curve_is_the_history(learned):
    assert learned.step.tolist() == [25, 50, 75] and learned.value.tolist() == pytest.approx([0.6, 0.7, 0.8])
    assert figures.passed_at(learned) == "at iteration 75"
    assert figures.passed_at(learned, 0.6) == "at iteration 25" and figures.passed_at(learned, 0.9) == "never"
    figure = figures.learning_curves({"a net": learned})
    (curve, published) = figure.axes[0].lines
    assert curve.get_xydata().tolist() == [[25, 0.6], [50, 0.7], [75, pytest.approx(0.8)]]
    assert published.get_ydata() == [0.77, 0.77]
    plt.close(figure)


def test_the_gallery_frames_the_half_that_decides(given):
    found = pair_pictures(small(5), **given, methods=METHODS[:2], pretrained=small(8, 1), outputs=OUTPUTS)
    colours = torch.rand(10, 18, 12, generator=torch.Generator().manual_seed(0))
    shown = {name: each.numpy() for name, each in found.items()} | {"pair": colours.numpy()}
    figure = figures.pair_gallery(shown, METHODS[:2], ["fine-tuned", "random"])
    assert len(figure.axes) == 10 * 5
    for row in range(10):
        axis = figure.axes[5 * row]
        (frame,) = axis.patches
        assert (frame.get_x() == 0) == shown[RELEVANT][row][0, 0]
        assert np.allclose(axis.images[0].get_array(), colours[row].reshape(3, 6, 12).permute(1, 2, 0))
        drawn = figure.axes[5 * row + 4].images[0].get_array()
        assert np.allclose(drawn, shown["random/gradient_x_input"][row].clip(min=0))
    plt.close(figure)


def test_dots_and_words_are_the_means(given):
    table = localised(given)
    figure = figures.half_dots(table, METHODS)
    axis = figure.axes[0]
    means = table[table.metric == "mass_share_relevant"].groupby(["level", "method"]).value.mean()
    drawn = {each.get_label(): each.lines[0].get_xdata() for each in axis.containers}
    for net in ("fine-tuned", "pretrained", "random"):
        assert sorted(drawn[net]) == pytest.approx(sorted(means[net][METHODS[:3]].to_numpy()))
    assert drawn["without a net"] == pytest.approx(means["fine-tuned", "input"])
    strokes = [line for line in axis.lines if len(line.get_xdata()) == 2 and line.get_xdata()[0] in (0.6, 0.65, 0.8)]
    assert sorted(line.get_xdata()[0] for line in strokes) == [0.6, 0.65, 0.8, 0.8]
    words = figures.half_words(table, ["gradient"])
    assert words.startswith("Gradient ") and f"{means['random', 'gradient']:.2f} (random)" in words
    assert "stopped early" not in words
    plt.close(figure)


def test_the_table_of_exchanges_has_every_share(bright):
    table = figures.exchange_table(pair_exchanges(Reads("left"), **bright))
    assert table.shape == (3, 2)
    assert table.loc["the halves change places", "prediction changes"].startswith("1.000 [")


# ---------------------------------------------------------------- the rules


def made(centre, net="fine-tuned", method="guided_backprop", metric="mass_share_relevant", **more):
    given = {"model": "resnet18", "dataset": "tiny-imagenet-pairs", "against": "none", "step": 0}
    intervention = "task" if metric == "accuracy" else f"pairs(net={net})"
    values = centre if isinstance(centre, list) else around(centre, 0.01)
    return rows_of(values, method, metric, **given | {"intervention": intervention} | more)


def study(**centres):
    """What a run writes; ``gbp``, ``vbp`` are of the fine-tuned net, ``before`` and ``random`` of the others."""
    found = {"gbp": 0.85, "vbp": 0.82, "before": 0.5, "random": 0.5, "random_vbp": 0.5, "accuracy": 0.8} | centres
    return scores(
        made(found["gbp"]),
        made(found["vbp"], method="gradient"),
        made(found["before"], "pretrained"),
        made(found["before"], "pretrained", "gradient"),
        made(found["random"], "random"),
        made(found["random_vbp"], "random", "gradient"),
        made(found["accuracy"], method="none", metric="accuracy"),
    )


def test_every_rule_finds_its_rows():
    for claim in ("Y-15", "Y-16", "Y-17", "Y-18", "Y-19"):
        found = decide(claim, study())
        assert found["verdict"] == SUPPORTED, claim
        assert all(part["value"] is not None for part in found["parts"])
    assert decide("Y-16", study())["second_verdict"] == decide("Y-17", study())["second_verdict"] == SUPPORTED


@pytest.mark.parametrize(
    ("claim", "centres", "first", "second"),
    [
        ("Y-15", {"accuracy": 0.95}, CONTRADICTED, None),
        ("Y-15", {"accuracy": 0.65}, CONTRADICTED, None),
        ("Y-16", {"gbp": 0.7}, SUPPORTED, CONTRADICTED),
        ("Y-16", {"gbp": 0.6}, CONTRADICTED, CONTRADICTED),
        ("Y-17", {"vbp": 0.63}, SUPPORTED, CONTRADICTED),
        ("Y-17", {"vbp": 0.55}, CONTRADICTED, CONTRADICTED),
        ("Y-17", {"gbp": 0.1}, SUPPORTED, SUPPORTED),
        ("Y-18", {"before": 0.7}, CONTRADICTED, None),
        ("Y-18", {"before": 0.3}, CONTRADICTED, None),
        ("Y-19", {"random": 0.65}, CONTRADICTED, None),
        ("Y-19", {"random_vbp": 0.35}, CONTRADICTED, None),
        ("Y-19", {"random": 0.6}, INCONCLUSIVE, None),
    ],
)
def test_rules_decide_as_they_say(claim, centres, first, second):
    found = decide(claim, study(**centres))
    assert (found["verdict"], found["second_verdict"]) == (first, second)


def test_the_two_methods_are_compared_on_the_same_pairs():
    found = decide("Y-20", study())
    (part,) = [
        part for part in found["parts"] if "relevant half" in part["label"] and "not measured" not in part["label"]
    ]
    assert part["value"] == pytest.approx(0.03, abs=0.01) and part["verdict"] == SUPPORTED
    assert decide("Y-20", study(vbp=0.6))["verdict"] == CONTRADICTED


def test_pairs_of_digits_decide_nothing():
    table = study().assign(dataset="mnist-5k-pairs")
    for claim in ("Y-15", "Y-16", "Y-17", "Y-18", "Y-19"):
        assert decide(claim, table)["verdict"] == NOT_TESTED


# ---------------------------------------------------------------- the calls


def test_calls_name_the_nets_and_the_truth(monkeypatch):
    from lib import pair_calls
    from lib.training import Recipe, TrainedNet

    architecture = image_models.ARCHITECTURES["resnet18"]
    layer = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(), nn.Flatten(), nn.Linear(4 * 12, 5))
    monkeypatch.setitem(
        image_models.ARCHITECTURES,
        "resnet18",
        dataclasses.replace(architecture, make=lambda: layer, own_law=kaiming_law, units={}, gradcam_layer="0"),
    )
    labels = torch.arange(500) % 5
    found = data.TaskSet("pairs", *(torch.rand(500, 1, 4, 8), labels) * 2)
    monkeypatch.setattr(data, "load", lambda name: found)
    recipe = Recipe("resnet18", "mnist-5k-pairs", 0, 1, 8, 0.01, 0.0, weights="own")
    net = TrainedNet("fine", recipe)
    before = TrainedNet("before", dataclasses.replace(recipe, dataset="mnist-5k"))
    monkeypatch.setattr(pair_calls, "origin_of", lambda _: before)

    class Stub:
        def call(self, function, **settings):
            parts = {name: settings.pop(name) for name in ("net", "parts_of", "beside", "methods", "n_images")
                     if name in settings}  # fmt: skip
            return Call(function, **parts, settings=settings)

    calls = pair_calls.pair_calls(
        Stub(), net, methods=["gradient"], few_methods=["gradcam"], n_pairs=20, few_pairs=10, draws=2
    )
    maps = [call for call in calls if call.function is pair_localisation]
    assert [(call.methods, call.n_images) for call in maps] == [(["gradient"], 20), (["gradcam"], 10)]
    assert all(call.beside == {"pretrained": before} and call.settings["outputs"] == [0, 1, 2, 3, 4] for call in maps)
    assert all(call.parts_of == {"regions": ("mnist-5k-pairs", "test_regions")} for call in maps)
    assert {call.function for call in calls} >= {learning_curve, pair_exchanges}
    (gallery,) = pair_calls.pair_picture_calls(Stub(), {"fine": net}, ["gradient"]).values()
    assert gallery.function is pair_pictures and gallery.beside == {"pretrained": before}
    for wrong, more, message in (
        (before, {}, "before is not fine-tuned on pairs"),
        (net, {"few_methods": ["dtd_zplus"]}, "Deep Taylor decomposition"),
        (net, {"n_pairs": 501}, "n_images is 501, but the data set has 1 to 500"),
    ):
        given = {"methods": ["gradient"], "few_methods": [], "n_pairs": 5, "few_pairs": 5, "draws": 1} | more
        with pytest.raises(StudyError, match=message):
            pair_calls.pair_calls(Stub(), wrong, **given)


def test_nets_of_pairs_are_told_apart_by_their_architecture():
    from lib.pair_calls import nets_of_pairs
    from lib.training import Recipe, TrainedNet

    def net(name, model):
        return TrainedNet(name, Recipe(model, "tiny-imagenet-pairs", 0, 1, 8, 0.01, 0.0, weights="own"))

    first, early, other = net("a", "resnet18"), net("b", "resnet18"), net("c", "efficientnet_lite0")
    assert nets_of_pairs([first, other, early]) == (first, [early], [other])
    assert nets_of_pairs([other]) == (other, [], [])
    assert nets_of_pairs([]) == (None, [], [])
    for wrong in ([first, early, net("d", "resnet18")], [first, other, net("d", "efficientnet_lite0")]):
        with pytest.raises(StudyError, match="pair_models names a, "):
            nets_of_pairs(wrong)
