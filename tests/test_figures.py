"""The plots: they build for any number of methods, show what the table holds, and tell methods apart."""

from __future__ import annotations

import itertools

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb
from scipy import stats

from lib import figures
from lib.attributions import CONTROLS
from lib.errors import StudyError
from lib.figures import (
    beside_nulls,
    cascade_curves,
    full_reinit,
    in_words,
    largest_changes,
    map_grid,
    most_damaging_units,
    orders_beside,
    setting_words,
    spoken,
    stage_names,
    stale_beside_true,
    style,
    sweep_curves,
    swept,
    unit_bars,
)

UNITS = ["logits", "fc1", "conv2", "conv1"]
NINE = [
    "gradient",
    "smoothgrad",
    "vargrad",
    "gradient_x_input",
    "integrated_gradients",
    "guided_backprop",
    "deconvnet",
    "gradcam",
    "guided_gradcam",
]
COSTLY = [
    "ig_smoothgrad",
    "vargrad(of=integrated_gradients(steps=10),samples=25)",
    "integrated_gradients(reference=mean)",
]
MANY = [*NINE, *CONTROLS, *COSTLY, "mypkg.mymethod:attribution"]
SWEEPS = {
    "cascade": "tn(0.01), as printed",
    "cascade(init=uniform)": "uniform",
    "cascade(init=tn(0.1))": "tn(0.1)",
    "cascade(init=own)": "own",
    "cascade(init=kaiming)": "kaiming",
}
OTHERS = ["cascade(prefix=fresh)", "cascade(target=current)", "cascade(target=label)", "cascade(weights=stale)"]


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


def complete(methods=("gradient", "guided_backprop", "edge"), images=4, draws=1, metric="spearman_abs", seed=1):
    """All interventions of a report, and what every map is compared with."""
    rng = np.random.default_rng(seed)
    table = scores_of(methods, [metric], images, draws, seed)
    later = table[table.step > 0]

    def other(rows, **change):
        return rows.assign(value=rng.uniform(0.0, 1.0, len(rows)), **change)

    bottom_up = dict(enumerate(reversed(UNITS), start=1))
    parts = [table, other(later, intervention="independent")]
    parts.append(other(later, intervention="reverse", level=[bottom_up[step] for step in later.step]))
    parts += [other(later, intervention=each) for each in [*list(SWEEPS)[1:], *OTHERS]]
    for order, against in itertools.product(["cascade", "reverse", "independent"], ["edge", "input"]):
        rows = pd.concat(parts)
        rows = rows[(rows.intervention == order) & (rows.against == "original")]
        parts.append(other(rows, against=against))
    words = ["intervention", "level", "method", "metric", "against"]
    return pd.concat(parts, ignore_index=True).astype(dict.fromkeys(words, "category"))


def rows_of(scores, **wanted):
    for column, value in wanted.items():
        scores = scores[scores[column] == value]
    return scores


def by_hand(rows):
    """Mean and ordinary t interval; true for one draw."""
    values = rows.value.to_numpy()
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    return values.mean(), values.mean() - half, values.mean() + half


def curve_by_hand(scores, method, intervention):
    """Mean and interval of each stage, the intact one from the cascade."""
    chosen = rows_of(scores, method=method, against="original")
    stages = [rows_of(chosen, intervention="cascade", step=0)]
    stages += [rows_of(chosen, intervention=intervention, step=step) for step in (1, 2, 3, 4)]
    return [by_hand(rows)[0] for rows in stages], [by_hand(rows)[1:] for rows in stages[1:]]


def assert_curve(axis, label, means, intervals):
    line = next(line for line in axis.lines if line.get_label() == label)
    np.testing.assert_allclose(line.get_ydata(), means)
    assert list(line.get_xdata()) == [0, 1, 2, 3, 4]
    colour = to_hex(line.get_color())
    (band,) = [each for each in axis.collections if to_hex(each.get_facecolor()[0][:3]) == colour]
    vertices = band.get_paths()[0].vertices
    for step, (low, high) in enumerate(intervals, start=1):
        ends = vertices[vertices[:, 0] == step][:, 1]
        assert (ends.min(), ends.max()) == pytest.approx((low, high))


def segments_of(container):
    """Ends of an errorbar's horizontal whiskers."""
    return [(segment[:, 0].min(), segment[:, 0].max()) for segment in container[2][0].get_segments()]


def overlapping(figure, texts):
    """Pairs of texts that stand on each other in the drawn figure."""
    figure.canvas.draw()
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text() and text.get_visible()]
    return [(one, two) for (one, a), (two, b) in itertools.combinations(boxes, 2) if a.overlaps(b)]


def lines_of(axis, method):
    return next(line for line in axis.lines if line.get_label() == spoken(method))


def texts_of(figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(matplotlib.text.Text)}


@pytest.mark.parametrize("count", [1, 9, 15])
def test_every_figure_builds_for_one_to_fifteen_methods(count):
    methods = MANY[:count]
    names = [spoken(method) for method in methods]
    scores = complete(methods, images=2)
    curves = cascade_curves(scores, methods, ["spearman_abs"], (0.9, 0.95))
    orders = orders_beside(scores, methods)
    for figure in (curves, orders):
        assert [text.get_text() for text in figure.legends[0].get_texts()] == names
    bars = unit_bars(scores, methods)
    for figure in (bars, beside_nulls(scores, methods, "spearman_abs"), full_reinit(scores, methods)):
        labels = figure.axes[0].get_yticklabels()
        assert [label.get_text() for label in labels] == names
        assert not overlapping(figure, labels)
    sweep = sweep_curves(scores, methods, SWEEPS)
    assert [axis.get_title() for axis in sweep.axes] == names
    grid = map_grid({method: np.ones((2, 4, 4)) for method in methods}, ["intact", "hidden3 only"], signed=False)
    assert len(grid.axes) == 2 * count
    for figure in (curves, orders, bars, sweep, grid):
        titles = [axis.title for axis in figure.axes]
        outer = [figure._supxlabel, figure._supylabel] if figure is not grid else []
        legends = [text for legend in figure.legends for text in legend.get_texts()]
        ticks = [label for axis in figure.axes for label in axis.get_yticklabels()] if figure is bars else []
        shown = [text for text in [*titles, *outer, *legends, *ticks] if text is not None]
        assert not overlapping(figure, shown)


def test_methods_can_be_told_apart():
    looks = style(MANY)
    assert set(MANY) <= looks.keys()
    pairs = [(to_hex(looks[method]["color"]), looks[method]["marker"]) for method in MANY]
    assert len(set(pairs)) == len(MANY)
    # The nine methods of a report by either.
    for kind in ("color", "marker"):
        assert len({str(looks[method][kind]) for method in NINE}) == 9
    assert len({looks[method]["marker"] for method in [*NINE, *CONTROLS]}) == 12
    # Also by who sees no colours: neighbours in the legend differ in their marker.
    shown = [method for method in MANY if method not in CONTROLS]
    assert all(looks[one]["marker"] != looks[next_]["marker"] for one, next_ in itertools.pairwise(shown))
    many = style([f"method{number}" for number in range(30)])
    assert len({(to_hex(look["color"]), look["marker"]) for look in many.values()}) == len(many)
    for method in MANY:
        grey = np.ptp(to_rgb(looks[method]["color"])) < 0.01
        assert grey == (method in CONTROLS) == (looks[method]["linestyle"] == "--")


# Machado, Oliveira and Fernandes (2009), table 1, severity 1: linear RGB as seen without one kind of cone.
BLIND = {
    "without red cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "without green cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def seen(colour, kind) -> np.ndarray:
    """CIE Lab of a colour as a colour-blind eye sees it, reference white D65."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(np.array(BLIND[kind]) @ linear, 0, 1) / TO_XYZ.sum(1)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("kind", BLIND)
def test_the_colour_blind_can_tell_methods_and_settings_apart(kind):
    sets = [style(MANY), figures.looks.setting_style(list(SWEEPS))]
    for look, other in itertools.chain(*(itertools.combinations(looks.values(), 2) for looks in sets)):
        if look["marker"] == other["marker"]:
            assert np.linalg.norm(seen(look["color"], kind) - seen(other["color"], kind)) > 20
    red, green = "#d62728", "#2ca02c"
    plain = np.linalg.norm(np.subtract(to_rgb(red), to_rgb(green)))
    assert plain > 0.5 and np.linalg.norm(seen(red, kind) - seen(green, kind)) < 60, "the measure sees nothing"


def test_a_method_looks_the_same_in_all_figures():
    everything = style(MANY)
    for some in (NINE[::-1], ["guided_backprop"], ["mypkg.mymethod:attribution", "deconvnet", "edge"]):
        assert all(style(some)[method] == everything[method] for method in some if method in [*NINE, *CONTROLS])
    # Another method takes what no method shown has taken.
    mine = style(["gradient", "mypkg.mymethod:attribution"])
    assert mine["gradient"]["color"] != mine["mypkg.mymethod:attribution"]["color"]


def test_controls_take_no_colour_from_the_methods():
    with_controls = style(["edge", "gradient", "random", "smoothgrad"])
    without = style(["gradient", "smoothgrad"])
    assert all(with_controls[method] == without[method] for method in ("gradient", "smoothgrad"))


def test_stages_stand_in_the_order_of_the_cascade():
    scores = scores_of(["gradient"])
    assert stage_names(scores.sample(frac=1.0, random_state=0)) == ["intact", *UNITS]
    assert stage_names(scores.astype({"level": "category"})) == ["intact", *UNITS]
    everything = complete(["gradient"]).sample(frac=1.0, random_state=0)
    assert stage_names(everything) == ["intact", *UNITS]
    assert stage_names(everything, "cascade(init=own)") == ["intact", *UNITS]
    assert stage_names(everything, "reverse") == ["intact", *UNITS[::-1]]
    assert stage_names(everything, "independent") == ["intact", "logits only", "fc1 only", "conv2 only", "conv1 only"]
    with pytest.raises(StudyError, match="no rows of 'reverse'"):
        stage_names(scores, "reverse")
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


def test_a_negative_curve_in_the_second_panel_of_a_shared_axis_is_not_cut_off():
    scores = complete(images=4)
    scores.loc[(scores.intervention == "reverse") & (scores.step == 1) & (scores.method == "gradient"), "value"] = -0.6
    for axis in orders_beside(scores, ["gradient", "edge"]).axes:
        assert axis.get_ylim()[0] <= -0.6


def test_sweeps_are_found_by_their_field_and_their_changes_put_into_words():
    scores = complete(images=2)
    main = (scores.intervention == "cascade") & (scores.step > 0)
    scores.loc[main & (scores.against == "original"), "value"] = 0.5
    changed = scores[main & (scores.against == "original")].assign(intervention="cascade(init=own)")
    changed.loc[(changed.method == "gradient") & (changed.step == 2), "value"] = 0.2
    scores = pd.concat([scores[~scores.intervention.str.contains("=")], changed])
    assert swept(scores, "init") == ["cascade(init=own)"] and swept(scores, "target") == []
    words = largest_changes(scores, ["guided_backprop", "gradient", "edge"], {"cascade(init=own)": "own"})
    assert words == "own 0.30 (Gradient, step 2)"
    assert largest_changes(scores, ["gradient"], {}) == "nothing swept"


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
    maps = {"guided_backprop": np.ones((2, 4, 4)), "mypkg.m:halves": np.ones((2, 4, 4))}
    figure = map_grid(maps, ["intact", "logits"], signed=True)
    assert {"Guided Backprop", "halves", "intact", "logits"} <= texts_of(figure)


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
        found = {round(height): value for height, value in found.items()}
        # The first method stands on top.
        expected = {1 - methods.index(method): rows[rows.method == method].value.mean() for method in shown}
        assert found == pytest.approx(expected), label


@pytest.mark.parametrize("without", ["null_other_image", "self"])
def test_nulls_without_a_kind_of_mark(without):
    scores = scores_of(["gradient", "smoothgrad"])
    figure = beside_nulls(scores[scores.against != without], ["gradient", "smoothgrad"], "spearman_abs")
    figure.canvas.draw()
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert len(labels) == len(figure.axes[0].containers) == 3


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


def test_one_number_per_method_in_words():
    methods = ["smoothgrad", "gradient", "edge", "deconvnet"]
    scores = complete(methods[:3])
    for order, unit, step in [("independent", "conv1", 4), ("reverse", "conv1", 1), ("cascade(init=own)", "fc1", 2)]:
        rows = rows_of(scores, intervention=order, step=step, against="original")
        means = [rows_of(rows, method=method).value.mean() for method in methods[:2]]
        text = in_words(scores, methods, "spearman_abs", intervention=order, unit=unit)
        assert text == f"SmoothGrad {means[0]:.2f}, Gradient {means[1]:.2f}"
    edges = rows_of(scores, intervention="cascade", against="edge", method="gradient")
    first, last = (rows_of(edges, step=step).value.mean() for step in (1, 4))
    assert in_words(scores, ["gradient"], "spearman_abs", "edge") == f"Gradient {first:.2f} → {last:.2f}"
    assert in_words(scores, ["deconvnet"], "spearman_abs") == "nothing measured"
    assert in_words(scores, methods, "spearman_abs", intervention="cascade(bn=keep-stats)") == "nothing measured"


def test_the_unit_that_matters_most_in_words():
    scores = complete(["gradient", "gradcam", "edge"]).astype({"value": float})
    of_test = (scores.intervention == "independent") & (scores.against == "original")
    scores.loc[of_test, "value"] = 0.5
    scores.loc[of_test & (scores.method == "gradient") & (scores.step == 3), "value"] = -0.125
    scores.loc[of_test & (scores.method == "gradcam") & (scores.step == 1), "value"] = 0.25
    scores.loc[of_test & (scores.method == "gradcam") & (scores.step == 4), "value"] = np.nan
    text = most_damaging_units(scores, ["gradient", "gradcam", "edge", "deconvnet"], "spearman_abs")
    assert text == "Gradient −0.12 (conv2), GradCAM 0.25 (logits)"
    nothing = scores.assign(value=scores.value.where(~of_test))
    assert most_damaging_units(nothing, ["gradient"], "spearman_abs") == "nothing measured"
    assert in_words(nothing, ["gradient"], "spearman_abs", intervention="independent", unit="fc1") == (
        "Gradient undefined"
    )


def test_names_of_methods_and_settings():
    assert spoken("vargrad(of=integrated_gradients(steps=10),samples=25)") == "VarGrad of IG"
    assert spoken("smoothgrad(of=guided_backprop)") == "SmoothGrad of Guided Backprop"
    assert spoken("smoothgrad(samples=7)") == "smoothgrad(samples=7)"
    assert len({spoken(method) for method in figures.SPOKEN}) == len(figures.SPOKEN)
    assert setting_words("cascade(init=tn(0.1))") == "init = tn(0.1)"
    assert setting_words("cascade(init=own,bn=keep-stats)") == "init = own, bn = keep-stats"
    assert setting_words("cascade") == "main setting"
    assert setting_words("reverse") == "bottom-up"


def test_other_interventions_change_nothing_in_the_figures_of_the_cascade():
    methods = ["gradient", "guided_backprop", "edge"]
    everything = complete(methods)
    alone = everything[(everything.intervention == "cascade") & ~everything.against.isin(["edge", "input"])]
    assert in_words(everything, methods, "spearman_abs") == in_words(alone, methods, "spearman_abs")
    for draw in (
        lambda scores: cascade_curves(scores, methods, ["spearman_abs"]),
        lambda scores: beside_nulls(scores, methods, "spearman_abs"),
    ):
        axes = [draw(scores).axes[0] for scores in (everything, alone)]
        lines = [[line.get_xydata().tolist() for line in axis.lines] for axis in axes]
        assert lines[0] == lines[1] and len(lines[0]) >= 3


def test_bars_are_the_means_when_one_unit_alone_is_destroyed():
    methods = ["gradient", "guided_backprop", "edge"]
    scores = complete(methods, images=6)
    figure = unit_bars(scores, methods)
    assert [axis.get_title() for axis in figure.axes] == stage_names(scores, "independent")[1:]
    looks = style(methods)
    for step, axis in enumerate(figure.axes, start=1):
        bars, whiskers = axis.containers
        assert bars.errorbar is None and len(bars) == 3
        # From the top: the first method has the largest height.
        from_top = sorted(zip(bars, segments_of(whiskers), strict=True), key=lambda pair: -pair[0].get_y())
        for method, (bar, (left, right)) in zip(methods, from_top, strict=True):
            rows = rows_of(scores, intervention="independent", step=step, method=method, against="original")
            assert (bar.get_width(), left, right) == pytest.approx(by_hand(rows))
            assert to_hex(bar.get_facecolor()) == to_hex(looks[method]["color"])
        low, high = axis.get_xlim()
        assert low <= min(-0.1, *(left for left, _ in segments_of(whiskers))) and high == 1.05
        assert any(set(line.get_xdata()) == {0.0} for line in axis.lines)
    assert len({axis.get_xlim() for axis in figure.axes}) == 1
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [spoken(method) for method in methods]


def test_a_bar_without_a_value_says_so():
    scores = complete(["gradient", "gradcam"])
    gone = (scores.intervention == "independent") & (scores.method == "gradcam") & (scores.step == 4)
    figure = unit_bars(scores.assign(value=scores.value.where(~gone)), ["gradient", "gradcam", "deconvnet"])
    figure.canvas.draw()
    assert [[text.get_text() for text in axis.texts] for axis in figure.axes] == [[], [], [], ["undefined"]]
    assert figure.axes[3].texts[0].get_position()[1] == 0
    # Not measured at all: no row.
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["Gradient", "GradCAM"]


def test_many_units_take_several_rows_of_panels():
    scores = pd.concat([complete(["gradient"]), complete(["gradient"], seed=2).assign(step=lambda rows: rows.step + 4)])
    figure = unit_bars(scores, ["gradient"])
    assert len(figure.axes) == 8
    assert len({axis.get_position().y0 for axis in figure.axes}) == 2


def test_both_orders_begin_at_the_intact_model():
    methods = ["gradient", "guided_backprop", "edge"]
    scores = complete(methods, images=5)
    figure = orders_beside(scores, methods)
    down, up = figure.axes
    assert [label.get_text() for label in down.get_xticklabels()] == ["intact", *UNITS]
    assert [label.get_text() for label in up.get_xticklabels()] == ["intact", *UNITS[::-1]]
    assert (down.get_title(), up.get_title()) == ("top-down", "bottom-up")
    for axis, order in ((down, "cascade"), (up, "reverse")):
        for method in methods:
            assert_curve(axis, spoken(method), *curve_by_hand(scores, method, order))
    assert down.get_ylim() == up.get_ylim()
    assert len(figure.legends) == 1
    with pytest.raises(StudyError, match="reverse"):
        orders_beside(scores[scores.intervention != "reverse"], methods)


def test_sweeps_have_a_panel_per_method_and_a_line_per_setting():
    methods = ["guided_backprop", "gradient"]
    scores = complete(methods, images=5)
    figure = sweep_curves(scores, methods, SWEEPS)
    assert [axis.get_title() for axis in figure.axes] == ["Guided Backprop", "Gradient"]
    for axis, method in zip(figure.axes, methods, strict=True):
        for intervention, words in SWEEPS.items():
            assert_curve(axis, words, *curve_by_hand(scores, method, intervention))
    lines = [line for line in figure.axes[0].lines if line.get_label() in SWEEPS.values()]
    for kind in ("get_color", "get_marker"):
        assert len({str(getattr(line, kind)()) for line in lines}) == len(SWEEPS)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(SWEEPS.values())


def test_a_sweep_that_was_not_run_is_left_out():
    methods = ["gradient", "guided_backprop", "smoothgrad"]
    scores = complete(methods, images=3)
    # SmoothGrad takes no part in sweeps, and one law was not run.
    swept = scores.intervention.isin(list(SWEEPS)[1:])
    scores = scores[~(swept & (scores.method == "smoothgrad")) & (scores.intervention != "cascade(init=own)")]
    labels = [words for words in SWEEPS.values() if words != "own"]
    figure = sweep_curves(scores, [*methods, "deconvnet"], SWEEPS)
    drawn = [[line.get_label() for line in axis.lines if line.get_label() in SWEEPS.values()] for axis in figure.axes]
    assert drawn == [labels, labels, labels[:1]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == labels
    # A setting keeps its look when another is missing.
    looks = figures.looks.setting_style(list(SWEEPS))
    (kaiming,) = [line for line in figure.axes[0].lines if line.get_label() == "kaiming"]
    assert kaiming.get_marker() == looks["cascade(init=kaiming)"]["marker"]
    bare = sweep_curves(scores[scores.intervention == "cascade"], methods, SWEEPS)
    assert [text.get_text() for text in bare.legends[0].get_texts()] == labels[:1]
    assert len(bare.axes) == 3
    with pytest.raises(StudyError, match="none of the methods"):
        sweep_curves(scores, ["deconvnet"], SWEEPS)


@pytest.mark.parametrize("count", [3, 4, 5])
def test_every_column_of_panels_names_its_stages(count):
    methods = NINE[:count]
    figure = sweep_curves(complete(methods, images=2), methods, SWEEPS)
    figure.canvas.draw()
    boxes = [axis.get_position() for axis in figure.axes]
    assert len({box.y0 for box in boxes}) == (1 if count <= 3 else 2)
    for axis, box in zip(figure.axes, boxes, strict=True):
        beneath = [other for other in boxes if other.y0 < box.y0 - 0.01 and abs(other.x0 - box.x0) < 0.01]
        shown = [label.get_text() for label in axis.get_xticklabels() if label.get_visible()]
        assert shown == ([] if beneath else ["intact", *UNITS])


def test_the_stale_copy_stands_beside_the_true_curve():
    scores = complete(["gradient", "guided_backprop", "edge"], images=5)
    stale = scores.intervention == "cascade(weights=stale)"
    scores = scores[~stale | (scores.method == "guided_backprop")]
    figure = stale_beside_true(scores)
    (axis,) = figure.axes
    words = {
        "Guided Backprop of a copy that\nnever got the new weights": ("guided_backprop", "cascade(weights=stale)"),
        "Guided Backprop\nof the randomized net": ("guided_backprop", "cascade"),
        "Gradient\nof the randomized net": ("gradient", "cascade"),
    }
    for label, (method, intervention) in words.items():
        assert_curve(axis, label, *curve_by_hand(scores, method, intervention))
    assert {text.get_text() for text in axis.texts} == words.keys()
    assert axis.get_legend() is None and not figure.legends
    lines = {line.get_label(): line for line in axis.lines}
    assert all(text.get_color() == lines[text.get_text()].get_color() for text in axis.texts)


@pytest.mark.parametrize("ends", [(1.0, 0.02, 0.0), (1.0, 1.0, 1.0), (1.0, 0.98, -0.1), (0.9, 0.2, 0.3)])
def test_words_beside_lines_do_not_cover_each_other(ends):
    scores = complete(["gradient", "guided_backprop"])
    kinds = [("guided_backprop", "cascade(weights=stale)"), ("guided_backprop", "cascade"), ("gradient", "cascade")]
    for (method, intervention), end in zip(kinds, ends, strict=True):
        scores.loc[(scores.method == method) & (scores.intervention == intervention), "value"] = end
    figure = stale_beside_true(scores)
    texts = figure.axes[0].texts
    assert not overlapping(figure, texts)
    # Beside the panel, so that no line runs through them.
    frame = figure.axes[0].get_window_extent()
    assert all(text.get_window_extent().x0 > frame.x1 - 1 for text in texts)


def test_what_the_maps_of_a_random_net_resemble():
    methods = ["gradient", "guided_backprop", "edge"]
    scores = complete(methods, images=6)
    axis = full_reinit(scores, methods).axes[0]
    marks = {container.get_label(): container for container in axis.containers}
    asked = {"to the trained net's map": "original", "to the image": "input", "to the image's edges": "edge"}
    assert marks.keys() == asked.keys()
    heights = []
    for label, against in asked.items():
        found = {}
        for x, y, ends in zip(*marks[label][0].get_data(), segments_of(marks[label]), strict=True):
            found[round(y)] = (x, *ends)
            heights.append(y)
        for number, method in enumerate(methods):
            rows = rows_of(scores, intervention="cascade", step=4, method=method, against=against)
            assert found[2 - number] == pytest.approx(by_hand(rows))
            assert axis.get_xlim()[0] <= by_hand(rows)[1]
    # No mark stands on another, even where values agree.
    assert len({round(height, 6) for height in heights}) == 9
    assert (
        figures.METRICS["spearman_abs_fg"]
        in full_reinit(complete(methods, metric="spearman_abs_fg"), methods, "spearman_abs_fg").axes[0].get_xlabel()
    )
    bare = full_reinit(scores[scores.against == "original"], methods)
    assert [text.get_text() for text in bare.axes[0].get_legend().get_texts()] == ["to the trained net's map"]


@pytest.mark.parametrize("images, value", [(3, np.nan), (1, 0.25)])
def test_constant_missing_and_lonely_values_can_be_drawn(images, value):
    methods = ["gradient", "guided_backprop"]
    scores = complete(methods, images=images)
    scores.loc[scores.method == "guided_backprop", "value"] = value
    for figure in (
        cascade_curves(scores, methods, ["spearman_abs"]),
        orders_beside(scores, methods),
        sweep_curves(scores, methods, SWEEPS),
        stale_beside_true(scores),
        unit_bars(scores, methods),
        full_reinit(scores, methods),
        beside_nulls(scores, methods, "spearman_abs"),
    ):
        figure.canvas.draw()
        assert all(np.isfinite([*axis.get_xlim(), *axis.get_ylim()]).all() for axis in figure.axes)


def test_a_tall_grid_fits_on_a_page():
    def grid(rows):
        return map_grid({str(row): np.ones((2, 4, 4)) for row in range(rows)}, ["intact", "fc1"], signed=False)

    assert list(grid(10).get_size_inches()) == pytest.approx([1.9, 9.5])
    width, height = grid(15).get_size_inches()
    # The cells stay square.
    assert height == pytest.approx(11.0) and width / 2 == pytest.approx(height / 15)


@pytest.mark.parametrize("name", ["hidden3 only", "features.12 only"])
def test_names_of_neighbouring_columns_do_not_touch(name):
    figure = map_grid({str(row): np.ones((2, 4, 4)) for row in range(15)}, [name] * 2, signed=True)
    assert not overlapping(figure, [axis.title for axis in figure.axes])
