"""Texts of a batch in groups of about the same length, so that little padding is computed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

_STEP = 8  # tokens that the texts of a group differ by, at most


def buckets(mask: npt.NDArray[np.int64]) -> Iterator[tuple[npt.NDArray[np.int64], int]]:
    """Yield groups of rows, shortest first, and how many columns each needs.

    Args:
        mask: (B, L), 1 where a row has a token; what it lacks stands at the end.
    """
    lengths = mask.shape[1] - np.argmax(mask[:, ::-1] != 0, axis=1)
    lengths[~mask.any(axis=1)] = 1
    steps = -(-lengths // _STEP)
    for step in np.unique(steps):
        rows = np.flatnonzero(steps == step)
        yield rows, int(lengths[rows].max())
