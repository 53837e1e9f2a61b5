"""Localisation against slow plain re-implementations, closed forms and methods whose answer is known."""

from __future__ import annotations

import copy
import math

import numpy as np
import pandas as pd
import pytest
import torch
import toys
from oracles import plain_gradient
from scipy import stats

from lib.attributions import methods as methods_of
from lib.comparison import Examples
from lib.errors import StudyError
from lib.initialisers import law_named
from lib.localisation import localisation, maps_of, net_word, random_models
from lib.randomization import explained_classes
from lib.regions import MEASURES, auc, density, mass_share, mass_share_abs, measured, metrics_of, pointing
from lib.reinitialisation import steps
from lib.units import units_of

INPUT = "toys:returns_input"


def maps(count=4, channels=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, channels, 6, 6, generator=generator, dtype=torch.float64).round(decimals=1)


def masks(count=4, seed=1):
    return torch.rand(count, 6, 6, generator=torch.Generator().manual_seed(seed)) < 0.3


# The measures --------------------------------------------------------------------------------------------------------


def plain(values, mask):
    """All measures of one map (C, H, W) by loops over its pixels, and Mann-Whitney's U from SciPy."""
    pixels = [
        (sum(float(values[c, y, x]) for c in range(len(values))),
         sum(abs(float(values[c, y, x])) for c in range(len(values))), bool(mask[y, x]))
        for y in range(values.shape[1]) for x in range(values.shape[2])
    ]  # fmt: skip
    positive = sum(max(total, 0.0) for total, _, _ in pixels)
    share = sum(max(total, 0.0) for total, _, inside in pixels if inside) / positive
    area = sum(inside for *_, inside in pixels) / len(pixels)
    best = max(total for total, _, _ in pixels)
    among = [inside for total, _, inside in pixels if total == best]
    within, outside = ([size for _, size, inside in pixels if inside is side] for side in (True, False))
    wins = stats.mannwhitneyu(within, outside).statistic
    return {
        "mass_share": share,
        "mass_share_abs": sum(within) / (sum(within) + sum(outside)),
        "density": share / area,
        "pointing": sum(among) / len(among),
        "auc": wins / len(within) / len(outside),
    }


def test_every_measure_equals_its_plain_form():
    # Rounded values have ties; many of them share the largest value of a map, too.
    values, regions = maps(30).round(), masks(30)
    expected = pd.DataFrame([plain(one.numpy(), mask.numpy()) for one, mask in zip(values, regions, strict=True)])
    assert 0 < expected.pointing.mean() < 1 and (expected.pointing % 1 != 0).any()
    for name, measure in MEASURES.items():
        assert torch.allclose(measure(values, regions), torch.tensor(expected[name].to_numpy()), atol=1e-12), name


def test_closed_forms():
    region = torch.zeros(1, 6, 6, dtype=torch.bool)
    region[0, :2] = True  # a third of the pixels
    even, own = torch.ones(1, 1, 6, 6), region[:, None].float()
    assert mass_share(even, region) == mass_share_abs(even, region) == pytest.approx(1 / 3)
    assert density(even, region) == pytest.approx(1.0) and auc(even, region) == 0.5
    assert mass_share(own, region) == auc(own, region) == pointing(own, region) == 1.0
    assert density(own, region) == pytest.approx(3.0)
    assert mass_share(1 - own, region) == auc(1 - own, region) == pointing(1 - own, region) == 0.0
    # Negative relevance is mass, but not positive mass, and no largest value.
    signed = 2 * own - 3 * (1 - own)
    assert mass_share(signed, region) == pointing(signed, region) == 1.0
    assert mass_share_abs(signed, region) == pytest.approx(24 / (24 + 72)) and auc(signed, region) == 0.0


def test_measures_do_not_depend_on_scale():
    values, regions = maps(), masks()
    for name, measure in MEASURES.items():
        for scale in (2.0**-600, 2.0**500):  # powers of two, which round nothing
            assert torch.allclose(measure(values * scale, regions), measure(values, regions), rtol=1e-12), name


@pytest.mark.parametrize("name", MEASURES)
def test_what_divides_nothing_is_undefined(name):
    values = maps(1)
    assert not MEASURES[name](values, masks(1)).isnan()
    for region in (torch.zeros(1, 6, 6, dtype=torch.bool), torch.ones(1, 6, 6, dtype=torch.bool)):
        assert MEASURES[name](values, region).isnan()
    for broken in (values.masked_fill(values == values.max(), float("inf")), values * float("nan")):
        assert MEASURES[name](broken, masks(1)).isnan()
    silent = MEASURES[name](torch.zeros(1, 2, 6, 6), masks(1))
    assert silent == 0.5 if name == "auc" else silent.isnan()


def test_a_map_without_positive_mass_has_no_share_of_it():
    values = -maps(1).abs() - 0.1
    assert mass_share(values, masks(1)).isnan() and density(values, masks(1)).isnan()
    assert not mass_share_abs(values, masks(1)).isnan() and not pointing(values, masks(1)).isnan()


def test_metrics_are_named_by_measure_and_region():
    assert metrics_of(["a"]) == {f"{measure}_a": (measure, "a") for measure in MEASURES}
    assert metrics_of(["a", "b"], ["auc_b"]) == {"auc_b": ("auc", "b")}
    found = measured(
        maps(), {"a": masks(), "b": ~masks()}, metrics_of(["a", "b"], ["mass_share_abs_a", "mass_share_abs_b"])
    )
    assert torch.allclose(found["mass_share_abs_a"] + found["mass_share_abs_b"], torch.ones(4, dtype=torch.float64))


# The run -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def setting():
    net, images = toys.net("max_pool"), toys.images(5)
    return net, images, explained_classes(net, images), {"left": masks(5), "right": masks(5, 7)}


def test_a_method_with_a_known_answer(setting):
    net, images, targets, regions = setting
    found = localisation(net, images, targets, [INPUT], regions, draws=2, init="kaiming")
    for region, mask in regions.items():
        for number in range(5):
            expected = plain(images[number].numpy(), mask[number].numpy())
            for measure, value in expected.items():
                rows = found[(found.image == number) & (found.metric == f"{measure}_{region}")]
                assert len(rows) == 3 and np.allclose(rows.value, value), "the same for the net and two random ones"
    alike = found[found.metric.isin(["spearman_abs", "spearman"])]
    assert np.allclose(alike.value, 1.0) and set(alike.against) == {"random", "other_random"}


def test_each_net_explains_what_it_predicts_itself(setting):
    net, images, targets, regions = setting
    other = toys.net("max_pool", seed=9)
    wrong = (targets + 1) % 4
    found = localisation(
        net, images, wrong, ["gradient"], regions, others={"other": other}, draws=2, init="kaiming",
        measures=["mass_share_abs_left"], name="own",
    )  # fmt: skip
    states = []
    for draw in range(2):
        working = copy.deepcopy(net)
        *_, last = steps(net, units_of(net, images), law_named("kaiming", net), draw)
        working.load_state_dict(last.state)
        assert all((last.state[name] != value).any() for name, value in net.state_dict().items())
        states.append(working)
    nets = {"own": (net, -1, wrong), "other": (other, -1, other(images).argmax(1))}
    nets |= {f"draw {draw}": (state, draw, state(images).argmax(1)) for draw, state in enumerate(states)}
    gradients = {}
    for word, (model, draw, classes) in nets.items():
        own = torch.stack([plain_gradient(model, x, int(c)) for x, c in zip(images, classes, strict=True)])
        gradients[word] = own
        rows = found[(found.intervention == net_word("random" if draw >= 0 else word)) & (found.draw == draw)]
        rows = rows[rows.metric == "mass_share_abs_left"].sort_values("image")
        expected = [plain(m.numpy(), r.numpy())["mass_share_abs"] for m, r in zip(own, regions["left"], strict=True)]
        assert np.allclose(rows.value, expected) and rows.target.tolist() == classes.tolist()
    assert len(found[found.metric == "mass_share_abs_left"]) == 4 * 5

    def rank_correlation(a, b, absolute):
        planes = [(each.abs() if absolute else each).sum(0).flatten().numpy() for each in (a, b)]
        return stats.spearmanr(*planes).statistic

    pairs = {("own", "random", d): ("own", f"draw {d}") for d in range(2)}
    pairs |= {("other", "random", d): ("other", f"draw {d}") for d in range(2)}
    pairs |= {("random", "other_random", 1): ("draw 0", "draw 1")}
    alike = found[found.against != "none"]
    assert len(alike) == 5 * 5 * 2
    for (word, against, draw), (a, b) in pairs.items():
        rows = alike[(alike.intervention == net_word(word)) & (alike.against == against) & (alike.draw == draw)]
        for absolute, metric in ((True, "spearman_abs"), (False, "spearman")):
            expected = [rank_correlation(gradients[a][n], gradients[b][n], absolute) for n in range(5)]
            assert np.allclose(rows[rows.metric == metric].sort_values("image").value, expected)


def test_the_table_does_not_depend_on_company(setting):
    net, images, targets, regions = setting
    both = localisation(
        net, images, targets, ["smoothgrad(samples=3)", "gradient"], regions, draws=2, image_ids=[3, 1, 4, 5, 9]
    )
    alone = localisation(
        net, images[2:4], targets[2:4], ["smoothgrad(samples=3)"], {"left": regions["left"][2:4]}, draws=1,
        image_ids=[4, 5], measures=["auc_left"],
    )  # fmt: skip
    keys = ["intervention", "draw", "image", "method", "metric", "against"]
    joined = alone.merge(both, on=keys, suffixes=("", "_both"))
    assert len(joined) == len(alone) and np.allclose(joined.value, joined.value_both)
    assert not both.duplicated(keys).any()


def test_controls_are_localised_but_resemble_nothing(setting):
    net, images, targets, regions = setting
    found = localisation(net, images, targets, ["input", "random", "gradient"], regions, draws=1)
    assert set(found[found.against != "none"].method) == {"gradient"}
    assert {"input", "random"} <= set(found[found.against == "none"].method)
    noise = found[(found.method == "random") & (found.metric == "mass_share_abs_left")]
    per_net = noise.pivot(index="image", columns="intervention", values="value")
    assert (per_net.nunique(axis=1) == 2).all(), "noise is another for another net"


def test_the_model_is_not_changed(setting):
    net, images, targets, regions = setting
    before = copy.deepcopy(net.state_dict())
    first = localisation(net, images, targets, ["guided_backprop"], regions, draws=1)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    pd.testing.assert_frame_equal(first, localisation(net, images, targets, ["guided_backprop"], regions, draws=1))


def test_random_models_are_the_ends_of_cascades(setting):
    net, images, *_ = setting
    for draw, model in enumerate(random_models(net, images, "tn(0.01)", 2)):
        *_, last = steps(net, units_of(net, images), law_named("tn(0.01)", net), draw)
        assert all(torch.equal(last.state[name], value) for name, value in model.state_dict().items())


def test_patterns_are_those_of_each_net(setting):
    _, images, targets, _ = setting
    examples = Examples.of(images, targets, training_images=toys.TRAINING)
    chosen = methods_of(["pattern_attribution"])
    other = toys.net("max_pool", seed=3)
    found = maps_of(other, examples, chosen, targets, "other")["pattern_attribution"]
    oracle = toys.plain_pattern_map
    expected = torch.stack(
        [oracle(other, x, int(c), toys.TRAINING, "two_component", True) for x, c in zip(images, targets, strict=True)]
    )
    assert torch.allclose(found, expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"regions": {}}, ["regions is empty"]),
        ({"regions": {"a": torch.zeros(5, 5, 6, dtype=torch.bool)}}, ["The region a", "(5, 6, 6)"]),
        ({"regions": {"a": torch.zeros(5, 6, 6)}}, ["float32", "boolean mask"]),
        ({"measures": ["auc_middle"]}, ["auc_middle", "auc_left"]),
        ({"measures": ["auc_left", "auc_left"]}, ["at most once"]),
        ({"draws": 0}, ["draws is 0"]),
        ({"init": "zeros"}, ["'zeros'", "tn(0.01)"]),
        ({"name": "random"}, ["none 'random'"]),
        ({"others": {"trained": toys.net("max_pool")}}, ["trained, trained", "give each a name"]),
        ({"methods": ["gradcamera"]}, ["did you mean gradcam?"]),
    ],
)
def test_what_cannot_be_run_is_refused(setting, change, words):
    net, images, targets, regions = setting
    given = {"methods": ["gradient"], "regions": regions} | change
    with pytest.raises(StudyError) as error:
        localisation(net, images, targets, given.pop("methods"), given.pop("regions"), **given)
    assert all(word in str(error.value) for word in words), error.value


def test_a_random_map_finds_nothing():
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(400, 1, 12, 12, generator=generator)
    region = torch.zeros(12, 12, dtype=torch.bool)
    region[:4] = True
    found = measured(values, {"a": region.expand(400, -1, -1)}, metrics_of(["a"]))
    for name, expected in (
        ("mass_share", 1 / 3),
        ("mass_share_abs", 1 / 3),
        ("density", 1.0),
        ("pointing", 1 / 3),
        ("auc", 0.5),
    ):
        own = found[f"{name}_a"]
        assert abs(own.mean() - expected) < 3 * own.std() / math.sqrt(400), name
