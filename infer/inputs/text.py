"""Texts as the token ids that a transformer or TF-IDF takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Encoding, Tokenizer

from zscr.infer.inputs.prepared import Prepared


class TextInput:
    """Token ids and attention mask, padded to the longest text of the batch.

    With `unknown_id` in the manifest, the words that become that token are told.
    """

    def __init__(self, spec: Mapping[str, Any], folder: Path) -> None:
        self.field, self.names = str(spec["field"]), tuple(spec["names"])
        self.max_length = int(spec["max_length"])
        self.unknown_id: int | None = spec.get("unknown_id")
        self.tokenizer = Tokenizer.from_file(str(folder / spec["tokenizer"]))
        self.tokenizer.enable_truncation(self.max_length)
        pad = self.tokenizer.padding or {"pad_id": 0, "pad_token": "[PAD]"}
        self.tokenizer.enable_padding(pad_id=pad["pad_id"], pad_token=pad["pad_token"])

    def prepare(self, values: Sequence[str]) -> Prepared:
        """Tokenise B texts to int64 ids and mask (B, L), L at most `max_length`."""
        encodings = self.tokenizer.encode_batch(list(values))
        ids = np.array([e.ids for e in encodings], np.int64)
        mask = np.array([e.attention_mask for e in encodings], np.int64)
        cut = tuple(row for row, e in enumerate(encodings) if e.overflowing)
        feeds = dict(zip(self.names, (ids, mask), strict=True))
        if self.unknown_id is None:
            return Prepared(feeds, cut)
        unknown = {row: self._unknown(values[row], e) for row, e in enumerate(encodings)}
        blank = tuple(row for row, e in enumerate(encodings) if not self._known(e))
        return Prepared(feeds, cut, {row: words for row, words in unknown.items() if words}, blank)

    def _unknown(self, text: str, encoding: Encoding) -> tuple[str, ...]:
        pairs = zip(encoding.ids, encoding.offsets, strict=True)
        return tuple(text[start:end] for token, (start, end) in pairs if token == self.unknown_id)

    def _known(self, encoding: Encoding) -> bool:
        """Say whether any token is a word of the vocabulary."""
        pairs = zip(encoding.ids, encoding.special_tokens_mask, strict=True)
        return any(token != self.unknown_id and not special for token, special in pairs)
