"""Nets that stand beside the papers' own: trained here on few photographs, they are shown and decide no claim."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml

from lib.measures import nets_of
from lib.parts import Part, combine, deciding, measure

DATASETS = ("tiny",)
"""The data sets whose nets decide no claim: ten classes of photographs are not ImageNet."""


def introduced(name: str) -> str:
    """What a reader must know of such a net before its numbers, as Markdown; ``name`` is the net's."""
    return (
        f"**{name} stands beside the papers' nets and decides none of their claims.** It learned ten classes of "
        "TinyImageNet here, from a few thousand small photographs and from nothing else; who guesses is right in one "
        "of ten. The papers' Inception v3 learned the thousand classes of ImageNet. What is found on this net says "
        "nothing about ImageNet; it says whether a deep net of the same build, trained on colour photographs, behaves "
        "as the small nets do."
    )


def what_they_say(scores: pd.DataFrame) -> pd.DataFrame:
    """What nets that decide no claim say about some, by the rules in ``beside.yml``.

    Parameters
    ----------
    scores : of nets that went through the cascade and the independent test, with the columns of `lib.claims.decide`.

    Returns
    -------
    One row per part of a rule, indexed by the claim: what is measured, the value furthest on the wrong side with its
    95 % interval, what the claim asks, and whether that holds: supported, contradicted or inconclusive, *here*.
    """
    rules = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text(encoding="utf-8"))
    nets = nets_of(scores, rules)
    rows = [{"claim": rule["claim"], "measured": rule["label"]} | _found(list(measure(rule, nets))) for rule in rules]
    return pd.DataFrame(rows).set_index("claim")


def _found(parts: list[Part]) -> dict[str, object]:
    """The number that decides some parts, and the verdict on all."""
    verdict = combine(parts)
    part = deciding(parts, verdict)
    if part is None or part.interval is None:
        return {"value": None, "interval": "–", "asked": "–", "here": verdict}
    low, high = (float("nan") if bound is None else bound for bound in part.interval)
    return {
        "value": part.value,
        "interval": f"{low:.2f} to {high:.2f}".replace("-", "−"),
        "asked": part.holds,
        "here": verdict,
    }
