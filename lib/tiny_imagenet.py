"""Ten classes of TinyImageNet-200: small photographs with the numbers that their classes have in ImageNet."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lib.errors import StudyError

CLASSES: dict[str, tuple[str, int]] = {
    "acorn": ("n12267677", 988),
    "espresso": ("n07920052", 967),
    "banana": ("n07753592", 954),
    "ice cream": ("n07614500", 928),
    "gondola": ("n03447447", 576),
    "wok": ("n04596742", 909),
    "cauliflower": ("n07715103", 938),
    "space heater": ("n04265275", 811),
    "pay-phone": ("n03902125", 707),
    "baboon": ("n02486410", 372),
}
"""The classes of Yona & Greenfeld 2021 -> WordNet id and number among ImageNet's 1000; the first five decide."""

TRAIN_PER_CLASS = 250
"""Training pictures of each class, of 500 that there are; the paper speaks of 250."""

TEST_PER_CLASS = 50
"""Pictures of each class in the validation part, which serves as test part; the true test part has no labels."""

SIDE = 64
"""Height and width of a picture."""

ARCHIVES = ("tiny-imagenet-pairs/tiny-imagenet-pairs.zip", "tiny-imagenet-200.zip")
FOLDER = "tiny-imagenet-200"

_Reader = Callable[[str], bytes]
"""Takes the path of a file below `FOLDER` to its content."""


def where(folder: Path) -> Path:
    """The archive, or the unpacked folder, of the pictures in a data folder.

    Raises
    ------
    StudyError
        If there is neither.
    """
    for name in (*ARCHIVES, FOLDER):
        if (folder / name).exists():
            return folder / name
    raise StudyError(
        f"The ten classes of TinyImageNet are not in {folder}; put the archive {' or '.join(ARCHIVES)} there, or the "
        f"unpacked folder {FOLDER} (the archive is at cs231n.stanford.edu/tiny-imagenet-200.zip), or name another "
        "folder in `data_dir` or in the environment variable SALIENCY_DATA."
    )


def load(folder: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Read the pictures from a data folder.

    Returns
    -------
    Training pictures and labels, test pictures and labels: float32 (N, 3, 64, 64) in [0, 1] and int64 (N,), class by
    class in the order of `CLASSES`, within a class by file number. Grey pictures have three equal channels.

    Raises
    ------
    StudyError
        If the pictures are absent, incomplete or damaged.
    """
    source = where(folder)
    if source.is_dir():
        return _load(lambda path: (source / path).read_bytes(), source)
    try:
        with closing(zipfile.ZipFile(source)) as archive:
            return _load(lambda path: archive.read(f"{FOLDER}/{path}"), source)
    except zipfile.BadZipFile as error:
        raise StudyError(f"The archive {source} is damaged; replace it.") from error


def _load(read: _Reader, source: Path) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    wnids = [wnid for wnid, _ in CLASSES.values()]
    train = [[f"train/{wnid}/images/{wnid}_{number}.JPEG" for number in range(TRAIN_PER_CLASS)] for wnid in wnids]
    annotations = _checked(read, source, "val/val_annotations.txt").decode().splitlines()
    rows = sorted((line.split("\t")[:2] for line in annotations), key=lambda row: _number(row[0]))
    test = [[f"val/images/{name}" for name, wnid in rows if wnid == each] for each in wnids]
    if any(len(names) != TEST_PER_CLASS for names in test):
        raise StudyError(
            f"{source} does not name {TEST_PER_CLASS} validation pictures of each of the ten classes; replace it."
        )
    parts = []
    for files in (train, test):
        pictures = [_picture(_checked(read, source, path), source, path) for names in files for path in names]
        labels = [label for label, names in enumerate(files) for _ in names]
        parts += [torch.stack(pictures), torch.tensor(labels)]
    return parts[0], parts[1], parts[2], parts[3]


def _number(name: str) -> int:
    """The number in a file's name, e.g. 109 of ``val_109.JPEG``."""
    return int(Path(name).stem.rpartition("_")[2])


def _checked(read: _Reader, source: Path, path: str) -> bytes:
    try:
        return read(path)
    except (OSError, KeyError) as error:
        raise StudyError(f"{source} has no file {path}; replace it.") from error


def _picture(content: bytes, source: Path, path: str) -> Tensor:
    """A picture as float32 (3, 64, 64) in [0, 1]."""
    try:
        pixels = np.array(Image.open(io.BytesIO(content)).convert("RGB"))
    except OSError as error:
        raise StudyError(f"The picture {path} in {source} is damaged; replace it.") from error
    if pixels.shape != (SIDE, SIDE, 3):
        raise StudyError(
            f"The picture {path} in {source} has {pixels.shape[1]} x {pixels.shape[0]} pixels; replace it by the "
            f"original of {SIDE} x {SIDE}."
        )
    return torch.from_numpy(pixels).permute(2, 0, 1).float() / 255.0
