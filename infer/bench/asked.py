"""What a bundle is asked in a measurement: a pool of queries that it can answer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zscr.data.collection import read_collection
from zscr.data.records import Query, Refused
from zscr.data.registry import find_collection
from zscr.data.tasks import load_task
from zscr.errors import InputError
from zscr.infer.bench.subject import Subject
from zscr.infer.bundle import Bundle, spoken
from zscr.infer.queries import read_queries
from zscr.progress import say

POOL = 512  # queries that are drawn from; of more, those are chosen at random


@dataclass(frozen=True)
class Pool:
    """Queries that every subject can answer.

    Attributes:
        queries: that are drawn from.
        source: where they come from, in words.
        refused: how many of those that were tried cannot be answered, and are left out.
    """

    queries: Sequence[Query]
    source: str
    refused: int

    def about(self) -> dict[str, Any]:
        """Return what they are, for the result."""
        return {
            "source": self.source,
            "count": len(self.queries),
            "refused": self.refused,
            "fields": sorted({field for query in self.queries for field in query.fields}),
            "sha256": _hash(self.queries),
        }


def example_queries(bundle: Bundle) -> tuple[Iterable[Query], str]:
    """Return the texts that a bundle holds as examples, and what they are.

    Raises:
        InputError: it has none, or takes no texts.
    """
    if frozenset({"text"}) not in bundle.takes or not bundle.examples:
        takes = " or ".join(map(spoken, bundle.answers))
        raise InputError(
            f"{bundle.folder} has no texts to ask as examples; give queries of {takes} by --file, "
            f"or a --collection"
        )
    return Query.of("text", bundle.examples), f"the examples of {bundle.name}"


def file_queries(path: Path) -> tuple[Iterable[Query | Refused], str]:
    """Return the queries of a file, and what they are; see `read_queries`."""
    return read_queries(path), path.name


def collection_queries(named: str, task: str, split: str) -> tuple[Iterable[Query], str]:
    """Return the queries of a collection's task, and what they are; see `load_task`."""
    collection = read_collection(find_collection(named))
    return load_task(collection, task, split).queries, f"{collection.name}, {task}, {split}"


def fill_pool(
    subjects: Sequence[Subject], found: tuple[Iterable[Query | Refused], str], seed: int
) -> Pool:
    """Choose queries, and let every subject answer them once: what one cannot is left out.

    This warms up graphs and caches, too.

    Raises:
        InputError: none can be answered.
    """
    asked, source = list(found[0]), found[1]
    chosen = np.random.default_rng(seed).permutation(len(asked))[:POOL]
    tried = [asked[place] for place in sorted(chosen)]
    lost: dict[int, str] = {}
    for subject in subjects:
        for place, answer in enumerate(subject.searcher.answers(tried, subject.k)):
            if answer.error is not None:
                lost.setdefault(place, answer.error)
    queries = [one for place, one in enumerate(tried) if place not in lost]
    reason = next(iter(lost.values()), "there are none")
    if not queries:
        raise InputError(f"no query of {source} can be answered: {reason}")
    if lost:
        say(f"{len(lost)} of {len(tried)} queries cannot be answered and are left out: {reason}")
    return Pool([one for one in queries if isinstance(one, Query)], source, len(lost))


def _hash(queries: Sequence[Query]) -> str:
    """Name the queries by what they ask, in their order; images by the names of their files."""
    told = hashlib.sha256()
    for query in queries:
        names = (query.text, query.instead_of, query.compose)
        images = (str(getattr(one, "name", "")) for one in (query.image, query.sketch))
        vector = b"" if query.vector is None else query.vector.tobytes()
        told.update(repr((*names, *images)).encode() + vector)
    return told.hexdigest()
