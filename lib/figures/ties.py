"""What the zeros and the brightness of an image demand of a rank correlation, beside what is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.figure import Figure

from lib.competition import INTERVENTION, kept_by_chance
from lib.errors import StudyError
from lib.figures.looks import legend_below, spoken
from lib.similarity import tie_floor
from lib.statistics import cells, crossed_mean

_MOST_DOTS = 2000
"""More images than this hide one another in a scatter plot."""


def tie_curve(sets: Mapping[str, pd.DataFrame], real: Mapping[str, pd.DataFrame]) -> Figure:
    """Image by image: zeros against the similarity of two noise products, and how well the image alone predicts it.

    Left: the share of zeros and the similarity over all pixels, with the tie floor for products that are unrelated on
    the foreground, and real Gradient ⊙ input. Right: the similarity on the foreground, predicted from the image and
    measured with one pair of noise.

    Parameters
    ----------
    sets : title -> table of `zeros_and_similarity`.
    real : title -> the same of Gradient ⊙ input before and after a net was destroyed; may be empty.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 4.0), width_ratios=[1.35, 1])
    everything = pd.concat(sets.values())
    least, most = everything.zero_share.min() - 0.05, everything.zero_share.max() + 0.02
    zeros = torch.linspace(max(0.0, least), min(1.0, most), 200)
    left.plot(zeros, tie_floor(zeros), color="0.15", label="tie floor: unrelated on the foreground")
    for (title, table), colour in zip(sets.items(), ["#0173b2", "#de8f05", "#029e73"], strict=False):
        shown = table.iloc[:: -(-len(table) // _MOST_DOTS)]
        dots: dict[str, Any] = {"color": colour, "s": 5, "alpha": 0.35, "linewidths": 0, "rasterized": True}
        left.scatter(shown.zero_share, shown.spearman_abs, **dots)
        left.scatter([], [], color=colour, s=18, label=f"noise, each image of {title}")
        right.scatter(shown.expected_fg, shown.spearman_abs_fg, **dots)
    for (title, table), colour in zip(real.items(), ["#d55e00", "#cc78bc"], strict=False):
        look: dict[str, Any] = {"color": colour, "marker": "x", "s": 22, "linewidths": 1.0}
        left.scatter(table.zero_share, table.spearman_abs, label=f"gradient ⊙ input, {title}, before and after", **look)
        right.scatter(table.expected_fg, table.spearman_abs_fg, **look)
    left.set_xlabel("share of zero pixels in the image, $p_0$")
    left.set_ylabel("similarity of absolute maps, $\\rho_a$")
    ends = [min(-0.05, everything.spearman_abs_fg.min()), max(everything.expected_fg.max(), 0.6) + 0.05]
    right.plot(ends, ends, color="0.15", linewidth=1.0)
    right.set_xlabel("foreground: predicted from the image alone")
    right.set_ylabel("foreground: measured")
    sns.despine(figure)
    legend_below(figure, [left], 2)
    return figure


def zeros_and_similarity(scores: pd.DataFrame) -> pd.DataFrame:
    """The numbers of `lib.tie_floors.tie_scores`, one row per image and one column per metric.

    Parameters
    ----------
    scores : of one image set.
    """
    ties = scores[scores.intervention == "ties"]
    if ties.empty:
        raise StudyError("The scores have no rows of ties; compute them or leave this figure out.")
    return ties.pivot_table(index="image", columns="metric", values="value", observed=True)


def destroyed_gradient(scores: pd.DataFrame, ties: pd.DataFrame) -> pd.DataFrame:
    """Gradient ⊙ input of a trained and of the destroyed net compared, mean over draws, beside the image's own numbers.

    Parameters
    ----------
    scores : of one net, with the intervention ``competition``.
    ties : `zeros_and_similarity` of the net's data set.
    """
    own = _cascade_of_product(scores)
    own = own[own.step == own.step.max()]
    found = own.pivot_table(index="image", columns="metric", values="value", observed=True)
    return ties[["zero_share", "expected_fg"]].join(found[["spearman_abs", "spearman_abs_fg"]], how="inner")


def surplus_table(nets: Mapping[str, pd.DataFrame], ties: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What Gradient ⊙ input keeps of its ranking on the foreground beyond what the image alone predicts.

    Parameters
    ----------
    nets : name -> scores of one net, with the intervention ``competition``.
    ties : the same names -> `zeros_and_similarity` of the net's data set.

    Returns
    -------
    Rows are nets and the unit down to which they are destroyed. Columns: mean similarity, its prediction from the
    same images, their difference with its 95 % interval (paired by image, draws crossed), and the correlation of the
    two over images.
    """
    rows = {}
    for name, scores in nets.items():
        own = _cascade_of_product(scores)
        for (step, unit), stage in own[own.metric == "spearman_abs_fg"].groupby(["step", "level"], observed=True):
            measured = cells(stage)
            predicted = ties[name].expected_fg.reindex(measured.index)
            found = crossed_mean(measured.sub(predicted, axis=0).to_numpy())
            if step:
                rows[name, unit] = {
                    "measured": float(np.nanmean(measured)),
                    "predicted": predicted.mean(),
                    "difference": found.value,
                    "from": found.low,
                    "to": found.high,
                    "correlation": measured.mean(axis=1).corr(predicted),
                }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["net", "destroyed down to"])


def _cascade_of_product(scores: pd.DataFrame) -> pd.DataFrame:
    """Gradient ⊙ input compared with the intact net's."""
    own = scores[(scores.intervention == INTERVENTION) & (scores.method == "gradient_x_input")]
    return own[own.against == "original"]


def mean_floor(ties: pd.DataFrame) -> float:
    """The mean tie floor of the images in a table of `zeros_and_similarity`."""
    return float(tie_floor(torch.tensor(ties.zero_share.to_numpy())).mean())


def competition_table(scores: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """How much of the foreground each map keeps, and how similar maps are that keep so much: rows are nets and methods.

    Parameters
    ----------
    scores : with the intervention ``competition``, of any number of nets.
    methods : in the order of the rows; those that were not measured are left out.
    """
    rows = {}
    for net, own in scores[scores.intervention == INTERVENTION].groupby(["model", "dataset", "seed"], observed=True):
        last = own.step.max()
        share = own[own.metric == "foreground_share"].set_index("image").value
        for method in methods:
            table = own[own.method == method]
            kept = table[table.metric == "kept_share"].pivot_table(index="image", columns="step", values="value")
            if kept.empty:
                continue
            numbers = [torch.tensor(each.reindex(kept.index).to_numpy()) for each in (kept[0], kept[last], share)]
            plain = table[table.metric == "spearman_abs"]
            again = plain[plain.against == "self"] if (plain.against == "self").any() else plain[plain.step == 0]
            rows["-".join(map(str, net[:2])) + (f"-seed{net[2]}" if net[2] else ""), spoken(method)] = {
                "kept": kept[0].mean(),
                "kept, destroyed": kept[last].mean(),
                "similarity": plain[(plain.against == "original") & (plain.step == last)].value.mean(),
                "by lot": float(kept_by_chance(*numbers).mean()),
                "to itself": again[again.against != "null_other_image"].value.mean(),
            }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis(["net", "map"])
