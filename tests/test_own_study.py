"""The study of one's own model: its numbers are those of a direct call, its rows decide no claim."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from lib import claims, data, photographs
from lib.errors import StudyError
from lib.own_calls import own_calls, own_model, own_picture_calls
from lib.own_models import load_model
from lib.own_scores import PREFIX
from lib.own_tables import accuracy_words, unit_table, without_prefix
from lib.randomization import randomization_scores
from lib.scores import pack_scores
from lib.study import Study

MODULE = """\
from torch import nn


class Net(nn.Sequential):
    def __init__(self, channels=3):
        super().__init__(nn.Conv2d(channels, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 196, 4))
"""
MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.25, 0.5]
CLASSES = [3, 0, 1, 2, 2]
SETTINGS = {
    "model": "our_net:Net", "weights": "net.pth", "images": "pictures", "size": 16, "mean": MEAN, "std": STD,
    "units": ["body=0+1", "logits=4"], "methods": ["gradient", "our_net:Net.method", "input"], "costly": [],
    "n_images": 3, "draws": 2, "init": ["tn(0.1)", "kaiming"], "sweep_methods": ["gradient"],
    "orders": ["cascade", "independent"],
}  # fmt: skip
METHOD = """
    def method(model, images, targets):
        return images * 2.0
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A module, weights and five pictures of 16x16 pixels in the data folder, and an empty cache."""
    (tmp_path / "our_net.py").write_text(MODULE + METHOD)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SALIENCY_DATA", str(tmp_path))
    monkeypatch.setenv("SALIENCY_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FRESH", raising=False)
    (tmp_path / "pictures").mkdir()
    lines = ["file,class_index"]
    for number, label in enumerate(CLASSES):
        Image.fromarray(pixels(number)).save(tmp_path / "pictures" / f"{number}.png")
        lines.append(f"{number}.png,{label}")
    (tmp_path / "pictures" / "labels.csv").write_text("\n".join(lines) + "\n")
    torch.manual_seed(0)
    net = load_model("our_net:Net", "")
    torch.save({name: 1.0 + torch.rand(value.shape) for name, value in net.state_dict().items()}, tmp_path / "net.pth")
    assert data.data_dir() == tmp_path
    yield tmp_path
    sys.modules.pop("our_net", None)


def pixels(number):
    return np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def encoded(numbers):
    """Pictures that need neither resizing nor a crop, as the network takes them."""
    array = np.stack([pixels(number) for number in numbers]) / 255.0
    return torch.tensor((array - MEAN) / STD).permute(0, 3, 1, 2).float()


def study(**changes):
    return Study("10_your_model", SETTINGS | changes)


def gathered(given):
    own = own_model(given)
    return own, given.gather(own_calls(given, own))


def test_the_numbers_are_those_of_a_direct_call(folder):
    given = study()
    own, scores = gathered(given)
    assert own.label == "Net (weights of net.pth)" and own.shape == (3, 16, 16)
    assert own.units == {"body": ("0", "1"), "logits": ("4",)}

    model, images = load_model("our_net:Net", str(folder / "net.pth"), SETTINGS["units"]), encoded([0, 2, 4])
    # Three of five, evenly spread; all that a method may ask for is given as the notebook gives it.
    black = ((torch.zeros(3) - torch.tensor(MEAN)) / torch.tensor(STD)).view(3, 1, 1).expand(3, 16, 16)
    direct = randomization_scores(
        model, images, model(images).argmax(1), SETTINGS["methods"], draws=2, orders=["cascade", "independent"],
        init=["tn(0.1)", "kaiming"], sweep_methods=["gradient"], metrics=["spearman_abs", "spearman", "ssim"],
        references={"black": black}, background=float("inf"), image_ids=[0, 2, 4],
    )  # fmt: skip
    direct = direct.assign(model="our_net:Net", dataset="pictures", seed=0)
    ours = without_prefix(scores[scores.method != "none"])
    assert pack_scores(ours) == pack_scores(direct)

    maps = given.pictures(own_picture_calls(given, own))["cascade"]
    assert set(maps) == set(SETTINGS["methods"]) and maps["gradient"].shape == (3, 1, 64, 64)

    table = unit_table(scores, own.units)
    assert list(table.index) == ["logits", "body"] and list(table.step) == [1, 2]
    assert (table["changed before"] == 0).all() and (table["changed from then on"] == 1).all()
    # Weights, biases, and of batch norm two parameters, two statistics and a counter.
    assert list(table.numbers) == ["4 708", str(6 * 27 + 6 + 4 * 6 + 1)]

    right = (model(encoded(range(5))).argmax(1) == torch.tensor(CLASSES)).double().mean()
    words = re.fullmatch(r"It is right on a share of (.+) \[(.+), (.+)\] of 5 pictures\.", accuracy_words(scores))
    value, low, high = map(float, words.groups())
    assert value == pytest.approx(right.item()) and 0 <= low < value < high <= 1


def test_no_claim_is_decided_on_it(folder):
    _, scores = gathered(study())
    assert all(each.startswith(PREFIX) for each in scores.intervention.unique())
    assert {claims.decide(each, scores)["verdict"] for each in claims.ledger()} == {"not tested"}
    # The same rows under their usual names would decide some.
    usual = without_prefix(scores)
    assert any(claims.decide(each, usual)["verdict"] != "not tested" for each in claims.ledger())


def test_what_was_computed_is_found_until_weights_or_pictures_change(folder):
    def key():
        given = study(orders=["cascade"], sweep_methods=[], n_images=1)
        gathered(given)
        return given._made["scores"].key

    first = key()
    assert key() == first
    state = torch.load(folder / "net.pth")
    torch.save(state | {"4.bias": state["4.bias"] + 0.1}, folder / "net.pth")
    second = key()
    Image.fromarray(pixels(9)).save(folder / "pictures" / "4.png")
    assert len({first, second, key()}) == 3


def test_one_mean_makes_grey_pictures(folder):
    given = study(model="our_net:Net(channels=1)", weights="", mean=[0.5], std=[0.25], units=[], n_images=2)
    own = own_model(given)
    assert own.shape == (1, 16, 16) and list(own.units) == ["0", "1", "4"]
    images = own.given.encoded(own.given.load()[1], [photographs.entries("pictures")[1]])
    grey = np.asarray(Image.fromarray(pixels(1)).convert("L"), dtype=float) / 255.0
    np.testing.assert_allclose(images[0, 0], (grey - 0.5) / 0.25, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"images": "nowhere"}, "need the list"),
        ({"n_images": 6}, "n_images is 6"),
        ({"model": "our_net:Nothing"}, "could not be imported"),
        ({"weights": "other.pth"}, "cannot be read"),
        ({"size": 8}, r"failed on images of the shape \(1, 3, 8, 8\)"),
        ({"mean": []}, "Give size, mean and std|one number each"),
        ({"units": ["body=0+1"]}, "belongs to no unit"),
        ({"methods": ["gradient", "gradcam"]}, "GradCAM needs a convolutional layer"),
        ({"sweep_methods": ["guided_backprop"]}, "not in `methods`"),
        ({"init": ["own"]}, "no method own_law"),
        ({"bn": ["frozen"]}, "bn names 'frozen'"),
    ],
)
def test_faults_are_refused_before_anything_is_computed(folder, changes, words):
    with pytest.raises(StudyError, match=words):
        own_model(study(**changes))
    assert not (folder / "cache" / "scores").exists()


def test_a_class_that_the_network_does_not_have_is_refused(folder):
    path = folder / "pictures" / "labels.csv"
    path.write_text(path.read_text().replace("3.png,2", "3.png,40"))
    with pytest.raises(StudyError, match=r"3\.png is of class 40, but the network has the classes 0 to 3"):
        gathered(study())


def test_pictures_without_classes_say_so(folder):
    assert "no classes" in accuracy_words(gathered(study(images="photos", n_images=1, methods=["gradient"]))[1])
