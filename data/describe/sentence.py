"""A text of strangers made fit to train on: one line, without what is invisible, not too long."""

from __future__ import annotations

import re

from zscr.data.names import nfc
from zscr.printable import is_escaped
from zscr.schema import text

WORDS = 60  # that a description has at most; a text encoder of CLIP's reads 77 tokens
LETTERS = 600
PROMPT = text(100, least=1)  # what a prompt may be called
_END = re.compile(r"[.!?؟।][\"')\]]*(?=\s|$)|[。！？][”’」』）]*")


def tidy(said: str) -> str:
    """Return a text as one line in composed form, without control or invisible characters."""
    shown = (" " if c.isspace() else "" if is_escaped(c) else c for c in said)
    return " ".join(nfc("".join(shown)).split())


def shorten(line: str) -> str:
    """Return the whole sentences that fit into 60 words and 600 characters; else as many words.

    A first word that is longer is cut within, as Thai and Chinese put no space between words.
    """
    words = line.split()
    if len(words) <= WORDS and len(line) <= LETTERS:
        return line
    kept = _fitting(words)
    ends = [found.end() for found in _END.finditer(kept)]
    return kept[: ends[-1]] if ends else kept


def _fitting(words: list[str]) -> str:
    """Return as many of the first words as fit."""
    kept = " ".join(words[:WORDS])
    whole = kept if len(kept) <= LETTERS else kept[: LETTERS + 1].rpartition(" ")[0]
    return whole or kept[:LETTERS]


def says_something(line: str) -> bool:
    """Say whether a line has a letter; dots, dashes and pictographs tell of no class."""
    return any(c.isalpha() for c in line)
