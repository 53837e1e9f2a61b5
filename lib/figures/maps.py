"""Maps as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from lib.figures.looks import spoken
from lib.figures.pictures import bare, show_positive, show_signed

_TALLEST = 11.0
"""Height of a grid in inches from which on its cells shrink, so that it can be seen as a whole."""


_WIDEST = 10.5
"""The same of its width."""

_LONG = 10
"""Letters of the longest name of a stage that stands on one line."""


def map_grid(maps: Mapping[str, np.ndarray], columns: Sequence[str], signed: bool) -> Figure:
    """Maps of one image: rows are methods, columns are stages of the model.

    Parameters
    ----------
    maps : method -> (stages, H, W), signed.
    columns : names of the stages; each word on a line of its own, and each part of a name longer than `_LONG`.
    signed : show signs on a diverging map centred at 0, else absolute values on a sequential one.
    """
    cell = min(0.95, _TALLEST / len(maps), _WIDEST / len(columns))
    size = (cell * len(columns), cell * len(maps))
    figure, axes = plt.subplots(len(maps), len(columns), figsize=size, squeeze=False)
    for row, (method, stages) in zip(axes, maps.items(), strict=True):
        for axis, picture in zip(row, stages, strict=True):
            if signed:
                show_signed(axis, picture)
            else:
                show_positive(axis, np.abs(picture))
            bare(axis)
        row[0].set_ylabel(spoken(method), rotation=0, ha="right", va="center")
    words = [(name.replace("_", " ") if len(name) > _LONG else name).split() for name in columns]
    longest = max(len(word) for name in words for word in name)
    for axis, name in zip(axes[0], words, strict=True):
        axis.set_title("\n".join(name), fontsize=min(10, 110 * cell / longest))
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1, wspace=0.06, hspace=0.06)
    return figure
