"""Where training begins: the two linear maps that a closed form gives, chosen on validation items.

Images x and texts t of the pairs are centred and scaled. With C_xx, C_tt and C_xt their second
moments, penalties a and b, and W_x = (C_xx + aI)^(-1/2), W_t = (C_tt + bI)^(-1/2), let
W_x C_xt W_t = A diag(r) B' be a singular value decomposition. The maps are

    P_x = W_x A diag(r)^p,    P_t = W_t B diag(r)^p

of the largest r: regularised canonical correlation analysis (Vinod 1976), its axes weighted by
their correlations (Gong et al., IJCV 2014). As b grows, W_t becomes a multiple of the identity, and
P_x P_t' one of (C_xx + aI)^(-1) C_xt at p = 1/2: ridge regression from images to texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import torch

IMAGE_PENALTIES = (1e-2, 3e-3, 1e-3)
TEXT_PENALTIES = (1e-3, 3e-3, 3e-4, 1e-4, 1e3)
POWERS = (0.5, 1.0)


@dataclass(frozen=True)
class Penalties:
    """What a start is made with: the penalties a and b, and the power p."""

    image: float
    text: float
    power: float


@dataclass(frozen=True)
class Maps:
    """Linear maps of images (I, E) and of texts (T, E), and what they were made with."""

    penalties: Penalties
    image: torch.Tensor
    text: torch.Tensor

    @property
    def settings(self) -> dict[str, float]:
        """What the penalties are called in the method's settings."""
        made = self.penalties
        return {"image_penalty": made.image, "text_penalty": made.text, "power": made.power}


class ClosedForm:
    """The moments of pairs, decomposed once for all penalties; in double, for they are near 0."""

    def __init__(self, images: torch.Tensor, texts: torch.Tensor, owner: torch.Tensor) -> None:
        """Take scaled images (N, I), scaled texts (M, T) and each text's image (M,)."""
        counts = torch.bincount(owner, minlength=len(images)).to(images.dtype)
        sums = torch.zeros(len(images), texts.shape[1], dtype=texts.dtype, device=texts.device)
        sums.index_add_(0, owner, texts)
        self._images = _spectrum(images * counts.sqrt()[:, None], len(texts))
        self._texts = _spectrum(texts, len(texts))
        cross = (images.T @ sums).double() / len(texts)
        self._cross = self._images[1].T @ cross @ self._texts[1]  # in the eigenvectors' bases

    def maps(
        self,
        images: Sequence[float],
        texts: Sequence[float],
        powers: Sequence[float],
        dim: int,
    ) -> Iterator[Maps]:
        """Yield the maps of every combination of penalties and powers, at most `dim` wide.

        In the bases of the eigenvectors V of C_xx and C_tt the roots (D + aI)^(-1/2) are diagonal,
        and nothing else depends on the penalties; V' is taken in by A and by B.
        """
        for image, text in product(images, texts):
            left, right = (
                (values + penalty).rsqrt()
                for (values, _), penalty in ((self._images, image), (self._texts, text))
            )
            axes, values, others = _leading(left[:, None] * self._cross * right, dim)
            for power in powers:
                gain = values**power
                by_image = self._images[1] @ (left[:, None] * axes * gain)
                by_text = self._texts[1] @ (right[:, None] * others * gain)
                yield Maps(Penalties(image, text, power), by_image.float(), by_text.float())


def _spectrum(rows: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return eigenvalues and eigenvectors of rows (M, D)' rows / count."""
    values, vectors = torch.linalg.eigh((rows.T @ rows).double() / count)
    return values.clamp_min(0), vectors


def _leading(matrix: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the largest singular values (K,) of (I, T) with their vectors (I, K) and (T, K).

    They are those of the smaller of the two Gram matrices; only the large ones are wanted.
    """
    if matrix.shape[0] > matrix.shape[1]:
        others, values, axes = _leading(matrix.T, dim)
        return axes, values, others
    squares, axes = torch.linalg.eigh(matrix @ matrix.T)
    kept = min(dim, int((squares > 1e-12 * squares[-1]).sum()))
    squares, axes = squares[-kept:].flip(0), axes[:, -kept:].flip(1)
    values = squares.sqrt()
    return axes, values, matrix.T @ axes / values
