"""What the C++ library's readers are fuzzed with: a sound bundle and index, and files of each kind."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from bundles import TEXTS, WORDS, entries, make_bundle, make_index, unit
from image_files import FILES, _exif, noise
from PIL import Image
from tokenizer_files import KINDS

from zscr.infer.index.index import Change

SCRIPTS = Path(__file__).parents[2] / "scripts"
LOADERS = ("json", "manifest", "bundle", "index", "hnsw", "segment", "blocks", "entry", "tokenizer")
LOADERS += ("text", "graph", "jpeg", "png", "webp", "orientation", "pixels")
IN_JSON = ("json", "manifest", "bundle", "index", "entry", "tokenizer")


def lay_out(folder: Path) -> dict[str, list[Path]]:
    """Write `folder/sample`, see fuzz.cpp, and files to damage -> the files of each loader."""
    sample = folder / "sample"
    make_bundle(sample / "b", "clip")
    index = make_index(sample / "b.index", sample / "b", 30, search="hnsw")
    index.apply(Change(entries(range(30, 36)), unit(6, 2), removals=[entries([1])[0].id]))
    half = make_index(folder / "half.index", sample / "b", 9, stored="float16", search="exact")
    Image.fromarray(noise()).save(sample / "image.png")
    (sample / "tokenizers").mkdir()
    for kind, make in KINDS.items():
        make(TEXTS, sample / "tokenizers" / f"{kind}.json")
    seeds: dict[str, list[Path]] = {}
    for loader in LOADERS:
        into = folder / "seeds" / loader
        into.mkdir(parents=True)
        for number, content in enumerate(_seeds(loader, sample, [index.folder, half.folder])):
            suffix = ".json" if loader in IN_JSON else ""
            (into / f"{number}{suffix}").write_bytes(content)
        seeds[loader] = sorted(into.iterdir())
    return seeds


def _seeds(loader: str, sample: Path, indexes: list[Path]) -> Iterator[bytes]:
    manifests = [folder / "manifest.json" for folder in (sample / "b", *indexes)]
    if loader in ("json", "manifest"):
        yield from (path.read_bytes() for path in manifests)
    if loader in ("json", "tokenizer"):
        yield from map(_small, sorted((sample / "tokenizers").iterdir()))
    if loader in ("bundle", "index"):
        yield manifests[loader == "index"].read_bytes()
    if loader == "hnsw":
        yield from (path.read_bytes() for path in indexes[0].glob("hnsw.*.bin"))
    if loader == "segment":
        yield from _segments(indexes)
    if loader == "blocks":
        yield _npy(np.zeros((2, 32), np.uint8))
    if loader in ("json", "entry"):
        yield from _ENTRIES
    if loader == "text":
        yield from (text.encode() for text in (*TEXTS, *_TEXTS))
    if loader == "graph":
        yield from _graphs()
    if loader in ("jpeg", "png", "webp"):
        yield from _images(loader, sample)
    if loader == "orientation":
        yield from (_exif(how, order) for how in (1, 6) for order in ("big", "little"))
        yield b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    if loader == "pixels":
        yield bytes([40, 30, 7, 9]) + np.random.default_rng(7).bytes(400)


_ENTRIES = (
    b'{"id": "a", "sha256": "00", "image": "a/b.jpg", "root": "photos"}',
    '{"id": "ü", "sha256": "0", "image": "/c.jpg", "attributes": {"class": "x", "y": 1}}'.encode(),
)
_TEXTS = ("Cafe\u0301 na\u00efve 日本語 각 \U0001f415\u200d", "\u0e01\u0e33 ـَبّ \0 <|endoftext|> [MASK] don't 12")


def _small(path: Path) -> bytes:
    """Return a tokenizer with the words of some texts: of 30,000 a damage hits little else."""
    content = json.loads(path.read_bytes())
    vocabulary = content["model"]["vocab"]
    if content["model"]["type"] == "WordPiece":
        added = {one["content"] for one in content["added_tokens"]}
        kept = {t: n for t, n in vocabulary.items() if t in added | {*WORDS} or len(t) in (1, 3)}
        content["model"]["vocab"] = dict([*kept.items()][:400]) | {t: vocabulary[t] for t in added}
    return json.dumps(content).encode()


def _segments(indexes: list[Path]) -> Iterator[bytes]:
    for folder in indexes:
        content = json.loads((folder / "manifest.json").read_bytes())
        more: dict[str, Any] = {"half": True} if content["stored"] == "float16" else {}
        for about in content["segments"]:
            file = folder / f"segment.{about['number']}.safetensors"
            yield json.dumps(about | more).encode() + b"\n" + file.read_bytes()


def _npy(array: Any) -> bytes:
    import io

    made = io.BytesIO()
    np.save(made, array)
    return made.getvalue()


def _graphs() -> Iterator[bytes]:
    """Yield a small graph, and one whose weights lie in another file."""
    import onnx

    sys.path.insert(0, str(SCRIPTS))
    try:
        from fuzz_bundle import text_graph
    finally:
        sys.path.remove(str(SCRIPTS))
    yield text_graph()
    model = onnx.ModelProto.FromString(text_graph())
    onnx.external_data_helper.set_external_data(model.graph.initializer[0], "w")
    yield model.SerializeToString()


def _images(loader: str, folder: Path) -> Iterator[bytes]:
    suffix = {"jpeg": ".jpg"}.get(loader, f".{loader}")
    for name, write in FILES.items():
        if name.endswith(suffix):
            write(folder / name)
            yield (folder / name).read_bytes()
            (folder / name).unlink()


def dictionary(seeds: list[Path]) -> str:
    """Return the texts of JSON files as a dictionary of libFuzzer's."""
    found: set[str] = {"null", "true", "[]", "{}", "1e999", "-1", "9223372036854775807"}
    for path in seeds:
        _texts(json.loads(path.read_bytes()), found)
    escaped = ["".join(f"\\x{one:02x}" for one in text.encode()) for text in sorted(found)]
    return "".join(f'"{text}"\n' for text in escaped if len(text) < 160)


def _texts(content: Any, found: set[str]) -> None:
    if isinstance(content, str):
        found.add(json.dumps(content))
    elif isinstance(content, list):
        for one in content[:50]:
            _texts(one, found)
    elif isinstance(content, dict):
        for name, one in [*content.items()][:50]:
            found.add(json.dumps(name))
            _texts(one, found)
