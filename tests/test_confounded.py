"""The study of confounded tasks: which nets stand beside each other, what is computed, how claims are decided."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import pytest
import torch
from made_up import around, rows_of, scores

from lib import data, tasks
from lib.claims import CONTRADICTED, INCONCLUSIVE, NOT_TESTED, SUPPORTED, decide, ledger
from lib.compute import generator
from lib.confounded import confounded_cascade, confounded_localisation, prediction_changes, task_accuracy
from lib.confounded_calls import (
    HALF_MEASURES,
    SHAPE_MEASURES,
    accuracy_calls,
    half_calls,
    picture_calls,
    shape_calls,
)
from lib.confounded_pictures import confounded_pictures, mean_maps
from lib.contradictions import answers
from lib.errors import StudyError
from lib.models import build
from lib.randomization import explained_classes, randomization_scores
from lib.regions import metrics_of
from lib.task_nets import nets_by_task, truth
from lib.training import Recipe, TrainedNet

CLAIMS = [f"Y-{number:02}" for number in (*range(1, 15), 20, 21, 22, 23)]


# Which net is which --------------------------------------------------------------------------------------------------


def net(dataset, model="cnn", seed=0):
    return TrainedNet(f"{model}-{dataset}", Recipe(model, dataset, seed, 1, 1, 0.1, 0.0))


def test_nets_are_known_by_their_data_sets():
    suffixes = {"half-top": "-half-top", "digit": "-shapes-digit", "natural": "", "shape": "-shapes", "half": "-half"}
    for base in ("mnist", "mnist-5k"):
        made = {word: net(base + suffix) for word, suffix in suffixes.items()}
        assert nets_by_task(list(made.values())) == made


@pytest.mark.parametrize(
    ("datasets", "words"),
    [
        (["mnist"], ["cnn-mnist; name the natural net"]),
        (["mnist", "fashion-permuted"], ["cnn-fashion-permuted does not stand beside cnn-mnist"]),
        (["mnist-half", "mnist-shapes"], ["cnn-mnist-shapes", "does not stand beside"]),
        (["mnist", "mnist-shapes-digit"], ["-shapes wherever there is -shapes-digit"]),
        (["mnist", "mnist-5k-half"], ["cnn-mnist-5k-half"]),
        (["mnist", "mnist-half", "mnist-half"], ["are of the same task"]),
    ],
)
def test_nets_that_do_not_belong_together_are_refused(datasets, words):
    with pytest.raises(StudyError) as error:
        nets_by_task([net(dataset) for dataset in datasets])
    assert all(word in str(error.value) for word in words), error.value


def test_another_architecture_is_refused():
    with pytest.raises(StudyError, match="mlp-mnist-half does not stand beside"):
        nets_by_task([net("mnist"), net("mnist-half", "mlp")])


def test_the_truth_of_a_task_is_part_of_its_data_set():
    assert set(truth(net("mnist"))) == {"test_images", "test_labels"}
    for dataset in ("mnist-5k-half", "mnist-100-shapes", "mnist-5k-shapes-digit"):
        assert truth(net(dataset))["regions"] == (dataset, "test_regions")


# What is computed ----------------------------------------------------------------------------------------------------


class Bright(torch.nn.Module):
    """A net that sees how much ink is in the bottom rows, and nothing else."""

    def __init__(self):
        super().__init__()
        self.logits = torch.nn.Linear(784, 2)
        weight = torch.zeros(2, 28, 28)
        weight[0, 14:], weight[1, 14:] = 1.0, -1.0
        self.logits.weight.data = weight.flatten(1)
        self.logits.bias.data = torch.tensor([0.0, 0.5])

    def forward(self, x):
        return self.logits(x.flatten(1))


@pytest.fixture(scope="module")
def half(digits):
    dataset = data.load("mnist-5k-half")
    ids = [3, 7, 1, 12, 20, 22, 9, 40]
    images, model = dataset.test_images[ids], Bright()
    return {
        "model": model, "images": images, "targets": explained_classes(model, images), "image_ids": ids,
        "labels": dataset.test_labels[ids], "regions": dataset.test_regions, "altered": dataset.test_altered,
        "training_images": dataset.train_images[:20], "references": {}, "name": "half", "natural": Bright(),
        "test_images": dataset.test_images, "test_labels": dataset.test_labels,
    }  # fmt: skip


def test_a_net_that_sees_one_half_is_localised_there(half):
    found = confounded_localisation(methods=["gradient"], only=[tasks.INTACT], draws=2, init="kaiming", **half)
    numbers = [each for each, label in zip(half["image_ids"], half["labels"].tolist(), strict=True) if label == 0]
    assert 0 < len(numbers) < 8 and sorted(set(found.image)) == sorted(numbers)
    own = found[(found.intervention == "localisation(net=half)") & (found.against == "none")]
    means = own.groupby("metric").value.mean()
    assert means["mass_share_abs_half"] == means["auc_half"] == means["pointing_half"] == 1.0
    assert means["mass_share_abs_cut"] == pytest.approx(2 / 14)
    random = found[(found.intervention == "localisation(net=random)") & (found.metric == "mass_share_abs_half")]
    assert random.value.mean() == pytest.approx(0.5, abs=0.05) and set(random.draw) == {0, 1}
    named = confounded_localisation(
        methods=["gradient"],
        only=[tasks.DELETED],
        draws=1,
        measures=["auc_half"],
        init="kaiming",
        tag="images=halved",
        **half,
    )
    assert set(named.intervention) == {f"localisation(net={n},images=halved)" for n in ("half", "natural", "random")}
    assert not set(named.image) & set(numbers)


def test_predictions_follow_the_half(half):
    found = prediction_changes(
        **half, only={"half_removed": [tasks.INTACT], "half_restored": [tasks.DELETED]}, others=[]
    )
    assert set(found.intervention) == {"altered(net=half,by=half_removed)", "altered(net=half,by=half_restored)"}
    assert len(found) == 1000 and (found.value == 1.0).all()
    labels = half["test_labels"]
    for word, label in (("half_removed", 0), ("half_restored", 1)):
        rows = found[found.intervention == f"altered(net=half,by={word})"]
        assert rows.image.tolist() == (labels == label).nonzero().flatten().tolist()


def test_an_object_that_a_net_does_not_see_may_go(digits):
    dataset, labels = data.load("mnist-5k-shapes"), data.load("mnist-5k-shapes").test_labels

    class Blind(torch.nn.Module):
        def forward(self, x):
            return torch.stack([x.sum((1, 2, 3)) * 0, x.sum((1, 2, 3)) * 0 + 1], 1)

    class Ring(torch.nn.Module):
        """Sees the shape of a pixel picture that has no grey: whether everything is black or white."""

        def forward(self, x):
            grey = ((x > 0) & (x < 1)).flatten(1).any(1).double()
            return torch.stack([grey, 1 - grey], 1)

    given = {"test_images": dataset.test_images, "test_labels": labels, "altered": dataset.test_altered}
    changes = {"digit_removed": [1, 2]}
    found = prediction_changes(Ring(), name="shape", only=changes, others=["digit"], digit=Blind(), **given)
    means = found.groupby("intervention").value.mean()
    assert means.to_dict() == {"altered(net=shape,by=digit_removed)": 1.0, "altered(net=digit,by=digit_removed)": 0.0}


def test_accuracy_has_a_word_of_its_own(half):
    found = task_accuracy(**half)
    expected = (half["model"](half["test_images"]).argmax(1) == half["test_labels"]).double()
    assert found.value.tolist() == expected.tolist() and set(found.intervention) == {"task"}


def test_the_cascade_is_that_of_the_first_study_under_another_name(half):
    model = build("cnn", generator("confounded"))
    given = half | {"model": model, "natural": build("cnn", generator("natural"))}
    given["targets"] = explained_classes(model, half["images"])
    found = confounded_cascade(methods=["gradient"], only=[0], draws=1, **given)
    assert set(found.intervention) == {"confounded_cascade(net=half)", "confounded_cascade(net=natural)"}
    part = half["labels"] == 0
    for word, own in (("half", model), ("natural", given["natural"])):
        few = half["images"][part]
        ids = [each for each, kept in zip(half["image_ids"], part.tolist(), strict=True) if kept]
        first = randomization_scores(own, few, explained_classes(own, few), ["gradient"], draws=1, image_ids=ids)
        keys = ["step", "draw", "image", "method", "metric", "against"]
        both = found[found.intervention == f"confounded_cascade(net={word})"].merge(first, on=keys)
        assert len(both) == len(found) / 2 and np.allclose(both.value_x, both.value_y)
        assert set(both.step) == {0, 1, 2, 3, 4}


def test_labels_that_no_image_has_are_refused(half):
    with pytest.raises(StudyError, match=r"labels \[7\]; make n_images larger"):
        confounded_localisation(methods=["gradient"], only=[7], draws=1, **half)


def test_pictures_show_maps_effects_and_means(half):
    weights = {"0": {"natural": 2 / 3, "half": 1 / 3}, "1": {"natural": 0.0, "half": 1.0}}
    found = confounded_pictures(methods=["gradient"], init="kaiming", weights=weights, **half)
    names = {f"{word}/gradient" for word in ("half", "natural", "random")}
    names |= {f"effect of {word}/gradient" for word in ("half", "natural", "posterior")}
    assert set(found) == names | {"image", "half", "cut", "ink"}
    assert all(picture.shape == (8, 28, 28) for picture in found.values())
    assert (found["half/gradient"][:, :14] == 0).all()
    deleted = half["labels"] == 1
    effects = {word: found[f"effect of {word}/gradient"] for word in ("half", "natural", "posterior")}
    assert torch.allclose(effects["posterior"][deleted], effects["half"][deleted])
    mixed = 2 / 3 * effects["natural"] + effects["half"] / 3
    assert torch.allclose(effects["posterior"][~deleted], mixed[~deleted])
    mean = mean_maps(methods=["gradient"], only=[0], draws=2, init="kaiming", **half)
    assert set(mean) == {"image", "half/gradient", "natural/gradient", "random/gradient"}
    assert all(picture.shape == (1, 28, 28) and picture.sum() == pytest.approx(1.0) for picture in mean.values())
    expected = torch.zeros(28, 28, dtype=torch.float64)
    expected[14:] = 1 / (14 * 28)
    assert torch.allclose(mean["half/gradient"][0], expected)


class Recorder:
    """Stands for a study, and keeps the calls."""

    def __init__(self, nets):
        self.nets = nets

    def call(self, function, **given):
        return {"function": function.__name__} | given


@pytest.mark.parametrize("words", [["half"], ["half", "half-top"], ["half-top"], ["shape"], ["shape", "digit"]])
def test_the_plan_follows_the_nets(words):
    suffixes = {"half": "-half", "half-top": "-half-top", "shape": "-shapes", "digit": "-shapes-digit"}
    nets = {"natural": net("mnist")} | {word: net(f"mnist{suffixes[word]}") for word in words}
    study = Recorder(list(nets.values()))
    plan = {"methods": ["gradient", "gradcam"], "cascade_methods": ["gradient"], "few_images": 4, "draws": 2}
    plan["init"] = ["own", "uniform"]
    made = half_calls(study, nets, **plan) + shape_calls(study, nets, **plan)
    by = pd.Series([(each["name"], each["function"]) for each in made]).value_counts().to_dict()
    localised, changed = "confounded_localisation", "prediction_changes"
    asked = {
        "half": {localised: 4, changed: 1, "confounded_effect": 2, "confounded_cascade": 1},
        "half-top": {localised: 1, changed: 1},
        "shape": {localised: 3, changed: 1, "confounded_effect": 2, "confounded_cascade": 1}
        if "digit" in words
        else {},
        "digit": {},
    }
    assert by == {(word, function): count for word in words for function, count in asked[word].items()}
    assert len(accuracy_calls(study)) == len(words) + 1
    for each in made:
        others = set(each["others"])
        assert set(each["beside"]) >= others and set(each.get("weights", {})) <= {"natural", each["name"], *others}
        # No row twice: the paper's methods are measured by calls of their own.
        assert not {"gradcam"} < set(each.get("methods", []))
    shown = picture_calls(study, nets, 2, "own")
    assert set(shown) == {f"{word}{kind}" for word in ("half", "shape") for kind in ("", " mean")
                          if word in words and (word == "half" or "digit" in words)}  # fmt: skip


# How claims are decided ----------------------------------------------------------------------------------------------


def row(centre, net_, metric, method="guided_backprop", dataset="mnist-half", against="none", step=0, **more):
    given = {"intervention": f"localisation(net={net_})", "spread": 0.001} | more
    spread, draw = given.pop("spread"), net_ == "random" or against == "random" or step
    values = around(centre, spread, draws=3 if draw else 1)
    table = rows_of(values, method, metric, step, dataset=dataset, against=against, **given)
    return table if draw else table.assign(draw=-1)


def study_of(**changes):
    """What a run writes, with numbers that support the claims that can be supported together."""
    numbers = {
        "accuracy": 0.999, "gbp_half": 0.4, "gbp_natural": 0.95, "vbp_half": 0.1, "b_half": 0.9, "b_random": 0.5,
        "b_ink": 0.53, "r_shape": 0.5, "r_shape_random": 0.1, "r_digit": 0.9, "r_digit_random": 0.3,
        "d_shape": 5.0, "d_digit": 2.5, "alike": 0.3, "vbp": 0.25, "changes": 0.99, "stays": 0.01,
        "upper_natural": 0.9, "upper_half": 0.5, "ink_random": 2.0,
    }  # fmt: skip
    assert set(changes) <= set(numbers)
    n = numbers | changes
    halves, beside = ("guided_backprop", "gradient"), {"dataset": "mnist-shapes"}
    tables = [
        row(n["accuracy"], "", "accuracy", "none", dataset, intervention="task")
        for dataset in ("mnist-half", "mnist-shapes", "mnist-shapes-digit")
    ]
    tables += [row(n["gbp_half"], "half", "spearman_abs", against="random")]
    tables += [row(n["gbp_natural"], "natural", "spearman_abs", against="random")]
    tables += [row(n["vbp_half"], "half", "spearman_abs", "gradient", against="random")]
    for method in halves:
        tables += [row(n["b_half"], "half", "mass_share_abs_half", method)]
        tables += [row(n["b_random"], "random", "mass_share_abs_half", method)]
    tables += [row(n["b_ink"], "half", "mass_share_abs_half", "input")]
    for method in halves:
        less = n["vbp"] if method == "gradient" else 0.0
        tables += [row(n["r_shape"] - less, "shape", "mass_share_shape", method, **beside)]
        tables += [row(n["r_shape_random"], "random", "mass_share_shape", method, **beside)]
        tables += [row(n["r_digit"] - less, "digit", "mass_share_digit", method, **beside)]
        tables += [row(n["r_digit_random"], "random", "mass_share_digit", method, **beside)]
        for net_ in ("shape", "digit"):
            tables += [row(n["alike"], net_, "spearman_abs", method, against="random", **beside)]
            first, second = (n["d_shape"], n["d_digit"])[:: 1 if net_ == "shape" else -1]
            tables += [row(first, net_, "density_shape", method, **beside)]
            tables += [row(second, net_, "density_digit", method, **beside)]
    for net_, value in (("shape", n["changes"]), ("digit", n["stays"])):
        word = f"altered(net={net_},by=shape_removed)"
        tables += [row(value, net_, "prediction_changed", "none", intervention=word, **beside)]
    for dataset, net_ in (("mnist-half", "half"), ("mnist-shapes", "shape"), ("mnist-shapes", "digit")):
        for word, value in ((net_, n["upper_half"]), ("natural", n["upper_natural"])):
            for step in (1, 2, 3, 4):
                cascade = {"intervention": f"confounded_cascade(net={word})", "against": "original", "step": step}
                if not (word == "natural" and net_ == "digit"):
                    tables += [row(value if step < 3 else 0.2, word, "spearman_abs", dataset=dataset, **cascade)]
    tables += [row(n["ink_random"], "random", "density_ink")]
    tables += [row(n["ink_random"], "random", "density_digit", **beside)]
    return scores(*tables)


EXPECTED = dict.fromkeys(CLAIMS, SUPPORTED) | {"Y-20": CONTRADICTED}


def test_all_claims_are_decided_by_what_a_run_writes():
    table = study_of()
    for claim in CLAIMS:
        found = decide(claim, table)
        assert not [part["label"] for part in found["parts"] if "not measured" in part["label"]], claim
        assert found["verdict"] == EXPECTED[claim], (claim, found["statistic"], found["value"])
    assert decide("Y-22", table)["second_verdict"] == SUPPORTED


@pytest.mark.parametrize(
    ("change", "claims"),
    [
        ({"accuracy": 0.99}, ["Y-01"]),
        ({"accuracy": 0.97}, ["Y-01", "Y-07", "Y-08"]),
        ({"gbp_half": 0.7}, ["Y-02", "Y-21"]),
        ({"b_half": 0.55, "b_random": 0.5}, ["Y-02", "Y-06", "Y-21"]),
        ({"b_half": 0.3, "b_random": 0.5}, ["Y-06"]),
        ({"gbp_natural": 0.85}, ["Y-03"]),
        ({"vbp_half": 0.65}, ["Y-04", "Y-21"]),
        ({"gbp_natural": 0.91, "gbp_half": 0.85}, ["Y-02", "Y-05", "Y-21"]),
        ({"b_ink": 0.85}, ["Y-06"]),
        ({"r_shape_random": 0.3}, ["Y-09", "Y-10"]),
        ({"d_shape": 2.0}, ["Y-09", "Y-11"]),
        ({"r_digit_random": 0.7}, ["Y-12"]),
        ({"r_digit_random": 0.8}, ["Y-11", "Y-12"]),
        ({"alike": 0.65}, ["Y-13", "Y-21"]),
        ({"changes": 0.9}, ["Y-14"]),
        ({"stays": 0.05}, ["Y-14"]),
        ({"upper_half": 0.8}, ["Y-22"]),
        ({"ink_random": 1.2}, ["Y-23"]),
    ],
)
def test_a_claim_falls_with_its_number(change, claims):
    table = study_of(**change)
    fallen = {claim for claim in CLAIMS if decide(claim, table)["verdict"] != EXPECTED[claim]}
    assert fallen == set(claims)
    assert all(decide(claim, table)["verdict"] == CONTRADICTED for claim in claims)


def test_a_smaller_share_differs_too():
    assert decide("Y-02", study_of(b_half=0.3))["verdict"] == SUPPORTED
    near = decide("Y-02", study_of(b_half=0.6))
    assert near["verdict"] == INCONCLUSIVE


def test_methods_that_fare_equally_well_support_their_equality():
    table = study_of(vbp=0.05)
    assert decide("Y-20", table)["verdict"] == SUPPORTED


def test_the_top_half_is_a_second_reading():
    top = study_of(b_half=0.55, gbp_half=0.7, vbp_half=0.9)
    top = top[top.dataset == "mnist-half"].assign(dataset="mnist-half-top")
    top["intervention"] = top.intervention.str.replace("net=half", "net=half-top")
    for claim in ("Y-02", "Y-04", "Y-06"):
        found = decide(claim, scores(study_of(), top))
        assert (found["verdict"], found["second_verdict"]) == (SUPPORTED, CONTRADICTED)
        assert decide(claim, top)["verdict"] == NOT_TESTED
    assert decide("Y-03", top)["verdict"] == NOT_TESTED


@pytest.mark.parametrize("claim", CLAIMS)
def test_rows_of_other_studies_change_nothing(claim):
    others = scores(
        rows_of(around(0.5), "guided_backprop"), rows_of(around(0.9), "none", "accuracy", 0, intervention="none")
    )
    assert decide(claim, others)["verdict"] == NOT_TESTED
    before = copy.deepcopy(ledger()[claim])
    assert decide(claim, scores(study_of(), others))["parts"] == decide(claim, study_of())["parts"]
    assert ledger()[claim] == before


def test_rows_of_this_study_touch_no_other():
    table = study_of()
    others = [name for name, entry in ledger().items() if entry["study"] != "05_confounded_tasks" and "parts" in entry]
    assert len(others) > 50
    for name in others:
        assert decide(name, table)["verdict"] == NOT_TESTED, name


def test_the_rules_ask_for_metrics_that_are_measured():
    known = {*HALF_MEASURES, *SHAPE_MEASURES, "spearman_abs", "accuracy", "prediction_changed"}
    assert set(metrics_of(["half", "cut", "ink"])) >= set(HALF_MEASURES)
    assert set(metrics_of(["shape", "digit"])) == set(SHAPE_MEASURES) | {
        f"mass_share_abs_{r}" for r in ("shape", "digit")
    }
    for claim in CLAIMS:
        for part in (each for each in ledger()[claim]["parts"] if each.get("models") != ["resnet18"]):
            for each in part.get("one_of", [part]):
                questions = [each, *(each[word] for word in ("minus", "plus") if word in each)]
                assert {question.get("metric", each["metric"]) for question in questions} <= known
                assert each["models"] == ["cnn"]
                for dataset in each["datasets"]:
                    data.check(dataset)


# What the papers disagree about --------------------------------------------------------------------------------------


def test_contradictions_are_answered_by_verdicts():
    # What the notebook shows: the three that its own claims decide.
    sections = {claim: f"section of {claim}" for claim in ("Y-22", "Y-03", "Y-20")}
    verdicts = pd.DataFrame({"verdict": [SUPPORTED, CONTRADICTED, NOT_TESTED]}, index=["Y-22", "Y-03", "Y-20"])
    found = answers(verdicts, sections)
    assert list(found) == ["X-05", "X-06", "X-07"]
    assert [ledger()[name]["source"] for name in found] == ["Y ↔ A1", "Y ↔ A3", "Y ↔ A1/A3"]
    assert "Because of the task" in found["X-05"] and "? No: their maps" in found["X-06"]
    assert found["X-06"].endswith("Decided by Y-03, section “section of Y-03”.")
    alone = answers(verdicts.assign(verdict=NOT_TESTED), sections)
    assert all("Not asked in this run." in answer for answer in alone.values())
    undecided = answers(verdicts.assign(verdict=INCONCLUSIVE), sections)
    assert all("Not decided" in answer for answer in undecided.values())
