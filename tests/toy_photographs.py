"""A small network for photographs, declared among the known ones, and a folder of pictures of 56 x 64 pixels."""

from __future__ import annotations

import dataclasses

import numpy as np
import toys
from PIL import Image
from scipy import ndimage
from torch import nn

from lib import image_models, photographs, weights, workspace
from lib.initialisers import kaiming_law
from lib.preprocessing import Encoding

ENCODING = Encoding(52, 48, (0.5, 0.4, 0.3), (0.2, 0.25, 0.5))
"""Maps of 48 x 48 pixels: the least that hold a block of HOG cells."""

UNITS = {"conv1": ("0",), "conv2": ("2", "3"), "conv3": ("5",), "conv4": ("7",), "logits": ("11",)}
CLASSES = [3, 0, 5, 1, 6, 2, 4, 3, 0, 1, 2, 6, 5, 4, 3, 2]


def small():
    """Five units, one of them with batch norm, and seven classes; every tensor is random."""
    layers = [
        nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Conv2d(4, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU(),
        nn.Conv2d(6, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Linear(32, 7),
    ]  # fmt: skip
    net = toys.randomise(nn.Sequential(*layers)).eval().requires_grad_(False)
    net.units, net.gradcam_layer, net.own_law = UNITS, "8", kaiming_law
    net.label = "a toy"
    return net


def declare(monkeypatch):
    """The network, found under the name ``toy``; eight photographs go through in one pass, as of real size."""
    found = small()
    declared = image_models.architecture("squeezenet1_0")
    known = dataclasses.replace(
        declared, make=small, units=UNITS, gradcam_layer="8", own_law=kaiming_law, encoding=ENCODING
    )
    monkeypatch.setitem(image_models.ARCHITECTURES, "toy", known)
    monkeypatch.setattr(weights, "load", lambda name, of: {("toy", "package"): found}[name, of])
    monkeypatch.setattr(workspace, "_PASS_NUMBERS", 1)
    return found


def write_photographs(path):
    """Sixteen smooth pictures with classes; the folder as a parameter names it."""
    rng = np.random.default_rng(0)
    lines = ["file,class_index"]
    for number, label in enumerate(CLASSES):
        smooth = ndimage.gaussian_filter(rng.normal(size=(56, 64, 3)), (2, 2, 0))
        scaled = 255 * (smooth - smooth.min()) / np.ptp(smooth)
        Image.fromarray(scaled.astype(np.uint8)).save(path / f"{number}.png")
        lines.append(f"{number}.png,{label}")
    (path / photographs.LIST).write_text("\n".join(lines) + "\n")
    return str(path)
