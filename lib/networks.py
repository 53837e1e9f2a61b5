"""A network together with the data that it is meant for: the two networks of Kindermans et al. 2017."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lib import compute
from lib.attributions.base import Method, explain
from lib.compensation import compensated
from lib.errors import StudyError
from lib.shifts import references, shifted_references
from lib.workspace import Noise, Workspace, chunks, working_copy


class Network:
    """A network in double precision, and what its methods need beside the images.

    Parameters
    ----------
    model : it is copied, not changed.
    references : name -> (C, H, W), of the images that the network is meant for.
    training_images : (M, C, H, W) that patterns are estimated on.
    pattern_source : the network whose patterns are shared; default itself.
    """

    def __init__(
        self,
        model: nn.Module,
        references: Mapping[str, Tensor],
        training_images: Tensor,
        pattern_source: Network | None = None,
    ) -> None:
        self.model = working_copy(model).double()
        self.references = references
        self.training_images = training_images.double()
        self.pattern_source = pattern_source

    @classmethod
    def of(cls, model: nn.Module, training_images: Tensor, pattern_images: int) -> Network:
        """The network for some training images: references come from all of them, patterns from the first few.

        Raises
        ------
        StudyError
            If there are no images for patterns.
        """
        if pattern_images < 1:
            raise StudyError(f"pattern_images is {pattern_images}; it must be at least 1.")
        return cls(model, references(training_images), training_images[:pattern_images])

    def shifted(self, shift: Tensor) -> Network:
        """The network for all images plus a shift (C, H, W); it can share the patterns of this one."""
        moved = shifted_references(self.references, shift)
        return Network(compensated(self.model, shift), moved, self.training_images + shift, pattern_source=self)

    def workspace(self, images: Tensor, targets: Tensor, noise: Noise) -> Workspace:
        """A workspace for images (N, C, H, W) of this network, float64, on the device."""
        source = (self.pattern_source or self)._workspace(images, targets, noise, None)
        return self._workspace(images, targets, noise, source)

    def _workspace(self, images: Tensor, targets: Tensor, noise: Noise, source: Workspace | None) -> Workspace:
        return Workspace(
            self.model, images, targets, noise,
            references=self.references, training_images=self.training_images, pattern_source=source,
        )  # fmt: skip

    def maps(
        self, images: Tensor, targets: Tensor, methods: Sequence[Method], image_ids: Sequence[int], seed: int = 0
    ) -> dict[str, Tensor]:
        """Explain images of this network, batch by batch.

        Parameters
        ----------
        images : (N, C, H, W), those that this network is meant for.
        targets : (N,) explained classes.
        methods : with distinct names.
        image_ids, seed : name the noise; the same for another network give the same noise.

        Returns
        -------
        Method name -> maps (N, C, H, W), float64, on the CPU.
        """
        found: dict[str, list[Tensor]] = {each.name: [] for each in methods}
        for part in chunks(images):
            batch, classes = (each[part].to(compute.device()) for each in (images.double(), targets))
            noise = Noise(list(image_ids[part]), tuple(images.shape[1:]), seed)
            for name, maps in explain(methods, self.workspace(batch, classes, noise)).items():
                found[name].append(maps.cpu())
        return {name: torch.cat(pieces) for name, pieces in found.items()}

    def check(self, images: Tensor, targets: Tensor, methods: Sequence[Method]) -> None:
        """Raise `StudyError` if a method is not defined for the network and its images (N, C, H, W)."""
        device = compute.device()
        noise = Noise([0], tuple(images.shape[1:]), 0)
        workspace = self.workspace(images[:1].double().to(device), targets[:1].to(device), noise)
        for method in methods:
            method.check(workspace)
