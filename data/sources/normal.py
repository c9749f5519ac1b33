"""Brings published vectors to length 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError


def unit_rows(rows: npt.NDArray[np.float32], names: Sequence[str]) -> npt.NDArray[np.float32]:
    """Divide each row of (N, D) by its L2 norm; `names` are what the rows are called in errors.

    Raises:
        InputError: a row is zero or not finite; names the first.
    """
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if len(bad):
        raise InputError(
            f"{len(bad)} of {len(rows)} vectors are zero or not finite, the first is that of "
            f"'{names[bad[0]]}'; fetch the file again"
        )
    unit: npt.NDArray[np.float32] = rows / lengths
    return unit
