"""Rows as an index takes them: unit vectors of one length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError
from zscr.infer.index.exact import Vectors

_NORM_TOLERANCE = 1e-3  # what an fp16 or int8 graph may be off by
_LEAST, _MOST = (1 - _NORM_TOLERANCE) ** 2, (1 + _NORM_TOLERANCE) ** 2  # squared, of a norm


def check_vectors(
    vectors: npt.ArrayLike, dim: int | None, names: Sequence[str] | None = None
) -> Vectors:
    """Return `vectors` as a float32 matrix (N, dim) whose rows are unit vectors.

    Args:
        vectors: one row per name, or any number of rows without names.
        dim: length of a row; None takes what comes.
        names: what the rows are called in messages.

    Raises:
        InputError: another shape, or a row that is not finite or not of norm 1; names the row.
    """
    matrix: Vectors = np.ascontiguousarray(vectors, np.float32)
    wanted = (len(matrix) if names is None else len(names), dim or matrix.shape[-1])
    if matrix.shape != wanted:
        raise InputError(
            f"the vectors have shape {matrix.shape}, but {wanted if names else ('any', dim)} is "
            f"needed; embed with a bundle of its space"
        )
    if len(matrix) == 1 and _LEAST <= np.vdot(matrix, matrix) <= _MOST:
        return matrix  # as most queries come
    squares = np.einsum("nd,nd->n", matrix, matrix)
    sound = (squares >= _LEAST) & (squares <= _MOST)  # so that NaN is not, either
    if not sound.all():
        wrong = np.flatnonzero(~sound)
        first = names[wrong[0]] if names else f"row {wrong[0]}"
        raise InputError(
            f"{wrong.size} of {len(matrix)} vectors are not unit vectors, first {first} "
            f"with norm {np.sqrt(squares[wrong[0]]):.6g}; normalise them"
        )
    return matrix
