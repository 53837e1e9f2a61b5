"""A network of your own with pictures of your own: what the study of your model works on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import torch
from PIL import Image
from torch import Tensor, nn

from lib import compute, own_models, photographs
from lib.errors import StudyError
from lib.photograph_subjects import Subject
from lib.photographs import UNKNOWN, Entry
from lib.preprocessing import Encoding
from lib.randomization import explained_classes
from lib.workspace import chunks, working_copy

_AT_ONCE = 64
"""Pictures that are read before they go through the network."""


@dataclass(frozen=True)
class Given:
    """What a user says of model and pictures, as parameters hold it.

    Attributes
    ----------
    network, weights_of, units : see `lib.own_models.load_model`.
    crop, mean, std : see `lib.own_models.encoding_of`.
    dataset : see `lib.photographs.entries`.
    """

    network: str
    weights_of: str
    dataset: str
    crop: int
    mean: list[float]
    std: list[float]
    units: list[str]

    def load(self) -> tuple[nn.Module, Encoding]:
        """The network and how it takes pictures."""
        model = own_models.load_model(self.network, self.weights_of, self.units)
        return model, own_models.encoding_of(model, self.network, self.crop, self.mean, self.std)

    def encoded(self, encoding: Encoding, chosen: Sequence[Entry]) -> Tensor:
        """Pictures as the network takes them: (N, 3, H, W), or (N, 1, H, W) if ``mean`` is one number."""
        pictures = [photographs.picture(self.dataset, each) for each in chosen]
        if len(self.mean) != 1:
            return encoding.encode(pictures)
        grey = [Image.fromarray(each) if not isinstance(each, Image.Image) else each for each in pictures]
        return encoding.encode([each.convert("L") for each in grey])[:, :1]

    def subject(self, chosen: Sequence[Entry]) -> Subject:
        """The network with some pictures and the classes that it predicts."""
        compute.settle()
        model, encoding = self.load()
        images = self.encoded(encoding, chosen)
        return Subject(
            network=self.network,
            dataset=self.dataset.rstrip("/"),
            model=model,
            images=images,
            targets=explained_classes(model, images),
            labels=torch.tensor([each.label for each in chosen]),
            image_ids=[each.number for each in chosen],
            references=references_of(encoding, images),
        )

    def predictions(self) -> tuple[list[Entry], Tensor]:
        """All pictures of the list that have a class, and the class that the network predicts for each: (N,).

        Raises
        ------
        StudyError
            If the list has a class that the network does not.
        """
        known = [each for each in photographs.entries(self.dataset) if each.label != UNKNOWN]
        model, encoding = self.load()
        working = working_copy(model)
        found = [torch.empty(0, dtype=torch.int64)]
        with torch.no_grad():
            for logits in self._logits(working, encoding, known):
                worst = max(known, key=lambda each: each.label)
                if worst.label >= logits.shape[1]:
                    raise StudyError(
                        f"The list of {self.dataset} says that {worst.file} is of class {worst.label}, but the network "
                        f"has the classes 0 to {logits.shape[1] - 1}; correct the list."
                    )
                found.append(logits.argmax(1))
        return known, torch.cat(found)

    def _logits(self, working: nn.Module, encoding: Encoding, chosen: Sequence[Entry]) -> Iterator[Tensor]:
        for start in range(0, len(chosen), _AT_ONCE):
            images = self.encoded(encoding, chosen[start : start + _AT_ONCE])
            yield from (working(images[part].to(compute.device())).cpu() for part in chunks(images))


def references_of(encoding: Encoding, images: Tensor) -> dict[str, Tensor]:
    """The reference images of an encoding, with the channels of the encoded images (N, C, H, W): name -> (C, H, W)."""
    return {name: image[: images.shape[1]] for name, image in encoding.references().items()}


SETTINGS = tuple(Given.__dataclass_fields__)
"""The names of what `Given` holds."""


def settings_of(given: Given) -> dict[str, object]:
    """`Given` as settings of a computation of a study, with what tells its files and code from others.

    Raises
    ------
    StudyError
        If a file cannot be read.
    """
    every = photographs.entries(given.dataset)
    try:
        pictures = photographs.digest(given.dataset, every)
    except OSError as error:
        raise StudyError(
            f"The picture {error.filename} cannot be read; replace it, or take it off the list."
        ) from error
    return asdict(given) | {"files_digest": f"{own_models.digest(given.network, given.weights_of)} {pictures}"}
