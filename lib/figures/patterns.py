"""The on-off patterns of 3x3 pixels that an image and a filter make, the commonest first."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure

from lib.sum_pool import pattern_codes

_SHOWN = 12


def common_patterns(active: np.ndarray) -> list[tuple[int, float]]:
    """Patterns and their shares of the pixels, the commonest first: see `lib.sum_pool.pattern_codes`.

    Parameters
    ----------
    active : (H, W), 1 where the filter answers above 0, else 0.
    """
    codes, counts = pattern_codes(torch.from_numpy(active > 0.5)[None]).unique(return_counts=True)
    order = counts.argsort(descending=True, stable=True)
    return [(int(codes[n]), float(counts[n]) / active.size) for n in order]


def pattern_shares(active: np.ndarray, gradient: np.ndarray) -> Figure:
    """The commonest patterns as little pictures under bars of their share, each with the gradient that it gives.

    Parameters
    ----------
    active : (H, W), 1 where the filter answers above 0, else 0.
    gradient : (H, W), of the same image and filter, scaled as one likes.
    """
    shown = common_patterns(active)[:_SHOWN]
    codes = pattern_codes(torch.from_numpy(active > 0.5)[None])[0].numpy()
    values = [float(gradient[codes == code].mean()) for code, _ in shown]
    limit = float(np.abs(gradient).max()) or 1.0
    colours = [plt.get_cmap("RdBu_r")(0.5 + 0.5 * value / limit) for value in values]
    figure, axis = plt.subplots(figsize=(8.2, 3.0))
    places = np.arange(len(shown))
    axis.bar(places, [share for _, share in shown], color=colours, edgecolor="0.3", width=0.72)
    axis.set_ylabel("share of the pixels")
    axis.set_xticks([])
    axis.set_xlim(-0.6, len(shown) - 0.4)
    axis.spines[["top", "right"]].set_visible(False)
    for place, (code, share) in enumerate(shown):
        axis.text(place, share, f"{share:.0%}", ha="center", va="bottom", fontsize=9)
        inset = axis.inset_axes((place - 0.3, -0.3, 0.6, 0.25), transform=axis.get_xaxis_transform())
        inset.imshow([[code >> (3 * row + column) & 1 for column in range(3)] for row in range(3)],
                     cmap="gray", vmin=-0.35, vmax=1.0, interpolation="nearest")  # fmt: skip
        inset.set_xticks([])
        inset.set_yticks([])
    axis.set_title("white: the unit is on; colour of a bar: the gradient it gives (red +, blue −)", fontsize=10)
    return figure
