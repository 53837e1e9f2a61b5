"""The loop of training: batch by batch, with any optimiser and any course of its learning rate."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lib.progress import Progress

LOG_EVERY = 250
"""Iterations between two entries of a history."""


def fit(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    batches: Iterator[Tensor],
    optimizer: Optimizer,
    schedule: LRScheduler,
    progress: Progress,
) -> list[dict[str, float]]:
    """Minimise the cross-entropy of some images' labels, as long as a count of progress says.

    Parameters
    ----------
    model : in training mode; it is changed.
    images, labels : (N, C, H, W) and (N,), on the model's device.
    batches : indices of the images of each iteration.
    optimizer, schedule : of the model's parameters, and of the learning rate; both take a step in each iteration.
    progress : its total is the number of iterations.

    Returns
    -------
    The history: iteration, mean loss and accuracy on the batches since the last entry.
    """
    history: list[dict[str, float]] = []
    loss_sum, right, seen = 0.0, 0, 0
    for iteration in range(1, progress.total + 1):
        batch = next(batches)
        logits = model(images[batch])
        loss = F.cross_entropy(logits, labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        loss_sum += loss.item() * len(batch)
        right += int((logits.argmax(1) == labels[batch]).sum())
        seen += len(batch)
        if iteration % LOG_EVERY == 0 or iteration == progress.total:
            history.append({"iteration": iteration, "loss": loss_sum / seen, "accuracy": right / seen})
            loss_sum, right, seen = 0.0, 0, 0
        progress.step()
    return history
