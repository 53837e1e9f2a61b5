"""Figures of notebook 03 show what the tables hold; their words are the tables' numbers."""

from __future__ import annotations

import itertools

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lib import figures
from lib.errors import StudyError
from lib.statistics import estimate

METHODS = ["input", "gradient", "smoothgrad"]


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def rows_of(seed=0, images=4, draws=3, **columns):
    """Rows for all combinations of listed columns, with numbers between 0.2 and 0.9."""
    rng = np.random.default_rng(seed)
    names = [name for name, value in columns.items() if isinstance(value, list)]
    fixed = {"model": "none", "dataset": "mnist", "step": 0, "level": "none"} | columns
    rows = [
        fixed | dict(zip(names, chosen, strict=True)) | {"image": image, "draw": draw, "value": rng.uniform(0.2, 0.9)}
        for chosen in itertools.product(*(columns[name] for name in names))
        for image, draw in itertools.product(range(images), range(draws))
    ]
    return pd.DataFrame(rows)


def auc_rows():
    return rows_of(
        intervention=["sum_pool_conv", "dense_relu"],
        dataset=["mnist", "photos"],
        method=METHODS,
        metric="auc_edge",
        against="edge",
    )


def marks(axis):
    """Label -> (x, y) of the marks of an axis."""
    return {c.get_label(): np.array(c[0].get_data()) for c in axis.containers}


def test_edge_finding_shows_every_mean_in_its_row_with_controls_last():
    table = auc_rows()
    figure = figures.edge_finding(table, METHODS, 0.7)
    first, second = figure.axes
    assert (first.get_title(), second.get_title()) == ("MNIST", "photographs")
    names = [each.get_text() for each in first.get_yticklabels()]
    assert [names[list(first.get_yticks()).index(place)] for place in (2, 1, 0)] == [
        "Gradient",
        "SmoothGrad",
        "Input (control)",
    ]
    chosen = table[(table.dataset == "photos") & (table.intervention == "dense_relu") & (table.method == "smoothgrad")]
    x, y = marks(second)["a random dense layer instead"]
    assert x[np.abs(y - 1).argmin()] == pytest.approx(estimate(chosen).value)
    assert {line.get_xdata()[0] for line in first.lines if len(set(line.get_xdata())) == 1} >= {0.5, 0.7}


def test_edge_words_are_the_means():
    table = auc_rows()
    mean = table[(table.dataset == "mnist") & (table.intervention == "dense_relu")].groupby("method").value.mean()
    words = figures.edge_words(table, ["gradient", "input"], "dense_relu")
    assert words.startswith(
        f"MNIST: Gradient {mean['gradient']:.2f}, Input (control) {mean['input']:.2f}; photographs: "
    )
    assert figures.edge_words(table, ["gradient"], "stacked_conv") == "nothing measured"


def test_layers_are_steps_and_words_tell_the_first_and_the_last():
    table = rows_of(
        intervention="stacked_conv",
        step=[1, 2, 4],
        method=METHODS,
        metric="auc_edge",
        against="edge",
        dataset=["photos"],
    )
    figure = figures.layers_curves(table, METHODS)
    (line,) = [each for each in figure.axes[0].lines if each.get_label() == "Gradient"]
    means = table[table.method == "gradient"].groupby("step").value.mean()
    assert list(line.get_xdata()) == [1, 2, 4] and list(line.get_ydata()) == pytest.approx(means.to_list())
    words = figures.edge_words(table, ["gradient"], "stacked_conv")
    assert words == f"photographs: Gradient {means[1]:.2f} → {means[4]:.2f}"


@pytest.mark.parametrize(
    ("draw", "intervention", "step", "against", "label"),
    [
        ("edge_likeness", "edge_detector", 0, ["edge", "edge_other"], "edges of the image"),
        ("edges_alone", "mask_input", 1, ["original", "null_other_image"], "map of the same image"),
    ],
)
def test_two_panels_for_all_pixels_and_for_the_foreground(draw, intervention, step, against, label):
    table = rows_of(
        intervention=intervention,
        step=step,
        metric=["spearman_abs", "spearman_abs_fg"],
        method=METHODS,
        against=against,
    )
    figure = getattr(figures, draw)(table, METHODS)
    for axis, metric in zip(figure.axes, ("spearman_abs", "spearman_abs_fg"), strict=True):
        assert len(marks(axis)) == 2
        chosen = table[(table.metric == metric) & (table.against == against[0]) & (table.method == "gradient")]
        x, y = marks(axis)[label]
        assert x[np.abs(y - 2).argmin()] == pytest.approx(estimate(chosen).value)
    with pytest.raises(StudyError, match="none of the methods"):
        getattr(figures, draw)(table, ["gradcam"])


STATES = {"identity": "trained", "identity(bias=none)": "biases 0"}


def test_errors_are_dots_and_zero_is_shown():
    table = rows_of(
        intervention=[*STATES, "linear"],
        model=["cnn", "mlp"],
        method=["deeplift", "gradient"],
        metric="relative_error",
        against="gradient_x_input",
    )
    table.loc[(table.model == "mlp") & (table.method == "deeplift"), "value"] = 0.0
    other = rows_of(
        intervention="linear", model="none", method=["deeplift"], metric="relative_error", against="gradient_x_input"
    )
    figure = figures.error_dots(pd.concat([table, other]), ["deeplift"], STATES, "gradient_x_input")
    assert [axis.get_title() for axis in figure.axes] == ["cnn-mnist", "mlp-mnist"]
    for axis, expected in zip(figure.axes, (table[table.model == "cnn"], None), strict=True):
        dots = {line.get_label(): line for line in axis.lines if line.get_label() in STATES.values()}
        assert set(dots) == set(STATES.values()) and all(len(line.get_xdata()) == 12 for line in dots.values())
        if expected is not None:
            chosen = expected[(expected.intervention == "identity") & (expected.method == "deeplift")]
            assert sorted(dots["trained"].get_xdata()) == pytest.approx(sorted(chosen.value))
        else:
            assert (np.array(dots["trained"].get_xdata()) > 0).all(), "0 has no place on a logarithmic axis"


def test_completeness_is_drawn_against_the_steps_in_the_names():
    methods = [
        "integrated_gradients(steps=5)",
        "integrated_gradients",
        "integrated_gradients(reference=mean,steps=200)",
    ]
    table = rows_of(
        intervention="completeness", model="cnn", method=methods, against=["logit", "logit_difference"],
        metric="completeness_gap", draws=1,
    )  # fmt: skip
    figure = figures.completeness_curves(table)
    lines = {c.get_label(): c[0] for c in figure.axes[0].containers}
    assert list(lines["to S(x), as printed, from zero"].get_xdata()) == [5, 50]
    assert list(lines["to S(x) − S(reference), from mean image"].get_xdata()) == [200]


def test_laws_of_noise_fit_the_power_of_the_means():
    levels = [0.01, 0.1]
    table = rows_of(
        intervention=["vargrad", "vargrad(activation=softplus)"], model="mlp", level=["0.01", "0.1"],
        method="vargrad", metric="variance", against="none",
    )  # fmt: skip
    noise = table.level.astype(float)
    table["value"] = np.where(table.intervention == "vargrad", 3 * noise, 5 * noise**2)
    laws = figures.noise_laws(table)["mlp", "mnist"]
    assert laws["ReLU"][1] == pytest.approx(1) and laws["Softplus"][1] == pytest.approx(2)
    assert laws["ReLU"][0].noise.tolist() == levels
    labels = figures.vargrad_curves(table).axes[0].get_legend_handles_labels()[1]
    assert labels == ["mlp-mnist, ReLU: noise to the power 1.00", "mlp-mnist, Softplus: noise to the power 2.00"]


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0"), (1.0, "1"), (0.0567, "0.057"), (9.6e-17, "1·10⁻¹⁶"), (2.4e-16, "2·10⁻¹⁶"), (0.004, "4·10⁻³")],
)
def test_small_numbers_in_words(value, words):
    assert figures.power_of_ten(value) == words


def test_common_patterns_are_counted():
    active = np.zeros((6, 8))
    active[:3] = 1.0
    found = figures.common_patterns(active)
    assert sum(share for _, share in found) == pytest.approx(1.0)
    shares = dict(found)
    assert found[0][1] == max(shares.values())
    # Rows 4 and 5 see nothing; row 1 sees nine units but at the sides; row 3 sees the row above it.
    assert shares[0] == 16 / 48 and shares[511] == 6 / 48 and shares[0b000000111] == 6 / 48
    figure = figures.pattern_shares(active, active)
    assert len(figure.axes[0].patches) == len(figure.axes[0].child_axes) == 12 < len(found)


def test_gallery_rows_are_read_from_names():
    pictures = {
        "image": np.zeros((2, 4, 4)),
        "one:gradient": np.ones((2, 4, 4)),
        "two:gradient": np.full((2, 4, 4), 2.0),
        "two:units on": np.full((2, 4, 4), 3.0),
    }
    rows = figures.rows_of(pictures, [1])
    assert {title: list(row) for title, row in rows.items()} == {
        "one": ["image", "gradient"],
        "two": ["image", "gradient", "units on"],
    }
    assert rows["two"]["units on"].shape == (4, 4) and rows["two"]["gradient"][0, 0] == 2
    assert list(figures.rows_of(pictures, [0, 1], [])) == [
        "one, image 1",
        "one, image 2",
        "two, image 1",
        "two, image 2",
    ]


def test_a_gallery_shows_signs_about_zero_and_images_in_grey():
    picture = np.linspace(-1, 3, 16).reshape(4, 4)
    rows = {"a": {"image": picture, "gradient": picture}, "b": {"image": picture}}
    figure = figures.gallery(rows)
    image, gradient, _, empty = figure.axes
    assert image.images[0].get_cmap().name == "gray" and not empty.images
    assert image.images[0].get_clim() == (0, 3), "a picture that is 1 all over must not be black"
    low, high = gradient.images[0].get_clim()
    assert low == -high < 0 and gradient.get_title() == "Gradient"
