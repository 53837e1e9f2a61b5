"""Where the papers contradict each other, and what the verdicts of their claims answer, in plain words.

Nothing is measured here, and no number stands in an answer: it is made of the sentences whose conditions, verdicts of
claims, all hold. A study answers with its own verdicts, the index with those of all runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from lib.thresholds import CONTRADICTED, NOT_TESTED, SUPPORTED

_UNDECIDED = "Not decided: the interval lies on both sides of the threshold, or parts of the claim disagree."
_UNTESTED = "Not asked in this run."

SECOND = ", second reading"
"""Behind the id of a claim, for the verdict of its second reading."""


@dataclass(frozen=True)
class Sentence:
    """A sentence of an answer, and the verdicts under which it is true."""

    when: Mapping[str, str]
    text: str

    def holds(self, verdicts: Mapping[str, str]) -> bool:
        """Whether the verdicts are those that it needs."""
        return all(verdicts.get(claim, NOT_TESTED) == verdict for claim, verdict in self.when.items())


@dataclass(frozen=True)
class Question:
    """A contradiction as a question that claims can decide.

    Attributes
    ----------
    papers : between whom.
    decided_by : claims; the first decides, the others stand beside it.
    text : the question.
    sentences : of the answer; those are said whose conditions hold.
    """

    papers: str
    decided_by: tuple[str, ...]
    text: str
    sentences: tuple[Sentence, ...]

    def answer(self, verdicts: Mapping[str, str]) -> str:
        """Answer with the verdicts at hand; claims that are not among them were not tested."""
        if all(verdicts.get(claim, NOT_TESTED) == NOT_TESTED for claim in self.decided_by):
            return _UNTESTED
        return " ".join(each.text for each in self.sentences if each.holds(verdicts)) or _UNDECIDED


QUESTIONS: dict[str, Question] = {
    "X-01": Question(
        "A1 and A3",
        ("A-12", "A-15", "A-33", "A-40", "A-41"),
        "Is Guided Backprop blind to the whole network, or to its upper layers only?",
        (
            Sentence({"A-12": SUPPORTED, "A-40": SUPPORTED}, "To the whole network, as A1 says."),
            Sentence(
                {"A-12": CONTRADICTED, "A-15": SUPPORTED, "A-33": SUPPORTED},
                "Not to the whole network: its maps change, and most where the lowest layers are destroyed, as A3 says "
                "after its correction.",
            ),
            Sentence(
                {"A-12": CONTRADICTED, "A-41": CONTRADICTED},
                "That it depends on lower layers *only* is too much said: on some net a single higher layer costs more "
                "than the rule allows.",
            ),
        ),
    ),
    "X-02": Question(
        "A1 and A3",
        ("A-36", "A-12", "A-17"),
        "Is Guided Backprop the same before and after a net is destroyed completely?",
        (
            Sentence({"A-36": SUPPORTED}, "Yes on the stand-in for the bone-age net, as A1 says."),
            Sentence({"A-36": NOT_TESTED}, "The bone-age net, or a stand-in for it, was not tested."),
            Sentence({"A-36": CONTRADICTED}, "No: on the stand-in for the bone-age net its maps can be told apart."),
            Sentence(
                {"A-12": CONTRADICTED, "A-17": SUPPORTED},
                "On small nets its maps change, but keep more of the picture's edges than the gradient's do, which is "
                "what the eye may take for the same map.",
            ),
        ),
    ),
    "X-03": Question(
        "A1 and A3",
        ("A-23", "A-22"),
        "Do gradient ⊙ input and integrated gradients stay similar by HOG, the measure that A3 no longer mentions?",
        (
            Sentence({"A-23": SUPPORTED}, "By HOG they do stay similar on photographs, as A1 says."),
            Sentence({"A-23": CONTRADICTED}, "They do not, so A3 does well to leave it out."),
            Sentence({"A-22": CONTRADICTED}, "SSIM, which both versions name, does not show it."),
            Sentence({"A-22": SUPPORTED}, "So they do by SSIM, which both versions name."),
        ),
    ),
    "X-04": Question(
        "the body and the abstract of A3",
        ("A-37", "A-60"),
        "Is any of these methods independent of the model or of the data, as the abstract says?",
        (
            Sentence(
                {"A-37": CONTRADICTED, "A-60": CONTRADICTED},
                "None of the papers' methods is, on all nets: neither of the model's parameters nor of its training "
                "labels. The body of A3 is right, its abstract is not.",
            ),
            Sentence({"A-37": SUPPORTED}, "Of the model's parameters, one is."),
            Sentence({"A-60": SUPPORTED}, "Of the labels, one is."),
        ),
    ),
    "X-05": Question(
        "Y and A1",
        ("Y-22",),
        "Does Guided Backprop fail because of the task, or by its nature?",
        (
            Sentence(
                {"Y-22": SUPPORTED},
                "Because of the task: where the task is confounded, destroying the upper layers changes its maps "
                "far more than on the natural task.",
            ),
            Sentence(
                {"Y-22": CONTRADICTED},
                "By its nature: destroying the upper layers changes its maps on the confounded task no more than "
                "on the natural one, or not by enough to matter.",
            ),
        ),
    ),
    "X-06": Question(
        "Y and A3",
        ("Y-03",),
        "On natural digits, is Guided Backprop of a trained net that of a random one?",
        (
            Sentence({"Y-03": SUPPORTED}, "Yes: the two maps rank the pixels nearly alike, as Y take over from A1."),
            Sentence(
                {"Y-03": CONTRADICTED},
                "No: their maps differ clearly, as A3 says after its correction. The premise that Y take over "
                "from A1 rests on the error that A3 corrects.",
            ),
        ),
    ),
    "X-07": Question(
        "Y and A1, A3",
        ("Y-20", "Y-22", "A-10", "A-14"),
        "Is there a reason to prefer the gradient to Guided Backprop?",
        (
            Sentence(
                {"Y-20": SUPPORTED},
                "Not by this measure: both put the same share of their mass on what matters, within a tenth.",
            ),
            Sentence(
                {"Y-20": CONTRADICTED},
                "There is a difference: in trained nets they put different shares of their mass on what matters.",
            ),
            Sentence(
                {"A-10": SUPPORTED, "A-14": SUPPORTED},
                "Besides, the gradient follows the whole network, while Guided Backprop keeps most of its ranking when "
                "the upper half is destroyed.",
            ),
        ),
    ),
    "X-08": Question(
        "K and A1, A3",
        ("K-11", "A-14"),
        "Is Guided Backprop reliable?",
        (
            Sentence(
                {"K-11": SUPPORTED, "A-14": SUPPORTED},
                "Both sides measure right and speak of different things: it does not care for a shift of the input, "
                "which is good, nor much for the upper layers, which is not.",
            ),
            Sentence(
                {"K-11": SUPPORTED, "A-14": CONTRADICTED},
                "By both tests: it does not care for a shift of the input, and it does follow the upper layers.",
            ),
            Sentence({"K-11": CONTRADICTED}, "Not by K's test: a shift of the input changes its maps."),
        ),
    ),
    "X-09": Question(
        "K and K",
        ("K-51",),
        "Does every attribution method fail somewhere, PatternAttribution too?",
        (
            Sentence({"K-51": SUPPORTED}, "Every one does."),
            Sentence(
                {"K-51": CONTRADICTED},
                "Not as K ran it: with the patterns of the first net PatternAttribution never fails.",
            ),
            Sentence(
                {f"K-51{SECOND}": SUPPORTED},
                "If the patterns are estimated again on the shifted images, it fails like the others, and the sentence "
                "becomes true.",
            ),
        ),
    ),
    "X-10": Question(
        "K and the paper on patterns",
        ("K-35", "K-34", "K-36"),
        "Is PatternAttribution invariant by construction, whatever estimates its patterns?",
        (
            Sentence(
                {"K-34": SUPPORTED, "K-35": SUPPORTED, "K-36": SUPPORTED},
                "That depends on the estimator: covariances make it invariant; the published two-component estimator "
                "does not, because it multiplies means that a shift moves.",
            ),
            Sentence({"K-35": CONTRADICTED}, "Yes, with the published estimator too."),
        ),
    ),
    "X-11": Question(
        "A1, A3 and mathematics",
        ("A-67", "A-80"),
        "Are integrated gradients of a linear model halved, and does ε-LRP need nets without biases?",
        (
            Sentence({"A-67": CONTRADICTED}, "The half is a slip: the integral is the whole product."),
            Sentence({"A-67": SUPPORTED}, "They are halved."),
            Sentence(
                {"A-80": SUPPORTED, f"A-80{SECOND}": CONTRADICTED},
                "Without biases both ε-LRP and DeepLIFT are gradient ⊙ input, as printed; with biases no longer both, "
                "and the parts of A-80 say which.",
            ),
        ),
    ),
}
"""Every contradiction of the ledger as a question."""


def answers(verdicts: pd.DataFrame, figures: Mapping[str, str]) -> dict[str, str]:
    """Answer the contradictions that the figures of one study decide.

    Parameters
    ----------
    verdicts : of `lib.study.Study.claims`: by claim, with the column ``verdict``.
    figures : claim -> title of the section whose figure decides it.

    Returns
    -------
    Contradiction -> between whom, the question, the answer, and what decides it.
    """
    found = {}
    for name, question in QUESTIONS.items():
        claim = question.decided_by[0]
        if claim in figures:
            answer = question.answer(verdicts.verdict.to_dict())
            found[name] = (
                f"{name}, between {question.papers}. {question.text} {answer} "
                f"Decided by {claim}, section “{figures[claim]}”."
            )
    return found


def with_answers(claims: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Decided claims, the contradictions among them with their question, answer and what decides it.

    An answer stands in place of a verdict. A contradiction of which nothing was tested stays without one.
    """
    claims = list(claims)
    verdicts = verdicts_of(claims)
    return [claim | _answered(claim["id"], verdicts) for claim in claims]


def verdicts_of(claims: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The verdicts of decided claims by id, those of second readings by id and `SECOND`."""
    found = {}
    for claim in claims:
        found[claim["id"]] = claim.get("verdict") or NOT_TESTED
        found[claim["id"] + SECOND] = claim.get("second_verdict") or NOT_TESTED
    return found


def readings(names: Iterable[str], verdicts: Mapping[str, str]) -> list[dict[str, str]]:
    """Claims and second readings by name, each with the ``id`` of the claim, the ``reading`` and its ``verdict``."""
    return [
        {"id": name.removesuffix(SECOND), "reading": name, "verdict": verdicts.get(name, NOT_TESTED)} for name in names
    ]


def _answered(name: str, verdicts: Mapping[str, str]) -> dict[str, Any]:
    question = QUESTIONS.get(name)
    if question is None:
        return {}
    answer = question.answer(verdicts)
    if answer == _UNTESTED:
        return {}
    decided_by = [claim for claim in question.decided_by if verdicts.get(claim, NOT_TESTED) != NOT_TESTED]
    return {"verdict": None, "question": question.text, "answer": answer, "decided_by": decided_by}
