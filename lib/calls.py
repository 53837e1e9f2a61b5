"""One computation of a study that is not one function over all nets: what is called, and with what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lib import data
from lib.errors import StudyError
from lib.image_sets import check, image_set, photograph
from lib.sources import name_of
from lib.stored import code_of
from lib.training import TrainedNet


@dataclass(frozen=True)
class Call:
    """One call of a function of the library, with what decides its result.

    Attributes
    ----------
    function : returns a table of scores without the columns model, dataset and seed, or pictures.
    net : the net that the function is given, with images of its data set, see `lib.study.Study.examples`.
    images : name of the image set that the function is given instead.
    methods : written forms of attribution methods, given as ``methods`` if there are any.
    n_images, size : how many images, and the height and width of photographs.
    beside : argument -> further net whose model is given under this name.
    parts_of : argument -> data set and the part of it (an attribute of `lib.data.DataSet`) given under this name.
    settings : further arguments, plain values; ``costly`` holds methods too.
    """

    function: Callable[..., Any]
    net: TrainedNet | None = None
    images: str = ""
    methods: list[str] = field(default_factory=list)
    n_images: int = 0
    size: int = 0
    beside: Mapping[str, TrainedNet] = field(default_factory=dict)
    parts_of: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse a call without sense, and images that are not there."""
        if self.net is not None and self.images:
            raise StudyError("A call is given a net, with images of its own data set, or an image set; choose one.")
        if self.images:
            check(self.images, self.n_images, self.size)

    @property
    def nets(self) -> list[TrainedNet]:
        """All nets that take part."""
        own = [] if self.net is None else [self.net]
        return [*own, *self.beside.values()]

    @property
    def labels(self) -> dict[str, Any]:
        """The model, data set and seed that its rows are named by."""
        if self.net is None:
            return {"model": "none", "dataset": self.images or "none", "seed": 0}
        return {"model": self.net.recipe.model, "dataset": self.net.recipe.dataset, "seed": self.net.recipe.seed}

    @property
    def described(self) -> dict[str, Any]:
        """What decides the result, as plain values; the nets' keys stand beside it."""
        return {
            "function": name_of(self.function),
            "net": self.net.name if self.net else "",
            "images": self.images,
            "methods": self.methods,
            "n_images": self.n_images,
            "size": self.size,
            "beside": {name: net.name for name, net in self.beside.items()},
            "parts_of": {name: list(part) for name, part in self.parts_of.items()},
            "settings": dict(self.settings),
        }

    @property
    def code(self) -> list[Any]:
        """The code that decides the result, beside what decides a net's images."""
        code = code_of(self.function, [*self.methods, *self.settings.get("costly", [])])
        if self.images == "photos":
            code += [image_set, photograph]
        elif self.images:
            code += [image_set, data.balanced, data.references, *data.loaders(self.images)]
        return [*code, *(loader for name, _ in self.parts_of.values() for loader in data.loaders(name))]

    def arguments(self) -> dict[str, Any]:
        """What the function is given, beside the net with its images: settings, methods, other nets, an image set."""
        given: dict[str, Any] = dict(self.settings)
        if self.images:
            found = image_set(self.images, self.n_images, self.size)
            given |= {"images": found.images, "image_ids": found.image_ids, "background": found.background}
        if self.methods:
            given["methods"] = self.methods
        given |= {name: net.model for name, net in self.beside.items()}
        return given | {name: getattr(data.load(dataset), part) for name, (dataset, part) in self.parts_of.items()}
