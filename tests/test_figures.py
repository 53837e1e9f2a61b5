"""The plots: they build for any number of methods, show what the table holds, and tell methods apart."""

from __future__ import annotations

import itertools

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from scipy import stats

from lib import figures
from lib.attributions import CONTROLS, METHODS
from lib.figures import beside_nulls, cascade_curves, in_words, map_grid, spoken, stage_names, style

UNITS = ["logits", "fc1", "conv2", "conv1"]
MANY = [*METHODS, "lrp_epsilon", "mypkg.mymethod:attribution"]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def scores_of(methods, metrics=("spearman_abs", "spearman"), images=3, draws=2, seed=0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for method, metric, image in itertools.product(methods, metrics, range(images)):
        common = {"intervention": "cascade", "method": method, "metric": metric, "image": image}
        intact = common | {"step": 0, "level": "none", "draw": -1}
        rows += [
            intact | {"against": "original", "value": 1.0},
            intact | {"against": "null_other_image", "value": rng.uniform(0, 0.3)},
        ]
        if method.startswith(("smoothgrad", "random")):
            rows.append(intact | {"against": "self", "value": rng.uniform(0.8, 1)})
        for draw, (step, unit) in itertools.product(range(draws), enumerate(UNITS, 1)):
            value = rng.uniform(0, 1)
            rows.append(common | {"step": step, "level": unit, "draw": draw, "against": "original", "value": value})
    return pd.DataFrame(rows)


def lines_of(axis, method):
    return next(line for line in axis.lines if line.get_label() == spoken(method))


def texts_of(figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(matplotlib.text.Text)}


@pytest.mark.parametrize("count", range(1, 13))
def test_every_figure_builds_for_one_to_twelve_methods(count):
    methods = MANY[:count]
    assert len(methods) == count
    scores = scores_of(methods, ["spearman_abs"], images=2)
    curves = cascade_curves(scores, methods, ["spearman_abs"], (0.9, 0.95))
    nulls = beside_nulls(scores, methods, "spearman_abs")
    grid = map_grid({method: np.ones((1, 4, 4)) for method in methods}, ["intact"], signed=False)
    if count in (1, 12):
        for figure in (curves, nulls, grid):
            figure.canvas.draw()
    legend = curves.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == [spoken(method) for method in methods]
    assert [label.get_text() for label in nulls.axes[0].get_yticklabels()] == [spoken(method) for method in methods]
    assert len(grid.axes) == count


def test_methods_can_be_told_apart():
    looks = style(MANY)
    assert set(MANY) <= looks.keys()
    pairs = [(to_hex(looks[method]["color"]), looks[method]["marker"]) for method in MANY]
    assert len(set(pairs)) == len(MANY)
    # Also by who sees no colours: neighbours in the legend differ in their marker.
    shown = [method for method in MANY if method not in CONTROLS]
    assert all(looks[one]["marker"] != looks[next_]["marker"] for one, next_ in itertools.pairwise(shown))
    many = style([f"method{number}" for number in range(30)])
    assert len({(to_hex(look["color"]), look["marker"]) for look in many.values()}) == len(many)
    for method in MANY:
        grey = np.ptp(matplotlib.colors.to_rgb(looks[method]["color"])) < 0.01
        assert grey == (method in CONTROLS) == (looks[method]["linestyle"] == "--")


def test_controls_take_no_colour_from_the_methods():
    with_controls = style(["edge", "gradient", "random", "smoothgrad"])
    without = style(["gradient", "smoothgrad"])
    assert all(with_controls[method] == without[method] for method in ("gradient", "smoothgrad"))


def test_stages_stand_in_the_order_of_the_cascade():
    scores = scores_of(["gradient"])
    assert stage_names(scores.sample(frac=1.0, random_state=0)) == ["intact", *UNITS]
    assert stage_names(scores.astype({"level": "category"})) == ["intact", *UNITS]
    other = scores.assign(intervention="independent", level="elsewhere")
    assert stage_names(pd.concat([other, scores])) == ["intact", *UNITS]
    axis = cascade_curves(scores, ["gradient"], ["spearman_abs"]).axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["intact", *UNITS]


def test_curves_show_the_means_and_intervals_of_the_table():
    # One draw, so that the interval is the ordinary one over images.
    scores = scores_of(["gradient", "smoothgrad"], images=6, draws=1)
    axes = cascade_curves(scores, ["gradient", "smoothgrad"], ["spearman_abs", "spearman"]).axes
    for axis, metric in zip(axes, ("spearman_abs", "spearman"), strict=True):
        for number, method in enumerate(("gradient", "smoothgrad")):
            rows = scores[(scores.method == method) & (scores.metric == metric) & (scores.against == "original")]
            groups = [group.value.to_numpy() for _, group in rows.groupby("step")]
            line = lines_of(axis, method)
            assert list(line.get_xdata()) == [0, 1, 2, 3, 4]
            np.testing.assert_allclose(line.get_ydata(), [group.mean() for group in groups])
            band = axis.collections[number].get_paths()[0].vertices
            for step, group in enumerate(groups[1:], start=1):
                low, high = stats.t.interval(0.95, 5, group.mean(), stats.sem(group))
                ends = band[band[:, 0] == step][:, 1]
                assert (ends.min(), ends.max()) == pytest.approx((low, high))
        assert axis.get_title() == figures.METRICS[metric]


def test_the_tie_floor_is_drawn_in_the_panel_of_absolute_maps_alone():
    scores = scores_of(["gradient"])
    word = "tie floor of products with the input"
    figure = cascade_curves(scores, ["gradient"], ["spearman", "spearman_abs"], (0.8, 0.9))
    hatched = [[each for each in axis.collections if each.get_hatch()] for axis in figure.axes]
    assert [len(found) for found in hatched] == [0, 1]
    heights = hatched[1][0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((0.8, 0.9))
    assert word in texts_of(figure)
    assert word not in texts_of(cascade_curves(scores, ["gradient"], ["spearman_abs"]))


def test_a_negative_curve_is_not_cut_off():
    scores = scores_of(["gradient"])
    scores.loc[scores.step == 4, "value"] = -0.8
    axis = cascade_curves(scores, ["gradient"], ["spearman"]).axes[0]
    low, high = axis.get_ylim()
    assert low <= -0.8 and high >= 1.0


def test_a_signed_grid_is_symmetrical_around_zero():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(3, 20, 20)) * np.array([1.0, 1e-19, 50.0])[:, None, None] + np.array(
        [[[2.0]], [[0]], [[0]]]
    )
    figure = map_grid({"gradient": maps}, ["intact", "logits", "fc1"], signed=True)
    for axis, picture in zip(figure.axes, maps, strict=True):
        image = axis.images[0]
        low, high = image.get_clim()
        assert low == -high and high == pytest.approx(np.percentile(np.abs(picture), 99), rel=1e-6)
        assert image.cmap.name == "RdBu_r"
        # The middle of a diverging map is white: zero has no colour.
        assert min(image.cmap(image.norm(0.0))[:3]) > 0.95
        np.testing.assert_array_equal(np.asarray(image.get_array()), picture)


def test_an_absolute_grid_starts_at_zero():
    maps = np.random.default_rng(0).normal(size=(2, 20, 20))
    figure = map_grid({"gradient": maps}, ["intact", "logits"], signed=False)
    for axis, picture in zip(figure.axes, maps, strict=True):
        image = axis.images[0]
        assert image.get_clim()[0] == 0.0
        np.testing.assert_array_equal(np.asarray(image.get_array()), np.abs(picture))


@pytest.mark.parametrize("signed", [False, True])
def test_a_constant_or_sparse_map_can_be_shown(signed):
    sparse = np.zeros((20, 20))
    sparse[3, 4] = 0.5
    figure = map_grid({"gradcam": np.stack([np.zeros((20, 20)), sparse])}, ["intact", "logits"], signed)
    figure.canvas.draw()
    limits = [axis.images[0].get_clim()[1] for axis in figure.axes]
    # The 99th percentile of the sparse map is 0, so its largest value takes its place.
    assert limits == [1.0, 0.5]


def test_rows_and_columns_of_a_grid_are_named():
    maps = {"guided_backprop": np.ones((2, 4, 4)), "mypkg.m:f": np.ones((2, 4, 4))}
    figure = map_grid(maps, ["intact", "logits"], signed=True)
    assert {"Guided Backprop", "mypkg.m:f", "intact", "logits"} <= texts_of(figure)


def test_nulls_stand_where_the_table_says():
    methods = ["gradient", "smoothgrad"]
    scores = scores_of(methods, images=6, draws=1)
    axis = beside_nulls(scores, methods, "spearman_abs").axes[0]
    marks = {container.get_label(): container[0] for container in axis.containers}
    chosen = scores[scores.metric == "spearman_abs"]
    asked = {
        "top unit randomized (logits)": ("original", 1, methods),
        "all units randomized": ("original", 4, methods),
        "null: map of another image": ("null_other_image", 0, methods),
        "ceiling: same image, other noise": ("self", 0, ["smoothgrad"]),
    }
    assert marks.keys() == asked.keys()
    for label, (against, step, shown) in asked.items():
        rows = chosen[(chosen.against == against) & (chosen.step == step)]
        found = dict(zip(marks[label].get_ydata(), marks[label].get_xdata(), strict=True))
        # The first method stands on top.
        expected = {1 - methods.index(method): rows[rows.method == method].value.mean() for method in shown}
        assert found == pytest.approx(expected), label


@pytest.mark.parametrize("without", ["null_other_image", "self"])
def test_nulls_without_a_kind_of_mark(without):
    scores = scores_of(["gradient", "smoothgrad"])
    figure = beside_nulls(scores[scores.against != without], ["gradient", "smoothgrad"], "spearman_abs")
    figure.canvas.draw()
    assert len(figure.axes[0].containers) == 4


def test_means_in_words():
    scores = scores_of(["gradient", "smoothgrad"])
    chosen = scores[(scores.method == "gradient") & (scores.metric == "spearman_abs") & (scores.against == "original")]
    first, last = (chosen[chosen.step == step].value.mean() for step in (1, 4))
    text = in_words(scores, ["gradient", "smoothgrad"], "spearman_abs")
    assert text.startswith(f"Gradient {first:.2f} → {last:.2f}, SmoothGrad 0.")
    null = scores[
        (scores.method == "gradient") & (scores.metric == "spearman") & (scores.against == "null_other_image")
    ]
    assert in_words(scores, ["gradient"], "spearman", "null_other_image") == f"Gradient {null.value.mean():.2f}"
    assert "nan" not in in_words(
        scores[scores.against != "null_other_image"], ["gradient"], "spearman", "null_other_image"
    )
