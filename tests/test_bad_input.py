"""A mistake of the user or a fault of the machine costs one sentence, and nothing that was finished before.

Everything goes through the command line, in a clone of its own with one small study. Nets, scores and a report of
that study are made once; each case begins with a copy of them and is compared with it, byte for byte, afterwards.
"""

from __future__ import annotations

import contextlib
import errno
import gzip
import hashlib
import io
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError

import nbformat
import pytest
import torchvision
from torch import nn

from lib import artefacts, checks, circumstances, data, models, stored, study, training
from lib.compute import ROOT
from lib.parameters import read_parameters
from lib.report import __main__ as command_line
from lib.report import batch, index, kernel, render

pytest_plugins = ["tiny_clone"]

SMALL = "02_small"
REAL = "01_model_randomization"
NOTEBOOK = """\
# %% [markdown]
# # Is a small study whole or absent?

# %% tags=["parameters"]
models: list[str] = ["net"]  # nets to randomize
methods: list[str] = ["gradient"]  # attribution methods
n_images: int = 2  # test images
draws: int = 1  # re-initialisations
level: float = 0.5  # a number with a point
data_dir: str = ""  # folder of downloaded data sets
out: str = ""  # where results go

# %%
from lib.randomization import randomization_maps, randomization_scores
from lib.study import Study

study = Study("02_small", globals())

# %%
scores = study.scores(randomization_scores, methods, draws=draws)
maps = study.maps(randomization_maps, methods, 1)
study.save()
"""
RECIPE = {
    "model": "mlp",
    "dataset": "mnist",
    "seed": "0",
    "iterations": "2",
    "batch_size": "8",
    "learning_rate": "0.001",
    "weight_decay": "0.0",
}


def idx_file(name: str) -> bytes:
    """A packed file of MNIST's name and format with twenty images, two of a class."""
    labels = bytes(range(10)) * 2
    if "labels" in name:
        return gzip.compress(struct.pack(">II", 0x801, 20) + labels, mtime=0)
    pixels = b"".join(bytes((7 * label * i) % 256 for i in range(784)) for label in labels)
    return gzip.compress(struct.pack(">IIII", 0x803, 20, 28, 28) + pixels, mtime=0)


IDX = {
    name: hashlib.md5(idx_file(name)).hexdigest()
    for name in (f"{part}-{what}-ubyte" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1"))
}
"""The four files of the data set, and the checksums of the packed ones."""


class Small(models.MLP):
    """An `mlp` whose weights are quickly written."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden1, self.hidden2 = nn.Linear(28 * 28, 16), nn.Linear(16, 12)
        self.hidden3, self.logits = nn.Linear(12, 8), nn.Linear(8, 10)


class Clone:
    """A clone with its cache: a trained net (and another), its scores, its maps, and a published report."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.cache = root / "cache"
        self.raw = root / "data" / "MNIST" / "raw"
        self.report = root / "reports" / "smoke" / SMALL / "a"
        for module in (checks, circumstances, stored, study, training):
            monkeypatch.setattr(module, "ROOT", root)
        monkeypatch.setattr(kernel, "execute", execute_here)
        monkeypatch.setitem(models.ARCHITECTURES, "mlp", Small)
        monkeypatch.setattr(torchvision.datasets.MNIST, "resources", [(f"{name}.gz", md5) for name, md5 in IDX.items()])
        monkeypatch.setattr(sys, "path", list(sys.path))
        monkeypatch.setenv("SALIENCY_CACHE", str(self.cache))
        monkeypatch.setenv("SALIENCY_DATA", str(root / "data"))
        for name in ("SALIENCY_PRESET", "SALIENCY_VARIANT", "SALIENCY_PROGRESS", "MPLBACKEND"):
            monkeypatch.setenv(name, os.environ.get(name, ""))  # so that it is put back
        for name in ("FRESH", "SALIENCY_PROGRESS"):
            monkeypatch.delenv(name, raising=False)

    def do(self, *arguments: str | Path) -> int:
        return command_line.main([str(each) for each in arguments], root=self.root)

    def params(self, values: dict[str, str], study: str = SMALL, variant: str = "bad") -> Path:
        """Write a params file; the values are YAML."""
        return self.write(f"params/smoke/{study}/{variant}.yml", values)

    def recipe(self, name: str, **changes: str | None) -> Path:
        return self.write(f"params/smoke/models/{name}.yml", RECIPE | changes)

    def write(self, path: str, values: dict[str, str | None] | bytes) -> Path:
        if isinstance(values, dict):
            values = "".join(f"{name}: {value}\n" for name, value in values.items() if value is not None).encode()
        return put(self.root / path, values)

    @property
    def good(self) -> Path:
        return self.root / "params" / "smoke" / SMALL / "a.yml"

    def artefact(self, kind: str) -> Path:
        """The folder of the one artefact of a kind, or of the net that the study uses."""
        found = [path for path in (self.cache / kind).iterdir() if path.is_dir()]
        return next(path for path in found if kind != "models" or training.read_recipe("net").key.startswith(path.name))

    def finished(self) -> dict[str, bytes | None]:
        """All that was made and is to last, with what should not have been left beside it."""
        places = [self.root / "reports", *(self.cache / kind for kind in ("models", "scores", "maps", "data"))]
        files = [path for place in places for path in place.rglob("*") if path.suffix != ".lock"]
        files += [path for path in (self.cache / "progress").rglob("*") if path.is_file()]
        return {str(path): path.read_bytes() if path.is_file() else None for path in files}


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def execute_here(book, *, cwd, output, log, environment):
    """Stand in for a Jupyter kernel: run the cells in this process, which has torch loaded already."""
    os.environ.update(environment)
    names = {"__name__": "__main__"}
    with contextlib.redirect_stdout(io.StringIO()):
        for cell in book.cells:
            if cell.cell_type == "code":
                exec(compile(cell.source, "cell", "exec"), names)
    return book


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """The clone that all cases begin with."""
    root = tmp_path_factory.mktemp("made") / "clone"
    with pytest.MonkeyPatch.context() as patch:
        clone = Clone(root, patch)
        clone.write(f"notebooks/{SMALL}.py", NOTEBOOK.encode())
        clone.write(f"notebooks/{REAL}.py", (ROOT / "notebooks" / f"{REAL}.py").read_bytes())
        for name in IDX:
            put(clone.raw / f"{name}.gz", idx_file(name))
        clone.recipe("net")
        clone.recipe("other", seed="1")
        clone.params({"n_images": "2"}, variant="a")
        artefacts.artefact("models", "f" * 64, lambda folder: put(folder / "model.pt", b"another net") and None)
        assert clone.do("run", clone.good) == 0
        data.load.cache_clear()
    return root


@pytest.fixture
def clone(made_once, tmp_path, monkeypatch):
    shutil.copytree(made_once, tmp_path / "clone")
    monkeypatch.setattr("urllib.request.urlopen", no_network)
    yield Clone(tmp_path / "clone", monkeypatch)
    data.load.cache_clear()


def no_network(*_args, **_kwargs):
    raise URLError("no network")


def refused(
    clone: Clone, capfd, code: int, arguments: tuple, words: list[str], may_be_new: Callable[[Path], bool] | None = None
) -> str:
    """Do something that must fail: the exit code, one line that holds these words, and nothing finished is touched."""
    before = clone.finished()
    capfd.readouterr()
    assert clone.do(*arguments) == code
    said = capfd.readouterr().err.splitlines()
    lines = [line for line in said if not line.endswith("] started") and not line.startswith("Uses code of yours: ")]
    assert len(lines) == 1, lines
    assert lines[0].endswith((".", "!")) and "Traceback" not in lines[0], lines[0]
    assert all(word in lines[0] for word in words), (words, lines[0])
    after = clone.finished()
    assert {path: after.get(path) for path in before} == before
    new = [path for path in after.keys() - before.keys() if not (may_be_new and may_be_new(Path(path)))]
    assert new == []
    return lines[0]


@pytest.fixture
def idle(monkeypatch):
    """Nothing may be trained."""

    def compute(*_args, **_kwargs):
        raise AssertionError("computed before everything was checked")

    monkeypatch.setattr(training, "train", compute)


# Mistakes -----------------------------------------------------------------------------------------------------------


def real(**changes: str) -> Callable[[Clone], tuple]:
    """A run of the real notebook with these values, written as YAML."""
    values = {"models": "[net]", "methods": "[gradient]", "n_images": "4", "draws": "1", "gallery": "1"}
    return lambda clone: ("run", clone.params(values | changes, study=REAL))


def of_laws(name: str, word: str) -> Callable[[Clone], tuple]:
    """A run of the real notebook with one law of re-initialisation, alone or first in a list."""
    listed = read_parameters(ROOT / "notebooks" / f"{REAL}.py")[name].annotation.startswith("list[")
    return real(**{name: f"[{word}]" if listed else word})


def small(**values: str) -> Callable[[Clone], tuple]:
    return lambda clone: ("run", clone.params(values))


def raw(content: bytes) -> Callable[[Clone], tuple]:
    return lambda clone: ("run", clone.write(f"params/smoke/{SMALL}/bad.yml", content))


def recipe(content: bytes | None = None, **changes: str | None) -> Callable[[Clone], tuple]:
    def arrange(clone: Clone) -> tuple:
        path = clone.recipe("mine", **changes)
        if content is not None:
            path.write_bytes(content)
        return "train", "mine"

    return arrange


def own_method(text: str) -> Callable[[Clone], tuple]:
    def arrange(clone: Clone) -> tuple:
        sys.path.insert(0, str(clone.write("own.py", text.encode()).parent))
        sys.modules.pop("own", None)
        return small(methods="['own:method']")(clone)

    return arrange


def scores(*settings: str) -> Callable[[Clone], tuple]:
    options = [word for setting in settings for word in ("--set", setting)]
    return lambda clone: ("scores", clone.good, *options)


def twice(clone: Clone) -> tuple:
    clone.write("params/paper/models/net.yml", RECIPE)
    return "train", "net"


MISTAKES: dict[str, tuple[Callable[[Clone], tuple], list[str]]] = {
    "an unknown parameter": (small(n_imges="5"), ["bad.yml", "Did you mean 'n_images'?"]),
    "an unknown parameter on the command line": (scores("drows=2"), ["Did you mean 'draws'?"]),
    "a number that YAML reads as text": (small(level="1e-3"), ["level is '1e-3'", "text, not float", "write 0.001"]),
    "a whole number with an exponent": (small(n_images="1e1"), ["n_images", "write 10."]),
    "a list where a number belongs": (small(draws="[1, 2]"), ["draws is [1, 2]", "list, not int", "one value"]),
    "a truth value where a number belongs": (small(draws="true"), ["draws is True", "bool, not int"]),
    "a word where a list belongs": (small(models="net"), ["models", "write models: [net]"]),
    "no value": (small(draws=""), ["draws", "empty, not int"]),
    "a value on the command line": (scores("draws=some"), ["draws is 'some'", "text, not int"]),
    "a date that is none, on the command line": (scores("draws=2024-13-45"), ["draws=2024-13-45", "cannot be read"]),
    "parameters within parameters": (small(train="{epochs: 3}"), ["bad.yml", "train is nested"]),
    "not YAML": (raw(b"models: [net"), ["bad.yml", "not valid YAML in line 1"]),
    "not text": (raw(b"\xff\xfe\x00"), ["bad.yml", "not UTF-8"]),
    "a control character": (raw(b"draws: 1\x01"), ["bad.yml", "not valid YAML"]),
    "a date that is none": (raw(b"draws: 2024-13-45"), ["bad.yml", "month must be in 1..12", "quotes"]),
    "brackets without end": (raw(b"draws: " + b"[" * 1000), ["bad.yml", "not valid YAML"]),
    "a parameter twice": (raw(b"draws: 1\ndraws: 2\n"), ["bad.yml", "draws stands there twice"]),
    "a list instead of a mapping": (raw(b"- net\n"), ["bad.yml", "flat mapping", "n_images: 100"]),
    "an absent params file": (lambda clone: ("run", clone.root / "none.yml"), ["none.yml", "No such file"]),
    "a folder for a params file": (lambda clone: ("run", clone.good.parent), ["02_small", "Is a directory"]),
    "a params file that is no run's": (
        lambda clone: ("run", clone.root / "params/smoke/models/net.yml"),
        ["net.yml", "params/<preset>/<study>/", SMALL],
    ),
    "an unknown method": (small(methods="[gradiant]"), ["'gradiant'", "did you mean gradient?"]),
    "an unknown argument": (small(methods="[smoothgrad(sample=3)]"), ["smoothgrad", "'sample'", "it has: ", "samples"]),
    "an argument of the wrong type": (
        small(methods="[smoothgrad(samples=few)]"),
        ["samples", "'few'", "not of type int"],
    ),
    "a method that is not for this net": (small(methods="[gradcam]"), ["gradcam"]),
    "an own method that is not there": (
        small(methods="['nowhere:method']"),
        ["nowhere:method", "package.module:function"],
    ),
    "an own method that cannot be read": (own_method("def method(:"), ["own:method", "could not be imported"]),
    "an own method that fails in many lines": (
        own_method("def method(model, images, targets):\n    raise ValueError('one\\ntwo')\n"),
        ["own:method", "ValueError: one", "(model, images, targets)"],
    ),
    "an unknown net": (small(models="[nets]"), ["'nets'", "net, other", "params/*/models/"]),
    "no net": (small(models="[]"), ["models is empty"]),
    "no image": (small(n_images="0"), ["n_images is 0", "at least 1"]),
    "too many images": (small(n_images="21"), ["n_images is 21", "20"]),
    "an unknown law of new weights": (of_laws("init", "tn(0.02)"), ["tn(0.02)", "own"]),
    "an unknown prefix": (of_laws("prefix", "nest"), ["'nest'", "nested", "fresh"]),
    "a recipe without a field": (recipe(seed=None), ["mine.yml", "'seed' is missing", "model, dataset, seed"]),
    "a recipe with another field": (recipe(epochs="3"), ["mine.yml", "'epochs' is not a field", "iterations"]),
    "a recipe with 1e-4": (recipe(learning_rate="1e-4"), ["mine.yml", "learning_rate is '1e-4'", "0.0001, not 1e-4"]),
    "a recipe with a word for a number": (recipe(seed="first"), ["mine.yml", "seed is 'first'", "int"]),
    "a recipe without an end": (recipe(iterations=".inf"), ["mine.yml", "iterations", "int"]),
    "a recipe that learns nothing": (recipe(learning_rate="0"), ["mine.yml", "learning_rate is 0", "above 0"]),
    "a recipe of an unknown architecture": (recipe(model="cnm"), ["mine.yml", "'cnm'", "cnn, mlp"]),
    "a recipe with unknown data": (recipe(dataset="mnist-6k"), ["'mnist-6k'", "mnist-5k"]),
    "a nested recipe": (recipe(model="{name: mlp}"), ["mine.yml", "model is nested"]),
    "a recipe that is not YAML": (recipe(b"model: 'mlp"), ["mine.yml", "not valid YAML"]),
    "an absent recipe": (lambda clone: ("train", "nett"), ["'nett'", "net, other"]),
    "two recipes of one name": (twice, ["net", "params/smoke", "params/paper", "rename one"]),
    "an unknown preset of all": (lambda clone: ("all", "smok"), ["'smok'", "choose one of", "smoke"]),
    "an unknown preset of index": (lambda clone: ("index", "smok"), ["'smok'", "choose one of", "smoke"]),
    "an unknown preset of train": (lambda clone: ("train", "net", "--preset", "smok"), ["'smok'", "choose one of"]),
    "a file that is no notebook": (lambda clone: ("render", clone.good), ["a.yml", "not a notebook"]),
    "no data and no network": (small(models="[clothes]"), ["fashion", "FashionMNIST/raw", "SALIENCY_DATA"]),
    "a data folder that is not there": (
        small(models="[clothes]", data_dir="/proc/none/at-all"),
        ["/proc/none/at-all", "could not be written", "data_dir"],
    ),
    "a data folder that is a file": (
        lambda clone: small(models="[clothes]", data_dir=str(clone.good))(clone),
        ["a.yml", "could not be written", "data_dir"],
    ),
    "no data for a training": (lambda clone: ("train", "clothes"), ["fashion", "connect to the internet"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_before_anything_is_computed(clone, idle, capfd, name):
    clone.recipe("clothes", dataset="fashion")
    arrange, words = MISTAKES[name]
    arguments = arrange(clone)
    refused(clone, capfd, 2, arguments, words)
    assert not (clone.root / "data" / "FashionMNIST").exists(), "an empty data folder was left behind"


def test_a_faulty_params_file_does_not_keep_other_runs_from_their_nets(clone, capfd):
    clone.write(f"params/smoke/{SMALL}/bad.yml", b"models: [net")
    clone.params({"models": "3"}, variant="worse")
    clone.params({"models": "[third]"}, variant="b")
    clone.recipe("third", seed="2")
    assert clone.do("train", "third", "--preset", "smoke") == 0
    assert "trained" in capfd.readouterr().err
    # Snakemake asks the same files.
    shutil.copy(ROOT / "Snakefile", clone.root)
    (clone.root / "lib").symlink_to(ROOT / "lib")
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "all", "--config", "preset=smoke"]
    assert subprocess.run([*command, "--cores", "1", "--nolock"], cwd=clone.root).returncode == 0


# Data ---------------------------------------------------------------------------------------------------------------


def cut(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :]


def emptied(content: bytes) -> bytes:
    return b""


def of_a_kind_unknown(content: bytes) -> bytes:
    return b"\0\0\x09" + content[3:]


@pytest.fixture
def untrained(clone):
    """No net, and no copy of the data in the cache."""
    for kind in ("models", "data"):
        shutil.rmtree(clone.cache / kind)
    data.load.cache_clear()
    return clone


def staged(path: Path) -> bool:
    """Whether this is a copy of the data, which a training that fails may leave in the cache."""
    return "data" in path.parts and not path.name.startswith(".")


@pytest.mark.parametrize("damage", [cut, flip, emptied])
def test_a_damaged_data_file_is_named_and_a_good_one_in_its_place_is_enough(untrained, capfd, damage):
    path = untrained.raw / "t10k-images-idx3-ubyte.gz"
    good = path.read_bytes()
    put(path, damage(good))
    refused(untrained, capfd, 2, ("train", "net"), [str(path), "damaged", "MNIST/raw"], staged)
    put(path, good)
    assert untrained.do("train", "net") == 0


@pytest.mark.parametrize("damage", [cut, flip, emptied])
def test_damaged_copies_of_data_in_the_cache_are_made_again(clone, damage):
    # A run that was killed while it unpacked, a disk that lost a block.
    copies = sorted((clone.cache / "data" / "MNIST" / "raw").iterdir())
    assert len(copies) == 8
    good = {path: path.read_bytes() for path in copies}
    for path in copies:
        put(path, damage(good[path]))
    assert clone.do("train", "other") == 0
    assert {path: path.read_bytes() for path in copies} == good


@pytest.mark.parametrize("damage", [cut, emptied, of_a_kind_unknown])
def test_a_damaged_unpacked_data_file_is_named(untrained, capfd, damage):
    for name in IDX:
        put(untrained.raw / name, gzip.decompress((untrained.raw / f"{name}.gz").read_bytes()))
    path = untrained.raw / "train-images-idx3-ubyte"
    put(path, damage(path.read_bytes()))
    refused(untrained, capfd, 2, ("train", "net"), [str(path), "mnist", "damaged", "replace it"])
    path.unlink()
    assert untrained.do("train", "net") == 0


def test_a_server_that_never_answers_is_given_up(untrained, capfd, monkeypatch):
    waits = []

    def silent(*_args, **_kwargs):
        waits.append(socket.getdefaulttimeout())
        raise TimeoutError("timed out")

    monkeypatch.setattr("urllib.request.urlopen", silent)
    (untrained.raw / "train-labels-idx1-ubyte.gz").unlink()
    refused(untrained, capfd, 2, ("train", "net"), ["mnist", "connect to the internet"], staged)
    assert waits and all(wait and wait <= 60 for wait in waits) and socket.getdefaulttimeout() is None


# Damage -------------------------------------------------------------------------------------------------------------

CACHED = ("models/model.pt", "models/config.json", "scores/scores.csv.xz", "scores/computed.json", "maps/maps.npz")


def to_folder(path: Path) -> None:
    path.unlink()
    (path / "inside").mkdir(parents=True)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: put(path, cut(path.read_bytes())),
    "flipped": lambda path: put(path, flip(path.read_bytes())),
    "emptied": lambda path: put(path, b""),
    "lost": Path.unlink,
    "replaced by a folder": to_folder,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_in_the_cache_is_named_and_made_good(clone, capfd, damage):
    shutil.rmtree(clone.root / "reports")
    before = clone.finished()
    files = {name: clone.artefact(name.split("/")[0]) / name.split("/")[1] for name in CACHED}
    for path in files.values():
        DAMAGES[damage](path)
    out = clone.root / "results"
    assert clone.do("scores", clone.good, "--set", f"out={out}") == 0
    said = capfd.readouterr().err.splitlines()
    named = {line.removesuffix(" is damaged and is made again.") for line in said}
    # One line for each artefact, which names its first damaged file.
    assert len(said) == 3 and named <= {str(path) for path in files.values()}, said
    after = clone.finished()
    changing = str(files["scores/computed.json"]), str(clone.artefact("maps") / "computed.json")  # they hold times
    sums = tuple(str(clone.artefact(kind) / artefacts.CHECKSUMS) for kind in ("scores", "maps"))
    assert {path: data for path, data in before.items() if path not in changing + sums}.items() <= after.items()
    assert after.keys() == before.keys()
    assert all(artefacts.intact(clone.artefact(kind)) for kind in ("models", "scores", "maps"))
    assert len(list(out.iterdir())) == 4


def test_an_artefact_replaced_by_a_file_is_made_again(clone, capfd):
    folder = clone.artefact("models")
    before = clone.finished()
    shutil.rmtree(folder)
    put(folder, b"")
    assert clone.do("train", "net") == 0
    assert f"{folder / artefacts.CHECKSUMS} is damaged and is made again." in capfd.readouterr().err
    assert clone.finished() == before


REPORT_DAMAGES = [
    ("results.json", cut),
    ("results.json", emptied),
    ("run.json", cut),
    ("scores.csv.xz", flip),
    ("scores.csv.xz", cut),
    ("maps.npz", flip),
]


@pytest.mark.parametrize(("file", "damage"), REPORT_DAMAGES)
def test_a_damaged_report_is_not_trusted_and_is_computed_anew(clone, capfd, file, damage):
    good = {name: (clone.report / name).read_bytes() for name in ("results.json", "scores.csv.xz", "maps.npz")}
    shutil.rmtree(clone.cache / "scores")
    shutil.rmtree(clone.cache / "maps")
    put(clone.report / file, damage((clone.report / file).read_bytes()))
    assert clone.do("run", clone.good) == 0
    assert {name: (clone.report / name).read_bytes() for name in good} == good
    assert json.loads((clone.report / "run.json").read_text())["computed"].keys() == {"scores", "maps"}
    assert (clone.cache / "scores").exists() or (clone.cache / "maps").exists()


@pytest.mark.parametrize(("file", "damage"), [*REPORT_DAMAGES, ("results.json", lambda content: b"null")])
def test_the_contents_page_does_without_a_damaged_report_and_says_so(clone, capfd, monkeypatch, file, damage):
    seen = []
    monkeypatch.setattr(index, "decide_all", lambda scores: seen.append(len(scores)) or [])
    assert clone.do("index", "smoke") == 0
    assert clone.do("check", "smoke") == 0
    put(clone.report / file, damage((clone.report / file).read_bytes()))
    capfd.readouterr()
    assert clone.do("index", "smoke") == 0
    (line,) = capfd.readouterr().err.splitlines()
    assert f"{clone.report / file} is damaged" in line and "run its params file again" in line
    assert seen[0] > 0 and seen[1] == 0, "the scores of a damaged report are not read"
    assert clone.do("check", "smoke") == 1
    problems = capfd.readouterr().err.splitlines()
    assert any(f"smoke/{SMALL}/a: {file}" in line or "digest" in line for line in problems), problems


def test_a_report_that_is_whole_is_not_computed_anew(clone):
    shutil.rmtree(clone.cache / "scores")
    shutil.rmtree(clone.cache / "models")
    assert clone.do("scores", clone.good, "--set", f"out={clone.root / 'results'}") == 0
    assert not (clone.cache / "scores").exists() and not (clone.cache / "models").exists()


def test_all_makes_a_damaged_report_again(clone, capfd, monkeypatch):
    stamp = put(clone.cache / "runs" / "smoke" / SMALL / "a.done", b"")
    monkeypatch.setattr(batch, "_snakemake", lambda *_: 0)
    assert clone.do("all", "smoke") == 0
    assert stamp.exists()
    capfd.readouterr()
    put(clone.report / "scores.csv.xz", flip((clone.report / "scores.csv.xz").read_bytes()))
    assert clone.do("all", "smoke") == 0
    assert not stamp.exists()
    assert f"{clone.report / 'scores.csv.xz'} is damaged; the report is made again.\n" in capfd.readouterr().err


@pytest.mark.parametrize("content", [b"null", b"{}", b"[1", b""])
def test_a_notebook_run_by_hand_with_damaged_results_is_refused(clone, capfd, content):
    cell = nbformat.v4.new_code_cell(f"out = {str(clone.report)!r}", metadata={"tags": ["parameters"]})
    book = nbformat.v4.new_notebook(cells=[cell])
    put(clone.root / "out.ipynb", nbformat.writes(book).encode())
    put(clone.report / "results.json", content)
    words = [str(clone.report), "results.json", "run the notebook to its last cell"]
    refused(clone, capfd, 2, ("render", clone.root / "out.ipynb"), words)


# Full disks ---------------------------------------------------------------------------------------------------------


class Limited:
    """A file on a disk that takes so many bytes more."""

    def __init__(self, file, room: list[int]) -> None:
        self.file, self.room = file, room

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, content):
        fits = content[: self.room[0]]
        self.file.write(fits)
        self.room[0] -= len(fits)
        if len(fits) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextlib.contextmanager
def counted(folder: Path, free: int) -> Iterator[None]:
    """Let the files below a folder take so many bytes more, and then be full."""
    opened, room = Path.open, [free]

    def limited(self, mode="r", *args, **kwargs):
        file = opened(self, mode, *args, **kwargs)
        return Limited(file, room) if "w" in mode and self.is_relative_to(folder) else file

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", limited)
        yield


@contextlib.contextmanager
def mounted(folder: Path, free: int) -> Iterator[None]:
    """Put a folder on a disk in memory, on which all but so many bytes are taken."""
    aside = folder.with_name("aside")
    folder.rename(aside)
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    mount = subprocess.run(command, capture_output=True) if shutil.which("mount") else None
    if mount is None or mount.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        disk = os.statvfs(folder)
        with (folder / ".ballast").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_bsize - free)
        yield
        (folder / ".ballast").unlink()
        shutil.rmtree(aside)
        shutil.copytree(folder, aside)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()
        aside.rename(folder)


def another_run(clone: Clone) -> tuple:
    """A run of the study that has a report, which must be computed since a parameter has changed."""
    return "run", clone.params({"n_images": "4"}, variant="a")


def another_net(clone: Clone) -> tuple:
    return "train", "other"


def results_again(clone: Clone) -> tuple:
    out = clone.report.with_name("by-hand")
    shutil.copytree(clone.report, out)
    return "scores", clone.params({"n_images": "4"}, variant="a"), "--set", f"out={out}"


def whole(path: Path) -> bool:
    """Whether something new may stay: part of a finished artefact, or what tells of a failure."""
    artefact = path if path.is_dir() else path.parent
    return path.name in ("failed.html", "run.log") or artefacts.intact(artefact)


FULL: dict[str, tuple[Callable[[Clone], tuple], str, list[int]]] = {
    # What is written: the command, the place of the disk, and how many bytes it still takes.
    "a net": (another_net, "cache", [0, 20_000]),
    "scores": (another_run, "cache/scores", [800]),
    "maps": (another_run, "cache/maps", [0]),
    "a report": (another_run, "reports", [0, 8_000, 25_000]),
    "results by hand": (results_again, "reports/smoke/02_small/by-hand", [4_000]),
}


@pytest.mark.parametrize(
    ("what", "disk", "free"),
    [(what, counted, free) for what, (_, _, sizes) in FULL.items() for free in sizes]
    # A disk gives pages of 4096 bytes.
    + [("a net", mounted, 20_480), ("scores", mounted, 0), ("a report", mounted, 40_960)],
)
def test_a_full_disk_costs_nothing_that_was_finished(clone, capfd, what, disk, free):
    arrange, place, _ = FULL[what]
    arguments = arrange(clone)
    with disk(clone.root / place, free):
        words = [str(clone.root / place), "could not be written", "No space left on device", "free the disk"]
        line = refused(clone, capfd, 1, arguments, words, whole)
        assert ("failed.html" in line) == (clone.report / "failed.html").exists()
        if disk is mounted and what == "a report":
            assert "failed.html" in line, "the unfinished report has given back its room"
    assert clone.do(*arguments) == 0


def test_a_disk_that_fills_while_a_kernel_works(project, capfd):
    """The whole way of a run: a process of its own, whose cells and whose page meet a disk that is really full."""
    assert project.do("run", project.params("n: 2")) == 0
    good = {path.name: path.read_bytes() for path in project.report.iterdir()}
    capfd.readouterr()
    with mounted(project.root / "reports", 0):
        assert project.do("run", project.params("n: 3")) == 1
        (line,) = [line for line in capfd.readouterr().err.splitlines() if not line.endswith("] started")]
        assert "No space left on device" in line and "free the disk" in line and line.endswith(".")
        assert not [path for path in project.temporary_folders() if path.name != ".ballast"]
    assert {path.name: path.read_bytes() for path in project.report.iterdir()} == good


# Places that refuse -------------------------------------------------------------------------------------------------


def below_proc(path: Path) -> str:
    """Where not even root may write; the folder itself is left alone."""
    return "/proc/none"


def below_a_file(path: Path) -> str:
    shutil.rmtree(path, ignore_errors=True)
    put(path, b"")
    return str(path / "below")


def a_file(path: Path) -> str:
    shutil.rmtree(path, ignore_errors=True)
    return str(put(path, b""))


def without_permission(path: Path) -> str:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o555)
    if os.access(path, os.W_OK):
        pytest.skip("root may write anywhere")
    return str(path)


def cache_of(*command: str | None) -> Callable:
    def arrange(clone: Clone, refusing: Callable, monkeypatch) -> tuple:
        monkeypatch.setenv("SALIENCY_CACHE", refusing(clone.root / "elsewhere"))
        return tuple(clone.good if word is None else word for word in command)

    return arrange


def reports_of(*command: str | None) -> Callable:
    def arrange(clone: Clone, refusing: Callable, monkeypatch) -> tuple:
        refusing(clone.root / "reports" / "scratch")
        (clone.root / "params" / "smoke").rename(clone.root / "params" / "scratch")
        moved = clone.root / "params" / "scratch" / SMALL / "a.yml"
        return tuple(moved if word is None else word for word in command)

    return arrange


def out_of_scores(clone: Clone, refusing: Callable, monkeypatch) -> tuple:
    return "scores", clone.good, "--set", f"out={refusing(clone.root / 'results')}", "--set", "n_images=4"


REFUSED_PLACES = {
    "the cache of a run": cache_of("run", None),
    "the cache of scores": cache_of("scores", None),
    "the cache of a training": cache_of("train", "other"),
    "the cache of all": cache_of("all", "smoke"),
    "the reports of a run": reports_of("run", None),
    "the reports of all": reports_of("all", "scratch"),
    "the index of the reports": reports_of("index", "scratch"),
    "the folder of scores": out_of_scores,
}


@pytest.mark.parametrize(
    ("place", "refusing"),
    [
        (place, refusing)
        for place in REFUSED_PLACES
        for refusing in (below_proc, below_a_file, a_file, without_permission)
        if refusing is not below_proc or "reports" not in place  # reports lie in the clone
    ],
)
def test_a_place_that_refuses_is_named_before_anything_is_computed(clone, idle, capfd, monkeypatch, place, refusing):
    arguments = REFUSED_PLACES[place](clone, refusing, monkeypatch)
    clone.cache = clone.root / "cache"
    words = ["could not be written", "choose another folder" if "cache" not in place else "SALIENCY_CACHE"]
    try:
        refused(clone, capfd, 2, arguments, words)
    finally:
        for folder in (clone.root / "elsewhere", clone.root / "reports" / "scratch", clone.root / "results"):
            if folder.is_dir():
                folder.chmod(0o755)


# Interrupts ---------------------------------------------------------------------------------------------------------


def raising(error: BaseException, at_call: int = 1) -> Callable:
    """Stand in for a function that raises when it is called for the so many-th time, and otherwise does nothing."""
    calls = []

    def function(*args, **_kwargs):
        calls.append(args)
        if len(calls) == at_call:
            raise error

    return function


def in_a_cell(patch, error: BaseException) -> None:
    patch.setattr(kernel, "execute", raising(error))


def in_the_rendering(patch, error: BaseException) -> None:
    patch.setattr(render, "render_notebook", raising(error))


def in_a_write(patch, error: BaseException) -> None:
    patch.setattr(os, "fsync", raising(error))


def between_the_renames(patch, error: BaseException) -> None:
    """When the older report is set aside and the new one is not yet in its place."""
    renamed = Path.rename

    def rename(self, target):
        if ".tmp-" in self.name:
            raise error
        return renamed(self, target)

    patch.setattr(Path, "rename", rename)


@pytest.mark.parametrize("moment", [in_a_cell, in_the_rendering, in_a_write, between_the_renames])
@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, ["Stopped."]),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 1, ["a failed", "No space left on device", "free the disk"]),
    ],
    ids=["interrupt", "fault"],
)
def test_a_run_that_is_broken_off_leaves_the_good_report(clone, capfd, monkeypatch, moment, error, code, words):
    with pytest.MonkeyPatch.context() as patch:
        moment(patch, error)
        refused(clone, capfd, code, ("run", clone.good), words, whole)
    assert clone.do("run", clone.good) == 0


@pytest.mark.parametrize("moment", [in_a_write, between_the_renames])
def test_a_training_that_is_stopped_leaves_nothing(clone, capfd, moment):
    with pytest.MonkeyPatch.context() as patch:
        moment(patch, KeyboardInterrupt())
        refused(clone, capfd, 130, ("train", "other"), ["Stopped."])
    assert clone.do("train", "other") == 0


def test_scores_that_are_stopped_leave_the_older_ones(clone, capfd):
    arguments = results_again(clone)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "pack_scores", raising(KeyboardInterrupt()))
        refused(clone, capfd, 130, arguments, ["Stopped."])
    assert clone.do(*arguments) == 0


def test_progress_that_cannot_be_written_stops_nothing(clone, monkeypatch):
    with counted(clone.cache / "progress", 0):
        assert clone.do("train", "other") == 0
