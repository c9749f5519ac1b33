"""A graph with all that a text encoder is made of, small."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest

WORDS, WIDTH, WIDE, DIM = 40, 48, 96, 32
_TEXT = f"""
    <ir_version: 10, opset_import: ["" : 18]>
    words (int64[batch, length] ids) => (float[batch, {DIM}] embedding)
    {{
        rows = Gather (table, ids)
        turned = Transpose <perm = [0, 2, 1]> (rows)
        likeness = MatMul (rows, turned)
        attention = Softmax <axis = -1> (likeness)
        mixed = MatMul (attention, rows)
        normed = LayerNormalization <axis = -1> (mixed, ones, zeros)
        pooled = ReduceMean <keepdims = 0> (normed, middle)
        hidden = Gemm <transB = 1> (pooled, first, bias)
        scale = Exp (hidden)
        embedding_before = MatMul (scale, second)
        embedding = LpNormalization <axis = 1, p = 2> (embedding_before)
    }}
"""


@pytest.fixture(scope="session")
def words() -> onnx.ModelProto:
    """Make it; its largest matrix has no whole number of blocks."""
    model, rng = onnx.parser.parse_model(_TEXT), np.random.default_rng(5)
    shapes = {"table": (WORDS, WIDTH), "first": (WIDE, WIDTH), "second": (WIDE, DIM)}
    made = {name: rng.standard_normal(shape) * 0.3 for name, shape in shapes.items()}
    made |= {"ones": np.ones(WIDTH), "zeros": np.zeros(WIDTH), "bias": rng.standard_normal(WIDE)}
    for name, array in made.items():
        tensor = onnx.numpy_helper.from_array(array.astype(np.float32), name)
        model.graph.initializer.append(tensor)
    middle = onnx.numpy_helper.from_array(np.array([1], np.int64), "middle")
    model.graph.initializer.append(middle)
    onnx.checker.check_model(model, full_check=True)
    return model


@pytest.fixture(scope="session")
def ids() -> np.ndarray:
    """Return 64 texts of 7 words."""
    return np.random.default_rng(6).integers(0, WORDS, (64, 7))
