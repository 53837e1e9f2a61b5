"""Networks of one's own: built from a path, weights from a file, units proposed or named, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn

from lib import data, own_models
from lib.errors import StudyError
from lib.own_models import check_model, digest, encoding_of, load_model, named_units
from lib.preprocessing import IMAGENET, Encoding
from lib.safetensors_file import read_safetensors

MODULE = """\
import torch
from torch import nn


class Net(nn.Module):
    # Its layers are written down in another order than they run.
    def __init__(self, classes=4, last=True):
        super().__init__()
        self.head = nn.Linear(6, classes)
        self.body = nn.Conv2d(3, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.last = last

    def forward(self, images):
        logits = self.head(self.norm(self.body(images)).relu().mean((2, 3)))
        return logits if self.last else logits.softmax(1)


def number():
    return 3


def broken():
    raise RuntimeError("no such file\\nand more")
"""
NET = "my_nets:Net(classes=5)"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A module with a network, and the folder of data, where the weights lie."""
    (tmp_path / "my_nets.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(data, "data_dir", lambda: tmp_path)
    monkeypatch.setattr(own_models, "data_dir", lambda: tmp_path)
    yield tmp_path
    import sys

    sys.modules.pop("my_nets", None)


@pytest.fixture
def state(folder):
    """The state of a network, in the file ``net.pth``."""
    torch.manual_seed(3)
    found = {name: torch.randn_like(value.float()).to(value.dtype) for name, value in built().state_dict().items()}
    torch.save(found, folder / "net.pth")
    return found


def built():
    return load_model(NET, "")


def test_a_network_is_built_with_the_weights_of_a_file(folder, state):
    for weights in ("net.pth", str(folder / "net.pth")):
        model = load_model(NET, weights)
        assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
        assert not model.training and not any(each.requires_grad for each in model.parameters())
        assert model.label == "Net (weights of net.pth)"


def test_weights_that_the_function_draws_are_the_same_each_time(folder):
    torch.manual_seed(1)
    first, before = built(), torch.random.get_rng_state()
    assert torch.equal(first.head.weight, built().head.weight) and first.label == "Net (weights as built)"
    assert torch.equal(torch.random.get_rng_state(), before)


def test_units_are_proposed_in_the_order_in_which_layers_run(folder):
    image = torch.rand(2, 3, 8, 8)
    assert list(check_model(built(), NET, image)) == ["body", "norm", "head"]
    named = load_model(NET, "", ["first=body+norm", "logits=head"])
    assert check_model(named, NET, image) == {"first": ("body", "norm"), "logits": ("head",)}
    with pytest.raises(StudyError, match="order of execution"):
        check_model(load_model(NET, "", ["logits=head", "first=body+norm"]), NET, image)
    with pytest.raises(StudyError, match=r"norm.* belongs to no unit"):
        check_model(load_model(NET, "", ["first=body", "logits=head"]), NET, image)


@pytest.mark.parametrize("units", [["body"], ["a="], ["=body"], ["a=body", "a=head"]])
def test_units_that_cannot_be_read_are_refused(units):
    with pytest.raises(StudyError, match="cannot be read"):
        named_units(units)


@pytest.mark.parametrize(
    ("model", "weights", "words"),
    [
        (NET, "nothing.pth", "weights .* cannot be read"),
        ("my_nets:Net(classes=6)", "net.pth", "are not those of"),
        ("my_nets:number", "", "gave int"),
        ("my_nets:broken", "", r"could not be built \(RuntimeError: no such file\)"),
        ("my_nets:Net(width=3)", "", "could not be built"),
        ("my_nets:nothing", "", "could not be imported"),
        ("resnet17", "download", "not known"),
        (NET, "my_nets.py", "damaged or holds more than tensors"),
        (NET, "nested.pth", "holds a dictionary of epoch, state_dict"),
        (NET, "whole.pth", "damaged or holds more than tensors"),
    ],
)
def test_what_cannot_be_loaded_is_refused(folder, state, model, weights, words):
    torch.save({"epoch": 3, "state_dict": state}, folder / "nested.pth")
    torch.save(nn.Linear(2, 2), folder / "whole.pth")
    with pytest.raises(StudyError, match=words):
        load_model(model, weights)


def test_a_network_that_does_not_fit_the_pictures_is_refused(folder):
    with pytest.raises(StudyError, match=r"failed on images of the shape \(2, 1, 8, 8\)"):
        check_model(built(), NET, torch.rand(2, 1, 8, 8))
    with pytest.raises(StudyError, match="softmax"):
        check_model(load_model("my_nets:Net(last=False)", ""), NET, torch.rand(2, 3, 8, 8))


def test_nothing_is_assumed_of_how_a_network_takes_pictures(folder):
    model = built()
    with pytest.raises(StudyError, match="Give size, mean and std"):
        encoding_of(model, NET, 8, [], [])
    assert encoding_of(model, NET, 8, [0.5], [0.25]) == Encoding(8, 8, (0.5,) * 3, (0.25,) * 3)
    model.encoding = IMAGENET
    assert encoding_of(model, NET, 0, [], []) == IMAGENET
    assert encoding_of(model, NET, 32, [], []) == Encoding(32, 32, IMAGENET.mean, IMAGENET.std)
    assert encoding_of(model, "resnet18", 0, [0.1, 0.2, 0.3], [1.0, 1.0, 2.0]).std == (1.0, 1.0, 2.0)
    for mean, std in (([0.1], []), ([0.1, 0.2], [0.1, 0.2]), ([0.1], [0.1, 0.2, 0.3])):
        with pytest.raises(StudyError, match="one number each, or three"):
            encoding_of(model, NET, 8, mean, std)


def test_a_key_changes_with_the_weights_and_with_the_code(folder, state):
    first = digest(NET, "net.pth")
    assert first == digest(NET, "net.pth") != digest(NET, "")
    state["head.bias"] += 1e-6
    torch.save(state, folder / "net.pth")
    second = digest(NET, "net.pth")
    assert second != first
    (folder / "my_nets.py").write_text(MODULE.replace(".relu()", ".tanh()"))
    import importlib
    import linecache
    import sys

    linecache.clearcache()
    importlib.reload(sys.modules["my_nets"])
    assert digest(NET, "net.pth") != second


def packed(tensors, note=None):
    """A file of the format, written with NumPy from its published description."""
    header, body = ({"__metadata__": note} if note else {}), b""
    for name, (kind, array) in tensors.items():
        content = array.tobytes()
        header[name] = {
            "dtype": kind,
            "shape": list(array.shape),
            "data_offsets": [len(body), len(body) + len(content)],
        }
        body += content
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def test_safetensors_are_read(folder, state):
    rng = np.random.default_rng(0)
    arrays = {
        "a": ("F32", rng.normal(size=(2, 3)).astype(np.float32)),
        "b": ("I64", np.array(7)),
        "c": ("F64", np.empty((0, 4))),
        "d": ("BOOL", np.array([True, False])),
        "e": ("F16", rng.normal(size=3).astype(np.float16)),
    }
    found = read_safetensors(packed(arrays, {"format": "pt"}))
    assert list(found) == list(arrays)
    for name, (_, array) in arrays.items():
        assert found[name].numpy().dtype == array.dtype and np.array_equal(found[name].numpy(), array)

    kinds = {torch.float32: "F32", torch.int64: "I64"}
    content = packed({name: (kinds[value.dtype], value.numpy()) for name, value in state.items()})
    (folder / "net.safetensors").write_bytes(content)
    model = load_model(NET, "net.safetensors")
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    (folder / "cut.safetensors").write_bytes(content[:-3])
    with pytest.raises(StudyError, match="damaged"):
        load_model(NET, "cut.safetensors")
