"""JSON of strangers: what every reader understands in one way, within bounds, or a ValueError."""

from __future__ import annotations

import json
import math
from typing import Any

DEPTH = 64  # of lists and objects in each other; ours have 8 at most
VALUES = 4_000_000  # of one text: about 400 MB of Python objects
_DIGITS = 40  # of an integer; transformers writes 10^30 for "no limit"


def parse_json(raw: bytes | str, *, shortest: bool = False) -> Any:
    """Parse one JSON text.

    Args:
        raw: the text.
        shortest: refuse a fraction that is not written as Python does, with as few digits as tell
            the double. So no other text has the same content by a changed digit.

    Raises:
        ValueError: no JSON in UTF-8, NaN or infinity, a key twice in one object, an integer of
            over 40 digits, half a character (a lone surrogate), nested over 64 deep, or over 4
            million values. Its words fit into a sentence.
    """
    text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
    opened = text.count("[") + text.count("{")
    if opened + text.count(",") > VALUES:
        raise ValueError(f"it holds over {VALUES} values")
    try:
        value = (_SHORTEST if shortest else _DECODER).decode(text)
    except RecursionError:
        raise ValueError(f"it is nested more than {DEPTH} deep") from None
    if opened > DEPTH and _depth(value) > DEPTH:
        raise ValueError(f"it is nested more than {DEPTH} deep")
    if "\\u" in text:  # the only way to write half a character
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:40]!a} is there twice")
    return made


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > _DIGITS:
        raise ValueError(f"the number {digits[:20]}… has over {_DIGITS} digits")
    return int(digits)


def _float(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise ValueError(f"the number {digits[:20]} is beyond any float")
    return number


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _shortest(digits: str) -> float:
    if repr(number := _float(digits)) != digits:
        raise ValueError(f"the number {digits[:40]} is not written as {number!r}")
    return number


_RULES: Any = {
    "object_pairs_hook": _unique,
    "parse_int": _integer,
    "parse_constant": _constant,
}
_DECODER = json.JSONDecoder(**_RULES, parse_float=_float)
_SHORTEST = json.JSONDecoder(**_RULES, parse_float=_shortest)


def _depth(value: Any) -> int:
    """Return how deep lists and objects lie in each other, without a recursion."""
    level, depth = [value], 0
    while level:
        inner = (v.values() if isinstance(v, dict) else v for v in level)
        level = [
            child for children in inner for child in children if isinstance(child, dict | list)
        ]
        depth += 1
    return depth
