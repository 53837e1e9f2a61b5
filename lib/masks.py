"""Random masks: maps of independent pixels that explain nothing, from laws with light and with heavy tails.

A metric that calls two independent masks similar calls them so by chance; see `lib.calibration`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lib.errors import StudyError

Draw = Callable[[tuple[int, ...], torch.Generator, float], Tensor]
"""``draw(shape, generator, parameter) -> values``, float64."""


def uniform(shape: tuple[int, ...], generator: torch.Generator, bound: float) -> Tensor:
    """Uniform on [-bound, bound]."""
    return bound * (2.0 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1.0)


def gaussian(shape: tuple[int, ...], generator: torch.Generator, std: float) -> Tensor:
    """Normal with mean 0."""
    return std * torch.randn(shape, generator=generator, dtype=torch.float64)


def positive_lognormal(shape: tuple[int, ...], generator: torch.Generator, log_std: float) -> Tensor:
    """The exponential of a normal law: all pixels of one sign, few of them large."""
    return gaussian(shape, generator, log_std).exp()


def lognormal(shape: tuple[int, ...], generator: torch.Generator, log_std: float) -> Tensor:
    """Log-normal amplitudes with random signs."""
    return positive_lognormal(shape, generator, log_std) * uniform(shape, generator, 1.0).sign()


def laplace_power(shape: tuple[int, ...], generator: torch.Generator, power: float) -> Tensor:
    """Laplace's law, its amplitude raised to a power and its sign kept."""
    # A number of exactly 0 or 1 would have an infinite amplitude.
    smallest = torch.finfo(torch.float64).tiny
    amplitude = -torch.rand(shape, generator=generator, dtype=torch.float64).clamp(min=smallest).log()
    return amplitude**power * uniform(shape, generator, 1.0).sign()


def student_t(shape: tuple[int, ...], generator: torch.Generator, freedom: float) -> Tensor:
    """Student's t with a whole number of degrees of freedom: a normal over the root of a mean of squares."""
    squares = gaussian((round(freedom), *shape), generator, 1.0).square().mean(0)
    return gaussian(shape, generator, 1.0) / squares.sqrt()


FAMILIES: dict[str, Draw] = {
    "uniform": uniform,
    "gaussian": gaussian,
    "lognormal": lognormal,
    "positive_lognormal": positive_lognormal,
    "laplace_power": laplace_power,
    "student_t": student_t,
}
"""Families of laws; a law is written with its parameter, as ``lognormal(1.5)`` or ``student_t(3)``."""

_WRITTEN = re.compile(r"(\w+)\((\d+\.?\d*)\)")


def family_of(law: str) -> tuple[str, float]:
    """The family and the parameter of a law.

    Raises
    ------
    StudyError
        If the law is not written as ``family(parameter)``, its family is not known, its parameter is not above 0, or
        the degrees of freedom of Student's t are not a whole number.
    """
    found = _WRITTEN.fullmatch(law)
    if not found or found[1] not in FAMILIES:
        raise StudyError(
            f"The law {law!r} is not known; write one of {', '.join(FAMILIES)} with its parameter: uniform(1)."
        )
    family, parameter = found[1], float(found[2])
    if parameter <= 0:
        raise StudyError(f"The parameter of the law {law!r} must be above 0; at 0 all amplitudes would be equal.")
    if family == "student_t" and parameter != math.floor(parameter):
        raise StudyError(f"The degrees of freedom of {law!r} must be a whole number.")
    return family, parameter


def check_laws(laws: Sequence[str]) -> None:
    """Raise `StudyError` unless there is a law, and each is known and written once."""
    if not laws or len(set(laws)) < len(laws):
        raise StudyError(f"laws is {list(laws)}; give at least one, and each once.")
    for law in laws:
        family_of(law)


def lognormals(log_stds: Sequence[float]) -> tuple[list[str], list[str]]:
    """The log-normal laws of some spreads, with random signs and with one sign."""
    if not log_stds:
        raise StudyError("log_stds is empty; give the spread of the log-amplitude of at least one law.")
    return [f"lognormal({each:g})" for each in log_stds], [f"positive_lognormal({each:g})" for each in log_stds]


def mask(law: str, side: int, generator: torch.Generator) -> Tensor:
    """One mask of independent pixels: (1, 1, side, side), float64."""
    family, parameter = family_of(law)
    return FAMILIES[family]((1, 1, side, side), generator, parameter)
