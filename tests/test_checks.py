"""What cannot be run is refused with one sentence, before anything is trained or computed."""

from __future__ import annotations

import os

import pytest

from lib import artefacts, training
from lib.checks import check, data_folder, notebook_path
from lib.compute import ROOT
from lib.errors import StudyError
from lib.parameters import read_parameters, read_params_file

NAME = "01_model_randomization"

pytestmark = pytest.mark.usefixtures("shared_cache")


@pytest.fixture(autouse=True)
def nothing_trained(monkeypatch, tmp_path):
    """No data but those in packages; any training or computing fails the test."""

    def fail(*_args, **_kwargs):
        raise AssertionError("computed before the values were checked")

    monkeypatch.setenv("SALIENCY_DATA", str(tmp_path / "no-data"))
    monkeypatch.setattr(training, "train", fail)
    monkeypatch.setattr(artefacts, "artefact", fail)


def all_values(**changes):
    """The values of all parameters, as `check` gets them."""
    defaults = {name: each.default for name, each in read_parameters(notebook_path(NAME)).items()}
    return defaults | read_params_file(ROOT / "params" / "smoke" / NAME / "mlp-smoke.yml") | changes


def one_sentence(error) -> str:
    text = str(error.value)
    assert "\n" not in text and text.endswith("."), text
    return text


BAD = [
    ({"models": ["cnn-mars"]}, ["cnn-mars"]),
    ({"models": []}, ["models"]),
    ({"models": ["mlp-smoke", "mlp-smoke"]}, ["mlp-smoke"]),
    ({"models": ["mlp-smoke", "mlp-mnist-5k"]}, ["mlp-smoke", "mlp-mnist-5k"]),
    ({"methods": []}, ["methods"]),
    ({"methods": ["gradiant"]}, ["gradiant", "gradient"]),
    ({"methods": ["smoothgrad(sample=3)"]}, ["sample", "samples"]),
    ({"methods": ["smoothgrad(samples=many)"]}, ["samples", "many"]),
    ({"methods": ["gradient", "gradient"]}, ["gradient", "twice"]),
    ({"methods": ["nowhere.at.all:method"]}, ["nowhere.at.all:method"]),
    ({"methods": ["json:dumps"]}, ["json:dumps"]),
    ({"methods": ["gradcam"]}, ["gradcam"]),
    ({"methods": ["guided_gradcam"]}, ["guided_gradcam"]),
    ({"init": ["tn(0.02)"]}, ["tn(0.02)", "own"]),
    ({"init": ["own", "own"]}, ["init", "once"]),
    ({"init": []}, ["init", "at least one"]),
    ({"prefix": ["nested", "nest"]}, ["'nest'", "nested", "fresh"]),
    ({"target": ["original", "best"]}, ["'best'", "current", "label"]),
    ({"orders": ["reverse"]}, ["reverse", "cascade"]),
    ({"orders": ["cascade", "sideways"]}, ["sideways", "independent"]),
    ({"costly": ["ig_smoothgrad(of=gradient)"]}, ["ig_smoothgrad", "of"]),
    ({"costly": ["gradient"]}, ["gradient", "twice"]),
    ({"sweep_methods": ["deconvnett"]}, ["deconvnett", "deconvnet"]),
    ({"n_images": 0}, ["n_images", "0"]),
    ({"draws": -1}, ["draws", "-1"]),
    ({"gallery": 0}, ["gallery", "0"]),
    ({"gallery": 5}, ["gallery", "5", "n_images", "4"]),
    ({"n_images": 1001}, ["n_images", "1001"]),
]


@pytest.mark.parametrize(("change", "words"), BAD, ids=str)
def test_values_that_cannot_be_run_are_refused_before_any_compute(change, words):
    with pytest.raises(StudyError) as error:
        check(NAME, all_values(**change))
    text = one_sentence(error).lower()
    assert all(word.lower() in text for word in words), text


def test_good_values_pass():
    check(NAME, all_values())
    others = {"init": ["own", "kaiming"], "prefix": ["fresh"], "target": ["label", "current"]}
    others |= {"orders": ["cascade", "independent", "reverse"]}
    cams = ["gradcam", "guided_gradcam"]
    check(NAME, all_values(models=["cnn-smoke"], methods=cams, sweep_methods=cams[:1], costly=[], **others))


def test_methods_are_tried_on_a_net_that_starts_from_weights():
    """GradCAM passes, which needs the layer that the net names; deep Taylor decomposition meets its batch norm."""
    nothing = {name: [] for name in ("costly", "relevance", "slowest", "sweep_methods")}
    with pytest.raises(StudyError, match="BatchNorm2d"):
        check(NAME, all_values(models=["resnet18-smoke"], methods=["gradcam", "dtd_zplus"], **nothing))


def test_a_method_for_convolutions_is_refused_if_one_of_the_nets_has_none():
    with pytest.raises(StudyError):
        check(NAME, all_values(models=["cnn-smoke", "mlp-smoke"], methods=["gradcam"]))


def test_an_unknown_study_is_refused():
    with pytest.raises(StudyError, match=r"no study '09_dreams'; choose one of .*01_model_randomization"):
        check("09_dreams", {})


def test_absent_data_are_refused_before_any_compute(monkeypatch, tmp_path):
    def fail(*_args, **_kwargs):
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", fail)
    before = os.environ["SALIENCY_DATA"]
    folder = tmp_path / "given"
    with pytest.raises(StudyError) as error:
        check(NAME, all_values(models=["mlp-mnist"], data_dir=str(folder)))
    assert str(folder) in one_sentence(error)
    assert os.environ["SALIENCY_DATA"] == before


def test_the_data_folder_is_given_back_whatever_happens(monkeypatch, tmp_path):
    for before in ("elsewhere", None):
        monkeypatch.setenv("SALIENCY_DATA", before) if before else monkeypatch.delenv("SALIENCY_DATA")
        with pytest.raises(KeyError), data_folder(str(tmp_path)):
            assert os.environ["SALIENCY_DATA"] == str(tmp_path)
            raise KeyError
        with data_folder(""):
            assert os.environ.get("SALIENCY_DATA") == before
        assert os.environ.get("SALIENCY_DATA") == before
