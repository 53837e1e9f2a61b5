"""The claims about networks for photographs: their rules decide as they say, by made-up scores."""

from __future__ import annotations

import numpy as np
import pytest
from made_up import around, decided, rows_of, scores
from scipy import stats

from lib import attributions
from lib.claims import CONTRADICTED, INCONCLUSIVE, NOT_TESTED, SUPPORTED, decide, ledger
from lib.figures.looks import SPOKEN
from lib.photograph_cascades import NOISE, RECOGNITION
from lib.photograph_maps import EDGES, EDGES_ALONE, MASK_LAW, MASKS
from lib.photograph_networks import BLOCKS

GRADIENT, PRODUCT, IG = "gradient", "gradient_x_input", "integrated_gradients(steps=15)"
SMOOTH, IGSG = "smoothgrad(samples=15)", "ig_smoothgrad(samples=5,steps=5)"
GBP, CAM, GCAM = "guided_backprop", "gradcam", "guided_gradcam"
EIGHT = [GRADIENT, PRODUCT, IG, SMOOTH, IGSG, GBP, CAM, GCAM]
LISTED = ["efficientnet_lite0", "resnet18", "squeezenet1_0", "inception_v3"]
CASCADE, ALONE = "photographs: cascade", "photographs: independent"
STUDY = ["A-04", "A-22", "A-23", "A-24", "A-26", "A-27", "A-28", "A-76", "A-77", "A-78", "A-79", "A-84", "A-85", "A-86"]


def made(centre, method=GRADIENT, metric="spearman_abs", step=1, spread=1e-4, seed=0, images=6, draws=3, **more):
    given = {"model": "resnet18", "dataset": "imagenet-samples", "intervention": CASCADE} | more
    return rows_of(around(centre, spread, images, draws, seed), method, metric, step, **given)


def intact(centre, method, metric, against="original", **more):
    """Scores of the intact network, which stand under no draw."""
    return made(centre, method, metric, 0, draws=1, against=against, **more).assign(draw=-1)


def curve(centres, method, metric, **more):
    """One method along the cascade, steps 1, 2, …; methods scatter independently."""
    seed = sum(map(ord, method))
    return scores(
        *(made(centre, method, metric, step, seed=seed + step, **more) for step, centre in enumerate(centres, start=1))
    )


def verdicts(claim, table):
    found = decide(claim, table)
    return found["verdict"], found["second_verdict"]


# blocks -------------------------------------------------------------------------------------------------------


def blocks(units=17.0, covered=1.0, shared=0.0, model="inception_v3"):
    given = {"model": model, "dataset": "none", "intervention": BLOCKS, "against": "none", "step": 0}
    values = {"units": units, "covered": covered, "shared": shared}
    tables = [rows_of([value], "none", metric, **given).assign(image=-1, draw=-1) for metric, value in values.items()]
    return scores(*tables)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, SUPPORTED),
        ({"units": 16.0}, CONTRADICTED),
        ({"units": 18.0}, CONTRADICTED),
        ({"covered": 291 / 292}, CONTRADICTED),
        ({"shared": 1.0}, CONTRADICTED),
        ({"model": "resnet18"}, NOT_TESTED),
    ],
)
def test_seventeen_blocks_must_cover_all_and_be_disjoint(change, verdict):
    assert verdicts("A-04", blocks(**change)) == (verdict, None)


def test_what_is_counted_needs_no_interval_and_what_is_sampled_does(monkeypatch):
    part = {"intervention": BLOCKS, "metric": "units", "methods": ["none"], "against": "none", "near": [17, 0.5]}
    assert decided(monkeypatch, blocks(), part)["verdict"] == INCONCLUSIVE
    found = decided(monkeypatch, blocks(), part | {"counted": True})
    assert (found["verdict"], found["value"], found["interval"]) == (SUPPORTED, 17.0, [17.0, 17.0])


# SSIM and HOG over the upper half ---------------------------------------------------------------------


def image_metric(metric, product=0.6, integrated=0.6, null=0.2, low=0.0, **more):
    """Six steps; the lower three do not count."""
    tables = []
    for method, centre in ((PRODUCT, product), (IG, integrated)):
        tables += [curve([centre + 0.1, centre, centre - 0.1, *[low] * 3], method, metric, **more)]
        tables += [intact(1.0, method, metric, **more), intact(null, method, metric, "null_shuffle", **more)]
    return scores(*tables)


@pytest.mark.parametrize(
    ("change", "first", "second"),
    [
        ({}, SUPPORTED, SUPPORTED),
        ({"low": 1.0}, SUPPORTED, SUPPORTED),
        # s* is 0.2, though the difference is larger than that.
        ({"null": 0.5}, SUPPORTED, CONTRADICTED),
        ({"null": 0.42}, SUPPORTED, SUPPORTED),
        ({"null": 0.44}, SUPPORTED, CONTRADICTED),
        ({"product": 0.45, "null": 0.1}, CONTRADICTED, SUPPORTED),
        ({"integrated": 0.45, "low": 1.0}, CONTRADICTED, SUPPORTED),
        ({"product": 0.5, "spread": 0.1}, INCONCLUSIVE, SUPPORTED),
    ],
)
def test_ssim_over_the_upper_half_and_counted_from_the_shuffled_map(change, first, second):
    assert verdicts("A-22", image_metric("ssim", **change)) == (first, second)


def test_the_second_reading_is_that_of_the_corrected_metric():
    """s - 0.7 s0 > 0.3 says the same as (s - s0) / (1 - s0) > 0.3."""
    for product, null in np.random.default_rng(0).uniform(0.2, 0.9, (6, 2)):
        found = decide("A-22", image_metric("ssim", product=product, integrated=1.0, null=null))
        corrected = (product - null) / (1 - null)
        assert found["second_verdict"] == (SUPPORTED if corrected > 0.3 else CONTRADICTED)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"product": 0.32, "integrated": 0.5}, SUPPORTED),
        ({"product": 0.28}, CONTRADICTED),
        ({"integrated": 0.28, "low": 1.0}, CONTRADICTED),
        ({"integrated": 0.3, "spread": 0.1}, INCONCLUSIVE),
    ],
)
def test_hog_over_the_upper_half(change, verdict):
    assert verdicts("A-23", image_metric("hog", **change)) == (verdict, None)


# curves that coincide ----------------------------------------------------------------------------------


def together(metric, product=0.0, integrated=0.0, step=5, **more):
    """Three curves of six steps, two of them moved at one step."""
    tables = []
    for method, move in ((GRADIENT, 0.0), (PRODUCT, product), (IG, integrated)):
        centres = [0.5, 0.4, 0.3, 0.2, 0.1, 0.0]
        centres[step - 1] += move
        tables.append(curve(centres, method, metric, **more))
    return scores(*tables)


@pytest.mark.parametrize(
    ("change", "signed", "ssim"),
    [
        ({}, SUPPORTED, SUPPORTED),
        ({"product": 0.04, "integrated": 0.04}, SUPPORTED, SUPPORTED),
        ({"product": 0.04, "integrated": -0.04}, CONTRADICTED, CONTRADICTED),
        ({"product": 0.06, "integrated": 0.06}, CONTRADICTED, SUPPORTED),
        ({"product": 0.03, "integrated": 0.06, "step": 1}, CONTRADICTED, SUPPORTED),
        ({"integrated": -0.06, "step": 6}, CONTRADICTED, CONTRADICTED),
    ],
)
def test_curves_coincide_at_every_step(change, signed, ssim):
    assert verdicts("A-24", together("spearman", **change)) == (signed, None)
    assert verdicts("A-26", together("ssim", **change)) == (ssim, None)
    assert verdicts("A-24", together("ssim", **change))[0] != SUPPORTED
    assert verdicts("A-26", together("spearman", **change))[0] != SUPPORTED


# the three that lead -----------------------------------------------------------------------------------------


def race(curves, null=0.0, **more):
    """SSIM curves by method, and the SSIM of shuffled maps."""
    tables = [curve(centres, method, "ssim", **more) for method, centres in curves.items()]
    return scores(*tables, *(intact(null, method, "ssim", "null_shuffle", **more) for method in curves))


def ahead(curves):
    """The share of steps that the three lead, step by step."""
    steps = len(curves[GBP])
    count = 0
    for k in range(steps):
        lowest = min(curves[method][k] for method in (CAM, GCAM, GBP))
        count += all(lowest > curves[method][k] for method in (GRADIENT, SMOOTH, PRODUCT, IG, IGSG))
    return count / steps


@pytest.mark.parametrize("seed", range(2))
def test_the_lead_is_counted_step_by_step(seed):
    rng = np.random.default_rng(seed)
    curves = {method: rng.uniform(0.2, 0.7, 20) + 0.3 * (method in (GBP, CAM, GCAM)) for method in EIGHT}
    found = decide("A-27", race(curves))
    expected = ahead(curves)
    assert found["value"] == pytest.approx(expected) and 0.1 < expected < 0.8
    assert found["verdict"] == CONTRADICTED and "20 steps" in found["statistic"]


def leading(steps=17, lost=(), by=IG, **more):
    """Curves of which the three lead at all steps, but for those at which one other is above."""
    curves = {method: np.full(steps, 0.8 if method in (GBP, CAM, GCAM) else 0.4) for method in EIGHT}
    for step in lost:
        curves[by][step - 1] = 0.9 if by not in (GBP, CAM, GCAM) else 0.3
    return race(curves, **more)


@pytest.mark.parametrize(
    ("change", "first", "second"),
    [
        ({}, SUPPORTED, SUPPORTED),
        ({"lost": (15, 16, 17)}, SUPPORTED, SUPPORTED),  # 14 of 17
        ({"lost": (1, 9, 16, 17)}, CONTRADICTED, SUPPORTED),  # 13 of 17
        ({"lost": (1, 2, 16, 17), "by": GCAM}, CONTRADICTED, SUPPORTED),
        ({"lost": (1, 2, 16, 17), "by": SMOOTH}, CONTRADICTED, SUPPORTED),
        ({"null": 0.75}, SUPPORTED, CONTRADICTED),
        ({"steps": 6, "lost": (6,)}, SUPPORTED, SUPPORTED),  # 5 of 6
        ({"steps": 6, "lost": (5, 6)}, CONTRADICTED, SUPPORTED),
    ],
)
def test_fourteen_of_seventeen_steps_are_a_lead(change, first, second):
    assert verdicts("A-27", leading(**change)) == (first, second)


def test_a_lead_that_depends_on_the_photographs_is_inconclusive():
    curves = {method: np.full(10, 0.5 if method in (GBP, CAM, GCAM) else 0.4) for method in EIGHT}
    curves[IG][:2] = 0.5
    assert decide("A-27", race(curves, spread=0.05))["verdict"] == INCONCLUSIVE
    assert decide("A-27", race(curves | {IG: np.full(10, 0.4)}))["verdict"] == SUPPORTED


def test_a_lead_over_what_was_not_measured_is_none():
    table = leading()
    found = decide("A-27", table[table.method != IGSG])
    assert found["verdict"] == INCONCLUSIVE
    assert any("the three lead" in part["label"] and "not measured" in part["label"] for part in found["parts"])


# is the image still seen -------------------------------------------------------------------------------------


def seen(product=(0.7, 0.6, 0.5), integrated=(0.7, 0.6, 0.5), noise=0.65, **more):
    given = {"intervention": RECOGNITION, "against": "input"} | more
    curves = {PRODUCT: product, IG: integrated, NOISE: [noise] * 3}
    return scores(*(curve(centres, method, "spearman_abs", **given) for method, centres in curves.items()))


@pytest.mark.parametrize(
    ("change", "first", "second"),
    [
        ({}, SUPPORTED, CONTRADICTED),
        ({"noise": 0.4}, SUPPORTED, SUPPORTED),
        ({"noise": 0.55}, SUPPORTED, CONTRADICTED),
        ({"product": (0.7, 0.29, 0.7), "noise": 0.2}, CONTRADICTED, SUPPORTED),
        ({"integrated": (0.7, 0.6, 0.29), "noise": 0.2}, CONTRADICTED, SUPPORTED),
        ({"noise": 0.5, "spread": 0.1}, SUPPORTED, INCONCLUSIVE),
    ],
)
def test_the_image_is_seen_at_every_step_and_more_than_in_noise(change, first, second):
    assert verdicts("A-28", seen(**change)) == (first, second)


# one low unit ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("centres", "verdict"),
    [
        ([0.0, 0.0, 0.0, 0.0, 0.45, 0.45], SUPPORTED),
        ([0.9, 0.9, 0.9, 0.9, 0.45, 0.35], CONTRADICTED),
        ([0.9, 0.9, 0.9, 0.9, 0.35, 0.45], CONTRADICTED),
        ([0.1] * 12 + [0.5] * 7, SUPPORTED),
        ([0.5] * 12 + [0.1] + [0.5] * 6, CONTRADICTED),
        ([0.5] * 11 + [0.1] + [0.5] * 7, SUPPORTED),
    ],
)
def test_each_unit_of_the_lowest_third_leaves_the_edges(centres, verdict):
    table = curve(centres, GBP, "spearman_abs", intervention=ALONE, against="edge")
    assert verdicts("A-42", table) == (verdict, None)
    assert verdicts("A-42", table.assign(model="vgg16"))[0] == NOT_TESTED
    assert verdicts("A-42", table.assign(intervention=CASCADE))[0] == NOT_TESTED


# nearest to the edges ----------------------------------------------------------------------------------------

NEAR = {GRADIENT: 0.1, SMOOTH: 0.2, PRODUCT: 0.15, IG: 0.15, CAM: 0.05, IGSG: 0.2, GBP: 0.5, GCAM: 0.3}


def edges(ranks=None, corrected=None, **more):
    given = {"intervention": EDGES, "against": "edge"} | more
    tables = []
    for metric, change in (("spearman_abs", ranks), ("ssim_corrected", corrected)):
        for seed, (method, centre) in enumerate((NEAR | (change or {})).items()):
            tables.append(intact(centre, method, metric, seed=seed, **given))
    return scores(*tables)


@pytest.mark.parametrize(
    ("ranks", "corrected", "verdict"),
    [
        ({}, {}, SUPPORTED),
        ({GBP: 0.12}, {}, SUPPORTED),  # Guided GradCAM suffices
        ({GCAM: 0.0}, {GBP: 0.0}, SUPPORTED),  # one by ranks, the other by SSIM
        ({GBP: 0.12, GCAM: 0.12}, {}, CONTRADICTED),
        ({}, {GBP: 0.12, GCAM: 0.12}, CONTRADICTED),
        # Each is beaten by one method only, but not by the same one: a method must beat all.
        ({GBP: 0.3, SMOOTH: 0.35, GCAM: 0.25, IG: 0.3}, {}, CONTRADICTED),
        # Neither has to beat the other.
        ({GBP: 0.5, GCAM: 0.9}, {GBP: 0.9, GCAM: 0.5}, SUPPORTED),
        *(({each: 0.8}, {}, CONTRADICTED) for each in (GRADIENT, SMOOTH, PRODUCT, IG, CAM, IGSG)),
        *(({}, {each: 0.8}, CONTRADICTED) for each in (GRADIENT, SMOOTH, PRODUCT, IG, CAM, IGSG)),
    ],
)
def test_one_of_two_methods_must_be_nearest_to_the_edges(ranks, corrected, verdict):
    assert verdicts("A-76", edges(ranks, corrected)) == (verdict, None)


def test_nearly_as_near_is_inconclusive_and_so_is_what_was_not_measured():
    assert verdicts("A-76", edges({SMOOTH: 0.5}, spread=0.05))[0] == INCONCLUSIVE
    table = edges()
    assert verdicts("A-76", table[table.method != IGSG])[0] == INCONCLUSIVE
    assert verdicts("A-76", table[table.metric == "spearman_abs"])[0] == INCONCLUSIVE


def test_the_nearest_method_may_differ_between_networks_but_each_needs_one():
    both = scores(edges({GBP: 0.1}), edges({GCAM: 0.1}, model="squeezenet1_0"))
    assert verdicts("A-76", both)[0] == SUPPORTED
    assert verdicts("A-76", scores(both, edges({IG: 0.9}, model="efficientnet_lite0")))[0] == CONTRADICTED


# near the edges and insensitive ------------------------------------------------------------------------------


def ranked(near, left, steps=6, **more):
    """Similarity to the edges, and to the intact map after the last step, by method; controls and noise beside them."""
    tables = []
    for method, centre in near.items():
        tables.append(intact(centre, method, "spearman_abs", "edge", **{"intervention": EDGES} | more))
    for method, centre in left.items():
        tables += [intact(1.0, method, "spearman_abs", **more)]
        tables += [curve([1.0 - centre] * (steps - 1) + [centre], method, "spearman_abs", **more)]
    return scores(*tables)


@pytest.mark.parametrize("seed", range(3))
def test_agreement_over_methods_is_spearmans(seed):
    near, left = (dict(zip(EIGHT, each, strict=True)) for each in np.random.default_rng(seed).uniform(0.1, 0.9, (2, 8)))
    expected = stats.spearmanr([near[each] for each in EIGHT], [left[each] for each in EIGHT]).statistic
    # Controls never count; nor does a method that one of the questions lacks.
    table = ranked(near | {"edge": 1.0, IG + "x": 1.0}, left | {"edge": 1.0, "input": 0.9})
    found = decide("A-77", table)
    assert found["value"] == pytest.approx(expected, abs=1e-6) and "8 methods" in found["statistic"]
    assert found["interval"] == pytest.approx([expected] * 2, abs=1e-6) and found["draws"] == 3


@pytest.mark.parametrize(
    ("order", "spread", "verdict"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], 1e-4, SUPPORTED),
        ([1, 0, 3, 2, 5, 4, 7, 6], 1e-4, SUPPORTED),
        ([0, 7, 2, 5, 4, 3, 6, 1], 1e-4, CONTRADICTED),
        ([7, 6, 5, 4, 3, 2, 1, 0], 1e-4, CONTRADICTED),
        ([3, 1, 2, 0, 4, 7, 6, 5], 1.0, INCONCLUSIVE),
    ],
)
def test_the_nearest_must_be_the_least_sensitive(order, spread, verdict):
    places = np.linspace(0.1, 0.9, 8)
    near, left = dict(zip(EIGHT, places, strict=True)), dict(zip(EIGHT, places[order], strict=True))
    assert verdicts("A-77", ranked(near, left, spread=spread)) == (verdict, None)


def test_agreement_needs_both_questions():
    table = ranked(NEAR, NEAR)
    assert verdicts("A-77", table[table.intervention != CASCADE])[0] == NOT_TESTED
    assert verdicts("A-77", table[table.intervention == CASCADE])[0] in (NOT_TESTED, INCONCLUSIVE)


# the edges alone ---------------------------------------------------------------------------------------

AFTER = {GRADIENT: 0.65, PRODUCT: 0.7, IG: 0.7, GBP: 0.9, CAM: 0.7, GCAM: 0.88}


def alone(change=None, **more):
    given = {"intervention": EDGES_ALONE} | more
    return scores(
        *(
            made(centre, method, seed=seed, draws=1, **given).assign(draw=-1)
            for seed, (method, centre) in enumerate((AFTER | (change or {})).items())
        )
    )


@pytest.mark.parametrize(
    ("change", "agree", "edges_mostly"),
    [
        ({}, SUPPORTED, SUPPORTED),
        ({GRADIENT: 0.55}, SUPPORTED, CONTRADICTED),
        ({GRADIENT: 0.75}, CONTRADICTED, SUPPORTED),
        ({GBP: 0.58, GRADIENT: 0.3}, CONTRADICTED, CONTRADICTED),
        ({GCAM: 0.58, GRADIENT: 0.3}, CONTRADICTED, CONTRADICTED),
        ({PRODUCT: 0.5}, SUPPORTED, CONTRADICTED),
        ({IG: 0.5}, SUPPORTED, CONTRADICTED),
        ({CAM: 0.5}, SUPPORTED, CONTRADICTED),
    ],
)
def test_maps_of_the_edges_alone(change, agree, edges_mostly):
    table = alone(change)
    assert verdicts("A-78", table) == (agree, None) and verdicts("A-79", table) == (edges_mostly, None)


def test_maps_of_the_edges_alone_that_scatter_are_inconclusive():
    table = alone({GCAM: 0.85}, spread=0.3)
    assert verdicts("A-78", table)[0] == verdicts("A-79", table)[0] == INCONCLUSIVE


# random masks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("claim", "method"), [("A-84", GRADIENT), ("A-85", IG), ("A-86", PRODUCT)])
def test_masks_are_like_nothing(claim, method):
    def masked(ranks=0.0012, signed=-0.0012, hog=0.018, spread=1e-4, of=method, against=MASK_LAW):
        values = {"spearman_abs": ranks, "spearman": signed, "hog": hog, "ssim": 0.5}
        given = {"step": 0, "intervention": MASKS, "against": against, "spread": spread}
        return scores(*(made(value, of, metric, **given) for metric, value in values.items()))

    assert verdicts(claim, masked()) == (SUPPORTED, None)
    for change in ({"ranks": -0.0018}, {"signed": 0.0018}, {"hog": 0.022}, {"hog": -0.022}):
        assert verdicts(claim, masked(**change)) == (CONTRADICTED, None)
    assert verdicts(claim, masked(spread=0.02)) == (INCONCLUSIVE, None)
    others = [masked(1, 1, 1, of=each) for each in (GRADIENT, IG, PRODUCT) if each != method]
    assert verdicts(claim, scores(masked(), *others, masked(1, 1, 1, against="gaussian(2)"))) == (SUPPORTED, None)


# All of them -------------------------------------------------------------------------------------------------------


def whole(**more):
    """What a run writes about one network: everything that a rule of the study asks for, and holds."""
    curves = {method: np.full(6, 0.8 if method in (GBP, CAM, GCAM) else 0.65) for method in EIGHT}
    mask = {"step": 0, "intervention": MASKS, "against": MASK_LAW}
    three = [(method, metric) for method in (GRADIENT, IG, PRODUCT) for metric in ("spearman_abs", "spearman", "hog")]
    low = {"intervention": ALONE, "against": "edge"}
    return scores(
        race(curves, **more), image_metric("hog", **more), together("spearman", **more), seen(noise=0.4, **more),
        edges(**more), alone(**more), *(made(0.0, *each, **mask, **more) for each in three),
        *(curve([0.2] * 5 + [centre], method, "spearman_abs", **more) for method, centre in NEAR.items()),
        curve([0.5] * 6, GBP, "spearman_abs", **low, **more),
    )  # fmt: skip


@pytest.fixture(scope="module")
def everything():
    return whole()


@pytest.mark.parametrize("claim", [*STUDY[1:], "A-42"])
def test_one_network_can_support_every_claim(everything, claim):
    found = decide(claim, everything)
    assert found["verdict"] == SUPPORTED and found["second_verdict"] in (None, SUPPORTED)
    assert not [part["label"] for part in found["parts"] if "not measured" in part["label"]]


@pytest.mark.parametrize("claim", [*STUDY[1:], "A-42"])
def test_networks_that_are_not_named_and_small_nets_take_no_part(everything, claim):
    contrary = everything.assign(value=-everything.value)
    others = scores(contrary.assign(model="vgg16"), contrary.assign(model="cnn", dataset="mnist"))
    known = decide(claim, everything)
    assert decide(claim, others)["verdict"] == NOT_TESTED
    assert decide(claim, scores(everything, others))["parts"] == known["parts"]
    # Those of the first study stand under names without the prefix.
    small = everything.assign(intervention=[each.removeprefix("photographs: ") for each in everything.intervention])
    assert decide(claim, small)["verdict"] == NOT_TESTED


@pytest.mark.parametrize("claim", [*STUDY[1:], "A-42"])
def test_every_named_network_must_agree(everything, claim):
    networks = [everything.assign(model=model) for model in LISTED]
    found = decide(claim, scores(*networks))
    assert found["verdict"] == SUPPORTED and found["runs"] == sorted(f"{model}-imagenet-samples" for model in LISTED)
    last = networks[-1]
    value = last.value.where(last.step == 0, -last.value)
    value = value.where(last.intervention != MASKS, 0.5).where(last.intervention != EDGES, -last.value)
    if claim in ("A-24", "A-26"):
        value = last.value - 0.2 * (last.method == IG) * (last.step == 3)
    if claim == "A-77":
        value = last.value.where(last.intervention != EDGES, -last.value)
    assert decide(claim, scores(*networks[:-1], last.assign(value=value)))["verdict"] == CONTRADICTED


def test_accuracy_of_the_papers_weights_has_no_rule(everything):
    """93.9 % refers to weights and images that are not there."""
    assert "parts" not in ledger()["A-03"]
    assert decide("A-03", everything)["verdict"] == NOT_TESTED


def test_the_rules_name_words_that_exist():
    known = {CASCADE, RECOGNITION, EDGES, EDGES_ALONE, MASKS, BLOCKS, ALONE}
    for claim in [*STUDY, "A-42"]:
        for entry in ledger()[claim]["parts"]:
            for part in entry.get("one_of", [entry]):
                if not part["intervention"].startswith("photographs: "):
                    continue
                assert part["intervention"] in known and set(part["models"]) <= set(LISTED)
                assert part["models"] == (["inception_v3"] if claim == "A-04" else LISTED)
                questions = [part, *(part[word] for word in ("minus", "spearman") if word in part)]
                asked = [name for each in questions for name in each.get("methods", []) if each.get("methods") != "all"]
                names = {*asked, *part.get("leading", [])} - {NOISE}
                attributions.methods(sorted(names))
                assert names <= SPOKEN.keys()
