"""The code behind a number is in the number's key: nothing of the library is forgotten, nothing else is in it."""

from __future__ import annotations

import importlib
import inspect
import sys
import types

import pytest

from lib import attributions, randomization, sources, study, training
from lib.sources import closure

LIBRARY = "lib"


def names_of(*parts):
    return [module.__name__ for module in closure(parts)]


def test_the_closure_of_the_cascade():
    found = names_of(randomization.randomization_scores)
    assert found == sorted(found) and len(set(found)) == len(found)
    computing = {
        "randomization",
        "reinitialisation",
        "comparison",
        "similarity",
        "units",
        "workspace",
        "backward_rules",
        "initialisers",
        "compute",
    }
    assert {f"lib.{name}" for name in computing} <= set(found)
    # Figures, claims, prose and the cache may change without a new computation.
    shown = {
        "figures",
        "claims",
        "parts",
        "measures",
        "thresholds",
        "report",
        "released",
        "stored",
        "study",
        "training",
    }
    shown |= {"artefacts", "progress", "errors"}
    assert not {name for name in found if name.split(".")[1] in shown}


@pytest.mark.parametrize("label", attributions.METHODS)
def test_every_method_brings_its_module(label):
    cls = attributions.METHODS[label]
    assert cls.__module__ in names_of(cls)
    assert "lib.workspace" in names_of(cls)


def test_the_closure_is_that_of_what_the_modules_hold_while_running():
    # Independent of the reading of import lines: every function, class or module of the library that a module holds.
    modules = closure([randomization.randomization_scores, *attributions.METHODS.values()])
    inside = {module.__name__ for module in modules}
    for module in modules:
        for value in vars(module).values():
            owner = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
            if isinstance(owner, str) and owner.split(".")[0] == LIBRARY:
                assert owner in inside | sources._WITHOUT_NUMBERS, f"{module.__name__} holds something of {owner}"


def test_what_is_left_out_makes_no_numbers():
    # The list is short and known; whoever adds to it meets this test.
    expected = {"lib", "lib.attributions", "lib.artefacts", "lib.data", "lib.errors", "lib.progress"}
    assert expected == sources._WITHOUT_NUMBERS


def test_a_part_of_another_library_is_taken_as_it_is():
    assert names_of(inspect.getmodule) == ["inspect"]


@pytest.mark.parametrize(
    "line",
    [
        "from lib import similarity",
        "from lib import similarity as other, units",
        "from lib.similarity import spearman",
        "import lib.similarity",
        "import lib.similarity as other",
        "def later():\n    from lib.similarity import spearman\n    return spearman",
    ],
)
def test_every_form_of_import_is_followed(tmp_path, monkeypatch, line):
    (tmp_path / "module_of_a_test.py").write_text(
        f"{line}\n\n\ndef method(model, images, targets):\n    return images\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module_of_a_test = importlib.import_module("module_of_a_test")

    try:
        assert {"module_of_a_test", "lib.similarity"} <= set(names_of(module_of_a_test.method))
    finally:
        del sys.modules["module_of_a_test"]


def test_names_that_are_no_modules_are_not_followed(tmp_path, monkeypatch):
    (tmp_path / "module_of_a_test.py").write_text("from lib.compute import ROOT\n\n\ndef method():\n    return ROOT\n")
    monkeypatch.syspath_prepend(tmp_path)
    module_of_a_test = importlib.import_module("module_of_a_test")

    try:
        assert names_of(module_of_a_test.method) == ["lib.compute", "module_of_a_test"]
    finally:
        del sys.modules["module_of_a_test"]


def test_what_chooses_images_and_stores_tables_is_in_the_key():
    shared = {study.Study.examples, study.data.balanced}
    assert shared | {training.correct, study.pack_scores} <= set(study._CODE["scores"])
    assert shared <= set(study._CODE["maps"])
