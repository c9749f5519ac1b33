"""OpenVINO runs a graph as it is written, or one sentence says why not."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import openvino
import pytest

from zscr.errors import ArtefactError, MissingExtraError
from zscr.infer.runners.onnx import OnnxRunner
from zscr.infer.runners.opening import open_runner
from zscr.infer.runners.runner import Runtime

OWN = Runtime("openvino", threads=1)
GRAPH = """<ir_version: 8, opset_import: ["" : 17]>
g (float[batch, 64] x) => (float[batch, 32] y, float[batch, 2, 16] tokens) {
    moved = MatMul (x, matrix)
    sizes = Constant <value = int64[3] {0, 2, 16}> ()
    tokens = Reshape (moved, sizes)
    y = LpNormalization <axis = 1, p = 2> (moved)
}"""


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """A product, of which bfloat16 would keep two digits, and its rows at norm 1."""
    model = onnx.parser.parse_model(GRAPH)
    values = np.random.default_rng(0).standard_normal((64, 32), np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(values, "matrix"))
    onnx.save(model, tmp_path / "graph.onnx")
    return tmp_path / "graph.onnx"


def rows(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 64)).astype(np.float32)


def test_it_answers_as_onnxruntime_does(graph: Path) -> None:
    """Batches of any size, every output by its name, in fp32 where the processor has bfloat16."""
    runner, other = open_runner(graph, OWN), OnnxRunner(graph, Runtime(threads=1))
    assert runner.outputs == {"y": ("batch", 32), "tokens": ("batch", 2, 16)}
    assert runner.ran == f"openvino {openvino.__version__.split('-')[0]}, cpu, 1 threads"
    for count in (1, 64, 3):
        expected = other.run({"x": rows(count)})
        for name, found in runner.run({"x": rows(count)}).items():
            np.testing.assert_allclose(found, expected[name], rtol=1e-5, atol=1e-6)


def test_what_was_found_stays_when_the_next_batch_runs(graph: Path) -> None:
    """Of the same size and in other threads, too: one request is shared."""
    runner = open_runner(graph, OWN)
    first = runner.run({"x": rows(4)})["y"]
    kept = first.copy()
    runner.run({"x": rows(4, seed=2)})
    np.testing.assert_array_equal(first, kept)
    with ThreadPoolExecutor(4) as pool:
        found = [*pool.map(lambda n: runner.run({"x": rows(4, n)})["y"], range(40))]
    for n, one in enumerate(found):
        np.testing.assert_array_equal(one, runner.run({"x": rows(4, n)})["y"])


def test_memory_that_is_given_back_changes_no_answer(graph: Path) -> None:
    """The next batch is computed in new memory."""
    lean = open_runner(graph, Runtime("openvino", threads=1, release_memory=True))
    expected = open_runner(graph, OWN).run({"x": rows(8)})["y"]
    for _ in range(2):
        np.testing.assert_array_equal(lean.run({"x": rows(8)})["y"], expected)


@pytest.mark.parametrize("content", [b"", b"no graph", b"\x08\x07"], ids=["empty", "text", "bare"])
def test_what_cannot_be_loaded_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    """With the file and OpenVINO's reason."""
    path = tmp_path / "graph.onnx"
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match=r"graph\.onnx cannot be loaded by OpenVINO") as refused:
        open_runner(path, OWN)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "feeds", [{"z": rows(1)}, {"x": rows(1)[:, :5]}, {"x": np.array([["text"]])}]
)
def test_feeds_that_it_does_not_take_are_one_sentence(graph: Path, feeds) -> None:
    """Another name, another shape, no numbers; and it answers the next."""
    runner = open_runner(graph, OWN)
    with pytest.raises(ArtefactError, match=r"graph\.onnx cannot be run by OpenVINO") as refused:
        runner.run(feeds)
    assert "\n" not in str(refused.value)
    assert runner.run({"x": rows(2)})["y"].shape == (2, 32)


def test_weights_of_other_files_are_refused(graph: Path) -> None:
    """Their path could name any file of the machine."""
    model = onnx.load(graph)
    onnx.save(model, graph, save_as_external_data=True, location="w.bin", size_threshold=0)
    with pytest.raises(ArtefactError, match="keeps weights in other files"):
        open_runner(graph, OWN)


def test_a_missing_openvino_names_the_pip_line(graph: Path, monkeypatch) -> None:
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'zscr\[openvino\]'"):
        open_runner(graph, OWN)
