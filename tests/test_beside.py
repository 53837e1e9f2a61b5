"""Nets that stand beside the papers' own change no verdict, and what they say about claims is told by known numbers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import yaml
from made_up import around, cascade_of, rows_of, scores

from lib import beside, claims, data
from lib.claims import NOT_TESTED, SUPPORTED, ledger

TINY = {"model": "inception_v3", "dataset": "tiny"}
RULES = yaml.safe_load(Path(beside.__file__).with_suffix(".yml").read_text(encoding="utf-8"))
"""The rules of the table."""


def low(**net):
    """A cascade of four units that agrees with A-10 and A-11: the gradient is gone at once."""
    return scores(*(cascade_of([0.1, 0.1, 0.1, 0.0], metric=each, **net) for each in ("spearman_abs", "spearman")))


def high(**net):
    """A cascade that contradicts both."""
    return scores(*(cascade_of([0.9, 0.9, 0.9, 0.9], metric=each, **net) for each in ("spearman_abs", "spearman")))


@pytest.mark.parametrize("claim", ["A-10", "A-11"])
def test_a_net_that_stands_beside_decides_nothing(claim):
    alone = claims.decide(claim, low())
    assert alone["verdict"] == SUPPORTED and alone["runs"] == ["cnn-mnist"]
    assert claims.decide(claim, scores(low(), high(**TINY))) == alone
    assert claims.decide(claim, high(**TINY))["verdict"] == NOT_TESTED
    assert claims.decide(claim, scores(low(), high(dataset="fashion")))["verdict"] == "contradicted"


def test_it_does_not_leave_a_claim_unmeasured_either():
    """A-42 names Inception v3 and asks for photographs that study 08 alone shows it."""
    photographs = rows_of(
        around(0.6), "guided_backprop", step=3, model="inception_v3", dataset="imagenet",
        intervention="photographs: independent", against="edge",
    )  # fmt: skip
    before = claims.decide("A-42", photographs)
    assert claims.decide("A-42", scores(photographs, high(**TINY))) == before and before["verdict"] == SUPPORTED


def test_the_data_sets_are_known():
    assert set(beside.DATASETS) <= set(data.names())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule['claim']}: {rule['label']}")
def test_a_rule_asks_what_the_ledger_asks(rule):
    """The same thresholds, of the same metric at the same steps; study 08 has another name for its interventions."""

    def asked(part):
        words = {"metric", "at", "against", "above", "below", "within", "near"}
        return {word: part[word] for word in words & part.keys()} | {"twin": "minus" in part}

    known = [part for entry in ledger()[rule["claim"]]["parts"] for part in entry.get("one_of", [entry])]
    assert asked(rule) in [asked(part) for part in known if not part.get("second")]


def everything(guided: float, edges: float, lowest: float) -> pd.DataFrame:
    """Six units: Guided Backprop stays at ``guided`` until the two lowest, which alone leave ``lowest``."""
    one_by_one = {"intervention": "independent", **TINY}
    signed = [
        cascade_of([0.02] * 6, each, "spearman", **TINY)
        for each in ("gradient", "gradient_x_input", "integrated_gradients(steps=15)")
    ]
    steps = [
        rows_of(around(guided if step < 5 else lowest, 0.001, seed=step), "guided_backprop", step=step, **one_by_one)
        for step in range(1, 7)
    ]
    edge = [
        rows_of(around(edges, 0.001, seed=9), "guided_backprop", step=step, against="edge", **one_by_one)
        for step in (5, 6)
    ]
    cascade = [cascade_of([guided] * 6, "guided_backprop", **TINY), cascade_of([0.1] * 6, "gradient", **TINY)]
    return scores(*signed, *steps, *edge, *cascade)


def test_known_numbers_stand_in_the_table():
    table = beside.what_they_say(everything(guided=0.8, edges=0.5, lowest=0.3))
    assert list(table.index) == [rule["claim"] for rule in RULES]
    assert set(table.here) == {SUPPORTED}
    value = table.value.groupby(level=0).apply(list)
    assert value["A-14"] == pytest.approx([0.8, 0.7], abs=1e-3)
    assert value["A-24"] == pytest.approx([0.0, 0.0], abs=1e-3)
    assert value["A-41"] == pytest.approx([0.8, -0.5], abs=1e-3)
    assert value["A-42"] == pytest.approx([0.5], abs=1e-3)
    assert table.loc["A-42", "interval"] == "0.50 to 0.50" and table.loc["A-42", "asked"] == "> 0.4"


def test_the_table_contradicts_what_does_not_hold():
    table = beside.what_they_say(everything(guided=0.5, edges=0.2, lowest=0.5))
    by_claim = table.here.groupby(level=0).apply(list)
    assert by_claim["A-14"] == ["contradicted", SUPPORTED] and by_claim["A-41"] == ["contradicted", "contradicted"]
    assert by_claim["A-42"] == ["contradicted"] and by_claim["A-24"] == [SUPPORTED, SUPPORTED]


def test_what_was_not_measured_stands_as_such():
    table = beside.what_they_say(low(**TINY))
    assert table.loc["A-42", "interval"] == "–" and table.loc["A-42", "here"] != SUPPORTED


def test_a_reader_is_told_that_it_is_not_imagenet():
    words = beside.introduced("inception_v3-tiny")
    assert "inception_v3-tiny" in words and "decides none" in words and "nothing about ImageNet" in words
