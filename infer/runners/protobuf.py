"""Walks protocol buffers, such as ONNX files, without their schema: only what is asked for is read.

A message is a range of bytes; its fields are numbers, or ranges of bytes in it.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator

_FIXED = {1: 8, 5: 4}  # wire type -> bytes


def fields(raw: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield each field of a message: its number, and from where to where its content lies.

    A number's content is empty if it is 0, so that a default that is written counts as none.

    Raises:
        ValueError: it is no message, or is cut off.
    """
    while at < end:
        tag, at = varint(raw, at, end)
        number, wire = tag >> 3, tag & 7
        start = at
        if wire == 0:
            value, at = varint(raw, at, end)
            start = start if value else at
        elif wire == 2:
            size, start = varint(raw, at, end)
            at = start + size
        elif wire in _FIXED:
            at += _FIXED[wire]
        else:
            raise ValueError("it is no ONNX file")
        if at > end:
            raise ValueError("it ends too early")
        yield number, start, at


def varint(raw: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    """Return the number that begins at a place, and the place behind it.

    Raises:
        ValueError: it is none, or is cut off.
    """
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise ValueError("it ends too early")
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
    raise ValueError("it is no ONNX file")


def numbers(raw: mmap.mmap, start: int, stop: int) -> Iterator[int]:
    """Yield the integers of a field's content: one, or several that are packed; none is a 0.

    They are signed 64-bit ones, as sizes and shapes are.
    """
    if start == stop:
        yield 0
    while start < stop:
        value, start = varint(raw, start, stop)
        yield value - (1 << 64) if value >> 63 else value


def words(raw: mmap.mmap, start: int, stop: int) -> str:
    """Return a field's content as text."""
    return raw[start:stop].decode("utf-8", "replace")
