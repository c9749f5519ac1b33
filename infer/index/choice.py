"""How an index is searched: exactly or by HNSW, and what that was chosen by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from zscr.errors import InputError

Search = Literal["exact", "hnsw"]

RECALL = 0.99
M, EF_CONSTRUCTION = 16, 200  # of HNSW: links a node and layer, candidates while it is built
NOT_INSTALLED = "hnswlib, which HNSW needs, is not installed or broken (pip install 'zscr[hnsw]')"


@dataclass(frozen=True)
class Measured:
    """What was measured on `n` queries over `count` items; the times are medians of one query.

    `queries` says what kind they were: `query modality`, or `gallery` for gallery vectors with
    noise, which flatter HNSW (OOD-DiskANN, arXiv:2211.12850).
    """

    recall_at_10: float
    p50_exact_ms: float
    p50_hnsw_ms: float
    queries: str
    n: int
    count: int


@dataclass(frozen=True)
class Choice:
    """How an index is searched. `how` is a sentence with the reason; `ef` is set for `hnsw`.

    `recall` is what HNSW must find of what exact search finds, of the first 10, to be chosen.
    """

    search: Search
    how: str
    pinned: bool = False
    ef: int | None = None
    measured: Measured | None = None
    recall: float = RECALL


def most_late(choice: Choice) -> float:
    """Return how many rows that HNSW has not may be searched exactly beside it.

    Exact search of T of N rows takes T / N of its measured time; that is to be no more than what
    HNSW takes, so that a query takes at most twice as long as if HNSW had all.
    """
    measured = choice.measured
    if measured is None or not measured.p50_exact_ms:
        return 0
    return measured.count * measured.p50_hnsw_ms / measured.p50_exact_ms


def without_hnswlib(choice: Choice) -> Choice:
    """Return how an index that has HNSW is searched where hnswlib, which reads it, is missing.

    Exact search finds all that HNSW finds; a choice that was pinned to HNSW is kept, for only its
    user can give it up.
    """
    if choice.pinned or choice.search != "hnsw":
        return choice
    return replace(choice, search="exact", how=f"exact: {NOT_INSTALLED}", ef=None, measured=None)


def start(pinned: Search | None, recall: float = RECALL) -> Choice:
    """Return the choice of an index that has nothing yet; None leaves it to the measurement.

    Raises:
        InputError: the recall is not above 0, or above 1.
    """
    if not 0 < recall <= 1:
        raise InputError(f"a recall of {recall:g} cannot be; give one above 0, at most 1")
    how = f"{pinned or 'exact'}, as was asked for"
    return Choice(pinned or "exact", how, pinned is not None, recall=recall)
