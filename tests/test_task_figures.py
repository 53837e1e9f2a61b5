"""Figures, tables and words of confounded tasks: every mark where its number is, every number that of its rows."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from made_up import around, rows_of, scores

from lib import figures
from lib.errors import StudyError
from lib.figures.task_words import WHAT_MATTERS

PAPER = ["guided_backprop", "gradient"]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def row(centre, net, metric="auc_half", method="gradient", tag="", against="none", name="localisation", **more):
    values = around(centre, 0.02, draws=3 if net == "random" or against == "random" else 1, seed=len(method))
    table = rows_of(values, method, metric, 0, intervention=f"{name}(net={net}{tag})", against=against, **more)
    return table if net == "random" or against == "random" else table.assign(draw=-1)


@pytest.fixture
def table():
    tables = []
    for number, method in enumerate([*PAPER, "input"]):
        for place, net in enumerate(("random", "natural", "half")):
            tables.append(row(0.5 + 0.1 * place + 0.01 * number, net, method=method))
            tables.append(row(0.1 * place, net, method=method, tag=",images=halved"))
    tables += [
        row(0.7, "half", "spearman_abs", against="random"),
        row(0.2, "natural", "spearman_abs", against="random"),
    ]
    return scores(*tables, row(0.3, "random", "spearman_abs", against="other_random"))


def marks(axis, label):
    """Places of the marks of one legend entry: (value, height)."""
    (found,) = (each for each in axis.containers if each.get_label() == label)
    return list(zip(found.lines[0].get_xdata(), found.lines[0].get_ydata(), strict=True))


def test_dots_stand_at_the_means(table):
    figure = figures.net_dots(
        table, [*PAPER, "gradcam", "input"], [("auc_half", "AUC", 0.5)], ["random", "natural", "half"]
    )
    (axis,) = figure.axes
    for place, net in enumerate(("random net", "natural net", "half-digit net")):
        found = marks(axis, net)
        assert [value for value, _ in found] == pytest.approx([0.5 + 0.1 * place, 0.51 + 0.1 * place])
        assert [round(height) for _, height in found] == [2, 1]
    # A control is the same whatever the net, and has one mark.
    assert [value for value, _ in marks(axis, "without a net")] == pytest.approx([0.52])
    assert [text.get_text() for text in axis.get_yticklabels()] == ["Guided Backprop", "Gradient", "Input (control)"]


def test_a_random_net_is_compared_with_another(table):
    figure = figures.net_dots(
        table, ["gradient"], [("spearman_abs", "ρ", None)], ["random", "natural", "half"], against="random"
    )
    found = [marks(figure.axes[0], net)[0][0] for net in ("random net", "natural net", "half-digit net")]
    assert found == pytest.approx([0.3, 0.2, 0.7])
    low, high = figure.axes[0].get_xlim()
    assert -1.1 < low < high < 1.1


def test_intervals_end_where_the_metric_ends():
    wide = rows_of(np.array([[0.1, 0.9], [0.9, 0.1]]), "gradient", "pointing_half", 0,
                   intervention="localisation(net=random)", against="none")  # fmt: skip
    axis = figures.net_dots(wide, ["gradient"], [("pointing_half", "pointing", None)], ["random"]).axes[0]
    assert axis.get_xlim()[0] > -0.1 and axis.get_xlim()[1] < 1.1


def test_a_figure_of_nothing_is_refused(table):
    with pytest.raises(StudyError, match="gradcam"):
        figures.net_dots(table, ["gradcam"], [("auc_half", "AUC", None)], ["half"])


def test_words_give_means_by_net(table):
    words = figures.net_words(table, ["gradient"], "auc_half", ["half", "random"])
    assert words == "Gradient 0.71 (half-digit net), 0.51 (random net)"
    halved = figures.net_words(table, PAPER, "auc_half", ["natural"], tag="images=halved")
    assert halved == "Guided Backprop 0.10 (natural net); Gradient 0.10 (natural net)"
    alike = figures.net_words(table, ["gradient"], "spearman_abs", ["random"], against="random")
    assert alike == "Gradient 0.30 (random net)"


def test_tables_of_checks_and_accuracies():
    given = {"method": "none", "against": "none", "step": 0}
    checks = scores(
        rows_of(
            [1.0, 1.0, 0.0, 1.0],
            metric="prediction_changed",
            intervention="altered(net=shape,by=digit_removed)",
            **given,
        ),
        rows_of([0.0] * 4, metric="prediction_changed", intervention="altered(net=digit,by=shape_removed)", **given),
    )
    found = figures.check_table(checks, {"one": ("shape", "digit_removed"), "two": ("digit", "shape_removed")})
    assert found["prediction changes"].to_dict() == {"one": 0.75, "two": 0.0}
    assert found["from"]["one"] < 0.75 < found["to"]["one"] and found.images.tolist() == [4, 4]
    accuracy = rows_of([1.0, 0.0], metric="accuracy", intervention="task", **given)
    others = rows_of([0.0, 0.0], metric="accuracy", intervention="none", **given)
    assert figures.accuracy_table({"net": scores(accuracy, others)}).accuracy["net"] == 0.5


def test_laws_of_random_nets_stand_beside_each_other():
    made = scores(row(2.0, "random", "density_ink"), row(1.5, "random", "density_ink", tag=",init=own"))
    found = figures.law_of_random(made, ["gradient"], {"tn": "", "own": "init=own"}, "density_ink")
    assert found["mean"].to_dict() == {("tn", "Gradient"): pytest.approx(2.0), ("own", "Gradient"): pytest.approx(1.5)}
    assert (found["from"] < found["mean"]).all() and (found["mean"] < found["to"]).all()


def test_cascades_are_named_for_the_curves():
    made = scores(*(
        row(value, net, "spearman_abs", "guided_backprop", against="random", name="confounded_cascade").assign(
            step=step, against="original", level=f"unit{step}"
        )
        for net, values in {"natural": (1.0, 0.9, 0.7, 0.2, 0.1), "half": (1.0, 0.5, 0.3, 0.2, 0.1)}.items()
        for step, value in enumerate(values)
    ))  # fmt: skip
    assert (
        figures.upper_words(made, "guided_backprop", ["natural", "half"]) == "0.80 (natural net), 0.40 (half-digit net)"
    )
    curves = figures.as_cascades(scores(made, row(0.1, "half")), "natural")
    words = figures.cascade_words(["natural", "half"])
    assert words == {"cascade": "natural net", "confounded_cascade(net=half)": "half-digit net"}
    assert set(curves.intervention) == set(words)
    lines = figures.sweep_curves(curves, ["guided_backprop"], words).axes[0].get_lines()
    drawn = {line.get_label(): line.get_ydata() for line in lines}
    assert drawn["natural net"] == pytest.approx([1.0, 0.9, 0.7, 0.2, 0.1])
    assert drawn["half-digit net"][1:] == pytest.approx([0.5, 0.3, 0.2, 0.1])


def test_gains_are_taken_image_by_image(table):
    given = {"method": "gradient", "metric": "mass_share_abs_half", "step": 0, "against": "none"}
    base = rows_of([[0.1], [0.5], [0.9]], intervention="localisation(net=random)", **given)
    # The same images in another order, each 0.2 better: nothing varies.
    better = base.assign(intervention="localisation(net=half)", value=base.value + 0.2, draw=-1).iloc[::-1]
    found = figures.gains({"half": scores(table, base, better), "shape": table}, ["gradient"])
    assert found.task.tolist() == ["half a digit: deciding half"]
    assert found[["value", "low", "high"]].to_numpy().ravel() == pytest.approx([0.2, 0.2, 0.2])
    assert figures.gain_words(found) == "half a digit: deciding half: Gradient 0.20"
    axis = figures.gain_dots(found).axes[0]
    assert marks(axis, "Gradient")[0][0] == pytest.approx(0.2)


def test_gains_of_every_task_are_known():
    given = {"method": "gradient", "step": 0, "against": "none"}
    tables = {}
    for number, (whose, trained, random, metric) in enumerate(WHAT_MATTERS.values()):
        own = [rows_of([[0.1, 0.2]] * 2, metric=metric, intervention=random, **given)]
        own += [rows_of([[0.4 + number]] * 2, metric=metric, intervention=trained, **given).assign(draw=-1)]
        tables[whose] = scores(*([tables[whose]] if whose in tables else []), *own)
    found = figures.gains(tables, ["gradient"])
    assert found.task.tolist() == list(WHAT_MATTERS) and found.value.tolist() == pytest.approx([0.25, 1.25, 2.25, 3.25])
    assert len(figures.gain_dots(found).axes[0].get_yticks()) == 4


def test_galleries_show_each_net_under_its_name():
    pictures = {"image": np.ones((2, 28, 28)), "shape": np.pad(np.ones((2, 8, 8)), ((0, 0), (10, 10), (10, 10)))}
    for place, net in enumerate(("random", "half", "effect of posterior")):
        pictures |= {f"{net}/{method}": np.full((2, 28, 28), place + 0.5) for method in PAPER}
    figure = figures.task_gallery(
        pictures, {"one": 0, "two": 1}, ["random", "half", "effect of posterior"], PAPER, ["shape"]
    )
    assert len(figure.axes) == 2 * 7
    titles = [axis.get_title() for axis in figure.axes[:7]]
    assert titles == ["", *["random\nnet", "half-digit\nnet", "average\nover tasks"] * 2]
    shown = [float(axis.images[0].get_array()[0, 0]) for axis in figure.axes[:7]]
    assert shown == [1.0, 0.5, 1.5, 2.5, 0.5, 1.5, 2.5]
    assert [text.get_text() for text in figure.texts] == ["Guided Backprop", "Gradient"]


def test_mean_maps_have_profiles_of_their_rows():
    ramp = np.linspace(0, 1, 28).reshape(1, 28, 1).repeat(28, 2)
    pictures = {"image": ramp, "half/gradient": ramp[:, ::-1], "random/gradient": np.ones((1, 28, 28))}
    figure = figures.mean_map_grid(pictures, ["random", "half"], ["gradient"], cut=14)
    assert len(figure.axes) == 4
    profiles = [line.get_xdata() for line in figure.axes[-1].get_lines()[:3]]
    assert all(sum(profile) == pytest.approx(1.0) for profile in profiles)
    assert np.allclose(profiles[1], 1 / 28) and profiles[2][0] > profiles[2][-1]


def test_the_graph_has_its_four_arrows_and_the_missing_one():
    figure = figures.causal_graph()
    arrows = [text.arrow_patch for text in figure.axes[0].texts if text.arrow_patch is not None]
    dashed = [arrow for arrow in arrows if arrow.get_linestyle() not in ("-", "solid")]
    assert len(arrows) == 5 and len(dashed) == 1
    assert {"$T$", "$M$", "$X$", "$S$"} <= {text.get_text() for text in figure.axes[0].texts}
