"""A published text encoder's graph, from token ids and mask to token states or what it pools."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import onnx.parser

from zscr.errors import InputError
from zscr.train.encoders.checkpoint import STATES, trace_checkpoint
from zscr.train.encoders.onnx import HEAD, load_graph
from zscr.train.encoders.published import check_input, read_object

# What every encoder of token ids is fed with, in the manifest.
TOKENS = {"field": "text", "kind": "text", "names": ["input_ids", "attention_mask"]}
TOKENS |= {"dtype": "int64"}
TOKENIZER = "tokenizer.json"
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")  # the latter names several files
_STATES = (STATES, "token_embeddings")


def published_graph(
    source: Path, *, states: bool = False, layers: int | None = None
) -> tuple[onnx.ModelProto, float | None]:
    """Return a folder's graph from ids and mask, and its difference to torch if it was traced.

    Args:
        source: a published sentence encoder's or CLIP's folder.
        states: whether CLIP's, too, is to end in token states.
        layers: that are taken of a checkpoint, from the first on; None takes all.

    Raises:
        InputError: it has no tokenizer, or neither a graph nor a sound checkpoint, or no layers
            that could be left out.
        ParityError: onnxruntime's rows differ from torch's.
    """
    if not (source / TOKENIZER).is_file():
        raise InputError(f"{source} has no tokenizer.json, so it is no sentence encoder")
    parity = None
    graphs = [p for p in (source / "model.onnx", source / "onnx/model.onnx") if p.is_file()]
    if graphs and layers:
        raise InputError(
            f"{source} has a graph, whose layers cannot be told apart; take a folder with a "
            f"checkpoint (model.safetensors) alone"
        )
    if graphs:
        model = load_graph(graphs[0])
    elif any((source / name).is_file() for name in _WEIGHTS):
        config = read_object(source / "config.json")
        model, parity = trace_checkpoint(
            source, config, input_spec(source), states=states, layers=layers
        )
    else:
        raise InputError(f"{source} has neither model.onnx nor model.safetensors")
    _drop_token_types(model)
    return model, parity


def states_of(model: onnx.ModelProto, source: Path) -> tuple[str, int]:
    """Return the name and the width of the token states among a graph's outputs."""
    outputs = {output.name: output for output in model.graph.output}
    names = [name for name in _STATES if name in outputs]
    if not names:
        raise InputError(f"{source}: the graph gives {sorted(outputs)}, none of {list(_STATES)}")
    last = outputs[names[0]].type.tensor_type.shape.dim[-1].dim_value
    width = last or read_object(source / "config.json").get("hidden_size")
    if not isinstance(width, int) or not 0 < width < 1 << 16:
        raise InputError(f"{source}: neither the graph nor config.json tells the width of a state")
    return names[0], int(width)


def append(model: onnx.ModelProto, tail: str, rows: str, constants: str) -> None:
    """Append what is made of token states; `features` becomes the only output.

    Args:
        model: the graph, changed in place.
        tail: nodes in ONNX's text form; rows: the type of `features`; constants: of the nodes.
    """
    text = f"""{HEAD}
    tail (int64[batch, length] attention_mask) => ({rows} features)
    <{constants}> {{ {tail} }}"""
    graph = onnx.parser.parse_model(text).graph
    used = {name for node in graph.node for name in node.input}
    model.graph.node.extend(graph.node)
    model.graph.initializer.extend(i for i in graph.initializer if i.name in used)
    del model.graph.output[:]
    model.graph.output.extend(graph.output)
    onnx.checker.check_model(model)


def input_spec(source: Path, longest: int | None = None) -> dict[str, Any]:
    """Return the manifest's entry of the graph's input.

    Args:
        source: the folder.
        longest: tokens at which texts are cut, where that is less than the folder's own limit.
    """
    config = read_object(source / "config.json")
    limits = [
        longest,
        read_object(source / "sentence_bert_config.json").get("max_seq_length"),
        _part(config, "text_config").get("max_position_embeddings"),
        read_object(source / "tokenizer_config.json").get("model_max_length"),
    ]
    # transformers writes 1e30 where it knows no limit
    sizes = [n for n in limits if isinstance(n, int | float) and 0 < n < 1 << 20]
    spec: dict[str, Any] = {**TOKENS, "shape": ["batch", "length"], "tokenizer": TOKENIZER}
    spec["max_length"] = int(min(sizes, default=512))
    check_input(spec, source)
    return spec


def _part(config: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object that a configuration holds under a name; itself where it has none."""
    part = config.get(name)
    return part if isinstance(part, dict) else config


def _drop_token_types(model: onnx.ModelProto) -> None:
    """Feed zeros for `token_type_ids`: a single text has only one segment."""
    kept = [value for value in model.graph.input if value.name != "token_type_ids"]
    if len(kept) < len(model.graph.input):
        zeros = onnx.helper.make_node("Sub", ["input_ids", "input_ids"], ["token_type_ids"])
        model.graph.node.insert(0, zeros)
        del model.graph.input[:]
        model.graph.input.extend(kept)
