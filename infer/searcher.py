"""A bundle and an index together: queries in, images out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from zscr.data.records import Query, Refused
from zscr.disk import reading_faults
from zscr.errors import ArtefactError, ConfigError, InputError
from zscr.infer.answers.answer import Answer, Hit, refusal
from zscr.infer.batches import batches
from zscr.infer.bundle import Bundle
from zscr.infer.columns import Wanted, make_queries
from zscr.infer.encoder import Encoder, Rows
from zscr.infer.index.calibration import LEVEL, Calibration
from zscr.infer.index.follower import Follower
from zscr.infer.index.index import Index, Match
from zscr.infer.inputs.prepared import Prepared
from zscr.infer.reading import notes_of, read_batch
from zscr.infer.runners.runner import Runtime
from zscr.infer.sums import add_up

if TYPE_CHECKING:
    from PIL import Image

BATCH = 32
Refresh = Literal["auto", "never"]


class Searcher:
    """Answers queries over one index: texts, images, sketches, or several of them at once.

    Attributes:
        bundle: the model, which decides what a query may be made of.
        index: the images that are found.
    """

    def __init__(self, bundle: Bundle, index: Index, refresh: Refresh = "auto") -> None:
        if refresh not in ("auto", "never"):
            raise ConfigError(f"refresh '{refresh}' is unknown; use auto or never")
        self.bundle, self.index = bundle, index
        self._follower = Follower(index) if refresh == "auto" else None

    @classmethod
    def open(
        cls,
        bundle: Path,
        index: Path | None = None,
        runtime: Runtime | None = None,
        refresh: Refresh = "auto",
    ) -> Searcher:
        """Open a bundle and an index (default: the one that stands beside the bundle).

        Args:
            bundle: its folder; index: its folder.
            runtime: how graphs are run.
            refresh: `auto` looks, before each batch, whether another process has changed the index,
                and answers from the new generation. If that cannot be used, the one in memory goes
                on, and a note of each answer says so. `never` stays with what was opened.

        Raises:
            ArtefactError: one of them is absent or damaged.
            MismatchError: the index holds the embeddings of another gallery graph.
            ConfigError: another `refresh`.
        """
        opened = Bundle.open(bundle, runtime)
        folder = index or opened.index_folder
        with reading_faults(folder):
            there = folder.exists()
        if not there:
            raise ArtefactError(f"there is no index {folder}; make it with 'zscr index add'")
        return cls(opened, Index.open(folder, space=opened.space), refresh)

    def search(
        self,
        texts: str | Sequence[str] | None = None,
        *,
        images: str | Path | Image.Image | Sequence[str | Path | Image.Image] | None = None,
        sketches: str | Path | Image.Image | Sequence[str | Path | Image.Image] | None = None,
        k: int = 10,
        expand: int | None = None,
        min_score: float | None = None,
    ) -> list[Answer]:
        """Answer B queries, numbered from 1, with their k nearest images each, best first.

        What is given together makes one query a row: `search(["in red"], images=["shoe.jpg"])`
        asks for one image, by a text and an image at once. An image may find itself. A single text
        or image is one query, and its answer a list of one.

        A query that cannot be read, such as a text without any word that the model knows or an
        image that cannot be decoded, costs the others nothing: its answer has an `error`.

        Args:
            texts: (B,) captions, or what is to be different about the images.
            images: (B,) files, or images that are open already.
            sketches: (B,) likewise.
            k: how many images to find, fewer if the index holds fewer.
            expand: ask again with the mean image feature of so many of the best images (see
                `Expansion`); scores are then means of two cosines.
            min_score: leave out images that score less.

        Raises:
            InputError: nothing is given or not as many of each, a value is no text or image or is
                empty, the bundle does not take such queries, k, expand or min_score is no such
                number, or the index cannot expand queries so.
        """
        queries = make_queries({"text": texts, "image": images, "sketch": sketches})
        found = self.answers(queries, k, expand=expand, min_score=min_score)
        if queries:
            self._encoder_for(queries[0])
        return list(found)

    def answers(
        self,
        queries: Iterable[Query | Refused],
        k: int = 10,
        *,
        expand: int | None = None,
        min_score: float | None = None,
        within: Path | None = None,
    ) -> Iterator[Answer]:
        """Answer queries in their order, one batch at a time, so any number fits in memory.

        A batch holds neighbours that fill the same fields, so sorted queries are faster. Each query
        has its answer, which has an `error` if the query cannot be used.

        Args:
            queries: of any fields; those with terms are sums (see `zscr.infer.sums`).
            k, expand, min_score: see `search`.
            within: a folder, without links, that the images must lie in.

        Raises:
            InputError: k, expand or min_score is no such number, or the index cannot expand so.
        """
        wanted = Wanted(k, expand, min_score, within)
        return (
            answer for batch in batches(queries, BATCH) for answer in self._answer(batch, wanted)
        )

    def _answer(self, batch: Sequence[Query | Refused], wanted: Wanted) -> Iterator[Answer]:
        """Answer a batch of one kind: all refused, or queries that fill the same fields."""
        queries = [one for one in batch if isinstance(one, Query)]
        if not queries:
            yield from (refusal(one.query, one.error) for one in batch if isinstance(one, Refused))
            return
        if queries[0].terms:
            yield from (self._summed(query, wanted) for query in queries)
            return
        try:
            encoder = self._encoder_for(queries[0])
        except InputError as error:
            yield from (refusal(query, str(error)) for query in queries)
            return
        reading = read_batch(encoder, queries)
        found = dict(zip(reading.rows, self._found(encoder, reading.prepared, wanted), strict=True))
        for row, query in enumerate(queries):
            if row in reading.faults:
                yield refusal(query, reading.faults[row])
            else:
                yield self._answered(query, *found[row], encoder.runner.ran, wanted)

    def _summed(self, query: Query, wanted: Wanted) -> Answer:
        """Answer a query that is a sum of terms."""
        try:
            summed = add_up(self.bundle, query)
        except InputError as error:
            return refusal(query, f"query {query.id} cannot be answered: {error}")
        [(matches, notes)] = self._matched(summed.row, wanted)
        return self._answered(query, matches, (*summed.notes, *notes), summed.ran, wanted)

    def _found(
        self, encoder: Encoder, prepared: Prepared | None, wanted: Wanted
    ) -> list[tuple[list[Match], tuple[str, ...]]]:
        """Return each prepared query's matches, and what is to be noted of it."""
        if prepared is None:
            return []
        found = enumerate(self._matched(encoder.run(prepared.feeds), wanted))
        return [
            (matches, (*notes_of(row, prepared, encoder), *notes))
            for row, (matches, notes) in found
        ]

    def _matched(self, rows: Rows, wanted: Wanted) -> Iterator[tuple[list[Match], tuple[str, ...]]]:
        """Return the matches of each unit row, and what is to be noted of all."""
        stale = self._follower.look() if self._follower else None
        matches = self.index.search(
            rows, wanted.k, expansion=wanted.expansion, within=wanted.within
        )
        used = (f"uses the gallery: {wanted.expansion}",) if wanted.expansion else ()
        also = (*used, stale) if stale else used
        return ((one, also) for one in matches)

    def _answered(
        self,
        query: Query,
        matches: Sequence[Match],
        notes: tuple[str, ...],
        ran: str,
        wanted: Wanted,
    ) -> Answer:
        # Sums, expanded queries and parts of an index score on scales of their own.
        plain = not (query.terms or wanted.expansion or wanted.within)
        calibration = self._calibration(query) if plain else None
        hits = self._hits(query, matches, calibration)
        above = hits[0].above_unrelated if hits else None
        nothing = above is not None and above <= LEVEL
        if wanted.min_score is not None:
            kept = tuple(hit for hit in hits if hit.score >= wanted.min_score)
            if left := len(hits) - len(kept):
                notes += (f"{left} of {len(hits)} score under {wanted.min_score:g}: left out",)
            hits = kept
        return Answer(query, hits, notes, ran, nothing)

    def _calibration(self, query: Query) -> Calibration | None:
        """Return what unrelated queries score that the same graph embeds, if the index knows."""
        key = self.bundle.key_of(query.fields)
        return next((one for one in self.index.calibrations if one.graph == key), None)

    def _encoder_for(self, query: Query) -> Encoder:
        try:
            return self.bundle.route(query.fields)
        except InputError as error:
            raise InputError(f"query {query.id} cannot be answered: {error}") from error

    def _hits(
        self, query: Query, matches: Sequence[Match], calibration: Calibration | None
    ) -> tuple[Hit, ...]:
        """Rank the matches, marked right or wrong where the text's and their class are known."""
        text = query.text if query.fields == {"text"} else None
        right = None if text is None else self.bundle.examples.get(text)
        return tuple(
            Hit(
                rank,
                match.entry.id,
                match.score,
                class_id=match.entry.class_id,
                image=match.entry.image,
                sha256=match.entry.sha256,
                correct=match.entry.class_id == right if right and match.entry.class_id else None,
                above_unrelated=calibration.above(match.score) if calibration else None,
            )
            for rank, match in enumerate(matches, 1)
        )
