"""Meaningful perturbation: the smallest part of the image whose deletion takes the class away, found by optimisation.

The mask is optimised through what it deletes, 1 - m, so that a mask that deletes nothing gives a map of exact zeros.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from lib import compute
from lib.attributions.base import Method
from lib.errors import StudyError
from lib.workspace import Workspace

FILLS = ("blur", "zero")
STARTS = ("disc", "half")

SPARSITY = 1e-4
SMOOTHNESS = 1e-2
"""Weights of the first and second term of the objective, for a mask of `CELLS` cells; both terms are sums over cells,
so a mask of fewer cells has larger weights."""
CELLS = 28 * 28
EXPONENT = 3
LEARNING_RATE = 0.1
SUPPRESSED = 0.99
"""Share of the loss of score under full deletion that the disc at the start must reach."""


@dataclass(frozen=True)
class Setting:
    """How masks are made for images of some size.

    Attributes
    ----------
    cells : rows and columns of the mask (fewer where the image has fewer pixels).
    side : the longer side of an image, in pixels, for which the two standard deviations hold; they grow with the image.
    mask_blur : standard deviation in pixels of the Gaussian over the up-sampled mask.
    fill_blur : standard deviation in pixels of the Gaussian that makes the fill ``blur``.
    jitter : largest shift of the image under the mask, in pixels, drawn anew in every iteration.
    spread : half width of the uniform noise added to the mask's start; without jitter it is all that makes a second
        run another run.
    """

    cells: int
    side: int
    mask_blur: float
    fill_blur: float
    jitter: int
    spread: float


SMALL = Setting(cells=14, side=28, mask_blur=1, fill_blur=3, jitter=0, spread=0.05)
LARGE = Setting(cells=28, side=224, mask_blur=5, fill_blur=10, jitter=3, spread=0)
SMALL_SIDE = 64
"""The longest side, in pixels, of an image that `SMALL` is for."""


class Perturbation(NamedTuple):
    """What was found for each image.

    Attributes
    ----------
    deleted : how much of each pixel the mask deletes, :math:`1 - m` up-sampled and blurred: (N, 1, H, W), 0 to 1.
    probability : softmax probability of the explained class for the perturbed image: (N,).
    """

    deleted: Tensor
    probability: Tensor


@dataclass(frozen=True)
class Canvas:
    """Images, what takes the place of deleted pixels, and how the cells of a mask spread over pixels.

    Attributes
    ----------
    images, fill : (N, C, H, W).
    rows, columns : share of each cell in each row (H, h) and column (W, w) of pixels. Bilinear up-sampling and
        Gaussian blur both act on rows and columns separately, so each is one matrix per axis.
    """

    images: Tensor
    fill: Tensor
    rows: Tensor
    columns: Tensor

    @classmethod
    def of(cls, images: Tensor, fill: str, setting: Setting) -> Canvas:
        """The canvas of some images with a fill of `FILLS`."""
        height, width = images.shape[2:]
        scale = max(height, width) / setting.side
        rows, columns = (
            (blur(side, setting.mask_blur * scale) @ up_sampling(min(setting.cells, side), side)).to(images)
            for side in (height, width)
        )
        if fill == "zero":
            return cls(images, torch.zeros_like(images), rows, columns)
        down, across = (blur(side, setting.fill_blur * scale).to(images) for side in (height, width))
        return cls(images, down @ images @ across.T, rows, columns)

    def fine(self, deleted: Tensor) -> Tensor:
        """Spread cells (N, h, w) over pixels: (N, 1, H, W)."""
        return (self.rows @ deleted @ self.columns.T).unsqueeze(1)

    def perturb(self, deleted: Tensor) -> Tensor:
        """The images with some of each cell replaced by the fill: (N, C, H, W)."""
        return torch.lerp(self.images, self.fill, self.fine(deleted))

    def shifted(self, shifts: Tensor) -> Canvas:
        """The images moved under the mask by (down, right) pixels each, (N, 2); pixels at the border are repeated."""
        shifts = shifts.to(self.images.device)
        height, width = (
            (torch.arange(side, device=shifts.device) - shift.unsqueeze(1)).clamp(0, side - 1)
            for side, shift in zip(self.images.shape[2:], shifts.unbind(1), strict=True)
        )
        number = torch.arange(len(shifts), device=shifts.device).view(-1, 1, 1)
        images, fill = (
            tensor[number, :, height.unsqueeze(2), width.unsqueeze(1)].movedim(3, 1)
            for tensor in (self.images, self.fill)
        )
        return Canvas(images, fill, self.rows, self.columns)


def blur(side: int, sigma: float) -> Tensor:
    """A Gaussian over pixels in a row, cut off at 4 sigma, border pixels repeated outside: (side, side), float64."""
    reach = int(4 * sigma + 0.5)
    offsets = torch.arange(-reach, reach + 1)
    weights = torch.softmax(-0.5 * (offsets.double() / sigma).square(), 0)
    places = torch.arange(side).unsqueeze(1)
    matrix = torch.zeros(side, side, dtype=torch.float64)
    return matrix.index_put_(
        (places.expand(-1, len(offsets)), (places + offsets).clamp(0, side - 1)),
        weights.expand(side, -1),
        accumulate=True,
    )


def up_sampling(cells: int, side: int) -> Tensor:
    """Linear interpolation of cells in a row to pixels: (side, cells), float64."""
    each = torch.eye(cells, dtype=torch.float64).unsqueeze(1)
    return F.interpolate(each, size=side, mode="linear", align_corners=False).squeeze(1).T


def probability(workspace: Workspace, images: Tensor) -> Tensor:
    """Softmax probability of the explained classes for altered images: (N,)."""
    return workspace.select(workspace.model(images).softmax(1))


def penalty(deleted: Tensor) -> Tensor:
    r"""The first two terms of the objective, for masks given by what they delete, (N, h, w): (N,).

    The gradient of a mask is its forward differences, none at the last row and column.
    """
    share = CELLS / deleted[0].numel()
    steps = (deleted.diff(dim=axis).abs().pow(EXPONENT).sum((1, 2)) for axis in (1, 2))
    return share * (SPARSITY * deleted.sum((1, 2)) + SMOOTHNESS * sum(steps))


def objective(workspace: Workspace, canvas: Canvas, deleted: Tensor) -> Tensor:
    """What is minimised for each image: (N,)."""
    return penalty(deleted) + probability(workspace, canvas.perturb(deleted))


def suppressing_disc(workspace: Workspace, canvas: Canvas) -> Tensor:
    """The smallest centred disc of deleted cells that suppresses the score as deleting all cells does: (N, h, w).

    It is empty for an image whose score is not lowered by deleting all cells.
    """
    height, width = canvas.rows.shape[1], canvas.columns.shape[1]
    from_centre = torch.hypot(
        torch.arange(height).unsqueeze(1) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2
    )
    discs = torch.stack([from_centre < radius for radius in range(math.ceil(float(from_centre.max())) + 2)])
    discs = discs.to(canvas.images)
    with torch.no_grad():
        scores = torch.stack([probability(workspace, canvas.perturb(disc.unsqueeze(0))) for disc in discs])
    enough = scores <= scores[0] - SUPPRESSED * (scores[0] - scores[-1])
    return discs[enough.int().argmax(0)]


def perturbed(workspace: Workspace, fill: str = "blur", start: str = "disc", iterations: int = 300) -> Perturbation:
    """Optimise the masks of all images of a workspace, once per workspace.

    Parameters
    ----------
    workspace : the images, the model, and the seed and purpose of the random draws.
    fill, start : of `FILLS` and `STARTS`.
    iterations : steps of Adam.
    """
    return workspace.once(
        ("meaningful perturbation", fill, start, iterations), lambda: _optimise(workspace, fill, start, iterations)
    )


def _optimise(workspace: Workspace, fill: str, start: str, iterations: int) -> Perturbation:
    """One Adam over the masks of all images: it moves each cell by that cell's own gradients alone."""
    images, noise = workspace.images, workspace.noise
    setting = SMALL if max(images.shape[2:]) <= SMALL_SIDE else LARGE
    canvas = Canvas.of(images, fill, setting)
    generators = [compute.generator(noise.seed, noise.purpose, "perturbation", image) for image in noise.image_ids]
    shape = (canvas.rows.shape[1], canvas.columns.shape[1])
    noise_at_start = torch.stack([2 * torch.rand(shape, generator=each) - 1 for each in generators]).to(images)
    middle = suppressing_disc(workspace, canvas) if start == "disc" else torch.full_like(noise_at_start, 0.5)
    deleted = (middle + setting.spread * noise_at_start).clamp(0, 1).requires_grad_(True)
    jitter = setting.jitter
    shifts = [torch.randint(-jitter, jitter + 1, (iterations, 2), generator=each) for each in generators]
    adam = torch.optim.Adam([deleted], lr=LEARNING_RATE)
    for shift in torch.stack(shifts, dim=1):
        moved = canvas.shifted(shift) if jitter else canvas
        with torch.enable_grad():
            (deleted.grad,) = torch.autograd.grad(objective(workspace, moved, deleted).sum(), deleted)
        adam.step()
        with torch.no_grad():
            deleted.clamp_(0, 1)
    with torch.no_grad():
        return Perturbation(canvas.fine(deleted), probability(workspace, canvas.perturb(deleted)))


@dataclass(frozen=True)
class MeaningfulPerturbation(Method):
    r"""Meaningful perturbation (Fong & Vedaldi 2017): the mask of the smallest deletion that takes the class away.

    .. math:: E = 1 - m, \quad m = \arg\min_m\ \lambda_1 \lVert 1 - m \rVert_1
              + \lambda_2 \sum_u \lVert \nabla m(u) \rVert_\beta^\beta
              + \mathbb E_\tau\bigl[f_c\bigl(m \odot x_\tau + (1 - m) \odot p_\tau\bigr)\bigr]

    with the softmax probability :math:`f_c`, not the logit. The mask of :math:`h \times w` cells in [0, 1] is
    up-sampled bilinearly and blurred before it meets the image, and the map is :math:`1 - m` after both, copied to all
    channels, never negative. :math:`\lambda_1 = 10^{-4} \cdot 28^2/(hw)`, :math:`\lambda_2 = 10^{-2} \cdot
    28^2/(hw)`, :math:`\beta = 3`; Adam with rate 0.1; the cells are cut to [0, 1] after each step.

    Images with sides up to 64 pixels (`SMALL`): 14x14 cells, blurred by 1 pixel at 28x28 (in proportion at other
    sizes), no shift :math:`\tau`, a start with uniform noise of :math:`\pm 0.05` per cell, drawn per image. Larger ones
    (`LARGE`): 28x28 cells, blurred by 5 pixels at 224x224, shifts of up to 3 pixels along each axis with equal
    probability, drawn per image and iteration, a start without noise.

    Attributes
    ----------
    fill : what takes the place of deleted pixels, :math:`p`: ``blur``, the image blurred by 3 pixels at 28x28 or by 10
        at 224x224; ``zero``, 0 in the encoding that the model takes.
    start : ``disc`` deletes the smallest centred disc that takes away 99 % of the score that full deletion takes;
        ``half`` starts at :math:`m = 0.5`, from where many masks end empty: a net may be sure of its class on half a
        digit, and then feels no gradient.
    iterations : steps of Adam.

    Needs
    -----
    A classifier with at least two outputs that can be differentiated; 300 forward and backward passes.

    Undefined
    ---------
    It refuses a model with one output. The score competes with the fixed :math:`\lambda`: where it hardly depends on
    the image, as in a re-initialised net, these decide, nothing is deleted, and the map is exactly 0.
    """

    label: ClassVar[str] = "meaningful_perturbation"
    stochastic: ClassVar[bool] = True
    fill: str = "blur"
    start: str = "disc"
    iterations: int = 300

    def __post_init__(self) -> None:
        self.check_word("fill", FILLS)
        self.check_word("start", STARTS)
        if self.iterations < 1:
            raise StudyError(f"{self.label}(iterations=…) got {self.iterations}; it needs at least 1.")

    def check(self, workspace: Workspace) -> None:
        """Refuse a model whose softmax is always 1."""
        with torch.no_grad():
            outputs = workspace.model(workspace.images).shape[1]
        if outputs < 2:
            raise StudyError(
                f"{self.label} explains the softmax probability, which is always 1 for a model with one output; leave "
                "it out of `methods`."
            )

    def __call__(self, workspace: Workspace) -> Tensor:
        return perturbed(workspace, self.fill, self.start, self.iterations).deleted.expand_as(workspace.images)
