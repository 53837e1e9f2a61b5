"""Whether two networks compute the same: classes, logits, activations and gradients of all test images (J-01)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from lib import compute
from lib.compensation import compensated
from lib.shifts import named_shift
from lib.workspace import first_layer, hooked, working_copy

BLOCK = 100
"""Images in one block, of which the largest error is given."""


def equivalence_scores(
    model: nn.Module, *, shifts: Sequence[str], test_images: Tensor, test_labels: Tensor, **others: Any
) -> pd.DataFrame:
    """Compare a network with those that make up for shifts, on all images that no net is trained on.

    Parameters
    ----------
    model : sees its input through one dense or convolutional layer; it is copied, not changed.
    shifts : names of `lib.shifts.SHIFTS`.
    test_images, test_labels : (N, C, H, W) and (N,).
    others : what else a study gives to the functions it calls with a net; not used.

    Returns
    -------
    A table with the interventions ``network 1`` and ``network 2(<shift>)`` and the metrics ``accuracy`` (whether the
    class is right) and ``same_class`` (whether it is that of network 1), image by image; and ``relative_error`` against
    ``logits``, ``activations`` and ``gradient`` (of the logit of the class), the largest difference over the largest
    number of network 1, block by block of 100 images, in double precision.
    """
    compute.settle()
    first = working_copy(model).double()
    fields = {name: named_shift(name, tuple(test_images.shape[1:])).to(compute.device()) for name in shifts}
    seconds = {name: compensated(first, shift) for name, shift in fields.items()}
    blocks = []
    for block, start in enumerate(range(0, len(test_images), BLOCK)):
        images = test_images[start : start + BLOCK].double().to(compute.device())
        labels = test_labels[start : start + BLOCK].to(compute.device())
        logits, *inside = answers(first, first, images)
        classes = logits.argmax(1)
        blocks.append(_accuracy("network 1", classes, labels, None, start))
        for name, second in seconds.items():
            found = answers(first, second, images + fields[name], classes)
            label = f"network 2({name})"
            blocks.append(_accuracy(label, found[0].argmax(1), labels, classes, start))
            errors = [_error(a, b) for a, b in zip((logits, *inside), found, strict=True)]
            worst = {"logits": errors[0], "gradient": errors[-1], "activations": max(errors[1:-1])}
            against = pd.Series(worst, name="value").rename_axis("against").reset_index()
            blocks.append(against.assign(metric="relative_error", intervention=label, image=block, target=-1))
    return pd.concat(blocks, ignore_index=True).assign(level="none", step=0, draw=-1, method="none")


def answers(named: nn.Module, model: nn.Module, images: Tensor, classes: Tensor | None = None) -> list[Tensor]:
    """Logits (N, K), the outputs of all layers from the first on, and the gradient of one logit at the images.

    Parameters
    ----------
    named : its layers' names say which outputs.
    model : a network with modules of these names.
    classes : (N,) of the logits; default the predicted ones.
    """
    names = [name for name, module in named.named_modules() if name and not list(module.children())]
    start = first_layer(named, images)
    # What comes before the first layer, such as a reshaping of the images, is the images themselves.
    seen: list[tuple[str, Tensor]] = []
    inputs = images.detach().clone().requires_grad_(True)
    with ExitStack() as stack, torch.enable_grad():
        for name in names:
            note = partial(_note, seen, name)
            stack.enter_context(hooked(model.get_submodule(name), note))
        logits = model(inputs)
        chosen = logits.argmax(1) if classes is None else classes
        gradient = torch.autograd.grad(logits.gather(1, chosen.unsqueeze(1)).sum(), inputs)[0]
    from_first = [name for name, _ in seen].index(start or names[0])
    return [logits.detach(), *(output for _, output in seen[from_first:]), gradient]


def _note(seen: list[tuple[str, Tensor]], name: str, _module: nn.Module, _inputs: Any, output: Tensor) -> None:
    seen.append((name, output.detach()))


def _error(first: Tensor, second: Tensor) -> float:
    """The largest difference over the largest number of the first."""
    return float((second - first).abs().max() / first.abs().max())


def _accuracy(intervention: str, classes: Tensor, labels: Tensor, first: Tensor | None, start: int) -> pd.DataFrame:
    """Rows that say, image by image, whether a class is right, and whether it is that of network 1."""
    told = {"accuracy": classes == labels}
    if first is not None:
        told["same_class"] = classes == first
    tables = [
        pd.DataFrame({"metric": metric, "value": right.double().cpu(), "target": labels.cpu()})
        for metric, right in told.items()
    ]
    table = pd.concat([each.assign(image=range(start, start + len(each))) for each in tables])
    return table.assign(intervention=intervention, against="none")
