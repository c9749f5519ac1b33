"""Real samples for the proof of parity: texts, images or vectors of the validation classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zscr.data.collection import Collection
from zscr.data.corpus import Corpus
from zscr.data.corpus_files import sample_images
from zscr.data.records import Query
from zscr.errors import CollectionError, InputError
from zscr.export.heads import DeployedHead
from zscr.infer.encoder import Encoder
from zscr.infer.features.listing import Row, list_rows
from zscr.infer.features.table_names import field_of
from zscr.infer.models.samples import spread
from zscr.train.methods.contract import Port
from zscr.train.pretrained.samples import TEXTS

SAMPLES = 64  # at most


def samples_of(
    collection: Collection, deployed: DeployedHead, split: str = "val", most: int = SAMPLES
) -> list[Query]:
    """Return up to `most` different queries that fill the fields of a head's graph.

    They are spread evenly over a split. Where the head has several ports, sample i
    takes the i-th value of each; the values of the shorter ones come again.

    Raises:
        CollectionError: the split has nothing for a port.
    """
    columns = {
        field_of(port.name) if encoder else "vector": _values(
            collection, port, encoder, split, most
        )
        for port, encoder in deployed.ports
    }
    count = max(map(len, columns.values()))
    return [
        Query(str(row), **{name: values[row % len(values)] for name, values in columns.items()})
        for row in range(count)
    ]


def _values(
    collection: Collection, port: Port, encoder: Encoder | None, split: str, most: int
) -> Sequence[Any]:
    """Return what the field of a port is filled with, no value twice."""
    if collection.corpus and encoder:
        values = _of_corpus(collection.corpus, field_of(port.name), split, most)
        return [one for one in values if _usable(Query(**{field_of(port.name): one}), encoder)]
    per = "class" if collection.classes else "image"
    encoders = {port.name: encoder}
    rows = list_rows(collection, split, [port.name], encoders, per)[1][port.name]
    values = _contents(rows, encoder, most) if encoder else _vectors(collection, port, rows, most)
    if not values:
        raise CollectionError(
            f"{collection.folder} has no {port.name} in its split '{split}' to export with; add "
            f"some"
        )
    return values


def _of_corpus(corpus: Corpus, field: str, split: str, most: int) -> Sequence[Any]:
    """Return images of a corpus; of texts, which it has not, those that any encoder is tried on."""
    return TEXTS if field == "text" else sample_images(corpus, split, most)


def _vectors(collection: Collection, port: Port, rows: Sequence[Row], most: int) -> list[Any]:
    return list(collection.vectors(port.name)[[row.place for row in spread(rows, most)]])


def _contents(rows: Sequence[Row], encoder: Encoder, most: int) -> list[Any]:
    """Return texts or files, without those that the encoder cannot use, as in the training."""
    sources = {row.source.key: row.source for row in rows if row.source}
    [field] = encoder.fields
    return [
        getattr(source.query, field)
        for source in spread([*sources.values()], most)
        if _usable(source.query, encoder)
    ]


def _usable(query: Query, encoder: Encoder) -> bool:
    try:
        encoder.prepare([query])
    except InputError:
        return False
    return True
