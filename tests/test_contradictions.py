"""The contradictions between the papers: answered by verdicts, and by nothing else."""

from __future__ import annotations

import re

import pytest

from lib.claims import CONTRADICTED, INCONCLUSIVE, NOT_TESTED, SUPPORTED, ledger
from lib.contradictions import QUESTIONS, SECOND, with_answers

NAMES = list(QUESTIONS)


def claims_of(**verdicts):
    """The ledger with made-up verdicts; keyword ``A_12`` is A-12, ``A_12_second`` its second reading."""
    claims = []
    for name in ledger():
        key = name.replace("-", "_")
        verdict = verdicts.get(key, NOT_TESTED)
        claims.append({"id": name, "verdict": verdict, "second_verdict": verdicts.get(f"{key}_second")})
    return claims


def answered(name, **verdicts):
    return next(claim for claim in with_answers(claims_of(**verdicts)) if claim["id"] == name)


def all_alike(name, verdict):
    """Every claim that a contradiction speaks of has the same verdict."""
    claims = {*QUESTIONS[name].decided_by} | {key for each in QUESTIONS[name].sentences for key in each.when}
    return {key.replace(SECOND, "_second").replace("-", "_"): verdict for key in claims}


def test_every_contradiction_of_the_ledger_is_a_question():
    assert [name for name in ledger() if name.startswith("X-")] == NAMES
    for name, question in QUESTIONS.items():
        assert question.text.endswith("?")
        for claim in question.decided_by:
            assert claim in ledger() and not claim.startswith("X-")
        # The ledger names what measures it, A-36 and its like by the experiment.
        assert question.decided_by[0] in ledger()[name]["rule"] or name in ("X-08", "X-10")
        spoken = {key.replace(SECOND, "") for each in question.sentences for key in each.when}
        assert {question.decided_by[0]} <= spoken <= ledger().keys()


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_holds_no_number_of_its_own(name):
    for sentence in QUESTIONS[name].sentences:
        assert not re.search(r"\d", re.sub(r"\b[AYKX]-?\d+", "", sentence.text)), sentence.text
        assert sentence.text.endswith(".") and sentence.when


@pytest.mark.parametrize("name", NAMES)
def test_nothing_tested_is_no_answer_and_nothing_decided_is_said(name):
    assert "answer" not in answered(name)
    assert "Not decided" in answered(name, **all_alike(name, INCONCLUSIVE))["answer"]


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_turns_with_the_verdicts(name):
    first = QUESTIONS[name].decided_by[0].replace("-", "_")
    found = {
        verdict: answered(name, **all_alike(name, SUPPORTED) | {first: verdict})["answer"]
        for verdict in (SUPPORTED, CONTRADICTED, INCONCLUSIVE)
    }
    assert len(set(found.values())) > 1


@pytest.mark.parametrize(
    ("name", "verdicts", "words"),
    [
        ("X-01", {"A_12": SUPPORTED, "A_40": SUPPORTED}, "as A1 says"),
        ("X-01", {"A_12": CONTRADICTED, "A_15": SUPPORTED, "A_33": SUPPORTED}, "as A3 says after its correction"),
        ("X-02", {"A_36": SUPPORTED}, "Yes on the stand-in"),
        ("X-02", {"A_36": CONTRADICTED}, "No: on the stand-in"),
        ("X-02", {"A_12": CONTRADICTED, "A_17": SUPPORTED}, "was not tested. On small nets its maps change"),
        ("X-04", {"A_37": CONTRADICTED, "A_60": CONTRADICTED}, "its abstract is not"),
        ("X-08", {"K_11": SUPPORTED, "A_14": SUPPORTED}, "Both sides measure right"),
        ("X-09", {"K_51": CONTRADICTED, "K_51_second": SUPPORTED}, "never fails. If the patterns are estimated again"),
        ("X-10", {"K_34": SUPPORTED, "K_35": SUPPORTED, "K_36": SUPPORTED}, "depends on the estimator"),
        ("X-11", {"A_67": CONTRADICTED}, "The half is a slip"),
    ],
)
def test_what_is_said(name, verdicts, words):
    claim = answered(name, **verdicts)
    assert words in claim["answer"]
    tested = [key.replace("_", "-") for key in verdicts if not key.endswith("second")]
    assert sorted(claim["decided_by"]) == sorted(set(tested) & set(QUESTIONS[name].decided_by))
    assert claim["question"] == QUESTIONS[name].text


def test_other_claims_are_left_as_they_are():
    claims = claims_of(A_12=SUPPORTED)
    assert [claim for claim in with_answers(claims) if not claim["id"].startswith("X-")] == [
        claim for claim in claims if not claim["id"].startswith("X-")
    ]
