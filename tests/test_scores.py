"""The table of scores: the same numbers are the same bytes, and come back as they were."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from lib.scores import COLUMNS, load_scores, means, of_net, pack_scores, read_scores


def table_of_scores():
    rng = np.random.default_rng(0)
    count = 400
    table = pd.DataFrame(
        {
            "model": rng.choice(["cnn", "mlp"], count),
            "dataset": "mnist",
            "seed": rng.integers(0, 3, count),
            "intervention": "cascade",
            "level": rng.choice(["none", "0.5", "010", "NA", "conv1"], count),
            "step": rng.integers(0, 5, count),
            "draw": rng.integers(-1, 3, count),
            "image": range(count),
            "target": rng.integers(0, 10, count),
            "method": rng.choice(["gradient", "smoothgrad(samples=4,noise_level=0.1)", "a:b"], count),
            "metric": "spearman",
            "against": "none",
            "value": rng.normal(size=count) * 10.0 ** rng.integers(-12, 3, count),
        }
    )
    table.loc[::7, "value"] = np.nan
    return table


def test_scores_are_stored_to_six_digits_and_read_back(tmp_path):
    table = table_of_scores()
    (tmp_path / "scores.csv.xz").write_bytes(pack_scores(table))
    found = read_scores(tmp_path / "scores.csv.xz").sort_values("image", ignore_index=True)
    assert list(found) == COLUMNS
    for column in COLUMNS[:-1]:
        assert found[column].astype(table[column].dtype).tolist() == table[column].tolist(), column
    np.testing.assert_allclose(found.value, table.value, rtol=1e-5)
    assert found.value.isna().tolist() == table.value.isna().tolist()
    # What was read is stored as the same bytes again.
    assert pack_scores(found) == pack_scores(table)


def test_the_bytes_depend_on_the_numbers_alone():
    table = table_of_scores()
    packed = pack_scores(table)
    words = table.select_dtypes(["object", "string"]).columns
    assert {"model", "level", "method"} <= set(words)
    for other in (
        table.sample(frac=1.0, random_state=1),
        table[COLUMNS[::-1]],
        table.assign(more=1),
        table.astype(dict.fromkeys(words, "category")),
    ):
        assert pack_scores(other) == packed
    changed = table.copy()
    changed.loc[1, "value"] = changed.loc[1, "value"] * 1.001
    assert pack_scores(changed) != packed
    assert packed == pack_scores(table_of_scores())


def test_load_scores_joins_the_constants_of_the_run(tmp_path):
    (tmp_path / "scores.csv.xz").write_bytes(pack_scores(table_of_scores()))
    params = {"init": "own", "draws": 2, "share": 0.5, "methods": ["gradient"]}
    (tmp_path / "results.json").write_text(json.dumps({"params": params}))
    for folder in (tmp_path, str(tmp_path)):
        found = load_scores(folder)
        pd.testing.assert_frame_equal(found[COLUMNS], read_scores(tmp_path / "scores.csv.xz"))
        assert set(found.init) == {"own"} and set(found.draws) == {2} and set(found.share) == {0.5}
        assert "methods" not in found


def test_the_rows_of_one_net():
    table = table_of_scores()
    found = of_net(table, "mlp", "mnist", 1)
    expected = [i for i, row in table.iterrows() if (row.model, row.dataset, row.seed) == ("mlp", "mnist", 1)]
    assert found.index.tolist() == expected and expected
    assert of_net(table, "mlp", "fashion", 1).empty


def test_means_by_method_metric_and_step():
    table = table_of_scores().assign(against="original", metric="spearman", seed=0, model="cnn")
    noise = table.assign(metric="other", value=99.0)
    null = table.assign(against="null_other_image", value=99.0)
    found = means(pd.concat([table, noise, null]), ["a:b", "gradient"], ["spearman", "missing"])
    assert found.index.names == ["model", "dataset", "seed", "method"]
    for method in ("gradient", "a:b"):
        for step in range(1, 5):
            chosen = table[(table.method == method) & (table.step == step)]
            assert found.loc[("cnn", "mnist", 0, method), ("spearman", step)] == pytest.approx(chosen.value.mean())
    assert len(found) == 2 and 0 not in found.columns.get_level_values("step")
