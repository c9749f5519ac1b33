"""The two graphs of a bundle: a frozen encoder with the trained method's head merged behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import onnx.compose
import torch
from torch import nn

from zscr.export.sparse import gather_first_layer
from zscr.infer.encoder import Encoder
from zscr.train.encoders.onnx import IR_VERSION, trace


@dataclass(frozen=True)
class Side:
    """One side of a method: how it embeds features, and the frozen encoder that makes them.

    Attributes:
        name: `query` or `gallery`; the graph's output is `<name>_embedding`.
        encode: torch function features (B, F) -> unit (B, D).
        features: F.
        encoder: the frozen encoder; None where the features themselves are the input.
    """

    name: str
    encode: Callable[[torch.Tensor], torch.Tensor]
    features: int
    encoder: Encoder | None

    @property
    def output(self) -> str:
        """The name of the graph's output."""
        return f"{self.name}_embedding"

    @property
    def spec(self) -> dict[str, Any]:
        """The manifest's entry of the graph's input."""
        if self.encoder:
            return dict(self.encoder.spec)
        shape = ["batch", self.features]
        return {"name": f"{self.name}_vector", "kind": "vector", "dtype": "float32", "shape": shape}


def sides(method: Any, encoders: Any, dims: Any) -> tuple[Side, Side]:
    """Return the query and the gallery side of a trained method."""
    return (
        Side("query", method.encode_query, dims["text"], encoders.text),
        Side("gallery", method.encode_gallery, dims["image"], encoders.image),
    )


class _Head(nn.Module):
    """A side's torch function as a module that can be traced, with the method's weights."""

    def __init__(self, method: nn.Module, side: Side) -> None:
        super().__init__()
        self.method, self.encode = method, side.encode

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.encode(features)


def build_graph(method: nn.Module, side: Side) -> onnx.ModelProto:
    """Trace a side's head and merge the frozen encoder before it.

    Returns:
        One graph from the encoder's input (or from the features) to `<side>_embedding`.
    """
    name = "features" if side.encoder else str(side.spec["name"])
    example = torch.rand(2, side.features)
    head = trace(_Head(method, side), {name: example}, side.output, dynamic={name: {0: "batch"}})
    return _merge(side.encoder.graph, head, side.output) if side.encoder else head


def _merge(encoder: Path, head: onnx.ModelProto, output: str) -> onnx.ModelProto:
    """Feed the encoder's `features` to the head; prefixes keep their names apart."""
    first = onnx.load(encoder)
    second = onnx.compose.add_prefix(head, "head/", rename_inputs=False, rename_outputs=False)
    entries = [entry for model in (first, second) for entry in model.opset_import]
    opsets = {entry.version for entry in entries if entry.domain in ("", "ai.onnx")}
    assert len(opsets) == 1, opsets  # trace() and load_graph() see to it
    features = {"features": "frozen/features"}
    for node in first.graph.node:
        node.output[:] = [features.get(name, name) for name in node.output]
        node.input[:] = [features.get(name, name) for name in node.input]
    first.graph.output[0].name = "frozen/features"
    merged = onnx.compose.merge_models(
        first, second, io_map=[("frozen/features", "features")], outputs=[output]
    )
    gather_first_layer(merged, "frozen/features")
    merged.ir_version = IR_VERSION
    merged.producer_name = "zscr"
    del merged.graph.value_info[:]
    onnx.checker.check_model(merged)
    return merged
