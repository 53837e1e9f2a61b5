"""Drawn radiographs of hands, whose bones grow together with age while everything else varies by itself.

Bone age is read off the gaps: a child's bones are ossified in the middle only, cartilage shows as tissue, so the bones
of a finger lie apart and the small bones of the wrist come one after the other. Here that is the whole difference
between two ages. Sizes and proportions are ours, roughly those of a hand.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from lib import compute
from lib.errors import StudyError

SIDE = 96
"""Height and width of an image, in pixels."""

AGES = (12.0, 216.0)
"""Youngest and oldest age, in months."""

GAPS = (0.048, 0.006)
"""Width of the gap between two bones at these ages, in hands (from the wrist to the middle finger's tip)."""

THINNEST = 0.75
"""Thickness of the youngest bones, as a share of the oldest's."""

RANGES = {
    "size": (0.84, 1.04),
    "turn": (-10.0, 10.0),
    "spread": (0.75, 1.35),
    "across": (-5.0, 5.0),
    "down": (-3.0, 3.0),
    "contrast": (0.7, 1.1),
    "brightness": (0.02, 0.12),
    "noise": (0.01, 0.04),
}
"""What each factor of `Looks` is drawn from, evenly."""

_PIXELS = 80.0
"""Length of a hand of size 1, in pixels."""

_WRIST = (45.0, 86.0)
"""Column and row of the wrist of a hand that is not moved."""

_PIVOT = (0.0, 0.4)
"""What a hand turns about, in hands; x towards the thumb, y towards the fingertips, from the middle of the wrist."""

_TISSUE, _BONE = 0.26, 0.42
"""Brightness of soft tissue, and what bone adds to it."""

_CHUNK = 32
"""Hands that are drawn at once, so that a processor's cache holds them."""

# Base and knuckle of the metacarpal, degrees from straight up, lengths and thickness (half, oldest) of the phalanges.
_FINGERS = (
    ((0.105, 0.125), (0.225, 0.285), 34.0, (0.155, 0.115), (0.029, 0.024)),
    ((0.068, 0.185), (0.122, 0.455), 8.0, (0.205, 0.125, 0.085), (0.027, 0.023, 0.019)),
    ((0.020, 0.195), (0.020, 0.480), 0.0, (0.230, 0.145, 0.090), (0.028, 0.024, 0.020)),
    ((-0.030, 0.185), (-0.075, 0.450), -7.0, (0.215, 0.135, 0.090), (0.026, 0.023, 0.019)),
    ((-0.078, 0.165), (-0.160, 0.395), -17.0, (0.165, 0.095, 0.080), (0.023, 0.020, 0.017)),
)
_METACARPAL = 0.026

_FLESH = 0.030
"""Thickness of the flesh about a bone."""

# Shaft and end of radius and ulna: from, to, half of the thickness.
_FOREARM = (
    ((0.048, -0.350), (0.038, -0.045), 0.040),
    ((0.038, -0.045), (0.036, 0.024), 0.052),
    ((-0.062, -0.350), (-0.064, -0.045), 0.026),
    ((-0.064, -0.045), (-0.064, 0.012), 0.028),
)

# Flesh without a bone of its own: the ball of the hand.
_PALM = ((0.000, -0.050), (0.005, 0.260), 0.122)

# Place and radius of the small bones of the wrist, and the age at which the first of it is seen, in months.
_CARPALS = (
    ((0.012, 0.135), 0.036, 3.0),
    ((-0.042, 0.128), 0.031, 5.0),
    ((-0.082, 0.080), 0.025, 30.0),
    ((-0.022, 0.068), 0.028, 42.0),
    ((0.092, 0.092), 0.026, 60.0),
    ((0.060, 0.138), 0.022, 62.0),
    ((0.042, 0.072), 0.030, 66.0),
)
_CARPALS_FULL = 168.0


@dataclass(frozen=True)
class Looks:
    """What varies from hand to hand beside age; all (N,), float64, see `RANGES`.

    Attributes
    ----------
    size : of the hand; 1 is 80 pixels from the wrist to the tip of the middle finger.
    turn : of the whole hand, in degrees, clockwise.
    spread : angles between the fingers, as a share of the usual ones.
    across, down : where the hand lies, in pixels to the right and downwards.
    contrast : brightness of the hand, as a share of the usual one.
    brightness : of the empty background.
    noise : standard deviation of the noise of a pixel.
    """

    size: Tensor
    turn: Tensor
    spread: Tensor
    across: Tensor
    down: Tensor
    contrast: Tensor
    brightness: Tensor
    noise: Tensor

    def part(self, part: slice) -> Looks:
        """Some of the hands."""
        return Looks(*(getattr(self, field.name)[part] for field in fields(self)))


@dataclass(frozen=True)
class Hands:
    """Drawn hands: images (N, 1, `SIDE`, `SIDE`), float32 in [0, 1], and ages (N,), float64, in months."""

    images: Tensor
    ages: Tensor


def hands(count: int, name: str) -> Hands:
    """Draw hands of ages spread evenly over `AGES`.

    Parameters
    ----------
    count : how many, at least 1.
    name : of the set, e.g. ``train``; sets of different names share no draw.
    """
    return hands_of(drawn_ages(count, name), name)


def drawn_ages(count: int, name: str) -> Tensor:
    """The ages of the hands of a set, see `hands`: (N,), float64, in months."""
    if count < 1:
        raise StudyError(f"{count} hands are to be drawn; draw at least 1.")
    return _evenly(count, AGES, name, "age")


def hands_of(ages: Tensor, name: str) -> Hands:
    """Draw hands of given ages (N,); each factor of `Looks` has a generator of its own, which knows nothing of age."""
    looks = drawn_looks(len(ages), name)
    clean = rendered(ages, looks)
    noise = torch.randn(clean.shape, generator=compute.generator(name, "hands", "noisy pixels"))
    return Hands((clean + looks.noise.float().view(-1, 1, 1, 1) * noise).clip(0.0, 1.0), ages)


def drawn_looks(count: int, name: str) -> Looks:
    """The looks of the hands of a set, see `hands_of`."""
    return Looks(**{factor: _evenly(count, ends, name, factor) for factor, ends in RANGES.items()})


def usual_looks(count: int) -> Looks:
    """Looks in the middle of all ranges, without noise; hands differ in age alone."""
    middles = {factor: (low + high) / 2 for factor, (low, high) in RANGES.items()} | {"noise": 0.0}
    return Looks(**{factor: torch.full((count,), each, dtype=torch.float64) for factor, each in middles.items()})


def rendered(ages: Tensor, looks: Looks) -> Tensor:
    """Images without noise: (N, 1, `SIDE`, `SIDE`), float32.

    Parameters
    ----------
    ages : (N,), in months, within `AGES`.
    looks : of N hands.
    """
    if bool(((ages < AGES[0]) | (ages > AGES[1])).any()):
        raise StudyError(f"Hands are drawn for ages of {AGES[0]:g} to {AGES[1]:g} months; give such ages.")
    chunks = [slice(start, start + _CHUNK) for start in range(0, len(ages), _CHUNK)]
    return torch.cat([_rendered(ages[chunk], looks.part(chunk)) for chunk in chunks])


def maturity(ages: Tensor) -> Tensor:
    """From 0 at the youngest age to 1 at the oldest."""
    return (ages - AGES[0]) / (AGES[1] - AGES[0])


def gap_width(ages: Tensor) -> Tensor:
    """Width of the gaps between bones, in hands: (N,)."""
    return GAPS[0] + (GAPS[1] - GAPS[0]) * maturity(ages)


def _evenly(count: int, ends: tuple[float, float], name: str, factor: str) -> Tensor:
    """Numbers drawn evenly between two ends: (count,), float64."""
    uniform = torch.rand(count, generator=compute.generator(name, "hands", factor), dtype=torch.float64)
    return ends[0] + (ends[1] - ends[0]) * uniform


def _rendered(ages: Tensor, looks: Looks) -> Tensor:
    columns, rows = _pixels_in_hands(looks)
    scale = _column(looks.size * _PIXELS)
    gap, thickness = _column(gap_width(ages)), _column(THINNEST + (1.0 - THINNEST) * maturity(ages))
    lower, upper, flesh = _PALM
    palm = _beside(columns, rows, _place(lower, looks.size), _place(upper, looks.size))
    tissue = _rounded(*palm, flesh, scale)
    bone = torch.zeros_like(tissue)
    for start, end, half in _long_bones(looks.spread):
        along, aside, length = _beside(columns, rows, start, end)
        tissue = tissue.maximum(_rounded(along, aside, length, half + _FLESH, scale))
        # Thicker at both ends, as bones are.
        thick = half * thickness * (0.8 + 0.2 * (2.0 * along / length - 1.0).square())
        outside = (aside.abs() - thick).maximum(gap / 2 - along).maximum(along - length + gap / 2)
        bone = bone.maximum((0.5 - outside * scale).clip(0.0, 1.0))
    for (x, y), radius, first in _CARPALS:
        grown = _column(radius * ((ages - first) / (_CARPALS_FULL - first)).clip(0.0, 1.0).sqrt())
        inside = grown - torch.hypot(columns - x, rows - y)
        # Where nothing is ossified yet there is no pixel of it either.
        bone = bone.maximum((0.5 + inside * scale).clip(0.0, 1.0) * (grown > 0))
    bright = _column(looks.brightness) + _column(looks.contrast) * (_TISSUE * tissue + _BONE * bone)
    return bright.unflatten(1, (1, SIDE, SIDE)).float()


def _rounded(along: Tensor, aside: Tensor, length: Tensor, radius: float, scale: Tensor) -> Tensor:
    """How much of each pixel lies within a distance of a segment, with an edge two pixels wide."""
    outside = torch.hypot(aside, (-along).maximum(along - length).clip(min=0.0)) - radius
    return (0.5 - outside * scale / 2.0).clip(0.0, 1.0)


def _pixels_in_hands(looks: Looks) -> tuple[Tensor, Tensor]:
    """Where each pixel lies in the frame of its hand: x and y, (N, SIDE * SIDE)."""
    places = torch.arange(SIDE, dtype=torch.float32)
    down, across = (each.flatten() for each in torch.meshgrid(places, places, indexing="ij"))
    scale, turn = _column(looks.size * _PIXELS), _column(looks.turn.deg2rad())
    x = (across - _WRIST[0] - _column(looks.across)) / scale - _PIVOT[0]
    y = (_WRIST[1] + _column(looks.down) - down) / scale - _PIVOT[1]
    return turn.cos() * x - turn.sin() * y + _PIVOT[0], turn.sin() * x + turn.cos() * y + _PIVOT[1]


def _long_bones(spread: Tensor) -> list[tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor], float]]:
    """Where all long bones begin and end, x and y (N, 1) each, and half the thickness of the oldest."""
    found = []
    for base, knuckle, degrees, lengths, halves in _FINGERS:
        start, end = _place(base, spread), _place(knuckle, spread)
        found.append((start, end, _METACARPAL))
        angle = _column((degrees * spread).deg2rad())
        for length, half in zip(lengths, halves, strict=True):
            start, end = end, (end[0] + length * angle.sin(), end[1] + length * angle.cos())
            found.append((start, end, half))
    return found + [(_place(lower, spread), _place(upper, spread), half) for lower, upper, half in _FOREARM]


def _place(place: tuple[float, float], like: Tensor) -> tuple[Tensor, Tensor]:
    """The same place in every hand."""
    return _column(torch.full_like(like, place[0])), _column(torch.full_like(like, place[1]))


def _beside(
    x: Tensor, y: Tensor, start: tuple[Tensor, Tensor], end: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Places along and beside a segment (N, pixels), and its length (N, 1)."""
    across, up = end[0] - start[0], end[1] - start[1]
    length = torch.hypot(across, up)
    across, up = across / length, up / length
    dx, dy = x - start[0], y - start[1]
    return dx * across + dy * up, dx * up - dy * across, length


def _column(values: Tensor) -> Tensor:
    """(N,) -> (N, 1), float32."""
    return values.float().unsqueeze(1)
