"""Image encoders: from a published ONNX graph and its preprocessing to pixels -> (B, D) rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import onnx.utils

from zscr.errors import InputError
from zscr.train.encoders.folder import OUTPUT, write_encoder
from zscr.train.encoders.onnx import load_graph, rename
from zscr.train.encoders.preprocessing import preprocessing
from zscr.train.encoders.published import check_input, read_object

# What published image encoders call their pooled feature, the most specific name first.
_FEATURES = ("features", "image_embeds", "pooler_output", "embedding")


def convert_image_encoder(source: Path, out: Path, name: str) -> None:
    """Write the frozen encoder `out` from a folder with one ONNX graph.

    Args:
        source: holds `*.onnx` and `preprocessor_config.json` (transformers' form, or sizes named
            `resize_shorter_side` and `image_size`).
        out: the encoder's folder; must not exist.
        name: short name for files and messages.

    Raises:
        InputError: not one graph, no preprocessing or one that cannot be done as published, or no
            pooled feature among the outputs.
    """
    graphs = sorted(source.glob("*.onnx")) or sorted(source.glob("onnx/model.onnx"))
    if len(graphs) != 1:
        raise InputError(f"{source} holds {len(graphs)} ONNX graphs; an image encoder has one")
    config = source / "preprocessor_config.json"
    if not config.is_file():
        raise InputError(f"{source} lacks preprocessor_config.json; how to scale pixels is unknown")
    model = load_graph(graphs[0])
    pixels, features = model.graph.input[0].name, _pooled_output(model, source)
    model = onnx.utils.Extractor(model).extract_model([pixels], [features])
    rename(model, {pixels: "pixels", features: OUTPUT})
    preprocess = preprocessing(read_object(config), config)
    check_input(pixel_spec(preprocess), config)
    _check_size(model, preprocess, source)
    write_encoder(out, name, model, pixel_spec(preprocess), {"source": graphs[0].name})


def pixel_spec(preprocess: Mapping[str, Any], *, drafts: bool = True) -> dict[str, Any]:
    """Return the manifest's input entry for a graph that takes pixels.

    Args:
        preprocess: how pixels are made.
        drafts: decode large JPEGs at a fraction of their size, but at twice the size that they are
            resized to: embeddings then have a cosine of .998 and more to those of the whole
            (measured).
    """
    side = preprocess["image_size"]
    spec: dict[str, Any] = {"field": "image", "kind": "image", "names": ["pixels"]}
    spec |= {"dtype": "float32", "shape": ["batch", 3, side, side]}
    spec |= {"preprocess": dict(preprocess)}
    if drafts:
        resized = preprocess.get("resize_shorter_side") or preprocess.get("resize_square") or side
        spec["preprocess"] |= {"decode_shorter_side": 2 * resized}
    return spec


def _pooled_output(model: onnx.ModelProto, source: Path) -> str:
    flat = [o.name for o in model.graph.output if len(o.type.tensor_type.shape.dim) == 2]
    for name in (*_FEATURES, *(flat if len(flat) == 1 else ())):
        if name in flat:
            return str(name)
    raise InputError(
        f"{source}: none of the outputs {flat} is known as a feature; name it one of {_FEATURES}"
    )


def _check_size(model: onnx.ModelProto, preprocess: Mapping[str, Any], source: Path) -> None:
    """Refuse preprocessing that makes images of another size than the graph takes."""
    side = preprocess["image_size"]
    axes = model.graph.input[0].type.tensor_type.shape.dim[2:]
    if any(axis.dim_value not in (0, side) for axis in axes):  # 0: any size
        sizes = " x ".join(str(axis.dim_value) for axis in axes)
        raise InputError(f"{source} makes images of {side} pixels for a graph that takes {sizes}")
