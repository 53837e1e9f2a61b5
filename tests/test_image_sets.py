"""Image sets: what is in them, and what is refused."""

import numpy as np
import pytest
import skimage.data
import torch

from lib import data
from lib.errors import StudyError
from lib.image_sets import PHOTOGRAPHS, image_set, photograph


def test_a_data_set_gives_its_balanced_test_images():
    found = image_set("mnist-5k", 20)
    dataset = data.load("mnist-5k")
    assert torch.equal(found.images, dataset.test_images[found.image_ids])
    assert dataset.test_labels[found.image_ids].tolist() == sorted([*range(10)] * 2)


def test_photographs_are_colour_squares_between_0_and_1():
    found = image_set("photos", len(PHOTOGRAPHS), size=40)
    assert found.images.shape == (len(PHOTOGRAPHS), 3, 40, 40) and found.images.dtype == torch.float32
    assert 0.0 <= found.images.min() < 0.05 and 0.95 < found.images.max() <= 1.0
    assert found.image_ids == list(range(len(PHOTOGRAPHS)))


@pytest.mark.parametrize("name", ["coffee", "camera"])
def test_a_photograph_of_full_size_is_the_middle_of_the_original(name):
    original = getattr(skimage.data, name)()
    side = min(original.shape[:2])
    top, left = ((length - side) // 2 for length in original.shape[:2])
    middle = original[top : top + side, left : left + side]
    for channel, plane in enumerate(photograph(name, side).numpy()):
        assert np.allclose(plane * 255, middle[..., channel] if middle.ndim == 3 else middle, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "count", "size", "words"),
    [
        ("cifar", 1, 0, ["'cifar'", "photos"]),
        ("photos", 0, 64, ["0 photographs"]),
        ("photos", 11, 64, ["11 photographs", "10"]),
        ("photos", 2, 4, ["4", "8 pixels"]),
        ("mnist-5k", 0, 0, ["n_images is 0"]),
    ],
)
def test_what_is_not_there_is_refused(name, count, size, words):
    with pytest.raises(StudyError) as error:
        image_set(name, count, size)
    assert all(word in str(error.value) for word in words)
