"""Fixtures of the index's tests: vectors, entries, and a bundle of two graphs made by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

from zscr.artefact import dump_jsonl, hash_file, staged
from zscr.infer.bundle import Bundle, space_of
from zscr.infer.index.index import Entry, Index
from zscr.infer.runners.runner import Runtime

DIM = 8
SPACE = "b" * 64
EXAMPLES = {"a red wren": "wren", "a robin": "robin", "blue tit": "tit"}
ALPHABET = "abcdefghijklmnopqrstuvwxyz "
OF_PIXELS = """first = Constant <value = int64[1] {0}> ()
               last = Constant <value = int64[1] {6}> ()
               axis = Constant <value = int64[1] {1}> ()
               few = Slice (flat, first, last, axis)
               feature = LpNormalization <axis = 1, p = 2> (few)"""
SIZE, LENGTH = 8, 24  # sides of an image in pixels, characters of a text


def unit(rows: Any) -> np.ndarray:
    """Return float32 rows of norm 1."""
    array = np.asarray(rows, np.float64)
    return (array / np.linalg.norm(array, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="session")
def clustered() -> Callable[..., np.ndarray]:
    """Return a function that makes unit vectors around 100 centres, as if of 100 classes."""

    def make(count: int, dim: int, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        centres = np.random.default_rng(99).normal(size=(100, dim))
        return unit(centres[rng.integers(100, size=count)] + 0.7 * rng.normal(size=(count, dim)))

    return make


@pytest.fixture(scope="session")
def entry() -> Callable[..., Entry]:
    """Return a function that makes the entry of one version of an image."""

    def make(name: str, version: int = 0, **attributes: str) -> Entry:
        sha256 = hashlib.sha256(f"{name} {version}".encode()).hexdigest()
        return Entry(name, sha256, f"images/{name}.png", attributes)

    return make


@pytest.fixture(scope="session")
def embed() -> Callable[..., np.ndarray]:
    """Return a function that gives each content of entries its own unit vector."""

    def make(entries: Iterable[Entry]) -> np.ndarray:
        rows = [np.random.default_rng(int(one.sha256, 16)).normal(size=DIM) for one in entries]
        return unit(np.reshape(rows, (-1, DIM)))

    return make


@pytest.fixture(scope="session")
def create(embed: Callable[..., np.ndarray]) -> Callable[..., Index]:
    """Return a function that makes an index of entries."""

    def make(folder: Path, entries: Iterable[Entry], **options: Any) -> Index:
        entries = list(entries)
        about = {"space": SPACE, "bundle_name": "birds", "vectors": embed(entries)}
        return Index.create(folder, entries=entries, **{**about, **options})

    return make


@pytest.fixture(scope="session")
def entries(entry: Callable[..., Entry]) -> list[Entry]:
    """Sixty images of one class."""
    return [entry(f"bird {number}", **{"class": "wren"}) for number in range(60)]


@pytest.fixture(scope="session")
def make_bundle() -> Callable[..., Path]:
    """Return a function that writes a bundle: pixels and characters, each times a matrix."""

    def make(
        folder: Path,
        *,
        gallery: int = 0,
        query: int = 1,
        takes: str = "text",
        gallery_takes: str = "image",
        feature: bool = False,
        examples: Mapping[str, str] = EXAMPLES,
    ) -> Path:
        with staged(folder, "bundle") as stage:
            ours, theirs = _inputs(takes), _inputs(gallery_takes)
            _write_graph(stage.folder / "query.onnx", ours, seed=query)
            _write_graph(stage.folder / "gallery.onnx", theirs, seed=gallery, feature=feature)
            rows = [{"text": text, "class": name} for text, name in examples.items()]
            (stage.folder / "examples.jsonl").write_bytes(dump_jsonl(rows))
            sha256 = hash_file(stage.folder / "gallery.onnx")
            stage.body |= {
                "method": "by hand",
                "dim": DIM,
                "metric": "cosine",
                "space": space_of(sha256, [theirs], DIM, "cosine"),
                "default_precision": "fp32",
                "graphs": {
                    "query": _graph_entry("query", ours),
                    "gallery": _graph_entry("gallery", theirs)
                    | ({"feature": "feature"} if feature else {}),
                },
            }
        return folder

    return make


def _graph_entry(role: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    variants = {"fp32": {"file": f"{role}.onnx"}}
    return {"role": role, "output": "embedding", "inputs": [spec], "variants": variants}


def _inputs(field: str) -> dict[str, Any]:
    spec = {"field": field, "names": ["given"]}
    if field == "text":
        return spec | {"kind": "characters", "max_length": LENGTH, "alphabet": ALPHABET}
    if field == "vector":
        return spec | {"kind": "vector", "dtype": "float32", "shape": ["batch", LENGTH]}
    how = {"image_size": SIZE, "resample": "bilinear", "rescale": 1 / 255}
    how |= {"mean": [0.5] * 3, "std": [0.5] * 3}
    return spec | {"kind": "image", "preprocess": how}


def _write_graph(path: Path, spec: Mapping[str, Any], *, seed: int, feature: bool = False) -> None:
    """Write: flatten, times a random matrix, to norm 1; the feature is of the first six pixels."""
    image = spec["kind"] == "image"
    shape = f"batch, 3, {SIZE}, {SIZE}" if image else f"batch, {LENGTH}"
    model = onnx.parser.parse_model(f"""
        <ir_version: 8, opset_import: ["" : 17]>
        by_hand ({"int64" if spec["field"] == "text" else "float"}[{shape}] given)
            => (float[batch, {DIM}] embedding{", float[batch, 6] feature" if feature else ""})
        {{
            numbers = Cast <to = 1> (given)
            flat = Flatten <axis = 1> (numbers)
            moved = MatMul (flat, matrix)
            embedding = LpNormalization <axis = 1, p = 2> (moved)
            {OF_PIXELS if feature else ""}
        }}
    """)
    width = 3 * SIZE * SIZE if image else LENGTH
    matrix = np.random.default_rng(seed).standard_normal((width, DIM), np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(matrix, "matrix"))
    onnx.save(model, path)


@pytest.fixture(scope="session")
def bundle_folder(
    make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Make such a bundle once; read it, never write to it."""
    return make_bundle(tmp_path_factory.mktemp("bundles") / "birds")


@pytest.fixture
def bundle(bundle_folder: Path) -> Bundle:
    """Open it."""
    return Bundle.open(bundle_folder, Runtime(threads=1))
