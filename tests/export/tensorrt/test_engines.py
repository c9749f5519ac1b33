"""Engines are built for real, with no GPU; only running them would need one."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zscr.artefact import read_manifest, staged, verify
from zscr.errors import ArtefactError, ConfigError
from zscr.export.tensorrt.engines import build_engine, build_engines
from zscr.export.tensorrt.library import choose_toolchain
from zscr.export.tensorrt.profile import Range, Tensor, profile_for

onnx = pytest.importorskip("onnx", reason="needs the extra 'export'")
from onnx import TensorProto as T  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402

WIDTH, DIM = 8, 4


@pytest.fixture(scope="module")
def tensorrt_rtx():
    return pytest.importorskip("tensorrt_rtx", reason="needs the extra 'trt-rtx'")


def save_graph(path: Path, nodes, inputs, outputs, **weights: np.ndarray) -> Path:
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def save_mlp(path: Path) -> Path:
    """Two layers over vectors with a dynamic batch: (batch, 8) -> (batch, 4)."""
    rng = np.random.default_rng(0)
    return save_graph(
        path,
        [
            helper.make_node("MatMul", ["features", "w1"], ["h"]),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("MatMul", ["r", "w2"], ["gallery_embedding"]),
        ],
        [helper.make_tensor_value_info("features", T.FLOAT, ["batch", WIDTH])],
        [helper.make_tensor_value_info("gallery_embedding", T.FLOAT, ["batch", DIM])],
        w1=rng.standard_normal((WIDTH, 16)).astype(np.float32),
        w2=rng.standard_normal((16, DIM)).astype(np.float32),
    )


def save_text_encoder(path: Path) -> Path:
    """Mean of the token embeddings under the mask: two int64 (batch, length) -> (batch, 4)."""
    ids = [
        helper.make_tensor_value_info(name, T.INT64, ["batch", "length"])
        for name in ("input_ids", "attention_mask")
    ]
    return save_graph(
        path,
        [
            helper.make_node("Gather", ["table", "input_ids"], ["tokens"]),
            helper.make_node("Cast", ["attention_mask"], ["m2"], to=T.FLOAT),
            helper.make_node("Unsqueeze", ["m2", "last"], ["m3"]),
            helper.make_node("Mul", ["tokens", "m3"], ["kept"]),
            helper.make_node("ReduceSum", ["kept", "axis"], ["total"], keepdims=0),
            helper.make_node("ReduceSum", ["m3", "axis"], ["count"], keepdims=0),
            helper.make_node("Div", ["total", "count"], ["query_embedding"]),
        ],
        ids,
        [helper.make_tensor_value_info("query_embedding", T.FLOAT, ["batch", DIM])],
        table=np.random.default_rng(0).standard_normal((50, DIM)).astype(np.float32),
        last=np.array([2], np.int64),
        axis=np.array([1], np.int64),
    )


def save_bundle(path: Path, damage: Callable[[Path], None] | None = None) -> Path:
    """A bundle with a text query of at most 32 tokens and a gallery of vectors."""
    with staged(path, "bundle") as stage:
        save_text_encoder(stage.folder / "query.onnx")
        gallery = save_mlp(stage.folder / "gallery.onnx")
        if damage:
            damage(gallery)
        ids = {"kind": "text", "dtype": "int64", "max_length": 32}
        stage.body["inputs"] = {
            "query": [{"name": "input_ids", **ids}, {"name": "attention_mask", "kind": "mask"}],
            "gallery": [{"name": "features", "kind": "vector", "dtype": "float32"}],
        }
    return path


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return save_bundle(tmp_path / "birds")


def test_profile_bounds_batch_and_length() -> None:
    """Dynamic axes get the three sizes of their kind, fixed ones stay, others are refused."""
    pixels = Tensor("pixels", "float32", (-1, 3, 224, 224))
    ids = Tensor("input_ids", "int64", (-1, -1))
    ranges = profile_for([pixels, ids], batches=(1, 2, 4), lengths=(1, 8, 32)).ranges
    assert ranges["pixels"] == Range((1, 3, 224, 224), (2, 3, 224, 224), (4, 3, 224, 224))
    assert ranges["input_ids"] == Range((1, 1), (2, 8), (4, 32))
    with pytest.raises(ConfigError, match=r"pixels has the shape \(-1, 3, -1, -1\)"):
        profile_for([Tensor("pixels", "float32", (-1, 3, -1, -1))])


@pytest.mark.engines
@pytest.mark.usefixtures("tensorrt_rtx")
def test_bundle_gets_two_engines_beside_it(bundle: Path) -> None:
    """Both graphs become engines, the manifest says what they are, and the bundle is untouched."""
    before = {path: path.read_bytes() for path in bundle.iterdir()}
    folder = build_engines(bundle, targets=["8.9", "sm86"])
    manifest = read_manifest(folder, "engines")
    verify(folder, manifest)
    assert folder.parent == bundle.with_name("birds.engines")
    assert set(manifest.files) == {"query.engine", "gallery.engine"}
    assert all(entry["bytes"] > 1000 for entry in manifest.files.values())
    assert manifest.body["status"] == "built, not run"
    assert manifest.body["gpu"] is None
    assert manifest.body["bundle"] == read_manifest(bundle, "bundle").sha256
    assert manifest.body["targets"] == ["SM86", "SM89"]
    query = manifest.body["query"]
    assert query["inputs"][0] == {"name": "input_ids", "dtype": "int64", "shape": [-1, -1]}
    assert query["outputs"] == [{"name": "query_embedding", "dtype": "float32", "shape": [-1, DIM]}]
    assert query["profile"]["input_ids"] == {"min": [1, 1], "opt": [8, 16], "max": [64, 32]}
    assert manifest.body["gallery"]["profile"]["features"]["max"] == [64, WIDTH]
    assert before == {path: path.read_bytes() for path in bundle.iterdir()}


@pytest.mark.engines
@pytest.mark.usefixtures("tensorrt_rtx")
def test_engines_are_built_once_per_target(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same call (through a link too) keeps the engines and says so; another target builds."""
    first = build_engines(bundle, targets=["sm86"])
    made = (first / "query.engine").stat().st_mtime_ns
    (tmp_path / "latest").symlink_to(bundle)
    capsys.readouterr()
    assert build_engines(tmp_path / "latest", targets=["SM86"]) == first
    assert f"already built in {first}" in capsys.readouterr().err
    assert (first / "query.engine").stat().st_mtime_ns == made
    assert build_engines(bundle) != first


@pytest.mark.engines
@pytest.mark.usefixtures("tensorrt_rtx")
def test_damaged_cache_is_not_reused(bundle: Path) -> None:
    """One flipped bit in a cached engine is an error that names the file."""
    folder = build_engines(bundle, targets=["sm86"])
    engine = folder / "query.engine"
    content = bytearray(engine.read_bytes())
    content[len(content) // 2] ^= 1
    engine.write_bytes(content)
    with pytest.raises(ArtefactError, match="query.engine is damaged"):
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
        (truncate, "Failed to parse the ONNX model"),
        (name_an_unknown_operator, r"node .*\(NoSuchOperator\): .*Plugin not found"),
        (Path.unlink, "gallery.onnx"),
    ],
    ids=["truncated", "unknown operator", "missing"],
)
def test_broken_graph_is_one_sentence_and_no_file(
    tmp_path: Path,
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
def test_failed_bundle_leaves_no_folder(tmp_path: Path) -> None:
    """If the second graph cannot be built, no engines folder appears, nor a partial one."""
    bundle = save_bundle(tmp_path / "broken", damage=name_an_unknown_operator)
    with pytest.raises(ArtefactError, match="NoSuchOperator"):
        build_engines(bundle, targets=["sm86"])
    assert list((tmp_path / "broken.engines").iterdir()) == []


@pytest.mark.engines
def test_unknown_target_lists_the_known_ones(tensorrt_rtx) -> None:
    """A GPU that the library does not build for is a sentence with those that it does."""
    with pytest.raises(ConfigError, match=r"cannot build for sm90; it knows sm75, sm80, sm86"):
        choose_toolchain(["sm86", "sm90"])
    assert choose_toolchain(["SM86", "8.6", "12.0"]).targets == ("SM86", "SM120")


BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocker())
from zscr.errors import ZscrError
from zscr.export.tensorrt.library import choose_toolchain
try:
    print(choose_toolchain({targets!r}))
except ZscrError as error:
    print(type(error).__name__, error, sep=": ")
"""


def choice(blocked: tuple[str, ...], targets: tuple[str, ...], folder: Path) -> str:
    """Choose a toolchain where `blocked` are not installed and only `folder` holds programs."""
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED.format(blocked=blocked, targets=targets)],
        env={"PYTHONPATH": str(folder), "PATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("targets", [(), ("sm86",)], ids=["this GPU", "sm86"])
def test_missing_library_names_both_pip_lines(tmp_path: Path, targets: tuple[str, ...]) -> None:
    """Without either library the sentence holds the two pip lines and when to use which."""
    assert choice(("tensorrt", "tensorrt_rtx"), targets, tmp_path) == (
        "MissingExtraError: an engine for this machine's GPU needs the extra 'trt': pip install "
        "'zscr[trt]'; one built without that GPU needs the extra 'trt-rtx': pip install "
        "'zscr[trt-rtx]'"
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("raise ImportError('libnvonnxparser.so.11: cannot open')", "libnvonnxparser.so.11"),
        ("import tensorrt_libs_that_is_missing", "tensorrt_libs_that_is_missing"),
    ],
    ids=["shared library", "module inside"],
)
def test_broken_library_is_not_called_missing(tmp_path: Path, source: str, expected: str) -> None:
    """An installed library that does not load says why instead of asking to be installed."""
    (tmp_path / "tensorrt.py").write_text(source)
    message = choice(("tensorrt_rtx",), (), tmp_path)
    assert message.startswith("ZscrError: tensorrt is installed but cannot be loaded (")
    assert expected in message


def test_tensorrt_builds_on_its_gpu_or_says_how_else(tmp_path: Path) -> None:
    """`tensorrt` is chosen first: for the GPU that is there, else the sentence names a way."""
    (tmp_path / "tensorrt.py").write_text("__version__ = '11.4'")
    assert choice((), (), tmp_path).startswith(
        "ConfigError: tensorrt builds only for a GPU of this machine and nvidia-smi lists none; "
        "name the GPU to build for, such as --target sm86"
    )
    lister = tmp_path / "nvidia-smi"
    lister.write_text("#!/bin/sh\necho 'NVIDIA A10, 580.1'\n")
    lister.chmod(0o755)
    assert choice((), (), tmp_path) == (
        "Toolchain(library='tensorrt', version='11.4', targets=(), gpu='NVIDIA A10, 580.1')"
    )


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
