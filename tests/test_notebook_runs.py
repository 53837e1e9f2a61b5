"""Every notebook runs as a whole through papermill on its smoke params, from the clone and from its own folder."""

from __future__ import annotations

import functools
import json
import os
import re

import nbformat
import papermill
import pytest
from notebook_script import smoke_params

from lib import claims, data, training
from lib.compute import ROOT
from lib.parameters import read_parameters, read_params_file
from lib.randomization import explained_classes, randomization_scores
from lib.scores import pack_scores, read_scores

VERDICTS = {"supported", "contradicted", "inconclusive", "not tested"}
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.py"))
# The last variant starts in the notebooks' own folder, the first one, where it is another, in the clone.
RUNS = [(study, params, ".") for study in NOTEBOOKS for params in smoke_params(study)[:-1][:1]]
RUNS += [(study, params, "notebooks") for study in NOTEBOOKS for params in smoke_params(study)[-1:]]

pytestmark = pytest.mark.filterwarnings("ignore")


def sources() -> set[str]:
    """Files of the clone that a run must not add to."""
    found = set()
    for top in ("notebooks", "lib", "params", "tests", "reports"):
        for folder, _, files in os.walk(ROOT / top):
            if "__pycache__" not in folder:
                found |= {os.path.join(folder, file) for file in files}
    return found | {path.name for path in ROOT.iterdir()}


@pytest.fixture(scope="module")
def executed(tmp_path_factory, session_cache):
    """Run a notebook once for each params file and folder to start from; later calls get the same folder."""

    @functools.cache
    def execute(study, params, start):
        out = tmp_path_factory.mktemp(f"{params.stem}-run")
        cache = session_cache if start == "." else tmp_path_factory.mktemp("own-cache")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SALIENCY_CACHE", str(cache))
            patch.setenv("SALIENCY_PRESET", "smoke")
            patch.setenv("SALIENCY_VARIANT", params.stem)
            # As after an installation: `lib` can be imported from anywhere.
            patch.setenv("PYTHONPATH", str(ROOT))
            patch.delenv("FRESH", raising=False)
            papermill.execute_notebook(
                str(ROOT / "notebooks" / f"{study}.ipynb"),
                str(out / "executed.ipynb"),
                parameters=read_params_file(params) | {"out": str(out)},
                cwd=str(ROOT / start),
                kernel_name="python3",
                progress_bar=False,
            )
        return out

    return execute


def html_of(out) -> str:
    notebook = nbformat.read(out / "executed.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"]
    return "\n".join(output.data["text/html"] for output in outputs if "text/html" in output.get("data", {}))


def test_every_notebook_has_smoke_params():
    assert NOTEBOOKS and all(smoke_params(study) for study in NOTEBOOKS)


@pytest.mark.parametrize(
    ("study", "params", "start"), RUNS, ids=[f"{study}-{path.stem}-{start}" for study, path, start in RUNS]
)
def test_a_notebook_runs(executed, study, params, start):
    before = sources()
    out = executed(study, params, start)
    assert sources() == before, "a run writes to its own folder and to the cache alone"
    assert {path.name for path in out.iterdir()} >= {"results.json", "run.json", "scores.csv.xz", "maps.npz"}
    html = html_of(out)
    assert not re.search(r"\bnan\b|\binf\b", re.sub(r"base64,[^\"]*", "", html)), "undefined numbers are shown as –"

    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert (results["study"], results["preset"], results["variant"]) == (study, "smoke", params.stem)
    assert results["params"].items() >= read_params_file(params).items()
    figures = set(re.findall(r'<figure id="([^"]+)"', html))
    of_study = {name for name, row in claims.ledger().items() if row["study"] == study and row.get("parts")}
    assert bool(results["claims"]) == bool(of_study)
    for claim in results["claims"]:
        assert claim["verdict"] in VERDICTS and claim["second_verdict"] in VERDICTS | {None}
        assert claim["figure"] is None or claim["figure"] in figures, claim["id"]
        assert claim["verdict"] == "not tested" or claim["parts"]
    # No claim that this run has scores for is left out.
    assert {claim["id"] for claim in results["claims"]} >= of_study
    assert json.loads((out / "run.json").read_text())["made_by"] == "notebook"


@pytest.mark.parametrize("study", NOTEBOOKS)
def test_a_kernel_with_an_empty_cache_gives_the_bytes_of_a_plain_script(executed, script_run, study):
    # Two processes, two folders to start from, two caches: the net is trained, and everything computed, twice.
    kernel, (script, _) = executed(study, smoke_params(study)[-1], "notebooks"), script_run(study)
    for name in ("results.json", "scores.csv.xz", "maps.npz"):
        assert (kernel / name).read_bytes() == (script / name).read_bytes(), name
    made_by = [json.loads((folder / "run.json").read_text())["made_by"] for folder in (kernel, script)]
    assert made_by == ["notebook", "script"]


@pytest.mark.parametrize("study", ["01_model_randomization"])
def test_python_gives_the_numbers_of_the_notebook(script_run, study):
    # One call as a user writes it, without papermill, cache and study.
    out, _ = script_run(study)
    given = {name: each.default for name, each in read_parameters(ROOT / "notebooks" / f"{study}.py").items()}
    given |= read_params_file(smoke_params(study)[-1])
    digits, model = data.load("mnist-5k"), training.named_net(*given["models"]).model
    chosen = data.balanced(digits.test_labels, given["n_images"])
    images = digits.test_images[chosen]
    table = randomization_scores(
        model, images, explained_classes(model, images), given["methods"],
        costly=[*given["relevance"], *given["costly"]], draws=given["draws"], orders=given["orders"],
        init=given["init"], prefix=given["prefix"], target=given["target"], stale=["guided_backprop"],
        sweep_methods=[each for each in given["sweep_methods"] if each in given["methods"]],
        labels=digits.test_labels[chosen], training_images=digits.train_images, image_ids=chosen.tolist(),
    )  # fmt: skip
    stored = read_scores(out / "scores.csv.xz")
    named = table.assign(model="mlp", dataset="mnist-5k", seed=0)
    assert pack_scores(named) == pack_scores(stored[stored.metric != "accuracy"])
