"""A graph that is kept as it was optimised: the same numbers, whatever becomes of what is kept."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from zscr.artefact import hash_file
from zscr.errors import ArtefactError
from zscr.infer.runners.onnx import OnnxRunner
from zscr.infer.runners.runner import Runtime

ONE = Runtime(threads=1)
OPEN = """
import sys
from pathlib import Path
from zscr.artefact import hash_file
from zscr.infer.runners.onnx import OnnxRunner
from zscr.infer.runners.runner import Runtime
OnnxRunner(Path(sys.argv[1]), Runtime(threads=1), hash_file(Path(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def graph(tmp_path_factory) -> Path:
    """A graph of 17 MB: a table, two products with a GELU between them, and a convolution."""
    rng = np.random.default_rng(7)
    shapes = {"table": (3500, 600), "a": (600, 2400), "b": (2400, 300), "c": (8, 1, 1, 3)}
    weights = [
        numpy_helper.from_array(rng.standard_normal(shape, np.float32) / 30, name)
        for name, shape in shapes.items()
    ]
    weights.append(numpy_helper.from_array(np.array([0, 1, 1, -1]), "image"))
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("MatMul", ["rows", "a"], ["wide"]),
        helper.make_node("Gelu", ["wide"], ["bent"]),
        helper.make_node("MatMul", ["bent", "b"], ["narrow"]),
        helper.make_node("Reshape", ["narrow", "image"], ["pixels"]),
        helper.make_node("Conv", ["pixels", "c"], ["y"], kernel_shape=[1, 3]),
    ]
    ids = helper.make_tensor_value_info("ids", TensorProto.INT64, ["B"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["B", 8, 1, 298])
    made = helper.make_graph(nodes, "g", [ids], [y], weights)
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    onnx.save(
        helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path
    )
    return path


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch) -> Path:
    """Keep graphs in a cache of the test's own; return their folder."""
    monkeypatch.setenv("ZSCR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/graphs"


def rows(runner: OnnxRunner) -> list[bytes]:
    """Return what it computes of batches of several sizes, bit by bit."""
    rng = np.random.default_rng(8)
    return [runner.run({"ids": rng.integers(0, 3500, n)})["y"].tobytes() for n in (1, 2, 7, 64)]


def opened(graph: Path) -> list[bytes]:
    return rows(OnnxRunner(graph, ONE, hash_file(graph)))


def test_what_is_kept_computes_the_same_bits(graph, kept, capsys):
    """As the graph itself, when it is made and from then on; the graph's file is needed no more."""
    plain = rows(OnnxRunner(graph, ONE))
    assert not kept.exists()
    assert opened(graph) == plain
    assert len(list(kept.iterdir())) == 1
    assert capsys.readouterr().err.startswith("kept model.onnx as it was optimised")
    assert opened(graph) == plain
    runner = OnnxRunner(Path("gone.onnx"), ONE, hash_file(graph))
    assert rows(runner) == plain
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["weights.bin", "graph.onnx", "manifest.json"])
@pytest.mark.parametrize("damage", ["flipped", "gone"])
def test_a_damaged_one_is_made_anew(graph, kept, capsys, name, damage):
    """Never used, and never in the way."""
    plain = opened(graph)
    [folder] = kept.iterdir()
    file = folder / name
    if damage == "gone":
        file.unlink()
    else:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    capsys.readouterr()
    assert opened(graph) == plain
    assert capsys.readouterr().err.startswith("kept model.onnx")
    assert opened(graph) == plain
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("other", ["graph", "onnxruntime"])
def test_another_graph_or_onnxruntime_has_its_own(graph, kept, tmp_path, monkeypatch, other):
    """Weights are packed as one release packs them."""
    opened(graph)
    if other == "graph":
        changed = onnx.load(graph)
        changed.graph.node[2].op_type = "Relu"
        graph = tmp_path / "other.onnx"
        onnx.save(changed, graph)
    else:
        monkeypatch.setattr(onnxruntime, "__version__", "99.0")
    assert opened(graph) == rows(OnnxRunner(graph, ONE))
    assert len(list(kept.iterdir())) == 2


def test_without_a_cache_it_is_loaded_as_it_is(graph, tmp_path):
    """A file in the cache's place stands in for a home that may not be written to."""
    (tmp_path / "cache").write_text("a file")
    assert opened(graph) == rows(OnnxRunner(graph, ONE))


def test_a_graph_that_cannot_be_loaded_is_told_as_ever(graph, kept, tmp_path):
    """By the name that it has, and nothing is kept of it."""
    path = tmp_path / "bad.onnx"
    path.write_bytes(graph.read_bytes()[:-1000])
    with pytest.raises(ArtefactError, match=r"bad\.onnx cannot be loaded"):
        OnnxRunner(path, ONE, hash_file(path))
    assert not kept.exists() or not list(kept.iterdir())


def test_processes_that_open_it_at_once(graph, kept):
    """Each computes; one of them keeps."""
    command = [sys.executable, "-c", OPEN, str(graph)]
    running = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(3)]
    assert [process.wait() for process in running] == [0] * 3
    assert len(os.listdir(kept)) == 1
    assert opened(graph) == rows(OnnxRunner(graph, ONE))


def test_those_that_were_not_used_for_longest_go(graph, kept):
    """Eight are kept; the one in use is no longer the oldest."""
    opened(graph)
    [own] = kept.iterdir()
    for number in range(8):
        (kept / f"{number}").mkdir()
        os.utime(kept / f"{number}", (number, number))
    os.utime(own, (0, 0))
    opened(graph)
    other = kept.parent / "copy.onnx"
    shutil.copy(graph, other)
    with other.open("ab") as file:
        file.write(b"\x32\x01x")  # another text that says what the model is
    opened(other)
    assert own.exists()
    assert not {"0", "1"} & set(os.listdir(kept))
    assert len(os.listdir(kept)) == 8
