"""Refuses ONNX files whose weights lie in other files: a stranger's path could name any file.

An ONNX file is a protocol buffer (onnx.proto3). The few messages below are all on the way to a
tensor; everything else is passed over, unread.
"""

from __future__ import annotations

import mmap
from pathlib import Path

from zscr.infer.runners.protobuf import fields
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
                for number, at, stop in fields(raw, start, end):
                    below = _BELOW[message].get(number)
                    if below == "location" and (number == 13 or stop > at):
                        raise ValueError("it keeps weights in other files; save it as one file")
                    if below and below != "location":
                        waiting.append((below, at, stop))
