"""Similarities counted from a null upwards, as one metric more in a table of scores."""

from __future__ import annotations

import pandas as pd

from lib.nulls import corrected

CORRECTED = "ssim_corrected"
"""The metric s* of `corrected_ssim`."""


def corrected_ssim(scores: pd.DataFrame, null: str) -> pd.DataFrame:
    r"""The rows of :math:`s^* = (s - s_0) / (1 - s_0)` of SSIM, as the metric `CORRECTED`.

    Parameters
    ----------
    scores : of one network.
    null : against what :math:`s_0` is measured, a value for each method and image, e.g. ``null_other_image``.

    Returns
    -------
    One row for each SSIM against the original, and one for each against the null, which is 0.
    """
    own = scores[(scores.metric == "ssim") & scores.against.isin(["original", null])]
    by = ["method", "image"]
    chance = own[own.against == null].set_index(by).value.rename("chance")
    maps = own.join(chance, on=by)
    return maps.assign(value=corrected(maps.value, maps.chance), metric=CORRECTED).drop(columns="chance")
