"""HOG correlation is that of scikit-image's features, by Pearson or Spearman; noise has the offsets that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from skimage.feature import hog

from lib.errors import StudyError
from lib.hog import hog_correlation, hog_features
from lib.similarity import PreparedMaps, compare, normalised

QUICK = settings(max_examples=10, deadline=None)


def noise(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def features(each):
    return hog(each.numpy(), 9, (16, 16), (3, 3), "L2-Hys")


@pytest.mark.parametrize("shape", [(48, 48), (64, 83)])
def test_equals_scikit_image_and_scipy(shape):
    a, b = normalised(noise(0, 3, *shape)), normalised(noise(1, 3, *shape))
    b = a + 0.5 * b
    pairs = [(features(x), features(y)) for x, y in zip(a, b, strict=True)]
    pearson = torch.tensor([stats.pearsonr(x, y).statistic for x, y in pairs]).double()
    spearman = torch.tensor([stats.spearmanr(x, y).statistic for x, y in pairs]).double()
    assert torch.allclose(hog_correlation(a, b), pearson, rtol=0, atol=1e-12)
    assert torch.allclose(hog_correlation(a, b, ranks=True), spearman, rtol=0, atol=1e-12)
    assert not torch.allclose(pearson, spearman, rtol=0, atol=1e-3)


def test_metrics_compare_normalised_signed_sums():
    a, b = noise(0, 2, 3, 50, 50), noise(1, 2, 3, 50, 50)
    found = compare(PreparedMaps(a), PreparedMaps(b), ["hog", "hog_released"])
    planes = [normalised(each.sum(1)) for each in (a, b)]
    assert torch.equal(found["hog"], hog_correlation(*planes))
    assert torch.equal(found["hog_released"], hog_correlation(*planes, ranks=True))


def test_299_pixels_have_20736_features():
    assert hog_features(noise(0, 1, 299, 299)).shape == (1, 20736)


@QUICK
@given(st.integers(0, 99), st.sampled_from([1e-200, 1e-19, 7.0]), st.booleans())
def test_symmetric_bounded_one_with_itself_and_free_of_scale(seed, factor, ranks):
    a, b = noise(seed, 2, 1, 48, 50), noise(seed + 100, 2, 1, 48, 50)
    name = "hog_released" if ranks else "hog"
    found = compare(PreparedMaps(a), PreparedMaps(b), [name])[name]
    assert torch.allclose(found, compare(PreparedMaps(b), PreparedMaps(a), [name])[name], rtol=0, atol=1e-12)
    assert (found.abs() <= 1).all()
    for other in (a, -a):  # orientations have no sign
        itself = compare(PreparedMaps(a), PreparedMaps(other), [name])[name]
        assert torch.allclose(itself, torch.ones(2, dtype=torch.float64), rtol=0, atol=1e-12)
    scaled = compare(PreparedMaps(a * factor), PreparedMaps(b), [name])[name]
    assert torch.allclose(scaled, found, rtol=0, atol=1e-5 if ranks else 1e-9)


@pytest.mark.parametrize("ranks", [False, True])
@pytest.mark.parametrize("bad", [0.0, 0.3, math.nan, math.inf])
def test_constant_and_infinite_maps_are_undefined_and_alone_so(bad, ranks):
    maps = normalised(noise(0, 3, 48, 48))
    broken = maps.clone()
    broken[1, 5 if not math.isfinite(bad) else slice(None)] = bad
    for pair in ((broken, maps), (maps, broken), (broken, broken)):
        assert hog_correlation(*pair, ranks=ranks).isnan().tolist() == [False, True, False]


def test_small_maps_are_refused_in_one_sentence():
    with pytest.raises(
        StudyError, match=r"^HOG needs maps of at least 48x48 pixels, not 28x28; leave it out for them\.$"
    ):
        hog_features(noise(0, 1, 28, 28))


def test_offset_of_uniform_noise_and_none_of_gaussian_noise():
    generator = np.random.default_rng(0)
    uniform = [torch.from_numpy(generator.uniform(-1, 1, (4, 299, 299))) for _ in range(2)]
    normal = [normalised(torch.from_numpy(generator.normal(size=(4, 299, 299)))) for _ in range(2)]
    assert 0.07 < hog_correlation(*uniform).mean() < 0.09
    assert abs(hog_correlation(*normal).mean()) < 0.02
