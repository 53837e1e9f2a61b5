"""Exact statements: how far numbers are from those that they should equal."""

from __future__ import annotations

import pandas as pd
from torch import Tensor

from lib.errors import StudyError

EXACT = 1e-10
"""The largest relative error, in double precision, of what is called exact."""


def relative_error(found: Tensor, expected: Tensor, scale: Tensor | None = None) -> Tensor:
    r"""Largest difference of each map from what it should equal, relative to the largest value expected.

    .. math:: \frac{\max_i |E_i - F_i|}{\max_i |F_i|}

    Parameters
    ----------
    found, expected : (N, ...).
    scale : (N,) what to divide by instead; needed where 0 is expected.

    Returns
    -------
    (N,), float64.
    """
    expected = expected.double().reshape(len(expected), -1)
    difference = (found.double().reshape(expected.shape) - expected).abs().amax(1)
    return difference / (expected.abs().amax(1) if scale is None else scale.double())


def largest_error(scores: pd.DataFrame, intervention: str, method: str, against: str) -> float:
    """The largest relative error of a method in a table, over images, draws, nets and data sets.

    Raises
    ------
    StudyError
        If there is none, because it was not computed or is not a number.
    """
    found = scores[
        (scores.metric == "relative_error")
        & (scores.intervention == intervention)
        & (scores.method == method)
        & (scores.against == against)
    ].value
    if found.empty or found.isna().any():
        raise StudyError(f"The scores hold no error of {method} against {against} under {intervention!r}; compute it.")
    return float(found.max())
