"""The few plots of the papers, in one style; every mean with its 95 % interval, captions by the notebook."""

from lib.figures.curves import cascade_curves, orders_beside, stale_beside_true, sweep_curves
from lib.figures.edges import edge_finding, edge_likeness, edge_words, edges_alone, layers_curves
from lib.figures.exactness import completeness_curves, error_dots, noise_laws, power_of_ten, vargrad_curves
from lib.figures.galleries import gallery, rows_of
from lib.figures.looks import METRICS, SPOKEN, setting_words, spoken, style
from lib.figures.maps import map_grid
from lib.figures.patterns import common_patterns, pattern_shares
from lib.figures.rows import beside_nulls, full_reinit, unit_bars
from lib.figures.words import in_words, largest_changes, most_damaging_units, stage_names, swept

__all__ = [
    "METRICS",
    "SPOKEN",
    "beside_nulls",
    "cascade_curves",
    "common_patterns",
    "completeness_curves",
    "edge_finding",
    "edge_likeness",
    "edge_words",
    "edges_alone",
    "error_dots",
    "full_reinit",
    "gallery",
    "in_words",
    "largest_changes",
    "layers_curves",
    "map_grid",
    "most_damaging_units",
    "noise_laws",
    "orders_beside",
    "pattern_shares",
    "power_of_ten",
    "rows_of",
    "setting_words",
    "spoken",
    "stage_names",
    "stale_beside_true",
    "style",
    "sweep_curves",
    "swept",
    "unit_bars",
    "vargrad_curves",
]
