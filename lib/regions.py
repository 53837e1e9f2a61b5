"""How much of a map lies in a region that is known to matter.

A region is a mask: the half of an image that decides, the pixels of an object. Each number here is about one map and
one mask, and undefined (NaN) where the mask is empty or covers everything, or where the map has nothing to share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from torch import Tensor

from lib.correlation import ranks
from lib.errors import StudyError
from lib.similarity import absolute, signed


def mass_share(maps: Tensor, masks: Tensor) -> Tensor:
    r"""Share of the positive mass inside: :math:`\sum_O E^+ / \sum E^+`, channels summed first."""
    return _share(signed(maps).clamp(min=0.0), masks)


def mass_share_abs(maps: Tensor, masks: Tensor) -> Tensor:
    r"""Share of the absolute mass inside: :math:`\sum_O |E| / \sum |E|`."""
    return _share(absolute(maps), masks)


def density(maps: Tensor, masks: Tensor) -> Tensor:
    """Share of the positive mass over share of the area; 1 for an even map, and objects of all sizes compare."""
    flat = masks.flatten(1)
    return mass_share(maps, masks) / flat.double().mean(1)


def pointing(maps: Tensor, masks: Tensor) -> Tensor:
    """Pointing game (Zhang et al. 2018, without tolerance): whether the largest value lies inside, 0 or 1.

    Of several equal largest values, the share that lies inside. NaN for a constant map.
    """
    values, flat = signed(maps).double(), masks.flatten(1)
    highest = values == values.amax(1, keepdim=True)
    inside = (highest & flat).sum(1).double() / highest.sum(1)
    return inside.masked_fill(_undefined(values, flat) | highest.all(1), float("nan"))


def auc(maps: Tensor, masks: Tensor) -> Tensor:
    """Probability that a pixel inside has a larger absolute value than one outside; ties count half.

    The area under the ROC curve of the absolute map as a detector of the mask: Mann-Whitney's U over all pairs.
    """
    values, flat = absolute(maps).double(), masks.flatten(1)
    within, outside = flat.sum(1).double(), (~flat).sum(1).double()
    rank_sum = (ranks(values) * flat).sum(1)
    area = (rank_sum - within * (within + 1) / 2) / (within * outside)
    return area.masked_fill(_undefined(values, flat), float("nan"))


MEASURES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    each.__name__: each for each in (mass_share, mass_share_abs, density, pointing, auc)
}
"""``measure(maps, masks) -> (N,)``, float64, for maps (N, C, H, W) and masks bool (N, H, W)."""


def metrics_of(regions: Iterable[str], wanted: Sequence[str] = ()) -> dict[str, tuple[str, str]]:
    """Names of metrics, as ``mass_share_shape`` -> (measure, region).

    Parameters
    ----------
    regions : their names.
    wanted : names of metrics; default: every measure in every region.

    Raises
    ------
    StudyError
        If a name is not that of a measure and a region, or stands twice.
    """
    known = {f"{measure}_{region}": (measure, region) for region in regions for measure in MEASURES}
    if not set(wanted) <= set(known) or len(set(wanted)) < len(wanted):
        raise StudyError(f"measures is {list(wanted)}; name some of {', '.join(known)}, each at most once.")
    return {name: known[name] for name in wanted or known}


def check_regions(regions: Mapping[str, Tensor], images: Tensor) -> None:
    """Raise `StudyError` unless there is a region, and each is a mask of the form of the images (N, C, H, W)."""
    if not regions:
        raise StudyError("regions is empty; give at least one mask by name.")
    form = (len(images), *images.shape[2:])
    for name, masks in regions.items():
        if tuple(masks.shape) != form or masks.dtype.is_floating_point or masks.dtype.is_complex:
            raise StudyError(
                f"The region {name} is {masks.dtype} of form {tuple(masks.shape)}; give a boolean mask {form}."
            )


def measured(maps: Tensor, regions: Mapping[str, Tensor], metrics: Mapping[str, tuple[str, str]]) -> dict[str, Tensor]:
    """The metrics that `metrics_of` names: name -> (N,), on the CPU."""
    return {
        name: MEASURES[measure](maps, regions[region].to(maps.device)).cpu()
        for name, (measure, region) in metrics.items()
    }


def _share(mass: Tensor, masks: Tensor) -> Tensor:
    """Share of non-negative masses (N, D) that lies inside; 0/0 is NaN."""
    mass, flat = mass.double(), masks.flatten(1)
    # Divided by the largest first: the sum of gradients of 1e-320 would lose its digits.
    mass = mass / mass.amax(1, keepdim=True)
    return ((mass * flat).sum(1) / mass.sum(1)).masked_fill(_undefined(mass, flat), float("nan"))


def _undefined(values: Tensor, masks: Tensor) -> Tensor:
    """Rows whose mask divides nothing, or whose map is not finite: bool (N,)."""
    return ~masks.any(1) | masks.all(1) | ~values.isfinite().all(1)
