"""Sentence encoders: from a published folder to one ONNX graph from token ids to (B, D) rows.

A published folder holds either an ONNX graph or a transformers checkpoint. Both end in token
states, to which the folder's own pooling (Reimers and Gurevych 2019) is attached as ONNX nodes;
CLIP's text tower pools by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import onnx.parser

from zscr.errors import InputError
from zscr.train.encoders.checkpoint import STATES, trace_checkpoint
from zscr.train.encoders.folder import OUTPUT, write_encoder
from zscr.train.encoders.onnx import IR_VERSION, load_graph, version_of
from zscr.train.encoders.published import check_input, read_json, read_object

# What every encoder of token ids is fed with, in the manifest.
TOKENS = {"field": "text", "kind": "text", "names": ["input_ids", "attention_mask"]}
TOKENS |= {"dtype": "int64"}
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")  # the latter names several files
_STATES = (STATES, "token_embeddings")
_STAGES = {"Transformer", "Pooling", "Normalize"}
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


def convert_text_encoder(source: Path, out: Path, name: str) -> None:
    """Write the frozen encoder `out` from a published sentence encoder's or CLIP's folder.

    Raises:
        InputError: the folder has no tokenizer, or neither a graph nor a sound checkpoint, or what
            comes after the token states cannot be done as published.
        ParityError: onnxruntime's rows differ from torch's.
    """
    if not (source / "tokenizer.json").is_file():
        raise InputError(f"{source} has no tokenizer.json, so it is no sentence encoder")
    pooling, unit = pooling_of(source), _is_normalised(source)
    graphs = [p for p in (source / "model.onnx", source / "onnx/model.onnx") if p.is_file()]
    if graphs:
        model, parity = load_graph(graphs[0]), None
    elif any((source / name).is_file() for name in _WEIGHTS):
        config = read_object(source / "config.json")
        model, parity = trace_checkpoint(source, config, _input_spec(source))
    else:
        raise InputError(f"{source} has neither model.onnx nor model.safetensors")
    _drop_token_types(model)
    if graphs or model.graph.output[0].name != OUTPUT:
        _append(model, _states_of(model, source), pooling, unit=unit)
    about = {"source": source.name, "max_abs_difference_to_torch": parity}
    files = {"tokenizer.json": (source / "tokenizer.json").read_bytes()}
    write_encoder(out, name, model, _input_spec(source), about, files)


def _input_spec(source: Path) -> dict[str, Any]:
    config = read_object(source / "config.json")
    limits = [
        read_object(source / "sentence_bert_config.json").get("max_seq_length"),
        _part(config, "text_config").get("max_position_embeddings"),
        read_object(source / "tokenizer_config.json").get("model_max_length"),
    ]
    # transformers writes 1e30 where it knows no limit
    sizes = [n for n in limits if isinstance(n, int | float) and 0 < n < 1 << 20]
    spec: dict[str, Any] = {**TOKENS, "shape": ["batch", "length"], "tokenizer": "tokenizer.json"}
    spec["max_length"] = int(min(sizes, default=512))
    check_input(spec, source)
    return spec


def _part(config: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object that a configuration holds under a name; itself where it has none."""
    part = config.get(name)
    return part if isinstance(part, dict) else config


def pooling_of(source: Path) -> str:
    """Return the folder's pooling, in the form of today or of one flag a mode; else the mean."""
    config = read_object(source / "1_Pooling" / "config.json")
    flags = [n for n, on in config.items() if n.startswith("pooling_mode_") and on is True]
    named = config.get("pooling_mode", flags or "mean")
    modes = named if isinstance(named, list) else [named]
    if not all(isinstance(mode, str) for mode in modes):
        raise InputError(f"{source} pools by {modes!r:.80}, which is no name")
    kinds: list[str] = [mode.removeprefix("pooling_mode_").split("_")[0] for mode in modes]
    if len(kinds) != 1 or kinds[0] not in _POOLING or "sqrt" in modes[0]:
        raise InputError(f"{source} pools by {modes}; only one of {[*_POOLING]} can be converted")
    return kinds[0]


def _is_normalised(source: Path) -> bool:
    """Say whether the folder's stages end in unit rows; without a list of stages they do."""
    stages = {kind for kind, _ in stages_of(source)}
    unknown = sorted(stages - _STAGES)
    if unknown:
        raise InputError(f"{source} has the stage {unknown[0]}; only {sorted(_STAGES)} are known")
    return not stages or "Normalize" in stages


def stages_of(source: Path) -> list[tuple[str, str]]:
    """Return what a sentence encoder's rows pass through: name and sub-folder of each stage.

    Raises:
        InputError: the folder's list of them is none.
    """
    path = source / "modules.json"
    modules = read_json(path) if path.is_file() else []
    try:
        return [(str(one["type"]).rsplit(".", 1)[-1], str(one.get("path", ""))) for one in modules]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no list of stages with a type ({error!r})") from error


def _states_of(model: onnx.ModelProto, source: Path) -> tuple[str, int]:
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


def _append(model: onnx.ModelProto, states: tuple[str, int], pooling: str, *, unit: bool) -> None:
    """Append the pooling, written in ONNX's text form; `features` becomes the only output."""
    tail = _POOLING[pooling].format(states=states[0])
    tail += _NORMALISE if unit else "\n        features = Identity (pooled)"
    text = f"""<ir_version: {IR_VERSION}, opset_import: ["": {version_of(model)}]>
    tail (int64[batch, length] attention_mask) => (float[batch, {states[1]}] features)
    <int64[1] last_axis = {{-1}}, int64[1] length_axis = {{1}}, int64 first = {{0}},
     float[1] tiny = {{1e-24}}> {{ {tail} }}"""
    graph = onnx.parser.parse_model(text).graph
    used = {name for node in graph.node for name in node.input}
    model.graph.node.extend(graph.node)
    model.graph.initializer.extend(i for i in graph.initializer if i.name in used)
    del model.graph.output[:]
    model.graph.output.extend(graph.output)
    onnx.checker.check_model(model)


def _drop_token_types(model: onnx.ModelProto) -> None:
    """Feed zeros for `token_type_ids`: a single text has only one segment."""
    kept = [value for value in model.graph.input if value.name != "token_type_ids"]
    if len(kept) < len(model.graph.input):
        zeros = onnx.helper.make_node("Sub", ["input_ids", "input_ids"], ["token_type_ids"])
        model.graph.node.insert(0, zeros)
        del model.graph.input[:]
        model.graph.input.extend(kept)
