"""Slow, plain re-implementations for one image at a time; nothing here uses the library's own computations."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from scipy import ndimage
from torch import Tensor, nn


def plain_gradient(model: nn.Module, x: Tensor, target: int) -> Tensor:
    x = x.clone().requires_grad_(True)
    return torch.autograd.grad(model(x[None])[0, target], x)[0]


def nodes(output: Tensor) -> list:
    """All autograd nodes behind a tensor."""
    found, waiting = [], [output.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in found:
            found.append(node)
            waiting.extend(parent for parent, _ in node.next_functions)
    return found


def node_hook_guided_backprop(model: nn.Module, x: Tensor, targets: Tensor) -> tuple[Tensor, int]:
    """Guided Backprop of a batch by clamping the signal before each ReLU node of the plain graph; maps and calls.

    The nodes are those of the untouched forward pass, so functional, in-place and reused ReLUs are all found, and a
    skip connection beside a ReLU stays unclamped.
    """
    return _hooked(
        model, x, targets, lambda node: node.register_prehook(lambda signals: tuple(r.clamp(min=0) for r in signals))
    )


def node_hook_deconvnet(model: nn.Module, x: Tensor, targets: Tensor) -> tuple[Tensor, int]:
    """DeconvNet of a batch: what each ReLU node gives back is thrown away for the clamped signal it was given."""
    return _hooked(
        model, x, targets, lambda node: node.register_hook(lambda _, signals: tuple(r.clamp(min=0) for r in signals))
    )


def _hooked(model: nn.Module, x: Tensor, targets: Tensor, put_hook: Callable) -> tuple[Tensor, int]:
    x = x.clone().requires_grad_(True)
    logits = model(x)
    rectifiers = [node for node in nodes(logits) if node.name() in ("ReluBackward0", "HardtanhBackward0")]
    for node in rectifiers:
        put_hook(node)
    picked = logits.gather(1, targets.unsqueeze(1)).sum()
    return torch.autograd.grad(picked, x)[0], len(rectifiers)


def plain_guided_backprop(model: nn.Module, x: Tensor, target: int) -> Tensor:
    return node_hook_guided_backprop(model, x[None], torch.tensor([target]))[0][0]


def plain_deconvnet(model: nn.Module, x: Tensor, target: int) -> Tensor:
    return node_hook_deconvnet(model, x[None], torch.tensor([target]))[0][0]


def plain_integrated_gradients(
    model: nn.Module, x: Tensor, target: int, steps: int, reference: Tensor | None = None, ends: bool = False
) -> Tensor:
    """Nodes in the middle of n equal parts of the path, or from one end of it to the other."""
    start = torch.zeros_like(x) if reference is None else reference
    places = [i / (steps - 1) if ends else (i + 0.5) / steps for i in range(steps)]
    total = sum(plain_gradient(model, (1 - place) * start + place * x, target) for place in places)
    return (x - start) * total / steps


def of_noisy_copies(explain: Callable[[Tensor], Tensor], x: Tensor, noise: Tensor, level: float = 0.15) -> Tensor:
    """The maps of all noisy copies of one image, stacked."""
    sigma = level * (x.max() - x.min())
    return torch.stack([explain(x + sigma * each) for each in noise.to(x)])


def plain_smoothgrad(model: nn.Module, x: Tensor, target: int, noise: Tensor, level: float = 0.15) -> Tensor:
    return of_noisy_copies(lambda copy: plain_gradient(model, copy, target), x, noise, level).mean(0)


def variance(maps: Tensor) -> Tensor:
    """Population variance in two passes."""
    return (maps - maps.mean(0)).square().mean(0)


def plain_vargrad(model: nn.Module, x: Tensor, target: int, noise: Tensor, level: float = 0.15) -> Tensor:
    return variance(of_noisy_copies(lambda copy: plain_gradient(model, copy, target), x, noise, level))


def activation_and_gradient(model: nn.Module, x: Tensor, target: int, layer: str) -> tuple[Tensor, Tensor]:
    """A layer's output (K, h, w) and the gradient there, by finite code: record the value, then a tensor hook."""
    kept: dict[str, Tensor] = {}

    def record(_module: nn.Module, _inputs: tuple, output: Tensor) -> Tensor:
        kept["value"] = output.detach().clone()
        output.register_hook(lambda gradient: kept.__setitem__("gradient", gradient.clone()))
        return output.clone()

    handle = dict(model.named_modules())[layer].register_forward_hook(record)
    x = x[None].clone().requires_grad_(True)
    model(x)[0, target].backward(inputs=[x])
    handle.remove()
    return kept["value"][0], kept["gradient"][0]


def bilinear(coarse: Tensor, height: int, width: int) -> Tensor:
    """Bilinear up-sampling with half-pixel centres and clamped borders, pixel by pixel: (h, w) -> (height, width)."""
    h, w = coarse.shape
    fine = torch.zeros(height, width, dtype=coarse.dtype)
    for i in range(height):
        for j in range(width):
            y, x = max((i + 0.5) * h / height - 0.5, 0.0), max((j + 0.5) * w / width - 0.5, 0.0)
            top, left = int(y), int(x)
            bottom, right = min(top + 1, h - 1), min(left + 1, w - 1)
            v, u = y - top, x - left
            fine[i, j] = (
                (1 - v) * (1 - u) * coarse[top, left]
                + (1 - v) * u * coarse[top, right]
                + v * (1 - u) * coarse[bottom, left]
                + v * u * coarse[bottom, right]
            )
    return fine


def plain_gradcam(model: nn.Module, x: Tensor, target: int) -> Tensor:
    value, gradient = activation_and_gradient(model, x, target, model.gradcam_layer)
    coarse = torch.zeros(value.shape[1:], dtype=x.dtype)
    for k in range(len(value)):
        coarse += gradient[k].mean() * value[k]
    return bilinear(coarse.clamp(min=0), *x.shape[1:]).expand_as(x)


def plain_competition(model: nn.Module, x: Tensor, target: int, classes: int = 4) -> Tensor:
    """Gradient times input where the class has the strongest claim, value by value; each class explained alone."""
    scores = model(x[None])[0].tolist()
    others = sorted((c for c in range(len(scores)) if c != target), key=lambda c: -scores[c])[: classes - 1]
    claims = [(x * plain_gradient(model, x, c)).flatten().tolist() for c in (target, *others)]
    found = []
    for own, *rest in zip(*claims, strict=True):
        wins = all(own >= other for other in rest) if own >= 0 else all(own <= other for other in rest)
        found.append(own if wins else 0.0)
    return torch.tensor(found, dtype=x.dtype).view_as(x)


def plain_scharr(x: Tensor) -> Tensor:
    """Scharr magnitude from every pixel's nine neighbours, those outside mirrored; scaled as `plain_edge`."""
    grey, (height, width) = x.mean(0), x.shape[1:]
    found = torch.zeros(height, width, dtype=x.dtype)
    for i in range(height):
        for j in range(width):
            down = across = 0.0
            for k, weight in ((-1, 3 / 16), (0, 10 / 16), (1, 3 / 16)):
                down += weight * (_mirrored(grey, i + 1, j + k) - _mirrored(grey, i - 1, j + k))
                across += weight * (_mirrored(grey, i + k, j + 1) - _mirrored(grey, i + k, j - 1))
            found[i, j] = ((down**2 + across**2) / 2) ** 0.5
    return found.expand_as(x)


def plain_laplacian_of_gaussian(x: Tensor, sigma: float = 1.0) -> Tensor:
    """Absolute sum over the neighbours within 4 sigma, weighted by a Laplacian of Gaussian that sums to 0."""
    grey, (height, width), reach = x.mean(0), x.shape[1:], int(4 * sigma + 0.5)
    bell = {k: math.exp(-(k**2) / (2 * sigma**2)) for k in range(-reach, reach + 1)}
    total = sum(bell.values())
    bell = {k: weight / total for k, weight in bell.items()}
    bent = {k: (k**2 - sigma**2) / sigma**4 * weight for k, weight in bell.items()}
    weights = {(a, b): bent[a] * bell[b] + bell[a] * bent[b] for a in bell for b in bell}
    weights[0, 0] -= sum(weights.values())
    found = torch.zeros(height, width, dtype=x.dtype)
    for i in range(height):
        for j in range(width):
            found[i, j] = abs(sum(w * _mirrored(grey, i + a, j + b) for (a, b), w in weights.items()))
    return found.expand_as(x)


def _mirrored(grey: Tensor, i: int, j: int) -> float:
    """A pixel of an image that is continued by mirror images of itself, edge pixels doubled."""
    places = []
    for place, length in zip((i, j), grey.shape, strict=True):
        place %= 2 * length
        places.append(min(place, 2 * length - 1 - place))
    return float(grey[tuple(places)])


def plain_edge(_model: nn.Module, x: Tensor, _target: int) -> Tensor:
    """Sobel magnitude scaled as scikit-image does: each derivative is a mean (weights sum to 1), joined by RMS."""
    grey = x.mean(0).numpy()
    parts = [ndimage.sobel(grey, axis=axis, mode="reflect") / 4 for axis in (0, 1)]
    return torch.from_numpy(((parts[0] ** 2 + parts[1] ** 2) / 2) ** 0.5).expand_as(x)


def plain_pattern(weight: Tensor, bias: Tensor | None, inputs: list[Tensor], estimator: str) -> Tensor:
    """The patterns of units from their samples (n, D) each, as the formulas stand, in float64: (K, D)."""
    patterns = []
    for number, (w, x) in enumerate(zip(weight.detach(), inputs, strict=True)):
        x = x.detach()
        y = x @ w + (0.0 if bias is None else bias[number].detach())
        chosen = torch.ones_like(y, dtype=torch.bool) if estimator == "linear" else y > 0
        if chosen.sum() < 2:
            patterns.append(torch.zeros_like(w))
            continue
        mean_xy, mean_x = (x[chosen] * y[chosen, None]).mean(0), x[chosen].mean(0)
        numerator = mean_xy - mean_x * (y if estimator == "two_component" else y[chosen]).mean()
        patterns.append(numerator / (w @ numerator))
    return torch.stack(patterns)


def plain_conv_pattern(layer: nn.Conv2d, images: Tensor, estimator: str) -> Tensor:
    """The patterns of a convolution from its patches, each cut out by itself; zeros beyond the borders."""
    if layer.padding == "same":
        total = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        padding = [(each // 2, each - each // 2) for each in total]
    else:
        padding = [(each, each) for each in layer.padding]
    padded = nn.functional.pad(images, (*padding[1], *padding[0]))
    kernel, stride, dilation = layer.kernel_size, layer.stride, layer.dilation
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    per_group = layer.in_channels // layer.groups
    inputs = []
    for unit in range(layer.out_channels):
        first = unit // (layer.out_channels // layer.groups) * per_group
        patches = []
        for top in range(0, padded.shape[2] - spans[0] + 1, stride[0]):
            for left in range(0, padded.shape[3] - spans[1] + 1, stride[1]):
                window = padded[:, first : first + per_group, top : top + spans[0], left : left + spans[1]]
                patches.append(window[:, :, :: dilation[0], :: dilation[1]].flatten(1))
        inputs.append(torch.cat(patches))
    return plain_pattern(layer.weight.flatten(1), layer.bias, inputs, estimator).view_as(layer.weight)


def plain_pattern_map(
    model: nn.Sequential,
    x: Tensor,
    target: int,
    training: Tensor,
    estimator: str,
    times_weights: bool,
    estimated_on: nn.Sequential | None = None,
) -> Tensor:
    """PatternNet or PatternAttribution of a sequential net, layer by layer from the logit down."""
    inputs, h = [], x[None]
    for layer in model:
        inputs.append(h.clone())
        h = layer(h)
    signal = torch.zeros_like(h)
    signal[0, target] = h[0, target]
    patterns, seen = [], training
    layers = list(model if estimated_on is None else estimated_on)
    for number, layer in enumerate(layers):
        pattern = None
        if isinstance(layer, nn.Linear | nn.Conv2d):
            before_relu = number + 1 < len(layers) and isinstance(layers[number + 1], nn.ReLU)
            kind = estimator if before_relu else "linear"
            if isinstance(layer, nn.Conv2d):
                pattern = plain_conv_pattern(layer, seen, kind)
            else:
                pattern = plain_pattern(layer.weight, layer.bias, [seen] * layer.out_features, kind)
        patterns.append(pattern)
        seen = layer(seen.clone())
    for layer, before, pattern in reversed(list(zip(model, inputs, patterns, strict=True))):
        if pattern is None:
            # A ReLU's gradient is its mask, that of max-pooling its winners.
            signal = torch.autograd.functional.vjp(lambda h, layer=layer: layer(h.clone()), before, signal)[1]
            continue
        weight = layer.weight.detach() * pattern if times_weights else pattern
        if isinstance(layer, nn.Conv2d):
            signal = torch.nn.grad.conv2d_input(before.shape, weight, signal, layer.stride, layer.padding)
        else:
            signal = signal @ weight
    return signal[0].view_as(x).detach()
