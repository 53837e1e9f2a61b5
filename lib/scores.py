"""The table of scores: one row per number, stored so that the same numbers are the same bytes."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pandas as pd

COLUMNS = [
    "model",
    "dataset",
    "seed",
    "intervention",
    "level",
    "step",
    "draw",
    "image",
    "target",
    "method",
    "metric",
    "against",
    "value",
]
# Words first, so that neighbours differ in little and a table of millions of rows packs into a few megabytes.
_SORTED_BY = ["model", "dataset", "seed", "intervention", "method", "metric", "against", "level"]
_SORTED_BY += ["step", "draw", "image", "target"]
_WORDS = ["model", "dataset", "intervention", "level", "method", "metric", "against"]


def pack_scores(scores: pd.DataFrame) -> bytes:
    """Scores as a compressed CSV whose bytes depend on the numbers alone."""
    table = scores[COLUMNS].astype(dict.fromkeys(_WORDS, str))
    table = table.sort_values(_SORTED_BY, kind="stable")
    text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    return lzma.compress(text.encode(), preset=6)


def read_scores(path: Path) -> pd.DataFrame:
    """Read scores; columns of words become categories."""
    # "none" is a word here, not a missing value, and so is a level "1", which a category alone would make a number.
    table = pd.read_csv(path, keep_default_na=False, na_values={"value": [""]}, dtype=dict.fromkeys(_WORDS, str))
    return table.astype({name: "category" for name in _WORDS if name in table})


def load_scores(folder: Path | str) -> pd.DataFrame:
    """The scores of a report folder, with the run's constant parameters as columns."""
    folder = Path(folder)
    params = json.loads((folder / "results.json").read_text())["params"]
    constant = {name: value for name, value in params.items() if isinstance(value, str | int | float)}
    return read_scores(folder / "scores.csv.xz").assign(**constant)


def of_net(scores: pd.DataFrame, model: str, dataset: str, seed: int) -> pd.DataFrame:
    """The scores of one trained net."""
    return scores[(scores.model == model) & (scores.dataset == dataset) & (scores.seed == seed)]


def means(scores: pd.DataFrame, methods: list[str], metrics: list[str]) -> pd.DataFrame:
    """Mean similarity to the intact model's map: rows are nets and methods, columns metrics and steps."""
    chosen = scores[
        (scores.against == "original")
        & scores.method.isin(methods)
        & scores.metric.isin(metrics)
        & (scores.intervention == "cascade")
        & (scores.step > 0)
    ]
    table = chosen.pivot_table(
        index=["model", "dataset", "seed", "method"], columns=["metric", "step"], values="value", observed=True
    )
    return table.reindex(metrics, axis=1, level=0)
