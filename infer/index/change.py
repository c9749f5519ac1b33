"""What is to be changed in an index."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy.typing as npt

from zscr.infer.index.calibration import Unrelated
from zscr.infer.index.entry import Entry
from zscr.infer.index.roots import Root

if TYPE_CHECKING:
    from zscr.data.listing import Skipped


@dataclass(frozen=True, eq=False)
class Change:
    """Images to add, to replace or to remove by id, and what was learnt while they were embedded.

    Attributes:
        upserts: the images, each id once.
        vectors: their unit embeddings (U, D), in the order of `upserts`; None if there are none.
        features: their unit image features (U, F), where the index has such.
        queries: unit embeddings (Q, D) of the query modality, of which a sample is kept to measure
            the search on; None leaves the sample that there is.
        errors: a row per skipped image, such as `{"image": path, "reason": why}`.
        removals: ids that are to go. An image that arrives with the content of one of them takes
            vector: it has moved.
        mended: the `image` of skipped ones that are no longer to be listed.
        roots: the folders that images lie in, from now on; None leaves those that there are.
        linked: whether a content has one entry, from now on; None leaves it as it is.
        unrelated: queries to calibrate by; None leaves those that there are.
        more: whether other changes follow that belong with it. What concerns all rows, to measure,
            to calibrate and to merge segments, is left to the last of them.
    """

    upserts: Sequence[Entry] = ()
    vectors: npt.ArrayLike | None = None
    queries: npt.ArrayLike | None = None
    errors: Sequence[Skipped] = ()
    features: npt.ArrayLike | None = None
    removals: Sequence[str] = ()
    mended: Collection[str] = ()
    roots: tuple[Root, ...] | None = None
    linked: bool | None = None
    unrelated: Unrelated | None = None
    more: bool = False
