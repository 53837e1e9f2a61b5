"""Maps as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from lib.figures.looks import spoken

_CLIP = 99.0
"""Maps are shown up to this percentile of their absolute values; similarities are computed on unclipped maps."""

_TALLEST = 11.0
"""Height of a grid in inches from which on its cells shrink, so that it can be seen as a whole."""


def map_grid(maps: Mapping[str, np.ndarray], columns: Sequence[str], signed: bool) -> Figure:
    """Maps of one image: rows are methods, columns are stages of the model.

    Parameters
    ----------
    maps : method -> (stages, H, W), signed.
    columns : names of the stages; each word on a line of its own.
    signed : show signs on a diverging map centred at 0, else absolute values on a sequential one.
    """
    cell = min(0.95, _TALLEST / len(maps))
    size = (cell * len(columns), cell * len(maps))
    figure, axes = plt.subplots(len(maps), len(columns), figsize=size, squeeze=False)
    for row, (method, stages) in zip(axes, maps.items(), strict=True):
        for axis, picture in zip(row, stages, strict=True):
            limit = np.percentile(np.abs(picture), _CLIP) or np.abs(picture).max() or 1.0
            # Each pixel a square of one colour; at some sizes the default would blur them.
            if signed:
                axis.imshow(picture, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
            else:
                axis.imshow(np.abs(picture), cmap="magma", vmin=0.0, vmax=limit, interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            sns.despine(ax=axis, left=True, bottom=True)
        row[0].set_ylabel(spoken(method), rotation=0, ha="right", va="center")
    longest = max(len(word) for name in columns for word in name.split())
    for axis, name in zip(axes[0], columns, strict=True):
        axis.set_title(name.replace(" ", "\n"), fontsize=min(10, 110 * cell / longest))
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1, wspace=0.06, hspace=0.06)
    return figure
