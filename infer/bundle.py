"""A bundle: the deployed model, ONNX graphs by name with everything that is needed to feed them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from zscr.artefact import Manifest, hash_bytes, verify
from zscr.errors import InputError
from zscr.infer.ahead import Ahead
from zscr.infer.bundle_manifest import (
    GALLERY,
    KIND,
    fields_of,
    graph_file,
    open_manifest,
    pair_name,
    read_examples,
    stored_compositions,
)
from zscr.infer.encoder import Encoder
from zscr.infer.precision import chosen_precision, require_gallery
from zscr.infer.runners.onnx import import_onnxruntime
from zscr.infer.runners.opening import import_library, open_runner
from zscr.infer.runners.runner import OPENVINO, ORT_CPU, TRT, Runner, Runtime

if TYPE_CHECKING:
    from zscr.infer.composition.composition import Composition

__all__ = [
    "GALLERY",
    "KIND",
    "SAME_IMAGE",
    "Bundle",
    "graph_file",
    "index_of",
    "space_of",
    "spoken",
    "with_gallery",
]

SAME_IMAGE = frozenset({"image"})  # what a gallery graph answers as a query graph, too
Way = TypeVar("Way")  # what embeds a query: a graph's name, or a head


def index_of(bundle: Path) -> Path:
    """Return where the index of a bundle's own gallery is: beside the folder that a link names."""
    folder = bundle.resolve()
    return folder.with_name(f"{folder.name}.index")


class Bundle:
    """A bundle on disk; a graph is hashed and loaded when it is first used.

    Attributes:
        folder: where it is, links resolved, since index and engines stand beside it.
        manifest: method, graphs, space, parity, provenance (docs/formats.md).
        runtime: how its graphs are run.
        gallery_precision: of the graph that encodes a gallery; see `with_gallery_in`.
    """

    def __init__(self, folder: Path, manifest: Manifest, runtime: Runtime) -> None:
        self.folder, self.manifest, self.runtime = folder, manifest, runtime
        self.gallery_precision = str(manifest.body["default_precision"])
        self._loaded: dict[str, Encoder] = {}
        self._coming: dict[str, Ahead[Encoder]] = {}

    @classmethod
    def open(cls, folder: Path | str, runtime: Runtime | None = None) -> Bundle:
        """Open a bundle.

        Raises:
            ArtefactError: the folder is absent, or no bundle.
            ConfigError: it is not there in the precision that is asked for, or this machine cannot
                run the backend that is.
        """
        folder = Path(folder)
        manifest = open_manifest(folder)
        pair_name(manifest)  # which refuses one that could not be fed
        bundle = cls(folder.resolve(), manifest, _settled(runtime or Runtime()))
        _ = bundle.precision  # which refuses one that is not there
        return bundle

    def with_gallery_in(self, precision: str) -> Bundle:
        """Return it with the gallery's graph in a precision, for an index of such vectors.

        Raises:
            ConfigError: it is not there in that, or was not kept on the backend.
        """
        require_gallery(self.manifest.body, precision, self.runtime.backend)
        other = Bundle(self.folder, self.manifest, self.runtime)
        other.gallery_precision = precision
        return other

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self.folder.name

    @property
    def dim(self) -> int:
        """Dimension of its embeddings."""
        return int(self.manifest.body["dim"])

    @property
    def space(self) -> str:
        """What an index of its gallery is bound to; see `space_of`."""
        return str(self.manifest.body["space"])

    @property
    def graphs(self) -> Mapping[str, Mapping[str, Any]]:
        """The manifest's entry of each graph: role, output, inputs, variants."""
        graphs: Mapping[str, Mapping[str, Any]] = self.manifest.body["graphs"]
        return graphs

    @property
    def index_folder(self) -> Path:
        """Where `zscr export` puts the index of the collection's gallery."""
        return index_of(self.folder)

    @cached_property
    def takes(self) -> dict[frozenset[str], str]:
        """The fields that queries may fill together -> the graph that takes them."""
        own = {fields_of(g): n for n, g in self.graphs.items() if g["role"] == "query"}
        return with_gallery(own, self.gallery_fields, GALLERY)

    @property
    def gallery_fields(self) -> frozenset[str]:
        """The fields of a query that the gallery graph takes."""
        return fields_of(self.graphs[GALLERY])

    @property
    def answers(self) -> list[frozenset[str]]:
        """The fields that queries may fill together, for one graph or for a composition."""
        return [*dict.fromkeys([*self.takes, *self.composed])]

    def route(self, fields: frozenset[str]) -> Encoder:
        """Return the graph for queries that fill exactly these fields.

        Raises:
            InputError: no graph does; lists what the bundle takes.
        """
        takes = self.takes
        if fields in takes:
            return self.graph(takes[fields])
        if fields in self.composed:
            ways = ", ".join(self.composed[fields])
            raise InputError(
                f"no graph of '{self.name}' takes {spoken(fields)} at once, which it composes by "
                f"{ways}; ask for it as a query of its own"
            )
        known = " or ".join(map(spoken, self.answers))
        raise InputError(f"'{self.name}' answers queries of {known}, not of {spoken(fields)}")

    def key_of(self, fields: frozenset[str]) -> str:
        """Return what names the graph of queries that fill these fields in an index's calibration.

        It is the space for the gallery's graph, which all bundles of a space share, and the sha256
        of any other in the default precision: what is kept of another finds the same.
        """
        name = self.takes[fields]
        if name == GALLERY:
            return self.space
        return str(self.manifest.files[graph_file(self.manifest, name)]["sha256"])

    @property
    def gallery(self) -> Encoder:
        """The gallery graph, such as pixels -> unit (B, D)."""
        return self.graph(GALLERY)

    @property
    def has_feature(self) -> bool:
        """Say whether the gallery graph gives the feature by which images are compared."""
        return "feature" in self.graphs[GALLERY]

    @property
    def gallery_and_feature(self) -> Encoder:
        """The gallery graph with the image feature beside the embedding: (B, dim + F), one pass.

        Raises:
            InputError: the graph gives no feature.
        """
        if not self.has_feature:
            raise InputError(
                f"the gallery of the bundle {self.name} gives no feature to compare images by, "
                f"which --expand and --diffuse need; leave them out or export a model that has one"
            )
        return self.encoder(GALLERY, "output", "feature")

    @cached_property
    def precision(self) -> str:
        """The precision of the graphs that answer queries; see `chosen_precision`."""
        return chosen_precision(self.manifest.body, self.runtime)

    def precision_of(self, name: str) -> str:
        """Return the precision that a graph runs in, which of one that re-ranks is the default."""
        own = {"query": self.precision, "gallery": self.gallery_precision}
        return own.get(self.graphs[name]["role"], str(self.manifest.body["default_precision"]))

    def file_of(self, name: str) -> str:
        """Return the file of a graph, in the precision that it runs in."""
        return graph_file(self.manifest, name, self.precision_of(name))

    def graph(self, name: str) -> Encoder:
        """Load one graph by its name, in the precision that it runs in.

        Raises:
            ArtefactError: a file of it is missing or damaged.
        """
        return self.encoder(name, "output")

    def encoder(self, name: str, *outputs: str) -> Encoder:
        """Load a graph once as what gives one of its outputs, or two side by side.

        Args:
            name: of the graph; outputs: keys of its entry: `output`, `feature` or `tokens`.

        Raises:
            ArtefactError: a file of it is missing or damaged.
        """
        parts = "_and_".join(outputs)
        called = name if parts == "output" else f"{name}_{parts.removeprefix('output_')}"
        if called in self._coming:
            self._loaded[called] = self._coming.pop(called).result()
        if called not in self._loaded:
            self._loaded[called] = self._load(name, called, outputs)
        return self._loaded[called]

    def load_ahead(self, fields: frozenset[str]) -> None:
        """Begin to load the graph for such queries, if one graph answers them alone.

        It is loaded on a thread of its own; who asks for it first waits for that, and gets the
        errors.
        """
        name = self.takes.get(fields)
        known = {*self._loaded, *self._coming}
        if name and name not in known and pair_name(self.manifest) is None:
            import_library(self.runtime)
            self._coming[name] = Ahead(lambda: self._load(name, name, ("output",)))

    def runner(self, name: str) -> Runner:
        """Open what computes a graph, in the precision that it runs in.

        Raises:
            ArtefactError: it cannot be loaded.
        """
        if self.runtime.backend == TRT:
            from zscr.infer.engines.opening import open_engine

            return open_engine(self.folder, self.manifest, name, self.precision_of(name))
        file = self.file_of(name)
        return open_runner(self.folder / file, self.runtime, self.manifest.files[file]["sha256"])

    def _load(self, name: str, called: str, outputs: Sequence[str]) -> Encoder:
        entry, file = self.graphs[name], self.file_of(name)
        tokenizers = [spec["tokenizer"] for spec in entry["inputs"] if "tokenizer" in spec]
        verify(self.folder, self.manifest, [file, *tokenizers])
        first, beside = (*(entry[output] for output in outputs), None)[:2]
        precision = self.precision_of(name)
        other = precision != self.manifest.body["default_precision"]
        made = Encoder(
            self.folder / file,
            entry["inputs"],
            output=first,
            name=f"{self.name}.{called}" + (f".{precision}" if other else ""),
            sha256=self.manifest.sha256,
            beside=beside,
            runtime=self.runtime,
            opening=lambda: self.runner(name),
        )
        if other:
            made.runner.ran += f", {precision}"
        return made

    @cached_property
    def compositions(self) -> Mapping[str, Composition]:
        """The ways to answer queries of several fields, by name; the default one is the first.

        Raises:
            ArtefactError: one of them does not fit the graphs.
        """
        return stored_compositions(self.manifest)

    @cached_property
    def composed(self) -> Mapping[frozenset[str], Mapping[str, Composition]]:
        """The fields that queries may fill together -> the ways to answer them, the default first.

        Those of a text with an image or a sketch that need no data are there in any bundle that
        embeds both.
        """
        from zscr.infer.composition.available import available

        return available(self.takes, self.compositions)

    @cached_property
    def examples(self) -> Mapping[str, str]:
        """Texts about classes that were never trained on -> the class that is right."""
        return read_examples(self.folder, self.manifest)


def _settled(runtime: Runtime) -> Runtime:
    """Return a runtime with the backend that runs here, on which its precision depends, too."""
    if runtime.backend in (ORT_CPU, OPENVINO):
        return runtime
    if runtime.backend == TRT:
        from zscr.infer.engines.opening import ready

        return ready(runtime)
    from zscr.infer.runners.backend import chosen

    return replace(runtime, backend=chosen(runtime, import_onnxruntime()))


def with_gallery(
    queries: Mapping[frozenset[str], Way], taken: frozenset[str], gallery: Way
) -> dict[frozenset[str], Way]:
    """Let the gallery's graph answer an image alone where no other does: it finds what is like it.

    Args:
        queries: what takes which fields of a query.
        taken: the fields that the gallery's graph takes; gallery: that graph.
    """
    takes = dict(queries)
    if taken == SAME_IMAGE:
        takes.setdefault(SAME_IMAGE, gallery)
    return takes


def space_of(graph_sha256: str, inputs: Iterable[Mapping[str, Any]], dim: int, metric: str) -> str:
    """Return the name of an embedding space: a hash of all that decides a gallery's vectors.

    Two bundles that share it may share an index; precision variants, parity and examples do not
    change it.

    Args:
        graph_sha256: of the gallery graph's fp32 file.
        inputs: how it is fed.
        dim: of the vectors.
        metric: such as `cosine`.
    """
    content = {"graph": graph_sha256, "inputs": list(inputs), "dim": dim, "metric": metric}
    return hash_bytes(json.dumps(content, sort_keys=True, ensure_ascii=False).encode())


def spoken(fields: frozenset[str]) -> str:
    """Return the fields of a query as words: `text`, or `image and text`."""
    return " and ".join(sorted(fields))
