"""Named data sets: shapes, splits, where files come from, and refusals."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from torchvision.datasets import utils

from lib import data
from lib.compute import ROOT
from lib.errors import StudyError

PUBLISHED = [2, 6, 8, 4, 3, 1, 3, 7, 9, 1, 3, 9, 3, 5, 1, 7, 3, 3, 5, 1]
"""The first held-out digits of mnist-5k."""

FILES = [
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
]


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch, digits):
    """An empty data folder and an empty cache."""
    monkeypatch.setenv("SALIENCY_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SALIENCY_CACHE", str(tmp_path / "cache"))
    data.load.cache_clear()
    yield tmp_path
    data.load.cache_clear()


# mnist-5k -----------------------------------------------------------------------------------------------------------


def test_mnist_5k_has_the_promised_form():
    found = data.load("mnist-5k")
    for images, labels, count in (
        (found.train_images, found.train_labels, 4000),
        (found.test_images, found.test_labels, data.HELD_OUT),
    ):
        assert images.shape == (count, 1, 28, 28) and images.dtype == torch.float32
        assert labels.shape == (count,) and labels.dtype == torch.int64
        assert images.min() == 0.0 and images.max() == 1.0
        assert sorted(labels.unique().tolist()) == list(range(10))
    assert found.background == 0.0
    # Most of a digit's image is empty.
    assert 0.7 < (found.test_images == 0).double().mean() < 0.9


def test_mnist_5k_is_split_and_nothing_is_lost_or_seen_twice(digits):
    pixels, numbers = digits()
    source = {(image.astype(np.uint8).tobytes(), int(digit)) for image, digit in zip(pixels, numbers, strict=True)}
    found = data.load("mnist-5k")

    def rows(images, labels):
        bytes_ = (images * 255).round().to(torch.uint8).flatten(1).numpy()
        return [(row.tobytes(), int(label)) for row, label in zip(bytes_, labels, strict=True)]

    train, test = rows(found.train_images, found.train_labels), rows(found.test_images, found.test_labels)
    assert set(train).isdisjoint(test)
    assert len(train) + len(test) == len(pixels) == 5000
    assert set(train) | set(test) == source


def test_the_split_is_the_one_of_published_runs():
    torch.manual_seed(99)
    first = data.load("mnist-5k")
    data.load.cache_clear()
    torch.manual_seed(7)
    second = data.load("mnist-5k")
    assert first is not second and torch.equal(first.test_images, second.test_images)
    # Another split would train quick nets on images that their reports call held out.
    assert first.test_labels[:20].tolist() == PUBLISHED


# balanced -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3, 10, 25, 100])
def test_balanced_takes_the_first_images_of_every_class(count):
    labels = data.load("mnist-5k").test_labels
    chosen = data.balanced(labels, count)
    numpy = labels.numpy()
    expected = []
    for digit in range(10):
        share = count // 10 + (digit < count % 10)
        expected += [i for i in range(len(numpy)) if numpy[i] == digit][:share]
    assert chosen.tolist() == expected
    assert len(set(chosen.tolist())) == count


@pytest.mark.parametrize("count", [0, -3, 1001])
def test_balanced_refuses_what_is_not_there(count):
    with pytest.raises(StudyError) as error:
        data.balanced(data.load("mnist-5k").test_labels, count)
    assert str(count) in str(error.value) and "1000" in str(error.value)


def test_balanced_never_gives_fewer_than_asked_for():
    labels = torch.tensor([0] * 8 + [1] * 2)
    for count in range(1, 11):
        try:
            chosen = data.balanced(labels, count)
        except StudyError:
            assert count > 4, "two of each class are there"
        else:
            assert len(chosen) == count


def test_permuted_labels_are_the_same_labels_on_other_images():
    true, permuted = data.load("mnist-5k"), data.load("mnist-5k-permuted")
    assert permuted.name == "mnist-5k-permuted"
    assert torch.equal(permuted.train_images, true.train_images) and torch.equal(permuted.test_labels, true.test_labels)
    assert torch.equal(permuted.train_labels.sort().values, true.train_labels.sort().values)
    # A tenth of the images keep their label by chance, give or take three standard deviations.
    kept = (permuted.train_labels == true.train_labels).double().mean()
    assert abs(kept - 0.1) < 3 * (0.09 / 4000) ** 0.5
    data.load.cache_clear()
    assert torch.equal(data.load("mnist-5k-permuted").train_labels, permuted.train_labels)


def test_the_key_of_permuted_labels_holds_the_code_of_the_data_set_inside():
    assert data.loaders("fashion-permuted") == [data._permuted, data._torchvision]
    assert data.loaders("fashion") == [data._torchvision]
    assert data.loaders("mnist-100-permuted") == [data._permuted, data._few, data._mnist_5k]


def test_few_images_to_train_on_leave_the_test_images_as_they_are():
    few, whole = data.load("mnist-100"), data.load("mnist-5k")
    assert few.name == "mnist-100" and len(few.train_labels) == 100
    assert torch.equal(few.train_images, whole.train_images[:100])
    assert torch.equal(few.test_images, whole.test_images)


# Refusals -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [data.load, data.ensure, data.check, data.loaders])
def test_an_unknown_name_is_refused(call):
    with pytest.raises(StudyError, match=f"'mnist-10k' is not known; choose one of {', '.join(data.names())}"):
        call("mnist-10k")


@pytest.fixture
def no_network(monkeypatch):
    asked = []

    def fail(url, *_args, **_kwargs):
        asked.append(getattr(url, "full_url", url))
        raise URLError("no network")

    monkeypatch.setattr(utils.urllib.request, "urlopen", fail)
    return asked


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion", "FashionMNIST")])
@pytest.mark.parametrize("call", [data.load, data.ensure])
def test_absent_data_give_one_sentence_with_both_ways_out(no_network, folders, name, folder, call):
    with pytest.raises(StudyError) as error:
        call(name)
    text = str(error.value)
    assert no_network, "a download was tried"
    assert "\n" not in text and text.endswith(".")
    assert name in text and str(folders / "data") in text
    assert "connect to the internet" in text
    assert f"{folder}/raw" in text and "SALIENCY_DATA" in text and "data_dir" in text
    # The refusal is not remembered: the data may come while the process waits.
    no_network.clear()
    with pytest.raises(StudyError):
        call(name)
    assert no_network


# Files in MNIST's format --------------------------------------------------------------------------------------------


@pytest.fixture
def tiny(monkeypatch, no_network):
    """Four tiny files in MNIST's format, which torchvision takes for the real ones."""
    rng = np.random.default_rng(0)
    contents, truth = {}, {}
    for part, count in (("train", 12), ("t10k", 7)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, count, dtype=np.uint8)
        images[0, 0, :2] = 0, 255
        contents[f"{part}-images-idx3-ubyte.gz"] = struct.pack(">IIII", 0x803, count, 28, 28) + images.tobytes()
        contents[f"{part}-labels-idx1-ubyte.gz"] = struct.pack(">II", 0x801, count) + labels.tobytes()
        truth[part] = images, labels
    packed = {name: gzip.compress(content, mtime=0) for name, content in contents.items()}
    resources = [(name, hashlib.md5(packed[name]).hexdigest()) for name in FILES]
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    return packed, truth


def put(raw: Path, packed: dict[str, bytes]) -> None:
    raw.mkdir(parents=True)
    for name, content in packed.items():
        (raw / name).write_bytes(content)


def snapshot(folder: Path):
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in sorted(folder.rglob("*"))
    }


def check_tiny(found, truth):
    for part, images, labels in (
        ("train", found.train_images, found.train_labels),
        ("t10k", found.test_images, found.test_labels),
    ):
        expected = truth[part][0].astype(np.float32)[:, None] / np.float32(255)
        assert images.dtype == torch.float32 and labels.dtype == torch.int64
        np.testing.assert_array_equal(images.numpy(), expected)
        np.testing.assert_array_equal(labels.numpy(), truth[part][1])
        assert images.min() == 0.0 and images.max() == 1.0


def test_packed_files_are_staged_and_their_folder_is_left_alone(folders, tiny, no_network):
    packed, truth = tiny
    given = folders / "data"
    put(given / "MNIST" / "raw", packed)
    before = snapshot(given)
    check_tiny(data.load("mnist"), truth)
    assert snapshot(given) == before
    assert no_network == []
    staged = folders / "cache" / "data" / "MNIST" / "raw"
    assert {path.name for path in staged.iterdir()} == {*FILES, *(name.removesuffix(".gz") for name in FILES)}
    # A second process finds them there.
    data.load.cache_clear()
    staged_before = snapshot(staged)
    check_tiny(data.load("mnist"), truth)
    assert snapshot(staged) == staged_before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere; the test above compares the folder's content")
def test_a_read_only_folder_is_enough(folders, tiny):
    packed, truth = tiny
    raw = folders / "data" / "MNIST" / "raw"
    put(raw, packed)
    raw.chmod(0o555)
    try:
        check_tiny(data.load("mnist"), truth)
    finally:
        raw.chmod(0o755)


def test_unpacked_files_are_read_where_they_lie(folders, tiny, no_network):
    packed, truth = tiny
    plain = {name.removesuffix(".gz"): gzip.decompress(content) for name, content in packed.items()}
    given = folders / "data"
    put(given / "MNIST" / "raw", plain)
    before = snapshot(given)
    check_tiny(data.load("mnist"), truth)
    assert snapshot(given) == before and no_network == []
    assert not (folders / "cache" / "data").exists()


def test_a_damaged_packed_file_is_not_used(folders, tiny, no_network):
    packed, _ = tiny
    put(folders / "data" / "MNIST" / "raw", packed | {FILES[1]: packed[FILES[1]][:-3] + b"xyz"})
    with pytest.raises(StudyError, match="mnist"):
        data.load("mnist")
    assert no_network and all(url.endswith(FILES[1]) for url in no_network)


def test_half_an_unpacked_file_gives_one_sentence(folders, tiny):
    packed, _ = tiny
    plain = {name.removesuffix(".gz"): gzip.decompress(content) for name, content in packed.items()}
    plain["train-images-idx3-ubyte"] = plain["train-images-idx3-ubyte"][:5000]
    put(folders / "data" / "MNIST" / "raw", plain)
    with pytest.raises(StudyError) as error:
        data.load("mnist")
    assert "mnist" in str(error.value) and "\n" not in str(error.value)


def test_the_data_folder_has_a_default_in_the_clone(monkeypatch):
    monkeypatch.delenv("SALIENCY_DATA")
    assert data.data_dir() == ROOT / "data"


# The real files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion", "FashionMNIST")])
def test_the_real_data_where_they_are(monkeypatch, name, folder):
    monkeypatch.undo()
    raw = data.data_dir() / folder / "raw"
    if len(list(raw.glob("*-ubyte.gz"))) < 4 and len(list(raw.glob("*-ubyte"))) < 4:
        pytest.skip(f"{name} is not in the data folder")
    found = data.load(name)
    assert found.train_images.shape == (60_000, 1, 28, 28) and found.test_images.shape == (10_000, 1, 28, 28)
    # Published statistics of the training images.
    mean, std = {"mnist": (0.1307, 0.3081), "fashion": (0.2860, 0.3530)}[name]
    assert found.train_images.mean().item() == pytest.approx(mean, abs=1e-4)
    assert found.train_images.double().std().item() == pytest.approx(std, abs=1e-4)
    largest = found.test_labels.bincount().max().item()
    assert largest == {"mnist": 1135, "fashion": 1000}[name]
