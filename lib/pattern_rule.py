"""PatternNet and PatternAttribution as a backward rule (Kindermans et al. 2018).

The signal is the gradient's, but every dense or convolutional layer sends it back through the patterns of its units in
place of their weights, or through the products of both. Masks of ReLUs and winners of max-pooling stay; so does the
gradient of average pooling and concatenation.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lib.backward_rules import BackwardRule
from lib.errors import StudyError
from lib.layer_calls import LinearCall
from lib.pattern_estimators import Patterns
from lib.relevance_rules import OF_LAYERS, ROUTES


class PatternRule(BackwardRule):
    """The backward pass with other weights.

    Parameters
    ----------
    patterns : of the model that runs, or of one with the same layers.
    times_weights : False for PatternNet, a in place of w; True for PatternAttribution, ``w * a``.
    """

    defined_for = OF_LAYERS
    passive = ROUTES

    def __init__(self, patterns: Patterns, times_weights: bool) -> None:
        super().__init__()
        self.title = "PatternAttribution" if times_weights else "PatternNet"
        self.patterns, self.times_weights = patterns, times_weights
        self.position = 0

    def linear(self, call: LinearCall) -> Tensor:
        """The layer's values, with the graph of the layer with other weights."""
        known = self.patterns.directions[self.position] if self.position < len(self.patterns.directions) else None
        if known is None or known.shape != call.weight.shape:
            raise StudyError(
                f"The patterns are of other layers ({', '.join(self.patterns.names)}): number {self.position + 1} "
                f"of this model has weights {tuple(call.weight.shape)}; share patterns between models of one "
                "architecture only."
            )
        self.position += 1
        direction = known.to(call.weight)
        proxy = call.without_bias(call.input, call.weight * direction if self.times_weights else direction)
        return _InPlaceOf.apply(proxy, call)


class _InPlaceOf(torch.autograd.Function):
    """Gives a layer's own values forward, and sends the signal back to the layer that stands in its place."""

    @staticmethod
    def forward(ctx: Any, proxy: Tensor, call: LinearCall) -> Tensor:
        return call.plain()

    @staticmethod
    def backward(ctx: Any, signal: Tensor) -> tuple[Tensor, None]:
        return signal, None
