"""What a notebook talks to: scores that are found again, results that are the same on every run."""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import linecache
import lzma
import shutil
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from notebook_script import run_script, smoke_params

from lib import data, stored, study, training
from lib.checks import notebook_path
from lib.claims import ledger
from lib.compute import ROOT
from lib.errors import StudyError
from lib.parameters import read_parameters, read_params_file
from lib.randomization import randomization_maps, randomization_scores
from lib.scores import read_scores
from lib.study import NOT_IN_RESULTS, Study

NAME = "01_model_randomization"
PARAMS = smoke_params(NAME)[-1]
TINY = read_params_file(PARAMS)
# What the notebook asks for, so that its numbers are found again.
ORDERS = ["cascade", "reverse", "independent"]
SETTINGS = {
    "draws": 2,
    "orders": ORDERS,
    "init": ["own"],
    "prefix": ["fresh"],
    "target": ["original"],
    "costly": TINY["relevance"],
    "first_net": {
        "costly": [*TINY["relevance"], *TINY["costly"]],
        "sweep_methods": ["gradient", "gradient_x_input", "guided_backprop"],
        "stale": ["guided_backprop"],
    },
}
SHOWN = [*TINY["methods"], *TINY["relevance"], *TINY["costly"]]
MAIN = {"orders": ORDERS, "init": "own", "prefix": "fresh", "target": "original"}

pytestmark = pytest.mark.usefixtures("shared_cache")


_once = functools.cache(training.named_net)


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    monkeypatch.setenv("SALIENCY_DATA", str(tmp_path / "no-data"))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    for name in ("SALIENCY_PRESET", "SALIENCY_VARIANT", "SALIENCY_PROGRESS"):
        monkeypatch.delenv(name, raising=False)
    # Reading a net takes longer than most of these tests.
    monkeypatch.setattr(training, "named_net", _once)


def all_values():
    return {name: each.default for name, each in read_parameters(notebook_path(NAME)).items()} | TINY


# Parameters --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"n_imges": 5}, ["n_imges", "n_images"]),
        ({"n_images": "5"}, ["n_images", "5"]),
        ({"n_images": 2.5}, ["n_images", "2.5"]),
        ({"models": "cnn-smoke"}, ["models", "list"]),
        ({"draws": 0}, ["draws"]),
        ({"methods": ["gradcam"]}, ["gradcam"]),
    ],
    ids=str,
)
def test_a_notebook_with_wrong_parameters_stops_before_any_compute(monkeypatch, change, words):
    def fail(*_args, **_kwargs):
        raise AssertionError("trained before the values were checked")

    monkeypatch.setattr(training, "named_net", fail)
    with pytest.raises(StudyError) as error:
        Study(NAME, TINY | change)
    assert all(word in str(error.value) for word in words) and "\n" not in str(error.value)


def test_what_is_no_plain_value_is_no_parameter():
    namespace = TINY | {"_private": 1, "In": ["x"], "Out": {}, "torch": torch, "function": len, "array": np.ones(2)}
    assert Study(NAME, namespace).params == all_values()


# The notebook as a script -------------------------------------------------------------------------------------------


@pytest.fixture
def first_run(script_run):
    return script_run(NAME)[0]


def test_all_cells_run_again_give_the_same_bytes(script_run, tmp_path, monkeypatch):
    # In the same kernel, as "run all cells" does: the notebook's names are still there. From another folder, and
    # computed again. (Two processes are compared in test_notebook_runs.)
    first_run, namespace = script_run(NAME)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("FRESH", "1")
    monkeypatch.setenv("SALIENCY_PRESET", "smoke")
    monkeypatch.setenv("SALIENCY_VARIANT", PARAMS.stem)
    torch.manual_seed(12)
    run_script(NAME, PARAMS, tmp_path / "out", namespace)
    for name in ("scores.csv.xz", "results.json", "maps.npz"):
        assert (tmp_path / "out" / name).read_bytes() == (first_run / name).read_bytes(), name
    assert (tmp_path / "out" / "run.json").read_bytes() != (first_run / "run.json").read_bytes()
    assert list(work.iterdir()) == []


def test_what_is_saved_is_complete_and_true(first_run):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    text = (first_run / "results.json").read_text(encoding="utf-8")
    results = json.loads(text, parse_constant=refuse)
    assert text == json.dumps(results, indent=1, sort_keys=True, ensure_ascii=False)
    assert results["study"] == NAME and (results["preset"], results["variant"]) == ("smoke", "mlp-smoke")
    assert results["title"] == "Does the map change when the model is destroyed?"
    expected = {name: value for name, value in all_values().items() if name not in NOT_IN_RESULTS}
    assert results["params"] == expected
    packed = (first_run / "scores.csv.xz").read_bytes()
    assert results["digest"] == hashlib.sha256(lzma.decompress(packed)).hexdigest()
    assert results["key"] == results["made_of"]["scores"]["key"] != results["made_of"]["maps"]["key"]
    assert {claim["id"] for claim in results["claims"]} >= {"A-01", "A-10", "A-12", "A-20"}

    run = json.loads((first_run / "run.json").read_text(), parse_constant=refuse)
    promised = {"started", "seconds", "compute_seconds", "device", "threads", "versions", "commit", "machine"}
    assert promised | {"peak_memory_gb", "made_by", "computed"} <= run.keys()
    assert run["made_by"] == "script" and run["threads"] == 1
    assert run["versions"]["torch"] == torch.__version__
    assert set(run["computed"]) == {"scores", "maps", "manifest"}

    with np.load(first_run / "maps.npz") as maps:
        assert set(maps.files) == set(SHOWN)
        # Five stages of one image, scaled to at most 1.
        assert all(maps[name].shape == (3, 5, 1, 28, 28) and np.abs(maps[name]).max() <= 1 for name in maps.files)


def test_a_run_by_hand_is_called_scratch(tmp_path):
    results = json.loads((saved_run(tmp_path) / "results.json").read_text())
    assert (results["preset"], results["variant"]) == ("scratch", "scratch")
    assert Study(NAME, TINY).out == ROOT / "reports" / "scratch" / NAME
    assert Study(NAME, TINY | {"out": "reports/mine"}).out == ROOT / "reports" / "mine"


def test_one_image_and_few_methods_run_through_as_well(tmp_path):
    # No other image for the null, no noise for the ceiling, none of the methods of some tables.
    run_script(NAME, PARAMS, tmp_path / "out", n_images=1, methods=["edge", "integrated_gradients(steps=2)"])
    assert (tmp_path / "out" / "results.json").exists()


# Scores, computed once ----------------------------------------------------------------------------------------------


def make_study(out, **changes):
    return Study(NAME, TINY | {"out": str(out)} | changes)


def saved_run(out):
    made = make_study(out)
    made.scores(randomization_scores, TINY["methods"], **SETTINGS)
    made.maps(randomization_maps, SHOWN, 1, **MAIN)
    made.save()
    return out


@pytest.fixture
def published(first_run, tmp_path, monkeypatch):
    """A published report in a clone of its own."""
    root = tmp_path / "clone"
    folder = root / "reports" / "paper" / NAME / "mlp"
    shutil.copytree(first_run, folder)
    (root / "notebooks").symlink_to(ROOT / "notebooks")
    monkeypatch.setattr(stored, "ROOT", root)
    return folder


class Computed(Exception):
    pass


@pytest.fixture
def no_compute(monkeypatch):
    """Computing scores or maps raises `Computed`; nets are found as always."""
    original = stored.artefacts.artefact

    def artefact(kind, key, make, fresh=False):
        if kind in ("scores", "maps"):
            raise Computed(kind)
        return original(kind, key, make, fresh)

    monkeypatch.setattr(stored.artefacts, "artefact", artefact)


def ask(tmp_path, kind="scores", **changes):
    made = make_study(tmp_path / "out", **changes)
    if kind == "maps":
        return made.maps(randomization_maps, SHOWN, 1, **MAIN)
    return made.scores(randomization_scores, TINY["methods"], **SETTINGS | {"draws": changes.get("draws", 2)})


def test_a_published_report_whose_key_fits_is_used(published, no_compute, tmp_path):
    found = ask(tmp_path)
    pd.testing.assert_frame_equal(found, read_scores(published / "scores.csv.xz"))
    assert ask(tmp_path, "maps")["gradient"].shape == (3, 5, 1, 28, 28)


def test_its_circumstances_are_kept(published, no_compute, tmp_path):
    run = json.loads((published / "run.json").read_text())
    run["computed"]["scores"]["machine"] = "elsewhere, 64 cores"
    (published / "run.json").write_text(json.dumps(run))
    made = make_study(tmp_path / "out")
    made.scores(randomization_scores, TINY["methods"], **SETTINGS)
    made.save()
    again = json.loads((tmp_path / "out" / "run.json").read_text())
    assert again["computed"]["scores"]["machine"] == "elsewhere, 64 cores"
    assert again["machine"] != "elsewhere, 64 cores"


@pytest.mark.parametrize("kind", ["scores", "maps"])
def test_fresh_computes(published, no_compute, monkeypatch, tmp_path, kind):
    monkeypatch.setenv("FRESH", "1")
    with pytest.raises(Computed, match=kind):
        ask(tmp_path, kind)


def test_fresh_makes_again_what_the_cache_holds(first_run, monkeypatch, tmp_path):
    asked = []
    original = stored.artefacts.artefact

    def artefact(kind, key, make, fresh=False):
        # Only the question whether it is made again matters here.
        if kind == "scores":
            asked.append(fresh)
        return original(kind, key, make)

    monkeypatch.setattr(stored.artefacts, "artefact", artefact)
    ask(tmp_path)
    monkeypatch.setenv("FRESH", "1")
    ask(tmp_path)
    assert asked[-1] and not any(asked[:-1])


@pytest.mark.parametrize(
    "change", [{"draws": 3}, {"n_images": 3}, {"models": ["cnn-smoke"]}], ids=["draws", "n_images", "net"]
)
def test_another_question_is_computed(published, no_compute, tmp_path, change):
    with pytest.raises(Computed):
        ask(tmp_path, **change)


def flip_a_byte(path, at=0.5):
    content = bytearray(path.read_bytes())
    content[int(at * len(content))] ^= 0xFF
    path.write_bytes(content)


def another_table(path):
    text = lzma.decompress(path.read_bytes()).decode().replace("0.9", "0.8", 1)
    path.write_bytes(lzma.compress(text.encode()))


DAMAGE = {
    "table flipped": ("scores", lambda folder: flip_a_byte(folder / "scores.csv.xz")),
    "head of the table flipped": ("scores", lambda folder: flip_a_byte(folder / "scores.csv.xz", 10.5 / 4000)),
    "table cut": ("scores", lambda folder: (folder / "scores.csv.xz").write_bytes(b"\x1f\x8b\x08\x00")),
    "table empty": ("scores", lambda folder: (folder / "scores.csv.xz").write_bytes(b"")),
    "table of other numbers": ("scores", lambda folder: another_table(folder / "scores.csv.xz")),
    "table lost": ("scores", lambda folder: (folder / "scores.csv.xz").unlink()),
    "results cut": ("scores", lambda folder: (folder / "results.json").write_text('{"study": "01')),
    "run lost": ("scores", lambda folder: (folder / "run.json").unlink()),
    "maps flipped": ("maps", lambda folder: flip_a_byte(folder / "maps.npz")),
    "maps cut": ("maps", lambda folder: (folder / "maps.npz").write_bytes(b"PK\x03\x04")),
    "maps lost": ("maps", lambda folder: (folder / "maps.npz").unlink()),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_report_is_not_used(published, no_compute, tmp_path, damage):
    kind, spoil = DAMAGE[damage]
    spoil(published)
    with pytest.raises(Computed, match=kind):
        ask(tmp_path, kind)


def test_rows_name_the_net_the_image_and_the_class(tmp_path):
    made = make_study(tmp_path)
    found = made.scores(randomization_scores, TINY["methods"], **SETTINGS)
    net = made.nets[0]
    dataset = data.load("mnist-5k")
    given = made.examples(net)
    images, targets, ids = given["images"], given["targets"], given["image_ids"]
    assert torch.equal(images, dataset.test_images[ids]) and torch.equal(given["labels"], dataset.test_labels[ids])
    assert torch.equal(given["references"]["mean"], dataset.train_images.double().mean(0).float())
    assert dataset.test_labels[ids].tolist() == [0, 1, 2, 3]
    assert torch.equal(targets, net.model(images).argmax(1))
    cascade = found[found.intervention == "cascade"]
    pairs = cascade[["image", "target"]].drop_duplicates().sort_values("image").to_numpy().tolist()
    assert pairs == sorted([each, int(target)] for each, target in zip(ids, targets, strict=True))
    assert set(found.model) == {"mlp"} and set(found.dataset) == {"mnist-5k"} and set(found.seed) == {0}
    accuracy = found[found.metric == "accuracy"]
    assert len(accuracy) == data.HELD_OUT
    right = (net.model(dataset.test_images).argmax(1) == dataset.test_labels).double().mean().item()
    assert accuracy.value.mean() == pytest.approx(right)
    own = made.accuracies(found).loc["mlp-smoke"]
    assert own.accuracy == pytest.approx(right) and own["held-out images"] == data.HELD_OUT
    assert own["from"] < right < own.to


OWN = """
def method(model, images, targets):
    return images * {factor}
"""


def test_a_method_of_your_own_is_computed_again_when_its_code_changes(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    methods = ["own_method_of_a_test:method"]
    settings = SETTINGS | {"first_net": {}, "costly": []}
    keys = []
    for factor in (2, 3):
        (tmp_path / "own_method_of_a_test.py").write_text(OWN.format(factor=factor) + "\n" * factor)
        sys.modules.pop("own_method_of_a_test", None)
        importlib.invalidate_caches()
        linecache.clearcache()
        made = make_study(tmp_path / "out", methods=methods)
        found = made.scores(randomization_scores, methods, **settings)
        assert methods[0] in set(found.method)
        keys += [each.key for each in made._made.values()]
    sys.modules.pop("own_method_of_a_test", None)
    assert keys[0] != keys[1]


def test_few_images_are_for_the_first_net_and_have_settings_of_their_own(tmp_path):
    few = {"methods": ["gradient_x_input"], "n_images": 2, "draws": 1, "orders": ["cascade"], "costly": []}
    made = make_study(tmp_path / "out", methods=["gradient"])
    found = made.scores(
        randomization_scores, ["gradient"], few_images=few, draws=2, orders=["cascade"], init="own", costly=["edge"]
    )
    rows = found[found.metric == "spearman"]
    images = {method: set(rows[rows.method == method].image) for method in ("gradient", "gradient_x_input", "edge")}
    assert [len(images[method]) for method in images] == [4, 2, 4]
    assert set(rows[rows.method == "gradient_x_input"].draw) == {-1, 0}
    assert not found.duplicated(["intervention", "step", "draw", "image", "method", "metric", "against"]).any()
    without = make_study(tmp_path / "other", methods=["gradient"])
    without.scores(randomization_scores, ["gradient"], draws=2, orders=["cascade"], init="own", costly=["edge"])
    assert without._made["scores"].key != made._made["scores"].key


def test_there_is_nothing_to_save_before_scores(tmp_path):
    with pytest.raises(StudyError, match="nothing to save"):
        make_study(tmp_path / "out").save()
    assert not (tmp_path / "out").exists()


# Figures and claims -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("caption", "alt"), [("", "A line."), ("It rises.", ""), (" \n", "A line."), ("x", "  ")])
def test_a_figure_needs_a_caption_and_an_alternative_text(monkeypatch, tmp_path, caption, alt):
    shown = []
    monkeypatch.setattr(study, "_show_html", shown.append)
    figure, _ = plt.subplots()
    made = make_study(tmp_path)
    with pytest.raises(StudyError, match="The figure rise needs a caption and an alternative text"):
        made.figure(figure, "rise", caption, alt)
    assert shown == []
    made.figure(figure, "rise", "It rises.", "A line.")
    assert len(shown) == 1


def test_claims_of_a_run_are_decided_and_shown_with_their_figures(tmp_path):
    made = make_study(tmp_path)
    scores = made.scores(randomization_scores, TINY["methods"], **SETTINGS)
    table = made.claims(scores, figure="curves", elsewhere={"A-10": "others", "A-01": "accuracies"})
    ruled = [each for each, row in ledger().items() if row["study"] == "01_model_randomization" and "parts" in row]
    assert table.index.tolist() == ruled and "A-10" in ruled and "A-77" not in ruled
    assert table.loc["A-13", "verdict"] == "not tested" and table.loc["A-13", "interval"] == "–"
    made.save()
    claims = {claim["id"]: claim for claim in json.loads((tmp_path / "results.json").read_text())["claims"]}
    assert claims["A-10"]["figure"] == "others"
    tested = set(table.index[table.verdict != "not tested"]) - {"A-10"}
    assert tested and {claims[each]["figure"] for each in tested} == {"curves"}
    # The figure of what was not tested may not be there.
    assert table.loc["A-01", "verdict"] == "not tested" and claims["A-01"]["figure"] is None
    assert claims["A-10"]["verdict"] == table.loc["A-10", "verdict"]
