"""ONNX graphs in OpenVINO on the CPU, in the precision that is written into each graph.

Left to itself OpenVINO computes in bfloat16 where the processor can: answers would then depend on
the machine. The hint of fp32 keeps every product in the type that the graph gives it, so a graph of
bfloat16, of which onnxruntime has no products on a CPU, runs as it was judged.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.errors import ArtefactError, MissingExtraError
from zscr.infer.runners.graph_file import refuse_external_data
from zscr.infer.runners.runner import Feeds, Runtime

_FAULTS = (RuntimeError, ValueError, TypeError, KeyError, OSError)  # OpenVINO's are RuntimeError


class OpenVinoRunner:
    """Runs one graph, a batch at a time; see `Runner`.

    Raises:
        MissingExtraError: openvino is not installed.
        ArtefactError: the graph cannot be loaded.
    """

    def __init__(self, path: Path, runtime: Runtime) -> None:
        ov = import_openvino()
        self._path, self._lean, self._lock = path, runtime.release_memory, Lock()
        try:
            refuse_external_data(path)
            self._model = ov.Core().compile_model(str(path), "CPU", _options(runtime))
        except _FAULTS as error:
            raise ArtefactError(
                f"{path} cannot be loaded by OpenVINO ({_brief(error)}); use --backend ort-cpu"
            ) from error
        self._request = self._model.create_infer_request()
        self.outputs: Mapping[str, tuple[int | str, ...]] = {
            out.any_name: tuple(map(_size, out.partial_shape)) for out in self._model.outputs
        }
        version = ov.__version__.partition("-")[0]
        self.ran = f"openvino {version}, cpu, {runtime.thread_count} threads"

    def run(self, feeds: Feeds) -> Mapping[str, npt.NDArray[Any]]:
        """Compute every output of a batch.

        Raises:
            ArtefactError: the graph does not take such feeds, or fails.
        """
        with self._lock:  # a request holds its batch
            try:
                self._require(feeds)
                self._request.infer(dict(feeds))
            except _FAULTS as error:
                raise ArtefactError(
                    f"{self._path} cannot be run by OpenVINO ({_brief(error)}); make it again"
                ) from error
            found = {name: np.array(self._request.get_tensor(name).data) for name in self.outputs}
            if self._lean:
                self._model.release_memory()
            return found

    def _require(self, feeds: Feeds) -> None:
        """Compare shapes, which OpenVINO itself does not do with its first batch."""
        for one in self._model.inputs:
            shape = feeds[one.any_name].shape
            if len(shape) != len(one.partial_shape) or not all(
                map(_fits, one.partial_shape, shape)
            ):
                raise ValueError(f"'{one.any_name}' takes {one.partial_shape}, not {[*shape]}")


def import_openvino() -> Any:
    """Return the module openvino.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise MissingExtraError("the backend 'openvino'", "openvino") from error
    return openvino


def _options(runtime: Runtime) -> dict[str, Any]:
    return {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": runtime.thread_count,
        "NUM_STREAMS": 1,
        "ENABLE_CPU_PINNING": False,  # other processes need the cores, too
    }


def _fits(size: Any, given: int) -> bool:
    return bool(size.is_dynamic) or int(size.get_length()) == given


def _size(size: Any) -> int | str:
    return "batch" if size.is_dynamic else int(size.get_length())


def _brief(error: Exception) -> str:
    """Return OpenVINO's words on one line, the last of which say what is wrong."""
    return " ".join(str(error).split())[-400:]
