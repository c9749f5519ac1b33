"""Texts about an image as token ids, with the place at which the image stands for a word.

What is before the place and what is behind it are tokenised apart, so that the place is known and
not looked for: CLIP has one token for "*,", and a `*` in a caption is no place.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Encoding

from zscr.errors import InputError
from zscr.infer.inputs.prepared import Prepared, says_something
from zscr.infer.inputs.sentence import PLACE, Sentence, Template, template_text
from zscr.infer.inputs.tokenizer import frame_of, load_tokenizer
from zscr.infer.inputs.unread import Reader, passed_over, runs
from zscr.schema import file_name, integer, listing, maybe, one_of, record, text

FIELDS = record(
    {
        "field": one_of("text"),
        "names": listing(text(200), 2, 3),
        "tokenizer": file_name,
        "max_length": integer(1, 1 << 20),
        "template": template_text,
    },
    {
        "words": integer(1, 64),
        "unknown_id": maybe(integer(0, 2**32 - 1)),
        "pad_to": maybe(integer(1, 1 << 16)),
    },
)

_NONE: Set[int] = frozenset()


@dataclass(frozen=True)
class _Row:
    """One sentence's ids, the place of the image's first vector, and what was read."""

    ids: list[int]
    slot: int
    cut: bool
    unknown: tuple[str, ...]
    blank: bool


class PromptInput:
    """Ids, mask where it is taken, and slot: the place of K vectors that stand for an image.

    A text with one free-standing `*` is a whole sentence; any other is put into the template. A
    sentence over `max_length` is cut in the text, never in the template, and ends as all do. The
    ids at the slot are those of `*` itself: their embeddings are replaced, and no id is new, since
    CLIP's towers find the end of a text by the highest id.
    """

    def __init__(self, spec: Mapping[str, Any], folder: Path) -> None:
        self.field, self.names = str(spec["field"]), tuple(spec["names"])
        self.mask: str | None = None
        self.template, self.words = Template(spec["template"]), int(spec.get("words", 1))
        self.pad_to = spec.get("pad_to")
        self.max_length = min(int(spec["max_length"]), self.pad_to or sys.maxsize)
        self.tokenizer = load_tokenizer(folder / spec["tokenizer"], self.max_length, self.pad_to)
        cut, self.padding = self.tokenizer.truncation or {}, self.tokenizer.padding or {}
        self.from_left = cut.get("direction") == "left"
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.reader = Reader(self.tokenizer, spec.get("unknown_id"))
        self.before, self.behind = frame_of(self.tokenizer)
        placeholder = self.tokenizer.encode(f" {PLACE}", add_special_tokens=False).ids
        self.placeholder = placeholder[-1] if placeholder else 0

    def prepare(self, values: Sequence[str]) -> Prepared:
        """Tokenise B texts to int64 ids and mask (B, L) and slot (B,), L at most `max_length`.

        Raises:
            InputError: a text has two places, one that touches another character, or one behind
                what the model reads; or the tokenizer cannot take one of them.
        """
        sentences = [self.template.sentence(value) for value in values]
        sides = [side for one in sentences for side in one.sides]
        try:
            encoded = iter(self.tokenizer.encode_batch(sides, add_special_tokens=False))
        except Exception as error:  # the library raises no narrower one
            raise InputError(f"the tokenizer cannot take these texts ({error!s:.200})") from error
        rows = [self._row(one, (next(encoded), next(encoded))) for one in sentences]
        return Prepared(
            dict(zip(self.names, self._arrays(rows), strict=True)),
            tuple(number for number, row in enumerate(rows) if row.cut),
            {number: row.unknown for number, row in enumerate(rows) if row.unknown},
            tuple(number for number, row in enumerate(rows) if row.blank),
        )

    def _row(self, sentence: Sentence, sides: tuple[Encoding, Encoding]) -> _Row:
        """Put one sentence together, and tell what was read of the user's part."""
        dropped = self._dropped(sentence, sides)
        without = (dropped, _NONE) if sentence.cut[0] == 0 else (_NONE, dropped)
        left, right = (
            [one for number, one in enumerate(side.ids) if number not in out]
            for side, out in zip(sides, without, strict=True)
        )
        slot = len(self.before) + len(left)
        ids = [*self.before, *left, *[self.placeholder] * self.words, *right, *self.behind]
        unknown, said = list[str](), False
        for side, (encoding, out) in enumerate(zip(sides, without, strict=True)):
            words, says = self._understood(sentence, side, encoding, out)
            unknown, said = [*unknown, *words], said or says
        return _Row(ids, slot, bool(dropped), tuple(unknown), not said)

    def _understood(
        self, sentence: Sentence, side: int, encoding: Encoding, without: Set[int]
    ) -> tuple[list[str], bool]:
        """Return the unknown words of the user's part of a side, and whether it says something."""
        asked, value = set(sentence.asked(side)), sentence.sides[side]
        read, unread = self.reader.places(encoding, without)
        silent = passed_over(value, read | unread, whole=not without)
        said = says_something(value[place] for place in read & asked)
        return [*runs(value, (unread | silent) & asked)], said

    def _dropped(self, sentence: Sentence, sides: tuple[Encoding, Encoding]) -> Set[int]:
        """Return the tokens of the side that may be cut which are over the limit, by number."""
        fixed = len(self.before) + self.words + len(self.behind)
        over = fixed + len(sides[0].ids) + len(sides[1].ids) - self.max_length
        if over <= 0:
            return _NONE
        own, start, stop = sentence.cut
        inside = [
            number
            for number, (first, last) in enumerate(sides[own].offsets)
            if start <= first and last <= stop
        ]
        if over > len(inside) - (not sentence.whole):
            whose = "the text up to the image's place" if sentence.whole else "the template"
            raise InputError(
                f"{whose} takes {self.max_length + over - len(inside)} tokens, and the model reads "
                f"{self.max_length}, the text's own among them; make it shorter"
            )
        return set(inside[:over] if self.from_left else inside[-over:])

    def _arrays(self, rows: Sequence[_Row]) -> list[Any]:
        """Return ids, mask where it is taken, and slot, padded as the tokenizer's file says."""
        length = self.pad_to or max((len(row.ids) for row in rows), default=0)
        ids = np.full((len(rows), length), self.padding["pad_id"], np.int64)
        mask, slot = np.zeros_like(ids), np.zeros(len(rows), np.int64)
        for number, row in enumerate(rows):
            first = length - len(row.ids) if self.padding["direction"] == "left" else 0
            ids[number, first : first + len(row.ids)] = row.ids
            mask[number, first : first + len(row.ids)] = 1
            slot[number] = first + row.slot
        return [ids, mask, slot] if len(self.names) > 2 else [ids, slot]
