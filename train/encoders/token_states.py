"""Frozen text encoders whose rows are the states of a text's tokens, for what attends to them."""

from __future__ import annotations

from pathlib import Path

from zscr.train.encoders.folder import write_encoder
from zscr.train.encoders.text_graph import (
    TOKENIZER,
    append,
    input_spec,
    published_graph,
    states_of,
)

LONGEST = 77  # tokens of a row, CLIP's limit: texts of classes are a sentence or two
# States of padding depend on how much of it there is, so they become zeros, as do the places up to
# the fixed length. `nothing` is broadcast.
_ROWS = """
    column = Unsqueeze (attention_mask, last_axis)
    read = Cast <to = 9> (column)
    kept = Where (read, {states}, nothing)
    texts = Shape <start = 0, end = 1> (kept)
    filling = Concat <axis = 0> (texts, places, numbers)
    padding = Expand (nothing, filling)
    long = Concat <axis = 1> (kept, padding)
    whole = Slice (long, none, places, length_axis)
    features = Cast <to = 10> (whole)"""
_CONSTANTS = """
    int64[1] last_axis = {{-1}}, int64[1] length_axis = {{1}}, int64[1] none = {{0}},
    int64[1] places = {{{}}}, int64[1] numbers = {{{}}}, float[1, 1, 1] nothing = {{0}}"""


def convert_token_encoder(source: Path, out: Path, name: str, length: int = LONGEST) -> None:
    """Write the frozen encoder `out`, whose rows are token states (L, W) of 16 bits.

    A place without a token holds zeros. Longer texts are cut, and counted where they are encoded.

    Args:
        source: a published sentence encoder's or CLIP's folder; the states are those that the
            former pools, and those behind the last norm of the latter.
        out: the encoder's folder; must not exist.
        name: short name for files and messages.
        length: L, unless the encoder reads fewer tokens.

    Raises:
        InputError: the folder has no tokenizer, or neither a graph nor a sound checkpoint.
        ParityError: onnxruntime's states differ from torch's.
    """
    model, parity = published_graph(source, states=True)
    states, width = states_of(model, source)
    spec = input_spec(source, length)
    places = spec["max_length"]
    rows = f"float16[batch, {places}, {width}]"
    append(model, _ROWS.format(states=states), rows, _CONSTANTS.format(places, width))
    about = {"source": source.name, "dtype": "float16", "max_abs_difference_to_torch": parity}
    write_encoder(out, name, model, spec, about, {TOKENIZER: (source / TOKENIZER).read_bytes()})
