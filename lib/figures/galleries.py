"""Images and maps beside each other: each column one picture of a kind, each row one image or model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from lib.figures.looks import spoken
from lib.figures.pictures import bare, show_grey, show_signed

_WIDEST = 8.6
"""Width of a gallery in inches from which on its cells shrink."""


def gallery(rows: Mapping[str, Mapping[str, np.ndarray]], grey: tuple[str, ...] = ("image",)) -> Figure:
    """Pictures in rows and columns; a picture that a row does not have leaves its cell empty.

    Parameters
    ----------
    rows : name of the row -> name of the column, or of a method -> (H, W).
    grey : columns shown as grey pictures, 0 black and the largest value white; all others are signed maps, red
        above and blue below 0, each scaled by its own 99th percentile.
    """
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    cell = min(1.25, _WIDEST / len(columns))
    size = (cell * len(columns), cell * len(rows))
    figure, grid = plt.subplots(len(rows), len(columns), figsize=size, squeeze=False)
    for axes, (title, pictures) in zip(grid, rows.items(), strict=True):
        for axis, name in zip(axes, columns, strict=True):
            bare(axis)
            if name in pictures:
                show = show_grey if name in grey else show_signed
                show(axis, pictures[name])
        axes[0].set_ylabel(title.replace(", ", ",\n"), rotation=0, ha="right", va="center")
    for axis, name in zip(grid[0], columns, strict=True):
        axis.set_title(spoken(name).replace(" ", "\n"), fontsize=min(10, 8.5 * cell), va="bottom")
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1, wspace=0.06, hspace=0.06)
    return figure


def rows_of(
    pictures: Mapping[str, np.ndarray], numbers: Sequence[int], common: Sequence[str] = ("image",)
) -> dict[str, dict[str, np.ndarray]]:
    """Arrange pictures for a gallery: ``row: column`` -> a row of that title, for each of some images.

    Parameters
    ----------
    pictures : name -> (N, H, W); names without a colon are those of whole images.
    numbers : which images; with several, each title says which.
    common : names without a colon that open every row.
    """
    rows: dict[str, dict[str, np.ndarray]] = {}
    titles = dict.fromkeys(name.partition(":")[0] for name in pictures if ":" in name)
    for title in titles:
        for place, number in enumerate(numbers, 1):
            own = {name: pictures[name][number] for name in common}
            for name, picture in pictures.items():
                row, _, column = name.partition(":")
                if row == title and column:
                    own[column] = picture[number]
            rows[f"{title}, image {place}" if len(numbers) > 1 else title] = own
    return rows
