"""Queries of several fields, answered over an index by a bundle's compositions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.bundle import Bundle
from zscr.infer.composed.batch import Batch
from zscr.infer.composed.channels import Reader
from zscr.infer.composed.files import Files
from zscr.infer.composed.freedom import FreeDom
from zscr.infer.composed.gallery import EXACT_UP_TO, IndexGallery
from zscr.infer.composed.one_vector import summed, unit_rows
from zscr.infer.composed.scored import Scoring
from zscr.infer.composition.affine import Scores
from zscr.infer.composition.candidates import Found, search_fused
from zscr.infer.composition.composition import Composition
from zscr.infer.composition.statistics import Statistics
from zscr.infer.index.expansion import Expansion
from zscr.infer.index.generation import Generation
from zscr.infer.index.index import Index, Match
from zscr.infer.index.only import ALL, Only


@dataclass(frozen=True)
class Composed:
    """What was found for one query.

    Attributes:
        matches: best first; notes: what is to be told of them; ran: what embedded the query.
        error: why nothing could be found, in one sentence.
    """

    matches: Sequence[Match] = ()
    notes: tuple[str, ...] = ()
    ran: str = ""
    error: str | None = None


@dataclass(frozen=True)
class Sought:
    """What is wanted of a batch: see `Composer.answer`."""

    index: Index
    k: int
    expansion: Expansion | None
    only: Only


class Composer:
    """Answers by one bundle's compositions; keeps what it has read of the bundle and an index.

    Args:
        exact_up_to: images of an index up to which no list is left to HNSW.
    """

    def __init__(self, bundle: Bundle, *, exact_up_to: int = EXACT_UP_TO) -> None:
        self._exact_up_to = exact_up_to
        self.files = Files(bundle)
        self.reader = Reader(bundle, self.files)
        self._measured: tuple[Generation, Statistics] | None = None

    def answer(
        self,
        index: Index,
        queries: Sequence[Query],
        composition: Composition,
        k: int,
        *,
        expansion: Expansion | None = None,
        only: Only = ALL,
    ) -> list[Composed]:
        """Return the min(k, count) best images of each of B queries.

        Scores are cosines where the composition makes one vector, else what the fusion gives.

        Args:
            index: of the bundle's space.
            queries: that fill the composition's fields.
            composition: one of channels.
            k: how many to find.
            expansion: asks again by image features, where the composition makes one vector.
            only: which images are looked at.

        Raises:
            InputError: an expansion of fused scores, or as `Index.search`.
            ArtefactError: a file of the composition is missing or damaged.
        """
        batch, sought = Batch(queries), Sought(index, k, expansion, only)
        rows = {one.field: self.reader.vectors(batch, one) for one in composition.channels}
        if composition.vocabulary is not None:
            found = _nearest(batch, self._in_words(batch, rows, composition, sought), sought)
        elif composition.fusion.is_linear:
            vectors = summed(batch, [*rows.values()], composition.fusion)
            found = _nearest(batch, vectors, sought)
        else:
            found = self._fused(batch, rows, composition, sought)
        return [
            Composed(found[place], tuple(batch.notes.get(place, ())), batch.ran)
            if place in found
            else Composed(error=batch.faults[place])
            for place in range(len(queries))
        ]

    def _in_words(
        self,
        batch: Batch,
        rows: Mapping[str, Scores],
        composition: Composition,
        sought: Sought,
    ) -> Scores:
        """Return the vectors of queries whose images are said in words."""
        assert composition.vocabulary is not None, "FreeDom has one"
        gallery = IndexGallery(sought.index.now, sought.only, self._exact_up_to)
        freedom = FreeDom(composition.vocabulary, self.files, self.reader, gallery)
        image, text = composition.channels
        return freedom.vectors(batch, rows[image.field], text)

    def _fused(
        self,
        batch: Batch,
        rows: Mapping[str, Scores],
        composition: Composition,
        sought: Sought,
    ) -> dict[int, list[Match]]:
        """Search by a list a channel, or by all images, and fuse."""
        if sought.expansion is not None:
            raise InputError(
                f"'{composition.name}' fuses scores, and no query of such is expanded; leave "
                f"--expand out or compose by average"
            )
        now = sought.index.now
        gallery = IndexGallery(now, sought.only, self._exact_up_to)
        scoring = Scoring(composition, self.files, self._statistics(now), gallery)
        scored, found = scoring.channels(batch, rows), dict[int, list[Match]]()
        for place in batch.sound:
            channels, moments = scored.of(place)
            best = search_fused(gallery, channels, composition.fusion, sought.k, moments=moments)
            found[place] = gallery.matches(best.rows.tolist(), best.scores.tolist())
            batch.notes.setdefault(place, []).extend(_proof(best, gallery))
        return found

    def _statistics(self, now: Generation) -> Statistics:
        """Return the figures of an index's current state, measured once."""
        if self._measured is None or self._measured[0] is not now:
            self._measured = now, Statistics(np.asarray(now.vectors, np.float32))
        return self._measured[1]


def _nearest(batch: Batch, vectors: Scores, sought: Sought) -> dict[int, list[Match]]:
    """Search for one vector a query."""
    places = batch.sound
    if not places:
        return {}
    found = sought.index.search(
        unit_rows(batch, vectors), sought.k, expansion=sought.expansion, only=sought.only
    )
    return dict(zip(places, found, strict=True))


def _proof(best: Found, gallery: IndexGallery) -> list[str]:
    """Say how it is known that no other image is as good, where not all were looked at."""
    if best.whole:
        return []
    given = ", given the lists that HNSW finds" if gallery.lists_are_approximate else ""
    return [f"{best.read} of {len(gallery.rows)} images scored; no other can be as good{given}"]
