"""How the study computes: threads, device, and one named generator for every random draw."""

from __future__ import annotations

import hashlib
import os
import resource
import sys
from pathlib import Path

import torch

import lib

ROOT = Path(lib.__file__).resolve().parents[1]

THREADS = 1
"""Torch threads per job. A constant, because another number gives other last bits. One is also the fastest
way to fill a machine: jobs run side by side, and a training step is no faster on two threads than on one."""


def settle() -> None:
    """Fix everything that could change a number between two runs on the same machine."""
    torch.set_num_threads(THREADS)
    # cuBLAS sums in a fixed order only with this workspace setting, read when CUDA starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def device() -> torch.device:
    """Where tensors live: the first GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def seed_of(*name: object) -> int:
    """The seed that belongs to a name, e.g. ``seed_of(0, "noise", 17)``; 63 bits of a SHA-256."""
    text = "/".join(str(part) for part in name)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*name: object) -> torch.Generator:
    """A CPU generator for one named purpose.

    Draws are made on the CPU on every machine, so that a GPU run uses the same noise and the same weights.
    """
    return torch.Generator().manual_seed(seed_of(*name))


def peak_memory_gb() -> float:
    """The largest resident memory of this process so far, in GB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e9 if sys.platform == "darwin" else 1e6)
