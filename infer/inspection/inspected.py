"""What `zscr inspect` says of a path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from zscr.infer.runners.graph_content import GraphContent, Tensor, read_graph

NOT_CHECKED, SOUND = "not checked", "sound"


@dataclass(frozen=True)
class File:
    """A file of an artefact; state: whether its hash holds, or what is wrong."""

    name: str
    bytes: int
    state: str = NOT_CHECKED


@dataclass(frozen=True)
class Graph:
    """An ONNX graph.

    Attributes:
        inputs, outputs: name -> type and shape.
        operators: how often each stands in it; parameters: numbers of all weights.
        bytes: of the weights.
        opsets: domain -> version; producer: what wrote it.
    """

    inputs: dict[str, str]
    outputs: dict[str, str]
    operators: dict[str, int]
    parameters: int
    bytes: int
    opsets: dict[str, int]
    producer: str


@dataclass(frozen=True)
class Inspected:
    """What a path is.

    Attributes:
        path: as it was named; what: it is, such as `bundle`.
        facts: name -> value, as JSON can hold it.
        about: further lines.
        graphs: file -> its graph, or why it cannot be read.
        files: of an artefact; next: commands that take it.
    """

    path: str
    what: str
    facts: Mapping[str, Any]
    about: tuple[str, ...] = ()
    graphs: Mapping[str, Graph | str] = field(default_factory=dict)
    files: tuple[File, ...] = ()
    next: tuple[str, ...] = ()

    @property
    def faults(self) -> list[str]:
        """The files that are not what the manifest says."""
        return [one.name for one in self.files if one.state not in (NOT_CHECKED, SOUND)]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        return asdict(self)


def graph_of(path: Path) -> Graph:
    """Read what an ONNX file holds.

    Raises:
        ValueError: it is none.
    """
    found: GraphContent = read_graph(path)
    return Graph(
        {one.name: _spoken(one) for one in found.inputs},
        {one.name: _spoken(one) for one in found.outputs},
        found.operators,
        found.parameters,
        sum(weight.bytes for weight in found.weights.values()),
        found.opsets,
        found.producer,
    )


def _spoken(tensor: Tensor) -> str:
    return f"{tensor.dtype} [{', '.join(map(str, tensor.shape))}]"
