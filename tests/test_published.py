"""A published report is used as long as its numbers are those that would be computed now."""

from __future__ import annotations

import json
import shutil

import pytest

from lib import published, training
from lib.compute import ROOT
from lib.parameters import check_parameters, read_parameters, read_params_file
from lib.randomization import randomization_maps, randomization_scores
from lib.study import Study

STUDY = "01_model_randomization"
pytestmark = pytest.mark.usefixtures("shared_cache")


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A project folder with one published report of the smoke preset."""
    monkeypatch.setenv("SALIENCY_PRESET", "smoke")
    monkeypatch.setenv("SALIENCY_VARIANT", "mlp-smoke")
    for folder in ("notebooks", "params"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    params = tmp_path / "params" / "smoke" / STUDY / "mlp-smoke.yml"
    out = tmp_path / "reports" / "smoke" / STUDY / "mlp-smoke"
    schema = read_parameters(ROOT / "notebooks" / f"{STUDY}.py")
    values = check_parameters(schema, read_params_file(params)) | {"out": str(out)}
    study = Study(STUDY, values)
    how = {name: values[name] for name in ("orders", "init", "prefix")}
    study.scores(randomization_scores, values["methods"], draws=values["draws"], **how)
    first = {"orders": values["orders"], "init": values["init"][0], "prefix": values["prefix"][0]}
    study.maps(randomization_maps, values["methods"], values["gallery"], **first)
    study.manifest(**first)
    study.save()
    return tmp_path


def report(clone):
    return clone / "reports" / "smoke" / STUDY / "mlp-smoke"


def test_a_fresh_report_fits_and_its_net_is_not_needed(clone):
    assert published.fits(report(clone), clone)
    assert not published.needed("mlp-smoke", "smoke", clone)
    assert published.needed("cnn-smoke", "smoke", clone), "its report is not there"
    assert not published.needed("cnn-mnist", "smoke", clone), "no run of this preset names it"


def test_a_net_is_needed_when_everything_is_to_be_computed_anew(clone, monkeypatch):
    monkeypatch.setenv("FRESH", "1")
    assert published.needed("mlp-smoke", "smoke", clone)


def test_other_parameters_do_not_fit(clone):
    path = clone / "params" / "smoke" / STUDY / "mlp-smoke.yml"
    text = path.read_text().replace("draws: 2", "draws: 3")
    assert text != path.read_text()
    path.write_text(text)
    assert not published.fits(report(clone), clone)
    assert published.needed("mlp-smoke", "smoke", clone)


def test_another_recipe_does_not_fit(clone, monkeypatch):
    recipe = training.read_recipe("mlp-smoke")
    other = type(recipe)(**(vars(recipe) | {"iterations": recipe.iterations + 1}))
    monkeypatch.setattr(training, "read_recipe", lambda name: other)
    assert not published.fits(report(clone), clone)


def test_other_code_does_not_fit(clone, monkeypatch):
    monkeypatch.setattr("lib.artefacts.source_digest", lambda parts: "another")
    assert not published.fits(report(clone), clone)


@pytest.mark.parametrize("file", ["scores.csv.xz", "maps.npz", "manifest.csv", "results.json"])
@pytest.mark.parametrize("spoil", ["lost", "cut"])
def test_a_damaged_report_does_not_fit(clone, file, spoil):
    path = report(clone) / file
    if spoil == "lost":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-40])
    assert not published.fits(report(clone), clone)


def test_code_that_is_gone_does_not_fit(clone):
    path = report(clone) / "results.json"
    results = json.loads(path.read_text())
    results["made_of"]["scores"]["code"].append("lib.nowhere:nothing")
    path.write_text(json.dumps(results))
    assert not published.fits(report(clone), clone)


def test_manifest_shows_what_each_step_changed(clone):
    import pandas as pd

    table = pd.read_csv(report(clone) / "manifest.csv")
    order = list(table.unit.unique())[::-1]
    for row in table[table.order == "cascade"].itertuples():
        # A bias that training never moved may be drawn as it was.
        assert row.changed > 0.999 if order.index(row.unit) < row.step else row.changed == 0.0
