"""Where, when and with what a number was computed."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from lib import compute
from lib.compute import ROOT


def circumstances() -> dict[str, Any]:
    """Where and with what this process computes."""
    import torchvision

    device = compute.device()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "threads": compute.THREADS,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
            "numpy": np.__version__,
        },
        "commit": _commit(),
        "made_by": "notebook" if in_notebook() else "script",
    }


def _commit() -> str:
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        changed = subprocess.run(
            ["git", "status", "--porcelain", "lib", "notebooks", "params"], cwd=ROOT, capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+changes" if changed.stdout.strip() else "")


def in_notebook() -> bool:
    """Whether an IPython kernel runs this process."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return get_ipython() is not None
