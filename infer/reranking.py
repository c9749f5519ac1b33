"""The best images of a query in another order: by how well their tokens match the query's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError

Scores = npt.NDArray[np.floating]
Tokens = npt.NDArray[np.float16]  # (…, L, W) unit rows; see `halved`
Logits = npt.NDArray[np.float64]  # (N,) how well images match a query, higher is better

BLOCK = 64  # images that are compared at once

DECIMALS = 5  # of logits: float32 sums differ by less in another batch, so equal images tie


def halved(rows: npt.NDArray[np.floating]) -> Tokens:
    """Return tokens as they are kept and compared: half the memory, 49 KiB for 49 of 512 numbers.

    Whatever re-ranks or judges compares halves, so that logits are the same.
    """
    return rows.astype(np.float16)


@dataclass(frozen=True)
class Reranking:
    """How the images that a query finds first are ranked anew.

    Attributes:
        top: N, how many of the best are.
        mix: the logit's share of the score, from 0 (the cosine alone) to 1 (the logit alone).

    Raises:
        InputError: there is no such number of images.
    """

    top: int
    mix: float = 1.0

    def __post_init__(self) -> None:
        if self.top < 1:
            raise InputError(f"the top {self.top} cannot be re-ranked; give at least 1, or 0: none")

    def __str__(self) -> str:
        """Return it as notes of answers and labels of figures say it."""
        score = "logit" if self.mix == 1 else f"{1 - self.mix:g} cosine + {self.mix:g} logit"
        return f"top {self.top} re-ranked by {score}"

    def scores(self, cosines: Scores, logits: Scores, known: npt.NDArray[np.bool_]) -> Scores:
        """Return the scores (K,) of a query's images, given with their cosines, best first.

        An image with a logit scores (1 - mix) cosine + mix logit. The others, those behind the top
        N among them, follow in their order: they have the least of these scores, less what their
        cosine is below the best cosine of the others, or of the re-ranked if that is the lower one.

        Args:
            cosines: (K,), falling; logits: (K,), which stand for nothing where there is none.
            known: (K,) which images have a logit.
        """
        mixed = (1 - self.mix) * cosines + self.mix * np.round(logits, DECIMALS)
        if known.all() or not known.any():
            return mixed if known.any() else cosines
        best = max(cosines[known].min(), cosines[~known].max())
        return np.where(known, mixed, mixed[known].min() + (cosines - best))


def order_of(scores: Scores, known: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return the places (K,) of a query's images, best first.

    Equal scores keep their order, those with a logit before the others.
    """
    return np.lexsort((np.arange(len(scores)), ~known, -scores))
