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

from zscr.export.precision.rungs import RUNGS  # noqa: E402

WIDTH, WIDE, DIM = 8, 32, 4


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
    """Mean of the tokens under the mask, two layers: two int64 (batch, length) -> (batch, 4)."""
    rng = np.random.default_rng(0)
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
            helper.make_node("Div", ["total", "count"], ["mean"]),
            helper.make_node("MatMul", ["mean", "w1"], ["hidden"]),
            helper.make_node("MatMul", ["hidden", "w2"], ["text_embedding"]),
        ],
        ids,
        [helper.make_tensor_value_info("text_embedding", T.FLOAT, ["batch", DIM])],
        table=rng.standard_normal((50, WIDE)).astype(np.float32),
        w1=rng.standard_normal((WIDE, WIDE)).astype(np.float32),
        w2=rng.standard_normal((WIDE, DIM)).astype(np.float32),
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

    `damage` is done to the gallery's graph before the bundle is sealed; `precisions` are those that
    texts can be answered in beside fp32.
    """

    def save(
        path: Path, damage: Callable[[Path], None] | None = None, precisions: tuple[str, ...] = ()
    ) -> Path:
        with staged(path, "bundle") as stage:
            graphs = {"text": ("query", 32), "story": ("query", 200), "gallery": ("gallery", None)}
            for name, (_, length) in graphs.items():
                (_save_text_encoder if length else _save_mlp)(stage.folder / f"{name}.onnx")
            if damage:
                damage(stage.folder / "gallery.onnx")
            stage.body |= {"dim": DIM, "space": "vectors", "default_precision": "fp32"}
            stage.body["graphs"] = {name: _entry(name, *rest) for name, rest in graphs.items()}
            for precision in precisions:
                file = f"text.{precision}.onnx"
                onnx.save(
                    RUNGS[precision].make(onnx.load(stage.folder / "text.onnx")),
                    stage.folder / file,
                )
                stage.body["graphs"]["text"]["variants"][precision] = {"file": file}
        return path

    return save


def _entry(name: str, role: str, length: int | None) -> dict[str, Any]:
    tokens = {"field": "text", "kind": "text", "names": ["input_ids", "attention_mask"]}
    tokens |= {"tokenizer": "tokenizer.json"}
    vector = {"field": "vector", "kind": "vector", "names": ["features"], "shape": [1, WIDTH]}
    spec = vector if length is None else tokens | {"max_length": length}
    output = "gallery_embedding" if length is None else "text_embedding"
    variants = {"fp32": {"file": f"{name}.onnx"}}
    return {"role": role, "inputs": [spec], "output": output, "variants": variants}


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the key of engines out of the user's own cache."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("ZSCR_CACHE", str(folder))
    return folder


@pytest.fixture
def bundle(tmp_path: Path, save_bundle: Callable[..., Path]) -> Path:
    return save_bundle(tmp_path / "birds")
