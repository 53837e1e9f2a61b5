"""Reference images: what an image is compared with by the methods that explain a difference."""

from __future__ import annotations

import torch
from torch import Tensor

from lib.errors import StudyError
from lib.workspace import Workspace

REFERENCES = ("zero", "black", "mean", "pixelmin", "white")
"""``zero`` is 0 in the encoding that the model takes; the others are images of the workspace: the smallest pixel value
of the data, the mean image, the smallest value of each pixel, the largest pixel value of the data."""


def reference_image(workspace: Workspace, name: str, label: str) -> Tensor:
    """The reference image of a name.

    Parameters
    ----------
    workspace : has the images, and the references other than ``zero``.
    name : one of `REFERENCES`.
    label : the method that asks, for the message.

    Returns
    -------
    (C, H, W), of the images' type.

    Raises
    ------
    StudyError
        If the workspace does not have the reference, or has one of another shape than the images.
    """
    if name == "zero":
        return torch.zeros_like(workspace.images[0])
    shape = tuple(workspace.images.shape[1:])
    if name not in workspace.references:
        raise StudyError(
            f"{label}(reference={name}) needs a reference image called {name!r}; give "
            f"references={{{name!r}: tensor of shape {shape}}}, or take reference=zero."
        )
    reference = workspace.references[name]
    if tuple(reference.shape) != shape:
        raise StudyError(
            f"The reference {name!r} has the shape {tuple(reference.shape)}; it must be one image of the shape {shape}."
        )
    return reference.to(workspace.images) + 0.0  # makes -0.0 the same image as 0.0
