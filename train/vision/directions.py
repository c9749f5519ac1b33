"""The directions in which the tokens of a collection's seen classes vary most."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from zscr.arrays import read_npz
from zscr.errors import ArtefactError

Vectors = npt.NDArray[np.float32]
FILE = "directions.npz"
_ARRAYS = ("image", "sketch", "matrix")
_LEAST = 1e-9  # of the largest variance: what is less is rounding


@dataclass(frozen=True)
class Directions:
    """A linear map of tokens, less their mean, which is another for sketches than for photos.

    Attributes:
        image, sketch: (W,) the means; matrix: (W, R).
    """

    image: Vectors
    sketch: Vectors
    matrix: Vectors

    def content(self) -> bytes:
        """Return the bytes of a file that holds them."""
        buffer = io.BytesIO()
        np.savez(buffer, image=self.image, sketch=self.sketch, matrix=self.matrix)
        return buffer.getvalue()


def read_directions(path: Path) -> Directions:
    """Read a file of directions.

    Raises:
        ArtefactError: it holds no such.
    """
    try:
        return Directions(*read_npz(path, _ARRAYS))
    except ValueError as error:
        raise ArtefactError(f"{path} holds no directions ({error}); remove its folder") from error


def evened(tokens: torch.Tensor) -> torch.Tensor:
    """Return signed square roots, so that a few large numbers do not decide every product."""
    return tokens.sign() * tokens.abs().sqrt()


def fit_directions(image: torch.Tensor, sketch: torch.Tensor, width: int) -> Directions:
    """Fit R = `width` directions to tokens (M, W) of photos and (N, W) of sketches.

    They are the principal ones of both, around the mean of each, and each is divided by the fourth
    root of its variance: half way to whitening, by which the last of them, mostly noise, would
    count as much as the first. The result has a mean square of 1, so 16 bits hold it well.
    """
    parts = [evened(tokens.float()) for tokens in (image, sketch)]
    means = [part.mean(0) for part in parts]
    centred = torch.cat([part - mean for part, mean in zip(parts, means, strict=True)])
    variances, axes = torch.linalg.eigh(centred.T.double() @ centred.double() / len(centred))
    largest, axes = variances.flip(0)[:width], axes.flip(1)[:, :width]
    matrix = (axes / largest.clamp_min(_LEAST * float(largest[0])) ** 0.25).float()
    matrix /= (centred @ matrix).square().mean().sqrt()
    return Directions(means[0].numpy(), means[1].numpy(), matrix.numpy())
