r"""Patterns: the direction in a layer's input of the signal that a unit reads (Kindermans et al. 2018).

A unit with weights w and pre-activation :math:`y = w^\top x + b` sees inputs :math:`x = a y + d`, a signal along its
pattern a and a distractor d. The pattern is estimated from the inputs that the layer has on training images:

.. math:: a = \frac{n}{w^\top n}, \qquad
          n = \begin{cases}
              \mathrm{cov}[x, y] = E[xy] - E[x]E[y] & \text{linear} \\
              E_+[xy] - E_+[x]\,E[y] & \text{two\_component, as published} \\
              \mathrm{cov}_+[x, y] = E_+[xy] - E_+[x]\,E_+[y] & \text{centred}
              \end{cases}

:math:`E_+` is the mean over the samples with :math:`y > 0`, E over all. The last two are for units before a ReLU; a
layer without one has the linear pattern in any case. The bias decides which samples have :math:`y > 0`; beyond that it
cancels in all three. A sample of a convolutional layer is a patch, at any position; patches at the borders hold zeros
where the layer pads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lib.backward_rules import BackwardRule
from lib.errors import StudyError
from lib.layer_calls import LinearCall
from lib.pattern_layers import PatternLayer, pattern_layers
from lib.workspace import chunks

ESTIMATORS = ("two_component", "linear", "centred")

_ROUNDING = 1e-12
"""Share of a sum's terms below which the sum is rounding of float64."""


@dataclass(frozen=True)
class Patterns:
    """The patterns of a net, one tensor for each call of a dense or convolutional layer, in the order of the calls.

    Attributes
    ----------
    names : names of the layers.
    directions : patterns a, each of the shape and type of the layer's weight; 0 for units without a pattern.
    """

    names: tuple[str, ...]
    directions: tuple[Tensor, ...]


def patterns(model: nn.Module, batches: Iterable[Tensor], estimator: str) -> Patterns:
    """Estimate the patterns of all layers in one pass over training images.

    Parameters
    ----------
    model : in evaluation mode, its parameters frozen.
    batches : training images (N, C, H, W), as the model takes them and on its device; how they are cut into batches
        changes no number beyond rounding.
    estimator : one of `ESTIMATORS`.

    Raises
    ------
    StudyError
        If the estimator is not known, there are no images, or the net is not one of `pattern_layers`.
    """
    if estimator not in ESTIMATORS:
        raise StudyError(f"The pattern estimator {estimator!r} is not known; choose one of {', '.join(ESTIMATORS)}.")
    collect: _Collect | None = None
    with torch.no_grad():
        for batch in batches:
            if collect is None:
                collect = _Collect(pattern_layers(model, batch), estimator)
            collect.run(model, batch)
    if collect is None:
        raise StudyError("There are no training images to estimate patterns on; give at least one batch.")
    directions = (
        moments.direction(estimator).to(layer.weight)
        for layer, moments in zip(collect.layers, collect.moments, strict=True)
    )
    return Patterns(tuple(layer.name for layer in collect.layers), tuple(directions))


class _Collect(BackwardRule):
    """Adds the samples of every layer to the layer's moments while the model runs."""

    def __init__(self, layers: tuple[PatternLayer, ...], estimator: str) -> None:
        super().__init__()
        self.layers = layers
        self.moments = [_Moments(each.before_relu and estimator != "linear") for each in layers]
        self.position = 0

    def run(self, model: nn.Module, batch: Tensor) -> None:
        """Run the model on one batch."""
        self.position = 0
        with self:
            model(batch)

    def linear(self, call: LinearCall) -> Tensor:
        """The layer as it is."""
        self.moments[self.position].add(call)
        self.position += 1
        return call.plain()


class _Moments:
    """Moments of the samples of one layer, added up batch by batch.

    Inputs are taken as deviations from the mean input of the first batch, outputs as deviations from each unit's mean
    there, in units of the largest. So a mean that is large beside the deviations costs no digits, and numbers near the
    end of float32 are not lost. Within a batch, deviations are multiplied in the model's precision, several times
    faster on a CPU; means, and sums over batches, are float64.

    Parameters
    ----------
    positive : whether only samples with ``y > 0`` count, unit by unit.
    """

    def __init__(self, positive: bool) -> None:
        self.positive = positive
        self._started = False

    def _start(self, call: LinearCall) -> None:
        middle = call.input.detach().double().mean(0, keepdim=True)
        self._middle = _Samples(replace(call, input=middle))
        y = self._middle.output
        self._unit_axis = y.dim() - (1 if call.func is F.linear else 3)
        self._y_of_middle = y if call.bias is None else y + self._for_outputs(call.bias.double(), y)
        """y of the mean input: (1, K, h, w) of a convolution, (1, K) of a dense layer."""
        self._weight = call.weight.detach().double()
        # Sums over images, at every position: the chosen samples, their y, and the y of all.
        self._chosen, self._chosen_y, self._all_y = (torch.zeros_like(y) for _ in range(3))
        self._images = 0
        # Sums over chosen samples, without the share of the mean input: of x, and of x y.
        self._sum_x, self._sum_xy = torch.zeros_like(self._weight), torch.zeros_like(self._weight)
        y = self._samples(call).output + self._y_of_middle
        chosen = (y > 0).double() if self.positive else torch.ones_like(y)
        self._shift = self._by_unit(y * chosen) / self._by_unit(chosen).clamp(min=1)
        largest = (y - self._for_outputs(self._shift, y)).abs().max()
        self._scale = torch.where(largest == 0, 1.0, largest)
        self._started = True

    def add(self, call: LinearCall) -> None:
        """Add the samples of one batch."""
        if not self._started:
            self._start(call)
        samples = self._samples(call)
        shift = self._for_outputs(self._shift, self._y_of_middle)
        y = samples.output + (self._y_of_middle - shift).to(samples.output.dtype)
        chosen = (y > -shift.to(y.dtype)).to(y.dtype) if self.positive else torch.ones_like(y)
        y /= self._scale.to(y.dtype)
        self._images += len(y)
        self._all_y += y.sum(0, keepdim=True)
        y *= chosen
        self._chosen += chosen.sum(0, keepdim=True)
        self._chosen_y += y.sum(0, keepdim=True)
        self._sum_x += samples.weighted_sum(chosen)
        self._sum_xy += samples.weighted_sum(y)

    def _samples(self, call: LinearCall) -> _Samples:
        deviations = call.input.detach() - self._middle.input
        return _Samples(replace(call, input=deviations.to(call.input.dtype)))

    def _for_outputs(self, units: Tensor, outputs: Tensor) -> Tensor:
        """One number per unit, to be combined with outputs."""
        return units.view([-1 if axis == self._unit_axis else 1 for axis in range(outputs.dim())])

    def _for_weights(self, units: Tensor) -> Tensor:
        """One number per unit, to be combined with weights."""
        return units.view(-1, *[1] * (self._weight.dim() - 1))

    def _by_unit(self, outputs: Tensor) -> Tensor:
        """Sums over all samples of each unit: (K,)."""
        return outputs.sum([axis for axis in range(outputs.dim()) if axis != self._unit_axis])

    def direction(self, estimator: str) -> Tensor:
        """The patterns: (K, ...), with ``w'a = 1``, or 0 where the denominator is 0 up to rounding."""
        count = self._by_unit(self._chosen).clamp(min=1)
        mean_y = self._by_unit(self._chosen_y) / count
        mean_x = (self._sum_x + self._middle.weighted_sum(self._chosen)) / self._for_weights(count)
        # With y centred on its mean, the mean input adds nothing but what differs from position to position.
        centred = self._chosen_y - self._chosen * self._for_outputs(mean_y, self._chosen)
        numerator = self._sum_xy - self._sum_x * self._for_weights(mean_y) + self._middle.weighted_sum(centred)
        numerator *= self._for_weights(self._scale / count)
        if estimator == "two_component" and self.positive:
            # E+[xy] - E+[x]E[y] is cov+[x, y] + E+[x] (E+[y] - E[y]).
            positions = self._all_y.numel() // len(self._weight)
            mean_of_all = self._by_unit(self._all_y) / (self._images * positions)
            numerator += mean_x * self._for_weights((mean_y - mean_of_all) * self._scale)
        denominator = torch.linalg.vecdot(self._weight.flatten(1), numerator.flatten(1))
        # A unit that is constant but for rounding has a variance of rounding beside the square of what it adds up.
        norm = _norm(self._weight)
        size = norm * _norm(mean_x) + (self._shift + mean_y * self._scale).abs()
        rounding = torch.maximum(_ROUNDING * norm * _norm(numerator), (_ROUNDING * size).square())
        return numerator / self._for_weights(torch.where(denominator.abs() <= rounding, torch.inf, denominator))


def _norm(weights: Tensor) -> Tensor:
    """The Euclidean norm for each unit: (K,)."""
    return weights.flatten(1).norm(dim=1)


class _Samples:
    """The inputs of a layer as samples: patches at all positions of a convolution.

    Parameters
    ----------
    call : the layer with its input, whose precision is that of all products.
    """

    def __init__(self, call: LinearCall) -> None:
        self.input = call.input
        self._weight = call.weight.detach().to(call.input.dtype).requires_grad_(True)
        with torch.enable_grad():
            self._output = call.without_bias(call.input, self._weight)
        self.output = self._output.detach()
        """``w'x`` of all samples."""

    def weighted_sum(self, factor: Tensor) -> Tensor:
        """The sum of ``factor * x`` over all samples, (K, ...), for a factor of the output's shape.

        It is the gradient of ``sum(factor * w'x)`` with respect to w, in any kind of layer, without its patches ever
        being written out.
        """
        return torch.autograd.grad(self._output, self._weight, factor, retain_graph=True)[0]


_KEPT: WeakKeyDictionary[nn.Module, tuple[str, dict[str, Patterns]]] = WeakKeyDictionary()
"""For each model, the state that its patterns were last estimated in, and the patterns by estimator."""


def patterns_of(model: nn.Module, images: Tensor, estimator: str) -> Patterns:
    """The patterns of a model, estimated once for each state of its weights.

    The state is read from the numbers themselves: weights are often loaded into one model in place, and the patterns
    of the old ones would be wrong without a sign of it. The patterns of the latest state are kept.

    Parameters
    ----------
    model : in evaluation mode, its parameters frozen.
    images : (N, C, H, W) training images, as the model takes them and on its device.
    estimator : one of `ESTIMATORS`.

    Raises
    ------
    StudyError
        As `patterns`.
    """
    state = _digest([*model.parameters(), *model.buffers(), images])
    if model not in _KEPT or _KEPT[model][0] != state:
        _KEPT[model] = (state, {})
    kept = _KEPT[model][1]
    if estimator not in kept:
        kept[estimator] = patterns(model, (images[part] for part in chunks(images)), estimator)
    return kept[estimator]


def _digest(tensors: Iterable[Tensor]) -> str:
    digest = hashlib.sha256()
    for each in tensors:
        digest.update(f"{tuple(each.shape)} {each.dtype}".encode())
        digest.update(each.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
