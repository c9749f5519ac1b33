"""One graph a head, from the raw input to the embedding, equal to torch at any batch size."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from zscr.artefact import file_entry, read_manifest, write_manifest
from zscr.data.collection import read_collection
from zscr.data.records import Query
from zscr.export.heads import build_graph, deployed_heads
from zscr.infer.bundle import Bundle
from zscr.infer.encoder import load_encoder
from zscr.train.encoders.onnx import OPSET, run_bytes
from zscr.train.run import open_run
from zscr.train.sources import load_sources


def names(values) -> list[str]:
    return [value.name for value in values]


@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    [
        ("text", ["input_ids", "attention_mask"], {"text_embedding": 16}),
        ("gallery", ["pixels"], {"gallery_embedding": 16, "gallery_feature": 16}),
    ],
)
def test_a_merged_graph_has_the_encoders_inputs_and_the_heads_outputs(
    deployed, name: str, inputs: list[str], outputs: dict[str, int]
) -> None:
    """Both graphs run anywhere: one file, one opset, a batch that is free, unit rows."""
    model = onnx.load(deployed.bundle / f"{name}.onnx", load_external_data=False)
    onnx.checker.check_model(model)
    assert names(model.graph.input) == inputs
    shapes = {one.name: one.type.tensor_type.shape.dim for one in model.graph.output}
    assert {name: (b.dim_value, d.dim_value) for name, (b, d) in shapes.items()} == {
        output: (0, dim) for output, dim in outputs.items()
    }
    assert {entry.domain: entry.version for entry in model.opset_import}[""] == OPSET
    assert not any(onnx.external_data_helper.uses_external_data(t) for t in model.graph.initializer)
    random = {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli"}
    assert not {node.op_type for node in model.graph.node} & random


def test_merged_graphs_name_no_path_of_the_machine(deployed) -> None:
    """A bundle is given away: where it was made is nobody's business."""
    for name in ("text", "gallery"):
        content = (deployed.bundle / f"{name}.onnx").read_bytes()
        assert b".py" not in content
        assert str(deployed.folder).encode() not in content


def test_frozen_encoders_are_inside_unchanged(deployed) -> None:
    """The features that the head is given are the frozen encoder's own."""
    encoder = load_sources(open_run(deployed.run))[1]["text"]
    model, name = onnx.load(deployed.bundle / "text.onnx"), "frozen/text_features"
    value = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
    del model.graph.output[:]
    model.graph.output.append(value)
    feeds = encoder.prepare(Query.of("text", ["a red circle", "small"])).feeds
    np.testing.assert_allclose(run_bytes(model, feeds), encoder.run(feeds), atol=1e-6)


def test_encoders_with_operators_of_another_domain_can_be_merged(
    deployed, tiny_image: Path, tmp_path: Path
) -> None:
    """A second operator set beside ONNX's own is no other version of ONNX's own."""
    shutil.copytree(tiny_image, tmp_path / "encoder")
    manifest, path = read_manifest(tiny_image, "encoder"), tmp_path / "encoder/model.onnx"
    model = onnx.load(path)
    model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, path)
    write_manifest(path.parent, "encoder", {"model.onnx": file_entry(path)}, manifest.body)
    run = open_run(deployed.run)
    _, encoders = load_sources(run)
    changed = {**encoders, "image": load_encoder(path.parent)}
    heads = deployed_heads(run.load_model().heads(), changed, run.shapes)
    [merged] = [build_graph(one) for one in heads if one.name == "gallery"]
    image = read_collection(Path(run.sources["collection"]["path"])).folder / "red-circle-0.png"
    feeds = encoders["image"].prepare(Query.of("image", [image])).feeds
    expected = Bundle.open(deployed.bundle).gallery.run(feeds)
    np.testing.assert_allclose(run_bytes(merged, feeds), expected, atol=1e-6)
