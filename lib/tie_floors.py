r"""What shared zeros do to a rank correlation, image by image: the arithmetic beside the measurement.

Where an image is 0, every product with it is 0 too. Those pixels are tied, and ties agree. And where it is not, bright
pixels have larger products than dark ones, whatever they are multiplied by. Both can be computed from the image alone.
"""

from __future__ import annotations

import math

import pandas as pd
import torch
from torch import Tensor

from lib import compute
from lib.comparison import Scores, Table
from lib.errors import StudyError
from lib.random_factors import noise
from lib.similarity import PreparedMaps, compare, foreground, tie_floor


def expected_correlation(values: Tensor) -> float:
    r"""The mean, over all draws, of Spearman's correlation of :math:`|x \odot u|` and :math:`|x \odot v|`, exactly.

    For independent standard normal :math:`u, v` the ratio of two of their absolute values is half-Cauchy, so pixel i
    beats pixel j with probability :math:`\frac2\pi\arctan(|x_i|/|x_j|)`, and its expected rank among k pixels is

    .. math:: \bar R_i = 1 + \sum_{j \ne i} \frac2\pi \arctan\frac{|x_i|}{|x_j|}, \qquad
              \mathbb E\, r = \frac{12}{k (k^2 - 1)} \sum_i \Bigl(\bar R_i - \frac{k + 1}2\Bigr)^2 .

    The two rankings are independent given x and have no ties, so nothing is neglected (derived here).

    Parameters
    ----------
    values : (k,) pixel values, none of them 0; NaN for fewer than two.
    """
    levels, counts = values.double().abs().unique(return_counts=True)
    count = int(counts.sum())
    if count < 2:
        return math.nan
    beats = 2.0 / math.pi * torch.atan(levels.unsqueeze(1) / levels)
    # The sum counts the pixel itself with 1/2; the other half of its own rank is added.
    ranks = beats @ counts.double() + 0.5
    spread = float((counts * (ranks - (count + 1) / 2).square()).sum())
    return 12.0 * spread / (count * (count**2 - 1))


def tie_scores(images: Tensor, *, image_ids: list[int], background: float, seed: int = 0) -> pd.DataFrame:
    r"""One pair of noise products per image, beside what ties and the image's own brightness demand.

    Parameters
    ----------
    images : (N, 1, H, W), 0 where they are empty.
    image_ids : number of each image in its set.
    background : pixel value of an empty pixel; must be 0, or products would not be tied there.
    seed : names the noise.

    Returns
    -------
    Rows of the intervention ``ties``: ``zero_share``, the share :math:`p_0` of zeros; ``expected_fg``, see
    `expected_correlation`; ``expected``, `lib.similarity.tie_floor` with both; ``spearman_abs`` and
    ``spearman_abs_fg``, measured; ``identity_gap``, the distance of the measured correlation over all pixels from the
    tie floor with the measured correlation of the foreground.
    """
    if images.shape[1] != 1 or background != 0:
        raise StudyError("Tie floors are for images of one channel that are 0 where they are empty; leave others out.")
    compute.settle()
    device = compute.device()
    mask = foreground(images, background).to(device)
    u, v = (noise("normal", images.shape[1:], side, 0, image_ids, seed).to(device) for side in ("u", "v"))
    pictures = images.double().to(device)
    measured = compare(
        PreparedMaps(pictures * u, mask), PreparedMaps(pictures * v, mask), ["spearman_abs", "spearman_abs_fg"]
    )
    zeros = 1.0 - mask.double().mean(1)
    pixels = zip(pictures.flatten(1).cpu(), mask.cpu(), strict=True)
    expected = torch.tensor([expected_correlation(values[kept]) for values, kept in pixels], dtype=torch.float64)
    expected = expected.to(device)
    demanded = tie_floor(zeros, measured["spearman_abs_fg"])
    numbers = {
        "zero_share": zeros,
        "expected_fg": expected,
        "expected": tie_floor(zeros, expected),
        "identity_gap": (measured["spearman_abs"] - demanded).abs(),
    } | measured
    scores = Scores(torch.full((len(images),), -1))
    scores.add("gradient_x_input", "self", numbers)
    table = Table(image_ids)
    table.add("ties", "none", 0, 0, scores)
    return table.frame()
