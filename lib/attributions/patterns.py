"""PatternNet and PatternAttribution: the signal that a net reads, and what it contributes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from lib.attributions.base import Method
from lib.backward_rules import modified_gradient
from lib.errors import StudyError
from lib.pattern_estimators import ESTIMATORS, Patterns, patterns_of
from lib.pattern_layers import pattern_layers
from lib.pattern_rule import PatternRule
from lib.workspace import Workspace

PATTERNS = ("own", "shared")


@dataclass(frozen=True)
class PatternNet(Method):
    r"""PatternNet (Kindermans et al. 2018).

    .. math:: R^L = S_c e_c, \quad R^{l-1} = A_l^\top R^l \text{ at a layer}, \quad
              R \leftarrow \mathbb 1[z > 0] \odot R \text{ at a ReLU}

    The columns of :math:`A_l^\top` are the patterns a of the layer's units, estimated on training images with
    :math:`w^\top a = 1`. A max-pooling window sends all to its maximum.

    Attributes
    ----------
    estimator : of units before a ReLU; the others have the linear pattern :math:`\mathrm{cov}[x, y] / \mathrm{var}[y]`
        always. ``two_component`` is proportional to :math:`E_+[xy] - E_+[x] E[y]`, as published; ``centred`` to
        :math:`E_+[xy] - E_+[x] E_+[y]`, which a shift of the inputs does not change; ``linear`` as the others.
    patterns : ``own`` estimates them for the model at hand, again whenever its weights change; ``shared`` takes those
        of the workspace's pattern source, with whatever weights the model has.

    Needs
    -----
    Dense and convolutional layers, ReLU, pooling, concatenation; training images, for shared patterns those of the
    pattern source.

    Undefined
    ---------
    For batch norm, sums, ReLU6 and other non-linearities; where something else than a ReLU, a layer or the logits takes
    a layer's output. A unit that is never active, or constant, has the pattern 0.
    """

    label: ClassVar[str] = "pattern_net"
    times_weights: ClassVar[bool] = False
    estimator: str = "two_component"
    patterns: str = "own"

    def __post_init__(self) -> None:
        self.check_word("estimator", ESTIMATORS)
        self.check_word("patterns", PATTERNS)

    def check(self, workspace: Workspace) -> None:
        """Refuse missing training images and layers without patterns; nothing is estimated yet."""
        pattern_layers(workspace.model, workspace.images)
        source, images = self._source(workspace)
        if source is not workspace:
            pattern_layers(source.model, images)

    def __call__(self, workspace: Workspace) -> Tensor:
        key = ("patterns", self.estimator, self.patterns)
        rule = PatternRule(workspace.once(key, lambda: self._estimate(workspace)), self.times_weights)
        (signal,) = modified_gradient(workspace.model, workspace.images, workspace.select, rule, workspace.logits)
        return workspace.select(workspace.logits).view(-1, 1, 1, 1) * signal

    def _estimate(self, workspace: Workspace) -> Patterns:
        source, images = self._source(workspace)
        return patterns_of(source.model, images.to(source.images), self.estimator)

    def _source(self, workspace: Workspace) -> tuple[Workspace, Tensor]:
        """The workspace whose patterns are taken, and its training images."""
        source = workspace.pattern_source if self.patterns == "shared" else workspace
        if source is None:
            raise StudyError(
                f"{self.name} needs a workspace with a pattern source; give pattern_source=…, or take patterns=own."
            )
        images, shape = source.training_images, tuple(source.images.shape[1:])
        if images is None:
            raise StudyError(
                f"{self.name} estimates patterns on training images, and there are none; give training_images=… of "
                f"the shape (M, {', '.join(map(str, shape))}), or leave the method out of `methods`."
            )
        if len(images) == 0 or tuple(images.shape[1:]) != shape:
            raise StudyError(
                f"The training images have the shape {tuple(images.shape)}; {self.name} needs at least one, each of "
                f"the shape {shape}."
            )
        return source, images


@dataclass(frozen=True)
class PatternAttribution(PatternNet):
    r"""PatternAttribution (Kindermans et al. 2018): PatternNet with each pattern times the weights.

    .. math:: R^L = S_c e_c, \quad R^{l-1} = (W_l \odot A_l)^\top R^l \text{ at a layer}, \quad
              R \leftarrow \mathbb 1[z > 0] \odot R \text{ at a ReLU}

    Because :math:`w^\top a = 1`, a layer without padding hands on all that it gets and leaves nothing to its bias; the
    ReLU below drops the share of its inactive units.

    Attributes
    ----------
    estimator, patterns : as for pattern_net.

    Needs
    -----
    As pattern_net.

    Undefined
    ---------
    As pattern_net.
    """

    label: ClassVar[str] = "pattern_attribution"
    times_weights: ClassVar[bool] = True
