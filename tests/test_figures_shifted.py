"""What the figures of the shift study say in words and cells: numbers computed by hand."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from made_up import rows_of, scores

from lib import figures
from lib.figures.shifted import PRINTED


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def changes(method, values, shift="const", metric="relative_change"):
    return rows_of(np.array(values), method, metric, 0, intervention=f"shift({shift})", model="k_mlp")


def texts(figure):
    return [text.get_text() for axis in figure.axes for text in axis.texts]


def test_words_are_means_over_images_in_the_order_asked_for():
    table = scores(changes("gradient_x_input", [2.0, 3.0]), changes("gradient", [0.0, 0.0]))
    assert (
        figures.changes_in_words(table, ["gradient", "gradient_x_input"], "const") == "Gradient 0, Gradient ⊙ input 2.5"
    )
    rises = scores(
        changes("gradient", [1e-18, -3e-18], "checker", "shift_rise"),
        changes("dtd_zero", [0.4, 0.6], "checker", "shift_rise"),
    )
    assert figures.rises_in_words(rises, ["dtd_zero", "gradient"], "checker") == "DTD, zero root 0.50, Gradient 0.00"


def test_the_table_holds_the_papers_verdicts_beside_ours_and_frames_what_differs():
    table = scores(
        *(changes(name, [value] * 3, shift) for name, value in (("gradient", 1e-16), ("pattern_attribution", 7.0))
          for shift in ("const", "checker")),
    )  # fmt: skip
    words = texts(figures.shift_table(table, ["gradient", "pattern_attribution"], ["const", "checker"]))
    # K prints the gradient under the constant alone, PatternAttribution under both.
    assert words.count("K:\nyes") == 3 and words.count("yes") == 2 and words.count("no") == 2
    ending = table.assign(intervention=table.intervention.str.replace(")", ",jitter=0.1)"))
    assert "K:\nyes" not in texts(figures.shift_table(ending, ["gradient"], ["const"], ",jitter=0.1"))


def test_printed_verdicts_are_those_of_the_ledger():
    """The science prints, for each claim, what K printed: ``constant yes → yes; checker – → yes``."""
    from lib.claims import ledger

    words = {"constant": "const", "checker": "checker", "cat": "cat"}
    for number in range(10, 26):
        row = ledger()[f"K-{number}"]
        told = dict(cell.strip(" .").split(" ", 1) for cell in row["wording"].split("expected:")[1].split(";"))
        printed = {words[name]: cell.split(" → ")[0] for name, cell in told.items() if not cell.startswith("–")}
        methods = {method for part in row["parts"] if not part.get("second") for method in part["methods"]}
        for method in methods:
            assert PRINTED[method] == printed, (row["id"], method)


def test_equal_networks_are_told_as_shares_and_largest_errors():
    given = {"step": 0, "model": "k_mlp", "method": "none"}
    table = scores(
        rows_of([1, 0, 1, 1], metric="accuracy", intervention="network 1", against="none", **given),
        rows_of([1, 0, 1, 1], metric="accuracy", intervention="network 2(const)", against="none", **given),
        rows_of([1, 1, 1, 1], metric="same_class", intervention="network 2(const)", against="none", **given),
        *(
            rows_of([1e-16, 3e-16], metric="relative_error", intervention="network 2(const)", against=name, **given)
            for name in ("logits", "activations", "gradient")
        ),
    )
    found = figures.equal_networks(table)
    assert list(found.index) == ["network 1", "network 2, const"]
    assert found.loc["network 2, const", ["accuracy", "equal classes"]].tolist() == [0.75, 1.0]
    assert found.loc["network 2, const", "gradient"] == "3·10⁻¹⁶" and pd.isna(found.loc["network 1", "gradient"])


def test_maps_of_both_networks_stand_under_each_other():
    maps = {
        f"const|network {network}:{name}": np.full((2, 4, 4), float(network))
        for network in (1, 2)
        for name in ("image", "gradient")
    }
    figure = figures.two_networks(maps, "const", 1, ["gradient"])
    assert [axis.get_ylabel() for axis in figure.axes if axis.get_ylabel()] == ["network 1", "network 2"]
    shown = [float(axis.images[0].get_array().mean()) for axis in figure.axes]
    assert shown == [1.0, 1.0, 2.0, 2.0]


def test_the_share_of_changed_classes():
    given = {"step": 0, "model": "k_mlp", "method": "none", "metric": "same_class"}
    table = rows_of([1, 1, 0, 1], intervention="centred(by=standardised,shift=none)", **given)
    assert figures.changed_classes(table, "standardised") == "25%"


def test_rises_are_drawn_one_mark_for_each_shift():
    table = scores(
        *(
            changes(name, [0.1, 0.3], shift, "shift_rise")
            for name in ("gradient", "dtd_zero")
            for shift in ("checker", "cat")
        )
    )
    figure = figures.rise_dots(table, ["gradient", "dtd_zero"], ["checker", "cat"])
    legend = figure.axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["checker", "cat"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["Gradient", "DTD, zero root"]
