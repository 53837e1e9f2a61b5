"""How a claim is shown: its words, its numbers and the small drawing of interval and threshold."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any, TypeGuard

from markupsafe import Markup, escape

# The sign is for those who do not see the colour; the word stands beside it everywhere.
SIGNS = {"supported": "✓", "contradicted": "✗", "inconclusive": "?", "answered": "→", "not tested": "–"}

Claim = dict[str, Any]


def verdict_of(claim: Claim) -> str:
    """The word of a claim; a contradiction between papers carries an answer instead of a verdict."""
    return claim.get("verdict") or ("answered" if claim.get("answer") else "not tested")


def count_verdicts(claims: Iterable[Claim]) -> list[tuple[str, int]]:
    """Count the verdicts that occur, in the order of `SIGNS`."""
    counts = Counter(verdict_of(claim) for claim in claims)
    return [(verdict, counts[verdict]) for verdict in SIGNS if counts[verdict]]


def number_text(value: float | None, decimals: int | None = None) -> str:
    """Write a number for a reader: three significant digits, or the decimals asked for, and a real minus."""
    if value is None:
        return ""
    if not math.isfinite(value):
        return "undefined"
    text = f"{value:.3g}" if decimals is None else f"{value:.{decimals}f}"
    return text.replace("-", "−")


def value_text(claim: Claim) -> str:
    """Write the measured value with as many decimals as its interval deserves, and the interval."""
    value, interval = claim.get("value"), claim.get("interval")
    if value is None:
        return ""
    if not interval and "verdict" in (claim.get("holds") or ""):
        return f"{number_text(value)} verdicts differ"
    if not interval or not all(_is_number(end) for end in interval):
        return number_text(value)
    if max(map(abs, (value, *interval))) < 1e-6:
        # Of a rounding error nobody needs the digits.
        value, low, high = (f"{number:.0e}".replace("0e+00", "0").replace("-", "−") for number in (value, *interval))
        return f"{value} [{low}, {high}]"
    width = abs(interval[1] - interval[0])
    decimals = None if not 1e-6 < width < 1e6 else max(0, 1 - math.floor(math.log10(width)))
    low, high = (number_text(end, decimals) for end in interval)
    return f"{number_text(value, decimals)} [{low}, {high}]"


def size_text(claim: Claim) -> str:
    """Write how many values and draws a number rests on."""
    n, draws = claim.get("n"), claim.get("draws")
    if not n:
        return ""
    return f"n = {n}" + (f" × {draws} draws" if draws and draws > 1 else "")


def whisker(claim: Claim) -> Markup:
    """Draw value, interval and threshold on one line, or nothing if there is no threshold to compare with.

    The axis is [0, 1] or [-1, 1] wherever the numbers allow it, so that claims compare at a glance.
    """
    value, thresholds = claim.get("value"), claim.get("threshold")
    if not _is_number(value) or not thresholds:
        return Markup("")
    interval = claim.get("interval") or [value, value]
    if not all(_is_number(end) for end in interval):
        interval = [value, value]
    low, high = _axis([value, *thresholds, *interval])

    def x(at: float) -> str:
        return f"{8 + 144 * (at - low) / (high - low):.1f}"

    label = escape(f"{value_text(claim)}, holds if {claim.get('holds')}")
    marks = "".join(f'<path class="threshold" d="M{x(threshold)} 2v20"/>' for threshold in thresholds)
    return Markup(
        f'<svg class="whisker" viewBox="0 0 160 30" role="img"><title>{label}</title>'
        f'<path class="axis" d="M8 12H152M8 9v6M152 9v6"/>'
        f'{marks}<path class="interval" d="M{x(interval[0])} 12H{x(interval[1])}"/>'
        f'<circle class="value" cx="{x(value)}" cy="12" r="4"/>'
        f'<text x="8" y="28">{number_text(low)}</text>'
        f'<text x="152" y="28" text-anchor="end">{number_text(high)}</text></svg>'
    )


def _axis(points: list[float]) -> tuple[float, float]:
    low, high = min(points), max(points)
    spread = high - low
    if spread >= 0.1 and low >= -1 and high <= 1:
        return (0.0, 1.0) if low >= 0 else (-1.0, 1.0)
    step = 10 ** math.floor(math.log10(spread or abs(high) or 1.0))
    return math.floor(low / step - 0.5) * step, math.ceil(high / step + 0.5) * step


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
