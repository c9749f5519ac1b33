"""Texts that go to a terminal: what could take it over, or hide a part of a line, is escaped."""

from __future__ import annotations

import unicodedata

# Control characters, halves of characters, line and paragraph separators, and what is invisible.
_ESCAPED = frozenset({"Cc", "Cs", "Zl", "Zp", "Cf"})
_JOINERS = frozenset("\u200c\u200d")  # which words of Persian and Hindi need, and emoji


def printable(text: object) -> str:
    """Return a text as one line, with such characters as escapes: ESC becomes `\\x1b`."""
    shown = str(text)
    return shown if shown.isprintable() else "".join(map(_shown, shown))


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _ESCAPED or character in _JOINERS:
        return character
    if "\udc80" <= character <= "\udcff":  # a byte of a name that is not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
