"""Texts as the token ids that a transformer or TF-IDF takes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Encoding, Tokenizer
from tokenizers.models import BPE, Unigram

from zscr.errors import InputError
from zscr.infer.inputs.prepared import Prepared, says_something
from zscr.infer.inputs.tokenizer import load_tokenizer
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
        self.unknown_id = _unknown_id(spec, self.tokenizer)
        self.spells_bytes = isinstance(self.tokenizer.model, BPE)

    def prepare(self, values: Sequence[str]) -> Prepared:
        """Tokenise B texts to int64 ids, and a mask where it is taken: (B, L), L at most
        `max_length`, or `pad_to`.

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
        feeds = dict(zip(self.names, (ids, mask), strict=False))
        unknown, blank = {}, []
        for row, (value, encoding) in enumerate(zip(values, encodings, strict=True)):
            read, unread = self._places(encoding)
            unread |= _passed_over(value, read | unread, whole=not encoding.overflowing)
            if words := tuple(_runs(value, unread)):
                unknown[row] = words
            if not says_something(value[place] for place in read):
                blank.append(row)
        return Prepared(feeds, cut, unknown, tuple(blank))

    def _places(self, encoding: Encoding) -> tuple[Set[int], Set[int]]:
        """Return the characters that the tokens read, and those that they cannot."""
        covered, unread = Counter[int](), set[int]()
        for token, special, (start, end) in zip(
            encoding.ids, encoding.special_tokens_mask, encoding.offsets, strict=True
        ):
            if not special:
                covered.update(range(start, end))
                if token == self.unknown_id:
                    unread.update(range(start, end))
        if self.spells_bytes:  # a character in several tokens is in none of them whole
            unread.update(place for place, count in covered.items() if count > 1)
        return covered.keys() - unread, unread


def _passed_over(text: str, places: Set[int], *, whole: bool) -> Set[int]:
    """Return the characters that say something and are in no token, but for ASCII: "a" is noise.

    Of a text that is not tokenized as a `whole`, those before its last token.
    """
    end = len(text) if whole else max(places, default=-1) + 1
    silent = (place for place in range(end) if place not in places)
    return {place for place in silent if not text[place].isascii() and says_something(text[place])}


def _unknown_id(spec: Mapping[str, Any], tokenizer: Tokenizer) -> int | None:
    """Return the id of unknown words, by the manifest or by the tokenizer's own model."""
    if (given := spec.get("unknown_id")) is not None:
        return int(given)
    if isinstance(tokenizer.model, Unigram):  # which tells it in its file alone
        number: int | None = json.loads(tokenizer.to_str())["model"]["unk_id"]
        return number
    token = getattr(tokenizer.model, "unk_token", None)
    return None if token is None else tokenizer.token_to_id(token)


def _runs(text: str, places: Set[int]) -> Iterator[str]:
    """Yield the parts of a text whose characters stand at these places."""
    for _, run in groupby(enumerate(sorted(places)), key=lambda pair: pair[1] - pair[0]):
        yield "".join(text[place] for _, place in run)
