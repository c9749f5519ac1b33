"""The tokens of an index's images, computed from their files when a query first compares them.

An index does not hold them: at 49 KiB an image they would be some fifty times its embeddings, read
and hashed whenever it is opened. They are of a content, so whatever becomes of the index, they are
right; of a file that is gone, or has another content by now, there are none.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zscr.artefact import hash_file
from zscr.data.records import Query
from zscr.errors import ZscrError
from zscr.infer.index.entry import Entry
from zscr.infer.pair import Pair
from zscr.infer.reading import encode_readable
from zscr.infer.reranking import Tokens, halved

KEPT = 128 << 20  # bytes: the tokens of 2,700 images of 49 KiB


class GalleryTokens:
    """Computes tokens of images, and keeps those that were compared last."""

    def __init__(self, pair: Pair, kept: int = KEPT) -> None:
        self.pair, self.kept = pair, kept
        self._known: OrderedDict[str, Tokens] = OrderedDict()  # by content, the latest at the end

    def __len__(self) -> int:
        """Return of how many contents tokens are kept."""
        return len(self._known)

    def of(self, entries: Sequence[Entry]) -> tuple[list[int], Tokens]:
        """Return the places of the images that can be read, and their tokens (M, L, W)."""
        fresh = {entry.sha256: entry for entry in entries if entry.sha256 not in self._known}
        self._known |= self._computed([*fresh.values()])
        places = [place for place, entry in enumerate(entries) if entry.sha256 in self._known]
        found = [self._known[entries[place].sha256] for place in places]
        for place in places:
            self._known.move_to_end(entries[place].sha256)
        held = sum(one.nbytes for one in self._known.values())
        while held > self.kept:
            held -= self._known.popitem(last=False)[1].nbytes
        return places, np.stack(found) if found else np.empty((0, 1, 1), np.float16)

    def _computed(self, entries: Sequence[Entry]) -> dict[str, Tokens]:
        """Return content -> its tokens, of those whose file is what it was."""
        files = {entry.sha256: file for entry in entries if (file := _file_of(entry))}
        if not files:
            return {}
        places, rows = encode_readable(self.pair.gallery, Query.of("image", files.values()))
        keys = [*files]
        return {keys[place]: row for place, row in zip(places, halved(rows), strict=True)}


def _file_of(entry: Entry) -> Path | None:
    """Return a file that holds an image's content; None where each is gone, or is another one."""
    for place in map(Path, entry.places):
        try:
            if hash_file(place) == entry.sha256:
                return place
        except (OSError, ZscrError):  # gone, or no file any more
            continue
    return None
