"""A published image encoder's folder, and the same network fed or cut in other ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import onnx

import zscr
from zscr.artefact import SCHEMA, dump_json, hash_bytes, read_manifest, verify
from zscr.infer.encoder import FIELDS
from zscr.train.kept import kept_encoder
from zscr.train.vision.cuts import inferred


@dataclass(frozen=True)
class Published:
    """A frozen image encoder.

    Attributes:
        name: short name for files and messages; sha256: of its manifest, so of its weights, too.
        graph: the ONNX file, from `pixels` to `features`.
        spec: the manifest's entry of its input.
        part: names the features; dtype: of these.
    """

    name: str
    sha256: str
    graph: Path
    spec: Mapping[str, Any]
    part: str = "features"
    dtype: str = "float32"

    @cached_property
    def model(self) -> onnx.ModelProto:
        """The graph with the shapes of all its tensors."""
        return inferred(onnx.load(self.graph))

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.graph.parent

    def fed(self, *, sketch: bool, view: str) -> dict[str, Any]:
        """Return how it is fed with sketches, or with another view of the same images."""
        return fed(self.spec, sketch=sketch, view=view)

    def kept(self, part: str, spec: Mapping[str, Any], make: Callable[[Path], object]) -> Path:
        """Return the folder of an encoder that is made of this one, from the cache.

        Args:
            part: names what is made of it, and what else decides that.
            spec: the entry of its input.
            make: makes the folder.
        """
        return kept_part(self.name, self.sha256, part, spec, make)


def kept_part(
    name: str, sha256: str, part: str, spec: Mapping[str, Any], make: Callable[[Path], object]
) -> Path:
    """Return the folder of an encoder that is made of a network; see `Published.kept`."""
    made_of = [zscr.__version__, str(SCHEMA), sha256, part, dump_json(dict(spec)).decode()]
    identity = hash_bytes("\n".join(made_of).encode())
    return kept_encoder(f"{name}-{part.split()[0]}-{identity[:12]}", make)


def open_published(folder: Path) -> Published:
    """Open a frozen image encoder and check its files.

    Raises:
        ArtefactError: they are damaged.
    """
    manifest = read_manifest(folder, "encoder", FIELDS)
    verify(folder, manifest, sorted({*manifest.files, "model.onnx"}))
    [spec] = manifest.body["inputs"]
    return Published(manifest.body["name"], manifest.sha256, folder / "model.onnx", spec)


def fed(spec: Mapping[str, Any], *, sketch: bool, view: str) -> dict[str, Any]:
    """Return the entry of an input of images with what prepares sketches, or makes a view."""
    changes: dict[str, Any] = {"strokes": True} if sketch else {}
    changes |= {"view": view} if view else {}
    return {**spec, "preprocess": {**spec["preprocess"], **changes}}
