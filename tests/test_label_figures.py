"""Figures and tables of data randomization show the numbers of the table."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from made_up import around, rows_of, scores

from lib import figures
from lib.errors import StudyError
from lib.label_randomization import CURRENT_CLASS, LABELS, RANDOM_NET
from lib.label_tables import accuracy_table, class_table, proxy_table, sparsity_table
from lib.similarity import tie_floor

METHODS = ["gradient", "gradient_x_input"]
SIMILARITIES = {"gradient": (0.1, 0.2, -0.3), "gradient_x_input": (0.9, 0.8, 0.4)}


def alone(method, metric, value, intervention=LABELS, step=1, **more):
    return rows_of(around(value), method, metric, step, intervention=intervention, against="none", **more)


@pytest.fixture
def table():
    rows = []
    for method, values in SIMILARITIES.items():
        for against, step, value in zip(("original", "other_seed", "null_other_image"), (1, 0, 0), values, strict=True):
            for metric in ("spearman_abs", "spearman_abs_fg"):
                rows.append(rows_of(around(value), method, metric, step, intervention=LABELS, against=against))
        rows.append(rows_of(around(values[0] / 2), method, step=1, intervention=CURRENT_CLASS))
        rows.append(rows_of(around(0.7), method, step=1, intervention=RANDOM_NET))
        for intervention, step, value in ((LABELS, 0, 2.0), (LABELS, 1, 4.0), (RANDOM_NET, 1, 1.0)):
            rows.append(alone(method, "components", value, intervention, step))
    return scores(*rows)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_bars_stand_for_permuted_labels_and_triangles_for_a_second_net(table):
    figure = figures.label_bars(table, METHODS, ["spearman_abs", "spearman_abs_fg"])
    axes = figure.axes[:2]
    assert [label.get_text() for label in axes[0].get_yticklabels()] == ["Gradient", "Gradient ⊙ input"]
    for axis in axes:
        bars = {round(bar.get_y() + bar.get_height() / 2): bar.get_width() for bar in axis.patches}
        assert bars == {1: pytest.approx(0.1), 0: pytest.approx(0.9)}
        drawn = {line.get_label(): dict(zip(line.get_ydata(), line.get_xdata(), strict=True)) for line in axis.lines}
        assert drawn["a second net of true labels"] == {1: pytest.approx(0.2), 0: pytest.approx(0.8)}
        assert drawn["map of another image"] == {1: pytest.approx(-0.3), 0: pytest.approx(0.4)}
        assert axis.get_xlim() == (-0.15, 1.05)


def test_all_panels_reach_down_to_the_lowest_bar(table):
    below = table.assign(value=table.value.where(table.metric != "spearman_abs", -0.9))
    figure = figures.label_bars(below, METHODS, ["spearman_abs", "spearman_abs_fg"])
    assert all(axis.get_xlim() == (pytest.approx(-0.9), 1.05) for axis in figure.axes[:2])


def test_dots_stand_for_the_three_nets(table):
    figure = figures.label_dots(table, METHODS, {"components": "pieces"}, "number")
    (axis,) = figure.axes
    dots = {container.get_label(): container.lines[0].get_xdata() for container in axis.containers}
    expected = {"true labels": 2.0, "permuted labels": 4.0, "never trained": 1.0}
    assert dots.keys() == expected.keys()
    assert all(np.allclose(dots[name], value) for name, value in expected.items())
    with pytest.raises(StudyError, match="none of the methods"):
        figures.label_dots(table, ["gradcam"], {"components": "pieces"}, "number")


def test_words_for_captions(table):
    assert figures.label_words(table, "gradient", "components") == (
        "true labels 2.00, permuted labels 4.00, never trained 1.00"
    )
    assert (
        figures.label_similarities(table, METHODS, "spearman_abs")
        == "Gradient 0.10 (0.20), Gradient ⊙ input 0.90 (0.80)"
    )
    negative = table.assign(value=-table.value)
    assert figures.label_similarities(negative, ["gradient"], "spearman_abs") == "Gradient −0.10 (−0.20)"


def test_tables(table):
    found = class_table(table, METHODS)
    assert found.loc["Gradient"].tolist() == pytest.approx([0.1, 0.05])
    empty = torch.tensor([0.5, 0.8])
    row = sparsity_table({"net": table}, {"net": empty}).loc["net"]
    assert row["empty pixels"] == pytest.approx(0.65) and row["tie floor"] == pytest.approx(
        tie_floor(empty).mean().item()
    )
    assert row["measured, all pixels"] == pytest.approx(0.9) and row["measured, ink pixels"] == pytest.approx(0.9)


def test_tables_of_accuracies_and_of_the_proxy():
    right = pd.DataFrame({"value": [1.0, 1.0, 0.0, 1.0]}).value
    rows = [
        rows_of(right, "none", metric, step, intervention=LABELS, against="none").assign(level=level)
        for metric, step, level in (
            ("accuracy", 0, "true"),
            ("accuracy", 1, "permuted"),
            ("train_accuracy", 1, "permuted"),
        )
    ]
    table = accuracy_table(scores(*rows))
    assert table.value.tolist() == [0.75] * 3 and table.images.tolist() == [4] * 3
    assert {label[-2:] for label in table.index} == {
        ("true", "test images"), ("permuted", "test images"), ("permuted", "its own training images"),
    }  # fmt: skip
    found = proxy_table(scores(alone("gradient", "told_apart", 0.8), alone("gradient", "told_apart_abs", 0.6)))
    assert found.value.to_dict() == {
        ("Gradient", "absolute maps"): pytest.approx(0.6), ("Gradient", "signed maps"): pytest.approx(0.8),
    }  # fmt: skip
