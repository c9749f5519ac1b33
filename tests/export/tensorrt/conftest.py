"""Small graphs and bundles that TensorRT compiles in a moment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zscr.artefact import staged

onnx = pytest.importorskip("onnx", reason="needs the extra 'export'")
from onnx import TensorProto as T  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402

WIDTH, DIM = 8, 4


@pytest.fixture(scope="session")
def tensorrt_rtx() -> Any:
    return pytest.importorskip("tensorrt_rtx", reason="needs the extra 'trt-rtx'")


def _save_graph(path: Path, nodes: Any, inputs: Any, outputs: Any, **weights: np.ndarray) -> Path:
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def _save_mlp(path: Path) -> Path:
    """Two layers over vectors, and their unit rows: (batch, 8) -> (batch, 4) and (batch, 8)."""
    rng = np.random.default_rng(0)
    return _save_graph(
        path,
        [
            helper.make_node("MatMul", ["features", "w1"], ["h"]),
            helper.make_node("Relu", ["h"], ["r"]),
            helper.make_node("MatMul", ["r", "w2"], ["gallery_embedding"]),
            helper.make_node("LpNormalization", ["features"], ["gallery_feature"], axis=1, p=2),
        ],
        [helper.make_tensor_value_info("features", T.FLOAT, ["batch", WIDTH])],
        [
            helper.make_tensor_value_info(f"gallery_{name}", T.FLOAT, ["batch", dim])
            for name, dim in (("embedding", DIM), ("feature", WIDTH))
        ],
        w1=rng.standard_normal((WIDTH, 16)).astype(np.float32),
        w2=rng.standard_normal((16, DIM)).astype(np.float32),
    )


def _save_text_encoder(path: Path) -> Path:
    """Mean of the token embeddings under the mask: two int64 (batch, length) -> (batch, 4)."""
    ids = [
        helper.make_tensor_value_info(name, T.INT64, ["batch", "length"])
        for name in ("input_ids", "attention_mask")
    ]
    return _save_graph(
        path,
        [
            helper.make_node("Gather", ["table", "input_ids"], ["tokens"]),
            helper.make_node("Cast", ["attention_mask"], ["m2"], to=T.FLOAT),
            helper.make_node("Unsqueeze", ["m2", "last"], ["m3"]),
            helper.make_node("Mul", ["tokens", "m3"], ["kept"]),
            helper.make_node("ReduceSum", ["kept", "axis"], ["total"], keepdims=0),
            helper.make_node("ReduceSum", ["m3", "axis"], ["count"], keepdims=0),
            helper.make_node("Div", ["total", "count"], ["text_embedding"]),
        ],
        ids,
        [helper.make_tensor_value_info("text_embedding", T.FLOAT, ["batch", DIM])],
        table=np.random.default_rng(0).standard_normal((50, DIM)).astype(np.float32),
        last=np.array([2], np.int64),
        axis=np.array([1], np.int64),
    )


@pytest.fixture(scope="session")
def save_mlp() -> Callable[[Path], Path]:
    """Return a function that writes a gallery's graph over vectors."""
    return _save_mlp


@pytest.fixture(scope="session")
def save_bundle() -> Callable[..., Path]:
    """Return a function that writes a bundle: texts of at most 32 or 200 tokens, and vectors.

    `damage` is done to the gallery's graph before the bundle is sealed.
    """

    def save(path: Path, damage: Callable[[Path], None] | None = None) -> Path:
        with staged(path, "bundle") as stage:
            graphs = {"text": ("query", 32), "story": ("query", 200), "gallery": ("gallery", None)}
            for name, (_, length) in graphs.items():
                (_save_text_encoder if length else _save_mlp)(stage.folder / f"{name}.onnx")
            if damage:
                damage(stage.folder / "gallery.onnx")
            stage.body["default_precision"] = "fp32"
            stage.body["graphs"] = {name: _entry(name, *rest) for name, rest in graphs.items()}
        return path

    return save


def _entry(name: str, role: str, length: int | None) -> dict[str, Any]:
    tokens = {"field": "text", "kind": "text", "names": ["input_ids", "attention_mask"]}
    vector = {"field": "vector", "kind": "vector", "names": ["features"]}
    spec = vector if length is None else tokens | {"max_length": length}
    return {"role": role, "inputs": [spec], "variants": {"fp32": {"file": f"{name}.onnx"}}}


@pytest.fixture
def bundle(tmp_path: Path, save_bundle: Callable[..., Path]) -> Path:
    return save_bundle(tmp_path / "birds")
