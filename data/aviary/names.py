"""Invented names for 60 species; none tells what the bird looks like."""

from __future__ import annotations

_FIRST = (
    *("Harrow", "Tamsin", "Lantern", "Thistle", "Marlow", "Pebble"),
    *("Juniper", "Quarry", "Orchard", "Halcombe", "Winslow", "Ferndale"),
)
_LAST = ("Piper", "Tinker", "Chatterel", "Whistler", "Dabbet")

NAMES = tuple(f"{first} {last}" for first in _FIRST for last in _LAST)
