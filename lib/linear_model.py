"""The linear model, on which every method has a closed form: how far from it, and what a map of pure noise shows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import pandas as pd
import torch
from torch import Tensor, nn

from lib import attributions, compute, data
from lib.attributions.base import Method
from lib.attributions.deeplift import DeepLIFT
from lib.attributions.path import IntegratedGradients
from lib.comparison import UNSIGNED, Examples, Scores, Table
from lib.errors import StudyError
from lib.exactness import relative_error
from lib.explained import maps_of
from lib.similarity import PreparedMaps, compare, foreground

PENALTY = 1e-2
"""Weight of half the squared norm of w in the loss; with it, the loss has exactly one minimum."""

OF_WEIGHTS = ("gradient", "smoothgrad", "guided_backprop", "deconvnet")
"""Methods that give w itself: there is no ReLU whose backward pass could be changed, and no point where w differs."""
OF_PRODUCT = ("gradient_x_input", "lrp_epsilon")
"""Methods that give x ⊙ w."""
OF_DIFFERENCE = ("integrated_gradients", "deeplift")
"""Methods that give (x - reference) ⊙ w."""

COMPARED = ("gradient", "integrated_gradients")
"""Methods whose maps of a random w are compared with those of the trained w."""


def logistic_regression(images: Tensor, labels: Tensor, penalty: float = PENALTY) -> tuple[Tensor, Tensor]:
    r"""Multinomial logistic regression on pixels, to the minimum of its loss; nothing is drawn.

    .. math:: -\frac1N \sum_n \log \operatorname{softmax}(W x_n + b)_{y_n} + \frac\lambda2 \lVert W \rVert^2

    Parameters
    ----------
    images : (N, C, H, W).
    labels : (N,) classes from 0.
    penalty : :math:`\lambda > 0`; biases are not penalised.

    Returns
    -------
    Weights (K, C*H*W) and biases (K,), float64.
    """
    pixels, classes = images.flatten(1).double(), int(labels.max()) + 1
    weight = torch.zeros(classes, pixels.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
    # History for the curvature of a few directions; the loss is smooth and convex.
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=500, tolerance_grad=1e-6, tolerance_change=1e-12,
                                  history_size=20, line_search_fn="strong_wolfe")  # fmt: skip

    def loss() -> Tensor:
        optimiser.zero_grad()
        value = nn.functional.cross_entropy(pixels @ weight.T + bias, labels) + penalty / 2 * weight.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimiser.step(loss)
    return weight.detach(), bias.detach()


@lru_cache(maxsize=2)
def trained_on(dataset: str) -> nn.Module:
    """The linear model fitted to the training images of a data set, in float64: (N, 1, 28, 28) -> (N, 10)."""
    compute.settle()
    found = data.load(dataset)
    return linear_model(*logistic_regression(found.train_images, found.train_labels))


def random_weights(pixels: int, draw: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Weights (1, pixels) and a bias (1,) from the standard normal law, float64."""
    generator = compute.generator(seed, "linear model", pixels, draw)
    weight = torch.randn(1, pixels, generator=generator, dtype=torch.float64)
    return weight, torch.randn(1, generator=generator, dtype=torch.float64)


def linear_model(weight: Tensor, bias: Tensor) -> nn.Module:
    """The model f(x) = W x + b of given weights (K, D) and biases (K,): (N, C, H, W) -> (N, K)."""
    layer = nn.Linear(weight.shape[1], weight.shape[0]).to(weight)
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return nn.Sequential(nn.Flatten(), layer).requires_grad_(False)


def check_method(method: Method) -> None:
    """Raise `StudyError` unless a method has a closed form on a linear model."""
    known = [*OF_WEIGHTS, "vargrad", *OF_PRODUCT, *OF_DIFFERENCE]
    if method.label not in known:
        raise StudyError(
            f"The method {method.name} has no closed form on a linear model; choose from {', '.join(known)}."
        )


def closed_form(method: Method, weights: Tensor, examples: Examples) -> tuple[str, Tensor]:
    """What a method must give on a linear model, in words and as maps.

    Parameters
    ----------
    method : of `OF_WEIGHTS`, `OF_PRODUCT`, `OF_DIFFERENCE`, or VarGrad, which must give 0.
    weights : those of each image's explained logit, in the images' shape (N, C, H, W).
    examples : the images, and the references that methods name.

    Raises
    ------
    StudyError
        If the method has no closed form here.
    """
    check_method(method)
    if method.label in OF_WEIGHTS:
        return "weights", weights
    if method.label == "vargrad":
        return "zero", torch.zeros_like(weights)
    if method.label in OF_PRODUCT:
        return "weights_x_input", examples.images * weights
    assert isinstance(method, IntegratedGradients | DeepLIFT)
    reference = 0.0 if method.reference == "zero" else examples.references[method.reference]
    return "weights_x_difference", (examples.images - reference) * weights


def autocorrelation(maps: Tensor) -> Tensor:
    r"""Correlation of neighbouring pixels (lag 1), both directions together: near 0 for white noise.

    .. math:: r = \frac{\frac1P \sum_{(p,q)} (E_p - \bar E)(E_q - \bar E)}{\frac1D \sum_p (E_p - \bar E)^2}

    over the P pairs of pixels beside or below each other. For white noise its standard deviation is about
    :math:`1/\sqrt{2D}`.

    Parameters
    ----------
    maps : (N, C, H, W), summed over channels.

    Returns
    -------
    (N,), float64.
    """
    plane = maps.double().sum(1)
    centred = plane - plane.mean((1, 2), keepdim=True)
    across, down = centred[:, :, 1:] * centred[:, :, :-1], centred[:, 1:] * centred[:, :-1]
    pairs = across[0].numel() + down[0].numel()
    return (across.sum((1, 2)) + down.sum((1, 2))) / pairs / centred.square().mean((1, 2))


def linear_scores(
    images: Tensor, *, image_ids: list[int], background: float, methods: Sequence[str], dataset: str, draws: int,
    seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Every method on linear models: errors against the closed forms, and what a random w does to a map.

    Parameters
    ----------
    images : (N, 1, H, W) of the data set.
    image_ids : their numbers.
    background : pixel value of an empty pixel.
    methods : written forms, see `closed_form`; integrated gradients among them.
    dataset : its training images give the trained w and the references.
    draws : random models.
    seed : of weights and noise.

    Returns
    -------
    Scores of the interventions ``linear`` (w trained, one logit per class, the predicted one explained) and
    ``linear(weights=random)`` (w normal, one logit).

    Raises
    ------
    StudyError
        If a method has no closed form, or there is less than one draw.
    """
    if draws < 1:
        raise StudyError(f"draws is {draws}; it must be at least 1.")
    chosen = attributions.methods(methods)
    for method in chosen:
        check_method(method)
    references = {name: image.double() for name, image in data.references(data.load(dataset)).items()}
    table = Table(image_ids)
    model = trained_on(dataset)
    examples = _explained_by(model, images, image_ids, references)
    scores, trained = _errors(model, examples, chosen, seed, "trained")
    table.add("linear", "none", 0, -1, scores)
    mask = foreground(examples.images, background)
    intact = {name: PreparedMaps(maps, mask) for name, maps in trained.items() if name in COMPARED}
    for draw in range(draws):
        model = linear_model(*random_weights(images[0].numel(), draw, seed))
        examples = _explained_by(model, images, image_ids, references)
        scores, maps = _errors(model, examples, chosen, seed, f"draw {draw}")
        image = PreparedMaps(examples.images, mask)
        for name, before in intact.items():
            now = PreparedMaps(maps[name], mask)
            scores.add(name, "original", compare(now, before))
            scores.add(name, "input", compare(now, image, UNSIGNED))
        table.add("linear(weights=random)", "none", 0, draw, scores)
    return table.frame()


def linear_pictures(
    images: Tensor, *, image_ids: list[int], background: float, methods: Sequence[str], dataset: str, draw: int = 0,
    seed: int = 0,
) -> dict[str, Tensor]:  # fmt: skip
    """Maps of the trained and of one random linear model: ``w trained`` or ``w random``, a colon, the method.

    Parameters as those of `linear_scores`; each (N, H, W).
    """
    references = {name: image.double() for name, image in data.references(data.load(dataset)).items()}
    models = {
        "w trained": trained_on(dataset),
        "w random": linear_model(*random_weights(images[0].numel(), draw, seed)),
    }
    pictures = {"image": images[:, 0]}
    for name, model in models.items():
        examples = _explained_by(model, images, image_ids, references)
        found = maps_of(model, examples, attributions.methods(methods), seed, name)
        pictures |= {f"{name}:{method}": maps.sum(1) for method, maps in found.items()}
    return pictures


def _explained_by(model: nn.Module, images: Tensor, image_ids: list[int], references: dict[str, Tensor]) -> Examples:
    """The images in float64, each with the class that the model predicts."""
    exact = images.double()
    return Examples.of(exact, model(exact).argmax(1), image_ids=image_ids, references=references)


def _errors(
    model: nn.Module, examples: Examples, methods: Sequence[Method], seed: int, state: str
) -> tuple[Scores, dict[str, Tensor]]:
    """Distances of all maps from their closed forms, and the maps."""
    layer = model[1]  # type: ignore[index]
    weights = layer.weight[examples.targets].view_as(examples.images)
    maps = maps_of(model, examples, methods, seed, state)
    scores = Scores(examples.targets)
    for method in methods:
        found = maps[method.name]
        against, expected = closed_form(method, weights, examples)
        scale = weights.flatten(1).square().amax(1) if against == "zero" else None
        scores.add(method.name, against, {"relative_error": relative_error(found, expected, scale)})
        if isinstance(method, IntegratedGradients):
            scores.add(method.name, "half", {"relative_error": relative_error(found, expected / 2)})
            # The factor that fits best, by least squares.
            factor = (found * expected).flatten(1).sum(1) / expected.square().flatten(1).sum(1)
            scores.add(method.name, against, {"ratio": factor})
            error = relative_error(found, examples.images * weights)
            scores.add(method.name, "gradient_x_input", {"relative_error": error})
        if method.label == "gradient":
            scores.add(method.name, "neighbours", {"autocorrelation": autocorrelation(found)})
    return scores, maps
