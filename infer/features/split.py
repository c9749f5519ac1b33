"""The tables of one split: what a method needs of a collection, encoded or published, by group."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence, Sized
from pathlib import Path
from typing import Protocol

import numpy as np

from zscr.artefact import dump_jsonl
from zscr.data.collection import Collection
from zscr.data.corpus import Corpus
from zscr.data.records import Query
from zscr.errors import CollectionError, ConfigError, InputError
from zscr.infer.encoder import Encoder, Rows
from zscr.infer.features.corpus import corpus_rows
from zscr.infer.features.listing import Encoders, Row, Texts, encoder_of, list_rows
from zscr.infer.features.store import BATCH, compute_features
from zscr.infer.features.table import (
    Array,
    Split,
    Table,
    check_finite,
    starts_of,
    whole_groups,
)
from zscr.infer.features.table_names import field_of, plural_of
from zscr.partial import write_atomically
from zscr.progress import say


class Wanted(Protocol):
    """A table that is asked for; see `zscr.train.methods.contract.Need`."""

    @property
    def table(self) -> str:
        """`image`, `sketch` or `text`."""

    @property
    def per(self) -> str:
        """What its groups are: `class`, `item`, `domain` or `image` (all as one group)."""

    @property
    def texts(self) -> Callable[[Collection, str], Texts] | None:
        """Returns what the classes of a split are described by; None: by the collection itself."""


def load_split(
    collection: Collection,
    split: str,
    needs: Sequence[Wanted],
    encoders: Encoders,
    store: Path | None = None,
) -> Split[Array]:
    """Read one split's tables, encoding what is not cached yet.

    Args:
        collection: with what the tables need: images, sketches, texts, or published vectors.
        split: `seen`, `val` or `unseen`.
        needs: the tables; all of them per class, item or domain, or as one group.
        encoders: the frozen encoders by name; None where the collection has published vectors.
        store: where to cache; None is the collection's own `features`. Images that cannot be
            used are left out, counted on stderr and listed here in `errors.<split>.jsonl`.

    Raises:
        CollectionError: a table would be empty.
        InputError: features are not finite.
    """
    per = _common([need.per for need in needs])
    names = [need.table for need in needs]
    if collection.corpus:
        return _of_corpus(collection, collection.corpus, split, names, per, encoders, store)
    texts = {need.table: need.texts(collection, split) for need in needs if need.texts}
    groups, listed = list_rows(collection, split, names, encoders, per, texts)
    _require_some(collection, split, listed)  # before others' features are computed, for minutes
    tables: dict[str, Table[Array]] = {}
    lost: list[dict[str, str]] = []
    for name in names:
        rows, kept, failed = _values(collection, name, listed[name], encoders, store)
        lost += failed
        counts = np.bincount([row.group for row in kept], minlength=len(groups))
        table_ids = tuple(row.id for row in kept)
        said = tuple(row.source.query.text or "" for row in kept if row.source)
        said = said if field_of(name) == "text" else ()
        tables[name] = Table(table_ids, rows, starts_of(counts.tolist()), said)
    once = {(one["id"], one["reason"]): one for one in lost}  # though several views lack it
    _report_lost([*once.values()], collection, split, store)
    _check(collection, split, tables)
    found = Split(groups, tables)
    return whole_groups(found) if per == "item" else found


def _of_corpus(
    collection: Collection,
    corpus: Corpus,
    split: str,
    names: Sequence[str],
    per: str,
    encoders: Encoders,
    store: Path | None,
) -> Split[Array]:
    """Return the images of a split as one group; a corpus has neither texts nor classes."""
    encoder = encoders.get("image")
    if not names:
        return Split(("all",), {})
    if names != ["image"] or per != "image" or encoder is None:
        lacking = [plural_of(name) for name in names if name != "image"] or ["classes or vectors"]
        raise CollectionError(
            f"{collection.folder} holds images alone, and its {' and '.join(lacking)} are asked "
            f"for; take a collection that has them"
        )
    rows = corpus_rows(corpus, encoder, store or collection.folder / "features")[split]
    check_finite("image", rows, f"split '{split}'")
    ids = tuple(map(str, range(len(rows))))
    return Split(("all",), {"image": Table(ids, rows, starts_of([len(rows)]))})


def _common(pers: Sequence[str]) -> str:
    """Return what all tables are grouped by."""
    if not pers:  # a method that is fitted to none of the collection's tables
        return "image"
    if len({*pers}) != 1:
        raise ConfigError(
            f"tables are needed per {' and per '.join(pers)}; need all per one of them"
        )
    return pers[0]


def _check(collection: Collection, split: str, tables: Mapping[str, Table[Array]]) -> None:
    _require_some(collection, split, {name: table.rows for name, table in tables.items()})
    for name, table in tables.items():
        check_finite(name, table.rows, f"split '{split}'")


def _require_some(collection: Collection, split: str, rows: Mapping[str, Sized]) -> None:
    """Refuse a split of which a table is empty; views of one kind of thing are told once."""
    if not all(map(len, rows.values())):
        counts: dict[str, int] = {}
        for name, held in rows.items():
            what = plural_of(name)
            counts[what] = min(len(held), counts.get(what, len(held)))
        found = " and ".join(f"{count} {what}" for what, count in counts.items())
        of_classes = "" if collection.classes else " (it has no classes)"
        raise CollectionError(
            f"split '{split}' of {collection.folder}{of_classes} has {found} that can be used; it "
            f"needs some of each"
        )


def _values(
    collection: Collection,
    name: str,
    rows: list[Row],
    encoders: Encoders,
    store: Path | None,
) -> tuple[Rows, list[Row], list[dict[str, str]]]:
    """Return a table's rows, those of the list that are among them, and what was lost."""
    encoder = encoder_of(name, encoders)
    if encoder is None:
        return collection.vectors(name)[[row.place for row in rows]], rows, []
    sources = [row.source for row in rows if row.source]
    features = compute_features(store or collection.folder / "features", encoder, sources)
    if field_of(name) == "text":
        _refuse_failed_texts(collection, features.failed)
    kept = [row for row in rows if row.source and row.source.key not in features.failed]
    lost = [
        {"id": row.id, "reason": features.failed[row.source.key]}
        for row in rows
        if row.source and row.source.key in features.failed
    ]
    vectors = features.take(row.source.key for row in kept if row.source)
    if field_of(name) == "text":
        _report_unread([row.source.query for row in kept if row.source], encoder)
    return vectors, kept, lost


def _refuse_failed_texts(collection: Collection, failed: Mapping[str, str]) -> None:
    if failed:
        first = next(iter(failed.values()))
        raise InputError(f"{len(failed)} texts of {collection.folder} fail: {first}")


def _report_unread(texts: Sequence[Query], encoder: Encoder) -> None:
    """Count texts that are cut, and those of which the encoder reads nothing.

    The latter stay, as queries that must fail.
    """
    blank = cut = 0
    for start in range(0, len(texts), BATCH):
        prepared = encoder.prepare(texts[start : start + BATCH])
        blank, cut = blank + len(prepared.blank), cut + len(prepared.truncated)
    if blank:
        say(f"{blank} of {len(texts)} texts hold no word that '{encoder.name}' knows")
    if cut:
        say(f"{cut} of {len(texts)} texts are longer than '{encoder.name}' reads, and are cut")


def _report_lost(
    lost: list[dict[str, str]], collection: Collection, split: str, store: Path | None
) -> None:
    path, listed = (store or collection.folder / "features") / f"errors.{split}.jsonl", ""
    if os.access(path.parent, os.W_OK):  # what is read-only can be read all the same
        if lost:
            write_atomically(path, dump_jsonl(lost))
            listed = f"; {path} lists them"
        else:
            path.unlink(missing_ok=True)  # what an earlier call could not use
    if lost:
        say(
            f"{len(lost)} images of split '{split}' could not be used and are left out, first "
            f"{lost[0]['id']}: {lost[0]['reason']}{listed}"
        )
