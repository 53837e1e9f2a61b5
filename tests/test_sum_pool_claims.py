"""The rules of notebook 03 read what its functions write, and the findings that cost seconds come out as derived."""

from __future__ import annotations

import io
import lzma

import pandas as pd
import pytest
import torch
from test_identities import Small

from lib import data
from lib.claims import CONTRADICTED, NOT_TESTED, SUPPORTED, decide, ledger
from lib.edge_masked import edge_map_scores
from lib.figures import edge_words, noise_laws
from lib.identities import completeness_scores, identity_scores
from lib.linear_model import linear_scores
from lib.scores import COLUMNS, pack_scores
from lib.sum_pool_scores import closed_form_scores, edge_scores
from lib.vargrad_laws import quadratic_scores, vargrad_scores

METHODS = ["gradient", "guided_backprop", "smoothgrad", "integrated_gradients"]
LINEAR = ["gradient", "smoothgrad", "vargrad", "integrated_gradients", "integrated_gradients(reference=mean)"]
PATHS = ["integrated_gradients(steps=200)", "integrated_gradients(reference=mean,steps=200)"]
TESTED = [name for name, row in ledger().items() if row["study"] == "03_sum_pool_conv" and "parts" in row]


def of_net(table, model, dataset):
    return table.assign(model=model, dataset=dataset, seed=0)


@pytest.fixture(scope="module")
def table(digits):
    """Every function of the study once: digits and a made-up photograph, one small net that went through nothing."""
    found = data.load("mnist-5k")
    images = found.test_images[data.balanced(found.test_labels, 10)]
    given = {"image_ids": list(range(10)), "background": 0.0}
    nets = {"methods": METHODS, "nets": ["sum_pool_conv", "dense_relu"], "draws": 12}
    waves = torch.linspace(0, 9, 24).sin()
    smooth = 0.5 + 0.2 * (waves[:, None] + waves[None, :]).expand(3, 3, 24, 24) / 2
    smooth = smooth + 0.05 * torch.rand(3, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    few = {"image_ids": [0, 1, 2], "background": 0.0}
    small = torch.nn.functional.avg_pool2d(images, 3, ceil_mode=True)[..., 1:9, 1:9]
    net = {
        "images": small,
        "targets": torch.arange(10) % 3,
        "labels": torch.arange(10) % 3,
        "references": {"mean": small.mean(0)},
        "training_images": small,
        **given,
    }
    model = Small()
    return pd.concat(
        [
            of_net(linear_scores(images, methods=LINEAR, dataset="mnist-5k", draws=8, **given), "none", "mnist-5k"),
            of_net(closed_form_scores(images, draws=12, **given), "none", "mnist-5k"),
            of_net(closed_form_scores(smooth, draws=12, **few), "none", "photos"),
            of_net(edge_scores(images, **nets, **given), "none", "mnist-5k"),
            of_net(edge_scores(smooth, **nets, **few), "none", "photos"),
            of_net(quadratic_scores(draws=5, samples=200, side=5), "none", "none"),
            of_net(
                identity_scores(model, methods=["lrp_epsilon(epsilon=0.0)", "deeplift"], draws=3, **net), "cnn", "mnist"
            ),
            of_net(completeness_scores(model, methods=PATHS, **net), "cnn", "mnist"),
            of_net(vargrad_scores(model, noise_levels=[0.03, 0.1], **net), "cnn", "mnist"),
            of_net(edge_map_scores(model, methods=["gradient"], **net), "cnn", "mnist"),
        ],
        ignore_index=True,
    )


def test_all_rules_of_the_study_are_here():
    numbers = {int(name.removeprefix("A-")) for name in TESTED}
    assert numbers == {*range(66, 76), 80, 81, 83}


@pytest.mark.parametrize("name", TESTED)
def test_a_rule_finds_its_scores(table, name):
    found = decide(name, table)
    assert found["verdict"] != NOT_TESTED and found["parts"]
    for part in found["parts"]:
        assert part["value"] is not None and "not measured" not in part["label"], part["label"]
    if any(part.get("second") for part in ledger()[name]["parts"]):
        assert found["second_verdict"] not in (None, NOT_TESTED)


EXPECTED = {
    "A-66": (SUPPORTED, None),
    "A-67": (CONTRADICTED, None),
    "A-68": (SUPPORTED, CONTRADICTED),
    "A-69": (SUPPORTED, None),
    "A-71": (SUPPORTED, None),
    "A-72": (SUPPORTED, CONTRADICTED),
    "A-73": (SUPPORTED, None),
    "A-80": (SUPPORTED, CONTRADICTED),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_exact_has_its_verdict(table, name):
    found = decide(name, table)
    assert (found["verdict"], found["second_verdict"]) == EXPECTED[name]


def test_a_wrong_formula_would_be_noticed(table):
    """A thousandth of the largest value is enough to contradict an exact statement."""
    for name, metric, against in [("A-66", "relative_error", "weights"), ("A-72", "relative_error", "closed_form")]:
        wrong = table.assign(value=table.value.where((table.metric != metric) | (table.against != against), 1e-3))
        assert decide(name, wrong)["verdict"] == CONTRADICTED


def test_sums_of_integrated_gradients_miss_the_logit(table):
    found = decide("A-83", table)
    assert found["verdict"] == CONTRADICTED != found["second_verdict"]


def test_trained_nets_of_the_first_seed_are_asked_and_no_others(table):
    """Whoever went through the cascade takes part in what is asked of nets, and not in what is asked without one."""
    rows = table[(table.intervention == "vargrad") & (table.metric == "spearman_abs")]
    cascade = rows.assign(intervention="cascade", against="original", model="mlp")
    first, later = (decide("A-81", pd.concat([table, cascade.assign(seed=seed)])) for seed in (0, 1))
    assert first["verdict"] == later["verdict"] == SUPPORTED
    assert len(first["parts"]) == len(later["parts"]) + 1 and "not measured" in first["parts"][-1]["label"]


def test_digits_clear_the_bar_and_so_do_their_images(table):
    """What the claim rests on: gradients stand out at edges, the dense net's do not, products do with any net."""
    means = table[table.metric == "auc_edge"].groupby(["dataset", "intervention", "method"]).value.mean()
    conv, dense = means["mnist-5k", "sum_pool_conv"], means["mnist-5k", "dense_relu"]
    assert conv["gradient"] == conv["guided_backprop"] > 0.65 > dense["gradient"] + 0.03
    assert dense["integrated_gradients"] > conv["integrated_gradients"] - 0.05 > 0.6
    assert means["photos", "dense_relu"]["gradient"] == pytest.approx(0.5, abs=0.06)
    words = edge_words(table, ["gradient"], "sum_pool_conv")
    assert words == f"MNIST: Gradient {conv['gradient']:.2f}; photographs: Gradient " + (
        f"{means['photos', 'sum_pool_conv']['gradient']:.2f}"
    )


def test_the_table_has_the_columns_of_all_studies_and_survives_storing(table):
    assert set(COLUMNS) == set(table.columns)
    stored = pd.read_csv(io.BytesIO(lzma.decompress(pack_scores(table))), keep_default_na=False)
    assert len(stored) == len(table)
    keys = [name for name in COLUMNS if name not in ("value", "target")]
    assert not table.duplicated(keys).any()


def test_laws_of_noise_are_read_from_the_table(table):
    laws = noise_laws(table)
    assert laws.keys() == {("cnn", "mnist")} and laws["cnn", "mnist"].keys() == {"ReLU", "Softplus"}
    rows, power = laws["cnn", "mnist"]["ReLU"]
    assert rows.noise.tolist() == [0.03, 0.1] and power > 0
