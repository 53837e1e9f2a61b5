"""Counts, numbers in their range and known words: refused before a run begins, whatever study it is."""

from __future__ import annotations

import pytest
import torch

from lib import data
from lib.checks import notebook_path
from lib.choices import check_images, check_numbers, check_weights, check_words
from lib.compute import ROOT
from lib.errors import StudyError
from lib.parameters import check_parameters, read_parameters, read_params_file

FIRST, SHIFT, CALIBRATION = "01_model_randomization", "06_constant_shift", "07_metric_calibration"
PARAMS = sorted(path for path in (ROOT / "params").glob("*/*/*.yml") if path.parent.name != "models")


def refusal(function, *arguments) -> str:
    with pytest.raises(StudyError) as caught:
        function(*arguments)
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".")
    return message


@pytest.mark.parametrize("path", PARAMS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_params_file_of_the_project_passes(path):
    values = check_parameters(read_parameters(notebook_path(path.parent.name)), read_params_file(path))
    check_numbers(values)
    check_words(path.parent.name, values)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"draws": 0}, "draws is 0; it must be at least 1."),
        ({"n_pairs": -3}, "n_pairs is -3; it must be at least 1."),
        ({"size": -1}, "size is -1; it must be at least 0."),
        ({"layers": [1, -1]}, "layers is [1, -1]; every number in it must be at least 0."),
        ({"sigmas": [0.0, -0.1]}, "sigmas is [0.0, -0.1]; every number in it must be at least 0."),
        ({"jitter": -0.1}, "jitter is -0.1; every number in it must be at least 0."),
        ({"log_stds": [0.0]}, "log_stds is [0.0]; every number in it must be above 0."),
    ],
)
def test_a_number_out_of_range_is_refused(values, says):
    assert refusal(check_numbers, values) == says


def test_zeros_that_mean_something_pass():
    check_numbers({"size": 0, "seeds": [0, 1], "image_range": [0, 4], "sigmas": [0.0], "jitter": 0.0, "mean": [-0.5]})
    check_numbers({"fresh": False, "out": "", "methods": ["gradient"]})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"laws": ["norml"]}, ["laws", "'norml'", "normal"]),
        ({"hows": ["<b>permuted</b>"]}, ["hows", "permuted, "]),
        ({"shifts": ["const", "dog"]}, ["'dog'", "cat"]),
        ({"init": ["tn(0.02)"]}, ["'tn(0.02)'", "tn(0.01)"]),
        ({"bn": ["stale"]}, ["'stale'", "keep-stats"]),
        ({"image_sets": ["mnist-6k"]}, ["'mnist-6k'", "mnist-5k", "photos"]),
        ({"network": "resnet19"}, ["'resnet19'", "resnet18"]),
        ({"methods": ["gradient", "edge", "gradient"]}, ["methods names gradient twice"]),
        ({"others": ["cauchy(1)"]}, ["'cauchy(1)'", "student_t"]),
    ],
)
def test_a_word_that_is_not_known_or_stands_twice_is_refused(values, words):
    message = refusal(check_words, "any", values)
    assert all(word in message for word in words), message


def test_words_that_stand_for_each_of_other_words_may_repeat():
    check_words("any", {"weights": ["package", "package"], "permuted": ["net", "net"], "again": ["a", "a"]})
    check_words("any", {"network": "", "shifts": ["const", "cat"], "out": "anywhere", "shown": [24.0, 24.0]})


def test_the_figures_of_the_first_study_need_every_order():
    message = refusal(check_words, FIRST, {"orders": ["cascade", "reverse"]})
    assert "orders lacks independent" in message and FIRST in message
    check_words("another", {"orders": ["cascade"]})


def test_a_picture_of_a_method_that_is_not_run_is_not_left_out_in_silence():
    values = {"methods": ["gradient"], "convolutional": ["gradcam"], "shown": ["gradcam", "gradiant"]}
    assert "shown names gradiant, which is not among methods and convolutional" in refusal(
        check_words, CALIBRATION, values
    )
    check_words(CALIBRATION, values | {"shown": ["gradcam", "gradient"]})


@pytest.mark.parametrize("models", [["a"], ["a", "b", "c"]])
def test_a_study_of_two_nets_is_given_two(models):
    assert f"models names {len(models)} nets, and {SHIFT} needs 2" in refusal(check_words, SHIFT, {"models": models})
    check_words(SHIFT, {"models": ["a", "b"]})


def test_weights_of_a_network_must_be_there(tmp_path):
    path = tmp_path / "none.pth"
    assert str(path) in refusal(check_weights, {"network": "resnet18", "weights": str(path)})
    path.touch()
    check_weights({"network": "resnet18", "weights": str(path)})
    check_weights({"network": "resnet18", "weights": "package"})
    check_weights({"network": "", "weights": str(tmp_path / "gone.pth")})
    check_weights({"weights": ["package"]})


def test_more_images_than_there_are_is_refused_by_the_parameter_s_name(monkeypatch):
    made = data.DataSet("made", torch.zeros(100, 1), torch.zeros(100), torch.zeros(20, 1), torch.arange(20) % 10)
    monkeypatch.setattr(data, "load", {"made": made}.__getitem__)
    everything = {"n_images": 20, "few_images": 1, "pattern_images": 100, "n_pairs": 5000}
    check_images(everything, ["made"])
    check_images({"n_images": 10**6}, [])
    assert "few_images is 21, but the data set has 1 to 20" in refusal(
        check_images, everything | {"few_images": 21}, ["made"]
    )
    assert "pattern_images is 101, but made has 100 to train on" in refusal(
        check_images, everything | {"pattern_images": 101}, ["made"]
    )
