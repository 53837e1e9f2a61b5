"""What metrics say of independent random masks: pictures, chance in units of theory, orientations, tails, spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from lib.chance import gaussian_ssim, uniform_orientations
from lib.figures.looks import legend_below, setting_style
from lib.mask_scores import DATA_RANGES, SCALES, reading
from lib.masks import family_of
from lib.similarity import NORMALISATIONS
from lib.statistics import summary

_FAMILIES = {
    "uniform": "uniform",
    "gaussian": "Gaussian",
    "lognormal": "log-normal, log-std {:g}",
    "positive_lognormal": "positive log-normal, log-std {:g}",
    "laplace_power": "Laplace, power {:g}",
    "student_t": "Student's t, {:g} degrees",
}

SCALE_WORDS = {
    "max": "divided by the largest value",
    "p99": "divided by the 99th percentile",
    "std": "divided by the root mean square",
    "none": "not divided",
}
"""How legends write what a map is divided by."""


def law_words(law: str) -> str:
    """A law as figures write it."""
    family, parameter = family_of(law)
    return _FAMILIES[family].format(parameter)


def _means(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean of every metric between independent masks: rows are laws, columns metrics."""
    chosen = scores[(scores.intervention == "masks") & (scores.level == "none")]
    return chosen.groupby(["method", "metric"], observed=True).value.mean().unstack()


def mask_pairs(pictures: Mapping[str, np.ndarray], scores: pd.DataFrame) -> Figure:
    """Two independent masks of each law as SSIM sees them, with the mean similarities of such pairs below.

    Parameters
    ----------
    pictures : law -> (2, H, W) in [-1, 1].
    scores : of `lib.mask_scores.mask_scores`.
    """
    means = _means(scores)
    figure, axes = plt.subplots(2, len(pictures), figsize=(1.6 * len(pictures), 3.9), squeeze=False)
    for column, (law, pair) in zip(axes.T, pictures.items(), strict=True):
        for axis, picture in zip(column, pair, strict=True):
            axis.imshow(picture, cmap="RdBu_r", vmin=-1.0, vmax=1.0, interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
        column[0].set_title(law_words(law).replace(", ", "\n"), fontsize=9)
        own = means.loc[law]
        words = {"SSIM": own.ssim, "HOG": own.hog, "$\\rho_a$": own.spearman_abs}
        told = "\n".join(f"{name} {_three_digits(value)}" for name, value in words.items())
        column[1].set_xlabel(told, fontsize=10)
    axes[0][0].set_ylabel("one mask")
    axes[1][0].set_ylabel("another")
    figure.tight_layout()
    return figure


def chance_strip(standard: pd.DataFrame) -> Figure:
    """Rank correlations in units of their standard error, beside the normal law that chance gives them.

    Parameters
    ----------
    standard : of `lib.calibration.standard_scores`.
    """
    figure, axis = plt.subplots(figsize=(7.6, 2.9))
    grid = np.linspace(-4.2, 4.2, 300)
    axis.fill_between(grid, stats.norm.pdf(grid) * 4.5, color="0.88", label="what chance alone gives", zorder=0)
    looks = {"printed": ("printed in the paper", "#d55e00", "D", 1.2), "ours": ("measured here", "#0173b2", "o", 0.5)}
    for source, (words, colour, marker, height) in looks.items():
        own = standard[standard.source == source]
        axis.plot(own.z, np.full(len(own), height), marker, color=colour, label=words, markeredgecolor="white")
    for bound in (-1.96, 1.96):
        axis.axvline(bound, color="0.4", linestyle=":", linewidth=1.0)
    axis.set_ylim(0.0, 1.9)
    axis.set_yticks([])
    axis.set_xlabel("mean rank correlation of unrelated maps, in standard errors of that mean (dotted: ±1.96)")
    sns.despine(ax=axis, left=True)
    legend_below(figure, [axis], 3)
    return figure


def orientation_bars(scores: pd.DataFrame, laws: Sequence[str]) -> Figure:
    """Mean HOG feature of each orientation, relative to the mean of all; one panel per law.

    Black ticks are the closed form, for the laws that have one. The title gives the correlation of the features of two
    independent masks, and what is left of it if each orientation is centred and the border left out.
    """
    means = _means(scores)
    figure, axes = plt.subplots(1, len(laws), figsize=(2.7 * len(laws), 2.9), sharey=True, squeeze=False)
    theory = {"uniform": 9.0 * uniform_orientations(), "gaussian": np.ones(9)}
    for axis, law in zip(axes[0], laws, strict=True):
        chosen = scores[(scores.metric == "orientation") & (scores.method == law)]
        by_angle = chosen.assign(angle=chosen.level.astype(str).astype(float)).groupby("angle").value.mean()
        axis.bar(by_angle.index, by_angle, width=17, color="#0173b2")
        if family_of(law)[0] in theory:
            axis.plot(by_angle.index, theory[family_of(law)[0]], "_", color="black", markersize=15, markeredgewidth=2)
        axis.axhline(1.0, color="0.4", linewidth=0.8, linestyle=":")
        own = means.loc[law]
        told = f"HOG {_three_digits(own.hog)}\ninside, centred {_three_digits(own.hog_inside)}"
        axis.set_title(f"{law_words(law)}\n{told}", fontsize=9)
        axis.set_xticks([0, 45, 90, 135, 180])
        axis.set_xlabel("direction of the gradient (°)")
        sns.despine(ax=axis)
    axes[0][0].set_ylabel("mean feature / overall mean")
    figure.tight_layout()
    return figure


def tail_curves(scores: pd.DataFrame) -> Figure:
    """Similarity of independent log-normal masks against the weight of their tails; 95 % intervals.

    Panels: SSIM after three normalisations, HOG with and without its orientation means, rank correlation. Solid with
    random signs, dashed with one sign.
    """
    lines = {
        "SSIM": {SCALE_WORDS[each]: reading("ssim", each) for each in NORMALISATIONS},
        "HOG": {"as it is": "hog", "centred, without the border": "hog_inside"},
        "$\\rho_a$": {"absolute maps": "spearman_abs"},
    }
    figure, axes = plt.subplots(1, len(lines), figsize=(9.0, 3.4), sharey=True)
    for axis, (title, curves) in zip(axes, lines.items(), strict=True):
        looks = setting_style(list(curves.values()))
        for words, metric in curves.items():
            for family, line in (("lognormal", "-"), ("positive_lognormal", "--")):
                curve = _by_parameter(scores, metric, family)
                look = looks[metric] | {"linestyle": line}
                axis.fill_between(curve.index, curve.low, curve.high, color=look["color"], alpha=0.18, linewidth=0)
                axis.plot(curve.index, curve.value, markersize=5, label=words if line == "-" else None, **look)
        axis.axhline(0.0, color="0.8", linewidth=0.8, zorder=0)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("std of the log-amplitude")
        axis.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.26))
        sns.despine(ax=axis)
    axes[0].set_ylabel("similarity of two independent masks")
    figure.tight_layout()
    return figure


def _by_parameter(scores: pd.DataFrame, metric: str, family: str) -> pd.DataFrame:
    """Mean and interval of a metric by the parameter of a family of laws, ascending."""
    chosen = scores[(scores.intervention == "masks") & (scores.metric == metric) & (scores.level == "none")]
    found = summary(chosen, ["method"])
    parameters = {law: family_of(law)[1] for law in found.method if family_of(law)[0] == family}
    own = found[found.method.isin(list(parameters))]
    return own.assign(parameter=own.method.map(parameters).astype(float)).set_index("parameter").sort_index()


def ssim_by_spread(scores: pd.DataFrame) -> Figure:
    """SSIM of independent masks against the spread of their typical window, in units of the range; one mark per scale.

    The curve is the closed form for Gaussian pixels. Masks of one sign are left out: the curve is for mean 0.
    """
    means = _means(scores)
    laws = [law for law in means.index if family_of(law)[0] != "positive_lognormal"]
    figure, axis = plt.subplots(figsize=(7.6, 4.2))
    spread = np.geomspace(1e-4, 4.0, 300)
    axis.plot(spread, gaussian_ssim(spread), color="black", linewidth=1.4, label="theory, Gaussian pixels", zorder=1)
    looks = setting_style(["", *SCALES])
    for scale in SCALES:
        spreads = [means.loc[law, reading("window_std", scale)] for law in laws]
        for data_range in DATA_RANGES:
            places = np.multiply(2 / data_range, spreads)
            values = [means.loc[law, reading("ssim", scale, data_range)] for law in laws]
            look = looks[scale] | {"linestyle": "", "markersize": 6}
            axis.plot(places, values, label=SCALE_WORDS[scale], **look)
    _name_points(axis, means, laws)
    axis.set_xscale("log")
    axis.set_xlim(left=min(0.005, 0.6 * float(means.loc[laws, "window_std"].min())), right=4.0)
    axis.set_ylim(-0.05, 1.05)
    axis.set_xlabel("std inside the typical 5x5 window, where the range of values is 2")
    axis.set_ylabel("SSIM of two independent masks")
    sns.despine(ax=axis)
    legend_below(figure, [axis], 3)
    return figure


def _name_points(axis: Axes, means: pd.DataFrame, laws: Sequence[str]) -> None:
    """Name the laws at their marks for range 2 after division by the largest value, where SSIM is not 0.

    Names stand a little lower and a little higher in turn, because neighbours may have nearly the same place.
    """
    high = means.loc[list(laws)].query("ssim > 0.1").sort_values("window_std")
    for number, (law, own) in enumerate(high.iterrows()):
        offset = (8, 4 if number % 2 == 0 else -10)
        place = (own.window_std, own.ssim)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8}
        words = law_words(str(law))
        axis.annotate(words, place, xytext=offset, textcoords="offset points", fontsize=8, color="0.3", bbox=box)


def mask_words(scores: pd.DataFrame, laws: Sequence[str], metric: str) -> str:
    """Mean similarity of independent masks by law, for a caption: ``0.083 (uniform), 0.004 (Gaussian)``."""
    means = _means(scores)[metric]
    return ", ".join(f"{_three_digits(means[law])} ({law_words(law)})" for law in laws)


def chance_words(standard: pd.DataFrame, source: str) -> str:
    """How many standard scores lie beyond ±1.96, and the farthest, for a caption.

    Parameters
    ----------
    standard : of `lib.calibration.standard_scores`.
    source : ``printed`` or ``ours``.
    """
    own = standard[standard.source == source]
    farthest = own.loc[own.z.abs().idxmax()]
    beyond = int((own.z.abs() > 1.96).sum())
    return f"{beyond} of {len(own)} beyond ±1.96, the farthest at {farthest.z:.1f}".replace("-", "−")


def _three_digits(value: float) -> str:
    """A number with a real minus and no negative zero."""
    return f"{value:.3f}".replace("-0.000", "0.000").replace("-", "−")
