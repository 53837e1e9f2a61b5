"""Rules that compare orders of destruction, laws, alternatives and verdicts, on made-up scores with known answers."""

from __future__ import annotations

import copy
import json
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from made_up import around, cascade_of, decided, rows_of, scores
from scipy import stats
from torch import nn

from lib import parts
from lib.claims import CONTRADICTED, INCONCLUSIVE, NOT_TESTED, SUPPORTED, decide, ledger
from lib.randomization import randomization_scores
from lib.statistics import crossed_bootstrap

UNIFORM = "cascade(init=uniform)"
NEW = ["A-07", "A-08", "A-17", "A-30", "A-32", "A-33", "A-40", "A-41", "A-42", "A-43", "A-44"]


@pytest.fixture
def rule(monkeypatch):
    return partial(decided, monkeypatch)


def verdict_and_parts(found):
    return found["verdict"], [part["verdict"] for part in found["parts"]]


# A twin of another intervention, method or map ----------------------------------------------------------------------


def orders(top_down, bottom_up, spread=0.001, **net):
    """Guided Backprop at the first step of both orders."""
    return scores(
        cascade_of([top_down, 0.5], "guided_backprop", spread=spread, **net),
        cascade_of([bottom_up, 0.5], "guided_backprop", spread=spread, intervention="reverse", **net),
    )


@pytest.mark.parametrize(
    ("top_down", "bottom_up", "spread", "verdict"),
    [
        (0.9, 0.5, 0.001, SUPPORTED),
        (0.9, 0.85, 0.001, CONTRADICTED),
        (0.5, 0.9, 0.001, CONTRADICTED),
        (0.9, 0.78, 0.3, INCONCLUSIVE),
    ],
)
def test_the_lowest_unit_costs_more_than_the_highest(top_down, bottom_up, spread, verdict):
    # A-33: drop = 1 - rho; the bottom-up drop at the first step is larger by 0.1.
    table = orders(top_down, bottom_up, spread)
    # The draws of both orders are the same, the scatter is not: other numbers for the reverse order.
    table.loc[table.intervention == "reverse", "value"] += np.tile(around(0.0, spread, seed=9).ravel(), 2)
    found = decide("A-33", table)
    assert found["verdict"] == verdict
    assert found["value"] == pytest.approx((1 - bottom_up) - (1 - top_down))


def test_orders_are_paired_by_image_and_draw():
    # Images differ by 0.5 in both orders alike; only the difference of 0.2 is left, without scatter.
    images = np.tile(np.linspace(0.2, 0.7, 10)[:, None], 3)
    table = scores(rows_of(images + 0.2, "guided_backprop"), rows_of(images, "guided_backprop", intervention="reverse"))
    found = decide("A-33", table)
    assert found["verdict"] == SUPPORTED and found["interval"] == pytest.approx([0.2, 0.2])


def test_an_order_that_no_net_went_through_is_not_tested_and_one_that_a_net_lacks_is_inconclusive():
    full = scores(orders(0.9, 0.5, model="cnn"), orders(0.9, 0.5, model="mlp"))
    assert decide("A-33", full)["verdict"] == SUPPORTED
    none = full[full.intervention == "cascade"]
    assert decide("A-33", none)["verdict"] == NOT_TESTED and decide("A-33", none)["parts"] == []
    half = full[(full.intervention == "cascade") | (full.model == "cnn")]
    found = decide("A-33", half)
    assert verdict_and_parts(found) == (INCONCLUSIVE, [SUPPORTED, INCONCLUSIVE])
    assert "mlp-mnist" in found["parts"][1]["label"] and "not measured" in found["parts"][1]["label"]
    # What is contradicted on one net stays contradicted.
    worse = half.assign(value=half.value.where(half.intervention == "cascade", 0.95))
    assert decide("A-33", worse)["verdict"] == CONTRADICTED


def test_a_net_of_another_study_need_not_have_an_order():
    other = rows_of(around(0.9), "guided_backprop", intervention="labels", dataset="fashion")
    found = decide("A-33", scores(orders(0.9, 0.5), other))
    assert found["verdict"] == SUPPORTED and found["runs"] == ["cnn-mnist"]


@pytest.mark.parametrize(
    ("deeplift", "signed", "verdict"),
    [(0.99, 0.0, SUPPORTED), (0.97, 0.0, SUPPORTED), (0.9, 0.0, CONTRADICTED), (0.99, 0.3, CONTRADICTED)],
)
def test_relevance_follows_gradient_x_input(deeplift, signed, verdict):
    # A-34: within 0.05 of Gradient x input at every step, and |rho| below 0.15 at step 2.
    table = scores(
        *(cascade_of([0.99, 0.99], method) for method in ("gradient_x_input", "lrp_epsilon")),
        cascade_of([0.99, deeplift], "deeplift"),
        *(cascade_of([0.5, signed], method, "spearman") for method in ("deeplift", "lrp_epsilon")),
    )
    assert decide("A-34", table)["verdict"] == verdict


@pytest.mark.parametrize(
    ("own", "again", "verdicts"),
    [
        (0.1, 0.9, (SUPPORTED, SUPPORTED)),
        (0.1, 0.2, (SUPPORTED, CONTRADICTED)),
        (0.6, 0.9, (SUPPORTED, CONTRADICTED)),
    ],
)
def test_masks_are_below_those_of_a_second_run(own, again, verdicts):
    """A-35: the second run is one number per image, of the intact net, and stands beside every draw."""
    mask = "meaningful_perturbation"
    images = np.linspace(-0.05, 0.05, 10)
    table = scores(
        cascade_of([0.5, 0.1], mask),
        rows_of(np.tile(own + images[:, None], 3), mask, step=2, intervention="cascade(init=own)"),
        rows_of(again + images, mask, step=0, against="self", draw=-1),
    )
    found = decide("A-35", table)
    assert (found["verdict"], found["second_verdict"]) == verdicts
    apart = next(part for part in found["parts"] if "second run" in part["label"])
    # Paired by image: what images have in common is gone, and no scatter is left.
    assert apart["value"] == pytest.approx(own - again) and apart["draws"] == 3
    assert apart["interval"] == pytest.approx([own - again] * 2)


def test_empty_masks_leave_the_first_reading_open_and_count_as_unlike_in_the_second():
    mask = "meaningful_perturbation"
    values = np.where(np.arange(10)[:, None] < 6, np.nan, 0.3 + np.zeros((10, 3)))
    table = scores(
        rows_of(values, mask, step=1),
        rows_of(values, mask, step=1, intervention="cascade(init=own)"),
        rows_of(np.full(10, 0.9), mask, step=0, against="self", draw=-1),
    )
    found = decide("A-35", table)
    assert (found["verdict"], found["second_verdict"]) == (INCONCLUSIVE, SUPPORTED)
    assert [part["value"] for part in found["parts"]] == pytest.approx([0.3, 0.12, 0.12, 0.12 - 0.9])
    assert [part["undefined"] for part in found["parts"]] == pytest.approx([0.6, 0, 0, 0])


@pytest.mark.parametrize(("guided", "verdict"), [(0.5, SUPPORTED), (0.2, CONTRADICTED), (0.0, CONTRADICTED)])
def test_structure_of_the_input_on_a_fully_random_net(guided, verdict):
    # A-17 looks at the maps' similarity to the edges; that to the intact maps says the opposite here.
    tables = [
        cascade_of([0.9, 0.9, 0.9, value], method, against="edge")
        for method, value in (("guided_backprop", guided), ("gradient", 0.15))
    ]
    original = [
        cascade_of([0.9] * 3 + [value], m) for m, value in (("guided_backprop", 0.65 - guided), ("gradient", 0.3))
    ]
    found = decide("A-17", scores(*tables, *original))
    assert found["verdict"] == verdict
    assert found["value"] == pytest.approx(guided - 0.15)
    # A table from before edges were compared is not tested; a net without them among others is not measured.
    assert decide("A-17", scores(*original))["verdict"] == NOT_TESTED
    mixed = scores(*tables, *original, *(table.assign(model="mlp") for table in original))
    assert decide("A-17", mixed)["verdict"] == (INCONCLUSIVE if verdict == SUPPORTED else CONTRADICTED)


def test_a_claim_of_the_first_seed_does_not_ask_the_others():
    ig = [cascade_of([0.99] * 4, "integrated_gradients", seed=seed) for seed in (0, 1, 2)]
    found = decide("A-32", scores(*ig, cascade_of([0.4] * 4, "ig_smoothgrad")))
    assert (found["verdict"], found["runs"], len(found["parts"])) == (SUPPORTED, ["cnn-mnist"], 1)
    assert found["value"] == pytest.approx(0.59)
    assert decide("A-32", scores(*ig, cascade_of([0.8] * 4, "ig_smoothgrad")))["verdict"] == CONTRADICTED
    assert decide("A-32", scores(*ig))["verdict"] == NOT_TESTED
    # Measured on another seed only: nothing is known about the one the claim speaks of.
    assert decide("A-32", scores(*ig, cascade_of([0.4] * 4, "ig_smoothgrad", seed=1)))["verdict"] == NOT_TESTED


# One unit at a time -------------------------------------------------------------------------------------------------

one_unit = partial(cascade_of, intervention="independent")


@pytest.mark.parametrize(
    ("at", "units", "steps"),
    [
        ("each_higher", 4, [1, 2]),
        ("each_lower", 4, [3, 4]),
        ("some_lower", 4, [3, 4]),
        ("each_lower", 3, [3]),
        ("each_higher", 17, list(range(1, 12))),
        ("each_lower", 17, list(range(12, 18))),
        ("each_lower", 1, [1]),
    ],
)
def test_lower_units_are_the_third_nearest_the_input(rule, at, units, steps):
    found = rule(cascade_of(np.linspace(0.9, 0.1, units)), {"at": at, "above": 0.0})
    assert [part["label"].split("step ")[1] for part in found["parts"]] == [str(step) for step in steps]
    assert [part["value"] for part in found["parts"]] == pytest.approx(
        np.linspace(0.9, 0.1, units)[np.array(steps) - 1]
    )


@pytest.mark.parametrize(("at", "expected"), [("higher", (0.9 + 0.7) / 2), ("all", (0.9 + 0.7 + 0.4 + 0.1) / 4)])
def test_means_over_the_higher_and_over_all_units(rule, at, expected):
    found = rule(cascade_of([0.9, 0.7, 0.4, 0.1]), {"at": at, "above": 0.0})
    assert found["value"] == pytest.approx(expected)


def test_without_higher_units_nothing_is_supported(rule):
    assert (
        rule(cascade_of([0.9]), {"at": "each_lower", "minus": {"at": "higher"}, "above": -1})["verdict"] == NOT_TESTED
    )


@pytest.mark.parametrize(
    ("model", "guided", "gradcam", "verdict"),
    [
        ("cnn", [0.95] * 4, [0.95] * 4, SUPPORTED),
        ("cnn", [0.95, 0.95, 0.95, 0.5], [0.95] * 4, CONTRADICTED),
        ("cnn", [0.95] * 4, [0.6, 0.95, 0.95, 0.95], CONTRADICTED),
        ("mlp", [0.95] * 4, None, SUPPORTED),
        ("cnn", [0.95] * 4, None, INCONCLUSIVE),
    ],
)
def test_whichever_single_unit(model, guided, gradcam, verdict):
    # A-40: the mlp has no convolution, so nothing is missing there; on the cnn Guided GradCAM must have been run.
    tables = [one_unit(guided, "guided_backprop", model=model)]
    tables += [one_unit(gradcam, "guided_gradcam", model=model)] if gradcam else []
    # The cascade does not count.
    found = decide("A-40", scores(*tables, cascade_of([0.1] * 4, "guided_backprop", model=model)))
    assert found["verdict"] == verdict


@pytest.mark.parametrize(
    ("units", "verdict", "value"),
    [
        # Both lower units, or one of them, well below the mean of the higher ones (0.8).
        ([0.82, 0.78, 0.40, 0.10], SUPPORTED, None),
        ([0.82, 0.78, 0.40, 0.79], SUPPORTED, None),
        ([0.82, 0.78, 0.79, 0.40], SUPPORTED, None),
        # Neither: the claim is contradicted by the one that comes nearest.
        ([0.82, 0.78, 0.79, 0.70], CONTRADICTED, -0.10),
        # A higher unit below 0.7, whatever the lower ones do.
        ([0.82, 0.60, 0.10, 0.10], CONTRADICTED, 0.60),
    ],
)
def test_guided_backprop_depends_on_lower_units_if_one_of_them_shows_it(units, verdict, value):
    found = decide("A-41", one_unit(units, "guided_backprop"))
    assert found["verdict"] == verdict
    if value is not None:
        assert found["value"] == pytest.approx(value, abs=1e-3)
    groups = [(part["one_of"], part["alternative"]) for part in found["parts"]]
    assert groups[:2] == [(None, None)] * 2
    assert groups[2][0] == groups[3][0] is not None and [each for _, each in groups[2:]] == ["step 3", "step 4"]


def test_one_undecided_alternative_leaves_the_claim_open():
    units = [0.82, 0.78, 0.79]
    wide = rows_of(around(0.6, 0.3, seed=4), "guided_backprop", step=4, intervention="independent")
    found = decide("A-41", scores(one_unit(units, "guided_backprop"), wide))
    assert [part["verdict"] for part in found["parts"]] == [SUPPORTED, SUPPORTED, CONTRADICTED, INCONCLUSIVE]
    assert found["verdict"] == INCONCLUSIVE and "step 4" in found["statistic"]


def test_alternatives_are_those_of_one_net():
    good, bad = [0.82, 0.78, 0.40, 0.79], [0.82, 0.78, 0.79, 0.70]
    table = scores(one_unit(good, "guided_backprop"), one_unit(bad, "guided_backprop", model="mlp"))
    found = decide("A-41", table)
    assert found["verdict"] == CONTRADICTED and "mlp-mnist" in found["statistic"]


def test_sensitivity_is_carried_through_alternatives():
    # 0.15 and 0.25 below the higher units: the rule asks for 0.2, harder 0.3, easier 0.1.
    found = decide("A-41", one_unit([0.9, 0.9, 0.75, 0.65], "guided_backprop"))
    assert found["verdict"] == SUPPORTED
    assert found["sensitivity"] == {"easier": SUPPORTED, "harder": CONTRADICTED}
    found = decide("A-41", one_unit([0.9, 0.9, 0.75, 0.85], "guided_backprop"))
    assert found["verdict"] == CONTRADICTED
    assert found["sensitivity"] == {"easier": SUPPORTED, "harder": CONTRADICTED}


@pytest.mark.parametrize(
    ("units", "verdict"),
    [([0.1, 0.1, 0.5, 0.45], SUPPORTED), ([0.9, 0.9, 0.5, 0.3], CONTRADICTED), ([0.9, 0.9, 0.3, 0.5], CONTRADICTED)],
)
def test_edges_remain_under_each_lower_convolution(units, verdict):
    # A-42 asks about the two convolutions only, and only about the cnn.
    table = one_unit(units, "guided_backprop", against="edge")
    assert decide("A-42", table)["verdict"] == verdict
    assert decide("A-42", table.assign(model="mlp"))["verdict"] == NOT_TESTED


@pytest.mark.parametrize(
    ("dataset", "raw", "ink", "verdicts"),
    [
        ("mnist", 0.95, 0.3, (SUPPORTED, CONTRADICTED)),
        ("mnist", 0.85, 0.6, (CONTRADICTED, SUPPORTED)),
        ("fashion", 0.85, 0.6, (SUPPORTED, SUPPORTED)),
        ("fashion", 0.75, 0.5, (CONTRADICTED, INCONCLUSIVE)),
    ],
)
def test_products_under_every_single_unit(dataset, raw, ink, verdicts):
    tables = [
        one_unit([centre] * 4, method, metric, dataset=dataset)
        for method in ("gradient_x_input", "integrated_gradients")
        for metric, centre in (("spearman_abs", raw), ("spearman_abs_fg", ink))
    ]
    found = decide("A-43", scores(*tables))
    assert (found["verdict"], found["second_verdict"]) == verdicts
    assert len(found["parts"]) == 16


# Alternatives in general --------------------------------------------------------------------------------------------


def alternatives(*thresholds):
    plain = {"methods": ["gradient"], "metric": "spearman_abs", "at": "each"}
    return {
        "label": "either or",
        "one_of": [plain | {"label": f"above {each}", "above": each} for each in thresholds],
    }


@pytest.mark.parametrize(
    ("curve", "verdict", "value"),
    [
        ([0.9, 0.8], SUPPORTED, 0.8),
        # Of two alternatives that hold, the clearer one speaks; of two that fail, the nearer.
        ([0.9, 0.6], SUPPORTED, 0.6),
        ([0.9, 0.4], CONTRADICTED, 0.4),
    ],
)
def test_an_alternative_holds_if_all_its_parts_do(rule, curve, verdict, value):
    found = rule(cascade_of(curve), alternatives(0.7, 0.5))
    assert found["verdict"] == verdict and found["value"] == pytest.approx(value)
    assert found["threshold"] == [0.5]
    assert {part["one_of"] for part in found["parts"]} == {"cnn-mnist, either or"}
    assert [part["alternative"] for part in found["parts"]] == ["above 0.7"] * 2 + ["above 0.5"] * 2


def test_parts_of_different_alternatives_do_not_add_up(rule):
    # Step 1 satisfies one alternative, step 2 the other, but neither alternative holds at both steps.
    table = scores(cascade_of([0.9, 0.2], "gradient"), cascade_of([0.2, 0.9], "smoothgrad"))
    group = alternatives(0.5, 0.5)
    group["one_of"][1] |= {"methods": ["smoothgrad"], "label": "other"}
    assert rule(table, group)["verdict"] == CONTRADICTED
    assert rule(table, group, {"at": "first", "above": 0.5})["verdict"] == CONTRADICTED


def test_a_group_and_a_part_must_both_hold(rule):
    group = alternatives(0.7, 0.5)
    assert rule(cascade_of([0.9, 0.6]), group, {"at": "full", "below": 0.7})["verdict"] == SUPPORTED
    assert rule(cascade_of([0.9, 0.6]), group, {"at": "full", "below": 0.5})["verdict"] == CONTRADICTED


def test_an_alternative_that_was_not_measured_leaves_the_other_to_decide(rule):
    group = alternatives(0.5, 0.5)
    group["one_of"][1] |= {"methods": ["smoothgrad"], "label": "other"}
    assert rule(cascade_of([0.9, 0.8]), group)["verdict"] == SUPPORTED
    found = rule(cascade_of([0.9, 0.2]), group)
    assert found["verdict"] == INCONCLUSIVE
    assert rule(cascade_of([0.9, 0.2], "edge"), group)["verdict"] == NOT_TESTED


def test_undefined_values_in_one_alternative_leave_the_other(rule):
    table = cascade_of([0.9, 0.9])
    table.loc[(table.step == 2) & (table.image < 3), "value"] = np.nan
    group = alternatives(0.5, 0.5)
    assert rule(table, group)["verdict"] == INCONCLUSIVE
    group["one_of"][1] |= {"at": "first", "label": "other"}
    assert rule(table, group)["verdict"] == SUPPORTED


# The law of re-initialisation ---------------------------------------------------------------------------------------

SWEPT = {"gradient": [0.5, 0.4, 0.2, 0.1], "guided_backprop": [0.9, 0.85, 0.6, 0.4], "gradient_x_input": [0.99] * 4}
SIGNED = {"gradient": [0.0] * 4, "guided_backprop": [0.0] * 4, "gradient_x_input": [0.0] * 4}


def of_law(law, curves, by_draw=0.0, spread=0.001, draws=6, **net):
    """One law's scores: the same for every draw, but for ``by_draw`` between even and odd ones, and some scatter."""
    tables = []
    for metric, some in (("spearman_abs", curves), ("spearman", SIGNED)):
        for number, (method, curve) in enumerate(some.items()):
            for step, centre in enumerate(curve, start=1):
                values = around(centre, spread, draws=draws, seed=100 * number + step)
                values = values + by_draw * (np.arange(draws) % 2 - 0.5) * (metric == "spearman_abs")
                tables.append(rows_of(values, method, metric, step, intervention=law, **net))
    return scores(*tables)


def both_laws(shift=None, by_draw=0.0, spread=0.001, law=UNIFORM, curves=SWEPT, **net):
    """The main law, and another whose curves are shifted at some (method, step)."""
    moved = {method: list(curve) for method, curve in curves.items()}
    for (method, step), size in (shift or {}).items():
        moved[method][step - 1] += size
    # The two laws use the same random numbers, so what the draws do to the maps is shared.
    return scores(of_law("cascade", curves, by_draw, spread, **net), of_law(law, moved, by_draw, spread, **net))


def parts_of(found, start):
    return [part for part in found["parts"] if f", {start}" in part["label"]]


def test_the_same_results_under_another_law():
    found = decide("A-07", both_laws({("gradient", 2): 0.05}))
    assert found["verdict"] == SUPPORTED
    differences = parts_of(found, "either")
    assert len(differences) == 12 and all(part["verdict"] == SUPPORTED for part in differences)
    by_label = {part["label"].split(", mean")[0]: part["value"] for part in differences}
    assert by_label["cnn-mnist, either Δρₐ (uniform − normal), gradient, step 2"] == pytest.approx(0.05)
    assert by_label["cnn-mnist, either Δρₐ (uniform − normal), gradient, step 1"] == pytest.approx(0.0)
    # A difference decides, not the count of verdicts.
    assert found["threshold"] == [-0.1, 0.1] and found["value"] == pytest.approx(0.05)


def test_a_difference_beyond_what_draws_do_contradicts():
    found = decide("A-07", both_laws({("guided_backprop", 3): -0.15}))
    assert found["verdict"] == CONTRADICTED
    (excess,) = parts_of(found, "or max")
    assert excess["verdict"] == CONTRADICTED and excess["value"] == pytest.approx(0.15, abs=0.01)


def test_a_difference_no_larger_than_between_draws_is_allowed():
    # Even and odd draws differ by 0.4, the laws by 0.15: outside 0.1, but not more than chance does.
    curves = SWEPT | {"guided_backprop": [0.5] * 4, "gradient": [0.4, 0.4, 0.1, 0.1]}
    table = both_laws({("guided_backprop", 3): -0.15}, by_draw=0.4, curves=curves)
    found = decide("A-07", table)
    (excess,) = parts_of(found, "or max")
    assert CONTRADICTED in {part["verdict"] for part in parts_of(found, "either")}
    assert excess["verdict"] == SUPPORTED and excess["value"] == pytest.approx(0.15 - 0.4, abs=0.01)
    assert found["verdict"] == SUPPORTED


def test_the_excess_over_draws_is_what_it_says_when_written_out():
    rng = np.random.default_rng(0)
    table = both_laws(spread=0.1)
    table["value"] += rng.normal(0, 0.05, len(table))
    # Undefined in a twentieth of the cells.
    table.loc[rng.random(len(table)) < 0.05, "value"] = np.nan
    differences, halves = [], []
    for method, curve in SWEPT.items():
        for step in range(1, len(curve) + 1):
            own = table[(table.method == method) & (table.step == step) & (table.metric == "spearman_abs")]
            main, law = (
                own[own.intervention == each].set_index(["image", "draw"]).value for each in ("cascade", UNIFORM)
            )
            differences.append((law - main).mean())
            odd = main.index.get_level_values("draw") % 2 == 1
            halves.append(main[~odd].mean() - main[odd].mean())
    (excess,) = parts_of(decide("A-07", table), "or max")
    assert excess["value"] == pytest.approx(max(map(abs, differences)) - max(map(abs, halves)), abs=1e-6)
    low, high = excess["interval"]
    assert low < excess["value"] < high and excess["n"] == 10 and excess["draws"] == 6


def test_the_halves_are_even_and_odd_draws_and_stay_so_when_resampled(monkeypatch):
    asked = []

    def spy(tables, statistic, seed, strata):
        asked.append((tables, strata.tolist()))
        return crossed_bootstrap(tables, statistic, seed, strata)

    monkeypatch.setattr(parts, "crossed_bootstrap", spy)
    decide("A-07", both_laws())
    ((tables, strata),) = asked
    assert strata == [0, 1, 0, 1, 0, 1]
    differences, even, odd = np.split(np.isnan(tables), 3)
    assert not differences.any() and even[..., 1::2].all() and odd[..., ::2].all()
    assert not even[..., ::2].any() and not odd[..., 1::2].any()


def test_too_few_draws_say_nothing_about_chance():
    found = decide("A-07", both_laws({("guided_backprop", 3): -0.15}, draws=3))
    (excess,) = parts_of(found, "or max")
    assert excess["verdict"] == INCONCLUSIVE and excess["interval"] == [None, None]
    assert found["verdict"] == INCONCLUSIVE
    assert decide("A-07", both_laws(draws=3))["verdict"] == SUPPORTED


def test_mostly_undefined_maps_leave_a_law_open():
    table = both_laws()
    gone = (table.method == "gradient") & (table.step == 4) & (table.image < 3) & (table.intervention == UNIFORM)
    table.loc[gone, "value"] = np.nan
    found = decide("A-07", table)
    assert found["verdict"] == INCONCLUSIVE
    (excess,) = parts_of(found, "or max")
    assert excess["verdict"] == INCONCLUSIVE and excess["undefined"] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("main", "spread", "verdict", "words"),
    [
        # A-11 asks whether the gradient's first step is below 0.75.
        (0.71, 0.001, CONTRADICTED, "A-11 from supported to contradicted"),
        (0.67, 0.02, INCONCLUSIVE, "A-11 from supported to inconclusive"),
        (0.50, 0.001, SUPPORTED, "0 of"),
    ],
)
def test_a_law_that_changes_a_verdict(main, spread, verdict, words):
    curves = SWEPT | {"gradient": [main, 0.4, 0.2, 0.1]}
    found = decide("A-07", both_laws({("gradient", 1): 0.08}, spread=spread, curves=curves))
    (verdicts,) = parts_of(found, "verdicts")
    assert (verdicts["verdict"], found["verdict"]) == (verdict, verdict)
    assert words in verdicts["label"]
    assert verdicts["value"] == (0 if verdict == SUPPORTED else 1)
    assert verdicts["interval"] is None and verdicts["threshold"] == []
    assert found["parts"][-1] == verdicts
    if verdict != SUPPORTED:
        # No number stands behind it, so the count of changed verdicts is shown.
        assert found["value"] == 1 and found["statistic"] == verdicts["label"]


def test_only_verdicts_that_the_sweep_can_decide_are_compared():
    table = both_laws()
    (alone,) = parts_of(decide("A-07", table), "verdicts")
    # Integrated gradients were run in the cascade only, and contradict A-20 there: no change of law.
    ig = [cascade_of([0.2] * 4, "integrated_gradients", metric) for metric in ("spearman_abs", "spearman")]
    smooth = cascade_of([0.9] * 4, "smoothgrad")
    (beside,) = parts_of(decide("A-07", scores(table, *ig, smooth)), "verdicts")
    assert decide("A-20", scores(table, *ig))["verdict"] == CONTRADICTED
    assert beside == alone
    # Six claims on gradient, Guided Backprop and Gradient x input have scores here, one with a second reading.
    assert "0 of 8 change" in alone["label"]


def test_second_readings_are_verdicts_too():
    # A-14: 0.7 for the first reading, 0.9 for the second.
    curves = SWEPT | {"guided_backprop": [0.91, 0.93, 0.6, 0.4]}
    found = decide("A-07", both_laws({("guided_backprop", 1): -0.07, ("guided_backprop", 2): -0.07}, curves=curves))
    (verdicts,) = parts_of(found, "verdicts")
    assert "A-14 (second reading) from supported to contradicted" in verdicts["label"]
    assert found["verdict"] == CONTRADICTED


def test_laws_are_asked_of_the_first_seed_and_of_every_net_with_one():
    first, second = both_laws(), of_law("cascade", SWEPT, seed=1)
    found = decide("A-07", scores(first, second))
    assert (found["verdict"], found["runs"]) == (SUPPORTED, ["cnn-mnist"])
    found = decide("A-07", scores(first, of_law("cascade", SWEPT, model="mlp")))
    assert found["verdict"] == INCONCLUSIVE and found["runs"] == ["cnn-mnist", "mlp-mnist"]
    assert decide("A-07", of_law("cascade", SWEPT))["verdict"] == NOT_TESTED
    assert decide("A-07", second)["verdict"] == NOT_TESTED


def test_controls_and_single_methods_of_one_law_do_not_count_as_differences():
    control = [
        rows_of(around(value), "edge", step=1, intervention=law) for value, law in ((1.0, "cascade"), (0.0, UNIFORM))
    ]
    only = cascade_of([0.5] * 4, "deconvnet")
    assert decide("A-07", scores(both_laws(), *control, only)) == decide("A-07", both_laws())


def test_each_std_is_compared_with_the_main_law():
    wider, kaiming = "cascade(init=tn(0.1))", "cascade(init=kaiming)"
    table = scores(both_laws(law=wider), of_law(kaiming, SWEPT))
    assert decide("A-08", table)["verdict"] == SUPPORTED
    worse = scores(table[table.intervention != kaiming], of_law(kaiming, SWEPT | {"gradient": [0.7, 0.4, 0.2, 0.1]}))
    found = decide("A-08", worse)
    assert found["verdict"] == CONTRADICTED and "kaiming" in found["statistic"]
    groups = {part["one_of"] for part in found["parts"]} - {None}
    assert groups == {"cnn-mnist, tn(0.1)", "cnn-mnist, kaiming"}
    # A law that was not run leaves the claim open; the uniform law and the net's own do not enter.
    assert decide("A-08", table[table.intervention != kaiming])["verdict"] == INCONCLUSIVE
    own = scores(table, of_law("cascade(init=own)", {method: [0.0] * 4 for method in SWEPT}))
    assert decide("A-08", own) == decide("A-08", table)


# Consistency over nets ----------------------------------------------------------------------------------------------

NETS = [(model, dataset) for model in ("cnn", "mlp") for dataset in ("mnist", "fashion")]


def net_of(model, dataset, gradient=0.1, guided=(0.9, 0.85, 0.5, 0.3), spread=0.001, seed=0):
    """A net on which A-10, A-14, A-15, A-20 and A-21 are supported."""
    net = {"model": model, "dataset": dataset, "seed": seed}
    return scores(
        cascade_of([0.5, 0.4, 0.2, gradient], "gradient", spread=spread, **net),
        cascade_of([0.0] * 4, "gradient", "spearman", **net),
        cascade_of(guided, "guided_backprop", **net),
        *(
            cascade_of([centre] * 4, method, metric, **net)
            for method in ("gradient_x_input", "integrated_gradients")
            for metric, centre in (("spearman_abs", 0.99), ("spearman", 0.0))
        ),
    )


def four_nets(**last):
    return scores(*(net_of(*net) for net in NETS[:3]), net_of(*NETS[3], **last))


@pytest.mark.parametrize(
    ("last", "verdict", "each", "value"),
    [
        ({}, SUPPORTED, [SUPPORTED] * 5, 0),
        ({"gradient": 0.6}, CONTRADICTED, [CONTRADICTED] + [SUPPORTED] * 4, 1),
        ({"gradient": 0.3, "spread": 0.1}, INCONCLUSIVE, [INCONCLUSIVE] + [SUPPORTED] * 4, 1),
        ({"guided": [0.9, 0.85, 0.8, 0.8]}, CONTRADICTED, [SUPPORTED] * 2 + [CONTRADICTED] + [SUPPORTED] * 2, 1),
    ],
)
def test_the_same_verdicts_on_every_net(last, verdict, each, value):
    found = decide("A-30", four_nets(**last))
    assert verdict_and_parts(found) == (verdict, each)
    assert found["value"] == value and found["interval"] is None and found["threshold"] == []
    assert found["runs"] == sorted(f"{model}-{dataset}" for model, dataset in NETS)
    assert found["sensitivity"] is None, "there is no threshold to move"
    deciding = found["statistic"]
    assert all(f"{model}-{dataset} " in deciding for model, dataset in NETS)
    if verdict != SUPPORTED:
        assert f"mlp-fashion {CONTRADICTED if verdict == CONTRADICTED else INCONCLUSIVE}" in deciding


def test_a_verdict_that_is_contradicted_everywhere_is_the_same_everywhere():
    table = scores(*(net_of(*net, gradient=0.6) for net in NETS))
    assert decide("A-10", table)["verdict"] == CONTRADICTED
    assert decide("A-30", table)["verdict"] == SUPPORTED


def test_that_nothing_could_be_decided_anywhere_is_no_agreement():
    table = scores(*(net_of(*net, gradient=0.3, spread=0.1) for net in NETS))
    assert decide("A-30", table)["parts"][0]["verdict"] == INCONCLUSIVE


@pytest.mark.parametrize("missing", range(4))
def test_consistency_needs_all_four_nets(missing):
    table = scores(*(net_of(*net) for number, net in enumerate(NETS) if number != missing))
    found = decide("A-30", table)
    assert (found["verdict"], found["parts"], found["runs"]) == (NOT_TESTED, [], [])
    assert decide("A-30", net_of("cnn", "mnist"))["verdict"] == NOT_TESTED


def test_other_data_sets_do_not_stand_in_and_seeds_count_with_their_net():
    quick = scores(*(net_of(model, "mnist-5k" if dataset == "mnist" else dataset) for model, dataset in NETS))
    assert decide("A-30", quick)["verdict"] == NOT_TESTED
    seeds = scores(four_nets(), net_of("cnn", "mnist", seed=1), net_of("cnn", "mnist", gradient=0.6, seed=2))
    found = decide("A-30", seeds)
    assert found["verdict"] == CONTRADICTED and "cnn-mnist contradicted" in found["statistic"]
    assert "cnn-mnist-seed2" in found["runs"]


def test_a_method_that_one_net_lacks_leaves_its_verdict_open():
    table = four_nets()
    gone = table[~((table.model == "mlp") & (table.dataset == "fashion") & (table.method == "guided_backprop"))]
    found = decide("A-30", gone)
    assert found["verdict"] == INCONCLUSIVE
    assert "mlp-fashion not tested" in found["parts"][1]["label"]


# Rank agreement -----------------------------------------------------------------------------------------------------

FIVE = ["gradient", "smoothgrad", "guided_backprop", "gradient_x_input", "deconvnet"]


def two_tests(cascade, independent, methods=FIVE, spread=0.001, **net):
    """Methods with these means over four steps in the two tests."""
    slope = np.array([0.15, 0.05, -0.05, -0.15])
    tables = []
    for intervention, means in (("cascade", cascade), ("independent", independent)):
        for number, (method, mean) in enumerate(zip(methods, means, strict=True)):
            for step, centre in enumerate(mean + slope, start=1):
                values = around(centre, spread, seed=10 * number + step)
                tables.append(rows_of(values, method, step=step, intervention=intervention, **net))
    return scores(*tables)


@pytest.mark.parametrize(
    ("independent", "verdict", "tau"),
    [
        ([0.2, 0.3, 0.6, 0.8, 0.5], SUPPORTED, 1.0),
        ([0.2, 0.3, 0.5, 0.8, 0.6], SUPPORTED, 0.8),
        ([0.8, 0.6, 0.3, 0.2, 0.5], CONTRADICTED, -1.0),
        ([0.3, 0.2, 0.6, 0.5, 0.8], CONTRADICTED, 0.2),
    ],
)
def test_rank_agreement_of_two_tests(independent, verdict, tau):
    cascade = [0.1, 0.2, 0.7, 0.9, 0.5]
    found = decide("A-44", two_tests(cascade, independent))
    assert stats.kendalltau(cascade, independent).statistic == pytest.approx(tau)
    assert found["value"] == pytest.approx(tau)
    assert found["verdict"] == verdict
    assert (found["n"], found["draws"]) == (10, 3)


def close_call():
    """Three methods of which two change places with the draws: τ is 1 or 1/3."""
    return two_tests([0.1, 0.3, 0.305], [0.1, 0.3, 0.9], FIVE[:3], spread=0.05)


def test_rank_agreement_that_the_draws_leave_open():
    found = decide("A-44", close_call())
    assert found["value"] == 1.0 and found["interval"] == pytest.approx([1 / 3, 1.0], abs=1e-5)
    assert found["verdict"] == INCONCLUSIVE


def test_rank_agreement_is_that_of_scipy_on_the_means():
    rng = np.random.default_rng(2)
    table = two_tests(rng.random(5), rng.random(5))
    table["value"] += rng.normal(0, 0.2, len(table))
    lost = rng.random(len(table)) < 0.03
    table.loc[lost, "value"] = np.nan
    # By hand: a cell is the mean over its steps, undefined if one of them is.
    cells = table.groupby(["intervention", "method", "image", "draw"]).value.agg(
        lambda values: values.mean(skipna=False)
    )
    means = cells.groupby(["intervention", "method"]).mean()
    found = decide("A-44", table)
    assert found["value"] == pytest.approx(stats.kendalltau(means["cascade"], means["independent"]).statistic)
    assert found["parts"][0]["undefined"] == pytest.approx(cells.isna().mean(), abs=1e-6)


def test_only_methods_of_both_tests_count_and_controls_never():
    table = two_tests([0.1, 0.2, 0.7, 0.9, 0.5], [0.2, 0.3, 0.5, 0.8, 0.6])
    costly = cascade_of([0.3] * 4, "ig_smoothgrad")
    controls = two_tests([0.0, 0.4, 1.0], [1.0, 0.4, 0.0], ["edge", "input", "random"])
    other_maps = two_tests([0.1, 0.2, 0.7, 0.9, 0.5], [0.9, 0.8, 0.1, 0.2, 0.3], against="edge")
    assert decide("A-44", scores(table, costly, controls, other_maps)) == decide("A-44", table)
    assert "5 methods" in decide("A-44", table)["statistic"]


def test_rank_agreement_is_the_same_on_every_call_and_in_every_order_of_rows():
    table = close_call()
    first = json.dumps(decide("A-44", table))
    np.random.seed(1)
    assert json.dumps(decide("A-44", table)) == first
    assert json.dumps(decide("A-44", table.sample(frac=1, random_state=0))) == first


def test_rank_agreement_is_asked_of_every_net_and_seed():
    good, bad = ([0.1, 0.2, 0.7, 0.9, 0.5], [0.2, 0.3, 0.6, 0.8, 0.5]), ([0.1, 0.2, 0.3], [0.3, 0.2, 0.1])
    table = scores(two_tests(*good), two_tests(*bad, FIVE[:3], seed=1))
    found = decide("A-44", table)
    assert verdict_and_parts(found) == (CONTRADICTED, [SUPPORTED, CONTRADICTED])
    assert decide("A-44", scores(two_tests(*good), cascade_of([0.5] * 4, seed=1)))["verdict"] == INCONCLUSIVE
    assert decide("A-44", cascade_of([0.5] * 4))["verdict"] == NOT_TESTED


def test_a_ranking_of_one_method_says_nothing():
    assert decide("A-44", two_tests([0.1], [0.2], FIVE[:1]))["verdict"] == NOT_TESTED


def test_mostly_undefined_rankings_are_inconclusive():
    table = two_tests([0.1, 0.2, 0.7, 0.9, 0.5], [0.2, 0.3, 0.6, 0.8, 0.5])
    table.loc[table.image < 3, "value"] = np.nan
    found = decide("A-44", table)
    assert found["verdict"] == INCONCLUSIVE and found["value"] == pytest.approx(1.0)


# Every new rule -----------------------------------------------------------------------------------------------------


def everything():
    """Four nets with every order, two of them with every law."""
    laws = ["uniform", "tn(0.1)", "kaiming", "own"]
    tables = [four_nets()]
    for net in ({"model": model, "dataset": dataset} for model, dataset in NETS):
        extra = [cascade_of([0.4] * 4, method, **net) for method in ("ig_smoothgrad", "guided_gradcam", "gradcam")]
        main = four_nets()
        main = main[(main.model == net["model"]) & (main.dataset == net["dataset"])]
        tables += extra
        tables += [main.assign(intervention=order) for order in ("reverse", "independent")]
        tables += [main.assign(intervention=f"cascade(init={law})") for law in laws if net["model"] == "cnn"]
        tables += [main.assign(intervention=order, against="edge") for order in ("cascade", "independent")]
    return scores(*tables)


@pytest.fixture(scope="module")
def complete():
    return everything()


@pytest.mark.parametrize("name", NEW)
def test_a_new_rule_is_a_pure_function_of_a_table_of_any_form(name, complete):
    before, row = complete.copy(deep=True), copy.deepcopy(ledger()[name])
    found = decide(name, complete)
    assert found["verdict"] != NOT_TESTED
    pd.testing.assert_frame_equal(complete, before)
    assert ledger()[name] == row
    text = json.dumps(found, allow_nan=False)
    words = ["model", "dataset", "intervention", "level", "method", "metric", "against"]
    categories = complete.sample(frac=1, random_state=0).astype(dict.fromkeys(words, "category"))
    categories["model"] = categories["model"].cat.add_categories(["vgg16"])
    assert json.dumps(decide(name, categories), allow_nan=False) == text


@pytest.mark.parametrize("name", NEW)
def test_an_old_table_does_not_test_a_new_rule(name):
    # One net, the cascade, similarity to the intact maps: what was measured before.
    found = decide(name, net_of("cnn", "mnist"))
    assert (found["verdict"], found["parts"], found["value"]) == (NOT_TESTED, [], None)
    assert decide(name, net_of("cnn", "mnist-5k")[:0])["verdict"] == NOT_TESTED


def test_what_the_randomization_writes_is_what_the_new_rules_read():
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(256, 12), nn.ReLU(), nn.Linear(12, 4),
    )  # fmt: skip
    net.gradcam_layer = "3"
    images = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    table = randomization_scores(
        net.eval(),
        images,
        torch.tensor([0, 1]),
        [*FIVE, "integrated_gradients", "gradcam", "guided_gradcam", "edge"],
        draws=2,
        orders=["cascade", "reverse", "independent"],
        init=["tn(0.01)", "uniform", "tn(0.1)", "kaiming"],
        sweep_methods=["gradient", "guided_backprop", "gradient_x_input"],
        costly=["ig_smoothgrad"],
    ).assign(model="cnn", dataset="mnist", seed=0)
    for name in NEW:
        found = decide(name, table)
        if name == "A-30":  # one net says nothing about four
            assert found["verdict"] == NOT_TESTED
            continue
        assert found["parts"], name
        assert not [part["label"] for part in found["parts"] if "not measured" in part["label"]]
    compared = [part["label"] for part in decide("A-07", table)["parts"] if "verdicts" in part["label"]]
    # A-10, A-11, A-12, A-14, A-15, A-20, A-21; A-14 and A-20 twice.
    assert len(compared) == 1 and "of 9 change" in compared[0]


KEYS = {"label", "run", "second", "value", "interval", "n", "draws", "undefined", "mean_absolute", "threshold"}


@pytest.mark.parametrize("name", NEW)
def test_parts_are_a_flat_list_with_the_same_keys(name, complete):
    for part in decide(name, complete)["parts"]:
        assert part.keys() == KEYS | {"holds", "verdict", "one_of", "alternative"}
        assert isinstance(part["run"], str) and isinstance(part["threshold"], list)
        assert part["verdict"] in {SUPPORTED, CONTRADICTED, INCONCLUSIVE}


# One method of several, and another data set ------------------------------------------------------------------------


def pair(method, first, second, **net):
    """A method's scores under two metrics, at step 1."""
    tables = (("spearman", first), ("spearman_abs_fg", second))
    return scores(*(rows_of(around(value), method, metric, **net) for metric, value in tables))


BOTH = [
    {"methods": ["gradient", "smoothgrad"], "metric": metric, "at": [1], "above": 0.8, "some_method": "a method"}
    for metric in ("spearman", "spearman_abs_fg")
]


@pytest.mark.parametrize(
    ("gradient", "smoothgrad", "verdict"),
    [
        ((0.9, 0.9), (0.1, 0.1), SUPPORTED),
        ((0.9, 0.1), (0.1, 0.9), CONTRADICTED),  # no method has both
        ((0.1, 0.1), (0.9, 0.9), SUPPORTED),
        ((0.8, 0.9), (0.1, 0.9), INCONCLUSIVE),
    ],
)
def test_one_method_suffices_if_all_holds_for_it(rule, gradient, smoothgrad, verdict):
    table = scores(pair("gradient", *gradient), pair("smoothgrad", *smoothgrad))
    assert rule(table, *BOTH)["verdict"] == verdict


def test_a_method_that_was_not_run_is_no_candidate(rule):
    found = rule(pair("gradient", 0.1, 0.9), *BOTH)
    assert found["verdict"] == CONTRADICTED and len(found["parts"]) == 2
    # On every net one method must do.
    table = scores(pair("gradient", 0.9, 0.9), pair("gradient", 0.1, 0.9, seed=1))
    assert rule(table, *BOTH)["verdict"] == CONTRADICTED


OVER = {"at": 1, "datasets": ["mnist"], "over_dataset": "fashion", "above": 0}


@pytest.mark.parametrize(("other", "verdict"), [(0.8, SUPPORTED), (0.95, CONTRADICTED), (0.9, INCONCLUSIVE)])
def test_a_data_set_is_set_against_another(rule, other, verdict):
    first = rows_of(around(0.9, seed=1), dataset="mnist")
    second = rows_of(around(other, images=14, seed=2), dataset="fashion")
    found = rule(scores(first, second), OVER)
    assert found["verdict"] == verdict
    (part,) = found["parts"]
    assert part["value"] == pytest.approx(0.9 - other, abs=1e-6) and part["run"] == "cnn-mnist, cnn-fashion"
    assert part["n"] == 10


def test_without_the_other_data_set_nothing_is_tested(rule):
    assert rule(rows_of(around(0.9)), OVER)["verdict"] == NOT_TESTED
    # Another architecture's net is no partner.
    assert rule(scores(rows_of(around(0.9)), rows_of(around(0.5), dataset="fashion", model="mlp")), OVER)[
        "verdict"
    ] == (NOT_TESTED)


# Verdicts of other claims -------------------------------------------------------------------------------------------

REST = {"verdicts": ["A-10", "A-11"]}
"""A-10: the gradient's last step below 0.3 and, signed, within 0.1; A-11: its first step below 0.75."""


def two_steps(first, last, **net):
    signed = cascade_of([first, 0.0], metric="spearman", **net)
    return scores(cascade_of([first, last], **net), signed)


@pytest.mark.parametrize(
    ("first", "last", "verdict", "each"),
    [
        (0.5, 0.1, SUPPORTED, [SUPPORTED, SUPPORTED]),
        (0.9, 0.1, CONTRADICTED, [SUPPORTED, CONTRADICTED]),
        (0.9, 0.3, CONTRADICTED, [INCONCLUSIVE, CONTRADICTED]),
        (0.5, 0.3, INCONCLUSIVE, [INCONCLUSIVE, SUPPORTED]),
    ],
)
def test_a_claim_can_rest_on_the_verdicts_of_others(rule, first, last, verdict, each):
    found = rule(two_steps(first, last), REST)
    assert verdict_and_parts(found) == (verdict, each)
    assert found["decided_by"] == ["A-10", "A-11"] and found["runs"] == ["cnn-mnist"]
    assert "A-11, Gradient reacts" in found["parts"][1]["label"]
    # One bad seed is enough, as it is for the claims themselves.
    assert rule(scores(two_steps(first, last), two_steps(0.5, 0.9, seed=1)), REST)["verdict"] == CONTRADICTED


def test_what_others_have_not_measured_supports_nothing(rule):
    # The deciding claim's own verdict at other thresholds is what is asked, and an unmeasured one stays undecided.
    unmeasured = rule(two_steps(0.5, 0.1), {"verdicts": ["A-10", "A-50"]})
    assert verdict_and_parts(unmeasured) == (INCONCLUSIVE, [SUPPORTED, INCONCLUSIVE])
    assert "not measured" in unmeasured["parts"][1]["label"]
    assert rule(rows_of(around(0.5), method="smoothgrad", step=3)[:0], REST)["verdict"] == NOT_TESTED
    assert rule(two_steps(0.5, 0.1), {"verdicts": ["A-50", "A-59"]})["verdict"] == NOT_TESTED


def test_the_sensitivity_is_that_of_the_claims_it_rests_on(rule):
    # 0.7 is below 0.75 and 0.85, but above 0.65; 0.35 is below 0.4 only.
    assert rule(two_steps(0.7, 0.1), REST)["sensitivity"] == {"easier": SUPPORTED, "harder": CONTRADICTED}
    assert rule(two_steps(0.5, 0.35), REST)["sensitivity"] == {"easier": SUPPORTED, "harder": CONTRADICTED}
    assert rule(two_steps(0.5, 0.1), REST)["sensitivity"] == {"easier": SUPPORTED, "harder": SUPPORTED}


def test_a_second_reading_asks_for_second_readings_where_there_are_some(rule):
    # A-14 has a strict second reading at 0.9, A-15 has none.
    table = scores(cascade_of([0.8, 0.8, 0.1, 0.1], "guided_backprop"), cascade_of([0.1, 0.1, 0.1, 0.1], "gradient"))
    claims = {"verdicts": ["A-14", "A-15"]}
    found = rule(table, claims, claims | {"second": True})
    assert (found["verdict"], found["second_verdict"]) == (SUPPORTED, CONTRADICTED)
    assert [part["verdict"] for part in found["parts"]] == [SUPPORTED, SUPPORTED, CONTRADICTED, SUPPORTED]


@pytest.mark.parametrize(
    ("alike", "inside", "verdicts"),
    [(0.95, 0.8, (SUPPORTED, SUPPORTED)), (0.95, 0.3, (SUPPORTED, CONTRADICTED)), (0.5, 0.8, (CONTRADICTED,) * 2)],
)
def test_some_method_is_blind_to_the_parameters(alike, inside, verdicts):
    # A-37: above 0.9 everywhere; second reading: the same method above 0.7 on the foreground as well.
    def both(method, everywhere, foreground):
        return scores(
            cascade_of([0.9, everywhere], method),
            cascade_of([0.9, foreground], method, metric="spearman_abs_fg"),
        )

    # The gradient has the foreground of a blind method, and nothing else.
    table = scores(both("gradient_x_input", alike, inside), both("gradient", 0.1, 0.95))
    found = decide("A-37", table)
    assert (found["verdict"], found["second_verdict"]) == verdicts
