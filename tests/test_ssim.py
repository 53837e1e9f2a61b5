"""SSIM equals scikit-image's, and is what the papers warn of: two-dimensional, and high for heavy-tailed maps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.metrics import structural_similarity

from lib.errors import StudyError
from lib.nulls import corrected, shuffled
from lib.similarity import PreparedMaps, compare, normalised, stretched
from lib.ssim import Windowed, ssim, ssim_of

QUICK = settings(max_examples=30, deadline=None)
OPTIONS = {"uniform": {"win_size": 5}, "gaussian": {"gaussian_weights": True, "sigma": 1.5}}
WINDOWS = pytest.mark.parametrize("window", OPTIONS)


def oracle(a, b, window="uniform"):
    pairs = zip(a.double().numpy(), b.double().numpy(), strict=True)
    return torch.tensor([structural_similarity(x, y, data_range=2, **OPTIONS[window]) for x, y in pairs]).double()


def noise(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def smooth(seed, *shape):
    """Waves with plateaus near 1, where a variance is the small difference of two large numbers."""
    return normalised(torch.tanh(3 * noise(seed, *shape).cumsum(1).cumsum(2) / 20))


@WINDOWS
@pytest.mark.parametrize("shape", [(3, 12, 17), (5, 28, 28), (2, 64, 49)])
def test_equals_scikit_image(window, shape):
    for a, b in ((normalised(noise(0, *shape)), normalised(noise(1, *shape))), (smooth(0, *shape), smooth(1, *shape))):
        for other in (b, a + 0.1 * b, -a):
            assert torch.allclose(ssim(a, other, window), oracle(a, other, window), rtol=0, atol=1e-12)


@WINDOWS
def test_equals_scikit_image_at_the_size_of_inception(window):
    a, b = normalised(noise(0, 1, 299, 299)), smooth(1, 1, 299, 299)
    assert torch.allclose(ssim(a, b, window), oracle(a, b, window), rtol=0, atol=1e-12)


@WINDOWS
def test_single_precision_maps_are_compared_in_double_precision(window):
    a, b = smooth(0, 2, 30, 30).float(), smooth(1, 2, 30, 30).float()
    assert torch.allclose(ssim(a, b, window), oracle(a, b, window), rtol=0, atol=1e-12)
    tiny = [PreparedMaps(each.unsqueeze(1) * 1e-30) for each in (a, b)]
    plain = [PreparedMaps(each.unsqueeze(1)) for each in (a, b)]
    assert torch.allclose(compare(*tiny, ["ssim"])["ssim"], compare(*plain, ["ssim"])["ssim"], rtol=0, atol=1e-6)


@WINDOWS
def test_smallest_map_has_one_window(window):
    side = {"uniform": 5, "gaussian": 11}[window]
    a, b = normalised(noise(0, 1, side, side)), normalised(noise(1, 1, side, side))
    assert torch.allclose(ssim(a, b, window), oracle(a, b, window), rtol=0, atol=1e-12)
    with pytest.raises(StudyError, match=f"{side}x{side}"):
        ssim(a[:, :, 1:], b[:, :, 1:], window)


MAPS = hnp.arrays(np.float64, (3, 12, 13), elements=st.floats(-1, 1))


@QUICK
@given(MAPS, MAPS, st.sampled_from(list(OPTIONS)))
def test_symmetric_bounded_and_one_with_itself(a, b, window):
    a, b = torch.from_numpy(a), torch.from_numpy(b)
    found = ssim(a, b, window)
    assert torch.equal(found.isnan(), ssim(b, a, window).isnan())
    assert torch.allclose(found, ssim(b, a, window), rtol=0, atol=1e-12, equal_nan=True)
    assert not (found.abs() > 1 + 1e-12).any()
    itself = ssim(a, a, window)
    constant = a.flatten(1).amax(1) == a.flatten(1).amin(1)
    assert torch.equal(itself.isnan(), constant)
    assert torch.allclose(itself[~constant], torch.ones(1, dtype=torch.float64), rtol=0, atol=1e-12)


@QUICK
@given(MAPS, MAPS, st.sampled_from([1e-200, 1e-19, 3.0, 1e30]))
def test_metrics_do_not_change_under_positive_scaling(a, b, factor):
    a, b = torch.from_numpy(a).round(decimals=3).unsqueeze(1), torch.from_numpy(b).round(decimals=3).unsqueeze(1)
    names = ["ssim", "ssim_flip", "ssim_released"]
    plain = compare(PreparedMaps(a), PreparedMaps(b), names)
    scaled = compare(PreparedMaps(a * factor), PreparedMaps(b), names)
    for name in names:
        assert torch.allclose(scaled[name], plain[name], rtol=0, atol=1e-9, equal_nan=True)


@WINDOWS
@pytest.mark.parametrize("bad", [0.0, 0.7, -1.0, math.nan, math.inf])
def test_constant_and_infinite_maps_are_undefined_even_with_themselves(window, bad):
    maps = normalised(noise(0, 4, 16, 16))
    broken = maps.clone()
    if math.isfinite(bad):
        broken[1] = bad
    else:
        broken[1, 3, 3] = bad
    for pair in ((broken, maps), (maps, broken), (broken, broken)):
        assert ssim(*pair, window).isnan().tolist() == [False, True, False, False]
    assert torch.equal(ssim(broken, maps, window)[[0, 2, 3]], ssim(maps, maps, window)[[0, 2, 3]])


@WINDOWS
def test_the_company_of_an_image_does_not_matter(window):
    a, b = normalised(noise(0, 5, 20, 20)), normalised(noise(1, 5, 20, 20))
    alone = torch.cat([ssim(a[i : i + 1], b[i : i + 1], window) for i in range(5)])
    assert torch.allclose(ssim(a, b, window), alone, rtol=0, atol=1e-14)


def test_negative_of_prepared_maps():
    a, b = Windowed.of(smooth(0, 3, 20, 20)), smooth(1, 3, 20, 20)
    assert torch.allclose(ssim_of(a, Windowed.of(b).negative()), ssim(a.maps, -b), rtol=0, atol=1e-14)


def test_what_the_metrics_compare():
    a, b = noise(0, 2, 3, 20, 20), noise(1, 2, 3, 20, 20)
    # One large pixel makes all windows but its own small, where the first factor is about 1 whatever the signs.
    a[:, :, 4, 7] = 40
    b[0], b[1] = 0.3 * b[0] - a[0], 0.3 * b[1] + a[1]
    found = compare(PreparedMaps(a), PreparedMaps(b), ["ssim", "ssim_flip", "ssim_released"])
    plain, negative = (oracle(normalised(a.sum(1)), sign * normalised(b.sum(1))) for sign in (1, -1))
    assert plain[0] < negative[0] - 0.2 and negative[1] < plain[1] - 0.2
    assert torch.allclose(found["ssim"], plain, rtol=0, atol=1e-12)
    assert torch.allclose(found["ssim_flip"], torch.stack([negative[0], plain[1]]), rtol=0, atol=1e-12)
    released = oracle(stretched(a.abs().sum(1)), stretched(b.abs().sum(1)), "gaussian")
    assert torch.allclose(found["ssim_released"], released, rtol=0, atol=1e-12)


def test_unknown_window_is_refused():
    with pytest.raises(StudyError, match="uniform, gaussian"):
        ssim(noise(0, 1, 9, 9), noise(1, 1, 9, 9), "square")


# ---------------------------------------------------------------- what the papers warn of


def test_T7_it_is_not_the_similarity_of_flattened_maps():
    """A map moved down by two rows: lines that run across the rows look the same to windows along one row."""
    image = np.sin(np.arange(60) / 2)[:, None] + 0.1 * noise(0, 60, 60).numpy()
    moved = np.roll(image, 6, axis=0)
    a, b = (normalised(torch.from_numpy(each).unsqueeze(0)) for each in (image, moved))
    flat = structural_similarity(a.flatten().numpy(), b.flatten().numpy(), win_size=7, data_range=2)
    assert abs(ssim(a, b).item() - flat) > 0.1


@pytest.mark.parametrize(("spread", "expected"), [(1.0, 0.65), (1.5, 0.9), (2.0, 0.97)])
def test_T11_independent_heavy_tailed_maps_are_similar_and_the_shuffled_null_takes_it_back(spread, expected):
    a, b = noise(0, 4, 1, 299, 299).mul(spread).exp(), noise(1, 4, 1, 299, 299).mul(spread).exp()
    others = shuffled(b, list(range(4)), 0)
    prepared = PreparedMaps(a)
    raw, null = (compare(prepared, PreparedMaps(each), ["ssim"])["ssim"] for each in (b, others))
    # One number for the whole marginal: what is left of the raw value is set by the single largest pixel.
    assert abs(raw.mean().item() - expected) < 0.08
    assert corrected(raw, null).abs().max() < 0.02
