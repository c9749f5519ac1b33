"""Tokens of texts as rows: what a frozen text encoder has before it pools."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import onnx
import onnx.parser

import zscr
from zscr.artefact import SCHEMA, hash_bytes, read_manifest
from zscr.cache import kept_encoder
from zscr.infer.encoder import FIELDS
from zscr.train.encoders.folder import OUTPUT, write_encoder
from zscr.train.encoders.onnx import IR_VERSION, version_of
from zscr.train.encoders.resolve import text_encoder

LENGTH = 64  # tokens of a sentence that are kept
_TAIL = """<ir_version: {ir}, opset_import: ["": {opset}]>
tail (float[batch, length, {width}] states, int64[batch, length] attention_mask)
  => (float16[batch, {length}, {width}] features)
<int64[1] zz_last = {{-1}}, int64[1] zz_zero = {{0}}, int64[1] zz_end = {{{length}}}, int64[1] zz_one = {{1}},
 int64[1] zz_wide = {{{width}}}, float[1] zz_none = {{0.0}}> {{
  zz_weight = Cast <to = 1> (attention_mask)
  zz_column = Unsqueeze (zz_weight, zz_last)
  zz_masked = Mul ({states}, zz_column)
  zz_count = Shape <start = 0, end = 1> (attention_mask)
  zz_filling = Concat <axis = 0> (zz_count, zz_end, zz_wide)
  zz_padding = Expand (zz_none, zz_filling)
  zz_long = Concat <axis = 1> (zz_masked, zz_padding)
  zz_whole = Slice (zz_long, zz_zero, zz_end, zz_one)
  features = Cast <to = 10> (zz_whole)
}}"""


def words_encoder(name: str, collection) -> Path:
    folder = text_encoder(name, collection)
    manifest = read_manifest(folder, "encoder", FIELDS)
    identity = hash_bytes(f"{zscr.__version__} {SCHEMA} {manifest.sha256} {LENGTH}".encode())
    return kept_encoder(f"{name}-words-{identity[:12]}", partial(_write, folder, manifest.body))


def _write(folder: Path, body, out: Path) -> None:
    model = onnx.load(folder / "model.onnx")
    names = {name for node in model.graph.node for name in node.output}
    [states] = {"last_hidden_state", "token_embeddings", "states"} & names
    [spec] = body["inputs"]
    width = model.graph.output[0].type.tensor_type.shape.dim[-1].dim_value
    tail = _TAIL.format(ir=IR_VERSION, opset=version_of(model), width=width, length=LENGTH, states=states)
    tail = tail.replace(f"float[batch, length, {width}] states", f"float[batch, length, {width}] {states}")
    graph = onnx.parser.parse_model(tail).graph
    cut = model
    [old] = [node for node in cut.graph.node if OUTPUT in node.output]
    cut.graph.node.remove(old)
    cut.graph.node.extend(graph.node)
    cut.graph.initializer.extend(graph.initializer)
    del cut.graph.output[:]
    cut.graph.output.extend(graph.output)
    onnx.checker.check_model(cut)
    files = {"tokenizer.json": (folder / "tokenizer.json").read_bytes()}
    spec = {**spec, "max_length": LENGTH}
    write_encoder(out, "words", cut, spec, {"dtype": "float16"}, files)
