"""Encoders that only prepare: pixels and token ids as rows, for towers that are trained themselves.

A raw encoder's graph stores what it is fed with in a small form: pixels as the 8 bits that were
decoded, ids in 32 bits at a fixed length with -1 where there is no token and -2 where a vector
stands for one. Everything else (caches, hashes, the graphs of a bundle) treats it as any encoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import onnx
import onnx.parser

import zscr
from zscr.artefact import SCHEMA, dump_json, hash_bytes
from zscr.train.encoders.folder import write_encoder
from zscr.train.encoders.onnx import HEAD
from zscr.train.kept import kept_encoder

NO_TOKEN, SLOT = -1, -2
_PIXELS = """
raw (float[batch, 3, {side}, {side}] {name}) => (uint8[batch, 3, {side}, {side}] features) {{
    features = Cast <to = 2> ({name})
}}"""
# ids · mask + (mask - 1) is the id of a token, and -1 of padding; then -1 up to the whole length.
# Of a prompt, the K places from the slot on are -2, if there is a slot: 0 ≤ place - slot < K.
_TOKENS = """
raw (int64[batch, length] {names}) => (int32[batch, {length}] features)
<int64 one = {{1}}, int64[1] none = {{-1}}, int64[1] zero = {{0}}, int64[1] end = {{{length}}},
 int64[1] second = {{1}}{constants}> {{
    {marking}
    batch_size = Shape <start = 0, end = 1> (marked)
    filling = Concat <axis = 0> (batch_size, end)
    padding = Expand (none, filling)
    long = Concat <axis = 1> (marked, padding)
    whole = Slice (long, zero, end, second)
    {placing}
    features = Cast <to = 6> ({last})
}}"""
_MASKED = """kept = Mul ({0}, {1})
    less = Sub ({1}, one)
    marked = Add (kept, less)"""
_PLACING = """column = Unsqueeze ({0}, second)
    offset = Sub (places, column)
    begun = GreaterOrEqual (offset, zero)
    inside = Less (offset, words)
    asked = GreaterOrEqual (column, zero)
    either = And (begun, inside)
    is_slot = And (either, asked)
    placed = Where (is_slot, slot_id, whole)"""


def raw_pixels(spec: Mapping[str, Any]) -> Path:
    """Return the folder of the encoder whose rows are pixels (3, S, S) of 8 bits, as decoded.

    Args:
        spec: the manifest's entry of an input of images; how it scales them is left to the tower.
    """
    unscaled = {"rescale": 1.0, "mean": [0.0] * 3, "std": [1.0] * 3}
    spec = {**spec, "preprocess": {**spec["preprocess"], **unscaled}}
    side, [name] = spec["preprocess"]["image_size"], spec["names"]
    return _kept("pixels", _PIXELS.format(side=side, name=name), spec, {})


def raw_tokens(spec: Mapping[str, Any], files: Mapping[str, bytes]) -> Path:
    """Return the folder of the encoder whose rows are ids (L,), L the longest that is allowed.

    Args:
        spec: the manifest's entry of an input of texts; files: that it names, by name.
    """
    return _kept("tokens", _ids_graph(spec, spec["names"]), spec, files)


def raw_prompts(spec: Mapping[str, Any], files: Mapping[str, bytes]) -> Path:
    """Return the folder of the encoder whose rows are ids (L,), with -2 where vectors stand.

    Args:
        spec: the manifest's entry of an input of prompts; files: that it names, by name.
    """
    *names, slot = spec["names"]
    return _kept("prompts", _ids_graph(spec, names, slot), spec, files)


def _ids_graph(spec: Mapping[str, Any], names: Sequence[str], slot: str = "") -> str:
    """Return the graph from ids, and a mask and a slot where there are any, to a row of ids."""
    length = spec.get("pad_to") or spec["max_length"]
    inputs = ", int64[batch, length] ".join(names) + (f", int64[batch] {slot}" if slot else "")
    marking = _MASKED.format(*names) if len(names) > 1 else f"marked = Identity ({names[0]})"
    places = ", ".join(map(str, range(length)))
    constants = f"""
 int64[1, {length}] places = {{{places}}}, int64[1] words = {{{spec.get("words", 1)}}},
 int64[1] slot_id = {{{SLOT}}}"""
    return _TOKENS.format(
        names=inputs,
        length=length,
        marking=marking,
        constants=f",{constants}" if slot else "",
        placing=_PLACING.format(slot) if slot else "",
        last="placed" if slot else "whole",
    )


def _kept(name: str, graph: str, spec: Mapping[str, Any], files: Mapping[str, bytes]) -> Path:
    """Write an encoder into the cache, if it is not there."""
    made_of = [zscr.__version__, str(SCHEMA), graph, dump_json(dict(spec)).decode()]
    identity = hash_bytes("\n".join(made_of).encode() + b"".join(files.values()))
    text = HEAD + graph
    return kept_encoder(f"raw-{name}-{identity[:12]}", partial(_write, text, name, spec, files))


def _write(
    text: str, name: str, spec: Mapping[str, Any], files: Mapping[str, bytes], out: Path
) -> None:
    model = onnx.parser.parse_model(text)
    onnx.checker.check_model(model)
    kind = model.graph.output[0].type.tensor_type.elem_type
    dtype = str(onnx.helper.tensor_dtype_to_np_dtype(kind))
    write_encoder(out, f"raw-{name}", model, spec, {"dtype": dtype}, files)
