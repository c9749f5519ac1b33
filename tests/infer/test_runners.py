"""What was asked for is what runs, or one sentence says why not."""

from __future__ import annotations

import os
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from zscr.errors import ArtefactError, ConfigError, MissingExtraError
from zscr.infer.runners.backend import cuda_lack
from zscr.infer.runners.onnx import OnnxRunner, run_options, session_options
from zscr.infer.runners.runner import Runtime

without_cuda = pytest.mark.skipif(cuda_lack(onnxruntime) is None, reason="CUDA can be had here")


def graph(operator="Relu", kind=TensorProto.FLOAT, ir_version=10):
    """A graph of one operator, as bytes."""
    ends = [helper.make_tensor_value_info(name, kind, ["batch", 2]) for name in "xy"]
    nodes = [helper.make_node(operator, ["x"], ["y"])]
    opset = [helper.make_opsetid("", 17)]
    made = helper.make_graph(nodes, "g", ends[:1], ends[1:])
    return helper.make_model(made, opset_imports=opset, ir_version=ir_version).SerializeToString()


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(graph())
    return path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "tpu"}, r"backend 'tpu' is unknown; use one of \['auto', 'ort-cpu', 'ort-cu"),
        ({"threads": 0}, "0 threads cannot run"),
        ({"threads": -2}, "-2 threads cannot run"),
    ],
)
def test_unknown_ways_to_run_are_refused(options, message):
    """Not replaced by a default."""
    with pytest.raises(ConfigError, match=message):
        Runtime(**options)


def test_threads_asked_for_are_the_ones_that_run():
    """By default as many as the process may use, which a container may limit; none of them spins.

    Spinning threads take the cores from decoding and from other processes.
    """
    options = session_options(Runtime(threads=3))
    assert options.intra_op_num_threads == 3
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert Runtime().thread_count == len(os.sched_getaffinity(0))


def test_memory_that_is_given_back_changes_no_answer(sound):
    """Of batches of any size; what it saves is measured by benchmarks/query_memory.py."""
    lean = Runtime(threads=1, release_memory=True)
    options = run_options(lean)
    assert options.get_run_config_entry("memory.enable_memory_arena_shrinkage") == "cpu:0"
    assert run_options(Runtime(threads=1)) is None
    runner, numbers = OnnxRunner(sound, lean), np.random.default_rng(7)
    for size in (1, 200_000, 3, 0):
        rows = numbers.standard_normal((size, 2), np.float32)
        np.testing.assert_array_equal(runner.run({"x": rows})["y"], np.maximum(rows, 0))


def test_what_ran_is_told(sound):
    """The library with its version, the provider and the threads, for answers and reports."""
    runner = OnnxRunner(sound, Runtime(threads=3))
    assert runner.ran == f"onnxruntime {onnxruntime.__version__}, cpu, 3 threads"
    assert runner.outputs == {"y": ("batch", 2)}
    np.testing.assert_array_equal(runner.run({"x": np.array([[-1, 2]], np.float32)})["y"], [[0, 2]])


@without_cuda
def test_cuda_is_an_error_where_it_cannot_be_had(sound):
    """One sentence with what there is instead and how to go on."""
    message = "'ort-cuda' cannot run here: .*install.*--backend ort-cpu.*--allow-fallback"
    with pytest.raises(ConfigError, match=message) as refused:
        OnnxRunner(sound, Runtime("ort-cuda"))
    assert "\n" not in str(refused.value)


@without_cuda
def test_fallback_runs_and_says_what_ran(sound, capsys):
    """Permitted, it is no secret."""
    runner = OnnxRunner(sound, Runtime("ort-cuda", allow_fallback=True))
    assert ", cpu, " in runner.ran
    assert "'ort-cuda' cannot run here, so the CPU does" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a graph",
        graph()[:40],
        graph("Nonsense"),
        graph(kind=TensorProto.STRING),
        graph(ir_version=99),
        onnx.ModelProto(ir_version=10).SerializeToString(),
    ],
    ids=["empty", "text", "cut", "unknown operator", "wrong type", "too new", "without graph"],
)
def test_graphs_that_cannot_be_loaded_are_one_sentence(tmp_path, content):
    """It names the file; onnxruntime's own words are in it, its line ends are not."""
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match=r"model\.onnx cannot be loaded") as refused:
        OnnxRunner(path, Runtime())
    assert "\n" not in str(refused.value)


def test_missing_onnxruntime_names_the_pip_line(sound, monkeypatch):
    """It is an extra: which of its two packages fits depends on the machine."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'zscr\[cpu\]'"):
        OnnxRunner(sound, Runtime())
