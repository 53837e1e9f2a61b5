"""What comes from outside is data: no file is unpickled, no archive unpacked by its own paths, no markup obeyed."""

from __future__ import annotations

import ast
import io
import os
import pickle
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lib import artefacts, models, tiny_imagenet, training, weights
from lib.compute import ROOT
from lib.display import figure_html, table_html
from lib.errors import StudyError
from lib.report.failed import render_failure
from lib.report.prose import Prose
from lib.report.render import Link, Navigation, render_notebook

LIBRARY = sorted((ROOT / "lib").rglob("*.py"))


class Evil:
    """An object that makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def test_the_evil_object_is_evil(tmp_path):
    pickle.loads(pickle.dumps(Evil(tmp_path / "mark")))
    assert (tmp_path / "mark").exists()


# Files ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("legacy", [False, True])
def test_weights_that_hold_code_are_refused_and_do_not_run(tmp_path, legacy):
    state = {"conv1.weight": torch.zeros(1), "evil": Evil(tmp_path / "mark")}
    path = tmp_path / "weights.pth"
    torch.save(state, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(StudyError, match=r"weights\.pth is damaged or does not hold a state dict"):
        weights.load("resnet18", str(path))
    assert not (tmp_path / "mark").exists()


def test_a_net_in_the_cache_that_holds_code_does_not_run(tmp_path, monkeypatch):
    # Whoever can write to the cache can write its checksums too.
    monkeypatch.setattr(training, "train_named", lambda name: tmp_path)
    torch.save({"hidden1.weight": Evil(tmp_path / "mark")}, tmp_path / "model.pt")
    with pytest.raises(pickle.UnpicklingError):
        _ = training.named_net("mlp-smoke").model
    assert not (tmp_path / "mark").exists()


def test_maps_that_hold_code_do_not_run(tmp_path):
    content = io.BytesIO()
    np.savez(content, maps=np.array([Evil(tmp_path / "mark")], dtype=object))
    (tmp_path / "maps.npz").write_bytes(content.getvalue())
    # As lib.study and lib.gathered read them.
    with np.load(tmp_path / "maps.npz") as stored, pytest.raises(ValueError, match="allow_pickle"):
        _ = stored["maps"]
    assert not (tmp_path / "mark").exists()


def calls(tree: ast.AST) -> list[tuple[str, ast.Call]]:
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def dangers(tree: ast.AST) -> set[str]:
    """What a module does that turns data into code, or the paths of an archive into files."""
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    imported = {getattr(node, "module", None) or alias.name for node in imports for alias in node.names}
    found = imported & {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle", "tarfile"}
    for name, call in calls(tree):
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        if name in ("eval", "exec", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "os.system", "pd.read_pickle"):
            found.add(name)
        if name.endswith((".extractall", ".unpack_archive")) or (name == "torch.load" and "weights_only" not in given):
            found.add(name)
        found |= {f"{word}={given[word]}" for word in ("shell", "allow_pickle") if given.get(word, "False") != "False"}
        if given.get("weights_only", "True") != "True":
            found.add("weights_only=False")
    return found


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "archive.extractall(folder)",
        "subprocess.run(text, shell=True)",
        "eval(text)",
    ],
)
def test_the_search_notices(line):
    assert dangers(ast.parse(line))


def test_no_module_unpickles_unpacks_or_hands_words_to_a_shell():
    found = {path.relative_to(ROOT).as_posix(): dangers(ast.parse(path.read_text())) for path in LIBRARY}
    # A plain script is the notebook's own cells.
    assert {path: what for path, what in found.items() if what} == {"lib/report/run.py": {"exec"}}


# Archives -------------------------------------------------------------------------------------------------------------


def test_an_archive_writes_nothing_wherever_its_paths_lead(tmp_path):
    folder = tmp_path / "data" / "inside"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "tiny-imagenet-200.zip", "w") as archive:
        for name in ("../../outside", "/tmp/outside-of-saliency", "tiny-imagenet-200/../../../outside"):
            archive.writestr(name, b"evil")
        archive.writestr("tiny-imagenet-200/val/val_annotations.txt", "../../../outside_1.JPEG\tn02124075\n")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StudyError, match="replace it"):
        tiny_imagenet.load(folder)
    assert sorted(tmp_path.rglob("*")) == before and not Path("/tmp/outside-of-saliency").exists()


@pytest.mark.parametrize("kind", ["../../outside", "/outside"])
def test_an_artefact_stays_in_the_cache_under_the_names_that_the_library_gives(tmp_path, monkeypatch, kind):
    # Keys are digests: nothing that a params file says becomes part of a path.
    monkeypatch.setenv("SALIENCY_CACHE", str(tmp_path / "cache"))
    key = artefacts.key_of({"study": kind, "methods": [kind]}, [])
    assert (
        artefacts.artefact("scores", key, lambda folder: (folder / "a").touch()).parent == tmp_path / "cache" / "scores"
    )


# Markup ---------------------------------------------------------------------------------------------------------------

EVIL = '"\'><script>evil()</script><img src=x onerror=evil()><b onclick="evil()">'


class Tags(HTMLParser):
    """What a browser would obey: tags of scripts and attributes that run one."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.obeyed: list[str] = []
        self.said = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.obeyed += [tag] if tag == "script" or dict(attrs).get("src") == "x" else []
        self.obeyed += [
            f"{tag} {name}" for name, value in attrs if name.startswith("on") or "javascript:" in (value or "")
        ]

    def handle_data(self, data):
        self.said += data


def harmless(html: str) -> bool:
    """Whether nothing of `EVIL` is obeyed, while its words are still there to be read."""
    tags = Tags(html)
    return not tags.obeyed and "evil()" in html


def test_the_judge_notices():
    assert not harmless(EVIL) and not harmless('<a href="javascript:evil()">a</a>')
    assert harmless("&lt;script&gt;evil()")


CLAIM = {
    "id": "A-10", "verdict": "supported", "second_verdict": None, "value": 0.1, "interval": [0.0, 0.2], "n": 4,
    "draws": 2, "threshold": [0.3], "holds": "< 0.3", "source": "A1", "wording": "maps change", "rule": "below 0.3",
    "expected": "supported", "statistic": "mean", "parts": [], "runs": ["cnn"], "figure": None,
}  # fmt: skip
PART = {"label": "gradient", "verdict": "supported", "value": 0.1, "interval": [0.0, 0.2], "n": 4, "second": False}
RESULTS = {
    "study": "01_a",
    "variant": "b",
    "preset": "quick",
    "title": "Is it?",
    "params": {"n_images": 4},
    "claims": [],
}
PLACES = {
    "a parameter": {"params": {"weights": EVIL, "methods": [EVIL]}},
    "a parameter's name": {"params": {EVIL: 1}},
    "the variant": {"variant": EVIL},
    "the preset": {"preset": EVIL},
    "the title": {"title": EVIL},
    "the key": {"key": EVIL},
    "the label of a part": {"claims": [CLAIM | {"parts": [PART | {"label": EVIL}]}]},
    "the net of a verdict": {"claims": [CLAIM | {"runs": [EVIL]}]},
    "the words of a claim": {"claims": [CLAIM | {"wording": EVIL}]},
    "the threshold": {"claims": [CLAIM | {"holds": EVIL}]},
    "the answer": {"claims": [CLAIM | {"answer": EVIL, "decided_by": [EVIL]}]},
}


@pytest.mark.parametrize("place", PLACES)
def test_markup_in_results_is_shown_and_not_obeyed(place):
    book = new_notebook(cells=[new_code_cell("1")])
    assert harmless(render_notebook(book, RESULTS | PLACES[place], {}, Navigation(contents=Link("Contents", "index"))))


def test_a_link_to_a_script_leads_nowhere():
    for source in ("[a](javascript:evil())", "<javascript:evil()>", "![a](javascript:evil())"):
        assert not Tags(Prose().inline(source)).obeyed


def test_markup_in_the_circumstances_is_shown_and_not_obeyed():
    run = {"device": EVIL, "commit": EVIL, "versions": {EVIL: EVIL}, "started": EVIL}
    assert harmless(render_notebook(new_notebook(), RESULTS, run, Navigation(previous=Link(EVIL, "a"))))


def test_markup_in_what_a_cell_prints_is_shown_and_not_obeyed():
    outputs = [
        new_output("stream", name="stdout", text=EVIL),
        new_output("execute_result", data={"text/plain": EVIL}),
        new_output("error", ename="StudyError", evalue=EVIL, traceback=[EVIL]),
        new_output("display_data", data={"image/png": "aaaa"}, metadata={"image/png": {"alt": EVIL}}),
    ]
    for output in outputs:
        book = new_notebook(cells=[new_code_cell("1", outputs=[output])])
        assert harmless(render_notebook(book, RESULTS, {}, Navigation()))


def test_markup_in_code_is_shown_and_not_obeyed():
    # Papermill and we ourselves write the given parameters into a cell.
    cell = new_code_cell(f"weights = {EVIL!r}", metadata={"tags": ["injected-parameters"]})
    assert harmless(render_notebook(new_notebook(cells=[cell]), RESULTS, {}, Navigation()))


def test_markup_in_a_failure_is_shown_and_not_obeyed():
    page = render_failure(EVIL, f"{EVIL}\n{EVIL}", EVIL, {EVIL: EVIL}, {"study": EVIL, "preset": EVIL, "variant": EVIL})
    assert harmless(page)


def test_markup_in_captions_and_tables_is_shown_and_not_obeyed():
    assert harmless(figure_html(Figure(), EVIL, EVIL, EVIL))
    table = pd.DataFrame({EVIL: [EVIL]}, index=pd.Index([EVIL], name=EVIL))
    assert harmless(table_html(table, EVIL, 2, EVIL))


def test_words_with_signs_of_html_are_read_as_they_are_written():
    prose = Prose()
    assert prose.inline("a < b & c *d*") == "a &lt; b &amp; c <em>d</em>"
    assert "<mo>&lt;</mo>" in prose.inline("$a < b$")
    # The author of a notebook may write HTML.
    assert prose.html("<b>bold</b>") == "<p><b>bold</b></p>"
    assert nbformat.validate(new_notebook(cells=[new_markdown_cell("a")])) is None


def test_models_are_made_by_name_and_not_by_import():
    with pytest.raises(StudyError, match="os:system"):
        training.recipe_from({"model": "os:system", "dataset": "mnist-5k", "seed": 0, "iterations": 1, "batch_size": 1,
                              "learning_rate": 0.1, "weight_decay": 0.0}, "a.yml")  # fmt: skip
    assert all(":" not in name for name in models.ARCHITECTURES)
