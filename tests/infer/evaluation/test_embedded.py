"""A bundle's figures on a collection: those of its own embeddings, by another way round."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from zscr.artefact import staged
from zscr.data.collection import read_collection
from zscr.errors import MismatchError
from zscr.infer.bundle import Bundle
from zscr.infer.evaluation.embedded import bundle_collection, judge_bundle
from zscr.infer.runners.onnx import Runtime

ONE = Runtime(threads=1)


@pytest.fixture
def bundle(deployed):
    return Bundle.open(deployed.bundle, ONE)


def average_precision(scores, relevant):
    """The definition, read aloud: the mean precision at the rank of each relevant item."""
    ranked = relevant[np.argsort(-scores, kind="stable")]
    return np.mean([ranked[: rank + 1].mean() for rank in np.flatnonzero(ranked)])


@pytest.mark.parametrize("split", ["unseen", "val"])
def test_figures_are_those_of_the_embeddings(bundle, shapes, split):
    """Every text of the split's classes asks for its images, and for no others."""
    collection = read_collection(shapes)
    items = collection.split(split)
    gallery = bundle.gallery.encode([shapes / str(item.image) for item in items])
    precisions, firsts = [], []
    for name, texts in collection.texts(collection.splits[split]).items():
        relevant = np.array([item.class_id == name for item in items])
        for query in bundle.query.encode(texts):
            scores = gallery.astype(np.float64) @ query
            precisions.append(average_precision(scores, relevant))
            firsts.append(relevant[scores.argmax()])
    report = judge_bundle(bundle, collection, split).report()
    assert (report.queries, report.gallery, report.classes) == (10, 8, 2)
    assert report.metrics["mAP"] == pytest.approx(np.mean(precisions))
    assert report.metrics["Top-1"] == pytest.approx(np.mean(firsts))
    assert report.chance == 0.5


def test_nothing_is_left_in_the_collection(bundle, shapes, tmp_path):
    """It may be read-only, and the embeddings of one bundle are of no use to another."""
    own = shutil.copytree(shapes, tmp_path / "shapes", ignore=shutil.ignore_patterns("features"))
    before = sorted(own.rglob("*"))
    judge_bundle(bundle, read_collection(own), "val")
    assert sorted(own.rglob("*")) == before


def vector_graph(path, name, width):
    """A graph from vectors to their first eight numbers, normalised."""
    ends = [(name, width), (f"{path.stem}_embedding", 8)]
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["b", w]) for n, w in ends]
    bounds = [helper.make_tensor(n, TensorProto.INT64, [1], [v]) for n, v in (("a", 0), ("z", 8))]
    axis = helper.make_tensor("axis", TensorProto.INT64, [1], [1])
    nodes = [
        helper.make_node("Slice", [name, "a", "z", "axis"], ["cut"]),
        helper.make_node("LpNormalization", ["cut"], [ends[1][0]], axis=1, p=2),
    ]
    graph = helper.make_graph(nodes, "g", infos[:1], infos[1:], [*bounds, axis])
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)


def test_published_vectors_are_embedded_by_the_bundle(vectors, tmp_path):
    """Where the collection has vectors, both sides take them from it."""
    with staged(tmp_path / "bundle", "bundle") as stage:
        inputs = {}
        for side, name, width in (("query", "text", 8), ("gallery", "image", 12)):
            vector_graph(stage.folder / f"{side}.onnx", name, width)
            inputs[side] = [{"name": name, "kind": "vector", "shape": ["batch", width]}]
        stage.body |= {"dim": 8, "inputs": inputs}
    judged = judge_bundle(Bundle.open(tmp_path / "bundle", ONE), read_collection(vectors), "unseen")
    for found, name, rows in ((judged.queries, "text", 16), (judged.gallery, "image", 32)):
        first = np.load(vectors / f"vectors/{name}.npy")[rows:, :8]
        first /= np.linalg.norm(first, axis=1, keepdims=True)
        np.testing.assert_allclose(found, first, atol=1e-6)
    assert judged.query_classes == ["c8", "c8", "c9", "c9"]


def test_the_collection_is_the_one_that_it_was_trained_on(bundle, shapes, tmp_path):
    """Found without being named; another one only when it is."""
    assert bundle_collection(bundle).folder == shapes
    own = Path(shutil.copytree(shapes, tmp_path / "own"))
    assert bundle_collection(bundle, own).folder == own


def test_a_collection_that_has_changed_is_refused(bundle, shapes, tmp_path):
    """Its figures would be of other images than the ones that the run was judged on."""
    from zscr.data.collection import ClassInfo, new_collection

    sources = bundle.manifest.body["provenance"]["sources"]
    with new_collection(tmp_path / "c", name="c", protocol="test", provenance={}) as draft:
        draft.add_class(ClassInfo("a", "a"), "seen")
    with staged(tmp_path / "bundle", "bundle") as stage:
        collection = sources["collection"] | {"path": str(tmp_path / "c")}
        stage.body |= {"provenance": {"sources": {"collection": collection}}}
    message = f"{collection['sha256'][:12]} of .*/c, which is now .*--collection"
    with pytest.raises(MismatchError, match=message):
        bundle_collection(Bundle.open(tmp_path / "bundle"))
