"""Contents that indexes hold already, whose embeddings are taken over instead of computed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zscr.infer.bundle import Bundle
from zscr.infer.features.store import Features, Source
from zscr.infer.index.entry import Entry
from zscr.infer.index.exact import Vectors
from zscr.infer.index.index import Index


class Known:
    """What indexes know of contents that arrive, and what is to be embedded.

    An index without features lends nothing to images that are to have some: it refuses them.
    """

    def __init__(
        self,
        index: Index | None,
        arriving: Sequence[Entry],
        bundle: Bundle,
        lenders: Sequence[Index] = (),
    ) -> None:
        self.dim, self.has_feature = bundle.dim, bundle.has_feature
        self.encoder = bundle.gallery_and_feature if bundle.has_feature else bundle.gallery
        self.held: dict[str, tuple[Index, str]] = {}
        for lender in lenders:
            if lender.features is not None or not self.has_feature:
                self._borrow(lender)
        if index:
            self._borrow(index)
        fresh = [entry for entry in arriving if entry.sha256 not in self.held]
        if index and fresh and self.has_feature and index.features is None:
            self.held, fresh = {}, list(arriving)
        if index and not fresh:
            self.has_feature = index.features is not None
        self.count = len(index.entries) if index else 0
        self.sources = [Source.image(Path(str(e.image)), e.sha256) for e in fresh]

    def _borrow(self, index: Index) -> None:
        self.held |= {entry.sha256: (index, entry.id) for entry in index.entries}

    def rows(self, entries: Sequence[Entry], found: Features) -> tuple[Vectors, Vectors | None]:
        """Return the embeddings (N, D) of entries, and their features (N, F) if there are any."""
        wide = self.has_feature
        if not entries:
            return np.empty((0, self.dim), np.float32), None
        fresh = [row for row, entry in enumerate(entries) if entry.sha256 not in self.held]
        parts = [(fresh, found.take(entries[row].sha256 for row in fresh))] if fresh else []
        of_index = defaultdict[Index, list[int]](list)
        for row, entry in enumerate(entries):
            if entry.sha256 in self.held:
                of_index[self.held[entry.sha256][0]].append(row)
        for index, rows in of_index.items():
            vectors, features = index.embedded([self.held[entries[r].sha256][1] for r in rows])
            known = vectors if features is None or not wide else np.hstack([vectors, features])
            parts.append((rows, known))
        all_rows = np.empty((len(entries), parts[0][1].shape[1]), np.float32)
        for places, known in parts:
            all_rows[places] = known
        return all_rows[:, : self.dim], all_rows[:, self.dim :] if wide else None
