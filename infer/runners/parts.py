"""A batch of any size, run as batches of few sizes: each has buffers and a recording of its own.

Rows are filled up to a power of two with copies of the last, and more than a most are run in parts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.infer.runners.runner import Feeds

Found = list[npt.NDArray[Any]]  # every output of a batch, in their order


@dataclass(frozen=True)
class Part:
    """Some rows of a batch, filled up; the first `rows` are its own."""

    feeds: Feeds
    rows: int

    def own(self, found: Found) -> Found:
        """Return what was found of its own rows."""
        return [array[: self.rows] for array in found]


def parts_of(feeds: Feeds, names: Collection[str], most: int) -> Iterator[Part]:
    """Yield a batch in parts of at most `most` rows, a power of two.

    Args:
        feeds: of the batch; the arrays of `names` have its rows, at least one, and others go
            with every part as they are.
    """
    total = len(feeds[next(iter(names))])
    for start in range(0, total, most):
        rows = min(most, total - start)
        more = (1 << (rows - 1).bit_length()) - rows
        part = {name: feeds[name][start : start + rows] for name in names}
        if more:
            part = {n: np.concatenate([a, np.repeat(a[-1:], more, 0)]) for n, a in part.items()}
        yield Part({**feeds, **part}, rows)


def together(found: Iterable[Found]) -> Found:
    """Return the rows of all parts, of which there is at least one."""
    first, *others = found
    if not others:
        return first
    return [np.concatenate(arrays) for arrays in zip(first, *others, strict=True)]
