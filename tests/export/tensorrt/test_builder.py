"""Engines are built for real, with no GPU; only running them would need one."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from zscr.errors import ArtefactError
from zscr.export.precision.rungs import RUNGS
from zscr.export.tensorrt import api
from zscr.export.tensorrt.builder import build_engine
from zscr.export.tensorrt.monitor import Phases
from zscr.export.tensorrt.timing import attach_timings, keep_timings
from zscr.infer.engines import api as run
from zscr.infer.engines.listener import listener_of

onnx = pytest.importorskip("onnx", reason="needs the extra 'export'")


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
def test_what_is_asked_for_is_what_the_builder_is_told(
    tensorrt_rtx, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It rounds float32 to TF32, and takes all memory, unless it is told not to."""
    told, real = [], tensorrt_rtx.Builder

    class Watched:
        """The library's builder, which notes its settings before and when it builds."""

        def __init__(self, logger) -> None:
            self.real = real(logger)
            self.note(self.real.create_builder_config())

        def note(self, config) -> None:
            limit = config.get_memory_pool_limit(tensorrt_rtx.MemoryPoolType.WORKSPACE)
            tf32 = config.get_flag(tensorrt_rtx.BuilderFlag.TF32)
            told.append((tf32, limit == 64 << 20, config.num_optimization_profiles))

        def __getattr__(self, name: str):
            return getattr(self.real, name)

        def build_serialized_network(self, network, config):
            self.note(config)
            return self.real.build_serialized_network(network, config)

    monkeypatch.setattr(tensorrt_rtx, "Builder", Watched)
    engine = bundle.with_name("x.engine")
    build_engine(bundle / "gallery.onnx", engine, targets=["sm86"], workspace=64 << 20)
    assert told == [(True, False, 0), (False, True, 4)]


@pytest.mark.engines
@pytest.mark.usefixtures("tensorrt_rtx")
def test_a_build_is_followed_by_a_bar_to_its_end(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, by what TensorRT tells of its phases."""
    build_engine(bundle / "gallery.onnx", bundle.with_name("x.engine"), targets=["sm86"])
    assert "building x, %: 100/100" in capsys.readouterr().err


@pytest.mark.engines
def test_ctrl_c_ends_a_build(
    tensorrt_rtx, bundle: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Within TensorRT's own code: an exception that passed through it would end the process."""
    real, steps = tensorrt_rtx.Builder, []

    class Watched:
        """The library's builder, in whose tenth step Ctrl-C is pressed."""

        def __init__(self, logger) -> None:
            self.real = real(logger)

        def __getattr__(self, name: str):
            return getattr(self.real, name)

        def build_serialized_network(self, network, config):
            config.progress_monitor.show = self.step
            return self.real.build_serialized_network(network, config)

        def step(self, note: str) -> None:
            steps.append(note)
            if len(steps) == 10:
                signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(tensorrt_rtx, "Builder", Watched)
    with pytest.raises(KeyboardInterrupt):
        build_engine(bundle / "gallery.onnx", bundle.with_name("x.engine"), targets=["sm86"])
    assert 10 <= len(steps) < 20
    assert not [*bundle.parent.glob("*engine*")]


def test_phases_within_each_other_are_one_share() -> None:
    """A step of the outer one is shared out to the inner; an open end of one never goes back."""
    phases, shares = Phases(), []
    phases.start("all", None, 2)
    phases.start("first", "all", 4)
    for step in range(4):
        phases.step("first", step)
        shares.append(phases.share)
    phases.finish("first")
    phases.step("all", 0)
    phases.start("second", "all", 2)
    phases.start("within", "second", 2)
    phases.step("within", 0)
    shares += [phases.share]
    phases.finish("within")
    phases.step("all", 1)
    assert shares == [0.125, 0.25, 0.375, 0.5, 0.625]
    assert phases.share == 1.0


@pytest.mark.engines
@pytest.mark.parametrize("rung", ["fp16", "bf16", "int8", "int4"])
def test_layers_are_computed_in_the_type_of_the_graph(
    tensorrt_rtx, rung: str, save_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    """Strongly typed: the products of the text encoder, its tables, and what is kept in fp32."""
    made = save_bundle(tmp_path / "birds", precisions=(rung,))
    info = build_engine(made / f"text.{rung}.onnx", tmp_path / "x.engine", targets=["sm86"])
    halves = {"fp16": "float16", "bf16": "bfloat16"}.get(rung, "float32")
    assert info.layers["matrix_multiply"].get(halves) == 2 or rung in ("int8", "int4")
    if rung.startswith("int"):
        assert "dequantize" in info.layers
    assert set(info.layers["reduce"]) == {"float32"}
    assert [(one.name, one.dtype) for one in info.outputs] == [("text_embedding", "float32")]
    assert RUNGS[rung].alone


@pytest.mark.engines
@pytest.mark.usefixtures("tensorrt_rtx")
def test_turing_takes_products_of_halves_alone(
    save_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    """As the documents say of tensorrt_rtx; the node that it cannot take is named."""
    made = save_bundle(tmp_path / "birds", precisions=("fp16", "int8"))
    assert build_engine(made / "text.fp16.onnx", tmp_path / "x.engine", targets=["sm75"])
    for graph in ("text.onnx", "text.int8.onnx"):
        with pytest.raises(ArtefactError, match="node_of_hidden.*FP32 GEMM is not supported"):
            build_engine(made / graph, tmp_path / "y.engine", targets=["sm75"])


@pytest.mark.engines
def test_times_of_kernels_are_kept(tensorrt_rtx, tmp_path: Path) -> None:
    """By calls that `tensorrt` shares; `tensorrt_rtx` has them and times nothing, as it warns.

    What `tensorrt` itself makes of them was never run: it needs a GPU to build at all.
    """
    config = tensorrt_rtx.Builder(listener_of(tensorrt_rtx)).create_builder_config()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(2):  # the second finds what the first has kept
            times = attach_timings(config, tmp_path / "times")
            keep_timings(config, times, tmp_path / "times")
    assert any("no-ops in TensorRT-RTX" in str(one.message) for one in told)
    assert len((tmp_path / "times").read_bytes()) > 0


@pytest.mark.engines
def test_the_types_name_what_the_library_has(tensorrt_rtx) -> None:
    """mypy checks the calls against `api`, and this checks `api` against the library."""
    classes = {
        api.Tensor: "ITensor",
        api.Layer: "ILayer",
        api.Network: "INetworkDefinition",
        api.Shapes: "IOptimizationProfile",
        api.TimingCache: "ITimingCache",
        api.Config: "IBuilderConfig",
        api.Builder: "Builder",
        api.ParserError: "ParserError",
        api.Parser: "OnnxParser",
        api.TensorRT: None,
        run.Context: "IExecutionContext",
        run.Engine: "ICudaEngine",
        run.RuntimeConfig: "IRuntimeConfig",
        run.Runtime: "Runtime",
        run.TensorRT: None,
    }
    for protocol, name in classes.items():
        real = getattr(tensorrt_rtx, name) if name else tensorrt_rtx
        called = {n for n in vars(protocol) if n[0] != "_"} | set(protocol.__annotations__)
        assert called, protocol
        missing = [one for one in called if not hasattr(real, one)]
        assert not missing, (name, missing)


@pytest.mark.engines
@pytest.mark.realdata
@pytest.mark.usefixtures("tensorrt_rtx")
def test_a_real_image_encoder_builds(
    realdata_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    """MobileNetV2 parses, and its engine holds the weights (3.5 M parameters of 4 bytes)."""
    graph = realdata_folder("mobilenet_v2") / "mobilenet_v2_imagenet.onnx"
    info = build_engine(graph, tmp_path / "image.engine", targets=["sm86"])
    assert info.profiles[-1]["pixels"].max == (512, 3, 224, 224)
    assert {tensor.name for tensor in info.outputs} == {"features", "tokens", "logits"}
    assert (tmp_path / "image.engine").stat().st_size > 3_000_000
