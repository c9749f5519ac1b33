"""Engines are built for real, with no GPU; only running them would need one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from zscr.artefact import read_manifest, verify
from zscr.errors import ArtefactError
from zscr.export.tensorrt.engines import build_engine, build_engines

onnx = pytest.importorskip("onnx", reason="needs the extra 'export'")


@pytest.mark.engines
@pytest.mark.usefixtures("tensorrt_rtx")
def test_every_graph_of_a_bundle_gets_an_engine_beside_it(bundle: Path) -> None:
    """By the graph's name; the manifest says what they are, and the bundle is untouched."""
    before = {path: path.read_bytes() for path in bundle.iterdir()}
    folder = build_engines(bundle, targets=["8.9", "sm86"])
    manifest = read_manifest(folder, "engines")
    verify(folder, manifest)
    assert folder.parent == bundle.with_name("birds.engines")
    assert set(manifest.files) == {"text.engine", "story.engine", "gallery.engine"}
    assert all(entry["bytes"] > 1000 for entry in manifest.files.values())
    assert manifest.body["status"] == "built, not run"
    assert manifest.body["gpu"] is None
    assert manifest.body["bundle"] == read_manifest(bundle, "bundle").sha256
    assert manifest.body["targets"] == ["SM86", "SM89"]
    engines = manifest.body["engines"]
    assert {name: entry["file"] for name, entry in engines.items()} == {
        name: f"{name}.engine" for name in ("text", "story", "gallery")
    }
    text = engines["text"]
    assert text["inputs"][0] == {"name": "input_ids", "dtype": "int64", "shape": [-1, -1]}
    assert text["outputs"] == [{"name": "text_embedding", "dtype": "float32", "shape": [-1, 4]}]
    assert text["profile"]["input_ids"] == {"min": [1, 1], "opt": [8, 16], "max": [64, 32]}
    assert engines["story"]["profile"]["input_ids"]["max"] == [64, 200]
    outputs = [(out["name"], out["shape"]) for out in engines["gallery"]["outputs"]]
    assert outputs == [("gallery_embedding", [-1, 4]), ("gallery_feature", [-1, 8])]
    assert engines["gallery"]["profile"]["features"]["max"] == [64, 8]
    assert before == {path: path.read_bytes() for path in bundle.iterdir()}


@pytest.mark.engines
@pytest.mark.usefixtures("tensorrt_rtx")
def test_engines_are_built_once_per_target(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same call (through a link too) keeps the engines and says so; another target builds."""
    first = build_engines(bundle, targets=["sm86"])
    made = (first / "text.engine").stat().st_mtime_ns
    (tmp_path / "latest").symlink_to(bundle)
    capsys.readouterr()
    assert build_engines(tmp_path / "latest", targets=["SM86"]) == first
    assert f"already built in {first}" in capsys.readouterr().err
    assert (first / "text.engine").stat().st_mtime_ns == made
    assert build_engines(bundle) != first


@pytest.mark.engines
@pytest.mark.usefixtures("tensorrt_rtx")
def test_damaged_cache_is_not_reused(bundle: Path) -> None:
    """One flipped bit in a cached engine is an error that names the file."""
    folder = build_engines(bundle, targets=["sm86"])
    engine = folder / "text.engine"
    content = bytearray(engine.read_bytes())
    content[len(content) // 2] ^= 1
    engine.write_bytes(content)
    with pytest.raises(ArtefactError, match="text.engine is damaged"):
        build_engines(bundle, targets=["sm86"])


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def name_an_unknown_operator(path: Path) -> None:
    model = onnx.load(path)
    model.graph.node[1].op_type = "NoSuchOperator"
    path.write_bytes(model.SerializeToString())


@pytest.mark.engines
@pytest.mark.usefixtures("tensorrt_rtx")
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncate, "it ends too early"),
        (name_an_unknown_operator, r"node .*\(NoSuchOperator\): .*Plugin not found"),
        (Path.unlink, "gallery.onnx"),
    ],
    ids=["truncated", "unknown operator", "missing"],
)
def test_broken_graph_is_one_sentence_and_no_file(
    tmp_path: Path,
    save_mlp: Callable[[Path], Path],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    damage: Callable[[Path], None],
    reason: str,
) -> None:
    """TensorRT's reasons are in the message and nowhere else, and no engine is left behind."""
    graph, engine = save_mlp(tmp_path / "gallery.onnx"), tmp_path / "gallery.engine"
    damage(graph)
    with pytest.raises(ArtefactError, match=f"cannot parse .*gallery.onnx: .*{reason}") as caught:
        build_engine(graph, engine, targets=["sm86"])
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert not list(tmp_path.glob("*engine*"))


@pytest.mark.engines
@pytest.mark.usefixtures("tensorrt_rtx")
def test_failed_bundle_leaves_no_folder(tmp_path: Path, save_bundle: Callable[..., Path]) -> None:
    """If the last graph cannot be built, no engines folder appears, nor a partial one."""
    bundle = save_bundle(tmp_path / "broken", damage=name_an_unknown_operator)
    with pytest.raises(ArtefactError, match="NoSuchOperator"):
        build_engines(bundle, targets=["sm86"])
    assert not (tmp_path / "broken.engines").exists()


@pytest.mark.engines
def test_float32_is_not_rounded_to_tf32(
    tensorrt_rtx, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The builder rounds unless told not to, and it is told for every engine."""
    flags, real, tf32 = [], tensorrt_rtx.Builder, tensorrt_rtx.BuilderFlag.TF32

    class Watched:
        """The library's builder, which notes its flag before and when it builds."""

        def __init__(self, logger) -> None:
            self.real = real(logger)
            flags.append(self.real.create_builder_config().get_flag(tf32))

        def __getattr__(self, name: str):
            return getattr(self.real, name)

        def build_serialized_network(self, network, config):
            flags.append(config.get_flag(tf32))
            return self.real.build_serialized_network(network, config)

    monkeypatch.setattr(tensorrt_rtx, "Builder", Watched)
    build_engine(bundle / "gallery.onnx", bundle.with_name("x.engine"), targets=["sm86"])
    assert flags == [True, False]


@pytest.mark.engines
@pytest.mark.realdata
@pytest.mark.usefixtures("tensorrt_rtx")
def test_a_real_image_encoder_builds(
    realdata_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    """MobileNetV2 parses, and its engine holds the weights (3.5 M parameters of 4 bytes)."""
    graph = realdata_folder("mobilenet_v2") / "mobilenet_v2_imagenet.onnx"
    info = build_engine(graph, tmp_path / "image.engine", targets=["sm86"])
    assert info.profile.ranges["pixels"].max == (64, 3, 224, 224)
    assert {tensor.name for tensor in info.outputs} == {"features", "tokens", "logits"}
    assert (tmp_path / "image.engine").stat().st_size > 3_000_000
