"""A gallery may be encoded in another precision, if that was asked for and finds what fp32 does."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner

from zscr.artefact import read_manifest, verify, write_manifest
from zscr.cli import main
from zscr.errors import ConfigError, MismatchError
from zscr.export.precision.gate import Limits, fault_of
from zscr.export.precision.ladder import add_precisions
from zscr.export.precision.trial import ALONE, gallery_subject
from zscr.infer.bundle import Bundle
from zscr.infer.exchange.exports import export_index
from zscr.infer.exchange.imports import import_index
from zscr.infer.index.add import add_images
from zscr.infer.index.index import Index
from zscr.infer.index.upkeep.joining import join
from zscr.infer.precision import REFUSED

LENIENT = Limits(max_drop=1, min_cosine=-1, min_overlap=0)


@pytest.fixture(scope="module")
def tried(deployed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the bundle of a trained run and try two precisions of its gallery; never write it."""
    folder = shutil.copytree(deployed.bundle, tmp_path_factory.mktemp("tried") / "bundle")
    add_precisions(folder, [], LENIENT, gallery=["fp16", "int8"])
    return folder


@pytest.fixture(scope="module")
def indexes(tried: Path, shapes: Path) -> dict[str, Index]:
    """Index the same images in either precision."""
    images = sorted(shapes.glob("white-*.png"))
    plain = Bundle.open(tried, ALONE)
    return {
        name: add_images(
            plain.with_gallery_in(name), tried.with_name(f"{name}.index"), images
        ).index
        for name in ("fp32", "fp16")
    }


def zscr(*args: object) -> Any:
    return CliRunner().invoke(main, [str(arg) for arg in args])


def test_its_table_says_what_was_measured(tried: Path, deployed) -> None:
    """Queries are as they were, and so is the space; what no rung touches is refused by name."""
    manifest = read_manifest(tried, "bundle")
    verify(tried, manifest)
    body = manifest.body
    assert {name: [*graph["variants"]] for name, graph in body["graphs"].items()} == {
        "text": ["fp32"],
        "gallery": ["fp32", "fp16"],
    }
    rungs = body["gallery_precisions"]["rungs"]
    figures = rungs["fp16"]["graphs"]["gallery"]
    assert (figures["task"], figures["split"], figures["queries"]) == ("text", "val", 10)
    assert 0 < figures["max_abs"] < 0.01
    assert figures["cpu_ms"] > 0
    assert rungs["int8"]["status"] == REFUSED
    assert "no constant matrix of 32 rows and columns" in rungs["int8"]["why"]
    assert not {"precisions", "fastest", "fastest_by"} & body.keys()
    assert Bundle.open(tried).space == Bundle.open(deployed.bundle).space
    assert "| gallery | fp16 | ort-cpu | kept |" in (tried / "card.md").read_text()


def test_queries_are_tried_beside_a_gallery_that_was(tried: Path, tmp_path: Path) -> None:
    """What is asked for of one leaves the table and the graphs of the other."""
    folder = shutil.copytree(tried, tmp_path / "bundle")
    before = read_manifest(folder, "bundle").body
    add_precisions(folder, ["fp16"], LENIENT)
    body = read_manifest(folder, "bundle").body
    assert body["gallery_precisions"] == before["gallery_precisions"]
    assert [*body["graphs"]["text"]["variants"]] == ["fp32", "fp16"]
    assert [*body["graphs"]["gallery"]["variants"]] == ["fp32", "fp16"]
    assert body["precisions"]["rungs"].keys() == {"fp32", "fp16"}


def test_a_gallery_that_is_found_less_is_refused(tried: Path, tmp_path: Path) -> None:
    """Its matrices are noise here: queries in fp32 rank what it encodes."""
    folder = shutil.copytree(tried, tmp_path / "bundle")
    subject = gallery_subject(Bundle.open(folder, ALONE))
    model, rng = onnx.load(folder / "gallery.onnx"), np.random.default_rng(3)
    for one in model.graph.initializer:
        if len(one.dims) == 2 and one.data_type == onnx.TensorProto.FLOAT:
            noise = rng.standard_normal(tuple(one.dims)).astype(np.float32)
            one.CopyFrom(onnx.numpy_helper.from_array(noise, one.name))
    onnx.save(model, folder / "noise.onnx")
    figures = subject.judge.figures(subject.opened(folder / "noise.onnx", "ort-cpu"))
    assert figures["gain"] != 0
    assert str(fault_of(figures, Limits(min_cosine=0.99))).startswith("cosine ")
    same = subject.judge.figures(subject.plain)
    assert (same["gain"], same["top10_overlap"]) == (0, 1)


def test_an_index_is_of_the_precision_that_was_asked_for(
    tried: Path, indexes: dict[str, Index]
) -> None:
    """And says so; what a killed run leaves of one is not taken for the other."""
    rows = {name: np.asarray(index.vectors) for name, index in indexes.items()}
    assert {name: Index.open(index.folder).precision for name, index in indexes.items()} == {
        "fp32": "fp32",
        "fp16": "fp16",
    }
    assert 0 < np.abs(rows["fp16"] - rows["fp32"]).max() < 0.01
    plain = Bundle.open(tried, ALONE)
    names = {plain.with_gallery_in(name).gallery.name for name in ("fp32", "fp16")}
    assert names == {"bundle.gallery", "bundle.gallery.fp16"}
    with pytest.raises(ConfigError, match=r"no graph 'gallery' in int8 \(.*with --gallery-prec"):
        plain.with_gallery_in("int8")
    assert plain.gallery.graph.name == "gallery.onnx"


def test_vectors_of_two_precisions_never_share_an_index(
    tried: Path, indexes: dict[str, Index], shapes: Path, tmp_path: Path
) -> None:
    """Not when images are added, nor when indexes are merged."""
    folder = shutil.copytree(indexes["fp16"].folder, tmp_path / "own.index")
    image = shapes / "red-circle-0.png"
    wrong = zscr("index", "add", image, "--bundle", tried, "--index", folder)
    assert (wrong.exit_code, "give --precision fp16" in wrong.stderr) == (1, True)
    assert Index.open(folder).count == indexes["fp16"].count
    done = zscr("index", "add", image, "--bundle", tried, "--index", folder, "--precision", "fp16")
    assert done.exit_code == 0, done.output
    assert Index.open(folder).count == indexes["fp16"].count + 1
    with pytest.raises(MismatchError, match="merge indexes of one precision"):
        join(tmp_path / "both.index", [one.folder for one in indexes.values()])


def test_whoever_asks_is_told(tried: Path, indexes: dict[str, Index], tmp_path: Path) -> None:
    """Queries and `info`; what is exported and imported again is of the same precision."""
    for name, index in indexes.items():
        found = zscr("query", "--bundle", tried, "--index", index.folder, "--text", "a red circle")
        assert found.exit_code == 0, found.output
        assert ("the images were encoded in fp16" in found.stderr) == (name == "fp16")
        assert f", in {name}" in zscr("index", "info", index.folder).stdout
    rows = str(tmp_path / "rows")
    export_index(indexes["fp16"].folder, rows, "npy")
    back = import_index(rows, tmp_path / "back.index").index
    assert back.precision == "fp16"


def test_an_index_of_an_earlier_version_is_of_fp32(
    indexes: dict[str, Index], tmp_path: Path
) -> None:
    """Its manifest does not say it."""
    folder = shutil.copytree(indexes["fp32"].folder, tmp_path / "old.index")
    manifest = read_manifest(folder, "index")
    body = {name: value for name, value in manifest.body.items() if name != "precision"}
    write_manifest(folder, "index", manifest.files, body)
    assert Index.open(folder).precision == "fp32"
