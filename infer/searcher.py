"""A bundle and an index together: queries in, images out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zscr.data.records import Query
from zscr.errors import ArtefactError, InputError
from zscr.infer.answers.answer import Answer, Hit
from zscr.infer.bundle import Bundle
from zscr.infer.encoder import Encoder
from zscr.infer.index.expansion import Expansion
from zscr.infer.index.index import Index, Match
from zscr.infer.inputs.prepared import Prepared
from zscr.infer.runners.runner import Runtime

if TYPE_CHECKING:
    from PIL import Image

BATCH = 32


class Searcher:
    """Answers queries over one index: texts, images, sketches, or several of them at once.

    Attributes:
        bundle: the model, which decides what a query may be made of.
        index: the images that are found.
    """

    def __init__(self, bundle: Bundle, index: Index) -> None:
        self.bundle, self.index = bundle, index

    @classmethod
    def open(
        cls, bundle: Path, index: Path | None = None, runtime: Runtime | None = None
    ) -> Searcher:
        """Open a bundle and an index (default: the one that stands beside the bundle).

        Raises:
            ArtefactError: one of them is absent or damaged.
            MismatchError: the index holds the embeddings of another gallery graph.
        """
        opened = Bundle.open(bundle, runtime)
        folder = index or opened.index_folder
        if not folder.exists():
            raise ArtefactError(f"there is no index {folder}; make it with 'zscr index add'")
        return cls(opened, Index.open(folder, space=opened.space))

    def search(
        self,
        texts: Sequence[str] | None = None,
        *,
        images: Sequence[str | Path | Image.Image] | None = None,
        sketches: Sequence[str | Path | Image.Image] | None = None,
        k: int = 10,
        expand: int | None = None,
    ) -> list[Answer]:
        """Answer B queries, numbered from 1, with their k nearest images each, best first.

        What is given together makes one query a row: `search(["in red"], images=["shoe.jpg"])`
        asks for one image, by a text and an image at once. An image may find itself.

        Args:
            texts: (B,) captions, or what is to be different about the images.
            images: (B,) files, or images that are open already.
            sketches: (B,) likewise.
            k: how many images to find, fewer if the index holds fewer.
            expand: ask again with the mean image feature of so many of the best images (see
                `Expansion`); scores are then means of two cosines.

        Raises:
            InputError: nothing is given or not as many of each, the bundle does not take such
                queries, k is less than 1, an image cannot be used, a text is blank or has no
                word that the model knows, or the index cannot expand queries so.
        """
        columns = {"text": texts, "image": images, "sketch": sketches}
        given = {name: column for name, column in columns.items() if column is not None}
        return list(self.answers(_rows(given), k, expand=expand))

    def answers(
        self, queries: Iterable[Query], k: int = 10, *, expand: int | None = None
    ) -> Iterator[Answer]:
        """Answer queries in their order, one batch at a time, so any number fits in memory.

        A batch holds neighbours that fill the same fields, so sorted queries are faster.

        Raises:
            InputError: at the first query that cannot be answered; see `search`.
        """
        expansion = None if expand is None else Expansion(expand)
        for _, alike in groupby(queries, key=lambda query: query.fields):
            while batch := list(islice(alike, BATCH)):
                yield from self._answer(batch, k, expansion)

    def _answer(self, batch: list[Query], k: int, expansion: Expansion | None) -> Iterator[Answer]:
        encoder = self._encoder_for(batch[0])
        _refuse_empty(batch)
        prepared = encoder.prepare(batch)
        _refuse_blank(batch, prepared)
        found = self.index.search(encoder.run(prepared.feeds), k, expansion=expansion)
        used = (f"uses the gallery: {expansion}",) if expansion else ()
        for row, (query, matches) in enumerate(zip(batch, found, strict=True)):
            notes = (*_notes(row, prepared, encoder), *used)
            yield Answer(query, self._hits(query, matches), notes, encoder.runner.ran)

    def _encoder_for(self, query: Query) -> Encoder:
        try:
            return self.bundle.route(query.fields)
        except InputError as error:
            raise InputError(f"query {query.id} cannot be answered: {error}") from error

    def _hits(self, query: Query, matches: Sequence[Match]) -> tuple[Hit, ...]:
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
            )
            for rank, match in enumerate(matches, 1)
        )


def _rows(columns: dict[str, Sequence[Any]]) -> list[Query]:
    """Make a query of each row of columns that are equally long."""
    if not columns:
        raise InputError("nothing is asked for; give texts, images or sketches")
    if single := [name for name, column in columns.items() if _is_one(column)]:
        raise InputError(f"one {single[0]} is given, not a list of them; put it in brackets")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        counted = ", ".join(f"{length} of {name}" for name, length in lengths.items())
        raise InputError(f"a query needs one of each, but there are {counted}; give as many of all")
    rows = zip(*columns.values(), strict=True)
    return [
        Query(str(number), **dict(zip(columns, row, strict=True)))
        for number, row in enumerate(rows, 1)
    ]


def _is_one(column: object) -> bool:
    """Say whether it is a text, path or open image, and no list of such."""
    return isinstance(column, str) or not isinstance(column, Collection)


def _notes(row: int, prepared: Prepared, encoder: Encoder) -> Iterator[str]:
    """Tell what the model could not look at."""
    if row in prepared.truncated:
        spec = next(spec for spec in encoder.specs if "max_length" in spec)
        yield f"truncated to {spec['max_length']} {spec.get('unit', 'tokens')}"
    if words := prepared.unknown.get(row):
        yield f"{len(words)} unknown: {', '.join(words)}"


def _refuse_empty(batch: Sequence[Query]) -> None:
    for query in batch:
        if query.text is not None and not query.text.strip():
            raise InputError(f"query {query.id} has an empty text; give it words or leave it out")


def _refuse_blank(batch: Sequence[Query], prepared: Prepared) -> None:
    """Refuse texts that say nothing to the model: their answers would all be the same."""
    if prepared.blank:
        row = prepared.blank[0]
        words = ", ".join(prepared.unknown.get(row, ())) or "it has none"
        raise InputError(
            f"query {batch[row].id} has no word that the model's text encoder knows ({words}); "
            f"use words of the texts that it was fitted on"
        )
