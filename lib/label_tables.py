"""The tables of the study of data randomization, made of its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from torch import Tensor

from lib.figures.looks import spoken
from lib.label_randomization import CURRENT_CLASS, LABELS
from lib.similarity import tie_floor
from lib.statistics import summary


def accuracy_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of each net and of its net of permuted labels, with 95 % intervals, rows in reading order."""
    measured = {"train_accuracy": "its own training images", "accuracy": "test images"}
    found = summary(scores[scores.metric.isin(list(measured))], ["model", "dataset", "seed", "level", "metric"])
    found = found.assign(metric=found.metric.map(measured)).rename(columns={"level": "labels", "metric": "measured on"})
    table = found.set_index(["model", "dataset", "seed", "labels", "measured on"]).sort_index()
    return table[["value", "low", "high", "images"]]


def sparsity_table(scores: Mapping[str, pd.DataFrame], empty: Mapping[str, Tensor]) -> pd.DataFrame:
    """Similarity of Gradient ⊙ input under true and permuted labels, beside what tied zeros alone give.

    Parameters
    ----------
    scores : name of a net -> its scores.
    empty : name of a net -> share of empty pixels of each of its images (N,).
    """
    rows = {}
    for name, own in scores.items():
        chosen = own[(own.intervention == LABELS) & (own.step == 1) & (own.against == "original")]
        mean = chosen[chosen.method == "gradient_x_input"].groupby("metric", observed=True).value.mean()
        rows[name] = {
            "empty pixels": empty[name].mean().item(),
            "tie floor": tie_floor(empty[name]).mean().item(),
            "measured, all pixels": mean["spearman_abs"],
            "measured, ink pixels": mean["spearman_abs_fg"],
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def class_table(scores: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Mean similarity of absolute maps if both nets explain one class, and if each explains its own; by method."""
    chosen = scores[(scores.metric == "spearman_abs") & (scores.against == "original") & (scores.step == 1)]
    columns = {"the same class": LABELS, "each net's own class": CURRENT_CLASS}
    means = {
        words: chosen[chosen.intervention == key].groupby("method", observed=True).value.mean()
        for words, key in columns.items()
    }
    return pd.DataFrame(means).reindex(list(methods)).rename(index=spoken)


def proxy_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Share of maps that the proxy classifier puts down to the right net, with 95 % intervals."""
    shown = {"told_apart": "signed maps", "told_apart_abs": "absolute maps"}
    found = summary(scores[scores.metric.isin(list(shown))], ["method", "metric"])
    found = found.assign(method=found.method.map(spoken), metric=found.metric.map(shown))
    return found.set_index(["method", "metric"])[["value", "low", "high", "images"]].sort_index()
