"""Contents that indexes hold already, whose embeddings are taken over instead of computed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from zscr.infer.bundle import Bundle
from zscr.infer.features.store import Features, Source
from zscr.infer.index.entry import Entry
from zscr.infer.index.exact import Vectors
from zscr.infer.index.generation import Generation
from zscr.infer.index.index import Index


class Known:
    """What indexes know of contents that arrive, and what is to be embedded.

    An index without features lends nothing to images that are to have some: it refuses them. One
    of another precision lends nothing.
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
        self._arriving = Counter(entry.sha256 for entry in arriving)
        self._held: dict[str, tuple[Generation, str]] = {}  # as they are now, whatever comes
        for lender in lenders:
            if lender.precision != bundle.gallery_precision:
                continue
            if lender.features is not None or not self.has_feature:
                self.learn(lender.now, lender.entries)
        if index:
            self.learn(index.now, index.entries)
        fresh = self._arriving.keys() - self._held.keys()
        if index and fresh and self.has_feature and index.features is None:
            self._held = {}
        if index and not fresh:
            self.has_feature = index.features is not None
        self.count = len(index.entries) if index else 0

    def learn(self, now: Generation, entries: Iterable[Entry]) -> None:
        """Know the contents of entries that a generation holds, as far as they arrive."""
        self._held |= {e.sha256: (now, e.id) for e in entries if e.sha256 in self._arriving}

    def learn_twins(self, now: Generation, entries: Iterable[Entry]) -> None:
        """Know those of entries that a generation holds by now whose contents arrive again."""
        self.learn(now, (entry for entry in entries if self._arriving[entry.sha256] > 1))

    def sources(self, entries: Sequence[Entry]) -> list[Source]:
        """Return what is to be embedded of entries that arrive."""
        fresh = [entry for entry in entries if entry.sha256 not in self._held]
        return [Source.image(Path(str(e.image)), e.sha256) for e in fresh]

    def rows(self, entries: Sequence[Entry], found: Features) -> tuple[Vectors, Vectors | None]:
        """Return the embeddings (N, D) of entries, and their features (N, F) if there are any."""
        wide = self.has_feature
        if not entries:
            return np.empty((0, self.dim), np.float32), None
        fresh = [row for row, entry in enumerate(entries) if entry.sha256 not in self._held]
        parts = [(fresh, found.take(entries[row].sha256 for row in fresh))] if fresh else []
        lent = defaultdict[Generation, list[int]](list)
        for row, entry in enumerate(entries):
            if entry.sha256 in self._held:
                lent[self._held[entry.sha256][0]].append(row)
        for lender, rows in lent.items():
            vectors, features = lender.embedded([self._held[entries[r].sha256][1] for r in rows])
            known = vectors if features is None or not wide else np.hstack([vectors, features])
            parts.append((rows, known))
        all_rows = np.empty((len(entries), parts[0][1].shape[1]), np.float32)
        for places, known in parts:
            all_rows[places] = known
        return all_rows[:, : self.dim], all_rows[:, self.dim :] if wide else None
