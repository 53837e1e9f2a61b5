"""Fine-tuning starts from the weights that it names and does what it says; a net encodes its pictures itself."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torchvision.transforms.functional import normalize

from lib import artefacts, data, finetuning, image_models, preprocessing, training, weights
from lib.attributions import attribute
from lib.compute import generator
from lib.data import DataSet, data_dir
from lib.encoded import Encoded
from lib.errors import StudyError
from lib.finetuning import OWN, finetune
from lib.image_models import Architecture
from lib.initialisers import constant, uniform_law
from lib.origins import net_called, origin_of
from lib.training import Recipe, TrainedNet, recipe_from
from lib.units import units_of

OUTPUTS = 7
RECIPE = Recipe("stand_in", "mnist-5k-pairs", 0, 5, 8, 0.01, 0.0, weights="")


def make():
    """A small net with batch norm and dropout; `fc` is its last layer."""
    net = nn.Sequential()
    net.conv = nn.Conv2d(3, 6, 3, stride=2, bias=False)
    net.norm = nn.BatchNorm2d(6)
    net.relu = nn.ReLU()
    net.drop = nn.Dropout(0.5)
    net.pool = nn.AdaptiveAvgPool2d(1)
    net.flat = nn.Flatten()
    net.fc = nn.Linear(6, OUTPUTS)
    return net


def own_law(name, trained, uniform):
    """Scales of 1, other vectors 0, `fc` small, the convolution larger: each name is known."""
    known = {"conv.weight": 0.5, "fc.weight": 0.2, "fc.bias": 0.3}
    return constant(uniform, float(name == "norm.weight")) if "norm" in name else uniform_law(uniform, known[name])


@pytest.fixture(autouse=True)
def stand_in(monkeypatch, tmp_path):
    """The stand-in as a named network, digits of two colours to learn, an empty cache, and a file of weights."""
    declared = Architecture(
        label="Stand-in",
        make=make,
        units={"bottom": ("conv", "norm"), "top": ("fc",)},
        gradcam_layer="relu",
        own_law=own_law,
        encoding=preprocessing.IMAGENET,
    )
    monkeypatch.setitem(image_models.ARCHITECTURES, "stand_in", declared)
    monkeypatch.setenv("SALIENCY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(data, "load", lambda name: easy())
    return declared


def easy(count=60):
    """Pictures whose brightness is their class; five classes."""
    labels = torch.arange(count) % 5
    noise = torch.rand(count, 3, 9, 18, generator=torch.Generator().manual_seed(0))
    images = (labels.view(-1, 1, 1, 1) / 5 + 0.2 * noise).float()
    return DataSet("easy", images, labels, images[:20] + 0.01, labels[:20])


@pytest.fixture
def file(tmp_path):
    """Weights of the stand-in in a file."""
    net = make()
    draws = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for value in net.state_dict().values():
            if value.dtype.is_floating_point:
                value.copy_(torch.rand(value.shape, generator=draws) + 0.1)
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    return str(tmp_path / "weights.pth")


def recipe(start, **changes):
    return dataclasses.replace(RECIPE, weights=start, **changes)


# ---------------------------------------------------------------- the encoding


def encoded(stand_in):
    net = image_models.build("stand_in", generator("encoded"))
    return net, Encoded(net, stand_in.encoding).eval()


def test_pictures_are_encoded_inside_the_net(stand_in):
    net, model = encoded(stand_in)
    pictures = torch.rand(4, 3, 9, 18)
    expected = net(normalize(pictures, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    assert torch.allclose(model(pictures), expected, atol=1e-6)


def test_a_grey_picture_is_three_equal_channels(stand_in):
    _, model = encoded(stand_in)
    grey = torch.rand(4, 1, 9, 18)
    assert torch.equal(model(grey), model(grey.expand(-1, 3, -1, -1)))


def test_an_encoded_net_has_the_names_and_laws_of_the_net_inside(stand_in):
    net, model = encoded(stand_in)
    assert units_of(model, torch.rand(1, 3, 9, 18)) == {"bottom": ("net.conv", "net.norm"), "top": ("net.fc",)}
    assert list(model.state_dict()) == [f"net.{name}" for name in net.state_dict()]
    uniform = torch.rand(6, 3, 3, 3)
    assert torch.equal(model.own_law("net.conv.weight", uniform, uniform), own_law("conv.weight", uniform, uniform))
    assert model.label == net.label


def test_a_map_of_an_encoded_net_is_the_derivative_by_the_pixels(stand_in):
    _, model = encoded(stand_in)
    model.double()
    picture = torch.rand(1, 3, 9, 18, dtype=torch.float64)
    maps = attribute(model, picture, torch.tensor([2]), ["gradient", "gradcam", "guided_backprop"])
    moved = picture.clone()
    moved[0, 1, 4, 7] += 1e-6
    slope = (model(moved) - model(picture))[0, 2] / 1e-6
    assert maps["gradient"][0, 1, 4, 7].item() == pytest.approx(slope.item(), rel=1e-4)
    assert maps["gradcam"].shape == maps["guided_backprop"].shape == picture.shape


# ---------------------------------------------------------------- what training does


def test_training_is_that_of_a_plain_loop(file):
    """In double precision by hand: batch norm on the batch, no dropout, Adam on everything."""
    ours, _ = finetune(recipe(file, iterations=3, seed=2))
    net = make().double()
    net.load_state_dict(torch.load(file))
    net.fc = nn.Linear(6, 5).double()
    draws = generator(2, "new last layer")
    bound = 1 / 6**0.5
    with torch.no_grad():
        for value in (net.fc.weight, net.fc.bias):
            value.copy_(bound * (2 * torch.rand(value.shape, generator=draws, dtype=torch.float64) - 1))
    net.train().drop.eval()
    learned = easy()
    order = torch.randperm(60, generator=generator(2, "batches"))
    moments = {name: [0.0, 0.0] for name, _ in net.named_parameters()}
    for step in range(3):
        batch = order[8 * step : 8 * step + 8]
        pictures = normalize(learned.train_images[batch].double(), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        loss = F.cross_entropy(net(pictures), learned.train_labels[batch])
        gradients = torch.autograd.grad(loss, list(net.parameters()))
        with torch.no_grad():
            for (name, value), gradient in zip(net.named_parameters(), gradients, strict=True):
                first, second = moments[name]
                first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
                moments[name] = [first, second]
                size = (first / (1 - 0.9 ** (step + 1))) / ((second / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8)
                value -= 0.01 * size
    for (name, found), value in zip(ours.net.state_dict().items(), net.state_dict().values(), strict=True):
        assert torch.allclose(found.double(), value.double(), rtol=1e-3, atol=2e-4), name
    assert not ours.training and not any(value.requires_grad for value in ours.parameters())


def test_only_the_last_layer_is_new(file):
    start = torch.load(file)
    ours, _ = finetune(recipe(file, iterations=1, learning_rate=1e-12))
    state = ours.net.state_dict()
    for name in ("conv.weight", "norm.weight", "norm.bias"):
        assert torch.allclose(state[name], start[name], atol=1e-9)
    assert state["fc.weight"].shape == (5, 6)
    assert state["fc.weight"].abs().max() <= 6**-0.5 and state["fc.weight"].std() > 0.15
    assert not torch.allclose(state["norm.running_mean"], start["norm.running_mean"])


def test_it_learns_and_tells_how_it_went(file):
    ours, history = finetune(recipe(file, iterations=110, learning_rate=0.05))
    assert [entry["iteration"] for entry in history] == [25, 50, 75, 100, 110]
    assert set(history[0]) == {"iteration", "loss", "accuracy", "test_accuracy"}
    learned = easy()
    right = (ours(learned.test_images).argmax(1) == learned.test_labels).double().mean().item()
    assert history[-1]["test_accuracy"] == pytest.approx(right) and right > 0.9 > history[0]["accuracy"]
    assert history[-1]["loss"] < history[0]["loss"]


def test_the_same_recipe_gives_the_same_bits_and_fewer_iterations_the_way_there(file):
    (once, long), (again, _) = (finetune(recipe(file, iterations=30)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(once.state_dict().values(), again.state_dict().values(), strict=True))
    _, short = finetune(recipe(file, iterations=25))
    assert short == long[:1]
    other, _ = finetune(recipe(file, iterations=30, seed=1))
    assert not torch.equal(once.net.fc.weight, other.net.fc.weight)


def test_training_leaves_the_global_random_numbers_alone(file):
    before = torch.get_rng_state()
    finetune(recipe(file, iterations=2))
    assert torch.equal(before, torch.get_rng_state())


def test_a_net_of_its_own_initialiser():
    ours, _ = finetune(recipe(OWN, iterations=1, learning_rate=1e-12))
    expected = image_models.build("stand_in", generator(0, "weights")).conv.weight
    assert torch.allclose(ours.net.conv.weight, expected, atol=1e-9)
    assert ours.label == "Stand-in (trained on mnist-5k-pairs)"


# ---------------------------------------------------------------- nets by name


@pytest.fixture
def named(monkeypatch, file):
    """Recipes of three nets: from a file, from the initialiser, and from the second."""
    recipes = {
        "of-file": recipe(file),
        "singles": recipe(OWN, dataset="mnist-5k"),
        "of-singles": recipe("singles", iterations=1, learning_rate=1e-12),
        "other": recipe("singles", model="resnet18"),
    }
    monkeypatch.setattr(training, "recipe_files", lambda: dict.fromkeys(recipes))
    monkeypatch.setattr("lib.origins.recipe_files", lambda: dict.fromkeys(recipes))
    monkeypatch.setattr(training, "read_recipe", lambda name: recipes[name])
    return recipes


def test_a_trained_net_comes_back_from_the_cache_with_its_history(named, monkeypatch):
    made, history = finetune(named["of-file"])
    first = training.named_net("of-file").model
    monkeypatch.setattr(training, "_make", None)
    loaded = training.named_net("of-file").model
    for model in (first, loaded):
        assert all(
            torch.equal(a, b) for a, b in zip(made.state_dict().values(), model.state_dict().values(), strict=True)
        )
        assert pd.DataFrame(model.history).equals(pd.DataFrame(history)) and not model.training


def test_a_net_starts_from_another_named_net(named):
    before, after = (training.named_net(name).model for name in ("singles", "of-singles"))
    assert before.net.fc.weight.shape == (10, 6) and after.net.fc.weight.shape == (5, 6)
    assert torch.allclose(before.net.conv.weight, after.net.conv.weight, atol=1e-9)
    assert origin_of(training.named_net("of-singles")).name == "singles"
    with pytest.raises(StudyError, match="cannot start from singles, a net of another kind"):
        finetune(named["other"])


def test_the_origin_of_published_weights_has_their_outputs(named, file):
    found = origin_of(training.named_net("of-file"))
    # Results name it so, and find its key again.
    assert net_called(found.name) == found and net_called("of-file").key == training.named_net("of-file").key
    assert isinstance(found, TrainedNet) and found.name == "of-file before fine-tuning"
    assert torch.equal(found.model.net.fc.weight, torch.load(file)["fc.weight"])
    assert found.model.label == "Stand-in (weights.pth)"
    assert found.key != training.named_net("of-file").key


def test_keys_know_the_weights_and_the_net_before(named, file, monkeypatch):
    keys = {name: named[name].key for name in ("of-file", "singles", "of-singles")}
    assert len(set(keys.values())) == 3
    origin = origin_of(TrainedNet("of-file", named["of-file"])).key
    state = torch.load(file)
    torch.save(state | {"fc.bias": state["fc.bias"] + 1}, file)
    assert named["of-file"].key != keys["of-file"] and named["singles"].key == keys["singles"]
    assert origin_of(TrainedNet("of-file", named["of-file"])).key != origin
    named["singles"] = dataclasses.replace(named["singles"], iterations=6)
    assert named["of-singles"].key != keys["of-singles"]


def test_known_and_downloaded_weights_have_keys_without_a_file():
    known = weights.KNOWN_FILES["resnet18_killthebits"]
    assert finetuning.fingerprint("resnet18_killthebits") == known.sha256
    assert finetuning.fingerprint("download") == "download" and finetuning.fingerprint(OWN) == OWN
    assert artefacts.sha256(b"") != known.sha256


# ---------------------------------------------------------------- refusals


GOOD = dataclasses.asdict(RECIPE) | {"model": "resnet18", "weights": "resnet18_killthebits"}


def test_a_recipe_with_weights_speaks_of_networks_for_photographs():
    assert recipe_from(GOOD, "file").weights == "resnet18_killthebits"
    with pytest.raises(StudyError, match=r"the model 'cnn' is not one of .*resnet18"):
        recipe_from(GOOD | {"model": "cnn"}, "file")
    with pytest.raises(StudyError, match="the model 'resnet18' is not one of cnn, mlp"):
        recipe_from(GOOD | {"weights": ""}, "file")


@pytest.mark.parametrize("change", [{"weight_decay": 0.1}, {"optimizer": "sgd"}])
def test_only_adam_without_decay_goes_on_from_weights(change):
    with pytest.raises(StudyError, match=r"trained by adam without weight decay; set weight_decay to 0\.0"):
        recipe_from(GOOD | change, "file")


def test_absent_weights_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SALIENCY_DATA", str(tmp_path))
    with pytest.raises(StudyError, match=r"resnet18_killthebits\.pth cannot be read .*; put the weights there, or set"):
        finetune(recipe("resnet18_killthebits", model="resnet18"))
    with pytest.raises(StudyError, match=r"nowhere\.pth cannot be read"):
        finetuning.fingerprint("nowhere.pth")


def test_a_net_without_a_dense_last_layer_is_refused():
    with pytest.raises(StudyError, match=r"last layer of the SqueezeNet .* is not a dense one"):
        finetuning.blank(recipe(OWN, model="squeezenet1_0"))


# ---------------------------------------------------------------- the real weights


def test_the_net_says_that_its_weights_are_quantised():
    blank = finetuning.blank(recipe("resnet18_killthebits", model="resnet18"))
    assert blank.label == "quantised ResNet-18 (kill-the-bits), fine-tuned on mnist-5k-pairs"
    assert blank(torch.zeros(1, 3, 64, 128)).shape == (1, 5)
    for start, words in {
        "download": "ResNet-18 (torchvision IMAGENET1K_V1), fine-tuned on mnist-5k-pairs",
        "some/my.pth": "ResNet-18 (my.pth), fine-tuned on mnist-5k-pairs",
    }.items():
        assert finetuning.blank(recipe(start, model="resnet18")).label == words


def test_the_origin_is_the_published_net():
    if not (data_dir() / "weights" / "resnet18_killthebits.pth").exists():
        pytest.skip(f"{data_dir()} has no weights/resnet18_killthebits.pth (set SALIENCY_DATA)")
    model = finetuning.origin("resnet18", "resnet18_killthebits")
    plain = torchvision.models.resnet18()
    plain.load_state_dict(torch.load(data_dir() / "weights" / "resnet18_killthebits.pth", weights_only=True))
    pictures = torch.rand(1, 3, 64, 64)
    expected = plain.eval()(normalize(pictures, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    assert torch.allclose(model(pictures), expected, atol=1e-4) and expected.shape == (1, 1000)
