"""Sentence encoders: from a published folder to one ONNX graph from token ids to (B, D) rows.

A published folder holds either an ONNX graph or a transformers checkpoint. Both end in token
states, to which the folder's own pooling (Reimers and Gurevych 2019) is attached as ONNX nodes;
CLIP's text tower pools by itself.
"""

from __future__ import annotations

from pathlib import Path

from zscr.train.encoders.folder import OUTPUT, write_encoder
from zscr.train.encoders.stages import is_normalised, pooling_of
from zscr.train.encoders.text_graph import (
    TOKENIZER,
    append,
    input_spec,
    published_graph,
    states_of,
)

# Of the token states, by the name of the pooling.
_POOLING = {
    "mean": """
        weight = Cast <to = 1> (attention_mask)
        column = Unsqueeze (weight, last_axis)
        masked = Mul ({states}, column)
        total = ReduceSum <keepdims = 0> (masked, length_axis)
        count = ReduceSum <keepdims = 1> (weight, length_axis)
        pooled = Div (total, count)""",
    "cls": "pooled = Gather <axis = 1> ({states}, first)",
}
_NORMALISE = """
        squares = Mul (pooled, pooled)
        sum_squares = ReduceSum <keepdims = 1> (squares, length_axis)
        floored = Max (sum_squares, tiny)
        norm = Sqrt (floored)
        features = Div (pooled, norm)"""
_AS_IT_IS = """
        features = Identity (pooled)"""
_CONSTANTS = """
    int64[1] last_axis = {-1}, int64[1] length_axis = {1}, int64 first = {0},
    float[1] tiny = {1e-24}"""


def convert_text_encoder(source: Path, out: Path, name: str, layers: int | None = None) -> None:
    """Write the frozen encoder `out` from a published sentence encoder's or CLIP's folder.

    Args:
        source: the folder; out: must not exist; name: short, for files and messages.
        layers: that are taken, from the first on, of a checkpoint; the pooling is that of all.

    Raises:
        InputError: the folder has no tokenizer, or neither a graph nor a sound checkpoint, or what
            comes after the token states cannot be done as published.
        ParityError: onnxruntime's rows differ from torch's.
    """
    pooling, unit = pooling_of(source), is_normalised(source)
    model, parity = published_graph(source, layers=layers)
    if parity is None or model.graph.output[0].name != OUTPUT:  # CLIP's ends in rows by itself
        states, width = states_of(model, source)
        tail = _POOLING[pooling].format(states=states) + (_NORMALISE if unit else _AS_IT_IS)
        append(model, tail, f"float[batch, {width}]", _CONSTANTS)
    about = {"source": source.name, "max_abs_difference_to_torch": parity}
    about |= {"layers": layers} if layers else {}
    files = {TOKENIZER: (source / TOKENIZER).read_bytes()}
    write_encoder(out, name, model, input_spec(source), about, files)
