"""The rows and words that a bundle's compositions name, each read and checked once."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from zscr.arrays import npy_from
from zscr.artefact import read_verified
from zscr.errors import ArtefactError
from zscr.infer.bundle import Bundle

_MOST_WORDS = 1_000_000


class Files:
    """Of a bundle; a file that is missing, damaged or of another shape is an ArtefactError."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle
        self.row, self.columns = cache(self._row), cache(self._columns)
        self.rows, self.words = cache(self._rows), cache(self._words)

    def _row(self, name: str) -> npt.NDArray[np.float32]:
        """Return the row (D,) of a file."""
        return self._array(name, (self._bundle.dim,))

    def _rows(self, name: str) -> npt.NDArray[np.float32]:
        """Return the rows (N, D) of a file, N any number from 1."""
        return self._array(name, (None, self._bundle.dim))

    def _columns(self, name: str) -> npt.NDArray[np.float32]:
        """Return the columns (D, K) of a file."""
        return self._array(name, (self._bundle.dim, None))

    def _array(self, name: str, shape: tuple[int | None, ...]) -> npt.NDArray[np.float32]:
        path = self._bundle.folder / name
        try:
            found = npy_from(read_verified(self._bundle.folder, self._bundle.manifest, name), name)
        except ValueError as error:
            raise ArtefactError(f"{path}: {error}; make the bundle anew") from error
        fits = len(found.shape) == len(shape) and all(
            has == wanted or (wanted is None and has > 0)
            for has, wanted in zip(found.shape, shape, strict=True)
        )
        if not fits or found.dtype != np.float32 or not np.isfinite(found).all():
            wanted = f"({', '.join(str(one or 'any') for one in shape)})"
            raise ArtefactError(
                f"{path} holds {found.dtype} of shape {found.shape}, not finite float32 of "
                f"{wanted}; make the bundle anew"
            )
        return found

    def _words(self, name: str) -> tuple[str, ...]:
        """Return the words of a file, one a line."""
        raw = bytes(read_verified(self._bundle.folder, self._bundle.manifest, name))
        try:
            words = tuple(line for line in raw.decode().split("\n") if line.strip())
        except UnicodeDecodeError as error:
            raise ArtefactError(f"{self._bundle.folder / name} is not UTF-8 ({error})") from error
        if not 0 < len(words) <= _MOST_WORDS:
            raise ArtefactError(f"{self._bundle.folder / name} holds {len(words)} words; give some")
        return words
