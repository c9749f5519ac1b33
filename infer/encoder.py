"""An encoder: one ONNX graph with the preparation of its input, run on batches.

Frozen encoders are folders with one graph; a bundle is a folder with two. Both are run here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.artefact import read_manifest, verify
from zscr.errors import InputError
from zscr.infer.inputs import Feeds, Prepared, make_input
from zscr.infer.runners.onnx import Runtime, open_session, provider_of

Vectors = npt.NDArray[np.float32]


class Encoder:
    """Turns texts, images or vectors into (B, D) float32 rows.

    Attributes:
        name: short name for files and messages.
        kind: what it takes: `text`, `image` or `vector`.
        dim: D.
        provider: what it runs on, `cpu` or `cuda`.
        sha256: hash of the manifest that it came with, so of graph and preparation together.
    """

    def __init__(
        self, graph: Path, spec: Mapping[str, Any], *, name: str, sha256: str, runtime: Runtime
    ) -> None:
        self.name, self.sha256 = name, sha256
        self.graph, self.spec, self.runtime = graph, spec, runtime
        self.input = make_input(spec, graph.parent)
        self.kind = self.input.modality
        self.session = open_session(graph, runtime)
        self.provider = provider_of(self.session)
        output = self.session.get_outputs()[0]
        self.output, self.dim = output.name, int(output.shape[1])

    def prepare(self, values: Any) -> Prepared:
        """Tokenise texts, decode images or check vectors: everything before the graph."""
        return self.input.prepare(values)

    def run(self, feeds: Feeds) -> Vectors:
        """Run the graph on prepared arrays -> (B, D)."""
        rows: Vectors = self.session.run([self.output], feeds)[0]
        return rows

    def encode(self, values: Sequence[Any] | Vectors, *, batch_size: int = 32) -> Vectors:
        """Encode any number of values -> (N, D).

        Raises:
            InputError: a value cannot be prepared.
        """
        blocks = [
            self.run(self.prepare(values[start : start + batch_size]).feeds)
            for start in range(0, len(values), batch_size)
        ]
        return np.concatenate(blocks) if blocks else np.empty((0, self.dim), np.float32)

    def require(self, kind: str) -> None:
        """Refuse to be used for another kind of input.

        Raises:
            InputError: the graph takes something else.
        """
        if self.kind != kind:
            raise InputError(f"'{self.name}' takes {self.kind} input, not {kind}")


def load_encoder(folder: Path, runtime: Runtime | None = None) -> Encoder:
    """Load a frozen encoder's folder after checking every hash.

    Raises:
        ArtefactError: the folder is not a sound encoder.
    """
    manifest = read_manifest(folder, "encoder")
    verify(folder, manifest)
    return Encoder(
        folder / "model.onnx",
        manifest.body["input"],
        name=manifest.body["name"],
        sha256=manifest.sha256,
        runtime=runtime or Runtime(),
    )
