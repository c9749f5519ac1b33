"""What a field of a manifest may be, declared: types, ranges and names, checked before any use.

A check takes a value and where it stands, and raises a ValueError that says what must stand there:
`graphs.text.inputs[0].max_length is 1e30, not an integer from 1 to 1048576`. Fields that a record
does not name are left alone, so that later versions may add some.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from zscr.names import name_fault

Check = Callable[[Any, str], None]
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # they would take over a terminal


def _refuse(value: Any, where: str, wanted: str) -> None:
    raise ValueError(f"{where or 'it'} is {_shown(value)}, not {wanted}")


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else f"a list of {len(value)}"
    return f"{value!a:.60}"


def anything(value: Any, where: str) -> None:
    """Take any value: nothing is read of it, or whoever reads it checks it."""


def words(value: Any, where: str) -> None:
    """Take any string: what people wrote, control characters of old encodings included."""
    if not isinstance(value, str):
        _refuse(value, where, "a text")


def flag(value: Any, where: str) -> None:
    """Take true or false."""
    if not isinstance(value, bool):
        _refuse(value, where, "true or false")


def text(
    longest: int = 10_000, pattern: str | None = None, least: int = 0, *, controls: bool = False
) -> Check:
    """Take a string of `least` to `longest` characters.

    Args:
        longest, least: characters.
        pattern: what the whole of it must match, if anything.
        controls: whether control characters are among them, as in names of a user's own files.
    """
    wanted = f"a text of {least} to {longest} characters" + (f" like {pattern}" if pattern else "")

    def check(value: Any, where: str) -> None:
        fits = isinstance(value, str) and least <= len(value) <= longest
        hostile = fits and not controls and _CONTROLS.search(value)
        if not fits or hostile or (pattern and not re.fullmatch(pattern, value, re.DOTALL)):
            _refuse(value, where, wanted)

    return check


def integer(low: int, high: int) -> Check:
    """Take a whole number from `low` to `high`."""

    def check(value: Any, where: str) -> None:
        if type(value) is not int or not low <= value <= high:
            _refuse(value, where, f"an integer from {low} to {high}")

    return check


def number(low: float = -math.inf, high: float = math.inf) -> Check:
    """Take a finite number from `low` to `high`."""

    def check(value: Any, where: str) -> None:
        fits = type(value) in (int, float) and math.isfinite(value)
        if not fits or not low <= value <= high:
            _refuse(value, where, f"a number from {low:g} to {high:g}")

    return check


def one_of(*values: Any) -> Check:
    """Take one of a few values of the same type."""

    def check(value: Any, where: str) -> None:
        if not any(type(value) is type(known) and value == known for known in values):
            _refuse(value, where, f"one of {', '.join(map(str, values))}")

    return check


def maybe(inner: Check) -> Check:
    """Take null, or what `inner` takes."""

    def check(value: Any, where: str) -> None:
        if value is not None:
            inner(value, where)

    return check


def listing(inner: Check, least: int = 0, most: int = 1_000_000) -> Check:
    """Take a list of `least` to `most` of what `inner` takes."""

    def check(value: Any, where: str) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            _refuse(value, where, f"a list of {least} to {most}")
        for number, one in enumerate(value):
            inner(one, f"{where}[{number}]")

    return check


def mapping(inner: Check, keys: Check = anything, needed: Collection[str] = ()) -> Check:
    """Take an object whose keys are anyone's, with the `needed` ones among them."""

    def check(value: Any, where: str) -> None:
        _object(value, where, needed)
        for key, one in value.items():
            keys(key, f"a key of {where}")
            inner(one, f"{where}.{key:.40}" if where else key[:40])

    return check


def record(fields: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """Take an object with these fields, and perhaps the optional ones; others are left alone."""
    known = {**fields, **(optional or {})}

    def check(value: Any, where: str) -> None:
        _object(value, where, fields)
        for name, inner in known.items():
            if name in value:
                inner(value[name], f"{where}.{name}" if where else name)

    return check


def by_kind(field: str, kinds: Mapping[str, Check]) -> Check:
    """Take an object that says in a field which of several checks is its own."""

    def check(value: Any, where: str) -> None:
        _object(value, where, [field])
        one_of(*kinds)(value[field], f"{where}.{field}")
        kinds[value[field]](value, where)

    return check


def file_name(value: Any, where: str) -> None:
    """Take the name of a file that lies in the artefact's own folder, not in one below."""
    text(255, least=1)(value, where)
    fault = "lies in another folder" if "/" in value else name_fault(value)
    if fault:
        raise ValueError(f"{where} {value!a:.80} {fault}")


def title(value: Any, where: str) -> None:
    """Take a name that becomes part of file names: of a collection, an encoder."""
    text(200, least=1)(value, where)
    if "/" in value or value in (".", ".."):
        _refuse(value, where, "a name without slashes")


SHA256 = text(64, "[0-9a-f]{64}")
PATH = text(8192, least=1, controls=True)  # of a user's own file or folder, whatever it is called


def _object(value: Any, where: str, needed: Collection[str]) -> None:
    if not isinstance(value, dict):
        _refuse(value, where, "an object")
    for name in needed:
        if name not in value:
            raise ValueError(f"{where or 'it'} lacks '{name}'")
