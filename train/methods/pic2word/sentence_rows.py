"""Sentences with places for words of an image as rows of ids, for training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from tokenizers import Tokenizer

from zscr.infer.inputs.tokenizer import frame_of
from zscr.train.encoders.raw import NO_TOKEN, SLOT


class SentenceRows:
    """Tokenises sentences around their places, each side apart: no place is looked for in ids."""

    def __init__(
        self, tokenizer: bytes, *, longest: int, words: int = 1, pad_to: int | None = None
    ) -> None:
        """Take a tokenizer's file.

        Args:
            tokenizer: its content.
            longest: tokens of a sentence at most; what is over is cut at the sentence's end.
            words: places that an image takes where it stands.
            pad_to: tokens of every row of a tower that reads its padding, too, as SigLIP's does.
        """
        self._tokenizer = Tokenizer.from_str(tokenizer.decode())
        self._pad_to, self._padding = pad_to or 0, self._tokenizer.padding or {}
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._longest, self._slots = longest, [SLOT] * words
        self._before, self._behind = frame_of(self._tokenizer)

    def __call__(self, sentences: Sequence[str], place: str = "*") -> torch.Tensor:
        """Return int64 (N, L): ids, -2 at every place, -1 behind the sentence."""
        parts = [sentence.split(place) for sentence in sentences]
        flat = [part for one in parts for part in one]
        encoded = iter(self._tokenizer.encode_batch(flat, add_special_tokens=False))
        rows = [self._row([next(encoded).ids for _ in one]) for one in parts]
        found = np.full((len(rows), max(map(len, rows))), NO_TOKEN, np.int64)
        for number, row in enumerate(rows):
            found[number, : len(row)] = row
        return torch.from_numpy(found)

    def _row(self, sides: Sequence[Sequence[int]]) -> list[int]:
        ids = [*sides[0]]
        for side in sides[1:]:
            ids += [*self._slots, *side]
        room = self._longest - len(self._before) - len(self._behind)
        row = [*self._before, *ids[:room], *self._behind]
        padding = [self._padding.get("pad_id", 0)] * (self._pad_to - len(row))
        left = self._padding.get("direction") == "left"
        return [*padding, *row] if left else [*row, *padding]


def narrowed(rows: torch.Tensor) -> torch.Tensor:
    """Leave out the columns (B, L) that hold no token of any row: padding takes time alone."""
    return rows[:, (rows != NO_TOKEN).any(0)]
