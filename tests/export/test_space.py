"""Which exports may share an index: the space is the gallery's, whatever else is in the bundle."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zscr.artefact import hash_file, read_manifest, write_manifest
from zscr.export.bundle import export_run
from zscr.export.heads import build_graph, deployed_heads
from zscr.infer.bundle import Bundle
from zscr.train.run import Run
from zscr.train.sources import load_sources

Runs = Callable[..., Run]


def gallery_hash(bundle: Bundle) -> str:
    return hash_file(bundle.folder / "gallery.onnx")


def test_two_traces_have_the_same_bytes(handmade: Bundle, handmade_run: Runs) -> None:
    """Traced anew, every graph is the file that it was, so its hash can name a space."""
    run = handmade_run()
    deployed = deployed_heads(run.load_best().heads(), load_sources(run)[1], run.shapes)
    for one in deployed:
        content = (handmade.folder / f"{one.name}.onnx").read_bytes()
        assert build_graph(one).SerializeToString() == content


def test_exports_with_one_gallery_share_a_space(
    vector_run: Run, vector_bundle: Bundle, tmp_path: Path
) -> None:
    """Other noise makes another text graph; the gallery, traced anew, is the same."""
    other = export_run(vector_run, tmp_path / "b")
    texts = [hash_file(bundle.folder / "text.onnx") for bundle in (other, vector_bundle)]
    assert texts[0] != texts[1]
    assert other.manifest.sha256 != vector_bundle.manifest.sha256
    assert other.space == vector_bundle.space


@pytest.mark.parametrize("changed", [{"seed": 5}, {"dim": 7}], ids=["head", "dim"])
def test_another_gallery_head_is_another_space(
    handmade: Bundle, handmade_run: Runs, tmp_path: Path, changed: dict[str, Any]
) -> None:
    """Other weights, or vectors of another length."""
    other = export_run(handmade_run(**changed), tmp_path / "b")
    assert gallery_hash(other) != gallery_hash(handmade)
    assert other.space != handmade.space


def test_other_preprocessing_is_another_space(
    handmade: Bundle,
    handmade_run: Runs,
    tiny_image: Path,
    tmp_path: Path,
) -> None:
    """The graph, traced anew, is the same file; the pixels that it is fed with are others."""
    shutil.copytree(tiny_image, tmp_path / "encoder")
    manifest = read_manifest(tiny_image, "encoder")
    [spec] = manifest.body["inputs"]
    darker = {**spec, "preprocess": {**spec["preprocess"], "mean": [0.25, 0.25, 0.25]}}
    body = {**manifest.body, "inputs": [darker]}
    write_manifest(tmp_path / "encoder", "encoder", manifest.files, body)
    run = handmade_run(image=tmp_path / "encoder")
    other = export_run(run, tmp_path / "b")
    assert gallery_hash(other) == gallery_hash(handmade)
    assert other.space != handmade.space
