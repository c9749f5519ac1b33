"""Flipped bits of a bundle and its index, opened by the C++ library and by Python."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from bundles import entries, make_bundle, make_index, unit
from library import Library, Refused
from PIL import Image

from zscr.errors import ZscrError
from zscr.infer.index.index import Change
from zscr.infer.runners.runner import Runtime
from zscr.infer.searcher import Searcher

KINDS = ("exact-float32", "exact-float16", "hnsw-float32", "hnsw-float16")
TEXT = "a small bird on the beach"
Told = tuple[Any, ...]


@dataclass(frozen=True)
class Flip:
    """What became of one bit.

    Attributes:
        where: kind of index, file, byte and bit.
        ours, theirs: the C++ library's verdict and Python's: `same`, `noted` (the same hits, and a
            note about it), `refused`, or else `other`: other hits, which is never right.
        said: both sentences, empty where there is none.
    """

    where: str
    ours: str
    theirs: str
    said: tuple[str, str]


def make(folder: Path, kind: str) -> Path:
    """Write a bundle and an index of two segments -> the bundle."""
    search, stored = kind.split("-")
    bundle = make_bundle(folder / "b", "clip")
    index = make_index(folder / "b.index", bundle, 120, search=search, stored=stored)
    index.apply(Change(entries(range(120, 128)), unit(8, 2), removals=[entries([3])[0].id]))
    Image.fromarray(np.arange(432, dtype="u1").reshape(12, 12, 3)).save(folder / "a.png")
    return bundle


def in_cpp(library: Library, bundle: Path) -> tuple[list[Told], str]:
    """Answer a text, an image and a vector -> hits, and what was noted; throws `Refused`."""
    searcher = library.open(bundle)
    image = str(bundle.parent / "a.png").encode()
    answers = [*searcher.search([TEXT]), *searcher.ask([{"image": image}])]
    answers += searcher.search_vectors(unit(1, 9))
    if error := next((one.error for one in answers if one.error), None):
        raise Refused(0, error)
    hits = [tuple((hit[1], hit[2], *hit[3:6]) for hit in one.hits) for one in answers]
    return hits, " ".join(note for one in answers for note in one.notes)


def in_python(bundle: Path) -> tuple[list[Told], str]:
    """Do the same; throws a `ZscrError`."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        searcher = Searcher.open(bundle, runtime=Runtime(threads=1))
        answers = [
            *searcher.search(TEXT),
            *searcher.search(images=bundle.parent / "a.png"),
        ]
        [rows] = searcher.index.search(unit(1, 9), 10)
    hits = [
        tuple((h.id, h.score, h.class_id, h.image, h.sha256) for h in one.hits) for one in answers
    ]
    hits.append(tuple(_entry(one) for one in rows))
    notes = " ".join(note for one in answers for note in one.notes)
    return hits, f"{notes} {said.getvalue()}".strip()


def _entry(match: Any) -> Told:
    entry = match.entry
    image = None if entry.image is None else str(entry.image)
    return entry.id, match.score, entry.attributes.get("class"), image, entry.sha256


def flips(library: Library, folder: Path, kind: str, count: int, seed: int) -> Iterator[Flip]:
    """Flip bits of all files in turn, one at a time, and put each back."""
    bundle, rng = make(folder, kind), Random(f"{kind} {seed}")
    ours, theirs = in_cpp(library, bundle)[0], in_python(bundle)[0]
    if ours != theirs:
        raise AssertionError(f"{kind}: undamaged, the answers differ")
    paths = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.stat().st_size]
    paths = [p for p in paths if p.name not in ("a.png", "writer.lock")]
    for turn in range(count):
        path = paths[turn % len(paths)]
        kept = path.read_bytes()
        raw, at, bit = bytearray(kept), rng.randrange(len(kept)), rng.randrange(8)
        raw[at] ^= 1 << bit
        path.write_bytes(raw)
        one, said = _verdict(lambda: in_cpp(library, bundle), ours)
        other, heard = _verdict(lambda: in_python(bundle), ours)
        path.write_bytes(kept)
        name = path.relative_to(folder)
        yield Flip(f"{kind} {name} byte {at} bit {bit}", one, other, (said, heard))


def _verdict(work: Callable[[], tuple[list[Told], str]], wanted: list[Told]) -> tuple[str, str]:
    try:
        hits, notes = work()
    except (Refused, ZscrError) as refusal:
        sentence = str(refusal)
        internal = isinstance(refusal, Refused) and refusal.code == 7
        return "other" if internal or not sentence.isprintable() else "refused", sentence
    if hits != wanted:
        return "other", notes
    return ("noted" if notes else "same"), notes
