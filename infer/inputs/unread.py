"""What a tokenizer reads of a text, and what it cannot."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Set
from itertools import groupby

from tokenizers import Encoding, Tokenizer
from tokenizers.models import BPE, Unigram

from zscr.infer.inputs.prepared import says_something


class Reader:
    """Tells of an encoded text which of its characters are read.

    Not read are the words that become the tokenizer's unknown token, and with BPE, which spells
    what it lacks in bytes, the characters that no token covers whole.

    Args:
        unknown_id: of unknown words, where the manifest says it; else the tokenizer's own.
    """

    def __init__(self, tokenizer: Tokenizer, unknown_id: int | None) -> None:
        self.unknown_id = _unknown_id(tokenizer) if unknown_id is None else unknown_id
        self.spells_bytes = isinstance(tokenizer.model, BPE)

    def understood(self, text: str, encoding: Encoding) -> tuple[tuple[str, ...], bool]:
        """Return the words of a text that are not read, and whether what is read says something."""
        tokens = zip(encoding.ids, encoding.special_tokens_mask, encoding.offsets, strict=True)
        own = [(token, span) for token, special, span in tokens if not special]
        if text.isascii() and all(token != self.unknown_id for token, _ in own):
            return (), any(says_something(text[start:end]) for _, (start, end) in own)
        read, unread = self.places(encoding)
        unread |= passed_over(text, read | unread, whole=not encoding.overflowing)
        return tuple(runs(text, unread)), says_something(text[place] for place in read)

    def places(self, encoding: Encoding, without: Container[int] = ()) -> tuple[Set[int], Set[int]]:
        """Return the characters that the tokens read, and those that they cannot.

        Args:
            encoding: of a text; without: tokens of it that are left out, by number.
        """
        covered, unread = set[int](), set[int]()
        for number, (token, special, (start, end)) in enumerate(
            zip(encoding.ids, encoding.special_tokens_mask, encoding.offsets, strict=True)
        ):
            if not special and number not in without:
                if self.spells_bytes:  # a character in several tokens is in none of them whole
                    unread.update(covered.intersection(range(start, end)))
                covered.update(range(start, end))
                if token == self.unknown_id:
                    unread.update(range(start, end))
        return covered - unread, unread


def passed_over(text: str, places: Set[int], *, whole: bool) -> Set[int]:
    """Return the characters that say something and are in no token, but for ASCII: "a" is noise.

    Of a text that is not tokenized as a `whole`, those before its last token.
    """
    end = len(text) if whole else max(places, default=-1) + 1
    silent = (place for place in range(end) if place not in places)
    return {place for place in silent if not text[place].isascii() and says_something(text[place])}


def runs(text: str, places: Set[int]) -> Iterator[str]:
    """Yield the parts of a text whose characters stand at these places."""
    for _, run in groupby(enumerate(sorted(places)), key=lambda pair: pair[1] - pair[0]):
        yield "".join(text[place] for _, place in run)


def _unknown_id(tokenizer: Tokenizer) -> int | None:
    """Return the id of unknown words by the tokenizer's own model."""
    if isinstance(tokenizer.model, Unigram):  # which tells it in its file alone
        number: int | None = json.loads(tokenizer.to_str())["model"]["unk_id"]
        return number
    token = getattr(tokenizer.model, "unk_token", None)
    return None if token is None else tokenizer.token_to_id(token)
