"""What an ONNX file holds: inputs, outputs, operators and weights, without loading any of them.

Only the messages on the way to these are read (onnx.proto3), so a graph of gigabytes costs what
its nodes do, and neither onnx nor onnxruntime needs to be installed.
"""

from __future__ import annotations

import mmap
from collections import Counter
from dataclasses import dataclass, field
from math import ceil, prod
from pathlib import Path

from zscr.infer.runners.protobuf import fields, numbers, words
from zscr.regular import open_regular

_DTYPES = (  # of TensorProto.DataType, with bits of a number
    ("undefined", 0), ("float32", 32), ("uint8", 8), ("int8", 8), ("uint16", 16), ("int16", 16),
    ("int32", 32), ("int64", 64), ("string", 0), ("bool", 8), ("float16", 16), ("float64", 64),
    ("uint32", 32), ("uint64", 64), ("complex64", 64), ("complex128", 128), ("bfloat16", 16),
    ("float8e4m3fn", 8), ("float8e4m3fnuz", 8), ("float8e5m2", 8), ("float8e5m2fnuz", 8),
    ("uint4", 4), ("int4", 4), ("float4e2m1", 4),
)  # fmt: skip
_SUBGRAPHS = (6, 11)  # of an attribute: one graph, several graphs


@dataclass(frozen=True)
class Tensor:
    """A graph's input, output or weight; of a size that the batch decides the shape has a name."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]

    @property
    def size(self) -> int:
        """How many numbers it has; 0 where a size is not known."""
        return prod(one for one in self.shape if isinstance(one, int)) if self.is_fixed else 0

    @property
    def bytes(self) -> int:
        """What its numbers take."""
        return ceil(self.size * dict(_DTYPES).get(self.dtype, 0) / 8)

    @property
    def is_fixed(self) -> bool:
        """Whether every size is a number."""
        return all(isinstance(one, int) for one in self.shape)


@dataclass(frozen=True)
class Node:
    """One operator of a graph, with the names of what it takes; its domain is in its name."""

    operator: str
    inputs: tuple[str, ...]


@dataclass
class GraphContent:
    """What a file holds, subgraphs and functions included.

    Attributes:
        producer: what wrote it, with its version.
        opsets: domain -> version; the standard one is `ai.onnx`.
        inputs, outputs: of the graph.
        nodes: every operator, constants apart.
        weights: name -> weight; a constant is called as its output is.
    """

    producer: str = ""
    opsets: dict[str, int] = field(default_factory=dict)
    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def operators(self) -> dict[str, int]:
        """How often each operator stands in it, the most frequent first."""
        return dict(Counter(node.operator for node in self.nodes).most_common())

    @property
    def parameters(self) -> int:
        """How many numbers its weights have, integers of shapes and axes among them."""
        return sum(weight.size for weight in self.weights.values())


def read_graph(path: Path) -> GraphContent:
    """Read what an ONNX file holds.

    Raises:
        ValueError: it is no ONNX file, or is cut off.
        OSError, InputError: it cannot be read, or is no regular file.
    """
    with open_regular(path) as file:
        if not file.seek(0, 2):
            raise ValueError("it is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
            reader = _Reader(raw)
            reader.model(0, len(raw))
    if not reader.found.outputs:
        raise ValueError("it is no ONNX file")
    return reader.found


class _Reader:
    """Fills a `GraphContent`, a message a method."""

    def __init__(self, raw: mmap.mmap) -> None:
        self.raw, self.found = raw, GraphContent()

    def model(self, start: int, stop: int) -> None:
        producer = {2: "", 3: ""}
        for number, at, end in fields(self.raw, start, stop):
            if number in producer:
                producer[number] = words(self.raw, at, end)
            elif number == 7:
                self.graph(at, end, whole=True)
            elif number == 8:
                self.opset(at, end)
            elif number == 25:  # a function, whose field 7 are nodes
                self.each_node(at, end, 7)
        self.found.producer = " ".join(filter(None, producer.values()))

    def opset(self, start: int, stop: int) -> None:
        parts = {number: (at, end) for number, at, end in fields(self.raw, start, stop)}
        domain = words(self.raw, *parts.get(1, (0, 0))) or "ai.onnx"
        self.found.opsets[domain] = next(numbers(self.raw, *parts.get(2, (0, 0))))

    def graph(self, start: int, stop: int, *, whole: bool = False) -> None:
        self.each_node(start, stop, 1)
        for number, at, end in fields(self.raw, start, stop):
            if number == 5:
                weight = self.weight(at, end)
                self.found.weights[weight.name] = weight
            elif number in (11, 12) and whole:
                (self.found.inputs if number == 11 else self.found.outputs).append(
                    self.value(at, end)
                )
        if whole:  # older files list weights among the inputs, too
            weights = self.found.weights
            self.found.inputs = [one for one in self.found.inputs if one.name not in weights]

    def each_node(self, start: int, stop: int, wanted: int) -> None:
        for number, at, end in fields(self.raw, start, stop):
            if number == wanted:
                self.node(at, end)

    def node(self, start: int, stop: int) -> None:
        found: dict[int, list[str]] = {1: [], 2: [], 4: [], 7: []}
        attributes = list[tuple[int, int]]()
        for number, at, end in fields(self.raw, start, stop):
            if number == 5:
                attributes.append((at, end))
            elif number in found:
                found[number].append(words(self.raw, at, end))
        operator = ".".join(filter(None, (*found[7][:1], *found[4]))).removeprefix("ai.onnx.")
        if operator != "Constant":
            self.found.nodes.append(Node(operator, tuple(found[1])))
        for at, end in attributes:
            self.attribute(at, end, found[2][0] if operator == "Constant" and found[2] else "")

    def attribute(self, start: int, stop: int, constant: str) -> None:
        for number, at, end in fields(self.raw, start, stop):
            if number in _SUBGRAPHS:
                self.graph(at, end)
            elif number == 5 and constant:
                weight = self.weight(at, end)
                self.found.weights[constant] = Tensor(constant, weight.dtype, weight.shape)

    def weight(self, start: int, stop: int) -> Tensor:
        name, dtype, shape = "", 0, list[int]()
        for number, at, end in fields(self.raw, start, stop):
            if number == 1:
                shape += numbers(self.raw, at, end)
            elif number == 2:
                dtype = next(numbers(self.raw, at, end))
            elif number == 8:
                name = words(self.raw, at, end)
        return Tensor(name, _dtype(dtype), tuple(shape))

    def value(self, start: int, stop: int) -> Tensor:
        name, dtype, shape = "", "not a tensor", list[int | str]()
        for number, at, end in fields(self.raw, start, stop):
            if number == 1:
                name = words(self.raw, at, end)
            elif number == 2:
                for kind, first, last in fields(self.raw, at, end):
                    if kind == 1:
                        dtype, shape = self.tensor_type(first, last)
        return Tensor(name, dtype, tuple(shape))

    def tensor_type(self, start: int, stop: int) -> tuple[str, list[int | str]]:
        dtype, shape = 0, list[int | str]()
        for number, at, end in fields(self.raw, start, stop):
            if number == 1:
                dtype = next(numbers(self.raw, at, end))
            elif number == 2:
                sizes = (f for f in fields(self.raw, at, end) if f[0] == 1)
                shape += [self.dimension(first, last) for _, first, last in sizes]
        return _dtype(dtype), shape

    def dimension(self, start: int, stop: int) -> int | str:
        for number, at, end in fields(self.raw, start, stop):
            if number == 1:
                return next(numbers(self.raw, at, end))
            if number == 2:
                return words(self.raw, at, end)
        return "?"


def _dtype(number: int) -> str:
    return _DTYPES[number][0] if 0 <= number < len(_DTYPES) else f"type {number}"
