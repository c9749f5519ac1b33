"""CUDA gives what the CPU gives, or one sentence says what it lacks."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from zscr.errors import ConfigError
from zscr.infer.runners.backend import cuda_lack, device_name, missing_library
from zscr.infer.runners.onnx import OnnxRunner
from zscr.infer.runners.runner import Runtime

HAS_CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
needs_cuda = pytest.mark.skipif(not HAS_CUDA, reason="needs onnxruntime-gpu")
CPU, CUDA = Runtime("ort-cpu", threads=1), Runtime("ort-cuda", threads=1)
TOLERANCE = 2e-6  # of a component of a unit row, by which sums in another order may differ


def has_driver() -> bool:
    try:
        return bool(device_name())
    except OSError:
        return False


class Gpu:
    """Stands for onnxruntime-gpu: it offers CUDA, and prints what it cannot load."""

    def __init__(self, *missing):
        self.missing = missing

    def get_available_providers(self):
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def preload_dlls(self, directory=None):
        for name in self.missing:
            sys.stdout.write(f"Failed to load /opt/{name}: {name}: cannot open shared object\n")


@pytest.mark.skipif(HAS_CUDA, reason="this onnxruntime has CUDA")
def test_onnxruntime_without_cuda_is_named_with_the_line_that_replaces_it():
    """Both packages may not be there at once."""
    lack = f"{onnxruntime.__version__} is built without CUDA; pip uninstall -y onnxruntime; pip ins"
    assert lack in cuda_lack(onnxruntime)


@pytest.mark.skipif(has_driver(), reason="there is a driver")
def test_no_driver_is_named():
    """No package brings it."""
    assert "libcuda.so.1" in cuda_lack(Gpu())
    assert "install NVIDIA's driver" in cuda_lack(Gpu())


def test_a_missing_library_is_named_and_not_printed(capsys):
    """onnxruntime prints it to stdout, where answers are."""
    assert missing_library(Gpu("libcublasLt.so.13", "libcudart.so.13")) == "libcublasLt.so.13"
    assert capsys.readouterr().out == ""


@pytest.fixture
def tower(tmp_path):
    """A graph of ids (B, L) that embeds, mixes and normalises: rows (B, 16)."""
    rng = np.random.default_rng(7)
    weights = {
        "table": rng.standard_normal((100, 32)).astype(np.float32),
        "wide": rng.standard_normal((32, 64)).astype(np.float32),
        "narrow": rng.standard_normal((64, 16)).astype(np.float32),
        "axis": np.array([1]),
    }
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["words"]),
        helper.make_node("MatMul", ["words", "wide"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["positive"]),
        helper.make_node("ReduceMean", ["positive", "axis"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "narrow"], ["rows"]),
        helper.make_node("ReduceL2", ["rows", "axis"], ["norm"]),
        helper.make_node("Div", ["rows", "norm"], ["unit"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tower",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "length"])],
        [helper.make_tensor_value_info("unit", TensorProto.FLOAT, ["batch", 16])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    opset = [helper.make_opsetid("", 18)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "tower.onnx")
    return tmp_path / "tower.onnx"


def ids(rows, length=9, seed=7):
    return np.random.default_rng(seed).integers(0, 100, (rows, length))


def test_auto_takes_what_there_is_and_says_so(tower):
    """It is no error without CUDA, and no secret either way."""
    ran = OnnxRunner(tower, Runtime("auto", threads=1)).ran
    assert (", cpu, 1 threads" in ran) == (cuda_lack(onnxruntime) is not None)


@pytest.mark.gpu
@needs_cuda
@pytest.mark.parametrize("rows", [1, 3, 8, 64, 513])
def test_cuda_finds_what_the_cpu_finds(tower, rows):
    """The same ids, at the plain run, the recorded one and those replayed, and with other texts."""
    gallery = OnnxRunner(tower, CPU).run({"ids": ids(2000, seed=1)})["unit"]
    cpu, cuda = OnnxRunner(tower, CPU), OnnxRunner(tower, CUDA)
    assert cuda.ran.endswith("), CUDA graphs")
    for seed, length in [(2, 9), (3, 9), (4, 9), (5, 9), (6, 12), (7, 9)]:
        feeds = {"ids": ids(rows, length, seed)}
        wanted, found = (one.run(feeds)["unit"] for one in (cpu, cuda))
        np.testing.assert_allclose(found, wanted, atol=TOLERANCE)
        scores = wanted @ gallery.T
        best = [np.argsort(-rows @ gallery.T, kind="stable")[:, :10] for rows in (wanted, found)]
        lost, kept = (np.take_along_axis(scores, one, 1) for one in best)
        np.testing.assert_allclose(kept, lost, atol=2 * TOLERANCE)  # so near, places may change


@pytest.mark.gpu
@needs_cuda
def test_threads_of_one_runner_get_their_own_rows(tower):
    """They share its buffers."""
    runner, cpu = OnnxRunner(tower, CUDA), OnnxRunner(tower, CPU)
    batches = [{"ids": ids(4, seed=seed)} for seed in range(64)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda feeds: runner.run(feeds)["unit"], batches))
    for feeds, rows in zip(batches, found, strict=True):
        np.testing.assert_allclose(rows, cpu.run(feeds)["unit"], atol=TOLERANCE)


@pytest.mark.gpu
@needs_cuda
def test_a_node_that_cuda_has_no_kernel_for_is_named(tmp_path):
    """onnxruntime would run it on the CPU, with copies there and back."""
    ends = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", 3]) for name in "xy"]
    node = helper.make_node("ArgMax", ["x"], ["y"], name="best", axis=1)
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    opset = [helper.make_opsetid("", 18)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "g.onnx")
    with pytest.raises(ConfigError, match=r"no kernel for 1 nodes of g\.onnx.*: best \(ArgMax\)"):
        OnnxRunner(tmp_path / "g.onnx", CUDA)
