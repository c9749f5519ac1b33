"""Graphs in fewer bits compute what numpy does with rounded factors, and round nothing else."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from onnx.reference import ReferenceEvaluator

from zscr.errors import ConfigError
from zscr.export.precision.integers import BLOCK, quantised
from zscr.export.precision.rungs import RUNGS, rungs_of
from zscr.infer.runners.onnx import OnnxRunner
from zscr.infer.runners.runner import Runtime

HALVES = {"fp16": np.float16, "bf16": ml_dtypes.bfloat16}
SHORT = {onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16}


def weights_of(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}


def by_numpy(model, ids, table, product, first, second) -> np.ndarray:
    """Compute the graph `words` with other weights, and products of another kind."""
    held = weights_of(model)
    rows = table[ids].astype(np.float32)
    likeness = product(rows, rows.transpose(0, 2, 1))
    attention = np.exp(likeness - likeness.max(-1, keepdims=True))
    mixed = product(attention / attention.sum(-1, keepdims=True), rows)
    centred = mixed - mixed.mean(-1, keepdims=True)
    normed = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    hidden = product(normed.mean(1), first, held["bias"])
    made = product(np.exp(hidden), second)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def in_half(kind):
    """Return a product whose factors, and what it gives, are rounded to 16 bits."""

    def product(a, b, c=0.0):
        a, b, c = (np.asarray(x).astype(kind).astype(np.float32) for x in (a, b, c))
        return (a @ b + c).astype(kind).astype(np.float32)

    return product


def exact(a, b, c=0.0):
    return a @ b + c


def saved(model: onnx.ModelProto, folder: Path) -> OnnxRunner:
    onnx.save(model, folder / "graph.onnx")
    return OnnxRunner(folder / "graph.onnx", Runtime(threads=1))


@pytest.mark.parametrize("rung", HALVES)
def test_halves_are_numpys(rung: str, words, ids, tmp_path: Path) -> None:
    """By ONNX's own evaluator, which has bfloat16, and by onnxruntime where that has the kind.

    Both round sums as they like, so they are as far from numpy's as that is from fp32, at most.
    """
    made, held, kind = RUNGS[rung].make(words), weights_of(words), HALVES[rung]
    matrices = held["first"].T, held["second"]
    wanted = by_numpy(words, ids, held["table"].astype(kind), in_half(kind), *matrices)
    plain = by_numpy(words, ids, held["table"], exact, *matrices)
    rounding = np.abs(plain - wanted).max()
    assert rounding < {"fp16": 1e-3, "bf16": 1e-2}[rung]
    [found] = ReferenceEvaluator(made).run(None, {"ids": ids})
    runs = [found]
    if rung == "fp16":
        runs += saved(made, tmp_path).run({"ids": ids}).values()
    for run in runs:
        assert np.abs(run - wanted).max() < 2 * rounding
        assert np.abs(run - plain).max() > rounding / 10


@pytest.mark.parametrize("rung", HALVES)
def test_all_but_products_stay_in_fp32(rung: str, words) -> None:
    """LayerNorm, softmax, exponentials and norms never see 16 bits; ids stay integers."""
    made = onnx.shape_inference.infer_shapes(RUNGS[rung].make(words), strict_mode=True)
    kinds = {one.name: one.data_type for one in made.graph.initializer}
    values = (*made.graph.value_info, *made.graph.input, *made.graph.output)
    kinds |= {one.name: one.type.tensor_type.elem_type for one in values}
    short = {node.op_type for node in made.graph.node if {kinds[n] for n in node.input} & SHORT}
    assert short == {"Gather", "MatMul", "Gemm", "Cast"}
    assert kinds["ids"] == onnx.TensorProto.INT64
    assert kinds["embedding"] == onnx.TensorProto.FLOAT
    assert {kinds[name] for name in ("ones", "zeros")} == {onnx.TensorProto.FLOAT}
    assert "first" not in kinds  # held once


def widened(matrix: np.ndarray, bits: int) -> np.ndarray:
    """Return what is left of a matrix."""
    whole, scales = quantised(matrix, bits)
    assert np.abs(whole.astype(int)).max() <= 2 ** (bits - 1) - 1
    assert len(scales) == (1 if bits == 8 else -(-len(matrix) // BLOCK))
    return whole * np.repeat(scales, len(whole) if bits == 8 else BLOCK, axis=0)[: len(whole)]


@pytest.mark.parametrize(("rung", "bits"), [("int8", 8), ("int4", 4)])
def test_integers_are_numpys(rung: str, bits: int, words, ids, tmp_path: Path) -> None:
    """Both matrices, the turned one too, are what `quantised` gives; onnxruntime agrees."""
    made, held = RUNGS[rung].make(words), weights_of(words)

    matrices = widened(held["first"].T, bits), widened(held["second"], bits)
    wanted = by_numpy(words, ids, held["table"].astype(np.float16), exact, *matrices)
    plain = by_numpy(words, ids, held["table"], exact, held["first"].T, held["second"])
    [run] = saved(made, tmp_path).run({"ids": ids}).values()
    made.opset_import[0].version = 21  # the evaluator has no DequantizeLinear of 18
    [found] = ReferenceEvaluator(made).run(None, {"ids": ids})
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert (run * wanted).sum(1).min() > 0.999
    assert np.abs(wanted - plain).max() > 1e-3  # so the first comparison tells them apart


@given(
    arrays(np.float32, (70, 3), elements=st.floats(-4, 4, width=32)),
    st.sampled_from([8, 4]),
)
def test_a_quantised_number_is_at_most_half_a_step_away(matrix: np.ndarray, bits: int) -> None:
    """Whatever the matrix, zeros and a last block of few rows included."""
    largest = np.abs(matrix).max() / (2 ** (bits - 1) - 1)  # no scale is larger
    assert np.abs(widened(matrix, bits) - matrix).max() <= largest * 0.5001 + 1e-6


def between_batches(runner: OnnxRunner, ids: np.ndarray) -> float:
    """Return the largest difference that its batch makes to a row."""
    [whole] = runner.run({"ids": ids}).values()
    parts = []
    for size in (1, 3, 8):
        runs = [runner.run({"ids": ids[at : at + size]}) for at in range(0, len(ids), size)]
        parts.append(np.concatenate([next(iter(run.values())) for run in runs]))
    return float(max(np.abs(part - whole).max() for part in parts))


@pytest.mark.parametrize("rung", ["fp16", "int8", "int4"])
def test_an_answer_does_not_depend_on_its_batch(rung: str, words, ids, tmp_path: Path) -> None:
    """But that of dynamic int8 does, by far more: it is never chosen unasked."""
    assert between_batches(saved(RUNGS[rung].make(words), tmp_path), ids) < 1e-3
    dynamic = saved(RUNGS["int8-dynamic"].make(words), tmp_path)
    assert between_batches(dynamic, ids) > 3e-3
    assert [name for name, one in RUNGS.items() if not one.alone] == ["int8-dynamic"]


@pytest.mark.parametrize("rung", ["int8", "int4", "int8-dynamic"])
def test_a_trained_head_behind_an_encoder_stays_in_fp32(rung: str, words) -> None:
    """It is where kernels are, whose terms cancel."""
    model = onnx.ModelProto()
    model.CopyFrom(words)
    rename = {"first": "head/first", "second": "head/second"}
    for node in model.graph.node:
        node.input[:] = [rename.get(name, name) for name in node.input]
    for one in model.graph.initializer:
        one.name = rename.get(one.name, one.name)
    model.graph.node[-2].name, model.graph.node[-4].name = "head/b", "head/a"
    encoder = onnx.numpy_helper.from_array(np.ones((48, 48), np.float32), "encoder")
    model.graph.initializer.append(encoder)
    normed = next(node for node in model.graph.node if "normed" in node.output)
    normed.output[0] = "normed_before"
    product = onnx.helper.make_node("MatMul", ["normed_before", "encoder"], ["normed"], "encode")
    model.graph.node.insert([*model.graph.node].index(normed) + 1, product)
    held = weights_of(RUNGS[rung].make(model))
    assert {"head/first", "head/second"} < held.keys()
    assert "encoder" not in held


def test_what_cannot_be_made_is_one_sentence(words) -> None:
    """A number beyond fp16's range, which bf16 has; a graph of small matrices; a wrong name."""
    large = onnx.ModelProto()
    large.CopyFrom(words)
    weight = next(one for one in large.graph.initializer if one.name == "second")
    weight.CopyFrom(onnx.numpy_helper.from_array(weights_of(words)["second"] * 1e6, "second"))
    with pytest.raises(ConfigError, match="'second' has numbers beyond the range of fp16"):
        RUNGS["fp16"].make(large)
    assert RUNGS["bf16"].make(large)
    small = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 18]> g (float[n, 2] x) => (float[n, 2] y) '
        "<float[2, 2] w = {1, 2, 3, 4}> { y = MatMul (x, w) }"
    )
    with pytest.raises(ConfigError, match="no constant matrix of 32 rows and columns for int8"):
        RUNGS["int8"].make(small)
    with pytest.raises(ConfigError, match="precision 'fp8' is unknown; use one of fp32, fp16, bf"):
        rungs_of(["fp8"])
    assert rungs_of(["int4", "fp32", "fp16", "int4"]) == ["fp16", "int4"]
    assert rungs_of(["all"]) == [*RUNGS]
