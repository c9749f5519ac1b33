"""A trained model that embeds tasks: what is common to runs and bundles when they are judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from zscr.data.collection import Collection
from zscr.data.records import Query
from zscr.data.tasks import Task, gallery_queries
from zscr.errors import InputError
from zscr.infer.bundle import spoken
from zscr.infer.encoder import Rows
from zscr.infer.evaluation.embedded import Embedded
from zscr.infer.evaluation.ranked import Ranked
from zscr.infer.features.encoded import Encoded
from zscr.infer.features.table import Array, Split
from zscr.infer.inputs.sentence import without_place
from zscr.infer.reranking import Reranking
from zscr.progress import say
from zscr.train.evaluation.drawn import Drawn
from zscr.train.evaluation.reranking import Pairing
from zscr.train.evaluation.sums import added, ranked_sums

Features = Callable[[str], Split[Array]]  # loads a split's frozen features by class


class Composer(Protocol):
    """Makes one ranking of queries of several fields."""

    @property
    def name(self) -> str:
        """What it is called."""

    def rank(self, task: Task, gallery: Rows) -> Ranked:
        """Return the task as it ranks its gallery's rows (G, D)."""


@dataclass(frozen=True)
class Model:
    """A run or bundle with the collection that it is judged on.

    Attributes:
        about: what reports say of it; equal for runs of one configuration but for its seed.
        takes: the fields that its queries may fill together.
        holds: the field that its gallery's items fill: `image`, or `vector`.
        encode: embeds queries that fill the same of `takes`.
        encode_gallery: embeds gallery items.
        features: loads a split's images and texts by class, for controls; None for a bundle, and
            for a run without one of them.
        drawn: returns what the controls of sketches are fitted to; None where there is no such.
        encode_feature: gives the image features of gallery items; None where the gallery has none.
        composer: returns what ranks a task's queries of several fields over the gallery's rows, and
            what that is called; None where one graph takes them, or nothing does.
        vocabulary: returns words and their unit rows (W, D), where the model holds such (FreeDom).
        pairing: returns what re-ranks the best images of a query, or says why there is no such.
    """

    folder: Path
    about: Mapping[str, Any]
    collection: Collection
    takes: Sequence[frozenset[str]]
    holds: frozenset[str]
    encode: Callable[[Sequence[Query]], Encoded]
    encode_gallery: Callable[[Sequence[Query]], Encoded]
    features: Features | None = None
    drawn: Callable[[], Drawn | None] = lambda: None
    encode_feature: Callable[[Sequence[Query]], Encoded] | None = None
    composer: Callable[[Task], Composer | None] = lambda _: None
    vocabulary: Callable[[], tuple[Sequence[str], Rows] | None] = lambda: None
    pairing: Callable[[], Pairing] | None = None
    _galleries: dict[tuple[str, tuple[str, ...]], Encoded] = field(default_factory=dict)
    _texts: dict[str, Rows] = field(default_factory=dict)

    def composition(self, task: Task) -> str | None:
        """Return the name of what composes a task's queries, where several graphs do."""
        composer = self.composer(task)
        return composer.name if composer else None

    def answers(self, task: Task) -> bool:
        """Say whether it takes a task's queries as they are."""
        return task.fields in self.takes

    def rank(
        self, task: Task, *, features: bool = False, reranking: Reranking | None = None
    ) -> Ranked:
        """Rank a task's gallery; items that cannot be used are left out and told.

        Args:
            task: what is asked.
            features: whether the gallery's image features are wanted, too.
            reranking: how the best are ranked anew, if they are.

        Raises:
            InputError: a query cannot be used, no item can, the gallery gives no features, or
                nothing re-ranks such queries.
        """
        held = self._gallery(task)
        gallery, narrowed = held.rows, task.narrowed(held.kept)
        if reranking:
            return self._reranked(narrowed, gallery, reranking)
        found = self._features(task) if features else None
        if composer := self.composer(task):
            composed = partial(composer.rank, gallery=gallery)
            ranked = ranked_sums(narrowed, gallery, composed)
            return replace(ranked, features=found) if isinstance(ranked, Embedded) else ranked
        return Embedded(narrowed, self._asked(task.queries), gallery, found)

    def embed_parts(self, task: Task) -> tuple[Mapping[str, Rows], Rows, Task]:
        """Embed each field of a task's queries by itself, as far as the model takes it alone.

        Returns:
            Field -> (Q, D) rows, the gallery's rows, and the task over these. A sketch is embedded
            as an image where nothing takes sketches, a text beside an image or a sketch without the
            place that it may have for that.

        Raises:
            InputError: the model takes none of the fields.
        """
        ways = {name: self._way(name) for name in sorted(task.fields)}
        if not any(ways.values()):
            raise InputError(f"{self.unanswered(task)}, nor any part of these; use another model")
        gallery = self._gallery(task)
        parts = {
            name: self._asked([query.each(partial(_alone, name, way)) for query in task.queries])
            for name, way in ways.items()
            if way
        }
        return parts, gallery.rows, task.narrowed(gallery.kept)

    def embed_texts(self, texts: Sequence[str]) -> Rows:
        """Embed texts alone -> (N, D), each different one once for all tasks.

        Raises:
            InputError: one cannot be read.
        """
        if new := [text for text in dict.fromkeys(texts) if text not in self._texts]:
            self._texts.update(zip(new, self._asked(Query.of("text", new)), strict=True))
        return np.stack([self._texts[text] for text in texts])

    def unanswered(self, task: Task) -> str:
        """Say why it does not answer a task."""
        takes = " or ".join(map(spoken, self.takes))
        return f"{self.folder} answers queries of {takes}, not of {spoken(task.fields)}"

    def _way(self, name: str) -> str | None:
        ways = (name, "image") if name == "sketch" else (name,)
        return next((way for way in ways if frozenset({way}) in self.takes), None)

    def _asked(self, queries: Sequence[Query]) -> Rows:
        """Embed queries -> (Q, D) rows, of sums unit ones."""
        return added(queries, self._of_one)

    def _of_one(self, queries: Sequence[Query]) -> Rows:
        return self.encode(queries).require_whole(queries)

    def require_pairing(self, fields: frozenset[str]) -> Pairing:
        """Return what re-ranks the images of queries that fill these fields.

        Raises:
            InputError: nothing does.
        """
        if self.pairing is None:
            raise InputError(f"{self.folder} has nothing that re-ranks; leave --rerank out")
        pairing = self.pairing()
        if fields != pairing.fields:
            raise InputError(
                f"'{pairing.name}' of {self.folder} re-ranks what queries of "
                f"{spoken(pairing.fields)} find, not of {spoken(fields)}; leave --rerank out"
            )
        return pairing

    def reranking(self, task: Task, top: int) -> Reranking | None:
        """Return how the top N of a task's queries are re-ranked, by the mix that was chosen.

        Raises:
            InputError: nothing re-ranks such queries.
        """
        if not top:
            return None
        return Reranking(top, self.require_pairing(task.fields).chosen()["mix"])

    def _reranked(self, task: Task, gallery: Rows, reranking: Reranking) -> Ranked:
        pairing = self.require_pairing(task.fields)
        embedded = Embedded(task, self._asked(task.queries), gallery)
        return pairing.over(embedded, gallery_queries(self.collection, task), reranking)

    def _features(self, task: Task) -> Rows:
        if self.encode_feature is None:
            raise InputError(
                f"the gallery of {self.folder} gives no feature to compare images by, which "
                f"--expand and --diffuse need; leave them out"
            )
        return self.encode_feature(gallery_queries(self.collection, task)).rows

    def _gallery(self, task: Task) -> Encoded:
        """Embed a gallery once, for the task and for the controls beside it."""
        place = (task.field, task.gallery)
        if place not in self._galleries:
            self._galleries[place] = self._encoded_gallery(task)
        return self._galleries[place]

    def _encoded_gallery(self, task: Task) -> Encoded:
        queries = gallery_queries(self.collection, task)
        if queries[0].fields != self.holds:
            raise InputError(
                f"{self.folder} holds a gallery of {spoken(self.holds)}s, {self.collection.folder} "
                f"has {spoken(queries[0].fields)}s; judge it on a collection of its own kind"
            )
        found = self.encode_gallery(queries)
        if found.lost:
            place, reason = next(iter(found.lost.items()))
            say(
                f"{len(found.lost)} images of split '{task.split}' could not be used and are left "
                f"out, first {queries[place].id}: {reason}"
            )
        return found


def spoken_text(query: Query) -> str:
    """Return what the text of a query says by itself, beside an image without a place for it."""
    text = str(query.text)
    return without_place(text) if len(query.fields) > 1 else text


def _alone(name: str, way: str, query: Query) -> Query:
    """Return a query by one of its fields alone, which fills another one perhaps."""
    value: Any = spoken_text(query) if name == "text" else getattr(query, name)
    return Query(query.id, **{way: value})
