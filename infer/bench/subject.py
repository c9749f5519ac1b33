"""What is measured: a bundle that answers over an index, by the path that users take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zscr.artefact import read_manifest
from zscr.data.records import Query
from zscr.infer.answers.answer import Answer
from zscr.infer.bench.times import Stopwatch
from zscr.infer.bundle_manifest import reranking_of
from zscr.infer.columns import Wanted
from zscr.infer.composed.choice import choose
from zscr.infer.found import Found, answer_of
from zscr.infer.index.follower import Follower
from zscr.infer.index.manifest import KIND
from zscr.infer.reading import notes_of, read_batch
from zscr.infer.runners.runner import Runtime
from zscr.infer.searcher import Searcher

STAGES = ("prepare", "encode", "search", "answer")


@dataclass
class Subject:
    """One of the things that are compared.

    Attributes:
        name: of the bundle, and what tells it from another of that name.
        searcher: what answers.
        k: how many images a query finds.
    """

    name: str
    searcher: Searcher
    k: int = 10

    def __post_init__(self) -> None:
        self._follower = Follower(self.searcher.index)

    @classmethod
    def open(cls, bundle: Path, index: Path | None, runtime: Runtime, k: int) -> Subject:
        """Open a bundle and its index; see `Searcher.open`."""
        searcher = Searcher.open(bundle, index, runtime)
        return cls(searcher.bundle.name, searcher, k)

    def answer(self, query: Query) -> Answer:
        """Answer one query."""
        [answer] = self.searcher.answers([query], self.k)
        return answer

    def answer_all(self, queries: Sequence[Query]) -> list[Answer]:
        """Answer any number of queries, in batches."""
        return list(self.searcher.answers(queries, self.k))

    def has_stages(self, query: Query) -> bool:
        """Say whether a query is one graph's alone, so that its way can be split."""
        searcher = self.searcher
        plain = not query.terms and reranking_of(searcher.bundle.manifest) is None
        return plain and choose(searcher.bundle, query) is None

    def answer_in_stages(self, query: Query, watch: Stopwatch) -> Answer:
        """Answer a query that has stages as `Searcher` does, by the same pieces one by one.

        Prepare tokenises or decodes, encode runs the graph, search looks for the nearest images,
        and answer ranks and calibrates them.
        """
        bundle, index, wanted = self.searcher.bundle, self.searcher.index, Wanted(self.k)
        watch.start()
        assert choose(bundle, query) is None, "it has stages"
        encoder = bundle.route(query.fields)
        reading = read_batch(encoder, [query])
        assert reading.prepared is not None, "the pool holds queries that can be read"
        watch.lap("prepare")
        rows = encoder.run(reading.prepared.feeds)
        watch.lap("encode")
        stale = self._follower.look()
        [matches] = self.searcher.nearest.find(rows, wanted)
        watch.lap("search")
        notes = (*notes_of(0, reading.prepared, encoder), *([stale] if stale else []))
        drawing = reading.prepared.drawings.get(0)
        seen = drawing.image if drawing else None
        ran = encoder.runner.ran + self.searcher.nearest.place(wanted).told
        found = Found(matches, notes, ran, seen=seen)
        answer = answer_of(query, found, wanted, bundle, index)
        watch.lap("answer")
        return answer

    def about(self) -> dict[str, Any]:
        """Return what it is, for the result."""
        bundle, index = self.searcher.bundle, self.searcher.index
        manifest = read_manifest(index.folder, KIND)
        return {
            "name": self.name,
            "bundle": bundle.manifest.sha256,
            "precision": bundle.precision,
            "index": manifest.sha256,
            "index_bytes": sum(entry["bytes"] for entry in manifest.files.values()),
            "images": index.count,
            "dim": index.dim,
            "search": self.searcher.how,
        }
