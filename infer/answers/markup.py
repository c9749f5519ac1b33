"""Texts in a page: hostile until escaped, and kept from turning round what stands beside them."""

from __future__ import annotations

import unicodedata
from html import escape

from zscr.printable import printable

# Classes of characters that are written from right to left, or say that others are (UAX 9).
_TURNING = frozenset("R AL AN RLE RLO RLI LRE LRO LRI FSI PDF PDI".split())


def isolated(text: object) -> str:
    """Return a text as HTML; one that may change the direction of writing does so in a `<bdi>`."""
    shown = "".join("\ufffd" if _controls(c) else c for c in str(text))
    turns = any(unicodedata.bidirectional(c) in _TURNING for c in shown)
    return f"<bdi>{escape(shown)}</bdi>" if turns else escape(shown)


def attribute(text: object) -> str:
    """Return a text as an attribute or title, where there are no elements: controls are escapes."""
    return escape(printable(text))


def _controls(character: str) -> bool:
    return character not in "\t\n\r" and unicodedata.category(character) in ("Cc", "Cs")
