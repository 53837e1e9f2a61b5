"""Figures of networks with many units, and of the edges of photographs: they show what the table holds."""

from __future__ import annotations

import itertools

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from made_up import around, rows_of, scores
from matplotlib.colors import to_rgb

from lib import figures
from lib.errors import StudyError
from lib.figures.looks import METRICS
from lib.statistics import estimate

METHODS = ["gradient", "guided_backprop", "gradcam"]
UNITS = ["logits", *(f"block{number}" for number in range(17, 0, -1)), "stem"]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def walk(methods, metrics=("spearman_abs",), intervention="cascade", units=UNITS, against="original", low=0.0):
    """Scores of some methods along some units, each mean another number."""
    rng = np.random.default_rng(0)
    tables = []
    for method in methods:
        for metric in metrics:
            if intervention == "cascade":
                tables.append(rows_of(np.ones(4), method, metric, 0, level="none").assign(draw=-1))
            for step, unit in enumerate(units, start=1):
                values = around(rng.uniform(low, 1), 0.05, 4, 2, seed=step)
                tables.append(
                    rows_of(values, method, metric, step, level=unit, intervention=intervention, against=against)
                )
    return scores(*tables)


def mean(table, **wanted):
    for column, value in wanted.items():
        table = table[table[column] == value]
    return table.value.mean()


def written(value):
    return f"{value:.2f}".replace("0.", ".").replace("-", "−")


# One unit at a time -------------------------------------------------------------------------------------------------


def test_the_cells_of_the_table_are_the_means():
    table = walk(METHODS, ["spearman_abs", "ssim"], "independent", low=-0.3)
    table = scores(table, walk(METHODS), walk(METHODS, intervention="independent", against="edge"))
    figure = figures.unit_table(table, ["gradient", "gradcam", "vargrad"])
    axis = figure.axes[0]
    assert [each.get_text() for each in axis.get_yticklabels()] == ["Gradient", "GradCAM"]
    assert [each.get_text() for each in axis.get_xticklabels()] == UNITS
    own = table[(table.intervention == "independent") & (table.against == "original")]
    cells = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in axis.texts}
    assert len(cells) == 2 * 19
    colours = np.asarray(axis.collections[0].get_array()).reshape(2, 19)
    for row, method in enumerate(("gradient", "gradcam")):
        for column in range(19):
            expected = mean(own, method=method, metric="spearman_abs", step=column + 1)
            assert cells[row + 0.5, column + 0.5] == written(expected)
            assert colours[row, column] == pytest.approx(expected)
    assert axis.collections[0].get_clim() == (0.0, 1.0)
    other = figures.unit_table(table, ["gradient"], "ssim").axes[0]
    assert other.texts[0].get_text() == written(mean(own, method="gradient", metric="ssim", step=1))
    assert METRICS["ssim"] in [each.get_ylabel() for each in figure.axes + other.figure.axes]


def test_a_cell_without_a_number_says_so():
    table = walk(METHODS[:2], intervention="independent", units=UNITS[:3])
    gone = (table.method == "gradient") & (table.step == 2)
    figure = figures.unit_table(table.assign(value=table.value.mask(gone)), METHODS)
    cells = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    assert cells[1.5, 0.5] == "–" and len(cells) == 6
    assert sum(each == "–" for each in cells.values()) == 1


def test_the_longest_interval_is_told():
    table = walk(METHODS, intervention="independent", units=UNITS[:4])
    wide = (table.method == "gradcam") & (table.step == 3)
    table = table.assign(value=table.value.where(~wide, 0.5 + 6 * (table.value - 0.5)))
    rows = [table[(table.method == method) & (table.step == step)] for method in METHODS for step in range(1, 5)]
    halves = [(estimate(each).high - estimate(each).low) / 2 for each in rows]
    assert max(halves) == halves[10] and figures.widest_interval(table, METHODS) == f"{max(halves):.2f}"
    assert figures.widest_interval(table, METHODS[:2]) == f"{max(halves[:8]):.2f}" != f"{max(halves):.2f}"
    one = table[(table.image == 0) & (table.draw == 0)]
    assert figures.widest_interval(one, METHODS) == "–"


def test_what_was_not_measured_makes_no_table():
    table = walk(METHODS, intervention="independent", units=UNITS[:4])
    with pytest.raises(StudyError, match="none of the methods"):
        figures.unit_table(table, ["vargrad"])
    with pytest.raises(StudyError, match="no rows of 'independent'"):
        figures.unit_table(walk(METHODS), METHODS)
    assert figures.widest_interval(table, ["vargrad"]) == "–"


# Is the image still seen --------------------------------------------------------------------------------------------


def test_lines_of_recognition_are_the_means_and_noise_is_grey():
    methods = ["gradient_x_input", "integrated_gradients(steps=15)", "noise_x_input"]
    table = walk(methods, intervention="recognition", units=UNITS[:9], against="input")
    figure = figures.recognition_curves(scores(table, walk(methods)), methods)
    axis = figure.axes[0]
    assert [each.get_text() for each in axis.get_xticklabels()] == UNITS[:9]
    assert [line.get_label() for line in axis.lines] == [
        "Gradient ⊙ input", "Integrated gradients, 15 steps", "Noise ⊙ input",
    ]  # fmt: skip
    for method, line, band in zip(methods, axis.lines, axis.collections, strict=True):
        assert list(line.get_xdata()) == list(range(1, 10))
        assert list(line.get_ydata()) == pytest.approx([mean(table, method=method, step=step) for step in range(1, 10)])
        ends = band.get_paths()[0].vertices
        for step in (1, 9):
            found = estimate(table[(table.method == method) & (table.step == step)])
            own = ends[ends[:, 0] == step][:, 1]
            assert (own.min(), own.max()) == pytest.approx((found.low, found.high))
    red, green, blue = to_rgb(axis.lines[-1].get_color())
    assert red == green == blue and axis.lines[-1].get_linestyle() == "--"
    assert all(line.get_linestyle() == "-" for line in axis.lines[:2])
    assert len({line.get_color() for line in axis.lines}) == 3


# Edges of photographs -----------------------------------------------------------------------------------------------


def marks(axis):
    """Label -> places of its marks, by height."""
    found = {}
    for each in axis.containers:
        line = each.lines[0]
        found[each.get_label()] = dict(zip(line.get_ydata(), line.get_xdata(), strict=True))
    return found


@pytest.mark.parametrize(
    ("draw", "intervention", "step", "first", "second"),
    [
        (
            figures.edge_likeness, "edge_detector", 0,
            ("edge", "edges of the image"), ("edge_other", "edges of another image"),
        ),
        (
            figures.edges_alone, "mask_input", 1,
            ("original", "map of the same image"), ("null_other_image", "null: map of another image"),
        ),
    ],
)  # fmt: skip
def test_panels_of_photographs_are_ranks_and_corrected_ssim(draw, intervention, step, first, second):
    rng = np.random.default_rng(0)
    centres = {
        (method, metric, against): rng.uniform(0.1, 0.9)
        for method in METHODS
        for metric in ("spearman_abs", "ssim", "ssim_corrected")
        for against in (first[0], second[0])
        if (metric, against) != ("ssim_corrected", second[0])
    }
    given = {"intervention": intervention, "step": step}
    table = scores(*(rows_of(around(value), *key[:2], against=key[2], **given) for key, value in centres.items()))
    table = scores(table, rows_of(around(0.5), "none", "confidence", against="none", intervention="mask_input", step=0))
    axes = draw(table, METHODS, figures.ON_PHOTOGRAPHS).axes
    assert [axis.get_title() for axis in axes] == list(figures.ON_PHOTOGRAPHS) and len(axes) == 2
    assert [each.get_text() for each in axes[0].get_yticklabels()] == ["Gradient", "Guided Backprop", "GradCAM"]
    for axis, metric in zip(axes, ("spearman_abs", "ssim_corrected"), strict=True):
        found = marks(axis)
        for against, label in (first, second):
            of_method = [centres.get((method, metric, against)) for method in METHODS]
            shown = {round(2 - height): place for height, place in found[label].items()}
            assert shown == pytest.approx({k: value for k, value in enumerate(of_method) if value is not None})
    assert marks(axes[0])[first[1]] and not marks(axes[1])[second[1]]
    figure = axes[0].figure
    assert [each.get_text() for each in figure.legends[0].get_texts()] == [first[1], second[1]]


def test_digits_keep_their_two_sets_of_pixels():
    table = scores(
        *(
            rows_of(around(0.5), method, metric, 0, intervention="edge_detector", against="edge")
            for method in METHODS
            for metric in ("spearman_abs", "spearman_abs_fg")
        )
    )
    titles = [axis.get_title() for axis in figures.edge_likeness(table, METHODS).axes]
    assert titles == ["all pixels, shared black included", "foreground only"]


# Many stages --------------------------------------------------------------------------------------------------------


def test_four_metrics_of_twenty_stages_stand_two_by_two():
    metrics = ["spearman_abs", "spearman", "ssim", "hog"]
    table = walk(METHODS, metrics)
    figure = figures.cascade_curves(table, METHODS, metrics)
    figure.canvas.draw()
    boxes = [axis.get_position() for axis in figure.axes]
    assert len(boxes) == 4 and len({round(box.x0, 3) for box in boxes}) == len({round(box.y0, 3) for box in boxes}) == 2
    assert [axis.get_title() for axis in figure.axes] == [METRICS[each] for each in metrics]
    assert [bool(axis.get_ylabel()) for axis in figure.axes] == [True, False, True, False]
    for axis, metric in zip(figure.axes, metrics, strict=True):
        names = axis.get_xticklabels()
        assert [each.get_text() for each in names] == ["intact", *UNITS]
        assert all(each.get_visible() and each.get_fontsize() < 8 for each in names)
        curves = {line.get_label(): line for line in axis.lines}
        for method in METHODS:
            expected = [1.0, *(mean(table, method=method, metric=metric, step=step) for step in range(1, 20))]
            assert list(curves[figures.spoken(method)].get_ydata()) == pytest.approx(expected)
    (legend,) = figure.legends
    assert [each.get_text() for each in legend.get_texts()] == [figures.spoken(method) for method in METHODS]


@pytest.mark.parametrize(("count", "columns"), [(7, 3), (8, 2)])
def test_panels_stand_beside_each_other_while_stages_are_few(count, columns):
    table = walk(METHODS, ["spearman_abs", "ssim", "hog"], units=UNITS[:count])
    figure = figures.cascade_curves(table, METHODS, ["spearman_abs", "ssim", "hog"])
    assert len(figure.axes) == 3, "no empty panel"
    assert len({round(axis.get_position().x0, 3) for axis in figure.axes}) == columns


def test_names_of_twenty_columns_of_maps_do_not_touch():
    maps = {method: np.random.default_rng(0).normal(size=(20, 8, 8)) for method in METHODS}
    figure = figures.map_grid(maps, ["intact", *UNITS], signed=True)
    assert len(figure.axes) == 3 * 20 and figure.get_size_inches()[0] < 16
    renderer = figure.canvas.get_renderer()
    boxes = [axis.title.get_window_extent(renderer) for axis in figure.axes[:20]]
    assert all(left.x1 <= right.x0 for left, right in itertools.pairwise(boxes))
    for row, method in enumerate(METHODS):
        for column in (0, 7, 19):
            picture = figure.axes[20 * row + column].images[0]
            values, limit = np.asarray(picture.get_array()), picture.get_clim()[1]
            assert np.corrcoef(values.ravel(), maps[method][column].ravel())[0, 1] > 0.99
            assert picture.get_clim()[0] == -limit
