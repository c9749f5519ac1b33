"""Where training begins: the two linear maps that a closed form gives, chosen on validation items.

Images x and texts t of the pairs are centred and scaled. With C_xx, C_tt and C_xt their second
moments, penalties a and b, and the Cholesky factors C_xx + aI = LL' and C_tt + bI = KK', let
L^(-1) C_xt K^(-T) = A diag(r) B' be a singular value decomposition. The maps are

    P_x = L^(-T) A diag(r)^p,    P_t = K^(-T) B diag(r)^p

of the largest r: regularised canonical correlation analysis (Vinod 1976), its axes weighted by
their correlations (Gong et al., IJCV 2014). As b grows, K becomes a multiple of the identity, and
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
    """The moments of pairs; in double, for what is inverted is nearly singular."""

    def __init__(self, images: torch.Tensor, texts: torch.Tensor, owner: torch.Tensor) -> None:
        """Take scaled images (N, I), scaled texts (M, T) and each text's image (M,)."""
        count = len(texts)
        counts = torch.bincount(owner, minlength=len(images)).to(images.dtype)
        sums = torch.zeros(len(images), texts.shape[1], dtype=texts.dtype, device=texts.device)
        sums.index_add_(0, owner, texts)
        self._images = (images.T @ (images * counts[:, None])).double() / count
        self._texts = (texts.T @ texts).double() / count
        self._cross = (images.T @ sums).double() / count

    def maps(
        self,
        images: Sequence[float],
        texts: Sequence[float],
        powers: Sequence[float],
        dim: int,
    ) -> Iterator[Maps]:
        """Yield the maps of every combination of penalties and powers, at most `dim` wide."""
        for image, text in product(images, texts):
            left, right = _factor(self._images, image), _factor(self._texts, text)
            half = torch.linalg.solve_triangular(left, self._cross, upper=False)
            inner = torch.linalg.solve_triangular(right, half.T, upper=False).T
            axes, values, others = _leading(inner, dim)
            by_image = torch.linalg.solve_triangular(left.T, axes, upper=True)
            by_text = torch.linalg.solve_triangular(right.T, others, upper=True)
            for power in powers:
                gain = values**power
                maps = (by_image * gain).float(), (by_text * gain).float()
                yield Maps(Penalties(image, text, power), *maps)


def _factor(moment: torch.Tensor, penalty: float) -> torch.Tensor:
    """Return the lower triangular L of a moment (D, D) + penalty I = LL'."""
    eye = torch.eye(len(moment), dtype=moment.dtype, device=moment.device)
    factor: torch.Tensor = torch.linalg.cholesky(moment + penalty * eye)
    return factor


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
