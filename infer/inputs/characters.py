"""Texts as character ids, as Reed et al. (CVPR 2016) feed them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zscr.errors import InputError
from zscr.infer.inputs.prepared import Prepared, says_something
from zscr.schema import integer, listing, one_of, record, text

FIELDS = record(
    {
        "field": one_of("text"),
        "names": listing(text(200), 1, 1),
        "max_length": integer(1, 1 << 16),
        "alphabet": text(10_000, least=1),
    },
    {"unit": text(40)},
)


class CharacterInput:
    """Character ids of a fixed length.

    A character's id is its last place in the manifest's alphabet, counted from 1. The letters A
    to Z stand for a to z; any other unknown character keeps its place and has id 0, which is also
    the padding behind a short text.
    """

    def __init__(self, spec: Mapping[str, Any], folder: Path) -> None:
        self.field, self.names = str(spec["field"]), tuple(spec["names"])
        self.mask: str | None = None
        self.length = int(spec["max_length"])
        numbers = {character: number for number, character in enumerate(spec["alphabet"], 1)}
        # ASCII alone: Unicode's lower-casing changes the length of a text, and C++ has none.
        upper = {c.upper(): number for c, number in numbers.items() if "a" <= c <= "z"}
        self.numbers = numbers | upper

    def prepare(self, values: Sequence[str]) -> Prepared:
        """Number the characters of B texts -> int64 (B, `max_length`).

        Raises:
            InputError: a text has no known character but spaces, so it says nothing.
        """
        ids = np.zeros((len(values), self.length), np.int64)
        read = [value[: self.length] for value in values]
        for row, value in zip(ids, read, strict=True):
            found = [self.numbers.get(character, 0) for character in value]
            if not set(found) - {0, self.numbers.get(" ")}:
                raise InputError(
                    f"no character of the text {value[:40]!r} is known to the encoder; write it "
                    f"with Latin letters and digits"
                )
            row[: len(found)] = found
        cut = tuple(row for row, value in enumerate(values) if len(value) > self.length)
        unknown = {
            row: tuple(sorted(set(value) - self.numbers.keys())) for row, value in enumerate(read)
        }
        told = {row: new for row, new in unknown.items() if new}
        known = [[one for one in text if one in self.numbers] for text in read]
        blank = tuple(row for row, text in enumerate(known) if not says_something(text))
        return Prepared({self.names[0]: ids}, cut, told, blank)
