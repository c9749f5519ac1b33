"""A bundle is published with its proof, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from zscr.artefact import hash_file, read_manifest, verify
from zscr.data.collection import read_collection
from zscr.data.records import Query
from zscr.errors import ArtefactError, ConfigError, ParityError
from zscr.export.bundle import export_run
from zscr.export.heads import Build, DeployedHead
from zscr.infer.bundle import Bundle
from zscr.train.heads import run_head
from zscr.train.run import Run, create_run, open_run

Traced = Callable[[Path], Build]


def test_the_manifest_holds_the_proof_and_the_origin(deployed) -> None:
    """Parity on real samples at every batch size, the inputs, the run, its sources, its figures."""
    manifest, run = read_manifest(deployed.bundle, "bundle"), open_run(deployed.run)
    verify(deployed.bundle, manifest)
    body = manifest.body
    graphs = {"text.onnx", "gallery.onnx"}
    assert set(manifest.files) == graphs | {"tokenizer.json", "examples.jsonl", "card.md"}
    assert (body["method"], body["dim"]) == ("zscrgan-reference", 16)
    assert (body["metric"], body["default_precision"]) == ("cosine", "fp32")
    roles = {name: (entry["role"], entry["output"]) for name, entry in body["graphs"].items()}
    assert roles == {
        "text": ("query", "text_embedding"),
        "gallery": ("gallery", "gallery_embedding"),
    }
    assert body["head_settings"] == {}
    features = {name: entry.get("feature") for name, entry in body["graphs"].items()}
    assert features == {"text": None, "gallery": "gallery_feature"}
    proof = body["graphs"]["gallery"]["variants"]["fp32"]["feature_parity"]
    assert (proof["samples"], proof["max_abs"] < 1e-5) == (8, True)
    for name, samples in (("text", 6), ("gallery", 8)):  # all that the validation classes have
        [(precision, variant)] = body["graphs"][name]["variants"].items()
        assert (precision, variant["file"]) == ("fp32", f"{name}.onnx")
        parity = variant["parity"]
        assert parity["samples"] == samples
        assert parity["batch_sizes"] == [1, 3, 8, 64]
        assert 0 < parity["max_abs"] < 1e-5
        assert 0.99999 < parity["min_cosine"] <= 1.00001
    assert body["top10_overlap"] == {"text": 1.0}
    assert body["tolerance"] == {"max_abs": 1e-4, "min_cosine": 0.9999, "min_overlap": 0.99}
    provenance = body["provenance"]
    assert provenance["sources"] == run.sources
    assert provenance["validation"] == run.best["figures"]
    assert (provenance["seed"], provenance["step"]) == (16, run.best["step"])
    assert (provenance["selection"], provenance["refitted"]) == (run.selection, True)


def test_exports_with_one_gallery_share_a_space(
    vector_run: Run, vector_bundle: Bundle, tmp_path: Path
) -> None:
    """Other noise makes another text graph; the gallery, traced anew, is the same."""
    other = export_run(vector_run, tmp_path / "b")
    texts = [hash_file(bundle.folder / "text.onnx") for bundle in (other, vector_bundle)]
    assert texts[0] != texts[1]
    assert other.manifest.sha256 != vector_bundle.manifest.sha256
    assert other.space == vector_bundle.space


def test_examples_are_texts_of_unseen_classes_with_their_class(deployed, shapes: Path) -> None:
    """They mark answers right or wrong; a class's description is not among its captions."""
    collection = read_collection(shapes)
    lines = (deployed.bundle / "examples.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    unseen = collection.splits["unseen"]
    assert {row["class"] for row in rows} == set(unseen)
    texts = collection.texts(unseen)
    assert all(row["text"] in texts[row["class"]][1:] for row in rows)


@pytest.mark.parametrize(("name", "tensor"), [("text", "bias"), ("gallery", "weight")])
def test_a_sabotaged_graph_is_never_published(
    deployed, traced: Traced, tmp_path: Path, name: str, tensor: str
) -> None:
    """One layer's numbers off by a tenth at one place: ParityError, and nothing under the name."""

    def sabotaged(one: DeployedHead) -> onnx.ModelProto:
        model = traced(deployed.bundle)(one)
        for part in model.graph.initializer if one.name == name else ():
            if part.name.endswith(f"fc.{tensor}"):
                values = onnx.numpy_helper.to_array(part).copy()
                values[..., 3] *= 1.1
                part.CopyFrom(onnx.numpy_helper.from_array(values, part.name))
        return model

    with pytest.raises(ParityError, match=f"{name}.onnx differs from the trained model"):
        export_run(open_run(deployed.run), tmp_path / "bundles/b", build=sabotaged)
    assert list(tmp_path.iterdir()) == []


def test_a_sabotaged_feature_is_never_published(deployed, traced: Traced, tmp_path: Path) -> None:
    """The second output is proven as the first is, though no query is compared with it."""

    def sabotaged(one: DeployedHead) -> onnx.ModelProto:
        model = traced(deployed.bundle)(one)
        if one.name == "gallery":
            [maker] = [node for node in model.graph.node if "gallery_feature" in node.output]
            maker.output[0] = "sound"
            model.graph.node.append(onnx.helper.make_node("Neg", ["sound"], ["gallery_feature"]))
        return model

    with pytest.raises(ParityError, match=r"feature of gallery\.onnx differs"):
        export_run(open_run(deployed.run), tmp_path / "bundles/b", build=sabotaged)
    assert list(tmp_path.iterdir()) == []


def test_sound_graphs_of_the_same_kind_are_published(
    deployed, traced: Traced, tmp_path: Path
) -> None:
    """The same without the sabotage: it is the weight that was refused."""
    made = export_run(open_run(deployed.run), tmp_path / "b", build=traced(deployed.bundle))
    before = read_manifest(deployed.bundle, "bundle")
    assert made.manifest.files == before.files
    for body in (made.manifest.body, before.body):
        for source in filter(None, body["provenance"]["sources"].values()):
            source.pop("relative", None)  # the two lie at different places
    assert made.manifest.body == before.body


def test_graphs_with_other_settings_are_another_model(
    vector_run: Run, vector_bundle: Bundle, traced: Traced, tmp_path: Path
) -> None:
    """They have noise folded in, which is not asked for here: the sentence says what differs."""
    with pytest.raises(ParityError, match="text.onnx differs .* max abs .*nothing was exported"):
        export_run(vector_run, tmp_path / "b", build=traced(vector_bundle.folder))
    assert list(tmp_path.iterdir()) == []


def embedded(run: Run, name: str, rows: np.ndarray, **settings: int) -> np.ndarray:
    """Embed rows by a run's head in torch."""
    return run_head(run.load_model().heads(**settings)[name], [rows], "cpu")


def test_published_vectors_are_the_inputs_of_their_graphs(
    vector_bundle: Bundle, vector_run: Run, vectors: Path
) -> None:
    """No encoder is merged: text_vector and image_vector go in, and equal torch comes out."""
    collection = read_collection(vectors)
    assert set(vector_bundle.manifest.files) == {"text.onnx", "gallery.onnx", "card.md"}
    for name, field in (("text", "text"), ("gallery", "image")):
        rows, graph = collection.vectors(field), vector_bundle.graph(name)
        [spec] = vector_bundle.graphs[name]["inputs"]
        assert (spec["field"], spec["names"]) == ("vector", [f"{field}_vector"])
        assert (spec["kind"], spec["shape"]) == ("vector", ["batch", rows.shape[1]])
        model = onnx.load(graph.graph)
        assert [value.name for value in model.graph.input] == [f"{field}_vector"]
        expected = embedded(vector_run, name, rows, noise_samples=3)
        for size in (1, 3, 8, 64):
            found = graph.encode(Query.of("vector", rows), batch_size=size)
            np.testing.assert_allclose(found, expected, atol=1e-6)
    assert vector_bundle.route(frozenset({"vector"})) is vector_bundle.graph("text")


def test_noise_samples_are_folded_into_the_graph(
    vector_bundle: Bundle, vector_run: Run, vectors: Path
) -> None:
    """Three draws give other embeddings than the mean does, the same ones for every call."""
    rows = read_collection(vectors).vectors("text")
    queries, graph = Query.of("vector", rows), vector_bundle.graph("text")
    found = graph.encode(queries)
    np.testing.assert_array_equal(found, graph.encode(queries))
    assert np.abs(found - embedded(vector_run, "text", rows)).max() > 1e-4
    assert vector_bundle.manifest.body["head_settings"] == {"noise_samples": 3}


def test_raw_features_are_exported_as_one_more_pair_of_heads(
    vector_run: Run, vectors: Path, tmp_path: Path
) -> None:
    """The gallery's graph is the image's own direction; both agree with torch."""
    settings = {"noise_samples": 2, "raw_feature": True}
    bundle = export_run(vector_run, tmp_path / "bundle", settings=settings)
    collection = read_collection(vectors)
    for name, field in (("text", "text"), ("gallery", "image")):
        rows = collection.vectors(field)
        found = bundle.graph(name).encode(Query.of("vector", rows))
        expected = embedded(vector_run, name, rows, **settings)
        np.testing.assert_allclose(found, expected, atol=1e-6)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(found, rows / lengths, atol=1e-6)
    assert bundle.manifest.body["head_settings"] == settings


def test_embeddings_of_the_exported_graphs_are_unit(vector_bundle: Bundle) -> None:
    """What everything after the export rests on."""
    rows = np.random.default_rng(1).random((9, 8), np.float32)
    found = vector_bundle.graph("text").encode(Query.of("vector", rows))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"noise": 3}, "zscrgan-reference has no setting 'noise'; it has noise_samples, raw_f"),
        ({"noise_samples": "many"}, "noise_samples='many' is not a int"),
        ({"noise_samples": -1}, "noise_samples=-1 must be at least 0"),
    ],
)
def test_unknown_settings_of_heads_are_refused(
    vector_run: Run, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    """Before anything is traced or written."""
    with pytest.raises(ConfigError, match=message):
        export_run(vector_run, tmp_path / "b", settings=settings)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("taken", [Path.mkdir, Path.touch])
def test_a_bundle_never_replaces_anything(
    vector_run: Run, tmp_path: Path, taken: Callable[[Path], None]
) -> None:
    """A file or folder of that name stays what it is."""
    taken(tmp_path / "b")
    with pytest.raises(ArtefactError, match="b exists already; name another place"):
        export_run(vector_run, tmp_path / "b")


def test_a_run_without_validated_weights_is_refused(vector_run: Run, tmp_path: Path) -> None:
    """There is nothing yet that deserves to be shipped."""
    made = (vector_run.config, vector_run.shapes, vector_run.sources)
    run = create_run(tmp_path / "run", "zscrgan-reference", *made)
    with pytest.raises(ArtefactError, match="has no validated weights yet; train it further"):
        export_run(run, tmp_path / "b")
    assert not (tmp_path / "b").exists()
