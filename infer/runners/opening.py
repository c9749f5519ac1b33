"""The runner of the backend that is asked for."""

from __future__ import annotations

from pathlib import Path

from zscr.errors import ConfigError
from zscr.infer.runners.onnx import OnnxRunner, import_onnxruntime
from zscr.infer.runners.runner import OPENVINO, TRT, Runner, Runtime


def open_runner(path: Path, runtime: Runtime, sha256: str | None = None) -> Runner:
    """Open a graph.

    Args:
        path: of its file; sha256: of the file, where that is known (see `OnnxRunner`).

    Raises:
        MissingExtraError: what runs it is not installed.
        ConfigError: this machine cannot run the backend, or it is TensorRT, whose engines are of
            bundles.
        ArtefactError: the graph cannot be loaded.
    """
    if runtime.backend == TRT:
        raise ConfigError(
            f"backend 'trt' runs the graphs of bundles, and {path.name} of {path.parent} is of "
            f"none; use another --backend"
        )
    if runtime.backend != OPENVINO:
        return OnnxRunner(path, runtime, sha256)
    from zscr.infer.runners.openvino import OpenVinoRunner

    return OpenVinoRunner(path, runtime)


def import_library(runtime: Runtime) -> None:
    """Import what runs graphs, before a thread does: imports of two threads wait for each other.

    Raises:
        MissingExtraError: it is not installed.
    """
    if runtime.backend == TRT:  # which `Bundle.open` has imported
        return
    if runtime.backend != OPENVINO:
        import_onnxruntime()
        return
    from zscr.infer.runners.openvino import import_openvino

    import_openvino()
