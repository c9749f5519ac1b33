"""An encoder: one graph with the preparation of its inputs, from queries to rows.

Frozen encoders are folders with one graph; a bundle is a folder with several. All are run here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from math import prod
from operator import or_
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.artefact import read_manifest, verify
from zscr.data.records import Query
from zscr.errors import ArtefactError
from zscr.infer.ahead import Ahead, one_ahead
from zscr.infer.buckets import buckets
from zscr.infer.inputs.make import INPUT, make_input
from zscr.infer.inputs.prepared import Feeds, Prepared
from zscr.infer.runners.opening import open_runner
from zscr.infer.runners.runner import Runner, Runtime
from zscr.schema import listing, one_of, record, text, title

# Of rows. Halves are of maps that a trained tower goes on from; the others of raw encoders.
DTYPES = ("float32", "float16", "uint8", "int32")
FIELDS = record(
    {"name": title, "inputs": listing(INPUT, 1, 4), "output": text(200)}, {"dtype": one_of(*DTYPES)}
)

Rows = npt.NDArray[np.float32]


class Encoder:
    """Turns the fields of queries into (B, *row_shape) rows: float32, unless it only prepares.

    Attributes:
        name: short name for files and messages.
        graph: the ONNX file.
        specs: the manifest's entry of each input, from which `inputs` are made.
        runner: what computes the graph.
        sha256: of the manifest that it came with, so of graph and preparation together.
        fields: the fields of a query that it takes, all of them at once.
        row_shape: of one output row: (D,) for a vector; dtype: of its numbers.
        outputs: of the graph, which rows are made of: one, or two side by side, laid flat; shapes:
            of a row of each.

    Args:
        opening: opens what computes the graph, on a thread of its own; None opens its file.
    """

    def __init__(
        self,
        graph: Path,
        specs: Sequence[Mapping[str, Any]],
        *,
        output: str,
        name: str,
        sha256: str,
        beside: str | None = None,
        runtime: Runtime | None = None,
        opening: Callable[[], Runner] | None = None,
        dtype: str = "float32",
    ) -> None:
        self.name, self.sha256, self.graph, self.dtype = name, sha256, graph, np.dtype(dtype)
        self.specs = tuple(specs)
        how = runtime or Runtime()
        loading = Ahead(opening or (lambda: open_runner(graph, how)))
        try:
            self.inputs = tuple(make_input(spec, graph.parent, how.thread_count) for spec in specs)
        finally:  # a thread is waited for, whatever has happened
            self.runner = loading.result()
        self.fields = frozenset(one.field for one in self.inputs)
        self.outputs = (output, beside) if beside else (output,)
        for wanted in self.outputs:
            if wanted not in self.runner.outputs:
                raise ArtefactError(f"{graph} has no output '{wanted}'; make it again")
        self.shapes = tuple(map(self._shape_of, self.outputs))
        self.row_shape = (sum(map(prod, self.shapes)),) if beside else self.shapes[0]

    def _shape_of(self, output: str) -> tuple[int, ...]:
        """Return the shape of an output's row."""
        shape = self.runner.outputs[output][1:]
        fixed = tuple(size for size in shape if isinstance(size, int) and size > 0)
        if not fixed or len(fixed) < len(shape):
            raise ArtefactError(
                f"{self.graph} gives '{output}' in rows of shape {[*shape]}, not of a fixed size; "
                f"make it again"
            )
        return fixed

    @property
    def dim(self) -> int:
        """D, the length of a row."""
        return self.row_shape[0]

    def prepare(self, queries: Sequence[Query]) -> Prepared:
        """Tokenise texts, decode images or check vectors: everything before the graph.

        Raises:
            InputError: a query cannot be prepared.
        """
        parts: dict[str, Prepared] = {}
        for one in self.inputs:
            part = one.prepare([getattr(query, one.field) for query in queries])
            parts[one.field] = parts[one.field] & part if one.field in parts else part
        return reduce(or_, parts.values())

    def run(self, feeds: Feeds) -> Rows:
        """Run the graph on prepared arrays -> (B, *row_shape).

        Where it tells padding by a mask, texts are run in groups of about the same length.

        Raises:
            ArtefactError: it fails, or gives something else than it says.
        """
        mask = self.inputs[0].mask if len(self.inputs) == 1 else None
        if mask is None or len(feeds[mask]) == 1:
            return self._run(feeds)
        rows = np.empty((len(feeds[mask]), *self.row_shape), self.dtype)
        for chosen, length in buckets(feeds[mask]):
            rows[chosen] = self._run({name: ids[chosen, :length] for name, ids in feeds.items()})
        return rows

    def _run(self, feeds: Feeds) -> Rows:
        found = self.runner.run(feeds)
        parts = [found[name] for name in self.outputs]
        if len(parts) > 1:
            parts = [np.hstack([part.reshape(len(part), -1) for part in parts])]
        [rows] = parts
        wanted = (len(next(iter(feeds.values()))), *self.row_shape)
        if rows.shape != wanted or rows.dtype != self.dtype:
            raise ArtefactError(
                f"{self.graph} gives {rows.dtype} of shape {rows.shape}, not {self.dtype} of "
                f"{wanted}; make it again"
            )
        return rows

    def encode(self, queries: Sequence[Query], *, batch_size: int = 32) -> Rows:
        """Encode any number of queries -> (N, *row_shape).

        Raises:
            InputError: a query cannot be prepared.
        """
        starts = range(0, len(queries), batch_size)
        batches = [queries[start : start + batch_size] for start in starts]
        blocks = [self.run(batch.feeds) for batch in one_ahead(self.prepare, batches)]
        return np.concatenate(blocks) if blocks else np.empty((0, *self.row_shape), self.dtype)


def load_encoder(folder: Path, runtime: Runtime | None = None) -> Encoder:
    """Load a frozen encoder's folder after checking every hash.

    Raises:
        ArtefactError: the folder is not a sound encoder.
    """
    manifest = read_manifest(folder, "encoder", FIELDS)
    inputs = manifest.body["inputs"]
    named = {spec["tokenizer"] for spec in inputs if "tokenizer" in spec}
    verify(folder, manifest, sorted({*manifest.files, "model.onnx", *named}))
    graph, how = folder / "model.onnx", runtime or Runtime()
    return Encoder(
        graph,
        inputs,
        output=manifest.body["output"],
        name=manifest.body["name"],
        sha256=manifest.sha256,
        opening=lambda: open_runner(graph, how, manifest.files["model.onnx"]["sha256"]),
        dtype=manifest.body.get("dtype", "float32"),
        runtime=how,
    )
