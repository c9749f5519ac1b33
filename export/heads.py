"""From a trained head to a bundle's graph: traced, and merged behind its frozen encoders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnx.compose
import torch
from torch import nn

from zscr.errors import ConfigError
from zscr.infer.encoder import Encoder
from zscr.infer.features.listing import Encoders, encoder_of
from zscr.infer.features.table_names import field_of
from zscr.train.encoders.folder import OUTPUT
from zscr.train.encoders.onnx import merge, rename, trace
from zscr.train.encoders.sparse import gather_first_layer
from zscr.train.methods.contract import Head, Port
from zscr.train.methods.registry import Shapes

HEAD = "head/"  # what names of a trained head's tensors begin with


@dataclass(frozen=True)
class DeployedHead:
    """A head with the frozen encoders of its ports: what one graph of a bundle is made of.

    Attributes:
        name: of the graph, with outputs `<name>_embedding`, `<name>_feature`, `<name>_tokens`.
        head: the trained part.
        encoders: of each port, in order; None where published vectors are the graph's input.
        shapes: of one row of each port.
    """

    name: str
    head: Head
    encoders: tuple[Encoder | None, ...]
    shapes: tuple[tuple[int, ...], ...]

    @property
    def output(self) -> str:
        """The name of the graph's output."""
        return f"{self.name}_embedding"

    @property
    def feature(self) -> str | None:
        """The name of the further output that is a gallery's image feature, if it has one."""
        return f"{self.name}_feature" if self.head.feature else None

    @property
    def tokens(self) -> str | None:
        """The name of the further output that a pair compares, if the head gives tokens."""
        return f"{self.name}_tokens" if self.head.tokens else None

    @property
    def specs(self) -> list[dict[str, Any]]:
        """The manifest's entries of the graph's inputs."""
        parts = zip(self.head.ports, self.encoders, self.shapes, strict=True)
        return [spec for part in parts for spec in _specs(*part, self.prefix(part[0]))]

    def prefix(self, port: Port) -> str:
        """Return what keeps the inputs of several encoders apart, such as two of pixels."""
        several = sum(encoder is not None for encoder in self.encoders) > 1
        return f"{port.name}/" if several else ""

    @property
    def ports(self) -> list[tuple[Port, Encoder | None]]:
        """Each port with its encoder."""
        return list(zip(self.head.ports, self.encoders, strict=True))


def deployed_heads(
    heads: Mapping[str, Head], encoders: Encoders, shapes: Shapes
) -> list[DeployedHead]:
    """Pair the heads of a method with the run's encoders and row shapes.

    Raises:
        ConfigError: a head takes two published vectors, and a query holds only one.
    """
    deployed = [
        DeployedHead(
            name,
            head,
            tuple(encoder_of(port.name, encoders) for port in head.ports),
            tuple(shapes[port.name] for port in head.ports),
        )
        for name, head in heads.items()
    ]
    for one in deployed:
        published = [port.name for port, encoder in one.ports if encoder is None]
        if len(published) > 1:
            raise ConfigError(
                f"the graph '{one.name}' would take published vectors of {' and '.join(published)},"
                f" but a query holds one vector; train with encoders"
            )
    return deployed


def _specs(
    port: Port, encoder: Encoder | None, shape: tuple[int, ...], prefix: str
) -> list[dict[str, Any]]:
    """Return how a port is fed: as its encoder is, from its own field, or with vectors."""
    if encoder is None:
        spec = {"field": "vector", "kind": "vector", "names": [f"{port.name}_vector"]}
        return [spec | {"dtype": "float32", "shape": ["batch", *shape]}]
    return [
        {
            **spec,
            "field": field_of(port.name),
            "names": [f"{prefix}{name}" for name in spec["names"]],
        }
        for spec in encoder.specs
    ]


class _All(nn.Module):
    """Gives the embedding of rows, and what else a head makes of them."""

    def __init__(self, parts: Iterable[nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, *ports: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Map rows of the ports -> (B, E), and perhaps (B, F) and (B, L, W)."""
        return tuple(part(*ports) for part in self.parts)


Build = Callable[[DeployedHead], onnx.ModelProto]


def build_graph(deployed: DeployedHead) -> onnx.ModelProto:
    """Trace a head and merge the frozen encoder of each port before it.

    Returns:
        One graph from the encoders' inputs (or from vectors) to `<name>_embedding`, and to
        `<name>_feature` and `<name>_tokens` where the head has such.
    """
    names = [
        f"{port.name}_features" if encoder else f"{port.name}_vector"
        for port, encoder in deployed.ports
    ]
    encoders = (encoder for _, encoder in deployed.ports)
    rows = (_example(*one) for one in zip(encoders, deployed.shapes, strict=True))
    examples = dict(zip(names, rows, strict=True))
    axes = {name: {0: "batch"} for name in names}
    head = deployed.head
    named = {deployed.output: head.module, deployed.feature: head.feature}
    given = {n: part for n, part in (named | {deployed.tokens: head.tokens}).items() if part}
    module = head.module if len(given) == 1 else _All(given.values())
    graph = trace(module, examples, [*map(str, given)], dynamic=axes)
    graph = onnx.compose.add_prefix(graph, HEAD, rename_inputs=False, rename_outputs=False)
    for name, (port, encoder) in zip(names, deployed.ports, strict=True):
        if encoder is not None:
            graph = _behind(encoder, graph, name, deployed.prefix(port))
    onnx.checker.check_model(graph)
    return graph


def _example(encoder: Encoder | None, shape: tuple[int, ...]) -> torch.Tensor:
    """Return two rows to trace with: of whole numbers zeros, which any tower of ids can take."""
    if encoder is None or encoder.dtype.kind == "f":
        dtype = np.float32 if encoder is None else encoder.dtype
        return torch.from_numpy(np.random.default_rng(0).random((2, *shape)).astype(dtype))
    return torch.from_numpy(np.zeros((2, *shape), encoder.dtype))


def _behind(encoder: Encoder, head: onnx.ModelProto, port: str, prefix: str) -> onnx.ModelProto:
    """Feed an encoder's features to a port; TF-IDF's wide row is not made on the way."""
    first, features = onnx.load(encoder.graph), f"frozen/{port}"
    if prefix:
        first = onnx.compose.add_prefix(first, prefix)
    rename(first, {f"{prefix}{OUTPUT}": features})
    merged: onnx.ModelProto = merge(first, head, {features: port})
    gather_first_layer(merged, features)
    return merged
