"""A bundle and an index together: captions in, images out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from zscr.errors import ArtefactError, InputError
from zscr.infer.answers.answer import Answer, Hit
from zscr.infer.bundle import Bundle
from zscr.infer.index.index import Index, Match
from zscr.infer.inputs import Prepared
from zscr.infer.queries import Caption
from zscr.infer.runners.onnx import Runtime

BATCH = 32


class Searcher:
    """Answers text queries over one index.

    Raises:
        MismatchError: the index was made with another bundle.
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
        """
        opened = Bundle.open(bundle, runtime)
        folder = index or opened.index_folder
        if not folder.exists():
            raise ArtefactError(f"there is no index {folder}; make it with 'zscr index add'")
        return cls(opened, Index.open(folder, bundle_sha256=opened.sha256))

    def search(self, texts: Sequence[str], k: int = 10) -> list[Answer]:
        """Answer B texts with their k nearest images each, best first."""
        captions = [Caption(number, text) for number, text in enumerate(texts, 1)]
        return list(self.answers(captions, k))

    def answers(self, captions: Iterable[Caption], k: int = 10) -> Iterator[Answer]:
        """Answer captions one batch at a time, so that any number of them fits in memory.

        Raises:
            InputError: the bundle's queries are not texts, k is less than 1, or a caption has no
                word of the model's vocabulary, where that is closed.
        """
        self.bundle.query.require("text")
        remaining = iter(captions)
        while batch := list(islice(remaining, BATCH)):
            yield from self._answer(batch, k)

    def _answer(self, batch: list[Caption], k: int) -> Iterator[Answer]:
        encoder = self.bundle.query
        prepared = encoder.prepare([caption.text for caption in batch])
        _refuse_blank(batch, prepared)
        found = self.index.search(encoder.run(prepared.feeds), k)
        unit = encoder.spec.get("unit", "tokens")
        for row, (caption, matches) in enumerate(zip(batch, found, strict=True)):
            notes = []
            if row in prepared.truncated:
                notes.append(f"truncated to {encoder.spec['max_length']} {unit}")
            if words := prepared.unknown.get(row):
                notes.append(f"{len(words)} unknown: {', '.join(words)}")
            hits = self._hits(caption.text, matches)
            yield Answer(caption.line, caption.text, hits, "; ".join(notes) or None)

    def _hits(self, text: str, matches: Sequence[Match]) -> tuple[Hit, ...]:
        """Rank the matches, marked right or wrong where the text's and their class are known."""
        right = self.bundle.examples.get(text)
        return tuple(
            Hit(
                rank,
                match.entry.id,
                match.score,
                class_id=match.entry.class_id,
                image=match.entry.image,
                correct=match.entry.class_id == right if right and match.entry.class_id else None,
            )
            for rank, match in enumerate(matches, 1)
        )


def _refuse_blank(batch: Sequence[Caption], prepared: Prepared) -> None:
    """Refuse captions that say nothing to the model: their answers would all be the same."""
    if prepared.blank:
        caption = batch[prepared.blank[0]]
        words = ", ".join(prepared.unknown.get(prepared.blank[0], ())) or "it has none"
        raise InputError(
            f"caption {caption.line} has no word that the model's text encoder knows ({words}); "
            f"use words of the texts that it was fitted on"
        )
