"""The few plots of the papers, in one style; every mean with its 95 % interval, captions by the notebook."""

from lib.figures.causal import causal_graph
from lib.figures.curves import cascade_curves, orders_beside, stale_beside_true, sweep_curves
from lib.figures.edges import edge_finding, edge_likeness, edge_words, edges_alone, layers_curves
from lib.figures.exactness import completeness_curves, error_dots, noise_laws, power_of_ten, vargrad_curves
from lib.figures.galleries import gallery, rows_of
from lib.figures.invariance import change_words, invariance_means, invariance_table, invariance_verdict
from lib.figures.labels import NETS, label_bars, label_dots, label_similarities, label_words
from lib.figures.looks import METRICS, SPOKEN, setting_words, spoken, style
from lib.figures.maps import map_grid
from lib.figures.masks import (
    chance_strip,
    chance_words,
    law_words,
    mask_pairs,
    mask_words,
    orientation_bars,
    ssim_by_spread,
    tail_curves,
)
from lib.figures.nulls import beside_null_words, normalisation_rows, null_grid, null_rows
from lib.figures.patterns import common_patterns, pattern_shares
from lib.figures.products import METRIC_LINES, PAIRS, law_table, noise_curves, noise_words, null_table, product_grid
from lib.figures.rows import beside_nulls, full_reinit, unit_bars
from lib.figures.tasks import (
    NET_WORDS,
    accuracy_table,
    as_cascades,
    cascade_words,
    check_table,
    law_of_random,
    mean_map_grid,
    net_dots,
    net_words,
    task_gallery,
    upper_words,
)
from lib.figures.ties import (
    competition_table,
    destroyed_gradient,
    mean_floor,
    surplus_table,
    tie_curve,
    zeros_and_similarity,
)
from lib.figures.words import in_words, largest_changes, most_damaging_units, stage_names, swept

__all__ = [
    "METRICS",
    "METRIC_LINES",
    "NETS",
    "NET_WORDS",
    "PAIRS",
    "SPOKEN",
    "accuracy_table",
    "as_cascades",
    "beside_null_words",
    "beside_nulls",
    "cascade_curves",
    "cascade_words",
    "causal_graph",
    "chance_strip",
    "chance_words",
    "change_words",
    "check_table",
    "common_patterns",
    "competition_table",
    "completeness_curves",
    "destroyed_gradient",
    "edge_finding",
    "edge_likeness",
    "edge_words",
    "edges_alone",
    "error_dots",
    "full_reinit",
    "gallery",
    "in_words",
    "invariance_means",
    "invariance_table",
    "invariance_verdict",
    "label_bars",
    "label_dots",
    "label_similarities",
    "label_words",
    "largest_changes",
    "law_of_random",
    "law_table",
    "law_words",
    "layers_curves",
    "map_grid",
    "mask_pairs",
    "mask_words",
    "mean_floor",
    "mean_map_grid",
    "most_damaging_units",
    "net_dots",
    "net_words",
    "noise_curves",
    "noise_laws",
    "noise_words",
    "normalisation_rows",
    "null_grid",
    "null_rows",
    "null_table",
    "orders_beside",
    "orientation_bars",
    "pattern_shares",
    "power_of_ten",
    "product_grid",
    "rows_of",
    "setting_words",
    "spoken",
    "ssim_by_spread",
    "stage_names",
    "stale_beside_true",
    "style",
    "surplus_table",
    "sweep_curves",
    "swept",
    "tail_curves",
    "task_gallery",
    "tie_curve",
    "unit_bars",
    "upper_words",
    "vargrad_curves",
    "zeros_and_similarity",
]
