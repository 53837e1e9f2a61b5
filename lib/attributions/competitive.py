"""Gradient ⊙ input after a competition: a class keeps the pixels for which no other class has a stronger claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lib import compute
from lib.attributions.base import Method
from lib.errors import StudyError
from lib.workspace import Workspace

KEEPS = ("competition", "random")


def rivals(logits: Tensor, targets: Tensor, count: int) -> Tensor:
    """The explained class of each image, then its count - 1 highest others: (N, count)."""
    return logits.scatter(1, targets.unsqueeze(1), float("inf")).topk(count).indices


def competition(workspace: Workspace, count: int) -> Tensor:
    """Gradient ⊙ input of the explained classes where they win among ``count`` classes, else 0: (N, C, H, W).

    One forward pass and a backward pass per class: on a CPU a third faster than copies of the images, one per class.
    """
    images = workspace.images.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        logits = workspace.model(images)
    classes = rivals(logits.detach(), workspace.targets, count)
    own = highest = lowest = torch.empty(0)
    for place in range(count):
        with torch.enable_grad():
            chosen = logits.gather(1, classes[:, place : place + 1]).sum()
            gradient = torch.autograd.grad(chosen, images, retain_graph=place + 1 < count)[0]
        product = workspace.images * gradient
        own = product if place == 0 else own
        highest = product if place == 0 else torch.maximum(highest, product)
        lowest = product if place == 0 else torch.minimum(lowest, product)
    wins = ((own >= 0) & (own == highest)) | ((own < 0) & (own == lowest))
    return torch.where(wins, own, 0.0)


@dataclass(frozen=True)
class CompetitiveGradientXInput(Method):
    r"""Competitive gradient ⊙ input (Gupta & Arora 2019): a class keeps what no other class claims more strongly.

    .. math:: E_i = h_{c,i}\, \mathbb 1\bigl[h_{c,i} \ge 0 \wedge h_{c,i} = \max_k h_{k,i}
              \ \vee\ h_{c,i} < 0 \wedge h_{c,i} = \min_k h_{k,i}\bigr], \quad
              h_k = x \odot \partial S_k / \partial x

    Classes compete for every value of the image by itself: for each channel of a pixel, in colour images. A tie is won.

    Attributes
    ----------
    keep : ``competition``, the rule above; ``random``, the control that keeps each value of :math:`h_c` with
        probability one over the number of competing classes, drawn anew for every image and every state of the model.
        Both put zeros into the map; only the first asks the model where.
    classes : how many classes compete, those of the highest logits beside the explained one; 0 for all.

    Needs
    -----
    A classifier with at least two outputs that can be differentiated; one backward pass per competing class.

    Undefined
    ---------
    It refuses a model with fewer outputs than compete. 0 wherever the image is 0 or the class loses, so many ties.
    """

    label: ClassVar[str] = "competitive_gradient_x_input"
    keep: str = "competition"
    classes: int = 0

    def __post_init__(self) -> None:
        self.check_word("keep", KEEPS)
        if self.classes < 0 or self.classes == 1:
            raise StudyError(
                f"{self.label}(classes=…) got {self.classes}; let at least 2 classes compete, or write 0 for all."
            )

    @property
    def stochastic(self) -> bool:  # type: ignore[override]
        """True of the random control only."""
        return self.keep == "random"

    def check(self, workspace: Workspace) -> None:
        """Refuse a model with fewer outputs than compete."""
        self._count(workspace)

    def _count(self, workspace: Workspace) -> int:
        """How many classes compete."""
        outputs = workspace.logits.shape[1]
        if outputs < max(2, self.classes):
            raise StudyError(
                f"{self.name} lets {max(2, self.classes)} or more classes compete, but the model has "
                f"{outputs}; make `classes` smaller, or leave the method out."
            )
        return self.classes or outputs

    def __call__(self, workspace: Workspace) -> Tensor:
        count = self._count(workspace)
        if self.keep == "competition":
            return competition(workspace, count)
        noise = workspace.noise
        names = ("competition", workspace.state)
        draws = [
            torch.rand(noise.shape, generator=compute.generator(noise.seed, noise.purpose, *names, image))
            for image in noise.image_ids
        ]
        kept = (torch.stack(draws) < 1 / count).to(workspace.images.device)
        return torch.where(kept, workspace.images * workspace.gradient, 0.0)
