"""A bundle, and sealed engines beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from zscr.artefact import read_manifest, staged
from zscr.infer.bundle import Bundle
from zscr.infer.engines.cache import engines_folder
from zscr.infer.engines.entry import BUILT, KIND
from zscr.infer.engines.recipe import Recipe
from zscr.infer.engines.seal import key_name, seal_of, user_key
from zscr.infer.engines.toolchain import Device, Here, Toolchain

A10, L4 = Device("NVIDIA A10", "SM86", "550.1"), Device("NVIDIA L4", "SM89", "580.2")
TRT = Toolchain("tensorrt", "10.3", "12", (), A10)
RTX = Toolchain("tensorrt_rtx", "1.7", "13", ("SM86", "SM120"), None)


def here_of(toolchain: Toolchain, device: Device | None = A10) -> Here:
    """Return what is here where a toolchain is, with a GPU."""
    return Here(toolchain.library, toolchain.version, toolchain.cuda, device)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the key of engines out of the user's own cache."""
    monkeypatch.setenv("ZSCR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def save_graph(path: Path) -> None:
    """Save a product with weights that depend on the file's name."""
    weights = np.random.default_rng([*path.name.encode()]).standard_normal((8, 8), np.float32)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["b", 8]) for name in "xy"]
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    held = [numpy_helper.from_array(weights, "w")]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], held)
    opset = [helper.make_opsetid("", 18)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """Save a bundle of four graphs, each of its own weights: x (B, 8) -> y (B, 8)."""
    spec = {"field": "vector", "kind": "vector", "names": ["x"], "shape": ["batch", 8]}
    with staged(tmp_path / "birds", "bundle") as stage:
        stage.body |= {"dim": 8, "space": "s", "default_precision": "fp32", "graphs": {}}
        for name, role in (("text", "query"), ("gallery", "gallery")):
            variants = {"fp32": {"file": f"{name}.onnx"}, "fp16": {"file": f"{name}.fp16.onnx"}}
            entry = {"role": role, "inputs": [spec], "output": "y", "variants": variants}
            stage.body["graphs"][name] = entry
            for variant in variants.values():
                save_graph(stage.folder / variant["file"])
    return Bundle.open(tmp_path / "birds")


@pytest.fixture
def save_engine(bundle: Bundle) -> Callable[..., Path]:
    """Return a function that seals an engine of a graph of the bundle, as a build does."""

    def save(
        graph: str = "text",
        precision: str = "fp32",
        toolchain: Toolchain = RTX,
        when: str = "2026-01-01T00:00:00+00:00",
        content: bytes = bytes(range(256)),
        **changed: Any,
    ) -> Path:
        file = bundle.graphs[graph]["variants"][precision]["file"]
        onnx = read_manifest(bundle.folder, "bundle").files[file]["sha256"]
        recipe = replace(Recipe(onnx, precision, toolchain, (1, 8), (1, 16, 32), None), **changed)
        key = user_key()
        name = f"{graph}-{precision}-{recipe.key[:16]}-{key_name(key)[:4]}"
        with staged(engines_folder(bundle.folder) / name, KIND) as stage:
            (stage.folder / "x.engine").write_bytes(content)
            stage.sign = lambda sha256: seal_of(key, sha256)
            stage.body |= {"graph": graph, "file": "x.engine", "bundle": "birds", "when": when}
            stage.body |= {"status": BUILT, "sealed_by": key_name(key), "recipe": asdict(recipe)}
            stage.body |= {"inputs": [], "outputs": [], "profiles": [{}], "layers": {}}
            stage.body |= {"seconds": 1.0}
        return stage.path

    return save
