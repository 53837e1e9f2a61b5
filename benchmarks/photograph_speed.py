"""Time every method for 8 images of 224x224 on EfficientNet-Lite0, beside Captum where it has the method.

Prints a table in Markdown and the largest memory of the process. Methods of many passes are timed with a tenth of
their samples or steps, whose number stands in the method's name: they stream, so time grows with it and memory does
not. `python benchmarks/photograph_speed.py`; the table in `photograph_speed.md` is the output of a run.
"""

from __future__ import annotations

import resource
import sys
import time
import warnings
from collections.abc import Callable

import torch
from captum import attr as captum
from torch import Tensor, nn

from lib import weights
from lib.attributions import attribute
from lib.workspace import working_copy

IMAGES = 8
METHODS = (
    "gradient",
    "gradient_x_input",
    "integrated_gradients(steps=5)",
    "smoothgrad(samples=5)",
    "vargrad(samples=5)",
    "ig_smoothgrad(samples=5,steps=2)",
    "guided_backprop",
    "deconvnet",
    "gradcam",
    "guided_gradcam",
    "deeplift",
    "lrp_epsilon(scale=layer)",
    "dtd_zero",
    "dtd_zplus",
    "dtd_w2",
    "dtd_zbox",
    "pattern_net",
    "meaningful_perturbation(iterations=10)",
    "competitive_gradient_x_input(classes=5)",
    "edge",
    "edge(detector=canny)",
    "input",
    "random",
)


def seconds(function: Callable[[], object]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def captums(model: nn.Module, images: Tensor, targets: Tensor) -> dict[str, Callable[[], Tensor]]:
    """Captum's counterparts, by our written form."""
    saliency = captum.Saliency(model)
    return {
        "gradient": lambda: saliency.attribute(images, target=targets, abs=False),
        "gradient_x_input": lambda: captum.InputXGradient(model).attribute(images, target=targets),
        "integrated_gradients(steps=5)": lambda: captum.IntegratedGradients(model).attribute(
            images, target=targets, n_steps=5, method="riemann_middle"
        ),
        "smoothgrad(samples=5)": lambda: captum.NoiseTunnel(saliency).attribute(
            images, nt_samples=5, nt_samples_batch_size=1, stdevs=0.15, target=targets, abs=False
        ),
        "guided_backprop": lambda: captum.GuidedBackprop(model).attribute(images, target=targets),
        "gradcam": lambda: captum.LayerGradCam(model, dict(model.named_modules())[model.gradcam_layer]).attribute(
            images, target=targets
        ),
        "deeplift": lambda: captum.DeepLift(model).attribute(images, target=targets),
        "lrp_epsilon(scale=layer)": lambda: captum.LRP(model).attribute(images, target=targets),
    }


def attempt(function: Callable[[], object]) -> float | None:
    """Seconds of a call; None if it refuses."""
    try:
        return seconds(function)
    except Exception as error:  # Captum refuses with whatever fails inside it
        print(f"{type(error).__name__}: {error}"[:200], file=sys.stderr)
        return None


def shown(number: float | None) -> str:
    """How a cell of the table is written."""
    return "refuses" if number is None else f"{number:.2f}"


def main() -> None:
    """Print the table."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    model = weights.load("efficientnet_lite0", "package").eval()
    images = torch.rand((IMAGES, 3, 224, 224), generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        targets = model(images).argmax(1)
    ours = {written: attempt(lambda: attribute(model, images, targets, [written])) for written in METHODS}  # noqa: B023
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    theirs = captums(working_copy(model), images.clone().requires_grad_(True), targets)
    bare = min(seconds(theirs["gradient"]) for _ in range(3))
    peers = {written: shown(attempt(function)) for written, function in theirs.items()}
    print(f"{IMAGES} images, torch {torch.__version__}, 1 thread. One bare forward and backward pass: {bare:.2f} s.")
    print(f"Largest memory with our methods: {memory:.2f} GiB.\n")
    print("| method | seconds | in bare passes | Captum, seconds |\n| --- | --- | --- | --- |")
    for written, spent in ours.items():
        passes = "–" if spent is None else f"{spent / bare:.1f}"
        print(f"| {written} | {shown(spent)} | {passes} | {peers.get(written, '–')} |")


if __name__ == "__main__":
    main()
