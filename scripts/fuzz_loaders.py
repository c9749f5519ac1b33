"""What `scripts/fuzz` loads: each reader of strangers' files, with a sound sample to damage."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import pickle
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fuzz_bundle import (
    DIM,
    LENGTH,
    RNG,
    TEXT,
    load_bundle,
    text_graph,
    tokenizer_json,
    write_bundle,
)
from fuzz_cases import damage_artefact, damage_file
from PIL import Image

from zscr.arrays import npy_from, read_npz
from zscr.artefact import dump_jsonl, staged
from zscr.data.check import check_collection
from zscr.data.collection import ClassInfo, Item, new_collection, read_collection
from zscr.data.images import open_image
from zscr.data.records import Query
from zscr.data.relevance import Truth
from zscr.data.sources.archive import extract
from zscr.data.sources.captions import read_captions
from zscr.data.sources.zscrgan.published import PICKLES, convert_pickles
from zscr.data.summary import summarise
from zscr.data.task_files import TaskInfo, TaskRow
from zscr.errors import InputError
from zscr.infer.encoder import load_encoder
from zscr.infer.index.index import Entry, Index
from zscr.infer.index.upkeep.verify import verify_index
from zscr.infer.inputs.tokenizer import load_tokenizer
from zscr.infer.queries import read_queries
from zscr.infer.runners.graph_file import refuse_external_data
from zscr.infer.runners.runner import Runtime


@dataclass(frozen=True)
class Loader:
    """A reader, and what it reads.

    Attributes:
        make: writes a sound sample into an empty folder.
        load: reads what lies there, and works with it as far as a user would.
        damage: changes it in place -> what was changed; by default one of its files.
    """

    make: Callable[[Path], None]
    load: Callable[[Path], object]
    damage: Callable[[Path, Random], str] | None = None

    def damaged(self, folder: Path, rng: Random) -> str:
        """Damage a sample once."""
        if self.damage:
            return self.damage(folder, rng)
        path = rng.choice(sorted(p for p in folder.rglob("*") if p.is_file()))
        return f"{path.name}: {damage_file(path, rng)}"


def _image(path: Path, format: str | None = None, **options: Any) -> None:
    pixels = RNG.integers(0, 256, (24, 32, 3), np.uint8)
    Image.fromarray(pixels).save(path, format, **options)


def _images(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    _image(folder / "a.jpg", exif=exif)
    _image(folder / "b.png")
    _image(folder / "c.webp")


def _load_images(folder: Path) -> None:
    for path in folder.iterdir():
        open_image(path)


def _zip(folder: Path) -> None:
    with zipfile.ZipFile(folder / "a.zip", "w") as file:
        for number in range(4):
            method = zipfile.ZIP_DEFLATED if number % 2 else zipfile.ZIP_STORED
            file.writestr(f"folder/{number}.txt", b"text " * 50, method)


def _load_zip(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as out:
        extract(folder / "a.zip", Path(out))


def _pickles(folder: Path) -> None:
    vectors = {n: [RNG.random(4).astype("f4") for _ in range(3)] for n in range(4)}
    for name, value in zip(PICKLES, (vectors, vectors, [0, 1, 2], [3]), strict=True):
        raw = pickle.dumps(value, 2).replace(b"numpy._core", b"numpy.core")
        (folder / name).write_bytes(raw)


def _load_pickles(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as out:
        convert_pickles(folder, Path(out))


def _collection(folder: Path) -> None:
    with new_collection(folder / "x", name="n", protocol="p", provenance={"seed": 1}) as draft:
        _image(draft.folder / "1.png")
        for number, split in enumerate(("seen", "val", "unseen")):
            info = ClassInfo(str(number), "c", ("text",), {"a": "b"}, (number, number + 1))
            draft.add_class(info, split)
            draft.add_item(Item(f"i{number}", split, str(number), "1.png", "1.png", ("t",)))
        row = TaskRow(Query("q", "t", "1.png"), "seen", "g", Truth({"i0": 1.0}))
        draft.add_task(TaskInfo("composed"), [row])
        draft.save_vectors("text", RNG.random((3, 4), np.float32))


def _load_collection(folder: Path) -> None:
    summarise(read_collection(folder / "x"))
    check_collection(folder / "x")


def _encoder(folder: Path) -> None:
    with staged(folder / "x", "encoder") as stage:
        (stage.folder / "model.onnx").write_bytes(text_graph())
        (stage.folder / "tokenizer.json").write_text(tokenizer_json())
        stage.body |= {"name": "tiny", "inputs": [TEXT], "output": "out"}


def _load_encoder(folder: Path) -> None:
    load_encoder(folder / "x", Runtime(threads=1)).encode([Query(text="a red bird")])


def write_index(folder: Path, *, space: str = "s", count: int = 60) -> None:
    """Write an index with HNSW."""
    rows = RNG.standard_normal((count, DIM)).astype("f4")
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    hashes = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]
    entries = [Entry(f"e{n}", h, f"/{n}.png", {"class": "a"}) for n, h in enumerate(hashes)]
    errors = [{"image": "/bad.png", "reason": "truncated"}]
    Index.create(
        folder,
        space=space,
        bundle_name="b",
        entries=entries,
        vectors=rows,
        queries=rows[:5],
        errors=errors,
        features=rows,
        search="hnsw",
    )


def load_index(folder: Path) -> None:
    """Open an index, search it, prove it."""
    index = Index.open(folder)
    index.search(index.vectors[:3] / np.linalg.norm(index.vectors[:3], axis=1)[:, None], 5)
    verify_index(folder)


def _run(folder: Path) -> None:
    from zscr.train.methods.settings import make_config
    from zscr.train.run import create_run

    source = {"path": "/c", "relative": "../c", "name": "c", "sha256": "0" * 64}
    config = make_config("zscrgan", {"rounds": 2})
    sources = {"collection": source, "image": source, "text": None}
    run = create_run(folder / "x", "zscrgan", config, {"text": (4,), "image": (6,)}, sources)
    run.log.write_bytes(dump_jsonl([{"round": n, "seconds": 0.1} for n in range(3)]))


def _load_run(folder: Path) -> None:
    from zscr.train.log import truncate_log
    from zscr.train.run import open_run

    run = open_run(folder / "x")
    truncate_log(run)
    _ = run.selection, run.refitted, run.needs


def _damage_run(folder: Path, rng: Random) -> str:
    if rng.random() < 0.4:
        return f"log: {damage_file(folder / 'x/metrics.jsonl', rng)}"
    return damage_artefact(folder / "x", rng)


def _queries(folder: Path) -> None:
    _image(folder / "1.png")
    rows = [{"id": str(n), "text": "a bird", "image": "1.png"} for n in range(3)]
    (folder / "q.jsonl").write_bytes(dump_jsonl(rows))
    (folder / "captions.txt").write_text("a red bird\ntwo birds\n")
    (folder / "flickr.csv").write_text('image,caption\n1.png,a bird\n1.png,"two, birds"\n')


def _load_queries(folder: Path) -> None:
    for name in ("q.jsonl", "captions.txt"):
        for _ in read_queries(folder / name):
            pass
    read_captions(folder / "flickr.csv", ["1.png"])


def _arrays(folder: Path) -> None:
    np.save(folder / "a.npy", RNG.random((6, 4), np.float32))
    np.savez(folder / "b.npz", names=np.array(["a", "b"]), rows=RNG.random((2, 3), np.float32))


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Do as the callers of what is loaded do, who make a sentence of a ValueError."""
    try:
        yield
    except ValueError as error:
        raise InputError(str(error)) from error


def _load_arrays(folder: Path) -> None:
    with _told():
        npy_from(bytearray((folder / "a.npy").read_bytes()), "a.npy").sum()
    with _told():
        read_npz(folder / "b.npz", ("names", "rows"))


def _graph_file(folder: Path) -> None:
    (folder / "a.onnx").write_bytes(text_graph())


def _load_graph_file(folder: Path) -> None:
    with _told():
        refuse_external_data(folder / "a.onnx")


def _tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text(json.dumps(json.loads(tokenizer_json())))


def _load_tokenizer(folder: Path) -> None:
    load_tokenizer(folder / "tokenizer.json", LENGTH).encode("a red bird")


def _in(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda folder, *more: function(folder / name, *more)


def _damage_bundle(folder: Path, rng: Random) -> str:
    """Spare the graphs: what onnxruntime does with a damaged one is not promised."""
    kept = {path: path.read_bytes() for path in folder.rglob("*.onnx")}
    while True:
        what = damage_artefact(folder, rng)
        if all(path.read_bytes() == raw for path, raw in kept.items()):
            return what
        for path, raw in kept.items():
            path.write_bytes(raw)


LOADERS: Mapping[str, Loader] = {
    "zip": Loader(_zip, _load_zip),
    "pickle": Loader(_pickles, _load_pickles),
    "image": Loader(_images, _load_images),
    "collection": Loader(_collection, _load_collection, _in("x", damage_artefact)),
    "encoder": Loader(_encoder, _load_encoder, _in("x", _damage_bundle)),
    "bundle": Loader(_in("x", write_bundle), _in("x", load_bundle), _in("x", _damage_bundle)),
    "index": Loader(_in("x", write_index), _in("x", load_index), _in("x", damage_artefact)),
    "run": Loader(_run, _load_run, _damage_run),
    "queries": Loader(_queries, _load_queries),
    "arrays": Loader(_arrays, _load_arrays),
    "graph": Loader(_graph_file, _load_graph_file),
    "tokenizer": Loader(_tokenizer, _load_tokenizer),
}


def silent() -> contextlib.AbstractContextManager[Any]:
    """Swallow what a loader says on stderr: that a graph is built anew."""
    return contextlib.redirect_stderr(io.StringIO())
