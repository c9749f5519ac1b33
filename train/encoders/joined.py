"""Several text encoders as one, whose row is their rows side by side: `tfidf+all-MiniLM-L6-v2`.

What one does not tell apart (a pretrained one the names of brands, TF-IDF words of one meaning),
another may.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import onnx
import onnx.compose

import zscr
from zscr.artefact import SCHEMA, hash_bytes
from zscr.infer.encoder import Encoder, load_encoder
from zscr.train.encoders.folder import OUTPUT, write_encoder
from zscr.train.encoders.onnx import name_opsets_once
from zscr.train.kept import kept_encoder

JOIN = "+"  # between the names


def joined_encoders(folders: Iterable[Path]) -> Path:
    """Return the folder of the encoders in `folders` as one, made once and cached."""
    parts = [load_encoder(folder) for folder in folders]
    made_of = [zscr.__version__, str(SCHEMA), *(part.sha256 for part in parts)]
    identity = hash_bytes(" ".join(made_of).encode())
    short = "-".join(part.name for part in parts)

    def make(out: Path) -> None:
        join_encoders(parts, out, short)

    return kept_encoder(f"{short}-{identity[:12]}", make)


def join_encoders(parts: Sequence[Encoder], out: Path, name: str) -> None:
    """Write the frozen encoder `out`, which runs each of the parts on the same text."""
    specs, files = [], {}
    for number, part in enumerate(parts):
        for spec in part.specs:
            specs.append(_numbered(spec, number))
            if "tokenizer" in spec:
                content = part.graph.with_name(spec["tokenizer"]).read_bytes()
                files[specs[-1]["tokenizer"]] = content
    model = _side_by_side([onnx.load(part.graph) for part in parts])
    about = {"source": JOIN.join(part.name for part in parts)}
    write_encoder(out, name, model, specs, about, files)


def _numbered(spec: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return a part's entry of an input by names that are its own."""
    given: dict[str, Any] = {"names": [f"{number}/{name}" for name in spec["names"]]}
    given["shape"] = [f"{axis}{number}" if axis == "length" else axis for axis in spec["shape"]]
    if "tokenizer" in spec:
        given["tokenizer"] = f"{number}-{spec['tokenizer']}"
    return {**spec, **given}


def _side_by_side(models: Sequence[onnx.ModelProto]) -> onnx.ModelProto:
    """Return one graph with the inputs of all, whose `features` are theirs side by side."""
    width = 0
    for number, model in enumerate(models):
        width += model.graph.output[0].type.tensor_type.shape.dim[-1].dim_value
        for value in (*model.graph.input, *model.graph.output):
            for axis in value.type.tensor_type.shape.dim:
                if axis.dim_param == "length":  # each cuts the text into tokens of its own
                    axis.dim_param = f"length{number}"
        del model.graph.value_info[:]
    prefixed = [onnx.compose.add_prefix(one, f"{number}/") for number, one in enumerate(models)]
    whole: onnx.ModelProto = reduce(_merged, prefixed)
    rows = [value.name for value in whole.graph.output]
    whole.graph.node.append(onnx.helper.make_node("Concat", rows, [OUTPUT], axis=1))
    del whole.graph.output[:]
    kind = onnx.TensorProto.FLOAT
    whole.graph.output.append(onnx.helper.make_tensor_value_info(OUTPUT, kind, ["batch", width]))
    onnx.checker.check_model(whole)
    return whole


def _merged(first: onnx.ModelProto, second: onnx.ModelProto) -> onnx.ModelProto:
    merged: onnx.ModelProto = onnx.compose.merge_models(first, second, io_map=[])
    name_opsets_once(merged)
    return merged
