"""What composed controls take of words: BASIC of zscr's own lists, FreeDom of a bundle's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from zscr.errors import InputError
from zscr.infer.composition.affine import Scores
from zscr.infer.composition.context import WORDS, mean_phrase, phrases
from zscr.infer.composition.words import evenly, own_words
from zscr.infer.encoder import Rows
from zscr.infer.evaluation.controls.basic import basic_ways
from zscr.infer.evaluation.controls.control import unit
from zscr.infer.evaluation.controls.freedom import freedom_way
from zscr.infer.evaluation.controls.fusions import Way
from zscr.progress import say
from zscr.train.evaluation.model import Model

# Different texts that are put among words, 200 phrases each; where there are more, as of a task
# with a caption a query, all stand alone.
MOST_TEXTS = 20
FEWEST = 0.5  # of a list's words must be told apart: an encoder of few words has no BASIC


class TaskWords:
    """Of one model and the texts of one task, validation queries' among them."""

    def __init__(self, model: Model, texts: Sequence[str]) -> None:
        self._model, self._texts = model, list(dict.fromkeys(texts))

    def ways(self) -> list[Way]:
        """Return BASIC, unless the encoder reads too few words, and FreeDom, given a vocabulary."""
        return [*self._basic(), *self._freedom()]

    def phrased(self, texts: Sequence[str]) -> Rows | None:
        """Return each text's unit mean (N, D) among words; None where BASIC takes texts alone."""
        if self._lists is None or len(self._texts) > MOST_TEXTS:
            return None
        return np.stack([self._means[text] for text in texts]).astype(np.float32)

    @property
    def mean(self) -> Rows | None:
        """The mean (D,) of styles and contexts: what texts are less of if nothing is nearer."""
        if self._lists is None:
            return None
        mean: Rows = self._lists[1].mean(axis=0)
        return mean

    @cached_property
    def _means(self) -> dict[str, Scores]:
        words = evenly(own_words().objects, WORDS)
        rows = self._encode([one for text in self._texts for one in phrases(text, words)])
        means = map(mean_phrase, rows.reshape(len(self._texts), -1, rows.shape[1]))
        return dict(zip(self._texts, means, strict=True))

    @cached_property
    def _lists(self) -> tuple[Rows, Rows] | None:
        """Rows of things, and of styles and contexts; None, and told why, where few are read."""
        words = own_words()
        try:
            found = self._encode(words.objects), self._encode(words.styles)
        except InputError as error:
            say(f"BASIC is left out: {error}")
            return None
        for rows, what in zip(found, ("things", "styles"), strict=True):
            apart = len(np.unique(rows.round(5), axis=0))
            if apart < FEWEST * len(rows):
                say(
                    f"BASIC is left out: the text encoder tells {apart} of {len(rows)} words for "
                    f"{what} apart"
                )
                return None
        return found

    def _basic(self) -> list[Way]:
        if self._lists is None:
            return []
        alone = len(self._texts) > MOST_TEXTS
        about = "texts alone" if alone else f"texts among {WORDS} words"
        return basic_ways(*self._lists, about)

    def _freedom(self) -> list[Way]:
        given = self._model.vocabulary()
        if given is None:
            return []
        words, vectors = given
        about = f"{len(words):,} words of the bundle's vocabulary"
        return [freedom_way(words, vectors, self._encode, about)]

    def _encode(self, texts: Sequence[str]) -> Rows:
        return unit(self._model.embed_texts(texts))
