"""Training on edits of texts: pairs of texts that are one word apart, found among the seen ones.

"Puma Men Black T-shirt" and "Puma Men White T-shirt" are an edit that somebody has written: of the
embedding of the first a word is made, and the sentence that says "white" beside it is to be
embedded as the second. No list says what may be exchanged for what, and no text is made up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch
from torch.nn import functional

from zscr.errors import CollectionError
from zscr.train.methods.losses import info_nce, unit
from zscr.train.methods.pic2word.objective import Batch
from zscr.train.methods.pic2word.sentence_rows import SentenceRows


class Edits:
    """Draws edits of texts. See `Objective`."""

    def __init__(
        self,
        texts: Sequence[str],
        given: torch.Tensor,
        wanted: torch.Tensor,
        rows: SentenceRows,
        template: str,
        noise: float,
    ) -> None:
        """Find the edits.

        Args:
            texts: N, as they are written.
            given: (N, D) their embeddings as the mapper takes them; wanted: (N, D) as they are.
            rows: makes rows of sentences; template: with `*` for the text and `{}` for the word.
            noise: length of what is added to a given embedding of length 1.

        Raises:
            CollectionError: no two texts are one word apart.
        """
        self._given, self._wanted, self._noise = given, wanted, noise
        sets = one_word_apart(texts)
        if not sets:
            raise CollectionError(
                f"no two of the {len(texts)} seen texts are one word apart, so there are no edits "
                f"to train on; set train_on=images or train_on=texts"
            )
        members = [(text, word) for one in sets for word, own in one.items() for text in own]
        words = sorted({word for _, word in members})
        number = {word: place for place, word in enumerate(words)}
        self._prompts = rows([template.replace("{}", word) for word in words]).to(given.device)
        self._text = torch.tensor([text for text, _ in members], device=given.device)
        self._word = torch.tensor([number[word] for _, word in members], device=given.device)
        spans = _spans(sets)
        self._first, self._count, self._own, self._owned = (
            torch.tensor(column, device=given.device) for column in zip(*spans, strict=True)
        )

    def batch(self, size: int, noise: torch.Generator) -> Batch:
        """Draw different texts that are arrived at, and of each one that it is an edit of."""
        device = noise.device
        into = torch.randperm(len(self._text), generator=noise, device=device)[:size]
        share = torch.rand(len(into), generator=noise, device=device, dtype=torch.float64)
        # Another word's member of the same set: those of the own word stand in a row, passed over.
        others = self._count[into] - self._owned[into]
        place = self._first[into] + (share * others).long()
        place += torch.where(place >= self._own[into], self._owned[into], 0)
        given = self._given[self._text[place]]
        drawn = torch.randn(given.shape, generator=noise, device=device)
        length = given.norm(dim=1, keepdim=True) * self._noise / given.shape[1] ** 0.5
        rows = self._prompts[self._word[into]]
        return Batch(given + length * drawn, rows, self._wanted[self._text[into]])

    def losses(
        self, found: torch.Tensor, wanted: torch.Tensor, scale: float
    ) -> Mapping[str, torch.Tensor]:
        """InfoNCE, texts that are the same being no negatives, and 1 less the mean cosine."""
        same = (unit(wanted) @ unit(wanted).T > 1 - 1e-6).fill_diagonal_(False)
        away = 1 - functional.cosine_similarity(found, wanted).mean()
        return {"nce": info_nce(found, wanted, scale, same), "cosine": away}


def one_word_apart(texts: Sequence[str]) -> list[dict[str, list[int]]]:
    """Return sets of texts that are the same but for one word, each set by that word.

    Words are what stands between spaces, in small letters. A set has two words or more; a text is
    in as many sets as it has words that others exchange.

    >>> one_word_apart(["A red hat", "a blue hat", "a red cat"])
    [{'red': [0], 'blue': [1]}, {'hat': [0], 'cat': [2]}]
    """
    found: dict[tuple[str, ...], dict[str, list[int]]] = defaultdict(dict)
    for number, text in enumerate(texts):
        words = text.lower().split()
        for place, word in enumerate(words):
            rest = (*words[:place], "", *words[place + 1 :])  # no word is empty
            found[rest].setdefault(word, []).append(number)
    return [one for one in found.values() if len(one) > 1]


def _spans(sets: Sequence[Mapping[str, Sequence[int]]]) -> list[tuple[int, int, int, int]]:
    """Return for each member: its set's first and number of members, and its word's of these."""
    spans, start = list[tuple[int, int, int, int]](), 0
    for one in sets:
        count, place = sum(map(len, one.values())), start
        for own in one.values():
            spans += [(start, count, place, len(own))] * len(own)
            place += len(own)
        start += count
    return spans
