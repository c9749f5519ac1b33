"""A batch of queries as one vector a channel, before the gallery is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.bundle import Bundle
from zscr.infer.composed.batch import Batch
from zscr.infer.composed.files import Files
from zscr.infer.composed.reading import of_field, of_replaced, read_field
from zscr.infer.composition.affine import Scores
from zscr.infer.composition.composition import Channel
from zscr.infer.composition.context import mean_phrase, phrases
from zscr.infer.encoder import Rows
from zscr.infer.reading import readings

_TEXTS = 4096  # whose phrases' means are kept: 200 texts are encoded for each


class Reader:
    """Embeds fields by a bundle's graphs; what a text is among other words is kept."""

    def __init__(self, bundle: Bundle, files: Files) -> None:
        self._bundle, self._files = bundle, files
        self._contextual = lru_cache(_TEXTS)(self._among_words)

    def vectors(self, batch: Batch, channel: Channel) -> Scores:
        """Return the rows v (B, D) of a channel; of queries with a fault they mean nothing."""
        everywhere = range(len(batch.queries))
        asked = of_field(batch.queries, channel)
        read = read_field(self._bundle, channel.graph, asked, self._bundle.dim)
        batch.take(read, everywhere)
        rows = read.rows.astype(np.float64)
        if channel.context is not None:
            for place in batch.sound:
                words = channel.context
                rows[place], cut = self._contextual(channel.graph, words, asked[place].text)
                tell_cut(batch, place, cut)
        return rows - self._replaced(batch, channel) if channel.replaces else rows

    def phrases(self, graph: str, texts: Sequence[str]) -> tuple[Scores, int]:
        """Return unit rows (N, D) of texts that a bundle's words are part of, and how many are cut.

        Raises:
            InputError: one of them cannot be read.
        """
        encoder, blocks, cut = self._bundle.graph(graph), list[Rows](), 0
        for start, reading in readings(encoder, Query.of("text", texts)):
            if reading.faults or reading.prepared is None:
                unread = texts[start + min(reading.faults)]
                raise InputError(f"the model reads nothing of '{unread[:80]}'; say it anew")
            blocks.append(encoder.run(reading.prepared.feeds))
            cut += len(reading.prepared.truncated)
        return np.concatenate(blocks).astype(np.float64), cut

    def _among_words(self, graph: str, words: str, text: str) -> tuple[Scores, int]:
        """Return the unit mean (D,) of a text's phrases with a file's words; how many are cut."""
        rows, cut = self.phrases(graph, phrases(text, self._files.words(words)))
        return mean_phrase(rows), cut

    def _replaced(self, batch: Batch, channel: Channel) -> Scores:
        """Return the rows (B, D) of what the texts replace: said by the query, or stored."""
        rows = np.zeros((len(batch.queries), self._bundle.dim))
        if channel.instead is not None:
            rows += self._files.row(channel.instead)
        said = [place for place, one in enumerate(batch.queries) if one.instead_of is not None]
        if said:
            asked = of_replaced([batch.queries[place] for place in said], channel)
            read = read_field(self._bundle, channel.graph, asked, self._bundle.dim)
            batch.take(read, said, "instead_of: ")
            rows[said] = read.rows
        return rows


def tell_cut(batch: Batch, place: int, cut: int) -> None:
    """Note how many of the texts that one query's text became are over the model's limit."""
    if cut:
        batch.tell(place, f"truncated in {cut} of the phrases of the text and a word")
