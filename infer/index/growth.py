"""What an index becomes when images arrive: the next generation, in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from zscr.infer.index.change import Upsert
from zscr.infer.index.choice import choose
from zscr.infer.index.exact import Vectors
from zscr.infer.index.generation import Entry, Generation, Skipped
from zscr.infer.index.hnsw import Graph


def known_errors(
    before: tuple[Skipped, ...], arrived: Sequence[Entry], errors: Sequence[Skipped]
) -> tuple[Skipped, ...]:
    """Return the errors of images that have not arrived since, and the new ones, once each."""
    mended = {entry.image for entry in arrived if entry.image is not None}
    known = [row for row in before if row.get("image") not in mended]
    return (*known, *(row for row in errors if row not in known))


def next_generation(
    before: Generation,
    change: Upsert,
    graph: Callable[[], Graph],
    queries: Vectors | None,
    errors: tuple[Skipped, ...],
) -> Generation:
    """Return the generation after `before`: the merged gallery, and how to search it from now on.

    `queries` (Q, D) replaces the sample that the choice is measured on; None keeps it. `graph`
    builds or extends the graph over `change.vectors`, if one is needed.
    """
    asked = before.queries if queries is None else queries
    choice, built = choose(change.vectors, asked, graph, before.choice)
    return replace(
        before,
        number=before.number + 1,
        entries=change.entries,
        vectors=change.vectors,
        choice=choice,
        graph=built,
        queries=asked,
        errors=errors,
    )
