"""Figures and tables of products with noise: they build, and they show what the scores hold."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from made_up import around, rows_of, scores
from scipy import stats

from lib import figures
from lib.errors import StudyError
from lib.random_gradient import intervention, product_pictures, random_gradient_scores
from lib.similarity import tie_floor
from lib.tie_floors import tie_scores


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def table():
    images = torch.rand(3, 1, 10, 10, generator=torch.Generator().manual_seed(0))
    images[:, :, :5] = 0
    laws = {"laws": ["normal", "uniform"], "sigmas": (0.0, 0.3, 3.0), "draws": 2}
    noise = random_gradient_scores(images, image_ids=[0, 1, 2], **laws)
    return pd.concat([noise, tie_scores(images, image_ids=[0, 1, 2], background=0.0)], ignore_index=True)


def mean(table, mode, law, step, method="gradient_x_input", metric="spearman_abs", against="self"):
    own = table[(table.intervention == intervention(mode, law)) & (table.step == step) & (table.method == method)]
    return own[(own.metric == metric) & (own.against == against)].value.mean()


def test_a_curve_per_comparison_and_a_panel_per_set(table):
    figure = figures.noise_curves({"one": table, "two": table}, "mean-one", "normal", figures.PAIRS)
    assert [axis.get_title() for axis in figure.axes] == ["one", "two"]
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["0", "0.3", "3"]
    lines = {line.get_label(): line for line in figure.axes[0].lines if not line.get_label().startswith("_")}
    assert lines.keys() == figures.PAIRS.keys()
    for label, (method, metric, against) in figures.PAIRS.items():
        expected = [mean(table, "mean-one", "normal", step, method, metric, against) for step in range(3)]
        assert lines[label].get_ydata() == pytest.approx(expected, nan_ok=True), label
    with pytest.raises(StudyError, match="no rows of the mode gradient"):
        figures.noise_curves({"one": table}, "gradient+noise", "normal", figures.PAIRS)


def test_what_was_not_measured_has_no_curve_and_the_spread_no_place_on_the_axis(table):
    figure = figures.noise_curves({"one": table}, "scale", "uniform", figures.METRIC_LINES)
    labels = [line.get_label() for line in figure.axes[0].lines if not line.get_label().startswith("_")]
    assert labels == ["rank correlation, absolute maps", "rank correlation, signed maps"]
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["0.3", "3"]


def test_products_are_shown_in_three_rows():
    pictures = product_pictures(torch.rand(2, 1, 8, 8), image_ids=[0, 1], mode="mean-one", sigmas=[0.0, 1.0])
    figure = figures.product_grid({name: stack.numpy() for name, stack in pictures.items()}, 1, ["0", "1"])
    shown = [np.asarray(axis.images[0].get_array()) for axis in figure.axes]
    assert len(shown) == 1 + 3 * 2
    assert np.allclose(shown[0], pictures["x"][1])
    assert np.allclose(shown[4], pictures["x ⊙ u"][1, 1].abs()) and np.allclose(shown[2], pictures["u"][1, 1])
    low, high = figure.axes[2].images[0].get_clim()
    assert low == -high, "signs diverge at 0"


def test_the_law_table_holds_means_of_noise_alone(table):
    found = figures.law_table({"squares": table}, ["normal", "truncated_normal", "uniform"])
    assert list(found.index) == [("squares", "normal"), ("squares", "uniform")]
    assert found.loc[("squares", "uniform"), "all pixels"] == pytest.approx(mean(table, "scale", "uniform", 2))
    assert found.loc[("squares", "normal"), "u and v"] == pytest.approx(mean(table, "scale", "normal", 2, "gradient"))
    assert found.loc[("squares", "normal"), "with signs"] == pytest.approx(
        mean(table, "scale", "normal", 2, metric="spearman")
    )


def test_the_null_table_holds_the_other_images(table):
    found = figures.null_table(table, "normal")
    other = mean(table, "scale", "normal", 2, against="null_other_image")
    assert found.loc["x ⊙ u and another image ⊙ v", "rank correlation, absolute maps"] == pytest.approx(other)
    assert np.isnan(found.loc["u and v", "SSIM"])


def test_words_are_means_with_two_digits(table):
    line = figures.PAIRS["x ⊙ u and x ⊙ v, all pixels"]
    assert figures.noise_words(table, "mean-one", "normal", line) == f"{mean(table, 'mean-one', 'normal', 2):.2f}"
    assert figures.noise_words(table, "mean-one", "normal", line, 0) == "1.00"
    tiny = table.assign(value=-0.001)
    assert figures.noise_words(tiny, "mean-one", "normal", line) == "0.00"
    assert figures.noise_words(table.assign(value=-0.5), "mean-one", "normal", line) == "−0.50"


# Ties ---------------------------------------------------------------------------------------------------------------


def cascade(values, method="gradient_x_input", metric="spearman_abs_fg", step=2, **more):
    return rows_of(values, method, metric, step, intervention="competition", **more)


@pytest.fixture
def destroyed():
    """Three images, two steps; on the foreground 0.1 above what `TIES` predicts, at the second step 0.02 below."""
    predicted = np.array([0.2, 0.3, 0.4])
    return scores(
        *(
            cascade(predicted[:, None] + shift + around(0, 0.001, 3, 4, seed=step), step=step)
            for step, shift in ((1, 0.1), (2, -0.02))
        ),
        cascade(np.full((3, 4), 0.9), metric="spearman_abs"),
        cascade(np.ones(3), step=0),
        cascade(np.zeros(3), method="gradient"),
        cascade(np.zeros(3), against="null_other_image"),
        # Another experiment of the same net, with more steps.
        rows_of(np.zeros(3), "gradient_x_input", "spearman_abs_fg", 5, intervention="random_gradient", against="self"),
    )


TIES = pd.DataFrame(
    {
        "zero_share": [0.5, 0.6, 0.7, 0.8],
        "expected_fg": [0.2, 0.3, 0.4, 0.9],
        "spearman_abs": 0.9,
        "spearman_abs_fg": 0.3,
    },
    index=pd.Index(range(4), name="image"),
)


def test_ties_become_one_row_per_image(table):
    found = figures.zeros_and_similarity(table)
    assert found.zero_share.to_list() == [0.5] * 3 and len(found) == 3
    with pytest.raises(StudyError, match="no rows of ties"):
        figures.zeros_and_similarity(table[table.intervention != "ties"])
    assert figures.mean_floor(TIES) == pytest.approx(
        np.mean([float(tie_floor(torch.tensor(p))) for p in TIES.zero_share])
    )


def test_the_destroyed_net_is_that_of_the_last_step_of_the_competition(destroyed):
    found = figures.destroyed_gradient(destroyed, TIES)
    assert found.index.to_list() == [0, 1, 2]
    assert found.spearman_abs.to_list() == pytest.approx([0.9] * 3)
    assert found.spearman_abs_fg.to_numpy() == pytest.approx([0.18, 0.28, 0.38], abs=0.002)


def test_the_surplus_is_paired_by_image(destroyed):
    found = figures.surplus_table({"net": destroyed}, {"net": TIES})
    assert found.index.to_list() == [("net", "unit1"), ("net", "unit2")]
    assert found.difference.to_numpy() == pytest.approx([0.1, -0.02], abs=1e-6)
    assert found.predicted.to_list() == pytest.approx([0.3, 0.3]) and (found.correlation > 0.99).all()
    # Images differ by 0.1 from each other; their differences from the prediction do not.
    assert ((found["to"] - found["from"]) < 0.01).all()


def test_the_tie_figure_draws_floor_dots_and_crosses(destroyed):
    figure = figures.tie_curve({"digits": TIES}, {"net": figures.destroyed_gradient(destroyed, TIES)})
    left, right = figure.axes
    zeros, floor = left.lines[0].get_data()
    assert np.asarray(floor) == pytest.approx(3 * zeros / (3 * zeros + (1 - zeros) ** 2), abs=1e-6)
    assert [len(each.get_offsets()) for each in left.collections] == [4, 0, 3], (
        "dots, their sign in the legend, crosses"
    )
    assert right.collections[0].get_offsets()[:, 0].tolist() == TIES.expected_fg.to_list()
    first, second = right.lines[0].get_data()
    assert list(first) == list(second), "the diagonal"
    figures.tie_curve({"digits": TIES}, {})


def test_the_competition_table_puts_chance_beside_the_measurement():
    random = "competitive_gradient_x_input(keep=random)"
    none = {"against": "none"}
    made = scores(
        cascade(np.full(3, 0.4), "none", "foreground_share", 0, **none),
        *(cascade(np.full(3, share), random, "kept_share", step, **none) for step, share in ((0, 0.1), (2, 0.2))),
        cascade(np.full(3, 0.12), random, "spearman_abs"),
        cascade(np.full(3, 0.05), random, "spearman_abs", 0, against="self"),
        cascade(np.ones(3), random, "spearman_abs", 0),
        cascade(np.full(3, 0.5), "gradient_x_input", "kept_share", 0, **none),
        cascade(np.full(3, 0.5), "gradient_x_input", "kept_share", 2, **none),
        cascade(np.full(3, 0.3), "gradient_x_input", "spearman_abs"),
        cascade(np.ones(3), "gradient_x_input", "spearman_abs", 0),
        cascade(np.full(3, 0.7), "gradient_x_input", "spearman_abs", 0, against="null_other_image"),
    )
    found = figures.competition_table(made, ["gradient_x_input", random, "absent"])
    product, lot = found.loc["cnn-mnist"].to_numpy()
    assert product[[0, 1, 2, 4]] == pytest.approx([0.5, 0.5, 0.3, 1.0])
    assert lot[[0, 1, 2, 4]] == pytest.approx([0.1, 0.2, 0.12, 0.05])
    generator, ink = np.random.default_rng(1), np.arange(100_000) < 40_000
    maps = [generator.random(100_000) * ink * (generator.random(100_000) < share) for share in (0.1, 0.2)]
    assert lot[3] == pytest.approx(stats.spearmanr(*maps)[0], abs=0.01)
