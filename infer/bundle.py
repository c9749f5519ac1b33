"""A bundle: the deployed model, two ONNX graphs with everything that is needed to feed them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from zscr.artefact import Manifest, read_manifest, verify
from zscr.errors import ArtefactError
from zscr.infer.encoder import Encoder
from zscr.infer.runners.onnx import Runtime

KIND = "bundle"


class Bundle:
    """A bundle on disk; a graph is hashed and loaded when its side is first used.

    Attributes:
        folder: where it is, links resolved, since index and engines stand beside it.
        manifest: method, inputs, dim, parity, provenance.
        runtime: how its graphs are run.
    """

    def __init__(self, folder: Path, manifest: Manifest, runtime: Runtime) -> None:
        self.folder, self.manifest, self.runtime = folder, manifest, runtime

    @classmethod
    def open(cls, folder: Path, runtime: Runtime | None = None) -> Bundle:
        """Open a bundle.

        Raises:
            ArtefactError: the folder is absent, or no bundle.
        """
        if not folder.exists():
            raise ArtefactError(f"there is no bundle {folder}; run 'zscr export' or name another")
        folder = folder.resolve()
        return cls(folder, read_manifest(folder, KIND), runtime or Runtime())

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self.folder.name

    @property
    def dim(self) -> int:
        """Dimension of its embeddings."""
        return int(self.manifest.body["dim"])

    @property
    def sha256(self) -> str:
        """Hash of the manifest, so of everything in the bundle."""
        return self.manifest.sha256

    @property
    def index_folder(self) -> Path:
        """Where `zscr export` puts the index of the collection's gallery."""
        return self.folder.with_name(f"{self.folder.name}.index")

    @cached_property
    def query(self) -> Encoder:
        """The query side, such as token ids -> unit (B, D)."""
        return self._encoder("query")

    @cached_property
    def gallery(self) -> Encoder:
        """The gallery side, such as pixels -> unit (B, D)."""
        return self._encoder("gallery")

    def _encoder(self, side: str) -> Encoder:
        spec = self.manifest.body["inputs"][side][0]
        names = [f"{side}.onnx", *([spec["tokenizer"]] if "tokenizer" in spec else [])]
        verify(self.folder, self.manifest, names)
        graph = self.folder / f"{side}.onnx"
        name = f"{self.name}.{side}"
        return Encoder(graph, spec, name=name, sha256=self.sha256, runtime=self.runtime)

    @cached_property
    def examples(self) -> Mapping[str, str]:
        """Texts about classes that were never trained on -> the class that is right."""
        if "examples.jsonl" not in self.manifest.files:
            return {}
        verify(self.folder, self.manifest, ["examples.jsonl"])
        with (self.folder / "examples.jsonl").open(encoding="utf-8") as lines:
            rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return {row["text"]: row["class"] for row in rows}
