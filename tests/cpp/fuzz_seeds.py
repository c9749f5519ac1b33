"""What the C++ library's readers are fuzzed with: a sound bundle and index, files of each kind."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from bundles import TEXTS, entries, make_bundle, make_index, unit
from image_files import _XMP, FILES, _exif, noise
from PIL import Image
from tokenizer_files import KINDS

from zscr.infer.index.index import Change

SCRIPTS = Path(__file__).parents[2] / "scripts"
READERS = ("json", "manifest", "bundle", "index", "hnsw", "segment", "blocks", "entry", "tokenizer")
READERS += ("text", "graph", "composition", "array", "sentence")
READERS += ("orientation", "pixels", "jpeg", "png", "webp")
IN_JSON = ("json", "manifest", "bundle", "index", "entry", "tokenizer", "composition")


def lay_out(folder: Path) -> dict[str, list[Path]]:
    """Write `folder/sample`, see fuzz.cpp, and files to damage -> the files of each reader."""
    sample = folder / "sample"
    make_bundle(sample / "b", "clip")
    index = make_index(sample / "b.index", sample / "b", 30, search="hnsw")
    index.apply(Change(entries(range(30, 36)), unit(6, 2), removals=[entries([1])[0].id]))
    half = make_index(folder / "half.index", sample / "b", 9, stored="float16", search="exact")
    Image.fromarray(noise()).save(sample / "image.png")
    (sample / "tokenizers").mkdir()
    for kind, make in KINDS.items():
        make(TEXTS, sample / "tokenizers" / f"{kind}.json")
    return {
        reader: _written(folder / "seeds" / reader, contents)
        for reader, contents in _seeds(sample, [index.folder, half.folder]).items()
    }


def _written(folder: Path, contents: Iterable[bytes]) -> list[Path]:
    folder.mkdir(parents=True)
    suffix = ".json" if folder.name in IN_JSON else ""
    for number, content in enumerate(contents):
        (folder / f"{number}{suffix}").write_bytes(content)
    return sorted(folder.iterdir())


def _seeds(sample: Path, indexes: list[Path]) -> dict[str, Iterable[bytes]]:
    manifests = [(folder / "manifest.json").read_bytes() for folder in (sample / "b", *indexes)]
    tokenizers = [*map(_small, sorted((sample / "tokenizers").iterdir()))]
    orientations = [_exif(how, order) for how in (1, 6) for order in ("big", "little")]
    made: dict[str, Iterable[bytes]] = {
        "json": [*manifests, *tokenizers, *_ENTRIES, _NO_MANIFEST],
        "manifest": manifests,
        "bundle": manifests[:1],
        "index": manifests[1:2],
        "hnsw": [path.read_bytes() for path in indexes[0].glob("hnsw.*.bin")],
        "segment": _segments(indexes),
        "blocks": [_npy(np.zeros((2, 32), np.uint8))],
        "entry": _ENTRIES,
        "tokenizer": tokenizers,
        "text": [text.encode() for text in (*TEXTS, *_TEXTS)],
        "graph": _graphs(),
        "composition": [json.dumps(one).encode() for one in _COMPOSITIONS],
        "array": [*_arrays()],
        "sentence": _SENTENCES,
        "orientation": [*orientations, _XMP],
        "pixels": [bytes([40, 30, 7, 9]) + np.random.default_rng(7).bytes(400)],
    }
    return made | {reader: _images(reader, sample) for reader in ("jpeg", "png", "webp")}


_ENTRIES = (
    b'{"id": "a", "sha256": "00", "image": "a/b.jpg", "root": "photos"}',
    '{"id": "ü", "sha256": "0", "image": "/c.jpg", "attributes": {"class": "x", "y": 1}}'.encode(),
)
_CHANNELS = [
    {"field": field, "graph": graph} for field, graph in (("image", "gallery"), ("text", "text"))
]
_COMPOSITIONS: tuple[dict[str, Any], ...] = (
    {"about": "a", "graph": "text"},
    {"about": "b", "channels": _CHANNELS, "fusion": {"kind": "slerp", "value": 0.5}},
    {
        "about": "c",
        "channels": [
            _CHANNELS[0] | {"centred": True, "mean": "m.npy", "least": 0.1},
            _CHANNELS[1] | {"template": "a {}", "context": "w.txt", "projection": "p.npy"},
        ],
        "fusion": {"kind": "harris", "value": 0.1},
        "gallery_mean": "g.npy",
        "moments": "o.npy",
        "expansion": {"images": 3, "sharpness": 2.5},
    },
    {"about": "d", "channels": _CHANNELS, "vocabulary": {"words": "w.txt", "vectors": "v.npy"}},
)
_SENTENCES = (b"a photo of * , {}\nin red", b"{} *\nthe * is red", "* ü {}\n日本".encode())
_NO_MANIFEST = b'[{"checksum": 1}, 2]'
_TEXTS = (
    "Cafe\u0301 na\u00efve 日本語 각 \U0001f415\u200d",
    "\u0e01\u0e33 ـَبّ \0 <|endoftext|> don't 12",
)


def _small(path: Path) -> bytes:
    """Return a tokenizer that knows few words: of 30,000 a damage would hit little else."""
    content = json.loads(path.read_bytes())
    model = content["model"]
    added = {one["content"] for one in content["added_tokens"]} | {model.get("unk_token")}
    plain = {t for t in model["vocab"] if t.removesuffix("</w>").strip("#").isascii()}
    kept = added | {*sorted(plain, key=lambda token: (len(token), token))[:80]}
    model["vocab"] = {token: number for token, number in model["vocab"].items() if token in kept}
    if "merges" in model:
        pairs = (one.split(" ") if isinstance(one, str) else one for one in model["merges"])
        model["merges"] = [pair for pair in pairs if {*pair, "".join(pair)} <= kept]
    return json.dumps(content).encode()


def _segments(indexes: list[Path]) -> Iterator[bytes]:
    for folder in indexes:
        content = json.loads((folder / "manifest.json").read_bytes())
        more: dict[str, Any] = {"half": True} if content["stored"] == "float16" else {}
        for about in content["segments"]:
            file = folder / f"segment.{about['number']}.safetensors"
            line = json.dumps(about | more).encode() + b"\n"
            yield line + file.read_bytes()
            yield line + _relabelled(file.read_bytes())


def _relabelled(raw: bytes) -> bytes:
    """Return a segment whose last label is the least number that there is."""
    base = 8 + int.from_bytes(raw[:8], "little")
    stop = base + json.loads(raw[8:base])["labels"]["data_offsets"][1]
    return raw[: stop - 8] + (-(1 << 63)).to_bytes(8, "little", signed=True) + raw[stop:]


def _arrays() -> Iterator[bytes]:
    """Yield a row, rows, columns and words, behind the byte that says so."""
    rng = np.random.default_rng(7)
    for kind, shape in enumerate(((4,), (3, 4), (4, 5))):
        yield bytes([kind]) + _npy(rng.standard_normal(shape).astype(np.float32))
    yield b"\x03red\n\xc3\xbc blue\n\n"


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


def _images(reader: str, folder: Path) -> Iterator[bytes]:
    suffix = {"jpeg": ".jpg"}.get(reader, f".{reader}")
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
