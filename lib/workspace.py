"""What every method of one comparison shares: a model, a batch of images, the explained classes, and a memo.

A part that several methods need (the gradient, the guided signal, a layer's activations) is computed once; the
noise of SmoothGrad is drawn once and used at every stage of a cascade.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from lib import compute
from lib.backward_rules import BackwardRule, ReLURule, modified_gradient
from lib.census import graph_nodes
from lib.errors import StudyError

T = TypeVar("T")

_PASS_NUMBERS = 128 * 28 * 28
_PASS_AT_LEAST = 8
"""Numbers in the input of one forward and backward pass: 128 images of 28x28, at least 8 of any size. A constant,
because another batch size gives other last bits; near the fastest on a CPU, and memory stays flat."""

_VIEWS = {"ViewBackward0", "ReshapeAliasBackward0", "UnsafeViewBackward0", "torch::autograd::AccumulateGrad"}


def pass_size(images: Tensor) -> int:
    """How many images (of the shape of ``images``) go through the model in one pass."""
    return max(_PASS_AT_LEAST, _PASS_NUMBERS // images[0].numel())


def working_copy(model: nn.Module) -> nn.Module:
    """A copy to compute with: evaluation mode, frozen parameters, on the device, convolutions channels last."""
    if isinstance(model, torch.jit.ScriptModule):
        raise StudyError("A traced or scripted model cannot be studied from inside; give the nn.Module it was made of.")
    duplicate = copy.deepcopy(model).eval().requires_grad_(False)
    return duplicate.to(compute.device()).to(memory_format=torch.channels_last)


class Noise:
    """Standard normal noise for some images, the same for every model, stage and method.

    Parameters
    ----------
    image_ids : one number per image; image 17 has the same noise in whatever batch it stands.
    shape : (C, H, W).
    seed : of the run.
    purpose : another purpose gives independent noise, e.g. for a self-similarity ceiling.
    """

    def __init__(self, image_ids: list[int], shape: tuple[int, ...], seed: int, purpose: str = "noise") -> None:
        self.image_ids = image_ids
        self.shape = shape
        self.seed = seed
        self.purpose = purpose
        self._drawn: dict[int, Tensor] = {}

    def samples(self, count: int) -> Tensor:
        """``count`` samples for every image: (count, N, C, H, W)."""
        if count not in self._drawn:
            each = [
                torch.randn((count, *self.shape), generator=compute.generator(self.seed, self.purpose, image))
                for image in self.image_ids
            ]
            self._drawn[count] = torch.stack(each, dim=1).to(compute.device())
        return self._drawn[count]


class Workspace:
    """A model, images and explained classes, with a memo of what was computed for them.

    Parameters
    ----------
    model : a working copy (see `working_copy`); it is not changed.
    images : (N, C, H, W) as the model takes them, on its device.
    targets : (N,) explained classes.
    noise : shared noise of these images.
    state : names the model's weights, e.g. ``"draw 0, step 2"``; the random control draws anew for each state.
    references : reference images (C, H, W) of integrated gradients by name: ``black``, ``mean``, ``pixelmin``.
    training_images : (M, C, H, W), as the model takes them; patterns are estimated on them.
    pattern_source : the workspace of another model whose patterns are shared, with training images of its own.
    """

    def __init__(
        self,
        model: nn.Module,
        images: Tensor,
        targets: Tensor,
        noise: Noise,
        state: str = "trained",
        references: Mapping[str, Tensor] | None = None,
        training_images: Tensor | None = None,
        pattern_source: Workspace | None = None,
    ) -> None:
        self.model = model
        self.images = images
        self.targets = targets
        self.noise = noise
        self.state = state
        self.references = dict(references or {})
        self.training_images = training_images
        self.pattern_source = pattern_source
        self._memo: dict[Any, Any] = {}

    def once(self, key: Any, compute_it: Callable[[], T]) -> T:
        """Return what was remembered under a key, computing it the first time."""
        if key not in self._memo:
            self._memo[key] = compute_it()
        return self._memo[key]

    def remembered(self, key: Any) -> Any:
        """What was remembered under a key; None if nothing was."""
        return self._memo.get(key)

    def of_copies(self, copies: Tensor) -> Workspace:
        """A workspace for k altered copies of every image, (k, N, C, H, W), with the classes of the originals.

        Its images are (k*N, C, H, W). Methods that draw noise of their own must not be run in it: the noise here
        belongs to the originals.
        """
        images, targets = copies.flatten(0, 1), self.targets.repeat(len(copies))
        return Workspace(
            self.model,
            images,
            targets,
            self.noise,
            self.state,
            self.references,
            self.training_images,
            self.pattern_source,
        )

    def select(self, logits: Tensor) -> Tensor:
        """The explained logit of each image, for one batch of all images or several stacked: (k*N,)."""
        targets = self.targets.repeat(len(logits) // len(self.targets))
        return logits.gather(1, targets.unsqueeze(1)).squeeze(1)

    @property
    def logits(self) -> Tensor:
        """Logits of the images: (N, K)."""
        return self._plain_pass()[0]

    @property
    def gradient(self) -> Tensor:
        """Gradient of the explained logits with respect to the images: (N, C, H, W)."""
        return self._plain_pass()[1]

    def _plain_pass(self) -> tuple[Tensor, Tensor]:
        def compute_it() -> tuple[Tensor, Tensor]:
            inputs = self.images.detach().clone().requires_grad_(True)
            with torch.enable_grad():
                logits = self.model(inputs)
                gradient = torch.autograd.grad(self.select(logits).sum(), inputs)[0]
            return logits.detach(), gradient

        return self.once("plain pass", compute_it)

    @property
    def guided_backprop(self) -> Tensor:
        """Guided Backprop's modified gradient: (N, C, H, W)."""
        return self.once("guided backprop", lambda: self._modified_gradient(ReLURule(forward_mask=True)))

    @property
    def deconvnet(self) -> Tensor:
        """DeconvNet's modified gradient: (N, C, H, W)."""
        return self.once("deconvnet", lambda: self._modified_gradient(ReLURule(forward_mask=False)))

    def _modified_gradient(self, rule: BackwardRule) -> Tensor:
        return modified_gradient(self.model, self.images, self.select, rule, self.logits)[0]

    def layer(self, name: str) -> tuple[Tensor, Tensor]:
        """Output of a named module and the gradient of the explained logits there: two (N, K, h, w)."""

        def compute_it() -> tuple[Tensor, Tensor]:
            outputs: list[Tensor] = []

            def cut(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
                outputs.append(output.detach().requires_grad_(True))
                # A copy goes on: an in-place ReLU may follow, and must neither meet a leaf nor change what is kept.
                return outputs[-1].clone()

            with torch.enable_grad(), hooked(self._module(name), cut):
                logits = self.model(self.images)
                if len(outputs) != 1:
                    raise StudyError(
                        f"The layer {name!r} runs {len(outputs)} times in one forward pass; GradCAM needs a layer "
                        "that runs once."
                    )
                gradient = torch.autograd.grad(self.select(logits).sum(), outputs[0])[0]
            return outputs[0].detach(), gradient

        return self.once(("layer", name), compute_it)

    def _module(self, name: str) -> nn.Module:
        modules = dict(self.model.named_modules())
        if name not in modules:
            raise StudyError(f"The model has no module {name!r}; choose one of {', '.join(filter(None, modules))}.")
        return modules[name]

    def mean_gradient(self, points: Callable[[slice], Tensor], count: int) -> Tensor:
        """The mean gradient over ``count`` points per image, e.g. noisy copies or steps of a path.

        Where the model starts with one linear layer, the backward pass stops above it, and the mean of its
        signals goes through it once: the same sum in another order, a seventh of a pass cheaper.

        Parameters
        ----------
        points : takes a slice of ``range(count)`` to points (k, N, C, H, W).

        Returns
        -------
        (N, C, H, W).
        """
        group = max(1, pass_size(self.images) // len(self.images))
        first = first_layer(self.model, self.images)
        total: Tensor | None = None
        for start in range(0, count, group):
            batch = points(slice(start, min(start + group, count)))
            signal = self._signal(batch.flatten(0, 1), first).unflatten(0, batch.shape[:2]).sum(0)
            total = signal if total is None else total + signal
        assert total is not None
        return self._through(total / count, first)

    def _signal(self, inputs: Tensor, first: str | None) -> Tensor:
        """Gradient of the explained logits at the output of the first layer, or at the input without one."""
        leaves: list[Tensor] = []

        def cut(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
            leaves.append(output.detach().requires_grad_(True))
            return leaves[-1]

        with torch.enable_grad():
            if first is None:
                leaves.append(inputs.detach().clone().requires_grad_(True))
                logits = self.model(leaves[0])
            else:
                with hooked(self._module(first), cut):
                    logits = self.model(inputs)
            return torch.autograd.grad(self.select(logits).sum(), leaves[0])[0]

    def _through(self, signal: Tensor, first: str | None) -> Tensor:
        """Send a signal at the output of the first layer back to the images."""
        if first is None:
            return signal
        outputs: list[Tensor] = []
        inputs = self.images.detach().clone().requires_grad_(True)
        with torch.enable_grad(), hooked(self._module(first), lambda _m, _i, output: outputs.append(output)):
            self.model(inputs)
            return torch.autograd.grad(outputs[0], inputs, signal)[0]


class hooked:
    """A context in which a forward hook sits on a module."""

    def __init__(self, module: nn.Module, hook: Callable[..., Any]) -> None:
        self.handle = module.register_forward_hook(hook)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self.handle.remove()


_FIRST: WeakKeyDictionary[nn.Module, str | None] = WeakKeyDictionary()


def first_layer(model: nn.Module, images: Tensor) -> str | None:
    """The name of the one linear layer through which the model sees its input, or None.

    A convolution or linear module that is applied once, to the images themselves or a reshaped view of them, so
    that no other path leads from the images to the logits. Found by trying, once per model.
    """
    if model not in _FIRST:
        # By its forward function, not its class: a subclass may add an activation and so not be linear.
        linear = (nn.Conv2d.forward, nn.Linear.forward)
        candidates = [name for name, module in model.named_modules() if type(module).forward in linear]
        _FIRST[model] = next((name for name in candidates if _is_only_door(model, name, images[:1])), None)
    return _FIRST[model]


def _is_only_door(model: nn.Module, name: str, image: Tensor) -> bool:
    seen: list[Tensor] = []
    passed_on: list[Tensor] = []

    def cut(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        seen.extend(inputs[:1])
        passed_on.append(output.detach().requires_grad_(True).clone())
        return passed_on[-1]

    inputs = image.detach().clone().requires_grad_(True)
    with torch.enable_grad(), hooked(dict(model.named_modules())[name], cut):
        logits = model(inputs)
    if len(seen) != 1 or not seen[0].requires_grad:
        return False
    if passed_on[0]._version:
        # An in-place ReLU follows at once. The short cut would need a copy at every pass; the plain way needs none.
        return False
    only_views = all(node.name() in _VIEWS for node in graph_nodes(seen[0]))
    reached = torch.autograd.grad(logits.sum(), inputs, allow_unused=True)[0]
    return only_views and reached is None


def chunks(images: Tensor) -> Iterator[slice]:
    """Slices of a set of images that are worked on together; memory stays flat as the set grows."""
    size = pass_size(images)
    for start in range(0, len(images), size):
        yield slice(start, min(start + size, len(images)))
