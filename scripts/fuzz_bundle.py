"""A sound bundle to damage: graphs of token ids, of pixels and of both, made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx.helper
import onnx.numpy_helper
import onnx.parser
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from zscr.artefact import dump_jsonl, hash_file, staged
from zscr.data.records import Query
from zscr.infer.bundle import Bundle, space_of
from zscr.infer.runners.runner import Runtime

DIM, SIDE, LENGTH = 8, 8, 16
RNG = np.random.default_rng(7)


def tokenizer_json() -> str:
    """Return a small tokenizer's file."""
    tokenizer = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "red": 2, "bird": 3}, "[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer.to_str()


TEXT = {"field": "text", "kind": "text", "names": ["ids", "mask"], "tokenizer": "tokenizer.json"}
TEXT |= {"max_length": LENGTH, "unknown_id": 1}
HOW = {"image_size": SIDE, "resize_shorter_side": SIDE, "resample": "bilinear", "rescale": 1 / 255}
PROMPT = TEXT | {"kind": "prompt", "names": ["ids", "mask", "slot"], "template": "a * , {}"}
PROMPT |= {"words": 1}
IMAGE = {"field": "image", "kind": "image", "names": ["pixels"]}
IMAGE |= {"preprocess": HOW | {"mean": [0.5] * 3, "std": [0.5] * 3}}


def graph(body: str, inputs: str, rows: int) -> bytes:
    """Return a graph from `inputs` to `out`, a unit row of `flat` (B, rows) by a matrix."""
    model = onnx.parser.parse_model(f"""<ir_version: 8, opset_import: ["" : 17]>
        g ({inputs}) => (float[batch, {DIM}] out) {{ {body} moved = MatMul (flat, matrix)
        out = LpNormalization <axis = 1, p = 2> (moved) }}""")
    matrix = RNG.standard_normal((rows, DIM)).astype("f4")
    model.graph.initializer.append(onnx.numpy_helper.from_array(matrix, "matrix"))
    return bytes(model.SerializeToString())


def gallery_graph() -> bytes:
    """Return a graph of pixels."""
    inputs = f"float[batch, 3, {SIDE}, {SIDE}] pixels"
    return graph("flat = Flatten <axis = 1> (pixels)", inputs, 3 * SIDE * SIDE)


def text_graph() -> bytes:
    """Return a graph of token ids: a bag of the four words."""
    table = onnx.helper.make_tensor("v", 1, [4, 4], np.eye(4, dtype="f4").ravel())
    body = """words = Gather (eye, ids) one = Constant <value = int64[1] {1}> ()
        flat = ReduceSum <keepdims = 0> (words, one) used = Cast <to = 1> (mask)"""
    raw = graph(body, "int64[batch, length] ids, int64[batch, length] mask", 4)
    model = onnx.ModelProto.FromString(raw)
    table.name = "eye"
    model.graph.initializer.append(table)
    return bytes(model.SerializeToString())


def composed_graph() -> bytes:
    """Return a graph of pixels and of the ids, mask and slot of a prompt."""
    body = """flat = Flatten <axis = 1> (pixels) used = Cast <to = 1> (ids)
        masked = Cast <to = 1> (mask) placed = Cast <to = 1> (slot)"""
    prompt = "int64[batch, length] ids, int64[batch, length] mask, int64[batch] slot"
    return graph(body, f"float[batch, 3, {SIDE}, {SIDE}] pixels, {prompt}", 3 * SIDE * SIDE)


def write_bundle(folder: Path) -> None:
    """Write a bundle of a text, a gallery and a composed graph."""
    with staged(folder, "bundle") as stage:
        (stage.folder / "text.onnx").write_bytes(text_graph())
        (stage.folder / "gallery.onnx").write_bytes(gallery_graph())
        (stage.folder / "composed.onnx").write_bytes(composed_graph())
        (stage.folder / "tokenizer.json").write_text(tokenizer_json())
        rows = dump_jsonl([{"text": "red bird", "class": "red"}])
        (stage.folder / "examples.jsonl").write_bytes(rows)
        sha256 = hash_file(stage.folder / "gallery.onnx")
        graphs = {
            name: {
                "role": role,
                "output": "out",
                "inputs": specs,
                "variants": {"fp32": {"file": f"{name}.onnx"}},
            }
            for name, role, specs in (
                ("text", "query", [TEXT]),
                ("gallery", "gallery", [IMAGE]),
                ("composed", "query", [IMAGE, PROMPT]),
            )
        }
        stage.body |= {"compositions": {"pic2word": {"about": "a word", "graph": "composed"}}}
        stage.body |= {"method": "m", "dim": DIM, "metric": "cosine", "default_precision": "fp32"}
        stage.body |= {"space": space_of(sha256, [IMAGE], DIM, "cosine"), "graphs": graphs}


def load_bundle(folder: Path) -> None:
    """Open a bundle, embed a text, an image, and both of them."""
    bundle = Bundle.open(folder, Runtime(threads=1))
    _ = bundle.examples
    bundle.route(frozenset({"text"})).encode([Query(text="a red bird")])
    bundle.gallery.encode([Query(image=Image.new("RGB", (20, 10)))])
    _ = bundle.compositions
    bundle.graph("composed").encode([Query(text="red", image=Image.new("RGB", (20, 10)))])
