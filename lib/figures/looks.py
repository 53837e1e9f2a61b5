"""What all figures share: how methods, metrics and settings are written, and how they look."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lib.attributions import CONTROLS

SPOKEN = {
    "gradient": "Gradient",
    "smoothgrad": "SmoothGrad",
    "gradient_x_input": "Gradient ⊙ input",
    "integrated_gradients": "Integrated gradients",
    "guided_backprop": "Guided Backprop",
    "gradcam": "GradCAM",
    "guided_gradcam": "Guided GradCAM",
    "deconvnet": "DeconvNet",
    "vargrad": "VarGrad",
    "ig_smoothgrad": "IG-SmoothGrad",
    "vargrad(of=integrated_gradients(steps=10),samples=25)": "VarGrad of IG",
    "integrated_gradients(reference=black)": "IG, black reference",
    "integrated_gradients(reference=mean)": "IG, mean reference",
    "integrated_gradients(reference=white)": "IG, white reference",
    "integrated_gradients(reference=pixelmin)": "IG, pixel-minimum reference",
    "integrated_gradients(quadrature=linspace)": "IG, both ends",
    "deeplift": "DeepLIFT",
    "deeplift(reference=mean)": "DeepLIFT, mean reference",
    "deeplift(reference=black)": "DeepLIFT, black reference",
    "lrp_epsilon": "ε-LRP",
    "lrp_epsilon(epsilon=0.0)": "ε-LRP, ε = 0",
    "dtd_zero": "DTD, zero root",
    "dtd_zplus": "DTD, z⁺",
    "dtd_zbox": "DTD, zᴮ",
    "dtd_w2": "DTD, w²",
    "pattern_net": "PatternNet",
    "pattern_attribution": "PatternAttribution",
    "dtd_zbox(low=pixelmin,high=pixelmax)": "DTD, zᴮ, box per pixel",
    "meaningful_perturbation(fill=zero)": "Meaningful perturbation, filled with 0",
    "integrated_gradients(steps=10)": "Integrated gradients, 10 steps",
    "integrated_gradients(reference=black,steps=10)": "IG, black reference, 10 steps",
    "smoothgrad_absolute": "SmoothGrad, σ fixed",
    "vargrad_absolute": "VarGrad, σ fixed",
    "meaningful_perturbation": "Meaningful perturbation",
    "smoothgrad(samples=10)": "SmoothGrad, 10 copies",
    "smoothgrad(samples=5)": "SmoothGrad, 5 copies",
    "vargrad(samples=5)": "VarGrad, 5 copies",
    "integrated_gradients(steps=5)": "Integrated gradients, 5 steps",
    "smoothgrad(samples=15)": "SmoothGrad, 15 copies",
    "vargrad(samples=15)": "VarGrad, 15 copies",
    "integrated_gradients(steps=15)": "Integrated gradients, 15 steps",
    "ig_smoothgrad(samples=5,steps=5)": "IG-SmoothGrad, 5 x 5",
    "noise_x_input": "Noise ⊙ input",
    "integrated_gradients(steps=3)": "Integrated gradients, 3 steps",
    "ig_smoothgrad(samples=5)": "IG-SmoothGrad, 5 copies",
    "competitive_gradient_x_input": "Competitive gradient ⊙ input",
    "competitive_gradient_x_input(keep=random)": "Pixels kept at random, 1 in C",
    "competitive_gradient_x_input(keep=random,classes=5)": "Pixels kept at random, 1 in 5",
    "dtd_zero(bias=out)": "DTD, zero root, biases left out",
    "lrp_epsilon(epsilon=0.0,bias=out)": "ε-LRP, ε = 0, biases left out",
    "pattern_net(patterns=shared)": "PatternNet, shared patterns",
    "pattern_net(estimator=linear)": "PatternNet, linear patterns",
    "pattern_net(estimator=centred)": "PatternNet, centred patterns",
    "pattern_attribution(patterns=shared)": "PatternAttribution, shared patterns",
    "pattern_attribution(estimator=linear)": "PatternAttribution, linear patterns",
    "pattern_attribution(estimator=centred)": "PatternAttribution, centred patterns",
    "gradcam(layer=net.Mixed_6e)": "GradCAM, mixed_6e",
    "guided_gradcam(layer=net.Mixed_6e)": "Guided GradCAM, mixed_6e",
    "edge": "Edges (control)",
    "input": "Input (control)",
    "random": "Random (control)",
}
"""How figures write a method; others appear under their own name."""

METRICS = {
    "spearman_abs": "absolute maps: $\\rho_a$",
    "spearman": "signed maps: $\\rho$",
    "spearman_abs_fg": "absolute maps, foreground only",
    "spearman_fg": "signed maps, foreground only",
    "sign_agreement_fg": "share of equal signs, foreground",
    "ssim": "SSIM",
    "ssim_corrected": "SSIM from the shuffled map's up: $s^*$",
    "hog": "HOG",
}

_COLOURS = [each for each in sns.color_palette("colorblind", 10) if max(each) - min(each) > 0.1]
"""The palette without its grey, which is left to the controls."""

_MARKERS = "osD^vPX*<>"

_FIXED = tuple(SPOKEN)[: len(_COLOURS)]
"""The methods of every report: each has a colour of its own, also where others are not shown."""


def spoken(method: str) -> str:
    """A method's name as figures write it; ``smoothgrad(of=gradcam)`` becomes SmoothGrad of GradCAM.

    Of a method of your own it is what stands behind the colon: ``package.module:halves`` becomes halves.
    """
    inner = re.fullmatch(r"(\w+)\(of=([\w.:]+(?:\(.*\))?)\)", method)
    if method not in SPOKEN and inner:
        return f"{spoken(inner[1]).partition(',')[0]} of {spoken(inner[2])}"
    if method not in SPOKEN and re.match(r"[\w.]+:", method):
        # Of a dotted path, or what was handed over in Python, the name of the function says enough.
        place, _, name = method.partition(":")
        return f"{name} (Captum)" if place.startswith("captum.") else name
    return SPOKEN.get(method, method)


def setting_words(intervention: str) -> str:
    """How a legend writes an intervention: ``cascade(init=tn(0.1))`` becomes ``init = tn(0.1)``."""
    words = {"cascade": "main setting", "reverse": "bottom-up", "independent": "one unit at a time"}
    inner = re.fullmatch(r"\w+\((.+)\)", intervention)
    return inner[1].replace("=", " = ").replace(",", ", ") if inner else words.get(intervention, intervention)


def style(methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour, marker and line of every method. Controls are grey and dashed.

    The first nine of `SPOKEN` look the same in all figures of all runs; the others take the looks that are free.
    """
    free = (slot for slot in itertools.count() if slot >= len(_FIXED) or _FIXED[slot] not in methods)
    found: dict[str, dict[str, Any]] = {}
    for method in methods:
        if method not in CONTROLS:
            found[method] = _look(_FIXED.index(method) if method in _FIXED else next(free))
    for method, marker in zip(CONTROLS, "|1x", strict=True):
        found[method] = {"color": "0.55", "marker": marker, "linestyle": "--"}
    return found


def setting_style(interventions: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Colour and marker of every intervention; the first, from which the others depart, is nearly black."""
    main = {"color": "0.15", "marker": "o", "linestyle": "-"}
    return {each: _look(number) if number else main for number, each in enumerate(interventions)}


def _look(slot: int) -> dict[str, Any]:
    return {
        "color": _COLOURS[slot % len(_COLOURS)],
        "marker": _MARKERS[slot % len(_MARKERS)],
        "linestyle": "-",
        # Yellow and pink are pale on white.
        "markeredgecolor": "0.25",
        "markeredgewidth": 0.6,
    }


def panels(count: int, per_row: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """Small multiples with common axes, row by row; tick names below the lowest of each column and at the left.

    Parameters
    ----------
    count, per_row : number of panels, at most ``per_row`` beside each other.
    width, height : of a panel, in inches.
    """
    columns = min(count, per_row)
    rows = -(-count // columns)
    size = (width * columns, height * rows)
    figure, grid = plt.subplots(rows, columns, figsize=size, sharex=True, sharey=True, squeeze=False)
    axes = list(grid.flat)
    for axis in axes[count:]:
        axis.remove()
    for axis in axes[max(count - columns, 0) : count]:
        axis.tick_params(labelbottom=True)
    return figure, axes[:count]


def legend_above(axis: Axes, columns: int) -> None:
    """The legend of a figure of one panel, above it."""
    axis.legend(loc="lower center", bbox_to_anchor=(0.42, 1.0), ncols=columns, frameon=False, fontsize=9)


def legend_below(figure: Figure, axes: Sequence[Axes], columns: int) -> None:
    """One legend for all panels, below them, each entry once."""
    entries: dict[str, Artist] = {}
    for axis in axes:
        handles, labels = axis.get_legend_handles_labels()
        entries = dict(zip(labels, handles, strict=True)) | entries
    figure.tight_layout()
    figure.legend(
        entries.values(),
        entries.keys(),
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=columns,
        frameon=False,
        fontsize=9,
    )
