"""The rows of one array of a segment: in memory, or in a file where they are proved when used."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.blocks import BLOCK, BlockFile
from zscr.errors import ArtefactError
from zscr.infer.index.exact import Rows

Array = npt.NDArray[Any]
_LONGEST = 1e6  # squared, of a row; unit rows have 1, and float32 products of these stay finite


class Tensor:
    """An array (C, ...) whose rows are hashed, and compared with what rows may be, once."""

    def __init__(self, rows: Array, file: BlockFile | None = None, start: int = 0) -> None:
        """Hold rows that are known to be sound, or those of a file.

        Args:
            rows: (C, ...), of a file's content where there is one.
            file: that they are in; start: where in it, in bytes.
        """
        self._rows, self._file, self._start = rows, file, start
        self._fact = f"sound rows from byte {start} on"
        self.stride = rows.dtype.itemsize * int(np.prod(rows.shape[1:]))
        self._step = max(1, BLOCK // max(1, self.stride))  # rows that are proved at once
        known = file is None or (file.is_proven() and file.is_proven(self._fact))
        chunks = 0 if known else -(-len(rows) // self._step)
        self._left = np.ones(chunks, bool)
        self._is_proved = not chunks

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, ...)."""
        return self._rows.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """What is stored."""
        return self._rows.dtype

    def all(self) -> Array:
        """Return all rows, without a copy.

        Raises:
            ArtefactError: some are damaged, or not what rows of an index are.
        """
        self._prove(np.flatnonzero(self._left))
        return self._rows

    def take(self, rows: Rows) -> Array:
        """Return a copy of some rows; raises as `all`."""
        if not self._is_proved:
            self._prove(np.unique(rows // self._step))
        taken: Array = self._rows.take(rows, 0)  # which is quicker than by brackets
        return taken

    def blocks(self) -> Iterator[Array]:
        """Yield its rows for a file; raises as `all`."""
        yield self.all()

    def provable(self) -> npt.NDArray[np.bool_]:
        """Say of each row (C,) whether it can be proved, together with those that it is with."""
        sound = np.ones(len(self), bool)
        for chunk in np.flatnonzero(self._left):
            try:
                self._prove(np.array([chunk]))
            except ArtefactError:
                sound[chunk * self._step : (chunk + 1) * self._step] = False
        return sound

    def _prove(self, chunks: Rows) -> None:
        assert self._file is not None or not chunks.size, "rows in memory are known to be sound"
        for chunk in chunks[self._left[chunks]].tolist():
            rows = self._rows[chunk * self._step : (chunk + 1) * self._step]
            begin = self._start + chunk * self._step * self.stride
            self._file.touch(begin, begin + len(rows) * self.stride)  # type: ignore[union-attr]
            if not is_sound(rows):
                raise ArtefactError(
                    f"{self._file.path} holds NaN, infinity or rows that are far from unit length; "  # type: ignore[union-attr]
                    f"make it anew"
                )
            self._left[chunk] = False
        self._is_proved = not self._left.any()
        if self._file is not None and chunks.size and self._is_proved:
            self._file.remember(self._fact)


class Gathered:
    """Rows that lie in several segments and are to lie in one: they are copied as it is written."""

    def __init__(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], take: Callable[[Rows], Array]
    ) -> None:
        """Hold sound rows (C, ...); `take` returns a copy of some of them."""
        self.shape, self.dtype, self.take = shape, dtype, take

    def __len__(self) -> int:
        return self.shape[0]

    @cached_property
    def _all(self) -> Array:
        return self.take(np.arange(len(self)))

    def all(self) -> Array:
        """Return all rows, which stay in memory."""
        return self._all

    def blocks(self) -> Iterator[Array]:
        """Yield its rows for a file, a part at a time."""
        step = max(1, BLOCK // max(1, self.dtype.itemsize * int(np.prod(self.shape[1:]))))
        for start in range(0, len(self), step):
            yield self.take(np.arange(start, min(start + step, len(self))))

    def provable(self) -> npt.NDArray[np.bool_]:
        """Say of each row (C,) whether it can be proved, which their own segments have to say."""
        return np.ones(len(self), bool)


class Chained:
    """Bytes that lie in several segments and are to lie in one, copied as it is written."""

    dtype = np.dtype(np.uint8)
    ndim = 1

    def __init__(self, parts: Callable[[], Iterator[Array]], size: int) -> None:
        """Hold `size` bytes, which `parts` yields one after the other, whenever it is called."""
        self.blocks, self.nbytes = parts, size

    @property
    def shape(self) -> tuple[int, ...]:
        """How many bytes there are."""
        return (self.nbytes,)

    @cached_property
    def _all(self) -> Array:
        return np.concatenate([*self.blocks()])

    def __getitem__(self, part: slice) -> Array:
        """Return some of them; all stay in memory then."""
        return self._all[part]


def is_sound(rows: Array) -> bool:
    """Say whether rows can be compared with others: integers can."""
    if rows.dtype.kind != "f":
        return True
    if rows.dtype == np.float16:  # NaN and infinity reach the sum; its squares overflow no float32
        return bool(np.isfinite(rows.sum(dtype=np.float32)))
    return bool((np.einsum("nd,nd->n", rows, rows) < _LONGEST).all())
