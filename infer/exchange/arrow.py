"""A gallery as an Arrow table, the schema that Parquet and Lance share.

A column each: `id`, `sha256`, `image` and `also` (places), `vector`, perhaps `feature`, and the
struct `attributes`, a field an attribute, null where an image has none: SQL asks for
`attributes.class`. What the vectors are is JSON in the schema's metadata under `zscr`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from zscr.errors import InputError
from zscr.infer.exchange.gallery import About, Block, Gallery
from zscr.infer.exchange.rows import entry_of
from zscr.infer.index.exact import Vectors
from zscr.infer.index.index import Entry
from zscr.strict_json import parse_json

METADATA = b"zscr"
OWN = ("id", "sha256", "image", "also", "attributes", "vector", "feature")
TEXTS = ("id", "sha256", "image")


def schema_of(gallery: Gallery) -> Any:
    """Return the Arrow schema of a gallery."""
    import pyarrow as pa

    about, word = gallery.about, pa.string()
    fields = [pa.field("id", word, nullable=False), pa.field("sha256", word, nullable=False)]
    fields += [pa.field("image", word), pa.field("also", pa.list_(word))]
    if names := gallery.attribute_names:  # a struct without fields cannot be written
        fields.append(pa.field("attributes", pa.struct([(name, word) for name in names])))
    fields.append(pa.field("vector", pa.list_(pa.float32(), about.dim), nullable=False))
    if about.features:
        fields.append(pa.field("feature", pa.list_(pa.float32(), about.features), nullable=False))
    told = json.dumps(about.fields(), ensure_ascii=False)
    return pa.schema(fields, metadata={METADATA: told.encode()})


def batches_of(blocks: Iterable[Block], schema: Any) -> Iterator[Any]:
    """Yield blocks as record batches of a schema."""
    import pyarrow as pa

    for block in blocks:
        columns = {
            "id": [one.id for one in block.entries],
            "sha256": [one.sha256 for one in block.entries],
            "image": [one.image for one in block.entries],
            "also": [list(one.also) for one in block.entries],
            "attributes": [dict(one.attributes) for one in block.entries],
        }
        arrays = [
            _matrix(block.vectors if field.name == "vector" else block.features)
            if field.name in ("vector", "feature")
            else pa.array(columns[field.name], field.type)
            for field in schema
        ]
        yield pa.record_batch(arrays, schema=schema)


def about_of(schema: Any, count: int, where: str) -> About:
    """Return what a table says of its vectors; nothing but their length, where others wrote it.

    Raises:
        InputError: it has no column of ids or of vectors, or its metadata cannot be read.
    """
    missing = [name for name in ("id", "vector") if name not in schema.names]
    if missing or not count:
        lacks = f"the column {missing[0]}" if missing else "rows"
        raise InputError(f"{where} lacks {lacks}; an image is a row with an 'id' and a 'vector'")
    told = (schema.metadata or {}).get(METADATA)
    try:
        if told is not None:
            return About.of(parse_json(told), count=count)
    except ValueError as error:
        raise InputError(f"{where}: its metadata 'zscr' is damaged ({error})") from error
    return About(count, getattr(schema.field("vector").type, "list_size", 0))


def blocks_of(batches: Iterable[Any], about: About, where: str) -> Iterator[Block]:
    """Yield record batches as blocks; columns of text that zscr does not know are attributes.

    Raises:
        InputError: a row is no image, or its vector is null or of another length.
    """
    for batch in batches:
        if batch.num_rows:
            entries = tuple(_entries(batch, where))
            vectors = _rows(batch.column("vector"), about.dim, where)
            features = None
            if about.features:
                features = _rows(batch.column("feature"), about.features, where)
            yield Block(entries, vectors, features)


def _entries(batch: Any, where: str) -> Iterator[Entry]:
    named = [name for name in batch.schema.names if name in OWN[:5]]
    others = [field.name for field in batch.schema if field.name not in OWN and _is_text(field)]
    for row in batch.select([*named, *others]).to_pylist():
        row["attributes"] = {**_struct(row), **{name: row[name] for name in others}}
        try:
            yield entry_of(row)
        except ValueError as error:
            raise InputError(f"{where}: {error}") from error


def _struct(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a row: a struct, or a map, which Arrow gives as pairs."""
    return dict(row.get("attributes") or {})


def _is_text(field: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(field.type) or pa.types.is_large_string(field.type))


def _matrix(rows: Vectors | None) -> Any:
    import pyarrow as pa

    assert rows is not None, "the schema has a column of features only where there are some"
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])


def _rows(column: Any, dim: int, where: str) -> Vectors:
    flat = column.flatten().to_numpy(zero_copy_only=False)
    if column.null_count or not dim or flat.size != dim * len(column) or flat.dtype.kind != "f":
        raise InputError(f"{where}: its vectors are not rows of {dim} floats; write them as such")
    return np.asarray(flat, np.float32).reshape(len(column), dim)
