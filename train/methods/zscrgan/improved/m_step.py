"""The M-step of `zscrgan`: CSEM, solved exactly on real and on imagined images."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from zscr.train.methods.losses import unit
from zscr.train.methods.zscrgan.improved.config import Config
from zscr.train.methods.zscrgan.improved.imagination import Imagination
from zscr.train.methods.zscrgan.improved.kernel import KernelCsem, Sums
from zscr.train.methods.zscrgan.noise import draw_latents, draw_z
from zscr.train.tables import Tensors, group_means, group_sums


@dataclass(frozen=True)
class RealSums:
    """What CSEM's solution depends on of the real images, whatever their latents are.

    Attributes:
        gram: KᵀK (L, L) of the images' kernels K (N, L).
        of_classes: (L, C) sums of each class's kernels: a column a class instead of one a
            latent's axis, for the latents move from round to round.
        counts: (C,) images of each class.
    """

    gram: torch.Tensor
    of_classes: torch.Tensor
    counts: torch.Tensor

    @classmethod
    def of(cls, csem: KernelCsem, images: Tensors) -> RealSums:
        """Add up the kernels of scaled images."""
        kernels = csem.kernel(images.rows.double())
        of_classes = group_sums(replace(images, rows=kernels)).T
        return cls(kernels.T @ kernels, of_classes, images.starts.diff())

    def towards(self, latents: torch.Tensor) -> Sums:
        """Return the sums when each image is to be mapped to its class's latent (C, E)."""
        return Sums(self.gram, self.of_classes @ latents.double())


class MStep:
    """Solves CSEM for the latents that the averaged text encoder gives the seen classes.

    Args:
        config: the settings.
        csem: solved here.
        averaged: text encoder and generator, at rest.
        penalty: scalar, of CSEM for all real images together; read in each run.
        real: of the classes that are fitted; texts: theirs, scaled.
        noise: of every draw.
    """

    def __init__(
        self,
        config: Config,
        csem: KernelCsem,
        averaged: Imagination,
        penalty: torch.Tensor,
        real: RealSums,
        texts: Tensors,
        noise: torch.Generator,
    ) -> None:
        self.config, self.csem, self.averaged = config, csem, averaged
        self.penalty, self.noise = penalty, noise
        self.real, self.texts = real, texts

    @torch.no_grad()
    def run(self, imagined: int) -> torch.Tensor:
        """Solve CSEM on the real images and on that many imagined ones.

        Returns:
            The mean squared distance of mapped real images from their latents.
        """
        means = self.averaged.encode(self.texts.rows)
        latents = group_means(replace(self.texts, rows=means))
        sums = total = self.real.towards(latents)
        if imagined:
            total = sums + self._imagined_sums(latents, imagined)
        self.csem.weights.copy_(self.csem.solve(total, self.penalty))
        w, counts = self.csem.weights.double(), self.real.counts
        squares = (counts * latents.double().square().sum(1)).sum()
        residual = (w * (sums.gram @ w)).sum() - 2 * (w * sums.cross).sum() + squares
        return (residual / counts.sum()).float()

    def _imagined_sums(self, latents: torch.Tensor, count: int) -> Sums:
        """Imagine images; all together weigh `imagined_share` of what the real ones weigh."""
        mixed = self.mixed(latents, count)
        around = draw_latents(mixed, self.config.latent_noise, self.noise)
        z = draw_z((count, self.config.z_dim), self.noise)
        kernels = self.csem.kernel(self.averaged.imagine(around, z).double())
        weight = self.config.imagined_share * self.real.counts.sum() / count
        return Sums(weight * kernels.T @ kernels, weight * kernels.T @ mixed.double())

    def mixed(self, latents: torch.Tensor, count: int) -> torch.Tensor:
        """Draw latents (count, E) of imagined classes between two of the seen ones (C, E).

        Up to `mixing` of each is a second class; all have the mean length of the seen ones.
        """
        device = latents.device
        pairs = torch.randint(len(latents), (2, count), generator=self.noise, device=device)
        share = self.config.mixing * torch.rand(count, 1, generator=self.noise, device=device)
        between = unit((1 - share) * latents[pairs[0]] + share * latents[pairs[1]])
        length: torch.Tensor = latents.norm(dim=1).mean()
        return between * length
