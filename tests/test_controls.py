"""Edge detectors that the shared grid has no oracle for, and reference images."""

from __future__ import annotations

import pytest
import torch
import toys

from lib.attributions import CONTROLS, METHODS, attribute, method
from lib.attributions.reference import REFERENCES, reference_image
from lib.errors import StudyError
from lib.workspace import Noise, Workspace

DETECTORS = ("canny", "log", "scharr")


def edges(images, detector):
    """Edge maps of images, which need no model."""
    workspace = Workspace(torch.nn.Identity(), images, torch.zeros(len(images)), Noise([0], images.shape[1:], 0))
    return method(f"edge(detector={detector})" if detector != "sobel" else "edge")(workspace)


def square(low=0.0, high=1.0):
    """A bright square, rows and columns 6 to 13 of 20, on a dark ground."""
    image = torch.full((1, 1, 20, 20), low, dtype=torch.float64)
    image[..., 6:14, 6:14] = high
    return image


def test_canny_draws_a_closed_thin_line_of_ones_around_a_square():
    found = edges(square(), "canny")[0, 0]
    assert set(found.unique().tolist()) == {0.0, 1.0} and found.dtype == torch.float64
    middle = found[10]
    assert middle.sum() == 2 and middle.nonzero().flatten().tolist() in ([5, 14], [6, 13]), "one pixel wide"
    assert torch.equal(found, found.T) and torch.equal(found, found.flip(0))
    assert found[8:12, 8:12].sum() == 0 and found[:4].sum() == 0
    assert 20 <= found.sum() <= 32


@pytest.mark.parametrize("scale", [1e-6, 0.01, 300.0])
def test_canny_does_not_depend_on_the_encoding_of_the_pixels(scale):
    """Thresholds are shares of the image's range; scikit-image's defaults find nothing at 0.01 and all at 300."""
    texture = torch.rand(1, 2, 20, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 0.4 + square()
    plain = edges(texture, "canny")
    assert 0 < plain.mean() < 0.5
    assert torch.equal(edges(texture * scale - 3 * scale, "canny"), plain)


def test_canny_starts_an_edge_at_a_step_of_8_percent_and_ends_it_at_4():
    """Sobel's response to a step h smoothed by 1 pixel is 4 h (F(1.5) - F(-0.5)) = 2.5 h, F the normal distribution."""
    image = torch.zeros(1, 1, 101, 30, dtype=torch.float64)
    image[..., :2] = 1.0
    for step, found in ((0.075, 0), (0.085, 1)):
        image[..., 15:] = step
        assert edges(image, "canny")[0, 0, 50, 10:20].sum() == found
    image[..., 15:] = torch.linspace(0.1, 0.0, 101).view(-1, 1)
    length = edges(image, "canny")[0, 0, :, 10:20].sum()
    assert abs(length - 60) <= 3, "from a step of 0.1 to one of 0.04"


@pytest.mark.parametrize("detector", ["sobel", *DETECTORS])
def test_no_detector_finds_an_edge_on_a_constant_image(detector):
    assert edges(torch.full((2, 3, 20, 20), 0.7, dtype=torch.float64), detector).abs().max() < 1e-15


def test_detectors_differ_and_give_float32_maps_for_float32_images():
    image = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    maps = [edges(image, detector) for detector in ("sobel", *DETECTORS)]
    assert all(found.dtype == torch.float32 and found.shape == image.shape and found.min() >= 0 for found in maps)
    assert len({tuple(found.flatten().tolist()) for found in maps}) == 4


def test_written_forms_of_the_defaults_stay_short():
    assert method("edge(detector=sobel)").name == "edge" and method("input(reference=zero)").name == "input"
    assert CONTROLS == ("edge", "input", "random")


def test_every_reference_but_zero_is_looked_up_in_the_workspace():
    images = toys.images(2)
    given = {name: torch.full_like(images[0], number) for number, name in enumerate(REFERENCES[1:], 1)}
    workspace = Workspace(torch.nn.Identity(), images, torch.zeros(2), Noise([0, 1], (2, 6, 6), 0), references=given)
    for number, name in enumerate(REFERENCES):
        assert torch.equal(reference_image(workspace, name, "input"), torch.full_like(images[0], number))
        maps = attribute(toys.net("linear"), images, torch.tensor([0, 1]), [_input(name)], references=given)
        assert torch.equal(maps[_input(name)], images - number)


def _input(reference):
    return "input" if reference == "zero" else f"input(reference={reference})"


def test_message_names_the_method_that_asks():
    workspace = Workspace(torch.nn.Identity(), toys.images(1), torch.zeros(1), Noise([0], (2, 6, 6), 0))
    with pytest.raises(StudyError, match=r"^deeplift\(reference=white\) needs a reference image called 'white'"):
        reference_image(workspace, "white", "deeplift")


def test_every_method_says_what_it_needs_and_where_it_is_undefined():
    for label, cls in METHODS.items():
        for section in ("Needs\n    -----", "Undefined\n    ---------", ".. math::"):
            assert section in cls.__doc__, (label, section)
