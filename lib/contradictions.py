"""Where the papers contradict each other, and what the verdicts of a study answer, in plain words."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from lib.thresholds import CONTRADICTED, INCONCLUSIVE, NOT_TESTED, SUPPORTED

_UNDECIDED = "Not decided: the interval lies on both sides of the threshold, or parts of the claim disagree."
_UNTESTED = "Not asked in this run."

QUESTIONS: dict[str, tuple[str, str, str]] = {
    "X-05": ("Y and A1", "Y-22", "Does Guided Backprop fail because of the task, or by its nature?"),
    "X-06": ("Y and A3", "Y-03", "On natural digits, is Guided Backprop of a trained net that of a random one?"),
    "X-07": ("Y and A1, A3", "Y-20", "Is there a reason to prefer the gradient to Guided Backprop?"),
}
"""Contradiction -> between whom, the claim that decides it, and the question."""

_ANSWERS: dict[str, dict[str, str]] = {
    "X-05": {
        SUPPORTED: "Because of the task: where the task is confounded, destroying the upper layers changes its maps "
        "far more than on the natural task.",
        CONTRADICTED: "By its nature: destroying the upper layers changes its maps on the confounded task no more than "
        "on the natural one, or not by enough to matter.",
    },
    "X-06": {
        SUPPORTED: "Yes: the two maps rank the pixels nearly alike, as Y take over from A1.",
        CONTRADICTED: "No: their maps differ clearly, as A3 says after its correction. The premise that Y take over "
        "from A1 rests on the error that A3 corrects.",
    },
    "X-07": {
        SUPPORTED: "Not by this measure: both put the same share of their mass on what matters, within a tenth.",
        CONTRADICTED: "There is a difference: in trained nets they put different shares of their mass on what matters.",
    },
}
"""Contradiction -> verdict of the claim that decides -> answer."""


def answers(verdicts: pd.DataFrame, figures: Mapping[str, str]) -> dict[str, str]:
    """Answer the contradictions that the study of confounded tasks decides.

    Parameters
    ----------
    verdicts : of `lib.study.Study.claims`: by claim, with the column ``verdict``.
    figures : claim -> title of the section whose figure decides it.

    Returns
    -------
    Contradiction -> between whom, the question, the answer, and what decides it.
    """
    found = {}
    for name, (papers, claim, question) in QUESTIONS.items():
        spoken = _ANSWERS[name] | {INCONCLUSIVE: _UNDECIDED, NOT_TESTED: _UNTESTED}
        answer = spoken[verdicts.verdict[claim]]
        found[name] = f"{name}, between {papers}. {question} {answer} Decided by {claim}, section “{figures[claim]}”."
    return found
