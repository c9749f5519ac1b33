"""What was asked for is what runs, or one sentence says why not."""

from __future__ import annotations

import sys

import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from zscr.errors import ArtefactError, ConfigError, MissingExtraError
from zscr.infer.runners.onnx import Runtime, open_session, provider_of

without_cuda = pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA can be had here"
)


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
        ({"provider": "tpu"}, r"provider 'tpu' is unknown; use one of \['cpu', 'cuda'\]"),
        ({"threads": 0}, "0 threads cannot run"),
        ({"threads": -2}, "-2 threads cannot run"),
    ],
)
def test_unknown_ways_to_run_are_refused(options, message):
    """Not replaced by a default."""
    with pytest.raises(ConfigError, match=message):
        Runtime(**options)


def test_threads_asked_for_are_the_ones_that_run(sound):
    """By default as many as the process may use, which a container may limit."""
    session = open_session(sound, Runtime(threads=3))
    assert session.get_session_options().intra_op_num_threads == 3
    assert Runtime().thread_count >= 1
    assert provider_of(session) == "cpu"


@without_cuda
def test_cuda_is_an_error_where_it_cannot_be_had(sound):
    """One sentence with what there is instead and how to go on."""
    with pytest.raises(ConfigError, match="'cuda' cannot run here.*--allow-fallback") as refused:
        open_session(sound, Runtime("cuda"))
    assert "\n" not in str(refused.value)


@without_cuda
def test_fallback_runs_and_says_what_ran(sound, capsys):
    """Permitted, it is no secret."""
    session = open_session(sound, Runtime("cuda", allow_fallback=True))
    assert provider_of(session) == "cpu"
    assert "'cuda' cannot run here: model.onnx runs on the CPU" in capsys.readouterr().err


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
        open_session(path, Runtime())
    assert "\n" not in str(refused.value)


def test_missing_onnxruntime_names_the_pip_line(sound, monkeypatch):
    """It is an extra: which of its two packages fits depends on the machine."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'zscr\[cpu\]'"):
        open_session(sound, Runtime())
