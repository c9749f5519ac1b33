"""Texts that go to a terminal: what could take it over, or hide a part of a line, is escaped."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from typing import Any, TextIO

# Control characters, halves of characters, line and paragraph separators, and what is invisible.
_ESCAPED = frozenset({"Cc", "Cs", "Zl", "Zp", "Cf"})
_JOINERS = frozenset("\u200c\u200d")  # which words of Persian and Hindi need, and emoji


def printable(text: object) -> str:
    """Return a text as one line, with such characters as escapes: ESC becomes `\\x1b`."""
    shown = str(text)
    return shown if shown.isprintable() else "".join(map(_shown, shown))


def shown_on(stream: TextIO) -> Callable[[object], str]:
    """Return how texts are written to a stream: a terminal gets escapes, a program all as it is."""
    return printable if stream.isatty() else str


def printable_json(value: Any, indent: int | None = None) -> str:
    """Return a value as JSON that a terminal may show: such characters are JSON's own escapes."""
    raw = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
    if raw.isprintable():
        return raw
    return "".join(json.dumps(c)[1:-1] if c != "\n" and is_escaped(c) else c for c in raw)


def is_escaped(character: str) -> bool:
    """Say whether a character is invisible, or takes over a terminal."""
    return unicodedata.category(character) in _ESCAPED and character not in _JOINERS


def _shown(character: str) -> str:
    if not is_escaped(character):
        return character
    if "\udc80" <= character <= "\udcff":  # a byte of a name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
