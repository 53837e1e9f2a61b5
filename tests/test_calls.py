"""Studies that are a list of calls: what a function is given, what decides the key, what is found again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from notebook_script import smoke_params

from lib import data, published, study, training
from lib.accuracy import correct
from lib.errors import StudyError
from lib.parameters import read_params_file
from lib.scores import COLUMNS, pack_scores
from lib.study import Study

NAME = "02_data_randomization"
TINY = read_params_file(smoke_params(NAME)[-1])
asked: list[dict] = []

pytestmark = pytest.mark.usefixtures("shared_cache")


@pytest.fixture(autouse=True)
def tidy():
    asked.clear()


def told(**given):
    """A function of a study that notes what it is given and returns one row for each image."""
    asked.append(given)
    ids = given.get("image_ids", [-1])
    row = {"intervention": "test", "level": "none", "step": 0, "draw": -1, "target": -1, "method": "none"}
    row |= {"metric": "number", "against": "none", "value": float(given.get("value", 0.5))}
    return pd.DataFrame([row | {"image": image} for image in ids])


def drawn(scale, **_given):
    return {"grid": scale * torch.arange(6.0).reshape(1, 2, 3)}


@pytest.fixture
def here(tmp_path):
    return Study(NAME, TINY | {"out": str(tmp_path / "out")})


def test_a_net_comes_with_examples_and_with_the_nets_beside_it(here):
    net, other = here.nets[0], here.nets_named("permuted")[0]
    parts = {"permuted_labels": (other.recipe.dataset, "train_labels")}
    call = here.call(
        told, net=net, methods=["gradient"], n_images=3, beside={"permuted": other}, parts_of=parts, value=2
    )
    scores = here.gather([call])
    (given,) = asked
    dataset = data.load("mnist-100")
    chosen = data.balanced(dataset.test_labels, 3)
    assert torch.equal(given["images"], dataset.test_images[chosen]) and given["image_ids"] == chosen.tolist()
    assert torch.equal(given["labels"], dataset.test_labels[chosen]) and given["background"] == 0.0
    assert torch.equal(given["permuted_labels"], data.load("mnist-100-permuted").train_labels)
    assert not torch.equal(given["permuted_labels"], dataset.train_labels)
    for name, expected in (("model", net), ("permuted", other)):
        state = expected.model.state_dict()
        assert all(torch.equal(value, state[key]) for key, value in given[name].state_dict().items())
    assert correct(given["permuted"], dataset.train_images, given["permuted_labels"]).double().mean() > 0.95
    assert given["methods"] == ["gradient"] and given["value"] == 2
    assert list(scores.columns) == COLUMNS and (scores.value == 2.0).all()
    assert scores[["model", "dataset", "seed"]].drop_duplicates().values.tolist() == [["cnn", "mnist-100", 0]]


def test_an_image_set_is_named_by_itself_and_a_call_without_images_by_nothing(here):
    scores = here.gather([here.call(told, images="photos", n_images=2, size=16), here.call(told, value=1)])
    assert asked[0]["images"].shape == (2, 3, 16, 16) and asked[0]["background"] == 0.0
    assert asked[1] == {"value": 1}
    found = scores[["model", "dataset", "image"]].astype(str).values.tolist()
    assert found == [["none", "none", "-1"], ["none", "photos", "0"], ["none", "photos", "1"]]


def test_the_number_of_images_is_the_studys_unless_told_otherwise(here):
    here.gather([here.call(told, images="mnist-5k"), here.call(told, images="mnist-5k", n_images=7)])
    assert [len(given["images"]) for given in asked] == [TINY["n_images"], 7]


def test_what_was_computed_is_found_again_and_any_change_computes_anew(here):
    first = {"images": "mnist-5k", "n_images": 2}
    changes = [{}, {"n_images": 3}, {"images": "photos", "size": 16}, {"value": 3}]
    for change in changes:
        for _ in range(2):
            here.gather([here.call(told, **(first | change))])
    assert len(asked) == len(changes)
    here.gather([here.call(told, **first), here.call(told, value=9)])
    assert len(asked) == len(changes) + 2


def test_the_key_holds_the_nets_the_methods_the_function_and_the_data(here, monkeypatch):
    net = here.nets[0]

    def key(**change):
        here.gather([here.call(told, **({"net": net, "methods": ["gradient"], "n_images": 2} | change))])
        return here._made["scores"].key

    known = key()
    assert key() == known
    assert len({known, key(methods=["guided_backprop"]), key(n_images=3), key(beside={"other": net})}) == 4
    code = here._made["scores"].code
    assert "lib.attributions.rectified" not in code
    assert "lib.study:Study.examples" in code and "lib.data:balanced" in code and "test_calls" in code
    key(costly=["guided_backprop"])
    assert "lib.attributions.rectified" in here._made["scores"].code
    here.gather([here.call(told, images="mnist-100-permuted", n_images=2)])
    assert {"lib.data:_permuted", "lib.data:_few", "lib.data:_mnist_5k"} <= set(here._made["scores"].code)
    monkeypatch.setattr(training.Recipe, "key", "another net")
    assert key() != known


def test_pictures_are_kept_by_call_and_name_and_scaled(here):
    calls = {"small": here.call(drawn, scale=1.0), "large": here.call(drawn, scale=50.0)}
    found = here.pictures(calls)
    assert found.keys() == calls.keys() and found["small"]["grid"].dtype == np.float32
    expected = np.arange(6.0).reshape(1, 2, 3) / 5
    for group in found.values():
        assert np.allclose(group["grid"], expected, atol=1e-3)


def test_what_was_gathered_is_saved_and_still_fits(here):
    here.gather([here.call(told, images="mnist-5k", n_images=2), here.call(told)])
    here.pictures({"one": here.call(drawn, scale=2.0)})
    here.save()
    assert published.complete(here.out, "scores") and published.complete(here.out, "maps")
    table = study.read_scores(here.out / "scores.csv.xz")
    assert pack_scores(table) == (here.out / "scores.csv.xz").read_bytes()
    made = {kind: {"key": each.key, "config": each.config, "code": each.code} for kind, each in here._made.items()}
    assert all(published._key_now(each) == each["key"] for each in made.values())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"images": "cifar", "n_images": 2}, ["'cifar'"]),
        ({"images": "mnist-5k", "n_images": 5000}, ["5000", "1000"]),
        ({"images": "photos", "n_images": 2}, ["size", "0"]),
    ],
)
def test_images_that_are_not_there_are_refused_before_anything_is_computed(here, given, words):
    with pytest.raises(StudyError) as error:
        here.call(told, **given)
    assert all(word in str(error.value) for word in words) and not asked


def test_a_net_and_an_image_set_at_once_are_refused(here):
    with pytest.raises(StudyError, match="choose one"):
        here.call(told, net=here.nets[0], images="mnist-5k", n_images=2)


# Nets beside those studied ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"permuted": []}, ["permuted names 0 nets and models 1"]),
        ({"permuted": ["cnn-mnist-100"]}, ["cnn-mnist-100", "-permuted"]),
        ({"permuted": ["cnn-mnist-5k-permuted"]}, ["cnn-mnist-5k-permuted", "mnist-100"]),
        ({"permuted": ["mlp-mnist-5k-permuted"]}, ["mlp-mnist-5k-permuted", "cnn"]),
        ({"again": ["cnn-mnist-100"]}, ["cnn-mnist-100", "another seed"]),
        ({"again": ["cnn-mnist-100-permuted"]}, ["cnn-mnist-100-permuted", "another seed"]),
        ({"again": ["cnn-mars"]}, ["cnn-mars"]),
    ],
    ids=str,
)
def test_nets_that_cannot_stand_beside_those_studied_are_refused(change, words):
    with pytest.raises(StudyError) as error:
        Study(NAME, TINY | change)
    assert all(word in str(error.value) for word in words) and "\n" not in str(error.value)


def test_an_unknown_image_set_among_the_parameters_is_refused():
    from lib.checks import check

    with pytest.raises(StudyError, match="'cifar', which is not known"):
        check(NAME, TINY | {"image_sets": ["photos", "cifar"]})
