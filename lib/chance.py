"""What metrics say of maps that share nothing, in closed form: derived here, compared with measurements in study 07."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from lib.hog import ORIENTATIONS
from lib.ssim import WINDOWS

_RANGE = 2.0
"""Maps lie in [-1, 1]."""


def spearman_std(pixels: int) -> float:
    r"""Standard deviation of Spearman's correlation of two independent maps without ties.

    .. math:: 1 / \sqrt{d - 1}

    Exact, whatever the laws of the two maps: the ranks of one are a random permutation of the ranks of the other.

    Parameters
    ----------
    pixels : d, at least 2.
    """
    return 1.0 / math.sqrt(pixels - 1)


def gaussian_ssim(std: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Expected SSIM of two independent maps of Gaussian pixels with mean 0.

    Mean and variance of a window of n Gaussian pixels are independent, and both numerators have their constant as
    mean. Squared means of two windows sum to an exponential law, variances to a gamma law, hence

    .. math:: F_1\!\left(\frac{n C_1}{2\sigma^2}\right) F_{n-1}\!\left(\frac{(n-1) C_2}{2\sigma^2}\right),
              \qquad F_k(z) = z e^z E_k(z),

    with the exponential integrals :math:`E_k`, :math:`C_1 = (0.01 L)^2`, :math:`C_2 = (0.03 L)^2`, the range L = 2 and
    n = 25.

    Parameters
    ----------
    std : standard deviation of a pixel where the range is 2, above 0; any shape. With another range L, the std times
        2 / L.
    """
    count = WINDOWS["uniform"] ** 2
    squares = 2.0 * np.square(std)
    means = _mean_share(1, count * (0.01 * _RANGE) ** 2 / squares)
    variances = _mean_share(count - 1, (count - 1) * (0.03 * _RANGE) ** 2 / squares)
    return means * variances


_LARGE = 500.0
"""From here on the exponentials of `_mean_share` come near to overflow, and an expansion is exact to 1e-8."""


def _mean_share(shape: int, constant: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of c / (c + X) where X has a gamma law of the given shape and scale 1: (…) -> (…)."""
    small = np.minimum(constant, _LARGE)
    exact = small * np.exp(small) * special.expn(shape, small)
    together = constant + shape
    expansion = constant / together * (1.0 + shape / together**2 + shape * (shape - 2.0 * constant) / together**4)
    return np.where(constant < _LARGE, exact, expansion)


def uniform_orientations() -> NDArray[np.float64]:
    r"""Share of the gradients' size in each orientation of HOG, for a mask of independent uniform pixels: (9,).

    A central difference of uniform pixels has a triangular law, so steps across and down fill a square, not a disc,
    and its diagonals are longer. Between 0° and 45° from an axis the density of size by angle is

    .. math:: w(\theta) \propto \frac{5 - 3 \tan\theta}{\cos^3\theta}.

    Gaussian pixels fill a disc: 1/9 each.
    """
    fine = 1000
    angles = (np.arange(ORIENTATIONS * fine) + 0.5) * 180.0 / (ORIENTATIONS * fine)
    from_axis = np.deg2rad(45.0 - np.abs(angles % 90.0 - 45.0))
    density = (5.0 - 3.0 * np.tan(from_axis)) / np.cos(from_axis) ** 3
    shares = density.reshape(ORIENTATIONS, fine).sum(1)
    return np.asarray(shares / shares.sum())
