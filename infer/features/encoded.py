"""Queries of one field, such as a task's, encoded by content; what cannot be used is told apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from zscr.data.collection import Collection
from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.encoder import Encoder, Rows
from zscr.infer.features.listing import Encoders, encoder_of
from zscr.infer.features.store import Source, compute_features
from zscr.infer.features.table import check_finite
from zscr.infer.features.table_names import field_of


@dataclass(frozen=True)
class Encoded:
    """Queries as far as they can be used.

    Attributes:
        rows: (N, *row_shape).
        kept: the places of the N queries that they are of.
        lost: the places of the others, and why they have none.
    """

    rows: Rows
    kept: list[int]
    lost: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def whole(cls, rows: Rows) -> Encoded:
        """Return rows of which every query has one."""
        return cls(rows, [*range(len(rows))])

    def require_whole(self, queries: Sequence[Query], what: str = "queries") -> Rows:
        """Return the rows if every query has one: a figure without some is of another task.

        Raises:
            InputError: some have none; names the first one, and why.
        """
        if self.lost:
            place, reason = next(iter(self.lost.items()))
            raise InputError(
                f"{len(self.lost)} of {len(queries)} {what} cannot be used, the first is "
                f"'{queries[place].id}': {reason}; mend them, or make the collection without them"
            )
        return self.rows


def encode_cached(
    store: Path, encoder: Encoder, queries: Sequence[Query], collection: Collection
) -> Encoded:
    """Encode queries of one field through a store of features.

    Raises:
        InputError: a text or no image at all can be encoded, or a row is not finite.
    """
    sources = [_source(query, collection) for query in queries]
    features = compute_features(store, encoder, sources)
    failed = features.failed
    lost = {place: failed[one.key] for place, one in enumerate(sources) if one.key in failed}
    kept = [place for place in range(len(sources)) if place not in lost]
    if not kept or (lost and sources[0].path is None):
        [what] = queries[0].fields
        raise InputError(f"{len(lost)} of {len(sources)} {what}s fail: {[*lost.values()][0]}")
    rows = features.take(sources[place].key for place in kept)
    check_finite(encoder.name, rows, str(collection.folder))
    return Encoded(rows, kept, lost)


def encode_table(
    table: str, queries: Sequence[Query], encoders: Encoders, collection: Collection
) -> Encoded:
    """Encode what queries hold of a table, whatever else they hold; vectors are stacked.

    Args:
        table: its name; queries: which fill its field, or `vector` without an encoder.
        encoders: the frozen encoders by name.
        collection: whose own store of features is used.

    Raises:
        InputError: see `encode_cached`.
    """
    encoder = encoder_of(table, encoders)
    if encoder is None:
        return Encoded.whole(np.stack([q.vector for q in queries if q.vector is not None]))
    own = field_of(table)
    alone = [Query(query.id, **{own: getattr(query, own)}) for query in queries]
    return encode_cached(collection.folder / "features", encoder, alone, collection)


def encode_tables(
    tables: Iterable[str], queries: Sequence[Query], encoders: Encoders, collection: Collection
) -> tuple[dict[str, Rows], Encoded]:
    """Encode what queries hold of several tables -> their rows by table, and what is kept of all.

    Raises:
        InputError: one of them lacks queries that another has; see `encode_cached`.
    """
    found = {name: encode_table(name, queries, encoders, collection) for name in tables}
    whole = Encoded.whole(np.empty((len(queries), 0), np.float32))  # where no table is asked for
    fewest = max(found.values(), key=lambda one: len(one.lost), default=whole)
    if any(one.kept != fewest.kept for one in found.values()):
        fewest.require_whole(queries)
    return {name: one.rows for name, one in found.items()}, fewest


def _source(query: Query, collection: Collection) -> Source:
    """Return what a query's one field is encoded from, with the hash that the manifest holds."""
    if query.text is not None:
        return Source.text(query.text)
    path = Path(str(query.image or query.sketch))
    folder, files = collection.folder.absolute(), collection.manifest.files
    name = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else ""
    return Source.image(path, str(files[name]["sha256"]) if name in files else None)
