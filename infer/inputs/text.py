"""Texts as the token ids that a transformer or TF-IDF takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Encoding

from zscr.errors import InputError
from zscr.infer.inputs.prepared import Prepared
from zscr.infer.inputs.tokenizer import load_tokenizer
from zscr.schema import file_name, integer, listing, maybe, one_of, record, text

FIELDS = record(
    {
        "field": one_of("text"),
        "names": listing(text(200), 2, 2),
        "tokenizer": file_name,
        "max_length": integer(1, 1 << 20),
    },
    {"unknown_id": maybe(integer(0, 2**32 - 1))},
)


class TextInput:
    """Token ids and attention mask, padded to the longest text of the batch.

    With `unknown_id` in the manifest, the words that become that token are told.
    """

    def __init__(self, spec: Mapping[str, Any], folder: Path) -> None:
        self.field, self.names = str(spec["field"]), tuple(spec["names"])
        self.max_length = int(spec["max_length"])
        self.unknown_id: int | None = spec.get("unknown_id")
        self.tokenizer = load_tokenizer(folder / spec["tokenizer"], self.max_length)

    def prepare(self, values: Sequence[str]) -> Prepared:
        """Tokenise B texts to int64 ids and mask (B, L), L at most `max_length`.

        Raises:
            InputError: the tokenizer cannot take one of them.
        """
        try:
            encodings = self.tokenizer.encode_batch(list(values))
        except Exception as error:  # the library raises no narrower one
            raise InputError(f"the tokenizer cannot take these texts ({error!s:.200})") from error
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
