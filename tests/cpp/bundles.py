"""Bundles of texts, embedded by a table, and images, by a matrix, and indexes beside them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizer_files import KINDS

from zscr.artefact import hash_file, staged
from zscr.infer.bundle import space_of
from zscr.infer.index.calibration import Unrelated
from zscr.infer.index.index import Entry, Index

DIM, LENGTH = 40, 16  # a dim of five times numpy's unrolled sums, and what follows them
TEXTS = (
    "a small bird with a red crown and a white belly",
    "two dogs run on the beach's edge, and it's raining!",
    "a black cat sleeps under the old wooden table",
    "she wears 3 blue shirts; they're 100% cotton",
    "an orange boat on a calm sea at night",
)
WORDS = sorted({word.strip(".,;!") for text in TEXTS for word in text.split()})


def captions(count: int, seed: int = 7) -> list[str]:
    """Return texts of 1 to 24 words, so that some are too long."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(1, 25))) for _ in range(count)]


def unit(count: int, seed: int, dim: int = DIM) -> Any:
    """Return unit rows."""
    rows = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


PREPROCESS = {
    "image_size": 4,
    "resample": "bilinear",
    "rescale": 1 / 255,
    "mean": [0.48145466, 0.4578275, 0.40821073],
    "std": [0.26862954, 0.26130258, 0.27577711],
}


def make_bundle(
    folder: Path,
    kind: str = "bert",
    *,
    mask: bool = True,
    preprocess: Mapping[str, Any] | None = None,
    sketches: bool = False,
    **more: Any,
) -> Path:
    """Write a bundle: the sum of a text's rows, and of an image's, to norm 1.

    Args:
        preprocess: of images, beside what there is by default.
        sketches: adds a graph of them, which are prepared first.
        more: goes into the text's entry.
    """
    pixels: dict[str, Any] = {"field": "image", "names": ["given"], "kind": "image"}
    pixels["preprocess"] = {**PREPROCESS, **(preprocess or {})}
    side = pixels["preprocess"]["image_size"]
    spec = {"field": "text", "kind": "text", "tokenizer": "tokenizer.json", "max_length": LENGTH}
    spec |= {"names": ["ids", "mask"] if mask else ["ids"]} | more
    with staged(folder, "bundle") as stage:
        KINDS[kind](TEXTS, stage.folder / "tokenizer.json")
        content = json.loads((stage.folder / "tokenizer.json").read_bytes())
        ids = [*content["model"]["vocab"].values(), *(t["id"] for t in content["added_tokens"])]
        _write_graph(stage.folder / "text.onnx", _text_graph(mask), {"table": (1 + max(ids), DIM)})
        matrix = {"matrix": (3 * side**2, DIM)}
        _write_graph(stage.folder / "gallery.onnx", _gallery_graph(side), matrix)
        sha256 = hash_file(stage.folder / "gallery.onnx")
        graphs = {
            "text": _entry("text", "query", spec),
            "gallery": _entry("gallery", "gallery", pixels),
        }
        if sketches:
            shutil.copy(stage.folder / "gallery.onnx", stage.folder / "sketch.onnx")
            drawn = pixels | {
                "field": "sketch",
                "preprocess": pixels["preprocess"] | {"strokes": True},
            }
            graphs["sketch"] = _entry("sketch", "query", drawn)
        stage.body |= {
            "method": "by hand",
            "dim": DIM,
            "metric": "cosine",
            "space": space_of(sha256, [pixels], DIM, "cosine"),
            "default_precision": "fp32",
            "graphs": graphs,
            "weight": 1e-07,  # a number that is written with an exponent
            "words": 'control \x01, "quoted", ünïcode 🐕',
        }
    return folder


def _entry(name: str, role: str, spec: Any) -> dict[str, Any]:
    variants = {"fp32": {"file": f"{name}.onnx"}}
    return {"role": role, "output": "embedding", "inputs": [spec], "variants": variants}


def _gallery_graph(side: int) -> str:
    return f"""<ir_version: 8, opset_import: ["" : 17]>
    by_hand (float[batch, 3, {side}, {side}] given) => (float[batch, 40] embedding) {{
        flat = Flatten <axis = 1> (given)
        moved = MatMul (flat, matrix)
        embedding = LpNormalization <axis = 1, p = 2> (moved)
    }}"""


def _text_graph(mask: bool) -> str:
    takes = "int64[batch, length] ids" + (", int64[batch, length] mask" if mask else "")
    weighed = (
        """numbers = Cast <to = 1> (mask)
        column = Unsqueeze (numbers, last)
        kept = Mul (rows, column)"""
        if mask
        else "kept = Identity (rows)"
    )
    return f"""<ir_version: 8, opset_import: ["" : 17]>
    by_hand ({takes}) => (float[batch, 40] embedding) {{
        first = Constant <value = int64[1] {{1}}> ()
        last = Constant <value = int64[1] {{2}}> ()
        rows = Gather (table, ids)
        {weighed}
        sum = ReduceSum <keepdims = 0> (kept, first)
        embedding = LpNormalization <axis = 1, p = 2> (sum)
    }}"""


def _write_graph(path: Path, text: str, tables: Mapping[str, tuple[int, int]]) -> None:
    """Write a graph with random tables."""
    import onnx.parser

    model = onnx.parser.parse_model(text)
    for name, shape in tables.items():
        values = np.random.default_rng(len(name)).standard_normal(shape).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(values, name))
    onnx.save(model, path)


def entries(numbers: Sequence[int]) -> list[Entry]:
    """Return images of four classes."""
    return [
        Entry(f"ü/{n}.jpg", f"{n:064x}", f"/images/ü/{n}.jpg", {"class": f"c{n % 4}"})
        for n in numbers
    ]


def make_index(folder: Path, bundle: Path, count: int, **more: Any) -> Index:
    """Write an index of random images, calibrated by random texts of no class, and by images."""
    from zscr.infer.bundle import Bundle

    opened = Bundle.open(bundle)
    asked = Unrelated(opened.key_of(frozenset({"text"})), "texts", unit(20, 3), (None,) * 20)
    return Index.create(
        folder,
        space=opened.space,
        bundle_name=opened.name,
        entries=entries(range(count)),
        vectors=unit(count, 1),
        unrelated=asked,
        **more,
    )
