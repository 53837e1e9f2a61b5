"""Time the cascade of four methods on the `cnn`: ours, Quantus + Captum, and the naive limit, in one run.

The naive limit is the number of forward and backward passes that the maps ask for, times the measured cost of a bare
pass in its best batch: nobody who computes each map by itself can be faster. Run with `make bench`.
"""

from __future__ import annotations

import copy
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from captum.attr import GuidedBackprop, IntegratedGradients, NoiseTunnel, Saliency
from torch import Tensor, nn

from lib import compute, data, models
from lib.randomization import explained_classes, randomization_scores

METHODS = ["gradient", "integrated_gradients", "smoothgrad", "guided_backprop"]
PASSES = 1 + 50 + 50 + 1
IMAGES = 32
ROUNDS = 3


def seconds(function: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def seconds_per_pass(model: nn.Module, images: Tensor) -> float:
    """Cost of a bare forward and backward pass per image, in its best batch: the shortest of several tries."""
    frozen = copy.deepcopy(model).requires_grad_(False)

    def one_pass(inputs: Tensor) -> None:
        leaf = inputs.clone().requires_grad_(True)
        torch.autograd.grad(frozen(leaf)[:, 0].sum(), leaf)

    batches = [images.repeat(copies, 1, 1, 1) for copies in (1, 2, 4, 8)]
    return min(seconds(lambda inputs=inputs: one_pass(inputs)) / len(inputs) for inputs in batches for _ in range(8))


def captum_maps(model: nn.Module, inputs: Tensor, targets: Tensor, method: str) -> np.ndarray:
    """The same maps by Captum."""
    saliency = Saliency(model)
    if method == "gradient":
        maps = saliency.attribute(inputs, target=targets, abs=False)
    elif method == "integrated_gradients":
        maps = IntegratedGradients(model).attribute(inputs, target=targets, n_steps=50, internal_batch_size=128)
    elif method == "smoothgrad":
        tunnel = NoiseTunnel(saliency)
        maps = tunnel.attribute(
            inputs, nt_type="smoothgrad", nt_samples=50, nt_samples_batch_size=4, stdevs=0.15, target=targets, abs=False
        )
    else:
        maps = GuidedBackprop(model).attribute(inputs, target=targets)
    return maps.detach().numpy()


def quantus_cascade(model: nn.Module, images: Tensor, targets: Tensor) -> None:
    """Quantus' model parameter randomisation test, top-down, with Captum's maps and Spearman's correlation."""
    import quantus

    for method in METHODS:
        test = quantus.MPRT(
            similarity_func=quantus.similarity_func.correlation_spearman,
            layer_order="top_down",
            return_average_correlation=False,
            return_last_correlation=False,
            display_progressbar=False,
            disable_warnings=True,
        )

        def explain(model: nn.Module, inputs: np.ndarray, targets: np.ndarray, *, method: str = method, **_: object):
            return captum_maps(model, torch.as_tensor(inputs), torch.as_tensor(targets), method)

        test(
            model=model,
            x_batch=images.numpy(),
            y_batch=targets.numpy(),
            a_batch=None,
            explain_func=explain,
            batch_size=IMAGES,
            device="cpu",
        )


def main() -> None:
    """Print the table."""
    compute.settle()
    warnings.filterwarnings("ignore", module="captum")
    dataset = data.load("mnist-5k")
    images = dataset.test_images[data.balanced(dataset.test_labels, IMAGES)]
    model = models.build("cnn", compute.generator("bench")).eval()
    targets = explained_classes(model, images)
    stages = 1 + len(model.units)
    cost = ours = peers = float("inf")
    for _ in range(ROUNDS):
        # In turn, so that a busy moment of the machine does not fall on one of them alone.
        cost = min(cost, seconds_per_pass(model, images))
        ours = min(ours, seconds(lambda: randomization_scores(model, images, targets, METHODS, draws=1)))
        peers = min(peers, seconds(lambda: quantus_cascade(model, images, targets)))
    limit = cost * PASSES * stages * IMAGES
    print(f"{IMAGES} images, {stages} stages (the intact net, {stages - 1} units), {PASSES} passes per image and stage")
    print(f"{compute.THREADS} thread, best of {ROUNDS} rounds")
    print(f"bare pass           {1e3 * cost:6.3f} ms per image in its best batch")
    print(f"naive limit         {limit:6.2f} s")
    print(
        f"ours                {ours:6.2f} s = {ours / limit:.2f} x the limit (five metrics, null and ceiling included)"
    )
    print(f"Quantus + Captum    {peers:6.2f} s = {peers / limit:.2f} x the limit (one metric)")
    print(f"peak memory         {compute.peak_memory_gb():6.2f} GB")


if __name__ == "__main__":
    main()
