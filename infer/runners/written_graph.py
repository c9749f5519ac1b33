"""Writes small ONNX graphs: for a few nodes, queries need not load the package onnx.

A message of a protocol buffer is its fields one after the other: a tag, which is the field's
number and the kind of its content, and the content. The numbers below are onnx.proto3's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

FLOAT, INT64, FLOAT16 = 1, 7, 10  # TensorProto.DataType
_OPSET, _IR_VERSION = 17, 8
_OF_INT = 2  # AttributeProto.AttributeType

Value = tuple[int, Sequence[str]]  # what it holds, and a name for each axis


def write_graph(
    nodes: Sequence[bytes],
    inputs: Mapping[str, Value],
    outputs: Mapping[str, Value],
    constants: Mapping[str, Sequence[int]],
) -> bytes:
    """Return an ONNX file.

    Args:
        nodes: in an order in which they can run.
        inputs, outputs: by their names; constants: vectors of whole numbers by theirs.
    """
    graph = b"".join(_field(1, one) for one in nodes) + _field(2, b"graph")
    graph += b"".join(_field(5, _constant(name, of)) for name, of in constants.items())
    graph += b"".join(_field(11, _value(name, of)) for name, of in inputs.items())
    graph += b"".join(_field(12, _value(name, of)) for name, of in outputs.items())
    opset = _field(1, b"") + _field(2, _OPSET)
    return _field(1, _IR_VERSION) + _field(7, graph) + _field(8, opset)


def node(operator: str, inputs: str, outputs: str, **attributes: int) -> bytes:
    """Return a node, which is called by its operator and its first output.

    Args:
        inputs, outputs: names with spaces between them.
    """
    name = f"{operator} {outputs.split()[0]}"
    ends = b"".join(_field(1, one.encode()) for one in inputs.split())
    ends += b"".join(_field(2, one.encode()) for one in outputs.split())
    own = _field(3, name.encode()) + _field(4, operator.encode())
    return ends + own + b"".join(_field(5, _attribute(*one)) for one in attributes.items())


def _attribute(name: str, number: int) -> bytes:
    return _field(1, name.encode()) + _field(3, number) + _field(20, _OF_INT)


def _constant(name: str, numbers: Sequence[int]) -> bytes:
    raw = np.asarray(numbers, "<i8").tobytes()
    return _field(1, len(numbers)) + _field(2, INT64) + _field(8, name.encode()) + _field(9, raw)


def _value(name: str, of: Value) -> bytes:
    holds, axes = of
    shape = b"".join(_field(1, _field(2, axis.encode())) for axis in axes)
    tensor = _field(1, holds) + _field(2, shape)
    return _field(1, name.encode()) + _field(2, _field(1, tensor))


def _field(number: int, content: int | bytes) -> bytes:
    if isinstance(content, int):
        return _varint(number << 3) + _varint(content)
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # a negative number is written as the unsigned one of its bits
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])
