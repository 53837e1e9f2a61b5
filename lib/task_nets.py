"""Which of the nets of a study was trained on which confounded task."""

from __future__ import annotations

from collections.abc import Sequence

from lib.errors import StudyError
from lib.localisation import NATURAL
from lib.training import TrainedNet

TASKS = {"-half": "half", "-half-top": "half-top", "-shapes": "shape", "-shapes-digit": "digit"}
"""What stands behind the name of the natural data set -> how the nets of a task are called in tables and figures."""


def nets_by_task(nets: Sequence[TrainedNet], alone: bool = False) -> dict[str, TrainedNet]:
    """Say which net is which, by its data set: ``natural``, and the words of `TASKS`.

    Parameters
    ----------
    nets : in any order.
    alone : whether the natural net may stand alone, as in a study that has pairs of pictures besides.

    Raises
    ------
    StudyError
        If there is no net of a natural task, two of one task, one of another data set or architecture, or a net that
        names the digit beside a shape without one that names the shape.
    """
    found: dict[str, TrainedNet] = {}
    natural = min(nets, key=lambda net: len(net.recipe.dataset))
    for net in nets:
        suffix = net.recipe.dataset.removeprefix(natural.recipe.dataset)
        word = {"": NATURAL, **TASKS}.get(suffix)
        if word is None or net.recipe.model != natural.recipe.model:
            raise StudyError(
                f"The net {net.name} does not stand beside {natural.name}; models must name one net of a natural data "
                f"set, and nets of the same model on it with {', '.join(TASKS)} behind its name."
            )
        if word in found:
            raise StudyError(f"The nets {found[word].name} and {net.name} are of the same task; name one of them.")
        found[word] = net
    if (len(found) < 2 and not alone) or ("digit" in found and "shape" not in found):
        raise StudyError(
            f"models names {', '.join(net.name for net in nets)}; name the natural net and at least one of a task, and "
            "-shapes wherever there is -shapes-digit, because their images are the same."
        )
    return found


def truth(net: TrainedNet) -> dict[str, tuple[str, str]]:
    """What functions of this study are given of a net's data set, as ``parts_of`` of `lib.calls.Call`.

    All test images and labels, and of a task the regions and altered images as well.
    """
    dataset = net.recipe.dataset
    parts = {"test_images": "test_images", "test_labels": "test_labels"}
    if dataset.endswith(tuple(TASKS)):
        parts |= {"regions": "test_regions", "altered": "test_altered"}
    return {argument: (dataset, part) for argument, part in parts.items()}
