"""The engines of a bundle, in the cache beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.test_formats import names_of
from zscr.artefact import read_manifest, verify
from zscr.errors import ArtefactError, ConfigError
from zscr.export.tensorrt.engines import build_engines
from zscr.infer.bundle import Bundle
from zscr.infer.engines.cache import Rebuild, engine_for
from zscr.infer.engines.entry import Entry, read_entry
from zscr.infer.engines.toolchain import Device, Here

onnx = pytest.importorskip("onnx", reason="needs the extra 'export'")
pytestmark = [pytest.mark.engines, pytest.mark.usefixtures("tensorrt_rtx")]

SM86 = Device("NVIDIA A10", "SM86", "580.1")


def here(version: str, device: Device | None = SM86) -> Here:
    return Here("tensorrt_rtx", version, "13", device)


def test_every_graph_of_a_bundle_gets_an_engine_beside_it(bundle: Path) -> None:
    """The manifest says what it is, and the bundle is untouched."""
    before = {path: path.read_bytes() for path in bundle.iterdir()}
    folders = build_engines(bundle, targets=["8.9", "sm86"])
    entries = {entry.body["graph"]: entry for entry in map(read_entry, folders)}
    assert [*entries] == ["text", "story", "gallery"]
    assert {folder.parent for folder in folders} == {bundle.with_name("birds.engines")}
    for name, entry in entries.items():
        verify(entry.folder, entry.manifest)
        assert len(entry.read()) > 1000
        assert entry.body["status"] == "built, not run"
        assert entry.path.name == f"{name}-fp32.engine"
        files = read_manifest(bundle, "bundle").files
        assert entry.recipe.onnx == files[f"{name}.onnx"]["sha256"]
        assert (entry.recipe.toolchain.targets, entry.recipe.toolchain.device) == (
            ("SM86", "SM89"),
            None,
        )
    text, story, gallery = (one.body for one in entries.values())
    assert text["inputs"][0] == {"name": "input_ids", "dtype": "int64", "shape": [-1, -1]}
    assert text["outputs"] == [{"name": "text_embedding", "dtype": "float32", "shape": [-1, 4]}]
    assert text["profiles"][0]["input_ids"] == {"min": [1, 1], "opt": [1, 16], "max": [1, 32]}
    assert text["profiles"][1]["input_ids"] == {"min": [2, 1], "opt": [8, 16], "max": [8, 32]}
    assert story["profiles"][-1]["input_ids"]["max"] == [512, 200]
    assert gallery["profiles"][-1]["features"]["max"] == [512, 8]
    outputs = [(out["name"], out["shape"]) for out in gallery["outputs"]]
    assert outputs == [("gallery_embedding", [-1, 4]), ("gallery_feature", [-1, 8])]
    assert before == {path: path.read_bytes() for path in bundle.iterdir()}


def test_the_document_of_formats_names_every_field(bundle: Path) -> None:
    """Of the manifest, its recipe and the toolchain."""
    body = read_entry(build_engines(bundle, targets=["sm86"])[-1]).body
    fields = {*body, *body["recipe"], *body["recipe"]["toolchain"], "capability", "driver"}
    assert fields <= names_of("Engines")


def test_an_engine_is_built_once_for_the_same_things(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same call (through a link too) keeps it and says so; for another GPU it is built."""
    first = build_engines(bundle, targets=["sm86"])
    made = [(folder / "manifest.json").stat().st_mtime_ns for folder in first]
    (tmp_path / "latest").symlink_to(bundle)
    capsys.readouterr()
    assert build_engines(tmp_path / "latest", targets=["SM86"]) == first
    assert capsys.readouterr().err.count(" is already built in ") == 3
    assert made == [(folder / "manifest.json").stat().st_mtime_ns for folder in first]
    assert not {*first} & {*build_engines(bundle, targets=["sm89"])}


def test_precisions_are_those_that_the_bundle_has(
    tmp_path: Path, save_bundle: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """But those that TensorRT has no operators for; one that is not there is refused."""
    bundle = save_bundle(tmp_path / "birds", precisions=("fp16", "int8-dynamic"))
    built = [read_entry(folder) for folder in build_engines(bundle, precisions=["all"])]
    assert [(one.body["graph"], one.recipe.precision) for one in built] == [
        *(("text", "fp32"), ("text", "fp16")),
        *(("story", "fp32"), ("gallery", "fp32")),
    ]
    assert "no engine is built in int8-dynamic" in capsys.readouterr().err
    only = build_engines(bundle, precisions=["fp16"])
    assert only == [built[1].folder]
    with pytest.raises(ConfigError, match="no graph in int4, only in fp32, fp16, int8-dynamic"):
        build_engines(bundle, precisions=["int4"])


def test_a_damaged_engine_is_built_again(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One flipped bit is said, and not loaded; the next build replaces it."""
    [*_, folder] = build_engines(bundle, targets=["sm86"])
    engine = read_entry(folder).path
    content = bytearray(engine.read_bytes())
    content[len(content) // 2] ^= 1
    engine.write_bytes(content)
    with pytest.raises(ArtefactError, match="gallery-fp32.engine was edited or cut"):
        read_entry(folder).read()
    assert build_engines(bundle, targets=["sm86"])[-1] == folder
    assert "gallery-fp32.engine was edited or cut" in capsys.readouterr().err
    assert len(read_entry(folder).read()) > 1000


def test_a_graph_that_changed_is_built_again_and_said(
    tmp_path: Path, save_bundle: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """The engine that was built of the old one is of no use, and is never taken for the new."""
    bundle = save_bundle(tmp_path / "birds")
    version = read_entry(build_engines(bundle, targets=["sm86"])[0]).recipe.toolchain.version
    opened = Bundle.open(bundle)
    assert isinstance(
        engine_for(opened.folder, opened.manifest, "gallery", "fp32", here(version)), Entry
    )
    bundle.rename(tmp_path / "old")
    save_bundle(bundle, damage=lambda path: change_a_weight(path))
    opened = Bundle.open(bundle)
    found = engine_for(opened.folder, opened.manifest, "gallery", "fp32", here(version))
    assert isinstance(found, Rebuild)
    assert found.onnx == bundle / "gallery.onnx"
    assert isinstance(
        engine_for(opened.folder, opened.manifest, "text", "fp32", here(version)), Entry
    )
    capsys.readouterr()
    build_engines(bundle, targets=["sm86"])
    said = capsys.readouterr().err
    assert f"'gallery' in fp32 is built again: {found.why}" in said
    assert said.count("already built") == 2
    assert isinstance(
        engine_for(opened.folder, opened.manifest, "gallery", "fp32", here(version)), Entry
    )


def change_a_weight(path: Path) -> None:
    """Change one weight: of the same structure, which an engine would run as well."""
    model = onnx.load(path)
    weights = onnx.numpy_helper.to_array(model.graph.initializer[0]).copy()
    weights[0, 0] += 1
    name = model.graph.initializer[0].name
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weights, name))
    onnx.save(model, path)


def test_a_failed_engine_leaves_nothing_and_the_others_stay(
    tmp_path: Path, save_bundle: Callable[..., Path]
) -> None:
    """The sentence names the node; what was built before it is of use."""

    def name_an_unknown_operator(path: Path) -> None:
        model = onnx.load(path)
        model.graph.node[1].op_type = "NoSuchOperator"
        path.write_bytes(model.SerializeToString())

    bundle = save_bundle(tmp_path / "broken", damage=name_an_unknown_operator)
    with pytest.raises(ArtefactError, match="NoSuchOperator"):
        build_engines(bundle, targets=["sm86"])
    names = sorted(path.name.split("-")[0] for path in (tmp_path / "broken.engines").iterdir())
    assert names == ["story", "text"]


def test_a_full_disk_leaves_nothing(small_disk: Path, save_bundle: Callable[..., Path]) -> None:
    """An engine is larger than 1 MB: one sentence, no part of it."""
    bundle = save_bundle(small_disk / "birds")
    with pytest.raises(ArtefactError, match="the disk is full"):
        build_engines(bundle, targets=["sm86"])
    assert [*small_disk.iterdir()] == [bundle]


BUILD = """
import os, signal, sys
from pathlib import Path
from zscr.export.tensorrt.engines import build_engines
if sys.argv[2:]:  # publishing is the first thing that renames anything
    os.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
build_engines(Path(sys.argv[1]), targets=["sm86"])
"""


def built(bundle: Path, *extra: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", BUILD, str(bundle), *extra]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_build_that_is_killed_leaves_nothing_to_load(bundle: Path) -> None:
    """At the worst moment, with the engine sealed and unnamed; the next build clears it away."""
    assert built(bundle, "kill").returncode == -signal.SIGKILL
    place = bundle.with_name("birds.engines")
    assert not [path.name for path in place.iterdir() if path.name[0] != "."]
    assert [*place.glob(".*.partial/seal")]
    build_engines(bundle, targets=["sm86"])
    assert len([path for path in place.iterdir() if path.name[0] != "."]) == 3
    assert not [path for path in place.iterdir() if path.name[0] == "."]


def test_two_processes_build_once(bundle: Path) -> None:
    """The other waits for each engine and takes it."""
    command = [sys.executable, "-c", BUILD, str(bundle)]
    both = [
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ})
        for _ in range(2)
    ]
    said = "".join(process.communicate()[1] for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert said.count("built the engine of") == 3
    assert len([*bundle.with_name("birds.engines").iterdir()]) == 3
