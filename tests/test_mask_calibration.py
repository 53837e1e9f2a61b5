"""Random masks and what metrics say of them by chance: closed forms, scikit-image, and the offsets they explain."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch
from made_up import decided
from scipy import stats
from skimage.feature import hog
from skimage.metrics import structural_similarity

from lib import calibration, compute, figures
from lib.chance import gaussian_ssim, spearman_std, uniform_orientations
from lib.claims import CONTRADICTED, INCONCLUSIVE, SUPPORTED, decide
from lib.errors import StudyError
from lib.mask_scores import (
    DATA_RANGES,
    SCALES,
    mask_pictures,
    mask_scores,
    orientation_means,
    reading,
    window_std,
    without_border,
    without_orientation_means,
)
from lib.masks import check_laws, family_of, lognormals, mask

SIDE = 96


def masks(law, count, side=SIDE, seed=0):
    """Planes of independent masks, (count, side, side)."""
    return torch.cat([mask(law, side, compute.generator("test", seed, law, number))[0] for number in range(count)])


@pytest.fixture(scope="module")
def scores():
    laws = ["uniform(1)", "gaussian(1)", "lognormal(2)", "positive_lognormal(1)"]
    return mask_scores(laws, 4, SIDE).assign(model="none", dataset="none", seed=0)


def mean(scores, law, metric):
    return scores[(scores.method == law) & (scores.metric == metric)].value.mean()


# Laws --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("law", "distribution"),
    [
        ("uniform(2)", stats.uniform(-2, 4)),
        ("gaussian(3)", stats.norm(0, 3)),
        ("positive_lognormal(1.5)", stats.lognorm(1.5)),
        ("laplace_power(1)", stats.laplace()),
        ("student_t(3)", stats.t(3)),
    ],
)
def test_masks_have_the_law_of_their_name(law, distribution):
    values = masks(law, 2).flatten().numpy()
    assert stats.kstest(values, distribution.cdf).pvalue > 1e-3
    assert stats.kstest(values + 0.1 * values.std(), distribution.cdf).pvalue < 1e-3


def test_signs_and_powers_leave_the_rest_of_a_law_alone():
    signed, cubed = masks("lognormal(1)", 2).flatten(), masks("laplace_power(3)", 2).flatten()
    assert stats.kstest(signed.abs().numpy(), stats.lognorm(1).cdf).pvalue > 1e-3
    assert stats.kstest((cubed.sign() * cubed.abs() ** (1 / 3)).numpy(), stats.laplace().cdf).pvalue > 1e-3
    for values in (signed, cubed):
        assert (values > 0).double().mean().item() == pytest.approx(0.5, abs=0.02)


def test_masks_of_a_pair_and_of_two_pairs_are_different_and_repeatable():
    first, second = (mask("gaussian(1)", 80, compute.generator(0, "mask", "gaussian(1)", 0, each)) for each in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(first, mask("gaussian(1)", 80, compute.generator(0, "mask", "gaussian(1)", 0, 0)))
    tables = [mask_scores(["gaussian(1)"], 2, 80).value for _ in range(2)]
    assert tables[0].equals(tables[1])
    by_pair = mask_scores(["gaussian(1)"], 2, 80).query("metric == 'spearman'").value
    assert by_pair.nunique() == 2


@pytest.mark.parametrize(
    ("laws", "words"),
    [
        ([], "at least one"),
        (["gaussian(1)", "gaussian(1)"], "each once"),
        (["gauss(1)"], "not known"),
        (["gaussian"], "uniform(1)"),
        (["lognormal(0)"], "above 0"),
        (["lognormal(-1)"], "not known"),
        (["student_t(2.5)"], "whole number"),
    ],
)
def test_a_wrong_law_is_refused_in_a_sentence(laws, words):
    with pytest.raises(StudyError) as error:
        check_laws(laws)
    assert words in str(error.value) and str(error.value).endswith(".")


def test_lognormal_laws_are_written_with_their_spread():
    assert lognormals([0.5, 2.0]) == (
        ["lognormal(0.5)", "lognormal(2)"],
        ["positive_lognormal(0.5)", "positive_lognormal(2)"],
    )
    with pytest.raises(StudyError, match="at least one law"):
        lognormals([])


@pytest.mark.parametrize(
    ("change", "words"),
    [({"pairs": 1}, "pairs is 1"), ({"side": 79}, "at least 80"), ({"laws": ["gauss(1)"]}, "gauss(1)")],
)
def test_wrong_numbers_are_refused_before_a_mask_is_drawn(change, words, monkeypatch):
    monkeypatch.setattr("lib.mask_scores.mask", lambda *_: pytest.fail("a mask was drawn"))
    with pytest.raises(StudyError) as error:
        mask_scores(**{"laws": ["gaussian(1)"], "pairs": 2, "side": 80} | change)
    assert words in str(error.value)


# Chance ------------------------------------------------------------------------------------------------------------


def test_the_spread_of_spearman_is_that_of_all_permutations():
    ranks = np.arange(6.0)
    values = [np.corrcoef(ranks, order)[0, 1] for order in itertools.permutations(ranks)]
    assert spearman_std(6) == pytest.approx(np.std(values))
    # A1's masks: 0.0033 for one pair, 0.00047 for the mean of 50.
    assert spearman_std(299**2) == pytest.approx(0.00334, abs=1e-5)
    assert spearman_std(299**2) / math.sqrt(50) == pytest.approx(0.00047, abs=1e-5)


def test_measured_rank_correlations_have_the_spread_of_theory():
    side = 40
    first, second = (masks("lognormal(1)", 200, side, seed) for seed in range(2))
    values = [stats.spearmanr(a.flatten(), b.flatten()).statistic for a, b in zip(first, second, strict=True)]
    expected = spearman_std(side**2)
    # The standard deviation of 200 normal numbers is known to 5 %.
    assert np.std(values, ddof=1) == pytest.approx(expected, rel=0.2)
    assert abs(np.mean(values)) < 4 * expected / math.sqrt(200)


@pytest.mark.parametrize("std", [0.03, 0.1, 0.22, 0.6])
def test_the_ssim_of_gaussian_masks_is_what_scikit_image_finds(std):
    pairs = zip(std * masks("gaussian(1)", 60, 64, 0), std * masks("gaussian(1)", 60, 64, 1), strict=True)
    found = [structural_similarity(a.numpy(), b.numpy(), data_range=2, win_size=5) for a, b in pairs]
    assert float(gaussian_ssim(np.array(std))) == pytest.approx(np.mean(found), abs=4 * stats.sem(found))
    if std < 0.3:  # a larger SSIM than chance's own scatter: another std is noticed
        assert float(gaussian_ssim(np.array(1.5 * std))) != pytest.approx(np.mean(found), abs=4 * stats.sem(found))


@pytest.mark.parametrize("std", [1e-4, 0.0092, 0.0093, 0.05, 1.0])
def test_the_closed_form_of_ssim_is_an_integral_over_means_and_variances(std):
    # Squared means: twice a chi square of 1; variances: twice a chi square of 24, over 24.
    means, variances = stats.expon(scale=2 * std**2 / 25), stats.gamma(24, scale=2 * std**2 / 24)
    share = [
        law.expect(lambda x, c=constant: c / (c + x), lb=law.ppf(1e-13), ub=law.isf(1e-13))
        for law, constant in ((means, 0.02**2), (variances, 0.06**2))
    ]
    assert float(gaussian_ssim(np.array(std))) == pytest.approx(math.prod(share), rel=1e-6)


def test_half_the_range_is_twice_the_values():
    a, b = (each[0].numpy() / 5 for each in (masks("gaussian(1)", 1), masks("gaussian(1)", 1, seed=1)))
    half = structural_similarity(a, b, data_range=1, win_size=5)
    assert half == pytest.approx(structural_similarity(2 * a, 2 * b, data_range=2, win_size=5), abs=1e-12)


def test_uniform_gradients_prefer_the_diagonals_as_derived():
    pixels = np.random.default_rng(0).uniform(-1, 1, (1500, 1500))
    across, down = pixels[1:-1, 2:] - pixels[1:-1, :-2], pixels[2:, 1:-1] - pixels[:-2, 1:-1]
    angles = np.rad2deg(np.arctan2(down, across)) % 180
    shares = np.histogram(angles, 9, (0, 180), weights=np.hypot(across, down))[0]
    assert uniform_orientations() == pytest.approx(shares / shares.sum(), abs=5e-4)
    assert uniform_orientations().sum() == pytest.approx(1.0)


# Metrics of masks --------------------------------------------------------------------------------------------------


def test_every_metric_is_that_of_scipy_and_scikit_image(scores):
    pair = [mask("gaussian(1)", SIDE, compute.generator(0, "mask", "gaussian(1)", 2, each))[0, 0] for each in range(2)]
    raw = [each.numpy() for each in pair]
    largest = [each / np.abs(each).max() for each in raw]
    rms = [each / np.sqrt(np.mean(each**2)) for each in raw]
    bounds = [np.quantile(np.abs(each), 0.99) for each in raw]
    clipped = [np.clip(each / bound, -1, 1) for each, bound in zip(raw, bounds, strict=True)]
    planes = {"max": largest, "p99": clipped, "std": rms, "none": raw}
    features = np.stack([hog(each, 9, (16, 16), (3, 3), "L2-Hys") for each in largest]).reshape(2, 4, 4, 9, 9)
    centred = features - features.mean((1, 2, 3), keepdims=True)
    inside = features[:, 1:-1, 1:-1]
    inside = inside - inside.mean((1, 2, 3), keepdims=True)
    expected = {
        "spearman": stats.spearmanr(*(each.ravel() for each in raw)).statistic,
        "spearman_abs": stats.spearmanr(*(np.abs(each).ravel() for each in raw)).statistic,
        "hog": stats.pearsonr(*features.reshape(2, -1)).statistic,
        "hog_released": stats.spearmanr(*features.reshape(2, -1)).statistic,
        "hog_centred": stats.pearsonr(*centred.reshape(2, -1)).statistic,
        "hog_inside": stats.pearsonr(*inside.reshape(2, -1)).statistic,
    }
    for scale, data_range in itertools.product(SCALES, DATA_RANGES):
        found = structural_similarity(*planes[scale], data_range=data_range, win_size=5)
        expected[reading("ssim", scale, data_range)] = found
    own = scores[(scores.method == "gaussian(1)") & (scores.image == 2) & (scores.against == "independent")]
    measured = own.set_index("metric").value
    assert set(measured.index) == {*expected, "ssim_released"}
    for metric, value in expected.items():
        assert measured[metric] == pytest.approx(value, abs=1e-9), metric


def test_written_forms_name_what_departs():
    assert reading("ssim", "max") == "ssim"
    assert reading("ssim", "max", 1) == "ssim(data_range=1)"
    assert reading("ssim", "std", 1) == "ssim(normalisation=std,data_range=1)"


def test_the_typical_window_is_the_median_over_all_windows():
    plane = masks("lognormal(1)", 1, 19)
    windows = np.lib.stride_tricks.sliding_window_view(plane[0].numpy(), (5, 5))
    assert window_std(plane).item() == pytest.approx(np.median(windows.std((2, 3), ddof=1)), rel=1e-9)
    assert window_std(torch.full((1, 9, 9), 0.3, dtype=torch.float64)).item() == pytest.approx(0.0, abs=1e-7)


def test_heavy_tails_are_similar_to_ssim_and_hog_and_not_to_ranks(scores):
    assert mean(scores, "lognormal(2)", "ssim") > 0.7 and mean(scores, "lognormal(2)", "hog") > 0.7
    assert mean(scores, "gaussian(1)", "ssim") < 0.02
    for law in ("uniform(1)", "lognormal(2)", "positive_lognormal(1)"):
        assert abs(mean(scores, law, "spearman_abs")) < 5 * spearman_std(SIDE**2) / 2
        assert abs(mean(scores, law, "ssim(normalisation=std)")) < 0.1


def test_hog_is_explained_by_directions_and_border():
    """The mean over all pairs of 24 masks of each law: 276 pairs, so that offsets of 0.01 can be seen."""

    def between(values):
        centred = values - values.mean(1, keepdim=True)
        correlations = torch.corrcoef(centred)
        return ((correlations.sum() - len(values)) / (len(values) * (len(values) - 1))).item()

    offsets = {}
    for law in ("uniform(1)", "gaussian(1)", "lognormal(2)"):
        planes = masks(law, 24, 160)
        features = torch.from_numpy(
            np.stack([hog(each.numpy() / each.abs().max().item(), 9, (16, 16), (3, 3), "L2-Hys") for each in planes])
        )
        inside = without_border(features, 160, 160)
        offsets[law] = [
            between(each) for each in (features, without_orientation_means(features), without_orientation_means(inside))
        ]
        if law == "uniform(1)":
            assert orientation_means(features).mean(0).numpy() == pytest.approx(9 * uniform_orientations(), abs=0.03)
    assert offsets["uniform(1)"][0] > offsets["uniform(1)"][1] + 0.03
    assert offsets["lognormal(2)"][0] > 0.7
    for raw, centred, inside in offsets.values():
        # A map of 160 pixels has twice as much border as one of 299.
        assert abs(inside) < 0.01 and centred + 0.01 > 0.01 and centred <= raw + 1e-3
    assert offsets["gaussian(1)"][1] > 0.015


def test_without_border_takes_the_outermost_blocks_of_a_rectangle():
    blocks = torch.arange(4 * 5.0).view(1, 4, 5, 1, 1).expand(1, 4, 5, 9, 9)
    kept = without_border(blocks.flatten(1), 6 * 16 + 3, 7 * 16)
    assert kept.view(2, 3, 81)[..., 0].tolist() == [[6, 7, 8], [11, 12, 13]]


def test_pictures_hold_the_pixel_that_sets_the_scale():
    found = mask_pictures(["lognormal(2)", "uniform(1)"], 80, 20)
    for law, pair in found.items():
        assert pair.shape == (2, 20, 20)
        assert pair.abs().amax((1, 2)).tolist() == [1.0, 1.0]
        whole = mask(law, 80, compute.generator(0, "mask", law, 0, 1))[0, 0]
        assert pair[1].abs().sum() < (whole / whole.abs().max()).abs().sum()
        # It is a cut-out, not something else: its rows stand in the mask.
        row = (pair[1][0] * whole.abs().max()).tolist()
        windows = whole.unfold(1, 20, 1).reshape(-1, 20)
        assert torch.isclose(windows, torch.tensor(row, dtype=torch.float64)).all(1).sum() == 1


# Tables and figures ------------------------------------------------------------------------------------------------


def test_printed_numbers_stand_beside_ours(scores):
    table = calibration.beside_published(scores, calibration.PRINTED_LAWS)
    assert table.loc[("uniform(1)", "HOG"), "printed"] == 0.078
    assert table.loc[("gaussian(1)", "SSIM"), "printed"] == 0.00023
    own = scores[(scores.method == "gaussian(1)") & (scores.metric == "ssim")].value
    half = stats.t.ppf(0.975, 3) * own.std(ddof=1) / 2
    assert table.loc[("gaussian(1)", "SSIM"), "ours":"to"].tolist() == pytest.approx(
        [own.mean(), own.mean() - half, own.mean() + half]
    )


def test_standard_scores_are_means_over_their_standard_error(scores):
    table = calibration.standard_scores(scores, SIDE)
    printed = table[table.source == "printed"]
    assert len(printed) == 10
    worst = printed.loc[printed.z.abs().idxmax()]
    assert (worst["name"], worst.metric) == ("uniform(1)", "spearman_abs")
    assert worst.z == pytest.approx(-0.0015 * math.sqrt(50 * (299**2 - 1)))
    own = table[(table.source == "ours") & (table.name == "gaussian(1)") & (table.metric == "spearman")]
    assert own.z.item() == pytest.approx(mean(scores, "gaussian(1)", "spearman") * math.sqrt(4 * (SIDE**2 - 1)))
    # A mask of one sign has one rank correlation, not two.
    assert len(table[(table.source == "ours") & (table.name == "positive_lognormal(1)")]) == 1


def test_readings_of_ssim_say_which_can_give_the_printed_number(scores):
    table = calibration.ssim_readings(scores)
    assert table.theory.iloc[[0, 1, 3]].is_monotonic_decreasing
    own = scores[scores.method == "gaussian(1)"]
    values = own[own.metric == "ssim"].value
    error = values.std(ddof=1) / math.sqrt(50)
    row = table.loc["ssim"]
    assert row.iloc[-1] == pytest.approx((0.00023 - row.theory) / error)
    assert row.theory == pytest.approx(row.ours, abs=0.003)
    assert table.loc["ssim(normalisation=none)", "theory"] == pytest.approx(float(gaussian_ssim(np.array(1.0))))


@pytest.mark.parametrize(
    "draw",
    [
        lambda s: figures.mask_pairs({law: np.zeros((2, 5, 5)) for law in ("uniform(1)", "lognormal(2)")}, s),
        lambda s: figures.chance_strip(calibration.standard_scores(s, SIDE)),
        lambda s: figures.orientation_bars(s, ["uniform(1)", "gaussian(1)", "lognormal(2)"]),
        lambda s: figures.tail_curves(s),
        lambda s: figures.ssim_by_spread(s),
    ],
)
def test_figures_are_drawn(scores, draw):
    figure = draw(scores)
    assert all(axis.has_data() for axis in figure.axes)
    assert any(axis.get_xlabel() for axis in figure.axes)


def test_words_are_the_numbers_of_the_table(scores):
    value = mean(scores, "uniform(1)", "hog")
    assert figures.mask_words(scores, ["uniform(1)"], "hog") == f"{value:.3f} (uniform)"
    standard = pd.DataFrame({"source": ["ours"] * 3, "z": [0.5, -2.5, 2.0]})
    assert figures.chance_words(standard, "ours") == "2 of 3 beyond ±1.96, the farthest at −2.5"
    assert figures.law_words("positive_lognormal(1.5)") == "positive log-normal, log-std 1.5"
    assert {figures.law_words(law) for law in calibration.PRINTED_LAWS} == {"uniform", "Gaussian"}
    assert family_of("laplace_power(3)") == ("laplace_power", 3.0)


# Claims ------------------------------------------------------------------------------------------------------------


def made_up(law, **means):
    """Fifty pairs with given means and a little scatter."""
    noise = np.random.default_rng(0).normal(0, 1e-4, 50)
    rows = [
        pd.DataFrame({"image": range(50), "value": value + noise - noise.mean(), "metric": metric})
        for metric, value in means.items()
    ]
    return pd.concat(rows, ignore_index=True).assign(
        model="none", dataset="none", seed=0, intervention="masks", level="none", step=0, draw=0, target=-1,
        method=law, against="independent",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("hog_value", "ssim_value", "verdict"),
    [(0.078, 0.0004, SUPPORTED), (0.12, 0.0004, CONTRADICTED), (0.03, 0.0, CONTRADICTED), (0.078, -0.01, CONTRADICTED)],
)
def test_uniform_masks(hog_value, ssim_value, verdict):
    found = decide("A-87", made_up("uniform(1)", hog=hog_value, ssim=ssim_value))
    assert found["verdict"] == verdict and found["n"] == 50


def test_gaussian_masks_are_read_twice():
    rest = {"spearman": 0.0002, "spearman_abs": 0.0004, "hog": -0.001}
    readings = {"ssim(normalisation=none)": 0.0001, "ssim(data_range=1)": 0.0006}
    found = decide("A-88", made_up("gaussian(1)", ssim=0.007, **rest, **readings))
    assert (found["verdict"], found["second_verdict"]) == (CONTRADICTED, SUPPORTED)
    found = decide("A-88", made_up("gaussian(1)", ssim=0.001, **rest, **readings | {"ssim(data_range=1)": 0.003}))
    assert (found["verdict"], found["second_verdict"]) == (SUPPORTED, CONTRADICTED)
    found = decide("A-88", made_up("gaussian(1)", ssim=0.001, **rest | {"hog": 0.03}, **readings))
    assert found["verdict"] == CONTRADICTED


def test_parts_of_one_alternative_must_hold_together(monkeypatch):
    table = pd.concat([made_up("uniform(1)", one=first, two=second) for first, second in [(0.6, 0.4)]])
    either = [
        {"alternative": side, "label": f"{metric} {side}", "models": ["none"], "intervention": "masks",
         "methods": ["uniform(1)"], "against": "independent", "metric": metric, side: 0.5}
        for side in ("above", "below")
        for metric in ("one", "two")
    ]  # fmt: skip

    def verdict(table):
        return decided(monkeypatch, table, {"label": "the same answer", "one_of": either})["verdict"]

    assert verdict(table) == CONTRADICTED
    assert verdict(made_up("uniform(1)", one=0.6, two=0.7)) == SUPPORTED
    assert verdict(made_up("uniform(1)", one=0.3, two=0.4)) == SUPPORTED
    assert verdict(made_up("uniform(1)", one=0.5, two=0.7)) == INCONCLUSIVE
