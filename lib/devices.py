"""Where a user wants to compute; `lib.compute.device` is where it happens."""

from __future__ import annotations

import os

from lib import compute
from lib.errors import StudyError

DEVICES = ("", "cpu", "cuda")


def choose(name: str) -> None:
    """Compute on the CPU or on a GPU, as a user says; to be called before anything is on a device.

    Parameters
    ----------
    name : ``cpu``, ``cuda``, or empty for the first GPU if there is one, else the CPU.

    Raises
    ------
    StudyError
        If the name is another one, or the device is not to be had.
    """
    if name not in DEVICES:
        raise StudyError(f"device is {name!r}; write cpu, cuda, or nothing for the first GPU if there is one.")
    if name == "cpu":
        # Read when CUDA starts. A hidden GPU is one that no code can take, a method of the user's own included.
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    found = compute.device().type
    if name == "cpu" and found != name:
        raise StudyError("device is cpu, but this process has used a GPU before; restart it, in Jupyter the kernel.")
    if name == "cuda" and found != name:
        raise StudyError("device is cuda, but PyTorch sees no GPU; leave device empty or write cpu.")
