"""Choosing between exact search and HNSW by measuring both on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from zscr.extras import has_extra
from zscr.infer.index.approximate import search_hnsw
from zscr.infer.index.choice import NOT_INSTALLED, RECALL, Choice, Measured, most_late
from zscr.infer.index.column import Column
from zscr.infer.index.exact import Gallery, Hits, Vectors, search_exact
from zscr.infer.index.hnsw import Hnsw
from zscr.infer.index.stack import Stack

# Measured on one thread of an AMD EPYC server, D = 256, p50 of one query at k = 10, exact search
# against HNSW with recall@10 >= 0.99: 5k items 0.07 | 0.03 ms, 10k 0.14 | 0.05 ms,
# 20k 0.56 | 0.08 ms, 100k 3.1 | 0.16 ms. Below this number HNSW saves a tenth of a millisecond,
# which nobody notices behind an encoder, and costs recall and a second of building (100k: 26 s).
EXACT_BELOW = 10_000
LADDER = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
# Queries that are measured, and kept for the measurement after the next `add`. Some queries find
# nothing of their best images, so few tell little: at 100,000 x 512 every 215th did at ef 76, and
# samples of 256 had recall@10 0.975 to 0.998 where 4,096 queries had 0.989.
SAMPLE = 1024
_TIMED = 64
_K = 10
_NOISE = 0.3  # norm of what is added to a gallery vector: about 17 degrees
Shares = npt.NDArray[np.float64]


class Before(Protocol):
    """How a gallery was searched until now."""

    @property
    def choice(self) -> Choice:
        """How it was searched."""

    @property
    def hnsw(self) -> Hnsw | None:
        """Over its first segments, if it had any."""


def choose(
    stack: Stack,
    queries: Vectors | None,
    before: Before,
    grow: Callable[[Stack], Hnsw],
    *,
    due: bool,
) -> tuple[Choice, Hnsw | None]:
    """Choose how to search the rows of a stack.

    Args:
        stack: the rows.
        queries: unit rows (Q, D) of the query modality; without them, gallery rows with noise.
        before: how they were searched. It stands if the user pinned it, and while no measurement
            is due and the rows that HNSW has not cost a query no more than HNSW does.
        grow: returns HNSW over all of the rows; called only if it is needed.
        due: whether what was measured is old.
    """
    last, count = before.choice, stack.count
    if last.search == "exact" and (last.pinned or _settled(last, count)):
        return last, None
    if count < EXACT_BELOW and not last.pinned:
        why = f"exact: {count} items are fewer than {EXACT_BELOW}, where HNSW gains nothing"
        return Choice("exact", why, recall=last.recall), None
    if not (last.pinned or has_extra("hnsw")):
        return Choice("exact", f"exact: {NOT_INSTALLED}", recall=last.recall), None
    if before.hnsw is not None and not due and stack.tail.count <= most_late(last):
        return last, before.hnsw
    hnsw = grow(stack)
    ef, measured = _measure(stack.with_hnsw(True), queries, hnsw, last.recall)
    choice = decide(ef, measured, pinned=last.pinned, recall=last.recall)
    return choice, hnsw if choice.search == "hnsw" else None


def _settled(before: Choice, count: int) -> bool:
    """Exact search won when measured: build no HNSW again until the gallery has doubled."""
    measured = before.measured
    return before.search == "exact" and measured is not None and count < 2 * measured.count


def decide(ef: int, measured: Measured, *, pinned: bool, recall: float = RECALL) -> Choice:
    """Choose HNSW if it is pinned, or if it finds enough and is faster than exact search."""
    on = f"on {measured.n} queries ({measured.queries})"
    found = f"recall@10 {measured.recall_at_10:.4f} {on}"
    times = f"p50 {measured.p50_hnsw_ms:.3g} ms against {measured.p50_exact_ms:.3g} ms exact"
    if pinned:
        how = f"hnsw with ef {ef}, as was asked for: {found}"
        return Choice("hnsw", how, True, ef, measured, recall)
    if measured.recall_at_10 < recall:
        why = f"exact: HNSW with ef {ef} has {found}, under {recall:g}"
        return Choice("exact", why, measured=measured, recall=recall)
    if measured.p50_hnsw_ms >= measured.p50_exact_ms:
        why = f"exact: HNSW with ef {ef} is no faster, {times}"
        return Choice("exact", why, measured=measured, recall=recall)
    how = f"hnsw with ef {ef}: {found}, {times}"
    return Choice("hnsw", how, ef=ef, measured=measured, recall=recall)


def sample(queries: Gallery) -> Vectors:
    """Return at most SAMPLE of the queries, evenly spaced."""
    rows = np.linspace(0, len(queries) - 1, min(len(queries), SAMPLE)).astype(np.int64)
    found: Vectors = queries[rows].astype(np.float32, copy=False)
    return found


def _noisy(vectors: Column) -> Vectors:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((min(len(vectors), SAMPLE), vectors.shape[1]), np.float32)
    noise *= _NOISE / np.linalg.norm(noise, axis=1, keepdims=True)
    moved = sample(vectors) + noise
    unit: Vectors = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return unit


def _measure(
    stack: Stack, queries: Vectors | None, hnsw: Hnsw, wanted: float
) -> tuple[int, Measured]:
    """Return the smallest ef with enough recall (see `least_ef`) and its figures."""
    vectors = Column(stack, "vectors")
    kind = "gallery" if queries is None else "query modality"
    asked = _noisy(vectors) if queries is None else sample(queries)
    truth = search_exact(vectors, asked, _K)
    shares = cache(lambda ef: shares_of(search_hnsw(vectors, hnsw, asked, _K, ef), truth))
    ef = least_ef(lambda ef: surely(shares(ef)) >= wanted)
    recall = float(shares(ef).mean())
    exact_ms, hnsw_ms = _race(vectors, asked[:_TIMED], hnsw, ef)
    return ef, Measured(recall, exact_ms, hnsw_ms, kind, len(asked), len(vectors))


def least_ef(enough: Callable[[int], bool]) -> int:
    """Return the smallest ef that is enough, to a sixteenth; the last of `LADDER` if none is."""
    below = _K - 1
    for ef in LADDER:
        if enough(ef):
            break
        below = ef
    while below < ef - max(1, ef // 16):
        middle = (below + ef) // 2
        below, ef = (below, middle) if enough(middle) else (middle, ef)
    return ef


def surely(shares: Shares) -> float:
    """Return the recall that other queries of the kind have with 95 % confidence, too.

    The smallest ef with enough recall on some queries has too little for every other sample of
    them: it was chosen for them. `shares` (Q,) are the recall of each; their mean is about normal.
    """
    return float(shares.mean() - 1.645 * shares.std() / np.sqrt(len(shares)))


def recall_of(hits: Hits, truth: Hits) -> float:
    """Return the share of hits that score at least as high as the truth's last: recall@k.

    Compared by score, so that one of two identical images may stand for the other.
    """
    return float(shares_of(hits, truth).mean())


def shares_of(hits: Hits, truth: Hits) -> Shares:
    """Return the recall@k of each query (Q,)."""
    found: Shares = (hits.scores >= truth.scores[:, -1:] - 1e-9).mean(axis=1)
    return found


def _race(vectors: Column, queries: Vectors, hnsw: Hnsw, ef: int) -> tuple[float, float]:
    """Return the p50 in ms of exact search and HNSW, one query at a time, interleaved."""
    seconds = np.empty((len(queries), 2))
    for row in range(len(queries)):
        query = queries[row : row + 1]
        start = time.perf_counter()
        search_exact(vectors, query, _K)
        middle = time.perf_counter()
        search_hnsw(vectors, hnsw, query, _K, ef)
        seconds[row] = middle - start, time.perf_counter() - middle
    exact_ms, hnsw_ms = np.median(seconds, axis=0) * 1e3
    return float(exact_ms), float(hnsw_ms)
