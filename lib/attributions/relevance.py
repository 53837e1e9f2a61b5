"""Relevance propagation: epsilon-LRP, and deep Taylor decomposition with several rules for the first layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from lib.attributions.base import Method
from lib.attributions.reference import reference_image
from lib.errors import StudyError
from lib.relevance_rules import DeepTaylorRule, EpsilonRule, relevance
from lib.workspace import Workspace

SCALES = ("absolute", "layer")
BIASES = ("in", "out")


@dataclass(frozen=True)
class LRPEpsilon(Method):
    r"""Epsilon-LRP (Bach et al. 2015), in all layers.

    .. math:: R_i = \sum_j \frac{a_i w_{ij}}{n_j + \epsilon\,\mathrm{sign}(n_j)} R_j, \quad
              n_j = \sum_i a_i w_{ij} + b_j, \quad \mathrm{sign}(0) = 1

    It starts with the logit itself. ReLU and ReLU6 pass relevance on whole, a max-pooling window to its maximum.

    Attributes
    ----------
    epsilon : with 0, and without ReLU6, it is Gradient ⊙ input.
    scale : ``absolute``; or ``layer`` for epsilon times the largest :math:`|n_j|` of each layer and image, which a deep
        net with weights of 0.01 needs, because an absolute epsilon exceeds everything in it.
    bias : ``in`` as above; ``out`` leaves :math:`b_j` out of :math:`n_j`.

    Needs
    -----
    Images on which 0 means nothing. ReLU, ReLU6, pooling, batch norm, sums, dense and convolutional layers.

    Undefined
    ---------
    For other non-linearities (GELU, attention, softmax); with bias=out also for batch norm and sums. Where a
    denominator is 0 the relevance is lost.
    """

    label: ClassVar[str] = "lrp_epsilon"
    epsilon: float = 1e-4
    scale: str = "absolute"
    bias: str = "in"

    def __post_init__(self) -> None:
        self.check_word("scale", SCALES)
        self.check_word("bias", BIASES)
        if not 0 <= self.epsilon < float("inf"):
            raise StudyError(f"lrp_epsilon(epsilon=…) got {self.epsilon}; it needs a number >= 0.")

    def check(self, workspace: Workspace) -> None:
        """Run one pass with both guards of `lib.backward_rules`."""
        self(workspace)

    def __call__(self, workspace: Workspace) -> Tensor:
        return _relevance(workspace, EpsilonRule(self.epsilon, self.scale, self.bias))


@dataclass(frozen=True)
class DTDZero(Method):
    r"""Deep Taylor decomposition with the zero root (Kindermans et al. 2017): LRP-0, the z-rule, in all layers.

    .. math:: R_i = \sum_j \frac{a_i w_{ij}}{n_j} R_j, \quad n_j = \sum_i a_i w_{ij} + b_j, \quad 0/0 = 0

    Attributes
    ----------
    bias : ``in`` as above, which makes it Gradient ⊙ input on a net without ReLU6; ``out`` leaves :math:`b_j` out of
        :math:`n_j`, as the paper's formula does to the letter: then relevance is conserved, but a denominator may come
        near 0 or have the sign against :math:`R_j`.

    Needs
    -----
    As lrp_epsilon.

    Undefined
    ---------
    As lrp_epsilon.
    """

    label: ClassVar[str] = "dtd_zero"
    bias: str = "in"

    def __post_init__(self) -> None:
        self.check_word("bias", BIASES)

    def check(self, workspace: Workspace) -> None:
        """Run one pass with both guards of `lib.backward_rules`."""
        self(workspace)

    def __call__(self, workspace: Workspace) -> Tensor:
        return _relevance(workspace, EpsilonRule(0.0, "absolute", self.bias))


@dataclass(frozen=True)
class DTDZPlus(Method):
    r"""Deep Taylor decomposition with the z+ rule in all layers (Montavon et al. 2017).

    .. math:: R_i = \sum_j \frac{a_i w^+_{ij}}{\sum_{i'} a_{i'} w^+_{i'j}} R_j, \quad w^+ = \max(w, 0), \quad 0/0 = 0

    Needs
    -----
    Dense and convolutional layers, ReLU, pooling, concatenation; pixels >= 0.

    Undefined
    ---------
    For batch norm, sums and other non-linearities; for negative pixels; between layers without a ReLU.
    """

    label: ClassVar[str] = "dtd_zplus"
    first: ClassVar[str] = "zplus"

    def check(self, workspace: Workspace) -> None:
        """Run one pass with both guards of `lib.backward_rules`."""
        self(workspace)

    def __call__(self, workspace: Workspace) -> Tensor:
        return _relevance(workspace, DeepTaylorRule(workspace.images, self.first))


@dataclass(frozen=True)
class DTDW2(DTDZPlus):
    r"""Deep Taylor decomposition with w² in the first layer and z+ above (Montavon et al. 2017).

    .. math:: R_i = \sum_j \frac{w_{ij}^2}{\sum_{i'} w_{i'j}^2} R_j \quad\text{in the first layer}

    Needs
    -----
    Dense and convolutional layers, ReLU, pooling, concatenation; any pixels.

    Undefined
    ---------
    For batch norm, sums and other non-linearities; between layers without a ReLU.
    """

    label: ClassVar[str] = "dtd_w2"
    first: ClassVar[str] = "w2"


@dataclass(frozen=True)
class DTDZBox(Method):
    r"""Deep Taylor decomposition with zB in the first layer and z+ above (Montavon et al. 2017).

    .. math:: R_i = \sum_j \frac{x_i w_{ij} - l_i w^+_{ij} - h_i w^-_{ij}}
                               {\sum_{i'} (x_{i'} w_{i'j} - l_{i'} w^+_{i'j} - h_{i'} w^-_{i'j})} R_j
              \quad\text{in the first layer}

    Attributes
    ----------
    low, high : names of the reference images l and h, between which all pixels lie.

    Needs
    -----
    Dense and convolutional layers, ReLU, pooling, concatenation; the two reference images.

    Undefined
    ---------
    For batch norm, sums and other non-linearities; between layers without a ReLU; for pixels outside the box.
    """

    label: ClassVar[str] = "dtd_zbox"
    low: str = "black"
    high: str = "white"

    def check(self, workspace: Workspace) -> None:
        """Refuse pixels outside the box, then run one pass with both guards of `lib.backward_rules`."""
        low, high = self._box(workspace)
        if bool(((workspace.images < low) | (workspace.images > high)).any()):
            raise StudyError(
                f"Some pixels are below the reference {self.low!r} or above {self.high!r}, the box of dtd_zbox; name "
                "references between which all pixels lie."
            )
        self(workspace)

    def __call__(self, workspace: Workspace) -> Tensor:
        low, high = self._box(workspace)
        return _relevance(workspace, DeepTaylorRule(workspace.images, "zbox", low, high))

    def _box(self, workspace: Workspace) -> tuple[Tensor, Tensor]:
        return tuple(reference_image(workspace, name, self.label) for name in (self.low, self.high))  # type: ignore[return-value]


def _relevance(workspace: Workspace, rule: EpsilonRule | DeepTaylorRule) -> Tensor:
    return relevance(workspace.model, workspace.images, workspace.select, rule, workspace.logits)
