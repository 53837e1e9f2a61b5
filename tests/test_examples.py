"""The examples run as scripts from any folder and as notebooks, and leave what they say; the template stays one."""

from __future__ import annotations

import os
import runpy

import nbformat
import pandas as pd
import papermill
import pytest

from lib.compute import ROOT

EXAMPLES = ROOT / "notebooks" / "examples"
pytestmark = pytest.mark.filterwarnings("ignore")


def test_there_are_three():
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == ["own_images", "own_method", "own_model"]
    assert all(len(path.read_text().splitlines()) <= 120 for path in EXAMPLES.glob("*.py"))


@pytest.fixture
def elsewhere(tmp_path, monkeypatch, digits):
    """Start from a folder that is not the clone."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["own_images", "own_model"])
def test_an_example_runs_as_a_script(elsewhere, name, tmp_path_factory):
    # Smaller than what a reader looks at.
    small = {
        "size: int = 224": "size: int = 64",
        "draws: int = 2": "draws: int = 1",
        "draws: int = 3": "draws: int = 1",
    }
    text = (EXAMPLES / f"{name}.py").read_text()
    for old, new in small.items():
        text = text.replace(old, new)
    copy = tmp_path_factory.mktemp("copy") / f"{name}.py"
    copy.write_text(text)
    names = runpy.run_path(str(copy), run_name="__main__")
    assert names["scores"].value.notna().any() and names["figure"].axes
    assert not list(elsewhere.iterdir()), "without out, nothing is left in the folder one starts from"
    if name == "own_model":
        # A network that has learned nothing would be right on a tenth.
        assert names["right"] > 0.7 and len(names["proposed"]) == 22
        assert set(names["scores"].level) - {"none"} == {"stem", "block1", "transition", "block2", "logits"}


def test_an_example_runs_as_a_notebook(elsewhere, monkeypatch):
    # This one has a function in a cell, and the kernel's own names for it.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    out = elsewhere / "results"
    papermill.execute_notebook(
        str(EXAMPLES / "own_method.ipynb"),
        str(elsewhere / "executed.ipynb"),
        parameters={"n_images": 1, "size": 48, "out": str(out)},
        kernel_name="python3",
        progress_bar=False,
    )
    assert sorted(os.listdir(out)) == ["own_method.csv", "own_method.png"]
    scores = pd.read_csv(out / "own_method.csv")
    own = scores[(scores.metric == "spearman") & (scores.against == "original") & (scores.step > 0)]
    means = own.groupby(["method", "step"]).value.mean().unstack(0)
    # Captum's saliency with signs is the gradient, also in every state of destruction.
    assert (means["captum.attr:Saliency(abs=False)"] - means["gradient"]).abs().max() < 1e-6
    book = nbformat.read(elsewhere / "executed.ipynb", as_version=4)
    pictures = [each for cell in book.cells for each in cell.get("outputs", []) if "image/png" in each.get("data", {})]
    assert len(pictures) == 1, "a figure is shown once"
    printed = "".join(each.text for cell in book.cells for each in cell.get("outputs", []) if "text" in each)
    assert "Largest difference to Captum's own map" in printed and "__main__:blurred_gradient" in printed
