"""Photographs for the networks of `lib.image_models`: those inside scikit-image, or a folder with a list of classes."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from lib.artefacts import sha256
from lib.data import data_dir
from lib.errors import StudyError
from lib.image_sets import PHOTOGRAPHS
from lib.preprocessing import Photograph

PACKAGED = "photos"
"""The photographs inside scikit-image, which have no classes."""

LIST = "labels.csv"
"""The list in a folder of photographs: the columns ``file`` and ``class_index``, one row per photograph."""

UNKNOWN = -1
"""The class of a photograph that has none of the network's."""


@dataclass(frozen=True)
class Entry:
    """One photograph of a set.

    Attributes
    ----------
    number : its place in the whole set, which names its noise.
    file : name of the file, or of the function of `skimage.data`.
    label : index of its class, or `UNKNOWN`.
    """

    number: int
    file: str
    label: int


def entries(name: str) -> list[Entry]:
    """All photographs of a set, in the order of its list.

    Parameters
    ----------
    name : `PACKAGED`, or a folder: a path, or a name in the data folder.

    Raises
    ------
    StudyError
        If the folder has no list, the list lacks a column or has a class that is not a number, or it is empty.
    """
    if name == PACKAGED:
        return [Entry(number, file, UNKNOWN) for number, file in enumerate(PHOTOGRAPHS)]
    path = _folder(name) / LIST
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise StudyError(
            f"The photographs {name!r} need the list {path}, with the columns file and class_index; write it, or use "
            f"{PACKAGED!r}, which come inside a package."
        ) from error
    if not rows:
        raise StudyError(f"{path} lists no photograph; give it the columns file and class_index and a row for each.")
    found = []
    for number, row in enumerate(rows):
        if row.get("file") is None or not str(row.get("class_index")).isdigit():
            raise StudyError(f"{path}, row {number + 1}: give the columns file and class_index, a number from 0.")
        found.append(Entry(number, row["file"], int(row["class_index"])))
    return found


def spread(name: str, count: int, image_range: Sequence[int] = ()) -> list[Entry]:
    """Some photographs of a set, evenly spread over its list.

    Parameters
    ----------
    name : of the set.
    count : how many.
    image_range : two places (from, to) of these ``count`` that are wanted, for a part of a large run; all without.

    Raises
    ------
    StudyError
        If there are not so many, or the range does not lie inside.
    """
    every = entries(name)
    if not 1 <= count <= len(every):
        raise StudyError(f"n_images is {count}, but {name} has 1 to {len(every)} photographs.")
    chosen = [every[number] for number in np.linspace(0, len(every) - 1, count).round().astype(int)]
    if not image_range:
        return chosen
    if len(image_range) != 2 or not 0 <= image_range[0] < image_range[1] <= count:
        raise StudyError(f"image_range is {list(image_range)}; give two places, from 0 up to n_images, {count}.")
    return chosen[image_range[0] : image_range[1]]


def named(name: str, files: Sequence[str]) -> list[Entry]:
    """The photographs of a set with these names.

    Raises
    ------
    StudyError
        If one is not in the set.
    """
    known = {each.file: each for each in entries(name)}
    for file in files:
        if file not in known:
            raise StudyError(f"The photograph {file!r} is not in {name}; choose one of {', '.join(known)}.")
    return [known[file] for file in files]


def picture(name: str, entry: Entry) -> Photograph:
    """One photograph of a set.

    Raises
    ------
    StudyError
        If its file cannot be read.
    """
    if name == PACKAGED:
        import skimage.data

        found = getattr(skimage.data, entry.file)()
        # The motorcycle comes with the view of the other eye.
        return np.asarray(found[0] if isinstance(found, tuple) else found)
    path = _folder(name) / entry.file
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        raise StudyError(f"The photograph {path} cannot be read; replace it, or take it off the list.") from error


def digest(name: str, chosen: Sequence[Entry]) -> str:
    """What tells these photographs from others, for the key of a result."""
    if name == PACKAGED:
        return name
    folder = _folder(name)
    content = b"".join(
        f"{each.number} {each.label} {sha256((folder / each.file).read_bytes())}\n".encode() for each in chosen
    )
    return sha256(content)


def _folder(name: str) -> Path:
    # An absolute path stays itself.
    return data_dir() / Path(name).expanduser()
