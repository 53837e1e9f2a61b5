"""The few plots of the papers, in one style; every mean with its 95 % interval, captions by the notebook."""

from lib.figures.curves import cascade_curves, orders_beside, stale_beside_true, sweep_curves
from lib.figures.labels import NETS, label_bars, label_dots, label_similarities, label_words
from lib.figures.looks import METRICS, SPOKEN, setting_words, spoken, style
from lib.figures.maps import map_grid
from lib.figures.rows import beside_nulls, full_reinit, unit_bars
from lib.figures.words import in_words, largest_changes, most_damaging_units, stage_names, swept

__all__ = [
    "METRICS",
    "NETS",
    "SPOKEN",
    "beside_nulls",
    "cascade_curves",
    "full_reinit",
    "in_words",
    "label_bars",
    "label_dots",
    "label_similarities",
    "label_words",
    "largest_changes",
    "map_grid",
    "most_damaging_units",
    "orders_beside",
    "setting_words",
    "spoken",
    "stage_names",
    "stale_beside_true",
    "style",
    "sweep_curves",
    "swept",
    "unit_bars",
]
