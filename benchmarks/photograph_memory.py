"""Peak memory and time of a cascade on photographs, by the number of images.

Each number of images in a process of its own. `python benchmarks/photograph_memory.py`; the table in
`photograph_memory.md` is the output of a run.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time

import torch

from lib import compute, image_models
from lib.randomization import explained_classes, randomization_scores

COUNTS = (8, 32, 128)
METHODS = ("gradient", "guided_backprop", "gradcam", "smoothgrad(samples=2)")
METRICS = ("spearman_abs", "spearman", "ssim", "hog")


def one(count: int) -> None:
    """Print the seconds and the peak memory of one run."""
    compute.settle()
    model = image_models.build("squeezenet1_0", compute.generator("memory"))
    # Two units, so that most of the time goes into maps and metrics, as in a long cascade.
    model.units = {"features": ("features",), "classifier": ("classifier",)}  # type: ignore[assignment]
    images = torch.rand(count, 3, 224, 224, generator=compute.generator("photographs"))
    targets = explained_classes(model, images)
    started = time.perf_counter()
    randomization_scores(model, images, targets, METHODS, draws=1, metrics=METRICS)
    seconds = time.perf_counter() - started
    # ru_maxrss is in kilobytes on Linux.
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def main() -> None:
    """Print the table."""
    print("| images | seconds | seconds per image | peak memory, GiB |\n| --- | --- | --- | --- |")
    for count in COUNTS:
        command = [sys.executable, __file__, str(count)]
        found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        seconds, memory = map(float, found[-2:])
        print(f"| {count} | {seconds:.1f} | {seconds / count:.2f} | {memory:.2f} |", flush=True)


if __name__ == "__main__":
    one(int(sys.argv[1])) if len(sys.argv) > 1 else main()
