"""Queries of several fields, asked of C++ and of Python, and how far their answers are apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zscr.data.records import Query

# Products of matrices, whose sums have another order, go into these; measured: see docs/cpp.md.
TOLERANCE = {"basic": 1e-6, "basic-expanded": 1e-6, "corner": 1e-12, "stored": 1e-12}
TOLERANCE |= {"weicom": 1e-12}
INSTEAD = ("arithmetic", "stored", "difference")  # which subtract what the text replaces


def given(query: Query) -> dict[str, Any]:
    """Return a query as C takes it."""
    names = ("id", "text", "image", "sketch", "instead_of", "compose")
    found = {name: getattr(query, name) for name in names}
    raw = {name: str(value).encode() for name, value in found.items() if value is not None}
    return raw | {"text_size": len(raw.get("text", b""))}


def asked(pair: Any, queries: Sequence[Query], k: int = 10, **how: float) -> list[Any]:
    """Ask both the same; return C++'s and Python's answer to each."""
    ours, theirs = pair
    wanted = theirs.answers(queries, k, **how)
    return [*zip(ours.ask([*map(given, queries)], k, **how), wanted, strict=True)]


def told(pairs: Sequence[Any]) -> list[Any]:
    """Return all but the scores of both answers, so that they can be compared."""
    ours = [
        ([(h[0], h[1], h[6]) for h in a.hits], a.notes, a.error, a.nothing, a.ran, a.composition)
        for a, _ in pairs
    ]
    theirs = [
        (
            [(h.rank, h.id, h.above_unrelated) for h in b.hits],
            tuple(note for note in b.notes if "images scored; no other" not in note),
            b.error,
            b.nothing,
            b.ran,
            b.composition,
        )
        for _, b in pairs
    ]
    return [ours, theirs]


def worst(pairs: Sequence[Any]) -> float:
    """Return the largest difference between two scores."""
    both = ((h[2], w.score) for a, b in pairs for h, w in zip(a.hits, b.hits, strict=True))
    return max(abs(ours - theirs) for ours, theirs in both)
