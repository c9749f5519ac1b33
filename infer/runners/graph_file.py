"""Refuses ONNX files whose weights lie in other files: a stranger's path could name any file.

An ONNX file is a protocol buffer (onnx.proto3). The few messages below are all on the way to a
tensor; everything else is passed over, unread.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from zscr.regular import open_regular

# message -> its field's number -> the message of that field
_TENSOR = {13: "location", 14: "location"}  # external_data, data_location
_BELOW: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": _TENSOR,
}
_FIXED = {1: 8, 5: 4}  # wire type -> bytes


def refuse_external_data(path: Path) -> None:
    """Prove that a graph's file holds its own weights.

    Raises:
        ValueError: it does not, or is no ONNX file.
        OSError: it cannot be read.
    """
    with open_regular(path) as file:
        if not file.seek(0, 2):
            raise ValueError("it is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
            waiting = [("model", 0, len(raw))]
            while waiting:
                message, start, end = waiting.pop()
                for number, at, stop in _fields(raw, start, end):
                    below = _BELOW[message].get(number)
                    if below == "location" and (number == 13 or stop > at):
                        raise ValueError("it keeps weights in other files; save it as one file")
                    if below and below != "location":
                        waiting.append((below, at, stop))


def _fields(raw: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield each field of a message: its number, and from where to where its content lies.

    A number's content is empty if it is 0, so that a default that is written counts as none.
    """
    while at < end:
        tag, at = _varint(raw, at, end)
        number, wire = tag >> 3, tag & 7
        start = at
        if wire == 0:
            value, at = _varint(raw, at, end)
            start = start if value else at
        elif wire == 2:
            size, start = _varint(raw, at, end)
            at = start + size
        elif wire in _FIXED:
            at += _FIXED[wire]
        else:
            raise ValueError("it is no ONNX file")
        if at > end:
            raise ValueError("it ends too early")
        yield number, start, at


def _varint(raw: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    """Return the number that begins at a place, and the place behind it."""
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
