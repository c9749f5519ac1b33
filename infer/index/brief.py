"""Whether so few queries will come that exact search answers them before HNSW would be loaded.

Loading HNSW takes L, a query h by HNSW and e by exact search, all of which go by the size of the
vectors. Of n queries, exact search is faster where n e < L + n h, and so wherever n <= L / e.
L / e is 10 and more (5,000 vectors of 512 and 20,000 of 256, with all proven before; more where it
is not: benchmarks/index_changes.py), for exact search reads a vector once, and loading copies it
twice and allocates its node. So a constant below that is taken, and which way a query goes depends
on no clock.

To copy a gallery to a GPU, every row is read, rounded and measured there and back, which is several
times exact search's reading: the same constant is taken.

Where it is not known how many will come, HNSW is loaded at once. To search exactly until the time
that was lost by it would have paid for the loading takes at most twice the time of whoever knows
the number, as renting skis does; but then the same query would have other answers before than
after, where HNSW misses an image.
"""

from __future__ import annotations

from zscr.infer.index.generation import Generation

FEW = 8  # queries


def is_few(queries: int | None) -> bool:
    """Say whether a number of queries is known, and few: fewer than anything is loaded for."""
    return queries is not None and queries <= FEW


def are_few(now: Generation, queries: int | None) -> bool:
    """Say whether queries are to be answered exactly although the generation has HNSW.

    Args:
        now: the generation; one whose user has pinned HNSW is searched by it.
        queries: how many there will be in all; None if that is not known.
    """
    return is_few(queries) and now.hnsw is not None and not now.choice.pinned


def how_few(queries: int | None) -> str:
    """Say in a sentence how such queries are searched, as `Choice.how` does."""
    return f"exact: loading HNSW would take longer than {queries} queries without it"
