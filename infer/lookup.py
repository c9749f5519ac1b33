"""From queries of one kind to the images of an index, by a graph, a sum or a composition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.bundle import Bundle, spoken
from zscr.infer.bundle_manifest import reranking_of
from zscr.infer.columns import Wanted
from zscr.infer.composed.choice import choose, text_fault
from zscr.infer.encoder import Encoder, Rows
from zscr.infer.found import Found
from zscr.infer.index.follower import Follower
from zscr.infer.index.index import Index, Match
from zscr.infer.nearest import Nearest
from zscr.infer.reading import notes_of, read_batch
from zscr.infer.reranking import Reranking

if TYPE_CHECKING:  # most queries need none of them
    from zscr.infer.composed.composer import Composer
    from zscr.infer.composition.composition import Composition
    from zscr.infer.reranker import Reranker


class Lookup:
    """Looks queries up in one index.

    Attributes:
        bundle: the model.
        index: its images; follower: what keeps it as it is on the disk, or None.
        nearest: what searches them.
    """

    def __init__(
        self,
        bundle: Bundle,
        index: Index,
        follower: Follower | None,
        nearest: Nearest,
    ) -> None:
        self.bundle, self.index, self.follower, self.nearest = bundle, index, follower, nearest
        self._reranker: Reranker | None = None

    def require(self, query: Query) -> None:
        """Prove that the bundle takes such queries.

        Raises:
            InputError: it does not.
        """
        try:
            if choose(self.bundle, query) is None:
                self.bundle.route(query.fields)
        except InputError as error:
            raise InputError(_refused(query, error)) from error

    def found(self, queries: Sequence[Query], wanted: Wanted) -> Iterable[Found]:
        """Return what is found for each of some queries that are answered alike."""
        first = queries[0]
        try:
            composition = choose(self.bundle, first)
            encoder = None if composition or first.terms else self.bundle.route(first.fields)
            reranking = self._reranking(encoder, wanted)
        except InputError as error:
            return [Found(error=_refused(query, error)) for query in queries]
        if composition:
            return self._composed(composition, queries, wanted)
        if encoder is None:
            return (self._summed(query, wanted) for query in queries)
        return self._embedded(encoder, queries, wanted, reranking=reranking)

    def _reranking(self, encoder: Encoder | None, wanted: Wanted) -> Reranking | None:
        """Return how queries of a graph are re-ranked, if they are: as asked, or as by default.

        Raises:
            InputError: it is asked for, and the bundle re-ranks none, or others than these.
        """
        default = reranking_of(self.bundle.manifest)
        top = default.top if default and wanted.rerank is None else wanted.rerank
        if not top or (wanted.rerank is None and wanted.expansion):
            return None
        pair = self.reranker.pair
        if encoder is None or encoder.fields != pair.fields:
            if wanted.rerank is None:
                return None
            raise InputError(
                f"the graph '{pair.name}' re-ranks what queries of {spoken(pair.fields)} find, and "
                f"no others; leave --rerank out"
            )
        return Reranking(top, default.mix if default else 1.0)

    @property
    def reranker(self) -> Reranker:
        """What re-ranks, with what it knows of images; made when it is first needed.

        Raises:
            InputError: the bundle has nothing that does.
        """
        if self._reranker is None:
            from zscr.infer.pair import Pair
            from zscr.infer.reranker import Reranker

            self._reranker = Reranker(Pair(self.bundle))
        return self._reranker

    @cached_property
    def composer(self) -> Composer:
        """What answers queries of several fields by several graphs."""
        from zscr.infer.composed.composer import Composer

        return Composer(self.bundle)

    def _summed(self, query: Query, wanted: Wanted) -> Found:
        """Search for a sum of terms."""
        from zscr.infer.sums import add_up

        try:
            summed = add_up(self.bundle, query)
        except InputError as error:
            return Found(error=_refused(query, error))
        [(matches, notes)] = self._matched(summed.row, wanted)
        ran = summed.ran + self.nearest.place(wanted).told
        return Found(matches, (*summed.notes, *notes), ran)

    def _composed(
        self, composition: Composition, queries: Sequence[Query], wanted: Wanted
    ) -> list[Found]:
        """Search for queries of several fields by one composition."""
        faults = [text_fault(self.bundle, composition, query) for query in queries]
        sound = [query for query, fault in zip(queries, faults, strict=True) if fault is None]
        if composition.graph:
            graph = self.bundle.graph(composition.graph)
            found = iter(self._embedded(graph, sound, wanted, composition.name))
        else:
            found = iter(self._by_channels(composition, sound, wanted))
        return [next(found) if fault is None else Found(error=fault) for fault in faults]

    def _by_channels(
        self, composition: Composition, queries: Sequence[Query], wanted: Wanted
    ) -> Iterator[Found]:
        """Search for what several graphs make of each query's fields."""
        if not queries:
            return
        stale = self._stale()
        try:
            found = self.composer.answer(
                self.index,
                queries,
                composition,
                wanted.k,
                expansion=wanted.expansion,
                only=wanted.only,
            )
        except InputError as error:  # such as an expansion, which not all compositions take
            yield from (Found(error=_refused(query, error)) for query in queries)
            return
        told = self.nearest.place(wanted, "compositions of several graphs").told
        for one in found:
            notes = (*_scale(composition), *one.notes, *_used(wanted), *stale)
            yield Found(one.matches, notes, one.ran + told, composition.name, one.error)

    def _embedded(
        self,
        encoder: Encoder,
        queries: Sequence[Query],
        wanted: Wanted,
        composition: str | None = None,
        *,
        reranking: Reranking | None = None,
    ) -> Iterator[Found]:
        """Search for what one graph makes of each query, and perhaps re-rank what is found."""
        matched, sought = self._matched, wanted
        if reranking:  # the same graph, which gives the queries' tokens, too
            encoder, matched = self.reranker.pair.query, partial(self._reranked, reranking)
            sought = _before(reranking, wanted)
        reading = read_batch(encoder, queries)
        prepared = reading.prepared
        found = iter(matched(encoder.run(prepared.feeds), wanted) if prepared else ())
        place = {row: number for number, row in enumerate(reading.rows)}
        ran = encoder.runner.ran + self.nearest.place(sought).told
        for row in range(len(queries)):
            if row in reading.faults or prepared is None:
                yield Found(error=reading.faults[row])
                continue
            matches, notes = next(found)
            told = (*notes_of(place[row], prepared, encoder), *notes)
            drawing = prepared.drawings.get(place[row])
            seen = drawing.image if drawing else None
            again = reranking is not None
            yield Found(matches, told, ran, composition, seen=seen, reranked=again)

    def _reranked(
        self, reranking: Reranking, rows: Rows, wanted: Wanted
    ) -> Iterator[tuple[list[Match], tuple[str, ...]]]:
        """Return the same of rows that hold tokens, too, the best matches in their new order."""
        embeddings, tokens = self.reranker.pair.split(rows)
        found = self._matched(embeddings, _before(reranking, wanted))
        for asked, (matches, notes) in zip(tokens, found, strict=True):
            ranked, told = self.reranker.ranked(asked, matches, reranking)
            yield ranked[: wanted.k], (*notes, *told)

    def _matched(self, rows: Rows, wanted: Wanted) -> Iterator[tuple[list[Match], tuple[str, ...]]]:
        """Return the matches of each unit row, and what is to be noted of all."""
        stale = self._stale()
        return ((one, (*_used(wanted), *stale)) for one in self.nearest.find(rows, wanted))

    def _stale(self) -> tuple[str, ...]:
        """Follow the index on the disk; note where that cannot be done."""
        note = self.follower.look() if self.follower else None
        return (note,) if note else ()


def _before(reranking: Reranking, wanted: Wanted) -> Wanted:
    """Return what is searched for where the best are to be re-ranked."""
    return replace(wanted, k=max(wanted.k, reranking.top))


def _scale(composition: Composition) -> tuple[str, ...]:
    """Say of scores that they are no cosines."""
    return () if composition.fusion.is_linear else ("scores are fused of two, no cosines",)


def _used(wanted: Wanted) -> tuple[str, ...]:
    return (f"uses the gallery: {wanted.expansion}",) if wanted.expansion else ()


def _refused(query: Query, error: InputError) -> str:
    return f"query {query.id} cannot be answered: {error}"
