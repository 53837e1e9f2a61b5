"""What a value in a params file must be for any study: a count, a number in its range, words that are known.

What a computation refuses by itself is said when that computation begins, which may be after the first hour of a run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from lib import data, finetuning, image_models, initialisers
from lib.errors import StudyError
from lib.masks import family_of
from lib.random_factors import LAWS
from lib.reinitialisation import BATCH_NORMS, ORDERS
from lib.rewired import REWIRINGS
from lib.shifts import SHIFTS

_KNOWN: dict[str, Collection[str]] = {
    "laws": LAWS,
    "hows": REWIRINGS,
    "shifts": (*SHIFTS, "cat"),
    "bn": BATCH_NORMS,
    "init": initialisers.LAWS,
    "image_sets": (*data.names(), "photos"),
    "network": ("", *image_models.ARCHITECTURES),
}
"""Parameters whose words stand for something of a known list."""

_MAY_REPEAT = ("weights", "permuted", "again")
"""Lists with one word for each of another list."""

_MAY_BE_ZERO = ("seed", "size", "sigmas", "jitter")
"""Numbers that are not counts, and strengths of noise; also each number of a list of whole numbers may be 0."""

_ABOVE_ZERO = ("noise_levels", "log_stds")
"""Fractions that nothing is defined for at 0."""

_WHOLE = {"01_model_randomization": {"orders": ORDERS}}
"""Lists of which a study's figures show every word."""

_AMONG = {"07_metric_calibration": {"shown": ("methods", "convolutional")}}
"""Lists whose words must stand in one of other lists, or what they ask for would be left out in silence."""

_NETS = {"06_constant_shift": (2, "the paper's network and a convolutional one")}
"""Studies of so many nets, each with a part of its own."""


def check_numbers(values: Mapping[str, Any]) -> None:
    """Raise `StudyError` for a count below 1, a number below 0 where none can be, or a 0 where nothing is defined."""
    for name, value in values.items():
        if type(value) is int and value < 1 and not (name in _MAY_BE_ZERO and value == 0):
            raise StudyError(f"{name} is {value}; it must be at least {0 if name in _MAY_BE_ZERO else 1}.")
        for number in value if isinstance(value, list) else [value]:
            if _is_below(name, number):
                wanted = "above 0" if name in _ABOVE_ZERO else "at least 0"
                raise StudyError(f"{name} is {value}; every number in it must be {wanted}.")


def _is_below(name: str, number: Any) -> bool:
    """Whether a number of a list, or a fraction, is smaller than a parameter of this name can be."""
    if type(number) is int:
        return number < 0
    return type(number) is float and ((name in _MAY_BE_ZERO and number < 0) or (name in _ABOVE_ZERO and number <= 0))


def check_words(study: str, values: Mapping[str, Any]) -> None:
    """Raise `StudyError` for a word that is not known or stands twice, and for too few words or nets for a study."""
    for name, value in values.items():
        words = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]
        for word in words:
            known = _KNOWN.get(name, words)
            if word not in known:
                raise StudyError(f"{name} names {word!r}, which is not known; choose from {', '.join(known)}.")
            if words.count(word) > 1 and name not in _MAY_REPEAT:
                raise StudyError(f"{name} names {word} twice; name it once.")
    for name, wanted in _WHOLE.get(study, {}).items():
        if missing := [word for word in wanted if word not in values[name]]:
            raise StudyError(f"{name} lacks {', '.join(missing)}; the figures of {study} show each of them, so add it.")
    for name, lists in _AMONG.get(study, {}).items():
        there = [word for each in lists for word in values[each]]
        if missing := [word for word in values[name] if word not in there]:
            raise StudyError(f"{name} names {missing[0]}, which is not among {' and '.join(lists)}; add it there.")
    for law in values.get("others", []):
        family_of(law)
    count, which = _NETS.get(study, (0, ""))
    if count and len(values["models"]) != count:
        raise StudyError(f"models names {len(values['models'])} nets, and {study} needs {count}: {which}.")


def check_weights(values: Mapping[str, Any]) -> None:
    """Raise `StudyError` if the weights of a network that a parameter names are not there."""
    if values.get("network"):
        finetuning.fingerprint(values["weights"])


def check_images(values: Mapping[str, Any], datasets: Iterable[str]) -> None:
    """Raise `StudyError` if a parameter asks for more images than one of the data sets has."""
    counts = {name: value for name, value in values.items() if name.endswith("images") and isinstance(value, int)}
    for dataset in datasets:
        loaded = data.load(dataset)
        for name, count in counts.items():
            if name == "pattern_images":
                if count > len(loaded.train_images):
                    raise StudyError(f"{name} is {count}, but {dataset} has {len(loaded.train_images)} to train on.")
                continue
            try:
                data.balanced(loaded.test_labels, count)
            except StudyError as error:
                raise StudyError(str(error).replace("n_images", name, 1)) from error
