"""What the index says was found: sentences made of verdicts and numbers, and of nothing else."""

from __future__ import annotations

import re

import pytest

from lib.claims import CONTRADICTED, INCONCLUSIVE, NOT_TESTED, SUPPORTED, ledger
from lib.contradictions import SECOND
from lib.cross_table import FAIL, PASS, Cell
from lib.cross_tests import COLUMNS, ROWS
from lib.report.findings import Number, findings, outcomes_of_findings
from lib.report.prose import Prose

OUTCOMES = [outcome for outcomes in outcomes_of_findings() for outcome in outcomes]


def part(label, value, run="cnn-mnist", second=False, threshold=(0.9,)):
    return {"label": f"{run}, {label}", "value": value, "run": run, "second": second, "threshold": list(threshold)}


def claim(name, verdict, second=None, parts=()):
    return {"id": name, "verdict": verdict, "second_verdict": second, "parts": list(parts)}


def said(*claims, cross=None):
    return [each["text"] for each in findings(claims, cross or {})]


BLIND = [part("ρₐ, guided_backprop, step 4", 0.48), part("ρₐ, guided_backprop, step 4", 0.0111, "mlp-fashion")]


def test_a_sentence_turns_with_its_verdict_and_disappears_without_one():
    (no,) = said(claim("A-12", CONTRADICTED, parts=BLIND))
    assert (
        no.startswith("Guided Backprop is not blind to the model")
        and "= 0.01 to 0.48, where blindness asks for 0.9" in no
    )
    (yes,) = said(claim("A-12", SUPPORTED, parts=BLIND))
    assert yes.startswith("Guided Backprop is blind to the model")
    assert said(claim("A-12", INCONCLUSIVE, parts=BLIND)) == []
    assert said(claim("A-12", NOT_TESTED)) == []
    assert said(claim("A-12", CONTRADICTED)) == [], "without its numbers a sentence is not said"


def test_numbers_are_those_of_the_parts_that_are_meant():
    parts = [
        part("ρₐ, gradient_x_input, step 4", 0.99),
        part("ρₐ, integrated_gradients, step 4, 3% undefined (constant maps)", 0.87),
        part("ρₐ, gradient_x_input, step 1", 0.2),
        part("ρₐ, foreground, gradient_x_input, step 4", 0.31, second=True),
        part("ρₐ, foreground, gradient_x_input, step 4", 0.99),
    ]
    (text,) = said(claim("A-20", SUPPORTED, CONTRADICTED, parts))
    assert "($\\rho_a$ = 0.87 to 0.99)" in text and "on the foreground alone $\\rho_a$ is 0.31." in text
    (text,) = said(claim("A-20", SUPPORTED, SUPPORTED, parts))
    assert text.startswith("Gradient ⊙ input and integrated gradients survive everything, on the foreground as well")


@pytest.mark.parametrize(
    ("values", "take", "text"),
    [
        ([-0.001, 0.4], "range", "0.00 to 0.40"),
        ([-0.2, 0.4], "least", "−0.20"),
        ([1.178, 24.5], "largest", "24"),
        ([3.0, 1.0], "largest", "3"),
        ([0.5, 0.5], "range", "0.50"),
        ([0.5], "bar", "0.9"),
    ],
)
def test_numbers_for_readers(values, take, text):
    parts = [part("it, gradient", value) for value in values]
    assert Number("A-10", "it, gradient", take=take).text({"A-10": claim("A-10", SUPPORTED, parts=parts)}) == text


def test_both_verdicts_of_a_finding_must_be_as_asked():
    parts = {"A-42": [part("ρₐ to the edge map of x, one low unit, guided_backprop, step 17", -0.2)]}
    edges = [claim("A-42", CONTRADICTED, parts=parts["A-42"]), claim("A-77", CONTRADICTED)]
    assert len(said(*edges)) == 1 and said(edges[0], claim("A-77", INCONCLUSIVE)) == []


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: outcome.text[:40])
def test_an_outcome_speaks_of_claims_holds_no_number_and_can_be_typeset(outcome):
    assert outcome.when and {name.removesuffix(SECOND) for name in outcome.when} <= ledger().keys()
    assert set(outcome.when.values()) <= {SUPPORTED, CONTRADICTED}
    assert not re.search(r"\d", outcome.text) and outcome.text.endswith(".")
    assert set(re.findall(r"{(\w+)}", outcome.text)) == outcome.numbers.keys()
    html = Prose().inline(outcome.text.format(**dict.fromkeys(outcome.numbers, "0.5")))
    assert "$" not in html and "{" not in re.sub(r"<[^>]*>", "", html)


def labels_of(name):
    """What the parts of a claim may be called, by the ledger."""
    for entry in ledger()[name]["parts"]:
        for rule in entry.get("one_of", [entry]):
            methods = rule.get("methods", [])
            yield rule, rule["label"]
            for method in ["gradient"] if methods == "all" else methods:
                yield from ((rule, f"{rule['label']}, {method}{step}") for step in ("", ", step 1", ", step 4"))


def test_the_parts_that_numbers_are_taken_from_are_in_the_ledger():
    # Someone may write a label of the ledger anew; then the sentence would vanish.
    for outcome in OUTCOMES:
        for number in outcome.numbers.values():
            parts = [part(label, 0.5, second=rule.get("second", False)) for rule, label in labels_of(number.claim)]
            assert number.text({number.claim: claim(number.claim, SUPPORTED, parts=parts)}), number


def table(good, tests, noise=True):
    """A table in which the first methods pass the first tests only, and noise each that it was put to."""
    cells = {}
    for row, count in zip(ROWS, good, strict=False):
        results = [PASS] * count + [FAIL] * (tests - count) + [""] * (len(COLUMNS) - tests)
        cells[row.name] = {c.key: (Cell("", result, "why"),) for c, result in zip(COLUMNS, results, strict=True)}
    mark = PASS if noise else FAIL
    return cells | {"random": {column.key: (Cell("", mark, "why"),) for column in COLUMNS}}


def test_the_last_sentence_counts_the_table():
    every = len(COLUMNS)
    (text,) = said(cross=table([every, every, 0], every))
    assert text.startswith(
        f"Of 3 methods that were put to all {every} tests of the table, only Gradient and SmoothGrad pass them all."
    )
    assert "Noise, which explains nothing, passes" in text
    (text,) = said(cross=table([every - 1, 0], every, noise=False))
    assert text == f"Of 2 methods that were put to all {every} tests of the table, none passes them all."
    (text,) = said(cross=table([every, 1], every, noise=False))
    assert text.endswith("only Gradient passes them all.")
    assert said(cross={}) == []


def test_each_finding_names_its_claims():
    (found,) = findings([claim("A-12", CONTRADICTED, parts=BLIND)], {})
    assert found["proofs"] == [{"id": "A-12", "reading": "A-12", "verdict": CONTRADICTED}]
