"""Photographs reach each network as it was trained to see them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from lib.errors import StudyError
from lib.image_models import ARCHITECTURES
from lib.preprocessing import EFFICIENTNET_LITE, IMAGENET, INCEPTION

PIXELS = np.random.default_rng(0).integers(0, 256, (300, 451, 3), dtype=np.uint8)
ENCODINGS = {"IMAGENET": IMAGENET, "INCEPTION": INCEPTION, "EFFICIENTNET_LITE": EFFICIENTNET_LITE}


@pytest.fixture(params=ENCODINGS)
def encoding(request):
    return ENCODINGS[request.param]


@pytest.mark.parametrize("pixels", [PIXELS, PIXELS.transpose(1, 0, 2).copy()], ids=["wide", "tall"])
def test_crop_is_the_middle_of_the_antialiased_picture(encoding, pixels):
    """By hand with Pillow: the shorter side becomes `resize`, the other keeps the ratio."""
    height, width = pixels.shape[:2]
    size = [side * encoding.resize // min(height, width) for side in (width, height)]
    left, top = (round((side - encoding.crop) / 2) for side in size)
    resized = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR), dtype=np.float64)
    crop = resized[top : top + encoding.crop, left : left + encoding.crop]
    by_hand = ((crop / 255 - encoding.mean) / encoding.std).transpose(2, 0, 1)
    encoded = encoding.encode([pixels])
    assert encoded.shape == (1, *encoding.shape) and encoded.dtype == torch.float32
    np.testing.assert_allclose(encoded[0], by_hand, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet18", "vgg16", "squeezenet1_0"])
def test_encoding_is_the_one_torchvision_names_for_its_weights(name):
    preset = torchvision.models.get_weight(ARCHITECTURES[name].download).transforms()
    picture = Image.fromarray(PIXELS)
    torch.testing.assert_close(ARCHITECTURES[name].encoding.encode([picture])[0], preset(picture), rtol=0, atol=1e-5)


def test_encoding_of_inception_is_torchvisions_with_its_second_transformation():
    """torchvision encodes with ImageNet's mean and lets the net with its weights undo that."""
    preset = torchvision.models.get_weight(ARCHITECTURES["inception_v3"].download).transforms()
    picture = Image.fromarray(PIXELS)
    encoded = preset(picture)[None]
    with torch.device("meta"):
        net = torchvision.models.inception_v3(init_weights=False, transform_input=True)
    torch.testing.assert_close(INCEPTION.encode([picture]), net._transform_input(encoded), rtol=0, atol=1e-5)
    assert encoded.shape[1:] == INCEPTION.shape


def test_encoding_of_efficientnet_lite_is_its_formula():
    for pixel in (0, 127, 255):
        encoded = EFFICIENTNET_LITE.encode([np.full((240, 240, 3), pixel, dtype=np.uint8)])
        assert torch.allclose(encoded, torch.tensor((pixel - 127) / 128), atol=1e-6)


def test_pictures_of_all_kinds_become_rgb():
    grey = Image.fromarray(PIXELS[..., 0])
    both = IMAGENET.encode([grey, np.asarray(grey)])
    assert torch.equal(both[0], both[1])
    assert torch.equal(both[:1], IMAGENET.encode([np.repeat(PIXELS[..., :1], 3, axis=2)]))
    assert torch.equal(IMAGENET.encode([grey.convert("RGBA")]), both[:1])


def test_references_are_pictures_in_the_encoding(encoding):
    references = encoding.references()
    assert list(references) == ["black", "white", "mean"]
    for name, pixel in (("black", 0), ("white", 255)):
        picture = np.full((*encoding.shape[1:], 3), pixel, dtype=np.uint8)
        assert torch.equal(references[name], encoding.encode([picture])[0])
    assert references["mean"].shape == encoding.shape and not references["mean"].any()
    decoded = 255 * torch.tensor(encoding.mean)
    assert ((decoded > 100) & (decoded < 130)).all(), "a colour between black and white"


def test_bounds_hold_every_picture_and_are_reached(encoding):
    low, high = encoding.bounds()
    extremes = np.where(PIXELS[..., :1] > 127, 255, 0).astype(np.uint8).repeat(3, axis=2)
    encoded = torch.cat([encoding.encode([PIXELS, extremes]), torch.stack([*encoding.references().values()])])
    assert low.shape == high.shape == (3, 1, 1)
    assert (encoded >= low).all() and (encoded <= high).all()
    assert torch.equal(encoded.amin((0, 2, 3)), low.flatten()) and torch.equal(encoded.amax((0, 2, 3)), high.flatten())


@pytest.mark.parametrize(
    ("photographs", "says"),
    [
        ([], "There is no photograph"),
        ([PIXELS / 255.0], "array of float64"),
        ([PIXELS[..., :2]], r"shape \(300, 451, 2\)"),
        ([PIXELS[None]], r"shape \(1, 300, 451, 3\)"),
    ],
    ids=["none", "floats", "two_channels", "a_batch"],
)
def test_what_is_no_photograph_is_refused_with_one_sentence(photographs, says):
    with pytest.raises(StudyError, match=says):
        IMAGENET.encode(photographs)
