"""The ledger is well-formed, and `decide` follows its rules on made-up scores."""

from __future__ import annotations

import copy
import re
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from made_up import around, cascade_of, decided, rows_of, scores
from scipy import stats

from lib import attributions, claims, data, image_models, models, similarity
from lib.claims import CONTRADICTED, INCONCLUSIVE, NOT_TESTED, SUPPORTED, decide, ledger
from lib.photograph_cascades import PREFIX
from lib.report.prose import Prose

STUDIES = {
    "01_model_randomization",
    "02_data_randomization",
    "03_sum_pool_conv",
    "04_random_gradient_input",
    "05_confounded_tasks",
    "06_constant_shift",
    "07_metric_calibration",
    "08_imagenet_cascades",
    "09_bone_age",
    "",
}
ROWS = yaml.safe_load(Path(claims.__file__).with_name("claims.yml").read_text(encoding="utf-8"))
RANDOMIZATION = "01_model_randomization"
ENTRIES = [(row["id"], part) for row in ROWS for part in row.get("parts", []) if row["study"] in (RANDOMIZATION, "")]
OTHERS = [
    (row["id"], part)
    for row in ROWS
    for entry in row.get("parts", [])
    for part in entry.get("one_of", [entry])
    if row["study"] not in (RANDOMIZATION, "") or part.get("intervention", "").startswith(PREFIX)
]
VERDICTS = [(name, part) for name, part in ENTRIES if "unchanged" in part or "consistent" in part]
RESTING = [(row["id"], part) for row in ROWS for part in row.get("parts", []) if "verdicts" in part]
PARTS = [
    (name, part)
    for name, entry in ENTRIES
    for part in entry.get("one_of", [entry])
    if not part.keys() & {"unchanged", "consistent", "verdicts"} and (name, part) not in OTHERS
]
CASCADE = [(name, part) for name, part in PARTS if ledger()[name]["study"] in ("01_model_randomization", "")]
"""Parts about what `lib.randomization` writes; those of another study are tested where its scores are made."""
COMPARISONS = {"above", "below", "within", "near"}


@pytest.fixture
def rule(monkeypatch):
    return partial(decided, monkeypatch)


# The ledger ---------------------------------------------------------------------------------------------------------


def test_every_claim_stands_in_the_ledger_once():
    counted = Counter(row["id"] for row in ROWS)
    assert [name for name, count in counted.items() if count > 1] == []
    assert len(counted) == 165
    assert list(ledger()) == [row["id"] for row in ROWS]
    assert all(re.fullmatch(r"[AYKX]-\d\d", name) for name in counted)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_a_row_is_complete_and_its_formulas_render(row):
    described = {"id", "study", "source", "wording", "experiment", "rule", "expected", "confidence"}
    assert described <= row.keys() <= described | {"parts", "reason", "needs"}
    # What cannot be tested says why, and what would test it; contradictions between papers are answered elsewhere.
    open_still = "parts" not in row and not row["id"].startswith("X-")
    assert [name in row for name in ("reason", "needs")] == [open_still] * 2
    assert row["study"] in STUDIES
    assert row["confidence"] in {"high", "medium", "low", ""}
    for field in {"wording", "rule", "expected", "source", "reason", "needs"} & row.keys():
        assert isinstance(row[field], str)
        html = Prose().html(row[field])
        # An odd number of dollars would leave one in the text, and a formula outside dollars its backslashes.
        assert "$" not in html and "\\" not in html, field
        assert html.count("<math") * 2 == row[field].count("$"), field
    assert row["wording"] and row["rule"]
    assert not re.search(r"</?script|<img", row["wording"] + row["rule"])


INTERVENTIONS = {"none", "cascade", "reverse", "independent"}
SWEEPS = re.compile(r"cascade\((init|prefix|target|bn)=[\w().-]+\)")
MEANS = {None, "first", "upper", "full", "all", "higher"}
SETS = {"each", "each_higher", "each_lower", "some_lower"}


@pytest.mark.parametrize(("name", "part"), CASCADE, ids=[f"{name}-{part['label']}" for name, part in CASCADE])
def test_a_part_is_well_formed(name, part):
    fields = {"label", "methods", "metric", "against", "intervention", "models", "datasets", "seeds", "at"}
    twins = {"minus", "plus", "kendall"}
    assert part.keys() <= fields | twins | COMPARISONS | {"second", "beyond_draws", "constant_as", "some_method"}, name
    assert len(part.keys() & COMPARISONS) == 1
    assert part["metric"] in {*similarity.METRICS, "accuracy"}
    check_nets(part)
    questions = [part, *(part[word] for word in twins if word in part)]
    for question in questions:
        if question.get("methods") != "all":
            attributions.methods(question.get("methods", []))
            assert set(question.get("methods", [])).isdisjoint(attributions.CONTROLS), "controls never count as methods"
        assert question.get("metric", "accuracy") in {*similarity.METRICS, "accuracy"}
        at = question.get("at")
        if question.get("against") == "self":
            assert at == 0, "other noise is drawn for the intact model only"
        else:
            assert at in MEANS | SETS if not isinstance(at, list) else all(n >= 1 for n in at)
        intervention = question.get("intervention", "cascade")
        assert intervention in INTERVENTIONS or SWEEPS.fullmatch(intervention)
        assert question.get("against", "original") in {"original", "edge", "input", "self"}
        # What `lib.randomization` keeps beside the cascade.
        metric = question.get("metric", part["metric"])
        assert intervention in {"none", "cascade"} or metric in {"spearman_abs", "spearman", "spearman_abs_fg"}
        if question.get("against") in {"edge", "input"}:
            assert metric in {"spearman_abs", "spearman_abs_fg"}
            alone = intervention == "independent" and question["against"] == "edge" and metric == "spearman_abs"
            assert alone or (intervention == "cascade" and at == "full")
    for twin in questions[1:]:
        assert twin.keys() <= {"methods", "metric", "against", "at", "intervention"} and twin
        assert len(twin.get("methods", ["one"])) == 1
        assert twin.get("at") not in SETS, "one number is subtracted from each"
    if "near" in part:
        centre, tolerance = part["near"]
        assert tolerance > 0 and np.isfinite(centre)
    if "within" in part:
        assert part["within"] > 0
    if part["metric"] == "accuracy":
        assert part["intervention"] == "none" and "at" not in part
    else:
        assert part["methods"] and "at" in part
    if "kendall" in part:
        assert part["methods"] == "all" and part["at"] in MEANS and len(questions) == 2
    if "beyond_draws" in part:
        assert part["beyond_draws"] is True and part["methods"] == "all" and "minus" in part


@pytest.mark.parametrize(("name", "part"), OTHERS, ids=[f"{name}-{part['label']}" for name, part in OTHERS])
def test_a_part_of_another_study_says_what_it_asks(name, part):
    fields = {"label", "methods", "metric", "against", "intervention", "models", "datasets", "seeds", "at", "second"}
    words = {"minus", "plus", "constant_as", "some_method", "over_dataset", "alternative", "spearman", "leading"}
    words |= {"counted"}
    assert part.keys() <= fields | words | COMPARISONS, name
    assert len(part.keys() & COMPARISONS) == 1
    # The cascade is what is meant where a rule does not say; its rows belong to the first study.
    assert part["intervention"] not in INTERVENTIONS
    methods = part.get("methods", [])
    assert methods == "all" or "spearman" not in part
    assert set(methods if methods != "all" else []).isdisjoint(attributions.CONTROLS), "controls never count as methods"
    assert "over_dataset" not in part or isinstance(part["at"], int)
    assert "leading" not in part or set(part["leading"]).isdisjoint(part["methods"])


def check_nets(part):
    assert set(part.get("models", [])) <= models.ARCHITECTURES.keys() | image_models.ARCHITECTURES.keys()
    assert all(isinstance(seed, int) for seed in part.get("seeds", []))
    for dataset in part.get("datasets", []):
        data.check(dataset)


@pytest.mark.parametrize(("name", "part"), VERDICTS, ids=[f"{name}-{part['label']}" for name, part in VERDICTS])
def test_a_part_about_verdicts_names_other_claims_that_have_a_rule(name, part):
    kind = "unchanged" if "unchanged" in part else "consistent"
    needed = {"label", "intervention", "seeds"} if kind == "unchanged" else {"label", "models", "datasets"}
    assert part.keys() == needed | {kind}
    check_nets(part)
    assert len(set(part[kind])) == len(part[kind]) > 1
    for each in part[kind]:
        assert each != name and ledger()[each]["parts"]
        # Plain numbers of the cascade, so that there is something to put in its place and no circle.
        assert all(
            entry.get("intervention", "cascade") == "cascade" and "metric" in entry for entry in ledger()[each]["parts"]
        )
    if kind == "unchanged":
        assert SWEEPS.fullmatch(part["intervention"])


@pytest.mark.parametrize(("name", "part"), RESTING, ids=[name for name, _ in RESTING])
def test_a_part_that_rests_on_other_claims_names_them_and_makes_no_circle(name, part):
    assert part.keys() <= {"label", "verdicts", "second"} and len(set(part["verdicts"])) == len(part["verdicts"]) > 1
    for each in part["verdicts"]:
        assert all("verdicts" not in entry for entry in ledger()[each]["parts"]), "no chains, so no circles"
        assert each in ledger()[name]["rule"]


def test_a_group_of_alternatives_has_a_name_and_two_named_alternatives():
    groups = [entry for _, entry in ENTRIES if "one_of" in entry]
    assert groups
    for group in groups:
        assert group.keys() == {"label", "one_of"}
        assert len({each["label"] for each in group["one_of"]}) == len(group["one_of"]) > 1
        assert len({str(each.get("seeds")) for each in group["one_of"]}) == 1, "of the same nets"


# Verdicts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("centre", "spread", "verdict"),
    [(0.5, 0.05, SUPPORTED), (0.9, 0.05, CONTRADICTED), (0.74, 0.2, INCONCLUSIVE), (0.76, 0.2, INCONCLUSIVE)],
)
def test_the_whole_interval_decides(centre, spread, verdict):
    # below 0.75 at the first step.
    found = decide("A-11", rows_of(around(centre, spread)))
    assert found["verdict"] == verdict
    assert found["value"] == pytest.approx(centre)
    low, high = found["interval"]
    assert low < centre < high
    assert (high < 0.75, low > 0.75) == (verdict == SUPPORTED, verdict == CONTRADICTED)


def test_the_numbers_are_those_of_an_ordinary_t_interval_when_there_is_one_draw():
    values = np.random.default_rng(3).uniform(0.2, 0.6, 12)
    found = decide("A-11", rows_of(values))
    expected = stats.t.interval(0.95, 11, values.mean(), stats.sem(values))
    assert found["interval"] == pytest.approx(expected, rel=1e-5)
    assert (found["n"], found["draws"]) == (12, 1)
    assert found["threshold"] == [0.75] and "0.75" in found["holds"]
    assert found["parts"][0]["mean_absolute"] == pytest.approx(np.abs(values).mean(), rel=1e-5)


def test_many_images_do_not_make_up_for_few_draws():
    # 100 images agree perfectly, but the three draws scatter around the threshold's side.
    by_draw = np.tile([0.50, 0.70, 0.65], (100, 1))
    flat = by_draw.ravel()
    naive = stats.t.interval(0.95, flat.size - 1, flat.mean(), stats.sem(flat))
    assert naive[1] < 0.75
    assert decide("A-11", rows_of(by_draw))["verdict"] == INCONCLUSIVE


def test_no_rows_is_not_tested():
    table = rows_of(around(0.5))
    for empty in (table[:0], table.assign(method="smoothgrad"), table.assign(intervention="independent")):
        found = decide("A-11", empty)
        assert (found["verdict"], found["parts"], found["value"]) == (NOT_TESTED, [], None)
        assert found["interval"] is None and found["sensitivity"] is None and found["runs"] == []
    # Other maps than the intact model's do not count either.
    assert decide("A-11", table.assign(against="null_other_image"))["verdict"] == NOT_TESTED


def test_a_claim_without_parts_is_not_tested():
    assert decide("A-59", rows_of(around(0.5)))["verdict"] == NOT_TESTED


@pytest.mark.parametrize(("undefined", "verdict"), [(2, SUPPORTED), (3, INCONCLUSIVE), (10, INCONCLUSIVE)])
def test_more_than_a_fifth_undefined_is_inconclusive(undefined, verdict):
    values = around(0.5)
    values[:undefined] = np.nan
    found = decide("A-11", rows_of(values))
    assert found["verdict"] == verdict
    assert found["parts"][0]["undefined"] == pytest.approx(undefined / 10)
    if undefined == 10:
        assert found["value"] is None and found["interval"] == [None, None]


def test_a_single_number_has_no_interval_and_decides_nothing():
    found = decide("A-11", rows_of([0.1]))
    assert found["verdict"] == INCONCLUSIVE
    assert found["interval"] == [None, None] and found["value"] == 0.1


@pytest.mark.parametrize(
    ("plain", "signed", "verdict"),
    [
        (0.1, 0.0, SUPPORTED),
        (0.5, 0.0, CONTRADICTED),
        (0.1, 0.3, CONTRADICTED),
        (0.1, -0.3, CONTRADICTED),
        (0.3, 0.0, INCONCLUSIVE),
    ],
)
def test_several_parts(plain, signed, verdict):
    # absolute below 0.3 and signed within (-0.1, 0.1), at the last step.
    table = scores(
        rows_of(around(plain), metric="spearman_abs", step=4), rows_of(around(signed), metric="spearman", step=4)
    )
    found = decide("A-10", table)
    assert found["verdict"] == verdict
    assert len(found["parts"]) == 2


def test_one_contradicted_part_outweighs_an_inconclusive_one():
    table = scores(rows_of(around(0.3), metric="spearman_abs", step=4), rows_of(around(0.5), metric="spearman", step=4))
    found = decide("A-10", table)
    assert [part["verdict"] for part in found["parts"]] == [INCONCLUSIVE, CONTRADICTED]
    assert found["verdict"] == CONTRADICTED


def test_every_net_and_every_seed_is_a_part():
    good, bad = around(0.5), around(0.9)
    nets = [("cnn", "mnist", 0), ("cnn", "mnist", 1), ("mlp", "fashion", 0)]
    table = scores(*(rows_of(good, model=m, dataset=d, seed=s) for m, d, s in nets))
    found = decide("A-11", table)
    assert found["verdict"] == SUPPORTED
    assert found["runs"] == ["cnn-mnist", "cnn-mnist-seed1", "mlp-fashion"]
    assert len(found["parts"]) == 3
    worse = scores(table[table.seed == 0], rows_of(bad, seed=1))
    found = decide("A-11", worse)
    assert found["verdict"] == CONTRADICTED
    assert "cnn-mnist-seed1" in found["statistic"]


def test_seeds_are_not_pooled():
    # Each seed by itself is undecided or on another side; the pooled mean would be well below the threshold.
    table = scores(rows_of(around(0.0), seed=0), rows_of(around(0.9), seed=1))
    assert table.value.mean() < 0.5
    assert decide("A-11", table)["verdict"] == CONTRADICTED


def test_the_second_reading_is_a_verdict_of_its_own():
    # 0.7 and gradient + 0.2 for the first reading, 0.9 for the second.
    table = scores(cascade_of([0.8] * 4, "guided_backprop"), cascade_of([0.3] * 4, "gradient"))
    found = decide("A-14", table)
    assert (found["verdict"], found["second_verdict"]) == (SUPPORTED, CONTRADICTED)
    assert [part["second"] for part in found["parts"]] == [False, False, True]
    assert found["value"] != found["parts"][2]["value"] or "strict" not in found["statistic"]
    assert decide("A-11", table)["second_verdict"] is None


# Differences --------------------------------------------------------------------------------------------------------


def paired(shuffle=False, by_draw=False):
    """SmoothGrad = gradient + 0.1, while both vary a lot over images (or draws)."""
    spread = np.random.default_rng(5).uniform(0, 1, 12)
    base = np.tile(spread, (12, 1)) if by_draw else np.tile(spread[:, None], (1, 12))
    twin = base + 0.1 + around(0.0, 0.001, 12, 12)
    if shuffle:
        twin = np.roll(twin, 5, axis=1 if by_draw else 0)
    return scores(rows_of(base, "gradient"), rows_of(twin, "smoothgrad"))


@pytest.mark.parametrize("by_draw", [False, True])
def test_differences_are_paired_by_image_and_draw(by_draw):
    # the difference within (-0.2, 0.2). Shuffling one side keeps its mean and spread but not the pairs.
    found, unpaired = (decide("A-31", paired(shuffle, by_draw)) for shuffle in (False, True))
    assert found["value"] == pytest.approx(unpaired["value"]) == pytest.approx(0.1)
    assert found["verdict"] == SUPPORTED
    assert unpaired["verdict"] == INCONCLUSIVE


def test_pairs_are_found_whatever_the_order_of_rows():
    table = paired()
    mixed = table.sample(frac=1.0, random_state=1)
    assert decide("A-31", mixed) == decide("A-31", table)


def test_a_difference_of_steps():
    # full minus the mean of the upper half, below -0.2.
    found = decide("A-15", cascade_of([0.9, 0.7, 0.1, 0.3], "guided_backprop"))
    assert found["value"] == pytest.approx(0.3 - (0.9 + 0.7) / 2)
    assert found["verdict"] == SUPPORTED


def test_minus_and_plus():
    # A-29 asks for |ρ| on the foreground by two parts: ρₐ - ρ and ρₐ + ρ above 0.1.
    def with_signed(signed):
        centres = {"sign_agreement_fg": 0.5, "spearman_abs_fg": 0.5, "spearman_fg": signed}
        products = ("gradient_x_input", "integrated_gradients")
        tables = [cascade_of([centre] * 2, name, metric) for name in products for metric, centre in centres.items()]
        return decide("A-29", scores(*tables))

    assert with_signed(0.0)["verdict"] == SUPPORTED
    for signed, word in ((0.45, "−"), (-0.45, "+")):
        found = with_signed(signed)
        assert found["verdict"] == CONTRADICTED
        assert word in found["statistic"]
        assert found["value"] == pytest.approx(0.05)


def test_a_pair_that_is_missing_on_one_side_is_undefined():
    base, twin = paired().pipe(lambda table: (table[table.method == "gradient"], table[table.method == "smoothgrad"]))
    found = decide("A-31", scores(base, twin[twin.image >= 3]))
    assert found["parts"][0]["undefined"] == pytest.approx(3 / 12)
    assert found["verdict"] == INCONCLUSIVE


@pytest.mark.parametrize(
    ("claim", "measured"), [("A-14", "guided_backprop"), ("A-20", "gradient_x_input")], ids=["twin", "method"]
)
def test_a_claim_measured_in_part_is_not_supported(claim, measured):
    # A-14 also asks for a difference to the gradient, A-20 also for integrated gradients; neither was computed.
    assert decide(claim, cascade_of([0.99] * 4, measured))["verdict"] != SUPPORTED


# Steps --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "steps"),
    [
        ("first", [[1]]),
        ("upper", [[1, 2]]),
        ("full", [[5]]),
        ("each", [[1], [2], [3], [4], [5]]),
        ([1, 3], [[1], [3]]),
    ],
)
def test_words_for_steps(rule, at, steps):
    centres = [0.9, 0.7, 0.5, 0.3, 0.1]
    found = rule(cascade_of(centres), {"at": at, "above": 0.0})
    expected = [np.mean([centres[step - 1] for step in group]) for group in steps]
    assert [part["value"] for part in found["parts"]] == pytest.approx(expected)
    if at == "each" or isinstance(at, list):
        assert [part["label"].split("step ")[1] for part in found["parts"]] == [str(step) for (step,) in steps]


def test_upper_of_seventeen_units_is_the_first_eight(rule):
    found = rule(cascade_of([1.0] * 8 + [0.0] * 9), {"at": "upper", "above": 0.5})
    assert found["value"] == pytest.approx(1.0)


def test_steps_are_averaged_within_each_image_and_draw(rule):
    # Steps 1 and 2 are opposite in every cell, so their mean has no spread at all.
    wide = around(0.0, 0.3)
    found = rule(scores(rows_of(0.5 + wide, step=1), rows_of(0.5 - wide, step=2), rows_of(wide, step=4)), {
        "at": "upper", "within": 0.6,
    })  # fmt: skip
    assert found["interval"] == pytest.approx([0.5, 0.5])
    assert found["verdict"] == SUPPORTED


def test_a_step_with_an_undefined_value_makes_its_cell_undefined(rule):
    first, second = around(0.5), around(0.5, seed=1)
    second[0, 0] = np.nan
    found = rule(scores(rows_of(first, step=1), rows_of(second, step=2), rows_of(first, step=4)), {
        "at": "upper", "above": 0.0,
    })  # fmt: skip
    assert found["parts"][0]["undefined"] == pytest.approx(1 / 30)


def test_the_intact_model_does_not_count_as_a_step(rule):
    table = scores(cascade_of([0.1, 0.1]), rows_of(np.ones(10), step=0, level="none"))
    assert len(rule(table, {"at": "each", "above": 0.0})["parts"]) == 2


# Thresholds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("comparison", "inside", "outside"),
    [
        ({"above": 0.3}, [0.31, 5.0], [0.29, -5.0]),
        ({"below": 0.3}, [0.29, -5.0], [0.31, 5.0]),
        ({"within": 0.3}, [0.29, -0.29, 0.0], [0.31, -0.31]),
        ({"near": [0.5, 0.1]}, [0.41, 0.59], [0.39, 0.61]),
        ({"above": -0.3}, [-0.29], [-0.31]),
        ({"below": -0.3}, [-0.31], [-0.29]),
    ],
)
def test_comparisons(rule, comparison, inside, outside):
    for values, verdict in ((inside, SUPPORTED), (outside, CONTRADICTED)):
        for value in values:
            assert rule(cascade_of([value]), {"at": "full"} | comparison)["verdict"] == verdict, value


@pytest.mark.parametrize(
    ("dataset", "value", "verdict"),
    [
        ("mnist", 0.85, CONTRADICTED),
        ("mnist-5k", 0.85, CONTRADICTED),
        ("fashion", 0.85, SUPPORTED),
        ("fashion", 0.75, CONTRADICTED),
        ("mnist", 0.95, SUPPORTED),
        ("photos", 0.95, NOT_TESTED),
    ],
)
def test_thresholds_by_data_set(dataset, value, verdict):
    tables = [cascade_of([value] * 4, name, dataset=dataset) for name in ("gradient_x_input", "integrated_gradients")]
    found = decide("A-20", scores(*tables))
    assert found["verdict"] == verdict
    first = [part for part in found["parts"] if not part["second"]]
    assert len(first) == (0 if verdict == NOT_TESTED else 8)


def test_one_low_step_of_one_method_contradicts_a_claim_about_each_step():
    table = scores(
        cascade_of([0.95, 0.95, 0.95, 0.95], "gradient_x_input"),
        cascade_of([0.95, 0.95, 0.80, 0.95], "integrated_gradients"),
    )
    found = decide("A-20", table)
    assert found["verdict"] == CONTRADICTED
    assert "integrated_gradients" in found["statistic"] and "step 3" in found["statistic"]


def threshold_moved(rule, comparison, ease):
    """The value at which a sensitivity verdict turns over, found by bisection."""
    name = next(iter(comparison))
    rising = name == "above"
    low, high = (comparison[name] - 0.35, comparison[name] + 0.35) if name != "within" else (0.0, 1.0)
    for _ in range(12):
        middle = (low + high) / 2
        verdict = rule(cascade_of([middle], spread=1e-6), {"at": "full"} | comparison)["sensitivity"][ease]
        assert verdict in (SUPPORTED, CONTRADICTED)
        low, high = (low, middle) if (verdict == SUPPORTED) == rising else (middle, high)
    return (low + high) / 2


@pytest.mark.parametrize(
    ("comparison", "easier", "harder"),
    [
        ({"above": 0.7}, 0.6, 0.8),
        ({"below": 0.7}, 0.8, 0.6),
        ({"within": 0.3}, 0.4, 0.2),
        ({"above": 0.2}, 0.1, 0.3),
        ({"above": 0.1}, 0.05, 0.2),
        ({"below": 0.1}, 0.2, 0.05),
        ({"within": 0.1}, 0.2, 0.05),
        ({"below": -0.2}, -0.1, -0.3),
        ({"below": -0.1}, -0.05, -0.2),
        ({"above": -0.1}, -0.2, -0.05),
    ],
    ids=str,
)
def test_sensitivity_moves_the_threshold(rule, comparison, easier, harder):
    assert threshold_moved(rule, comparison, "easier") == pytest.approx(easier, abs=1e-3)
    assert threshold_moved(rule, comparison, "harder") == pytest.approx(harder, abs=1e-3)


@pytest.mark.parametrize(
    ("drop", "verdict", "easier", "harder"),
    [
        (-0.05, CONTRADICTED, CONTRADICTED, CONTRADICTED),
        (-0.15, CONTRADICTED, SUPPORTED, CONTRADICTED),
        (-0.25, SUPPORTED, SUPPORTED, CONTRADICTED),
        (-0.35, SUPPORTED, SUPPORTED, SUPPORTED),
    ],
)
def test_sensitivity_of_a_claim_with_a_negative_threshold(drop, verdict, easier, harder):
    found = decide("A-15", cascade_of([0.8, 0.8, 0.8, 0.8 + drop], "guided_backprop"))
    assert found["verdict"] == verdict
    assert found["sensitivity"] == {"easier": easier, "harder": harder}


def test_an_easier_threshold_never_turns_a_supported_claim_around():
    claims_with_parts = dict.fromkeys(name for name, _ in PARTS)
    rng = np.random.default_rng(0)
    order = {CONTRADICTED: 0, INCONCLUSIVE: 1, SUPPORTED: 2}
    methods = ["gradient", "smoothgrad", "gradient_x_input", "integrated_gradients", "guided_backprop", "gradcam"]
    for model in ("cnn", "mlp"):
        tables = [
            cascade_of(rng.uniform(-0.2, 1, 4), method, metric, 0.05, model=model)
            for method in [*methods, "guided_gradcam"]
            for metric in similarity.METRICS
        ]
        for name in claims_with_parts:
            found = decide(name, scores(*tables))
            if found["sensitivity"] and found["verdict"] != NOT_TESTED:
                ranks = [order[v] for v in (found["sensitivity"]["harder"], found["verdict"])]
                assert ranks == sorted(ranks), name
                assert order[found["sensitivity"]["easier"]] >= order[found["verdict"]], name


# The deciding part --------------------------------------------------------------------------------------------------


def test_the_deciding_part_is_the_worst_of_those_that_decide(rule):
    part = {"at": "each", "above": 0.5}
    found = rule(cascade_of([0.9, 0.6, 0.8]), part)
    assert found["value"] == pytest.approx(0.6) and "step 2" in found["statistic"]
    found = rule(cascade_of([0.9, 0.3, 0.1, 0.4]), part)
    assert found["verdict"] == CONTRADICTED
    assert found["value"] == pytest.approx(0.1) and "step 3" in found["statistic"]
    assert found["threshold"] == [0.5] and found["n"] == 10 and found["draws"] == 3


def test_the_deciding_part_of_a_band_is_the_one_nearest_its_edge(rule):
    found = rule(cascade_of([0.50, 0.58, 0.45]), {"at": "each", "near": [0.5, 0.1]})
    assert found["value"] == pytest.approx(0.58)
    assert found["threshold"] == pytest.approx([0.4, 0.6])


def test_a_second_reading_never_decides_the_first(rule):
    found = rule(cascade_of([0.6]), {"at": "full", "above": 0.5}, {"at": "full", "above": 0.9, "second": True})
    assert (found["verdict"], found["second_verdict"]) == (SUPPORTED, CONTRADICTED)
    assert found["threshold"] == [0.5]


# Purity, accuracy, forms of a table ---------------------------------------------------------------------------------


def full_table():
    methods = ["gradient", "guided_backprop", "gradient_x_input", "integrated_gradients", "smoothgrad"]
    return scores(
        *(cascade_of([0.9, 0.8, 0.4, 0.1], method, metric) for method in methods for metric in similarity.METRICS),
        rows_of(np.ones(50), "none", "accuracy", 0, intervention="none", against="none", level="none", draw=-1),
    )


@pytest.mark.parametrize("name", dict.fromkeys(name for name, _ in PARTS))
def test_decide_is_a_pure_function(name):
    table = full_table()
    before, rows = table.copy(deep=True), copy.deepcopy(ledger()[name])
    first, second = decide(name, table), decide(name, table)
    assert first == second
    pd.testing.assert_frame_equal(table, before)
    assert ledger()[name] == rows
    first["parts"].append("mine")
    assert decide(name, table) == second


@pytest.mark.parametrize("name", ["A-01", "A-10", "A-14", "A-20", "A-31"])
def test_categories_and_words_give_the_same(name):
    table = full_table()
    words = ["model", "dataset", "intervention", "level", "method", "metric", "against"]
    categories = table.astype(dict.fromkeys(words, "category"))
    # A category that no row uses must not become a net.
    categories["model"] = categories["model"].cat.add_categories(["vgg16"])
    assert decide(name, categories) == decide(name, table)


@pytest.mark.parametrize(
    ("claim", "model", "right", "verdict"),
    [
        ("A-01", "cnn", 9920, SUPPORTED),
        ("A-01", "cnn", 9800, CONTRADICTED),
        ("A-01", "cnn", 9990, CONTRADICTED),
        ("A-01", "cnn", 9891, INCONCLUSIVE),
        ("A-02", "mlp", 9870, SUPPORTED),
        ("A-02", "mlp", 9700, CONTRADICTED),
        ("A-01", "mlp", 9920, NOT_TESTED),
    ],
)
def test_accuracy_claims_come_from_right_and_wrong_answers(claim, model, right, verdict):
    answers = np.zeros(10_000)
    answers[:right] = 1
    row = {"intervention": "none", "against": "none", "level": "none", "draw": -1}
    found = decide(claim, rows_of(answers, "none", "accuracy", 0, model=model, **row))
    assert found["verdict"] == verdict
    if verdict != NOT_TESTED:
        share = right / 10_000
        assert found["value"] == pytest.approx(share)
        # The normal interval of a share, an independent formula.
        half = 1.96 * np.sqrt(share * (1 - share) / 10_000)
        assert found["interval"] == pytest.approx([share - half, share + half], abs=2e-6)
        assert found["draws"] == 1


def test_accuracy_on_another_data_set_does_not_count():
    row = {"intervention": "none", "against": "none", "level": "none", "draw": -1}
    table = rows_of(np.ones(100), "none", "accuracy", 0, dataset="mnist-5k", **row)
    assert decide("A-01", table)["verdict"] == NOT_TESTED
