"""A bundle's composition as what ranks a task: every image is scored, as search comes to prove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from zscr.data.records import Query
from zscr.data.tasks import Task
from zscr.errors import ConfigError, InputError
from zscr.infer.bundle import Bundle
from zscr.infer.composed.batch import Batch
from zscr.infer.composed.channels import Reader
from zscr.infer.composed.choice import choose, has_place
from zscr.infer.composed.files import Files
from zscr.infer.composed.freedom import FreeDom
from zscr.infer.composed.gallery import RowsGallery
from zscr.infer.composed.one_vector import summed, unit_rows
from zscr.infer.composed.scored import Scored, Scoring
from zscr.infer.composition.affine import Affine, Scores
from zscr.infer.composition.available import needs_instead
from zscr.infer.composition.composition import Composition
from zscr.infer.composition.fusion import Moments
from zscr.infer.composition.statistics import Statistics
from zscr.infer.encoder import Rows
from zscr.infer.evaluation.embedded import Embedded
from zscr.infer.evaluation.fused import Fused
from zscr.infer.evaluation.ranked import Ranked
from zscr.infer.inputs.sentence import without_place
from zscr.progress import progress

_AT_ONCE = 32  # queries whose images are read together


def composition_of(bundle: Bundle, task: Task, name: str | None) -> Composition | None:
    """Return what composes a task's queries: the one of that name, else the bundle's default.

    What a text replaces is told to none that can do without: the queries of no user say it.

    Returns:
        None where queries fill one field, or where the bundle does not take them.

    Raises:
        ConfigError: a name for queries of one field.
        InputError: the bundle does not compose such queries so.
    """
    if len(task.fields) < 2:
        if name:
            raise ConfigError(
                f"--compose is of queries of several fields; task '{task.name}' asks by "
                f"{' '.join(task.fields)} alone; leave it out or choose another --task"
            )
        return None
    ways = bundle.composed.get(task.fields, {})
    if not ways and name is None:
        return None
    first = replace(task.queries[0].parts[0], compose=name)
    named = ways.get(name or next(iter(ways), ""))
    if named is None or not needs_instead(named):
        first = replace(first, instead_of=None)
    return choose(bundle, first)


def vocabulary_of(bundle: Bundle) -> tuple[Sequence[str], Rows] | None:
    """Return the words that a bundle's compositions say an image in, and their rows (W, D)."""
    held = (one.vocabulary for one in bundle.compositions.values() if one.vocabulary)
    files = Files(bundle)
    return next(((files.words(one.words), files.rows(one.vectors)) for one in held), None)


class TaskComposer:
    """Ranks tasks by one composition of a bundle."""

    def __init__(self, bundle: Bundle, composition: Composition) -> None:
        self._bundle, self._composition = bundle, composition
        self._files = Files(bundle)
        self._reader = Reader(bundle, self._files)

    @property
    def name(self) -> str:
        """The composition's."""
        return self._composition.name

    def rank(self, task: Task, gallery: Rows) -> Ranked:
        """Return a task as the composition ranks it.

        Raises:
            InputError: a query cannot be used; names the first, and why.
        """
        if self._composition.graph is not None:
            return Embedded(task, self._by_graph(task, self._composition.graph), gallery)
        batch = Batch([self._asked(query) for query in task.queries])
        rows, how = self._read(batch), self._composition
        if how.vocabulary is None and not how.fusion.is_linear:
            return self._fused(task, batch, rows, gallery)
        if how.vocabulary is None:
            vectors = summed(batch, [*rows.values()], how.fusion)
        else:
            vectors = self._in_words(task, batch, rows, gallery)
        _require_sound(batch)
        return Embedded(task, unit_rows(batch, vectors), gallery)

    def _by_graph(self, task: Task, graph: str) -> Rows:
        """Return what one graph makes of all fields; sentences keep the place of the image."""
        placed = has_place(self._bundle, self._composition)
        asked = [q if placed else self._asked(q) for q in task.queries]
        return self._bundle.graph(graph).encode(asked)

    def _asked(self, query: Query) -> Query:
        """Return a query as the composition takes it, its text without a place for the image."""
        told = query.instead_of if needs_instead(self._composition) else None
        return replace(query, text=query.text and without_place(query.text), instead_of=told)

    def _read(self, batch: Batch) -> Mapping[str, Scores]:
        """Return the rows (Q, D) of each field, some queries at a time."""
        parts: dict[str, list[Scores]] = {one.field: [] for one in self._composition.channels}
        starts = range(0, len(batch.queries), _AT_ONCE)
        with progress(f"queries ({self._bundle.name})", len(batch.queries)) as bar:
            for start in starts:
                some = Batch(batch.queries[start : start + _AT_ONCE])
                for channel in self._composition.channels:
                    parts[channel.field].append(self._reader.vectors(some, channel))
                _require_sound(some)
                bar.advance(len(some.queries))
        return {field: np.concatenate(rows) for field, rows in parts.items()}

    def _fused(self, task: Task, batch: Batch, rows: Mapping[str, Scores], gallery: Rows) -> Fused:
        statistics, made = Statistics(gallery), list[Scored]()
        for queries, images in _parts(task, gallery):
            scoring = Scoring(self._composition, self._files, statistics, images)
            some = {field: every[queries] for field, every in rows.items()}
            made.append(scoring.channels(Batch(batch.queries[queries]), some))
        channels = tuple(map(_joined, zip(*(one.channels for one in made), strict=True)))
        moments = _stored_moments(made) if self._composition.moments else None
        return Fused(task, channels, gallery, self._composition.fusion, moments)

    def _in_words(
        self, task: Task, batch: Batch, rows: Mapping[str, Scores], gallery: Rows
    ) -> Scores:
        assert self._composition.vocabulary is not None, "FreeDom has one"
        image, text = self._composition.channels
        found = list[Scores]()
        for queries, images in _parts(task, gallery):
            freedom = FreeDom(self._composition.vocabulary, self._files, self._reader, images)
            some = Batch(batch.queries[queries])
            found.append(freedom.vectors(some, rows[image.field][queries], text))
            _require_sound(some)
        return np.concatenate(found)


def _parts(task: Task, gallery: Rows) -> list[tuple[slice, RowsGallery]]:
    """Return the queries that search one gallery each, and its images."""
    return [
        (queries, RowsGallery(gallery if places is None else gallery[places]))
        for queries, places in task.relevance.parts()
    ]


def _joined(parts: Sequence[Affine]) -> Affine:
    """Return the channel of all queries of several parts."""
    columns = zip(*((one.directions, one.lengths, one.shifts) for one in parts), strict=True)
    return Affine(*map(np.concatenate, columns))


def _stored_moments(parts: Sequence[Scored]) -> tuple[Moments, ...]:
    """Return the moments of each channel, of all queries of several parts."""
    channels = zip(*(one.moments or () for one in parts), strict=True)
    return tuple(
        (np.concatenate([mean for mean, _ in one]), np.concatenate([std for _, std in one]))
        for one in channels
    )


def _require_sound(batch: Batch) -> None:
    if batch.faults:
        [(place, why), *_] = sorted(batch.faults.items())
        raise InputError(
            f"{len(batch.faults)} of {len(batch.queries)} queries cannot be composed, the first is "
            f"'{batch.queries[place].id}': {why}"
        )
