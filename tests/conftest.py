"""What all tests of the library share: one thread, the CPU, and the declared grid of methods and models."""

from __future__ import annotations

import pytest
import torch
import toys

from lib import compute

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch):
    """Oracles are float64 on the CPU; the library must compute there too, whatever the machine has."""
    monkeypatch.setattr(compute, "device", lambda: torch.device("cpu"))


@pytest.fixture(params=toys.GRID, ids=toys.pair_name)
def case(request):
    """One declared method with one declared model: (case, model, images, targets), float64."""
    declared, name = request.param
    model = toys.net(name)
    images = toys.images(3, name)
    return declared, model, images, torch.tensor([0, 1, 3])


@pytest.fixture(params=sorted(toys.NETS))
def any_net(request):
    """Every declared model: (name, model, images, targets), float64."""
    return request.param, toys.net(request.param), toys.images(3, request.param), torch.tensor([0, 1, 3])
