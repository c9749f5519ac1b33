"""The functions of zscr.h for tests, as C sees them."""

from __future__ import annotations

import ctypes as c
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TERMINATED = c.c_size_t(-1).value


class Options(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("onnxruntime", c.c_char_p),
        ("provider", c.c_char_p),
        ("threads", c.c_int),
        ("keep_generation", c.c_int),
        ("precision", c.c_char_p),
    ]


class Query(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("id", c.c_char_p),
        ("text", c.c_char_p),
        ("text_size", c.c_size_t),
        ("image", c.c_char_p),
        ("sketch", c.c_char_p),
        ("vector", c.POINTER(c.c_float)),
        ("vector_size", c.c_size_t),
        ("image_bytes", c.c_char_p),
        ("image_size", c.c_size_t),
        ("sketch_bytes", c.c_char_p),
        ("sketch_size", c.c_size_t),
        ("instead_of", c.c_char_p),
        ("compose", c.c_char_p),
    ]


class How(c.Structure):
    _fields_ = [
        ("size", c.c_size_t),
        ("k", c.c_int),
        ("ef", c.c_int),
        ("exact", c.c_int),
        ("min_score", c.c_double),
    ]


class _Hit(c.Structure):
    _fields_ = [
        ("rank", c.c_int),
        ("score", c.c_double),
        ("id", c.c_char_p),
        ("class_id", c.c_char_p),
        ("image", c.c_char_p),
        ("sha256", c.c_char_p),
        ("above_unrelated", c.c_double),
    ]


class _Answer(c.Structure):
    _fields_ = [
        ("hits", c.POINTER(_Hit)),
        ("hit_count", c.c_size_t),
        ("notes", c.POINTER(c.c_char_p)),
        ("note_count", c.c_size_t),
        ("error", c.c_char_p),
        ("ran", c.c_char_p),
        ("nothing", c.c_int),
        ("composition", c.c_char_p),
    ]


class Refused(Exception):
    """A code that is not ZSCR_OK."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


@dataclass(frozen=True)
class Answer:
    """What one query found, as `zscr.infer.answers.answer.Answer` has it."""

    hits: tuple[tuple[Any, ...], ...]  # rank, id, score, class, image, sha256, above_unrelated
    notes: tuple[str, ...]
    error: str | None
    nothing: bool
    ran: str
    composition: str | None


class Library:
    """libzscr.so."""

    def __init__(self, path: Path) -> None:
        self.c = c.CDLL(str(path))
        self.c.zscr_message.restype = c.c_char_p
        self.c.zscr_answer_at.restype = c.POINTER(_Answer)
        self.c.zscr_answer_count.restype = c.c_size_t
        for name in ("count", "generation", "dim"):
            getattr(self.c, f"zscr_{name}").restype = c.c_uint64

    def check(self, code: int) -> None:
        if code:
            raise Refused(code, self.c.zscr_message().decode())

    def open(self, bundle: Path, index: Path | None = None, **options: Any) -> Searcher:
        given = {"size": c.sizeof(Options), "onnxruntime": capi().encode(), "threads": 1} | options
        made, how = c.c_void_p(), Options(**given)
        folder = None if index is None else str(index).encode()
        self.check(self.c.zscr_open(str(bundle).encode(), folder, c.byref(how), c.byref(made)))
        return Searcher(self, made)


class Searcher:
    """One handle, closed with its owner."""

    def __init__(self, library: Library, handle: c.c_void_p) -> None:
        self.library, self.handle = library, handle

    def __del__(self) -> None:
        self.library.c.zscr_close(self.handle)

    @property
    def generation(self) -> int:
        return self.library.c.zscr_generation(self.handle)

    def search(self, texts: Sequence[str | bytes], k: int = 10, **how: float) -> list[Answer]:
        raw = [one if isinstance(one, bytes) else one.encode() for one in texts]
        return self.ask([{"text": one, "text_size": len(one)} for one in raw], k, **how)

    def ask(self, queries: Sequence[dict[str, Any]], k: int = 10, **how: float) -> list[Answer]:
        size = c.sizeof(Query)
        asked = (Query * len(queries))(*(Query(size, **one) for one in queries))
        return self._answers("zscr_search", asked, len(queries), c.byref(_how(k, **how)))

    def search_images(self, paths: Sequence[Path], k: int = 10) -> list[Answer]:
        return self.ask([{"image": str(path).encode()} for path in paths], k)

    def search_vectors(self, rows: Any, k: int = 10, **how: float) -> list[Answer]:
        held = rows.ctypes.data_as(c.POINTER(c.c_float))
        shape = [c.c_size_t(one) for one in rows.shape]
        return self._answers("zscr_search_vectors", held, *shape, c.byref(_how(k, **how)))

    def embed(self, dim: int, **fields: Any) -> list[float]:
        made = (c.c_float * dim)()
        asked = Query(c.sizeof(Query), **({"text_size": TERMINATED} | fields))
        size = c.c_size_t(dim)
        self.library.check(self.library.c.zscr_embed(self.handle, c.byref(asked), made, size))
        return [*made]

    def _answers(self, function: str, *arguments: Any) -> list[Answer]:
        lib, found = self.library.c, c.c_void_p()
        self.library.check(getattr(lib, function)(self.handle, *arguments, c.byref(found)))
        try:
            count = lib.zscr_answer_count(found)
            return [_answer(lib.zscr_answer_at(found, c.c_size_t(n))[0]) for n in range(count)]
        finally:
            lib.zscr_free_answers(found)


def _how(k: int, ef: int = 0, exact: int = 0, min_score: float = -sys.float_info.max) -> How:
    return How(c.sizeof(How), k, ef, exact, min_score)


def _answer(one: _Answer) -> Answer:
    hits = tuple(_hit(one.hits[n]) for n in range(one.hit_count))
    notes = tuple(one.notes[n].decode() for n in range(one.note_count))
    error, composition = (one and one.decode() for one in (one.error, one.composition))
    return Answer(hits, notes, error, bool(one.nothing), one.ran.decode(), composition)


def _hit(hit: _Hit) -> tuple[Any, ...]:
    class_id, image = (one and one.decode() for one in (hit.class_id, hit.image))
    above = None if hit.above_unrelated < 0 else hit.above_unrelated
    return (hit.rank, hit.id.decode(), hit.score, class_id, image, hit.sha256.decode(), above)


def capi() -> str:
    """Return the folder of the onnxruntime that Python has."""
    import onnxruntime

    return os.path.join(os.path.dirname(onnxruntime.__file__), "capi")
