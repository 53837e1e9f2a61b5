"""A table of invariances as a picture: every cell says what the scores say, and frames what the paper denies."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made_up import rows_of, scores
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch

from lib import figures
from lib.errors import StudyError


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def change(values, method, intervention):
    return rows_of(values, method, "relative_change", 0, intervention=intervention)


@pytest.fixture
def table():
    return scores(
        change([1e-16, 3e-16], "gradient", "shift(const)"),
        change([2e-15, 2e-15], "gradient", "shift(checker)"),
        change([0.5, 1.24], "gradient_x_input", "shift(const)"),
        change([0.02, 0.04], "gradient_x_input", "shift(checker)"),
        change([11.4, 11.4], "pattern_attribution", "shift(const)"),
        change([9.0, 9.0], "gradient", "shift(other)"),
        rows_of([9.0, 9.0], "gradient", "relative_error", 0, intervention="shift(const)"),
    )


ROWS = ["gradient_x_input", "absent", "gradient", "pattern_attribution"]
COLUMNS = {"shift(const)": "constant", "shift(checker)": "checkerboard"}


def words(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def boxes(figure):
    """Cells row by row from the top: (colour, whether it is framed)."""
    found = [each for each in figure.axes[0].patches if isinstance(each, FancyBboxPatch)]
    return [(to_hex(each.get_facecolor()), each.get_linewidth() > 0) for each in found]


def test_means_stand_in_the_order_asked_for(table):
    means = figures.invariance_means(table, ROWS, COLUMNS)
    assert list(means.index) == ["gradient_x_input", "gradient", "pattern_attribution"]
    assert list(means.columns) == ["constant", "checkerboard"]
    assert means.to_numpy()[:2] == pytest.approx(np.array([[0.87, 0.03], [2e-16, 2e-15]]), rel=1e-12)
    assert means.loc["pattern_attribution", "constant"] == 11.4
    assert np.isnan(means.loc["pattern_attribution", "checkerboard"])


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(0.0, "yes"), (9e-7, "yes"), (1e-6, "?"), (0.1, "?"), (0.11, "no"), (30.0, "no"), (np.nan, "")],
)
def test_verdicts_have_two_bars(value, verdict):
    assert figures.invariance_verdict(value) == verdict


@pytest.mark.parametrize(("value", "written"), [(0.0, "0"), (3.2e-16, "3·10⁻¹⁶"), (0.874, "0.87"), (123.4, "123")])
def test_changes_are_short(value, written):
    assert figures.change_words(value) == written


def test_a_cell_holds_its_verdict_and_its_change(table):
    figure = figures.invariance_table(figures.invariance_means(table, ROWS, COLUMNS))
    told = words(figure)
    assert [each for each in told if each in ("yes", "no", "?", "–")] == ["no", "?", "yes", "yes", "no", "–"]
    for written in ("0.87", "0.03", "2·10⁻¹⁶", "2·10⁻¹⁵", "11", "Gradient ⊙ input", "constant", "checkerboard"):
        assert written in told
    colours = [colour for colour, _ in boxes(figure)]
    assert len(colours) == 5 and len(set(colours)) == 3
    assert colours[2] == colours[3] and colours[0] == colours[4], "one colour per verdict"
    assert not any(framed for _, framed in boxes(figure))
    assert not any("printed" in each for each in told), "nothing printed, nothing to explain"


def test_printed_verdicts_stand_beside_and_only_contradictions_are_framed(table):
    means = figures.invariance_means(table, ROWS, COLUMNS)
    printed = pd.DataFrame(
        {"checkerboard": ["no", ""], "constant": ["no", "no"]}, index=["gradient_x_input", "gradient"]
    )
    figure = figures.invariance_table(means, printed, "K")
    assert [framed for _, framed in boxes(figure)] == [False, True, True, False, False]
    assert words(figure).count("K:\nno") == 3
    assert "K: printed verdict" in words(figure)[-1]
    with pytest.raises(StudyError, match="the row 'absent'"):
        figures.invariance_table(means, pd.DataFrame({"constant": ["no"]}, index=["absent"]))
    with pytest.raises(StudyError, match="the column 'cat'"):
        figures.invariance_table(means, pd.DataFrame({"cat": ["no"]}, index=["gradient"]))


def test_columns_can_stand_in_groups(table):
    heads = {"shift(const)": ("constant", "as it is"), "shift(checker)": ("checkerboard", "as it is")}
    figure = figures.invariance_table(figures.invariance_means(table, ROWS, heads))
    told = words(figure)
    assert told.count("as it is") == 2 and told.count("constant") == told.count("checkerboard") == 1
    lefts = sorted({each.get_x() for each in figure.axes[0].patches})
    plain = figures.invariance_table(figures.invariance_means(table, ROWS, COLUMNS))
    before = sorted({each.get_x() for each in plain.axes[0].patches})
    assert lefts[1] - lefts[0] > before[1] - before[0], "a gap between groups"


def test_long_names_take_two_lines():
    name = "SmoothGrad of IG, pixel-minimum reference"
    assert figures.spoken("smoothgrad(of=integrated_gradients(reference=pixelmin))") == name
    means = pd.DataFrame({"a": [0.0]}, index=["smoothgrad(of=integrated_gradients(reference=pixelmin))"])
    assert "SmoothGrad of IG, pixel-minimum\nreference" in words(figures.invariance_table(means))
