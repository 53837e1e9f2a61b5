"""Our means stand beside the authors' numbers, method by method and unit by unit."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from lib import attributions, models, released
from lib.released import beside_released

NUMBERS = yaml.safe_load(Path(released.__file__).with_suffix(".yml").read_text(encoding="utf-8"))


def scores_of(model, methods, seeds=(0,)):
    units = list(reversed(models.ARCHITECTURES[model].units))
    rng = np.random.default_rng(0)
    rows = [
        {
            "model": model, "dataset": "mnist", "seed": seed, "intervention": "cascade", "level": unit, "step": step,
            "draw": draw, "image": image, "target": 0, "method": method, "metric": metric, "against": against,
            "value": rng.uniform(),
        }
        for seed, method, metric, against, draw, image, (step, unit) in itertools.product(
            seeds, methods, ["spearman_abs", "spearman"], ["original", "input"], range(2), range(3), enumerate(units, 1)
        )
    ]  # fmt: skip
    intact = pd.DataFrame(rows).query("step == 1").assign(step=0, level="none", draw=-1, value=1.0)
    return pd.concat([intact, pd.DataFrame(rows)], ignore_index=True)


@pytest.mark.parametrize("model", NUMBERS)
def test_the_numbers_speak_of_our_units_and_methods(model):
    units = set(models.ARCHITECTURES[model].units)
    for method, values in NUMBERS[model].items():
        assert set(values) == units
        assert all(-1 <= value <= 1 for value in values.values())
        assert method in attributions.METHODS or method == "ig_smoothgrad"
    # Cascading from the top, the gradient never becomes more similar by a lot.
    top_down = [NUMBERS[model]["gradient"][unit] for unit in reversed(models.ARCHITECTURES[model].units)]
    assert all(later <= earlier + 0.1 for earlier, later in itertools.pairwise(top_down))


@pytest.mark.parametrize("model", ["cnn", "mlp"])
def test_ours_beside_theirs(model):
    methods = ["guided_backprop", "gradient", "edge", "smoothgrad(samples=4)"]
    scores = scores_of(model, methods)
    table = beside_released(scores, methods)
    assert table.index.tolist() == ["guided_backprop", "gradient"]
    units = list(reversed(models.ARCHITECTURES[model].units))
    assert table.columns.tolist() == [(unit, whose) for unit in units for whose in ("ours", "released")]
    for method, unit in itertools.product(table.index, units):
        assert table.loc[method, (unit, "released")] == NUMBERS[model][method][unit]
        rows = scores[(scores.method == method) & (scores.level == unit) & (scores.metric == "spearman_abs")]
        assert table.loc[method, (unit, "ours")] == pytest.approx(rows[rows.against == "original"].value.mean())


def test_training_seeds_are_averaged():
    scores = scores_of("cnn", ["gradient"], seeds=(0, 1))
    table = beside_released(scores, ["gradient"])
    rows = scores[(scores.level == "fc1") & (scores.metric == "spearman_abs") & (scores.against == "original")]
    assert set(rows.seed) == {0, 1}
    assert table.loc["gradient", ("fc1", "ours")] == pytest.approx(rows.value.mean())


def test_the_order_of_rows_and_categories_do_not_matter():
    scores = scores_of("cnn", ["gradient", "gradcam"])
    mixed = scores.sample(frac=1.0, random_state=0)
    words = ["model", "dataset", "intervention", "level", "method", "metric", "against"]
    mixed = mixed.astype(dict.fromkeys(words, "category"))
    pd.testing.assert_frame_equal(
        beside_released(mixed, ["gradcam", "gradient"]), beside_released(scores, ["gradcam", "gradient"])
    )


def test_methods_without_a_released_number_give_an_empty_table():
    assert beside_released(scores_of("mlp", ["edge"]), ["edge"]).empty
