"""A bundle is published with its proof, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from zscr.artefact import read_manifest, verify
from zscr.data.collection import read_collection
from zscr.errors import ArtefactError, ParityError
from zscr.export import bundle as bundle_module
from zscr.export.bundle import export_run
from zscr.infer.bundle import Bundle
from zscr.train.run import Run, create_run, open_run


def test_the_manifest_holds_the_proof_and_the_origin(deployed) -> None:
    """Parity on real samples at every batch size, the inputs, the run, its sources, its figures."""
    manifest, run = read_manifest(deployed.bundle, "bundle"), open_run(deployed.run)
    verify(deployed.bundle, manifest)
    body, parity = manifest.body, manifest.body["parity"]
    assert set(manifest.files) == {"query.onnx", "gallery.onnx", "tokenizer.json", "examples.jsonl"}
    assert (body["method"], body["dim"], body["metric"]) == ("zscrgan", 16, "cosine")
    for side, samples in (("query", 10), ("gallery", 8)):  # all of the validation classes'
        assert parity[side]["samples"] == samples
        assert parity[side]["batch_sizes"] == [1, 3, 8, 64]
        assert 0 < parity[side]["max_abs"] < 1e-5
        assert 0.99999 < parity[side]["min_cosine"] <= 1.00001
    assert parity["top10_overlap"] == 1.0
    assert parity["tolerance"] == {"max_abs": 1e-4, "min_cosine": 0.9999, "min_overlap": 0.99}
    provenance = body["provenance"]
    assert provenance["sources"] == run.sources
    assert provenance["validation"] == run.best["figures"]
    assert (provenance["seed"], provenance["step"]) == (7, run.best["step"])


def test_examples_are_texts_of_unseen_classes_with_their_class(deployed, shapes: Path) -> None:
    """They mark answers right or wrong; a class's description is not among its captions."""
    collection = read_collection(shapes)
    lines = (deployed.bundle / "examples.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    unseen = collection.splits["unseen"]
    assert {row["class"] for row in rows} == set(unseen)
    texts = collection.texts(unseen)
    assert all(row["text"] in texts[row["class"]][1:] for row in rows)


@pytest.mark.parametrize(("side", "tensor"), [("query", "bias"), ("gallery", "weight")])
def test_a_sabotaged_graph_is_never_published(
    deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: str, tensor: str
) -> None:
    """One layer's numbers off by a tenth at one place: ParityError, and nothing under the name."""

    def sabotaged(method: torch.nn.Module, which: bundle_module.Side) -> onnx.ModelProto:
        model = onnx.load(deployed.bundle / f"{which.name}.onnx")
        for part in model.graph.initializer:
            if which.name == side and part.name.endswith(f"csem.fc.{tensor}"):
                values = onnx.numpy_helper.to_array(part).copy()
                values[..., 3] *= 1.1
                part.CopyFrom(onnx.numpy_helper.from_array(values, part.name))
        return model

    monkeypatch.setattr(bundle_module, "build_graph", sabotaged)
    with pytest.raises(ParityError, match=f"{side}.onnx differs from the trained model"):
        export_run(open_run(deployed.run), tmp_path / "bundles/b")
    assert list((tmp_path / "bundles").iterdir()) == []


def test_sound_graphs_of_the_same_kind_are_published(
    deployed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same without the sabotage: it is the weight that was refused."""
    monkeypatch.setattr(
        bundle_module, "build_graph", lambda _, s: onnx.load(deployed.bundle / f"{s.name}.onnx")
    )
    made = export_run(open_run(deployed.run), tmp_path / "b")
    before = read_manifest(deployed.bundle, "bundle")
    assert made.manifest.files == before.files
    assert made.manifest.body == before.body


def test_published_vectors_are_the_inputs_of_their_graphs(
    vector_bundle: Bundle, vector_run: Run, vectors: Path
) -> None:
    """No encoder is merged: query_vector and gallery_vector go in, and equal torch comes out."""
    collection, method = read_collection(vectors), vector_run.load_best()
    method.average_noise(3)
    assert set(vector_bundle.manifest.files) == {"query.onnx", "gallery.onnx"}
    for name, side, kind, encode in (
        ("query", vector_bundle.query, "text", method.encode_query),
        ("gallery", vector_bundle.gallery, "image", method.encode_gallery),
    ):
        rows = collection.vectors(kind)
        [spec] = vector_bundle.manifest.body["inputs"][name]
        assert spec["name"] == f"{name}_vector"
        assert (spec["kind"], spec["shape"]) == ("vector", ["batch", rows.shape[1]])
        assert [value.name for value in side.session.get_inputs()] == [f"{name}_vector"]
        with torch.no_grad():
            expected = encode(torch.from_numpy(rows)).numpy()
        for size in (1, 3, 8, 64):
            found = side.encode(rows, batch_size=size)
            np.testing.assert_allclose(found, expected, atol=1e-6)


def test_noise_samples_are_folded_into_the_graph(
    vector_bundle: Bundle, vector_run: Run, vectors: Path
) -> None:
    """Three draws give other embeddings than the mean does, the same ones for every call."""
    rows, silent = read_collection(vectors).vectors("text"), vector_run.load_best()
    found = vector_bundle.query.encode(rows)
    np.testing.assert_array_equal(found, vector_bundle.query.encode(rows))
    with torch.no_grad():
        assert np.abs(found - silent.encode_query(torch.from_numpy(rows)).numpy()).max() > 1e-4
    assert vector_bundle.manifest.body["noise_samples"] == 3


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
    run = create_run(
        tmp_path / "run",
        "zscrgan",
        "reference",
        vector_run.config,
        vector_run.dims,
        vector_run.sources,
    )
    with pytest.raises(ArtefactError, match="has no validated weights yet; train it further"):
        export_run(run, tmp_path / "b")
    assert not (tmp_path / "b").exists()
