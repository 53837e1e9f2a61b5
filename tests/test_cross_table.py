"""Methods against tests, on made-up scores with known answers."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from made_up import around, cascade_of, rows_of, scores

from lib import attributions
from lib.claims import ledger
from lib.cross_table import FAIL, OPEN, PASS, cross_table, passed
from lib.cross_tests import COLUMNS, ROWS

KEYS = [column.key for column in COLUMNS]


def results(table, method="gradient"):
    """Column -> the results of its readings, of what was measured."""
    cells = cross_table(table)[method]
    return {key: [cell.result for cell in each] for key, each in cells.items() if each[0].result}


def test_every_method_and_every_test_is_named_once_and_every_threshold_is_a_claims():
    assert len(set(KEYS)) == len(KEYS) and len({row.name for row in ROWS}) == len(ROWS)
    groups = {column.group for column in COLUMNS}
    for row in ROWS:
        attributions.methods([row.name, *row.spelled.values()])
        assert row.spelled.keys() | row.missing.keys() <= groups
        assert (row.kind == "controls") == (row.name in attributions.CONTROLS)
    for column in COLUMNS:
        assert column.claim in ledger()
        assert all(name in ledger() for name in re.findall(r"[AYK]-\d\d", column.rule))
        bars = {
            bar for each in column.readings for rule in each.rules for bar in (rule.get("below"), rule.get("above"))
        }
        (bar,) = bars - {None}
        assert f"{bar:f}".rstrip("0") in column.rule


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([0.2, 0.2, 0.2, 0.2], {"upper": [PASS], "full": [PASS]}),
        ([0.9, 0.8, 0.2, 0.2], {"upper": [FAIL], "full": [PASS]}),
        ([0.5, 0.5, 0.5, 0.65], {"upper": [PASS], "full": [FAIL]}),
        # The upper half is the first two of four steps; 0.7 is neither above nor below 0.7.
        ([0.8, 0.6, 0.9, 0.6], {"upper": [OPEN], "full": [OPEN]}),
    ],
)
def test_the_cascade_passes_where_maps_change(steps, expected):
    assert results(cascade_of(steps, spread=0.01)) == expected


def test_a_second_reading_looks_at_the_foreground():
    everywhere, inside = cascade_of([0.9, 0.9]), cascade_of([0.1, 0.1], metric="spearman_abs_fg")
    cells = cross_table(scores(everywhere, inside))["gradient"]
    assert [(cell.reading, cell.result) for cell in cells["full"]] == [("", FAIL), ("foreground", PASS)]
    assert cells["full"][0].value == pytest.approx(0.9) and cells["full"][1].value == pytest.approx(0.1)
    assert (cells["full"][0].n, cells["full"][0].draws, cells["full"][0].run) == (10, 3, "cnn-mnist")
    assert passed(cells) == (0, 2), "a test is passed in all its readings"


def test_one_net_is_enough_to_fail_and_a_net_without_the_method_does_not_count():
    good, bad = cascade_of([0.1, 0.1]), cascade_of([0.1, 0.9], model="mlp")
    cells = cross_table(scores(good, bad))["gradient"]
    assert (cells["full"][0].result, cells["full"][0].run, cells["full"][0].nets) == (FAIL, "mlp-mnist", 2)
    other = cascade_of([0.1, 0.9], "smoothgrad", model="mlp")
    cells = cross_table(scores(good, other))["gradient"]
    assert (cells["full"][0].result, cells["full"][0].nets) == (PASS, 1)


@pytest.mark.parametrize(
    ("dense", "convolutional", "expected"),
    [(0.0, 0.0, PASS), (0.5, 0.0, FAIL), (0.0, 0.5, FAIL), (0.01, 0.0, OPEN), (1e-9, 1e-9, PASS)],
)
def test_a_shift_is_passed_without_change_failed_with_a_large_one_and_open_between(dense, convolutional, expected):
    images = np.ones(10) + np.arange(10) / 1000
    table = scores(
        *(
            rows_of(
                value * images, metric="relative_change", step=0, model=model, intervention=f"shift(checker{jitter})"
            )
            for value, model, jitter in ((dense, "k_mlp", ""), (convolutional, "cnn", ",jitter=0.001"))
        )
    )
    assert results(table) == {"shift-checker": [expected]}


def test_on_photographs_similarity_is_counted_from_the_map_of_another_image_upwards():
    where = {"model": "resnet18", "dataset": "imagenet-samples", "intervention": "photographs: cascade"}
    raw = cascade_of([0.8, 0.8], **where)
    null = rows_of(np.full(10, 0.5), against="null_other_image", step=0, **where)
    cells = cross_table(scores(raw, null.assign(draw=-1)))["gradient"]["photographs-upper"]
    # (0.8 - 0.5) / (1 - 0.5) = 0.6 is below 0.7, and so is 0.8 - 0.3 x 0.5 = 0.65.
    assert [cell.result for cell in cells] == [FAIL, PASS]
    assert cells[1].value == pytest.approx(0.65, abs=1e-3)


def test_the_half_that_decides_is_found_on_the_methods_own_images():
    where = {"dataset": "mnist-half", "intervention": "localisation(net=half)", "metric": "mass_share_abs_half"}
    ink = rows_of(np.linspace(0.1, 0.9, 100), "input", step=0, against="none", **where)
    maps = rows_of(np.linspace(0.1, 0.9, 100)[:20] + 0.3, "gradient", step=0, against="none", **where)
    (cell,) = cross_table(scores(ink, maps))["gradient"]["localisation"]
    assert (cell.result, cell.n, cell.undefined) == (PASS, 20, 0)
    assert cell.value == pytest.approx(0.3)
    (cell,) = cross_table(scores(ink, maps))["input"]["localisation"]
    assert (cell.result, cell.n, cell.value) == (FAIL, 100, 0)


def test_a_map_of_edges_after_destruction_fails():
    edges = cascade_of([0.1, 0.5], against="edge")
    assert results(scores(cascade_of([0.1, 0.1]), edges))["edges"] == [FAIL]
    assert results(scores(cascade_of([0.1, 0.1]), edges.assign(value=0.2)))["edges"] == [PASS]


def test_methods_are_found_as_they_are_spelled_elsewhere():
    table = rows_of(np.zeros(5), "smoothgrad_absolute", "relative_change", 0, "k_mlp", intervention="shift(cat)")
    assert results(table, "smoothgrad") == {"shift-cat": [PASS]} and results(table) == {}


def test_what_was_not_measured_says_why():
    for table in (pd.DataFrame(), rows_of(around(0.5), method="else")):
        cells = cross_table(table)
        assert {row.name for row in ROWS} == cells.keys()
        assert all(list(each) == KEYS for each in cells.values())
        assert all(cell[0].why and not cell[0].result for each in cells.values() for cell in each.values())
        assert cells["edge"]["shift-cat"][0].why == "never looks at the model"
        assert cells["gradient"]["shift-cat"][0].why == "not measured"


def test_too_many_constant_maps_leave_a_test_open():
    values = around(0.1)
    values[:3] = np.nan
    cells = cross_table(scores(cascade_of([0.1]), rows_of(values, step=2)))["gradient"]
    assert cells["full"][0].result == OPEN and cells["full"][0].undefined == pytest.approx(0.3)
