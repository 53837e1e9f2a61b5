"""The device that a user asks for."""

import os

import pytest
import torch

from lib import compute, devices
from lib.errors import StudyError


@pytest.fixture
def machine(monkeypatch):
    """A machine with a GPU that is there unless it is hidden; its answer can be replaced."""

    def become(has_gpu):
        # In the tests, all others compute on the CPU, whatever the machine has.
        monkeypatch.setattr(compute, "device", lambda: torch.device("cuda" if has_gpu() else "cpu"))

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    become(lambda: os.environ["CUDA_VISIBLE_DEVICES"] != "")
    return become


@pytest.mark.parametrize(("name", "found"), [("", "cuda"), ("cuda", "cuda"), ("cpu", "cpu")])
def test_a_gpu_is_taken_unless_the_user_wants_the_cpu(machine, name, found):
    devices.choose(name)
    assert compute.device() == torch.device(found)


def test_a_gpu_that_is_not_there_is_refused_and_nothing_else_is_taken(machine):
    machine(lambda: False)
    with pytest.raises(StudyError, match="PyTorch sees no GPU; leave device empty or write cpu"):
        devices.choose("cuda")
    devices.choose("")
    assert compute.device() == torch.device("cpu")


def test_a_gpu_that_cannot_be_hidden_any_more_is_refused(machine):
    machine(lambda: True)
    with pytest.raises(StudyError, match="restart it"):
        devices.choose("cpu")


def test_another_word_is_refused():
    with pytest.raises(StudyError, match="device is 'gpu'; write cpu, cuda, or nothing"):
        devices.choose("gpu")
