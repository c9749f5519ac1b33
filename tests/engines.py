"""Builds what a bundle holds by TensorRT, with no GPU; nothing is run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import pytest

from zscr.errors import ConfigError
from zscr.export.precision.rungs import RUNGS
from zscr.export.tensorrt.builder import EngineInfo, build_engine
from zscr.infer.bundle import Bundle


def build_all(bundle: Bundle, folder: Path, *rungs: str) -> Mapping[str, Mapping[str, EngineInfo]]:
    """Build every graph in fp32, those of queries in other precisions too -> graph -> precision.

    A graph without a matrix for a precision is left out of it. That the engines give what the
    manifest says is asserted here.
    """
    pytest.importorskip("tensorrt_rtx", reason="needs the extra 'trt-rtx'")
    made: dict[str, dict[str, EngineInfo]] = {}
    for name, graph in bundle.graphs.items():
        model = onnx.load(bundle.folder / graph["variants"]["fp32"]["file"])
        for precision in ("fp32", *(rungs if graph["role"] == "query" else ())):
            path = folder / f"{name}.{precision}.onnx"
            try:
                onnx.save(model if precision == "fp32" else RUNGS[precision].make(model), path)
            except ConfigError:
                continue
            info = build_engine(path, path.with_suffix(".engine"), targets=["sm86"])
            made.setdefault(name, {})[precision] = info
            assert graph["output"] in {one.name for one in info.outputs}
            assert {one.dtype for one in info.outputs} == {"float32"}
    return made


def products(info: EngineInfo) -> Mapping[str, Any]:
    """Return in which types an engine multiplies matrices, and how often."""
    return info.layers.get("matrix_multiply", {})
