"""How `zscrgan` adapts to a gallery: one round of EM over its images, and the names on them.

The E-steps infer a latent for each unlabelled image (`gallery_e_step`); the M-step solves CSEM on
these images beside the real ones, as it is otherwise solved on imagined images beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from zscr.errors import ConfigError
from zscr.infer.encoder import Rows
from zscr.infer.index.diffusion import diffuse
from zscr.train.methods.contract import Unlabelled
from zscr.train.methods.losses import unit
from zscr.train.methods.scaling import Scaling
from zscr.train.methods.zscrgan.improved.gallery_e_step import BLOCK, View, k_best, seen_bias, soft
from zscr.train.methods.zscrgan.improved.imagination import Imagination
from zscr.train.methods.zscrgan.improved.kernel import KernelCsem, Sums
from zscr.train.methods.zscrgan.improved.m_step import RealSums
from zscr.train.methods.zscrgan.improved.scaling import TextScaling
from zscr.train.tables import Tensors, TensorSplit, group_means, to_device


@dataclass(frozen=True)
class Trained:
    """The parts of a trained `zscrgan` that an adaptation needs; `csem` is solved anew.

    `noise` draws the landmarks, and `penalty` is CSEM's for all real images together.
    """

    images: Scaling
    texts: TextScaling
    averaged: Imagination
    csem: KernelCsem
    penalty: torch.Tensor
    noise: torch.Generator

    def latents(self, texts: Tensors) -> torch.Tensor:
        """Return the latents (C, E) of a table's groups: the means over their texts."""
        encoded = self.averaged.encode(self.texts(texts.rows))
        return group_means(replace(texts, rows=encoded))

    def scaled_blocks(self, images: Rows) -> Iterator[torch.Tensor]:
        """Yield images (N, I), which are on the CPU, scaled and on the device, block by block."""
        for start in range(0, len(images), BLOCK):
            yield self.images(self.to_device(images[start : start + BLOCK]))

    def to_device(self, rows: Rows) -> torch.Tensor:
        """Copy rows to the device; torch knows no tensors that may not be written to."""
        return torch.from_numpy(np.require(rows, requirements="W")).to(self.noise.device)


def adapt(
    trained: Trained, fitted: TensorSplit, unlabelled: Unlabelled, k: int, weight: float
) -> dict[str, int]:
    """Infer the latents of unlabelled images, then solve CSEM on these and on the real images.

    Half of the landmarks are then images of the gallery: where only seen images are landmarks, the
    kernel tells little apart that is unlike them.

    Args:
        trained: the parts.
        fitted: tables `image` and `text` of the classes that they were fitted to.
        unlabelled: images and names.
        k: images a name, where their list is not complete.
        weight: of an unlabelled image beside a real one's 1.

    Returns:
        `named`: how many images were given a name's latent.

    Raises:
        ConfigError: there are fewer images than k.
    """
    csem, latents = trained.csem, trained.latents(fitted["text"])
    targets, named = infer_latents(trained, latents, unlabelled, k)
    place_landmarks(trained, unlabelled.images)
    images = fitted["image"]
    real = RealSums.of(csem, replace(images, rows=trained.images(images.rows)))
    found = gallery_sums(trained, unlabelled.images, targets)
    total = real.towards(latents) + Sums(weight * found.gram, weight * found.cross)
    csem.weights.copy_(csem.solve(total, trained.penalty))
    return {"named": named}


def infer_latents(
    trained: Trained, seen: torch.Tensor, unlabelled: Unlabelled, k: int
) -> tuple[Rows, int]:
    """Make the E-steps: which latent has each unlabelled image?

    First CSEM's outputs are diffused over the images' neighbour graph, which is all that can be
    done without names. Then each name finds its images.

    Args:
        trained: the parts.
        seen: latents (S, E) of the classes that they were fitted to.
        unlabelled: images and names; k: images a name, where their list is not complete.

    Returns:
        Targets (N, E), of the seen latents' mean length where they are whole, and how many images
        were given a name.

    Raises:
        ConfigError: there are fewer images than k.
    """
    count, names = len(unlabelled.images), unlabelled.names
    if not 1 <= k <= count:
        raise ConfigError(
            f"setting k={k} must be from 1 to {count}, the number of images; set k, or give more "
            f"images"
        )
    length, known = seen.norm(dim=1).mean().item(), unit(seen).cpu().numpy()
    view = look(trained, unlabelled.images, known if unlabelled.with_seen else None)
    if names is None:
        return view.diffused * np.float32(length), 0
    texts = to_device(names, trained.noise.device)["text"]
    asked = unit(trained.latents(texts)).cpu().numpy()
    if not unlabelled.complete:
        targets, named = k_best(view, asked, k)
        return targets * np.float32(length), named
    every = np.concatenate([asked, known]) if unlabelled.with_seen else asked
    return soft(view, every) * np.float32(length), count


def look(trained: Trained, images: Rows, seen: Rows | None) -> View:
    """Return what E-steps see of images (N, I), with a bias where there are seen latents (S, E)."""
    features = np.empty(images.shape, np.float32)
    mapped = np.empty((len(images), trained.csem.weights.shape[1]), np.float32)
    for number, scaled in enumerate(trained.scaled_blocks(images)):
        place = slice(number * BLOCK, (number + 1) * BLOCK)
        features[place] = unit(scaled).cpu().numpy()
        mapped[place] = unit(trained.csem(scaled)).cpu().numpy()
    bias = np.zeros(len(mapped), np.float32) if seen is None else seen_bias(mapped, seen)
    return View(features, mapped, diffuse(mapped, features), bias)


def place_landmarks(trained: Trained, images: Rows) -> None:
    """Draw up to half of CSEM's landmarks among images (N, I)."""
    most, noise = len(trained.csem.landmarks) // 2, trained.noise
    drawn = torch.randperm(len(images), generator=noise, device=noise.device)[:most]
    chosen = trained.to_device(images[drawn.cpu().numpy()])
    trained.csem.replace_last(trained.images(chosen))


def gallery_sums(trained: Trained, images: Rows, targets: Rows) -> Sums:
    """Return KᵀK and KᵀY over images (N, I) with targets (N, E), a block of images at a time.

    The blocks are added in double, so that the sum of 100,000 images keeps its digits.
    """
    (landmarks, dim), device = trained.csem.weights.shape, trained.noise.device
    gram = torch.zeros(landmarks, landmarks, dtype=torch.float64, device=device)
    cross = torch.zeros(landmarks, dim, dtype=torch.float64, device=device)
    for number, scaled in enumerate(trained.scaled_blocks(images)):
        kernels = trained.csem.kernel(scaled.double())
        wanted = trained.to_device(targets[number * BLOCK : (number + 1) * BLOCK])
        gram += kernels.T @ kernels
        cross += kernels.T @ wanted.double()
    return Sums(gram, cross)
