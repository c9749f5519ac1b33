"""Invented names for species; none tells what the bird looks like."""

from __future__ import annotations

_FIRST = (
    *("Harrow", "Tamsin", "Lantern", "Thistle", "Marlow", "Pebble"),
    *("Juniper", "Quarry", "Orchard", "Halcombe", "Winslow", "Ferndale"),
)
_LAST = ("Piper", "Tinker", "Chatterel", "Whistler", "Dabbet")

NAMES = tuple(f"{first} {last}" for first in _FIRST for last in _LAST)

# For the seen species beyond those: a first word each, so that no two of them share more than the
# last one, and a text encoder that is fitted on their texts finds nothing in a name to learn.
_BEGINNINGS = (
    *("Ad", "Bar", "Bex", "Cal", "Car", "Cor", "Dar", "Del", "Dun", "El", "Fal", "Gar", "Hex"),
    *("Ken", "Lam", "Lin", "Mel", "Nor", "Os", "Pem", "Ros", "Sel", "Tor", "Ul", "Wex"),
)
_ENDINGS = (
    *("bourne", "bury", "by", "caster", "cliffe", "cote", "den", "ham", "hollow", "hurst", "ley"),
    *("more", "ney", "ridge", "rick", "shaw", "stead", "stoke", "stow", "thorpe", "ton", "vale"),
    *("wick", "with", "wold", "worth"),
)
_FIRST_WORDS = (f"{begin}{end}" for begin in _BEGINNINGS for end in _ENDINGS)

MORE_NAMES = tuple(f"{word} {_LAST[n % len(_LAST)]}" for n, word in enumerate(_FIRST_WORDS))
