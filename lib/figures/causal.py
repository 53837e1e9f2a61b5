"""The causal graph of a sanity check: what decides a saliency map."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_NODES = {
    "T": ((0.0, 0.5), "task"),
    "M": ((1.0, 1.0), "model:\ntrained or random"),
    "X": ((1.0, 0.0), "image"),
    "S": ((2.0, 0.5), "saliency map"),
}
_EDGES = (("T", "M"), ("T", "X"), ("X", "S"), ("M", "S"))
_RADIUS = 0.13


def causal_graph() -> Figure:
    """The graph of Yona & Greenfeld 2021 with its four arrows, and dashed the fifth that their formula needs (E-36).

    Conditioning on the task closes the way from the model back over the task to the image.
    """
    figure, axis = plt.subplots(figsize=(6.0, 3.0))
    for start, end in _EDGES:
        _arrow(axis, start, end, {"color": "0.2", "linestyle": "-"})
    _arrow(axis, "T", "S", {"color": "#d55e00", "linestyle": (0, (4, 3))})
    axis.annotate("missing in print", (1.0, 0.5), xytext=(0, 5), textcoords="offset points", ha="center",
                  color="#d55e00", fontsize=9)  # fmt: skip
    for name, (place, words) in _NODES.items():
        axis.add_patch(plt.Circle(place, _RADIUS, facecolor="white", edgecolor="0.2", linewidth=1.4, zorder=3))
        axis.annotate(f"${name}$", place, ha="center", va="center", fontsize=13, zorder=4)
        above = name == "M"
        side = 1 if above else -1
        axis.annotate(words, (place[0], place[1] + side * _RADIUS), xytext=(0, 4 * side), textcoords="offset points",
                      ha="center", va="bottom" if above else "top", fontsize=9, color="0.3")  # fmt: skip
    axis.set_xlim(-0.35, 2.4)
    axis.set_ylim(-0.4, 1.5)
    axis.set_aspect("equal")
    axis.set_axis_off()
    figure.tight_layout()
    return figure


def _arrow(axis: Axes, start: str, end: str, look: dict[str, object]) -> None:
    places = [_NODES[name][0] for name in (end, start)]
    arrow = {"arrowstyle": "-|>", "shrinkA": 17, "shrinkB": 17, "linewidth": 1.4, "mutation_scale": 14}
    axis.annotate("", places[0], xytext=places[1], arrowprops=arrow | look)
