"""Texts as the token ids that a transformer or TF-IDF takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zscr.errors import InputError
from zscr.infer.inputs.prepared import Prepared
from zscr.infer.inputs.tokenizer import load_tokenizer
from zscr.infer.inputs.unread import Reader
from zscr.schema import file_name, integer, listing, maybe, one_of, record, text

FIELDS = record(
    {
        "field": one_of("text"),
        "names": listing(text(200), 1, 2),
        "tokenizer": file_name,
        "max_length": integer(1, 1 << 20),
    },
    {"unknown_id": maybe(integer(0, 2**32 - 1)), "pad_to": maybe(integer(1, 1 << 16))},
)


class TextInput:
    """Token ids and attention mask, padded to the longest text of the batch or to `pad_to`.

    A model that was trained on texts of a fixed length, such as SigLIP, reads the padding too; it
    takes no mask, and then `names` holds the ids' alone.
    What the tokenizer cannot read is told: the words that become its unknown token, and with BPE,
    which spells what it lacks in bytes, the characters that no token covers whole. So is what it
    passes over, as TF-IDF does with a pictograph.
    """

    def __init__(self, spec: Mapping[str, Any], folder: Path) -> None:
        self.field, self.names = str(spec["field"]), tuple(spec["names"])
        self.max_length = int(spec["max_length"])
        self.tokenizer = load_tokenizer(
            folder / spec["tokenizer"], self.max_length, spec.get("pad_to")
        )
        plain = len(self.names) == 2 and spec.get("pad_to") is None
        at_the_end = (self.tokenizer.padding or {}).get("direction") == "right"
        self.mask = self.names[1] if plain and at_the_end else None
        self.reader = Reader(self.tokenizer, spec.get("unknown_id"))

    def prepare(self, values: Sequence[str]) -> Prepared:
        """Tokenise B texts to int64 ids, and a mask where it is taken: (B, L), L at most
        `max_length`, or `pad_to`.

        Raises:
            InputError: the tokenizer cannot take one of them.
        """
        try:
            if len(values) == 1:  # which a batch would hand to another thread
                encodings = [self.tokenizer.encode(values[0])]
            else:
                encodings = self.tokenizer.encode_batch(list(values))
        except Exception as error:  # the library raises no narrower one
            raise InputError(f"the tokenizer cannot take these texts ({error!s:.200})") from error
        ids = np.array([e.ids for e in encodings], np.int64)
        mask = np.array([e.attention_mask for e in encodings], np.int64)
        cut = tuple(row for row, e in enumerate(encodings) if e.overflowing)
        feeds = dict(zip(self.names, (ids, mask), strict=False))
        unknown, blank = {}, []
        for row, (value, encoding) in enumerate(zip(values, encodings, strict=True)):
            words, said = self.reader.understood(value, encoding)
            if words:
                unknown[row] = words
            if not said:
                blank.append(row)
        return Prepared(feeds, cut, unknown, tuple(blank))
