"""Features of frozen encoders, computed once: cached by content hash, resumable after a kill.

A store is a folder with `<encoder>.<rows>.npy` and `<encoder>.json`, which lists the content hash
of every row. While encoding, each finished shard is a file of its own in `<encoder>.parts/`; a
killed run loses at most the shard it was computing.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path

import numpy as np

from zscr.arrays import npy_from, read_npz, write_npy
from zscr.artefact import dump_json, hash_bytes, hash_file
from zscr.data.hashes import Hashes
from zscr.data.records import Query
from zscr.disk import remove_or_tell
from zscr.errors import InputError
from zscr.infer.encoder import Encoder, Rows
from zscr.lock import LOCK, is_busy, work_folder
from zscr.partial import atomic_file, write_atomically
from zscr.progress import progress, say
from zscr.regular import open_regular
from zscr.schema import SHA256, file_name, listing, record, text
from zscr.strict_json import parse_json

BATCH = 32
_INDEX = record({"file": file_name, "sha256": SHA256, "keys": listing(text(64), most=100_000_000)})
_PART = re.compile(r"\d{6}-[0-9a-f]{12}\.npz", re.ASCII)  # others are a stranger's
SHARD = 256  # rows lost at most by a kill; small enough that a shard takes seconds


@dataclass(frozen=True)
class Source:
    """One thing to encode: a query of one field, with the sha256 of that field's content."""

    key: str
    query: Query

    @classmethod
    def text(cls, text: str) -> Source:
        """A text, keyed by its UTF-8 bytes."""
        return cls(hash_bytes(text.encode()), Query(text=text))

    @classmethod
    def image(cls, path: Path, key: str | None = None) -> Source:
        """An image (or a sketch, as one), keyed by its file's sha256, which may be known."""
        return cls(key or hash_file(path), Query(image=path))

    @property
    def path(self) -> Path | None:
        """The file that it was listed by."""
        return self.query.image if isinstance(self.query.image, Path) else None


@dataclass(frozen=True)
class Features:
    """The encoded sources: `rows[places[key]]`; `failed` holds the reason of those that were not.

    Attributes:
        rows: (N, *row_shape) of the encoder's dtype.
        places: content hash -> row.
        failed: content hash -> why it could not be encoded.
    """

    rows: Rows
    places: Mapping[str, int]
    failed: Mapping[str, str]

    def take(self, keys: Iterable[str]) -> Rows:
        """Return the rows of `keys`, in their order -> (len(keys), *row_shape)."""
        return self.rows[[self.places[key] for key in keys]]


def compute_features(
    store: Path,
    encoder: Encoder,
    sources: Sequence[Source],
    *,
    shard: int = SHARD,
    hashes: Hashes | None = None,
) -> Features:
    """Encode what the store lacks, keep it there, and return the rows of all of `sources`.

    Where another process is encoding by the same encoder into the same store, wait, and find its
    rows. Whatever is there already can be read while others write, and from a read-only disk.

    Args:
        store: folder of the cache.
        encoder: its name and sha256 name the cache's files, so another encoder never hits it.
        sources: what to encode; equal contents are encoded once.
        shard: rows that are kept together as soon as they are computed.
        hashes: what is known of the sources' files; None reads them again before they are encoded.

    Raises:
        ArtefactError: something is lacking, and the store cannot be written to.
    """
    cache = _Cache(store, encoder)
    cache.read()
    if not cache.lacking(sources) and (not cache.parts.exists() or is_busy(cache.parts)):
        return Features(*cache.content(), {})
    with work_folder(cache.parts, f"computing features in {store}"):
        cache.read()
        cache.read_parts()
        failed = _fill(cache, encoder, cache.lacking(sources), shard, hashes or Hashes())
        cache.compact()
    return Features(*cache.content(), failed)


def _fill(
    cache: _Cache, encoder: Encoder, todo: list[Source], shard: int, hashes: Hashes
) -> dict[str, str]:
    """Encode what is lacking, a shard at a time; return why some of it could not be."""
    # Padding to a batch's longest text is wasted on its short ones; images have no text.
    todo.sort(key=lambda source: len(source.query.text or ""))
    failed: dict[str, str] = {}
    if todo:
        with progress(f"features ({encoder.name})", len(todo)) as bar:
            for start in range(0, len(todo), shard):
                part = todo[start : start + shard]
                sound = [source for source in part if not _changed(source, failed, hashes)]
                keys, rows = encode_sources(encoder, sound, failed)
                if keys:
                    cache.append(keys, rows)
                bar.advance(len(part))
    return failed


def encode_sources(
    encoder: Encoder, sources: list[Source], failed: dict[str, str]
) -> tuple[list[str], Rows]:
    """Encode what can be encoded; note in `failed` what cannot, and why.

    Returns:
        The keys of those that could, in their order, and their rows.
    """
    try:
        return _encoded(encoder, sources)
    except InputError:  # find the bad ones, so that one of them does not cost the others
        sound = [source for source in sources if not _unusable(encoder, source, failed)]
        return _encoded(encoder, sound)


def _encoded(encoder: Encoder, sources: list[Source]) -> tuple[list[str], Rows]:
    rows = encoder.encode([source.query for source in sources], batch_size=BATCH)
    return [source.key for source in sources], rows


def _changed(source: Source, failed: dict[str, str], hashes: Hashes) -> bool:
    if (path := source.path) and not hashes.holds(path, source.key):
        if not path.is_file():
            failed[source.key] = f"{path} does not exist"
        elif hash_file(path) != source.key:
            failed[source.key] = f"{path} has changed since it was listed"
    return source.key in failed


def _unusable(encoder: Encoder, source: Source, failed: dict[str, str]) -> bool:
    try:
        encoder.prepare([source.query])
    except InputError as error:
        failed[source.key] = str(error)
    return source.key in failed


class _Cache:
    """The files of one encoder in a store."""

    def __init__(self, store: Path, encoder: Encoder) -> None:
        name = f"{encoder.name}-{encoder.sha256[:12]}"
        self.index, self.parts = store / f"{name}.json", store / f"{name}.parts"
        self.store, self.name = store, name
        self.row_shape, self.dtype = encoder.row_shape, encoder.dtype
        self.keys: list[str] = []
        self.blocks: list[Rows] = []
        self.file = ""  # that holds the rows which are merged

    def lacking(self, sources: Iterable[Source]) -> list[Source]:
        """Return those that are not in it, each content once."""
        known = set(self.keys)
        return list({s.key: s for s in sources if s.key not in known}.values())

    def read(self) -> None:
        """Read what is merged. Another process may replace it meanwhile: then, what it is now."""
        self.keys, self.blocks, self.file = [], [np.empty((0, *self.row_shape), self.dtype)], ""
        while (found := self._index()) is not None:
            try:
                self._read_rows(found)
            except (OSError, ValueError, InputError) as error:
                if self._index() == found:
                    say(f"{self.index} is damaged ({error}); its features are computed again")
                    return
            else:
                return

    def _index(self) -> bytes | None:
        try:
            with open_regular(self.index) as file:
                return file.read()
        except FileNotFoundError:
            return None

    def _read_rows(self, index: bytes) -> None:
        entry = parse_json(index)
        _INDEX(entry, "")
        path, keys = self.store / entry["file"], entry["keys"]
        with open_regular(path) as file:
            content = bytearray(file.read())
        if hash_bytes(content) != entry["sha256"]:
            raise ValueError(f"the sha256 of {path.name} is another")
        rows: Rows = npy_from(content, path.name)
        self._check(keys, rows)
        if keys:
            self.keys, self.blocks, self.file = keys, [rows], path.name

    def read_parts(self) -> None:
        """Add what killed runs have left; only the holder of the folder may."""
        for part in self._parts():
            keys, rows = self._read_part(part)
            if not set(keys) & set(self.keys):  # or a killed run has merged it already
                self.keys += keys
                self.blocks.append(rows)

    def _parts(self) -> list[Path]:
        return sorted(part for part in self.parts.iterdir() if _PART.fullmatch(part.name))

    def _read_part(self, part: Path) -> tuple[list[str], Rows]:
        if not part.stem.endswith(hash_file(part)[:12]):
            say(f"{part} is damaged; its features are computed again")
            part.unlink()
            return [], self.blocks[0][:0]
        try:
            names, rows = read_npz(part, ("keys", "rows"))
            keys = list(map(str, names.tolist()))
            self._check(keys, rows)
        except ValueError as error:
            say(f"{part} is damaged ({error}); its features are computed again")
            return [], self.blocks[0][:0]
        return keys, rows

    def _check(self, keys: list[str], rows: Rows) -> None:
        """Refuse rows of another shape, or not one a key: the cache may be a stranger's."""
        if rows.shape != (len(keys), *self.row_shape) or rows.dtype != self.dtype:
            raise ValueError(f"{len(keys)} keys for {rows.dtype} {rows.shape}")

    def append(self, keys: list[str], rows: Rows) -> None:
        """Keep one finished shard."""
        buffer = io.BytesIO()
        np.savez(buffer, keys=np.array(keys, "U64"), rows=rows)
        number = max((int(part.stem[:6]) + 1 for part in self._parts()), default=0)
        name = f"{number:06d}-{hash_bytes(buffer.getvalue())[:12]}.npz"
        write_atomically(self.parts / name, buffer.getvalue())
        self.keys += keys
        self.blocks.append(rows)

    def compact(self) -> None:
        """Merge all shards into one file, if there are any; the replaced index is the commit."""
        if len(self.blocks) > 1:
            self._merge()
        own = escape(self.name)  # of an encoder or a bundle's folder, which may hold `*` and `[`
        merged = (path for path in self.store.glob(f"{own}.*.npy") if path.name != self.file)
        halves = self.store.glob(f".{own}.*.partial")
        if all([remove_or_tell(path) for path in (*merged, *halves)]):
            # Last: as long as there are parts, the next call comes here and tries again.
            for part in self.parts.iterdir():
                if part.name != LOCK:
                    remove_or_tell(part)

    def _merge(self) -> None:
        name = f"{self.name}.{len(self.keys)}.npy"
        shape = (len(self.keys), *self.row_shape)
        with atomic_file(self.store / name) as file:
            sha256 = write_npy(file, self.dtype, shape, self.blocks)
        entry = {"file": name, "sha256": sha256, "keys": self.keys}
        write_atomically(self.index, dump_json(entry))
        self.file = name

    def content(self) -> tuple[Rows, dict[str, int]]:
        """Return all rows and the row of each key."""
        if len(self.blocks) > 1:  # then they are not held twice: maps may take gigabytes
            self.blocks = [np.concatenate(self.blocks)]
        return self.blocks[0], {key: row for row, key in enumerate(self.keys)}
