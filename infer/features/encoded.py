"""Queries of one field, such as a task's, encoded by content; what cannot be used is told apart."""

from __future__ import annotations

from collections.abc import Sequence
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

Encoded = tuple[Rows, list[int]]  # rows, and the places of the queries that they are of


def encode_cached(
    store: Path, encoder: Encoder, queries: Sequence[Query], collection: Collection
) -> Encoded:
    """Encode queries of one field through a store of features.

    Raises:
        InputError: a text or no image at all can be encoded, or a row is not finite.
    """
    sources = [_source(query, collection) for query in queries]
    features = compute_features(store, encoder, sources)
    kept = [place for place, one in enumerate(sources) if one.key not in features.failed]
    if not kept or (len(kept) < len(sources) and sources[0].path is None):
        lost, [reason, *_] = len(sources) - len(kept), features.failed.values()
        [field] = queries[0].fields
        raise InputError(f"{lost} of {len(sources)} {field}s fail: {reason}")
    rows = features.take(sources[place].key for place in kept)
    check_finite(encoder.name, rows, str(collection.folder))
    return rows, kept


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
        return np.stack([q.vector for q in queries if q.vector is not None]), [*range(len(queries))]
    field = field_of(table)
    alone = [Query(query.id, **{field: getattr(query, field)}) for query in queries]
    return encode_cached(collection.folder / "features", encoder, alone, collection)


def _source(query: Query, collection: Collection) -> Source:
    """Return what a query's one field is encoded from, with the hash that the manifest holds."""
    if query.text is not None:
        return Source.text(query.text)
    path = Path(str(query.image or query.sketch))
    folder, files = collection.folder.absolute(), collection.manifest.files
    name = path.relative_to(folder).as_posix() if path.is_relative_to(folder) else ""
    return Source.image(path, str(files[name]["sha256"]) if name in files else None)
