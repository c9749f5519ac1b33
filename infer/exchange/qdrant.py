"""A collection of a Qdrant server: a point an image, whose id follows from the image's.

So another export writes over what an earlier one wrote. What the vectors are is in the metadata of
the collection; servers before 1.16 forget it. The distance is Dot: of unit vectors it is the
cosine, and for Cosine a server scales vectors again, which changes their last bits.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from zscr.errors import ConfigError, InputError, MismatchError
from zscr.extras import require_extras
from zscr.infer.exchange.gallery import About, Block, Gallery
from zscr.infer.exchange.points import block_of, point_id
from zscr.infer.exchange.rows import row_of
from zscr.infer.precision import PLAIN
from zscr.patience import PASSING, PassingFault, Patience, broken_way, passing_status
from zscr.progress import say

KEY = "QDRANT_API_KEY"
BATCH = 256  # points of a request: 2 MB of JSON with 512 dimensions
METADATA = "zscr"
Result = TypeVar("Result")


def is_url(place: str) -> bool:
    """Say whether a place is a server rather than a file or folder."""
    return urlsplit(place).scheme in ("http", "https")


class Qdrant:
    """A collection, over a client of qdrant-client's.

    Attributes:
        client: a `QdrantClient`, of a server or of a local folder.
        host: what the server is called in messages; name: of the collection.
        patience: with a server that is busy or out of reach.
    """

    def __init__(self, client: Any, host: str, name: str, patience: Patience | None = None) -> None:
        self.client, self.host, self.name = client, host, name
        self.patience = patience or Patience()
        self._answered = False  # whether the server ever has

    @classmethod
    def at(cls, url: str, name: str) -> Qdrant:
        """Connect to a server, with the key in the environment's `QDRANT_API_KEY`, if any.

        Raises:
            MissingExtraError: qdrant-client is not installed.
            ConfigError: the URL is none, or no collection is named.
        """
        require_extras("a Qdrant server", "qdrant")
        from qdrant_client import QdrantClient

        parts = urlsplit(url)
        if not name or not parts.hostname:
            raise ConfigError(f"{url} needs a host and a collection; name it with --collection")
        host = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        key = os.environ.get(KEY)
        client = QdrantClient(url=url, api_key=key, check_compatibility=False, timeout=60)
        return cls(client, host, name)

    def write(self, gallery: Gallery) -> None:
        """Make the collection if it is absent, and write each image over its earlier self.

        Raises:
            MismatchError: it is there and has vectors of another space, length or distance.
            InputError: the server refuses; ConfigError: it cannot be reached.
        """
        self._prepare(gallery.about)
        for block in gallery.watched(f"writing {self.name}"):
            for start in range(0, len(block.entries), BATCH):
                part = slice(start, start + BATCH)
                self._upsert(Block(block.entries[part], block.vectors[part]))
        held = self._patiently(lambda: self.client.count(self.name).count)
        if held > gallery.about.count:
            say(
                f"{self.name} holds {held - gallery.about.count} points that are not of this "
                f"export, as of images that were removed since; delete the collection and export "
                f"again to be rid of them"
            )

    def read(self) -> Gallery:
        """Return what the collection holds, an image a point.

        Raises:
            InputError: the server refuses, there is no such collection, or a point is no image.
        """
        held = self._patiently(lambda: self.client.get_collection(self.name))
        size = getattr(held.config.params.vectors, "size", None)
        count = self._patiently(lambda: self.client.count(self.name).count)
        if size is None or not count:
            raise InputError(f"{self.name} at {self.host} has no points of one vector each")
        told = (getattr(held.config, "metadata", None) or {}).get(METADATA)
        try:
            about = About(count, size) if told is None else About.of(told, count=count)
        except ValueError as error:
            raise InputError(f"the metadata of {self.name} is damaged: {error}") from error
        return Gallery(about, lambda: self._blocks(about.dim))

    def _blocks(self, dim: int) -> Iterator[Block]:
        at: Any = None
        while True:
            points, at = self._patiently(partial(self._scroll, at))
            if points:
                yield block_of(points, dim, f"{self.name} at {self.host}")
            if at is None:
                return

    def _scroll(self, at: Any) -> tuple[Sequence[Any], Any]:
        found: tuple[Sequence[Any], Any] = self.client.scroll(
            self.name, limit=BATCH, offset=at, with_payload=True, with_vectors=True
        )
        return found

    def _upsert(self, block: Block) -> None:
        from qdrant_client import models

        points = models.Batch(
            ids=[point_id(entry.id) for entry in block.entries],
            vectors=block.vectors.tolist(),
            payloads=[row_of(entry) for entry in block.entries],
        )
        self._patiently(lambda: self.client.upsert(self.name, points))

    def _prepare(self, about: About) -> None:
        from qdrant_client import models

        how = models.VectorParams(size=about.dim, distance=models.Distance.DOT)
        if not self._patiently(lambda: self.client.collection_exists(self.name)):
            told = {METADATA: about.fields()}
            self._patiently(lambda: self.client.create_collection(self.name, how, metadata=told))
            return
        held = self._patiently(lambda: self.client.get_collection(self.name)).config
        params = held.params.vectors
        found = (getattr(params, "size", None), getattr(params, "distance", None))
        told = (getattr(held, "metadata", None) or {}).get(METADATA) or {}
        if found != (how.size, how.distance) or told.get("space", about.space) != about.space:
            raise MismatchError(
                f"the collection {self.name} at {self.host} holds vectors of {found[0]} dimensions "
                f"({found[1]}) of {told.get('bundle') or 'others'}, the index of {about.dim} (Dot) "
                f"of {about.bundle}; name another collection"
            )
        if told and told.get("precision", PLAIN) != about.precision:
            raise MismatchError(
                f"the collection {self.name} at {self.host} holds vectors in "
                f"{told.get('precision', PLAIN)}, the index in {about.precision}; name another "
                f"collection"
            )

    def _patiently(self, ask: Callable[[], Result]) -> Result:
        failed = 0
        while True:
            try:
                return self._once(ask)
            except PassingFault as fault:
                failed += 1
                wait = self.patience.wait(fault, failed)
                if wait is None or (fault.unreachable and not self._answered):
                    raise ConfigError(
                        f"{fault}; run the same command again later: what is written already is "
                        f"written over"
                    ) from fault
                say(f"{fault}; trying again in {wait:g} s ({failed} of {self.patience.tries})")
                time.sleep(wait)

    def _once(self, ask: Callable[[], Result]) -> Result:
        from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

        try:
            answer = ask()
            self._answered = True
            return answer
        except UnexpectedResponse as error:
            self._answered = True
            if error.status_code in PASSING:
                raise passing_status(self.host, error) from error
            said = error.content.decode(errors="replace")[:200]
            raise InputError(f"{self.host} answers {error.status_code}: {said}") from error
        except ApiException as error:
            raise broken_way(self.host, error) from error
        except ValueError as error:  # of the local mode: no such collection
            raise InputError(f"{self.host}: {error}") from error
