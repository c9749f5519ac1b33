"""Preparing a batch of queries so that one that cannot be read costs no other its answer."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.encoder import Encoder, Rows
from zscr.infer.inputs.prepared import Prepared

_LISTED, _LONG = 20, 40  # words that a message lists, and characters of one
TEXTS = ("text", "instead_of", "compose")  # of a query, its fields and how they are composed
_READ = ("text", "instead_of")
_HALF = re.compile("[\ud800-\udfff]")  # of a character, which no tokenizer takes


@dataclass(frozen=True)
class Reading:
    """What was read of a batch.

    Attributes:
        rows: of the batch, those that were read, which are the rows of `prepared`.
        prepared: their feeds; None if there are none.
        faults: row of the batch -> why it cannot be read, in one sentence.
    """

    rows: tuple[int, ...]
    prepared: Prepared | None
    faults: dict[int, str]


def read_batch(encoder: Encoder, batch: Sequence[Query]) -> Reading:
    """Prepare what can be read of a batch of queries that fill the encoder's fields.

    Texts are brought into Unicode's normal form C first: an accent is the same query whether it was
    typed as part of its letter or behind it. Tokenizers that want another form make it from this.
    """
    queries = [_normal(query) for query in batch]
    faults = {row: why for row, query in enumerate(queries) if (why := fault_in(query))}
    rows = tuple(row for row in range(len(batch)) if row not in faults)
    try:
        prepared = _prepared(encoder, queries, rows)
    except InputError:  # of one of them: find which
        faults |= _unusable(encoder, queries, rows)
        rows = tuple(row for row in rows if row not in faults)
        prepared = _prepared(encoder, queries, rows)
    if prepared and prepared.blank:
        faults |= {rows[row]: _unread(queries[rows[row]], prepared, row) for row in prepared.blank}
        rows = tuple(row for row in rows if row not in faults)
        prepared = _prepared(encoder, queries, rows)
    return Reading(rows, prepared, faults)


def encode_readable(
    encoder: Encoder, queries: Sequence[Query], *, batch_size: int = 32
) -> tuple[list[int], Rows]:
    """Encode those queries that can be read -> their places among all, and (M, *row_shape)."""
    places, blocks = list[int](), list[Rows]()
    for start, reading in readings(encoder, queries, batch_size):
        if reading.prepared:
            places += [start + row for row in reading.rows]
            blocks.append(encoder.run(reading.prepared.feeds))
    return places, np.concatenate([np.empty((0, *encoder.row_shape), np.float32), *blocks])


def readings(
    encoder: Encoder, queries: Sequence[Query], batch_size: int = 32
) -> Iterator[tuple[int, Reading]]:
    """Prepare queries a batch at a time; yield where each batch begins, and what was read of it."""
    for start in range(0, len(queries), batch_size):
        yield start, read_batch(encoder, queries[start : start + batch_size])


def _prepared(encoder: Encoder, queries: Sequence[Query], rows: Sequence[int]) -> Prepared | None:
    return encoder.prepare([queries[row] for row in rows]) if rows else None


def _unusable(encoder: Encoder, queries: Sequence[Query], rows: Sequence[int]) -> dict[int, str]:
    """Return why the queries of some rows cannot be prepared."""
    faults = {}
    for row in rows:
        try:
            encoder.prepare([queries[row]])
        except InputError as error:
            faults[row] = f"query {queries[row].id} cannot be read: {error}"
    return faults


def _normal(query: Query) -> Query:
    if not isinstance(query.text, str) or unicodedata.is_normalized("NFC", query.text):
        return query
    return replace(query, text=unicodedata.normalize("NFC", query.text))


def fits(field: str, value: object) -> bool:
    """Say whether a value is of a field's kind: a text, or an image's file or an open image."""
    if isinstance(value, str) or field in TEXTS:
        return isinstance(value, str)
    return isinstance(value, Path) or _is_open_image(value)


def _is_open_image(value: object) -> bool:
    """Say whether a value is an image of Pillow, which then has been imported: it takes a while."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)


def fault_in(query: Query) -> str | None:
    """Return what is wrong with a query's fields, whatever reads them."""
    beside = {"instead_of"} if query.instead_of is not None else set()
    for field in sorted(query.fields - {"vector"} | beside):
        if not fits(field, value := getattr(query, field)):
            return f"query {query.id} has {field} of the type {type(value).__name__}; see Query"
    for name in _READ:
        if (text := getattr(query, name)) is None:
            continue
        if _HALF.search(text):
            return f"query {query.id} holds half a character; write it in plain UTF-8"
        if not text.strip():
            return f"query {query.id} has an empty {name}; give it words or leave it out"
    return None


def notes_of(row: int, prepared: Prepared, encoder: Encoder) -> Iterator[str]:
    """Tell what the model could not look at, and how it looked at a sketch."""
    if row in prepared.truncated:
        spec = next(spec for spec in encoder.specs if "max_length" in spec)
        yield f"truncated to {spec['max_length']} {spec.get('unit', 'tokens')}"
    if words := prepared.unknown.get(row):
        yield f"{len(words)} unknown: {listed(words)}"
    if drawing := prepared.drawings.get(row):
        yield from drawing.told


def listed(words: Sequence[str]) -> str:
    """Return words as a message lists them: the first ones, and each no longer than a word is."""
    shown = [word if len(word) <= _LONG else f"{word[:_LONG]}…" for word in words[:_LISTED]]
    return ", ".join(shown + ["…"] * (len(words) > _LISTED))


def _unread(query: Query, prepared: Prepared, row: int) -> str:
    """Say that nothing of a text can be read: the answers to all such texts would be the same."""
    words = listed(prepared.unknown.get(row, ()))
    shown = f" ({words})" if words else ""
    return (
        f"query {query.id} has no word that the model's text encoder knows{shown}; "
        f"say it in other words"
    )
