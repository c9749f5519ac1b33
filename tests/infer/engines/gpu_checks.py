"""What runs engines, checked on the CUDA driver that the process finds: see `test_running.py`."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from tests.infer.engines import stand_in
from tests.infer.engines.stand_in import Context
from zscr.errors import ArtefactError, InputError
from zscr.infer.engines.lane import MOST_SHAPES
from zscr.infer.engines.runner import EngineRunner
from zscr.infer.runners.cuda_device import IN_USE
from zscr.infer.runners.gpu import Block, Gpu
from zscr.infer.runners.onnx import OnnxRunner
from zscr.infer.runners.runner import Runtime

TOLERANCE = 2e-6  # of a component of about 1, by which sums of another batch may differ
SLACK = 8 << 20  # bytes: a driver gives memory by pages
OPSET = [helper.make_opsetid("", 18)]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    Context.asked, Context.refused = 0, ""
    yield
    Context.refused = ""


def free() -> int:
    gpu = Gpu("trt")
    with gpu.current():
        return gpu.free()


def value(name: str, kind: int, *shape: int | str) -> Any:
    return helper.make_tensor_value_info(name, kind, list(shape))


def graph(folder: Path, nodes: Any, inputs: Any, outputs: Any, **weights: Any) -> Path:
    held = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    made = helper.make_graph(nodes, "g", inputs, outputs, held)
    save(helper.make_model(made, opset_imports=OPSET, ir_version=10), folder / "graph.onnx")
    return folder / "graph.onnx"


@pytest.fixture
def tower(tmp_path: Path) -> Path:
    """A graph of ids and mask (B, L) with two outputs: means of rows (B, 16), and their sums."""
    table = np.random.default_rng(7).standard_normal((100, 16)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["words"]),
        helper.make_node("Cast", ["mask"], ["flags"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["flags", "last"], ["wide"]),
        helper.make_node("Mul", ["words", "wide"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "axis"], ["sum"], keepdims=0),
        helper.make_node("ReduceSum", ["flags", "axis"], ["count"], keepdims=1),
        helper.make_node("Div", ["sum", "count"], ["mean"]),
    ]
    inputs = [value(name, TensorProto.INT64, "batch", "length") for name in ("ids", "mask")]
    outputs = [value(name, TensorProto.FLOAT, "batch", 16) for name in ("mean", "sum")]
    one = np.array([1])
    return graph(tmp_path, nodes, inputs, outputs, table=table, axis=one, last=np.array([2]))


def opened(path: Path) -> EngineRunner:
    return EngineRunner(stand_in, path.read_bytes(), name=path.name, device="any")


def texts(rows: int, length: int = 9, seed: int = 7) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    mask = (np.arange(length) < rng.integers(1, length + 1, (rows, 1))).astype(np.int64)
    return {"ids": rng.integers(0, 100, (rows, length)), "mask": mask}


def same(found: Any, wanted: Any) -> None:
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, atol=TOLERANCE)


def test_bytes_are_written_where_they_belong_and_given_back() -> None:
    """In a context that is this thread's own only meanwhile."""
    gpu, before, size = Gpu("trt"), free(), 8 << 20
    block = Block(gpu, size)
    assert before - free() == pytest.approx(size, abs=SLACK / 2)
    numbers, found = np.arange(100, dtype=np.float32), np.zeros(100, np.float32)
    block.write(size - 400, numbers)
    with gpu.current():
        gpu.call("cuMemcpyDtoH", found.ctypes.data, block.address + size - 400, 400)
    np.testing.assert_array_equal(found, numbers)
    del block
    assert free() == pytest.approx(before, abs=SLACK / 2)
    assert not int(gpu.call("cuCtxGetCurrent"))


def test_a_thread_that_asks_the_gpu_keeps_the_others_from_it() -> None:
    """Another one's recording would be spoilt."""
    with ThreadPoolExecutor(1) as pool, Gpu("trt").current():
        assert not pool.submit(IN_USE.acquire, blocking=False).result()


@pytest.mark.parametrize("rows", [1, 2, 3, 8, 9, 64, 65, 512, 513, 1300])
def test_a_batch_of_any_size_gives_its_own_rows(tower: Path, rows: int) -> None:
    """As onnxruntime gives them: filled up, in parts on two streams, run, recorded and replayed."""
    engine, plain = opened(tower), OnnxRunner(tower, Runtime())
    assert engine.outputs == {"mean": ("batch", 16), "sum": ("batch", 16)}
    for seed, length in [(1, 9), (2, 9), (3, 9), (4, 12), (5, 9), (6, 1)]:
        feeds = texts(rows, length, seed)
        same(engine.run(feeds), plain.run(feeds))


def test_a_shape_that_comes_again_is_launched_as_a_whole(tower: Path) -> None:
    """TensorRT is asked twice for each shape, to run and to be recorded, and never again."""
    engine = opened(tower)
    assert engine.ran == "tensorrt 99.0, cuda (any), CUDA graphs"
    before = Context.asked
    for seed in range(5):
        engine.run(texts(3, seed=seed))
    assert Context.asked - before == 2


@pytest.mark.parametrize("refused", ["recording", "spoilt"])
def test_what_cannot_be_recorded_is_run_and_said(tower: Path, refused: str) -> None:
    """Each batch by itself, with the same rows."""
    Context.refused = refused
    engine, plain = opened(tower), OnnxRunner(tower, Runtime())
    assert engine.ran.endswith(", without CUDA graphs")
    for seed in range(3):
        same(engine.run(texts(600, seed=seed)), plain.run(texts(600, seed=seed)))


@pytest.mark.parametrize("refused", ["recording", "spoilt"])
def test_a_shape_that_cannot_be_recorded_is_run_and_said(
    tower: Path, refused: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once; those that were recorded are launched as before."""
    engine, plain = opened(tower), OnnxRunner(tower, Runtime())
    engine.run(texts(1))
    engine.run(texts(1))
    Context.refused = refused
    for seed in range(4):
        same(engine.run(texts(9, seed=seed)), plain.run(texts(9, seed=seed)))
        same(engine.run(texts(1, seed=seed)), plain.run(texts(1, seed=seed)))
    assert capsys.readouterr().err.count("runs batches of one shape without a CUDA graph") == 1


def test_rows_given_once_stay_what_they_are(tower: Path) -> None:
    """The buffers are used again; an answer is not."""
    engine, plain = opened(tower), OnnxRunner(tower, Runtime())
    batches = [texts(4, seed=seed) for seed in range(5)]
    for one, batch in zip([engine.run(batch) for batch in batches], batches, strict=True):
        same(one, plain.run(batch))


def test_threads_of_one_runner_get_their_own_rows(tower: Path) -> None:
    """They share its buffers, and each enters the device."""
    engine, plain = opened(tower), OnnxRunner(tower, Runtime())
    batches = [texts(4, seed=seed) for seed in range(64)]
    with ThreadPoolExecutor(8) as pool:
        for found, batch in zip(pool.map(engine.run, batches), batches, strict=True):
            same(found, plain.run(batch))


@pytest.mark.parametrize(
    ("feeds", "words"),
    [
        (texts(3, 129), r"graph.onnx takes no 'ids' \[4, 129\].*'ids' 1x1..128.*or 'ids' 2..8x1"),
        ({"ids": texts(3)["ids"]}, "takes 'mask' of int64, which is missing"),
        (texts(3) | {"mask": np.ones((3, 9), np.float32)}, "int64, which is of float32"),
        (texts(0), r"takes no 'ids' \[0, 9\]"),
        ({name: ids[:, 0] for name, ids in texts(3).items()}, r"takes no 'ids' \[4\]"),
    ],
)
def test_what_an_engine_does_not_take_is_one_sentence(tower: Path, feeds: Any, words: str) -> None:
    """And it goes on with the next batch."""
    engine = opened(tower)
    with pytest.raises(ArtefactError, match=words):
        engine.run(feeds)
    same(engine.run(texts(3)), OnnxRunner(tower, Runtime()).run(texts(3)))


def test_an_engine_that_fails_is_one_sentence(tower: Path) -> None:
    """In the second of two parts, the first of which is under way."""
    engine = opened(tower)
    engine.run(texts(512))
    engine.run(texts(512))  # recorded, so that the first part goes on
    Context.refused = "all"
    with pytest.raises(ArtefactError, match=r"graph.onnx cannot be run by tensorrt 99.0 \(it giv"):
        engine.run(texts(600))
    Context.refused = ""
    same(engine.run(texts(600)), OnnxRunner(tower, Runtime()).run(texts(600)))


def test_an_exception_of_tensorrt_is_one_sentence(tower: Path) -> None:
    """Where it raises one in place of saying no."""
    engine = opened(tower)
    Context.refused = "prepared"
    with pytest.raises(ArtefactError, match=r"cannot be run .* \(shapes could not be inferred\)"):
        engine.run(texts(3))
    Context.refused = ""
    same(engine.run(texts(3)), OnnxRunner(tower, Runtime()).run(texts(3)))


def test_an_output_without_rows_is_refused(tmp_path: Path) -> None:
    """What fills a batch up could not be cut off again."""
    node = helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)
    inputs, outputs = [value("x", TensorProto.FLOAT, "n", 3)], [value("y", TensorProto.FLOAT)]
    with pytest.raises(ArtefactError, match=r"gives 'y' of shape \[\], not a row of one size"):
        opened(graph(tmp_path, [node], inputs, outputs))


def test_bytes_of_no_engine_are_one_sentence(tower: Path) -> None:
    """With TensorRT's own reason, which the next failure has no part in."""
    engine = opened(tower)
    tower.write_bytes(b"no engine")
    with pytest.raises(
        ArtefactError, match=r"graph.onnx cannot be loaded by tensorrt 99.0 .*protobuf"
    ):
        opened(tower)
    Context.refused = "all"
    with pytest.raises(
        ArtefactError, match=r"cannot be run by tensorrt 99.0 \(it gives no reason\)"
    ):
        engine.run(texts(3))


def test_more_shapes_than_are_kept_give_their_memory_back(tower: Path) -> None:
    """What a user sends in decides how many shapes there are, not how much memory is held."""
    engine, plain = opened(tower), OnnxRunner(tower, Runtime())
    before, lengths = free(), range(1, MOST_SHAPES + 60)
    for length in lengths:
        same(engine.run(texts(512, length)), plain.run(texts(512, length)))
    held = before - free()
    last = [2 * 512 * (8 * length + 4 * 16) for length in lengths[-MOST_SHAPES:]]  # ids, rows
    assert held <= sum(last) + SLACK


def test_one_row_beside_many_is_not_filled_up(tmp_path: Path) -> None:
    """The tokens of a query beside those of many images: only the latter are a batch."""
    nodes = [helper.make_node("Add", ["asked", "found"], ["y"])]
    inputs = [value("asked", TensorProto.FLOAT, 1, 3), value("found", TensorProto.FLOAT, "n", 3)]
    engine = opened(graph(tmp_path, nodes, inputs, [value("y", TensorProto.FLOAT, "n", 3)]))
    rng = np.random.default_rng(7)
    for rows in (1, 5, 700):
        one, many = (rng.standard_normal((n, 3), np.float32) for n in (1, rows))
        np.testing.assert_array_equal(engine.run({"asked": one, "found": many})["y"], one + many)


def test_a_fixed_batch_is_run_as_it_is(tmp_path: Path) -> None:
    """A graph of three rows takes no fourth."""
    nodes = [helper.make_node("Add", ["x", "x"], ["y"])]
    ends = [value(name, TensorProto.FLOAT, 3, 2) for name in "xy"]
    engine = opened(graph(tmp_path, nodes, ends[:1], ends[1:]))
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_array_equal(engine.run({"x": x})["y"], x + x)
    with pytest.raises(ArtefactError, match=r"takes no 'x' \[4, 2\]; it takes 'x' 3x2"):
        engine.run({"x": np.ones((4, 2), np.float32)})


@pytest.fixture
def little_memory() -> None:
    """Skip on a real GPU, whose memory is not filled up."""
    if free() > 1 << 30:
        pytest.skip("a real GPU's memory is not filled up")


def wide(folder: Path, side: int) -> EngineRunner:
    """Open an engine that doubles images (B, 3, side, side)."""
    nodes = [helper.make_node("Add", ["x", "x"], ["y"])]
    ends = [value(name, TensorProto.FLOAT, "n", 3, side, side) for name in "xy"]
    return opened(graph(folder, nodes, ends[:1], ends[1:]))


@pytest.mark.usefixtures("little_memory")
def test_too_little_memory_says_how_much_is_needed(tmp_path: Path) -> None:
    """For a batch that is too large, after which smaller ones are answered."""
    engine, x = wide(tmp_path, 128), np.ones((512, 3, 128, 128), np.float32)
    with pytest.raises(InputError, match=r"needs 0\.10 GB more of the GPU's memory for a batch of"):
        engine.run({"x": x})
    np.testing.assert_array_equal(engine.run({"x": x[:8]})["y"], 2 * x[:8])


@pytest.mark.usefixtures("little_memory")
def test_other_shapes_make_room_for_one_that_fits_alone(tmp_path: Path) -> None:
    """24 of 64 MiB each way for 512 images, and half of it for 256: they do not fit together."""
    engine, x = wide(tmp_path, 64), np.ones((512, 3, 64, 64), np.float32)
    for rows in (256, 512, 256):
        np.testing.assert_array_equal(engine.run({"x": x[:rows]})["y"], 2 * x[:rows])


@pytest.mark.usefixtures("little_memory")
def test_two_streams_that_do_not_fit_are_one(tmp_path: Path) -> None:
    """A batch of three parts, each of which leaves no room for another."""
    x = np.arange(1300 * 3 * 64 * 64, dtype=np.float32).reshape(1300, 3, 64, 64)
    engine = wide(tmp_path, 64)
    for _ in range(2):
        np.testing.assert_array_equal(engine.run({"x": x})["y"], 2 * x)
