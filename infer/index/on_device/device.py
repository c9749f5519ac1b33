"""The device that searches, by onnxruntime: CUDA's first, or the CPU, where all is the same."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError
from zscr.infer.index.on_device.graphs import by_full, by_half
from zscr.infer.runners.onnx import faults, import_onnxruntime, session_options
from zscr.infer.runners.runner import ORT_CPU, Runtime

Array = npt.NDArray[Any]
Kind = Literal["cpu", "cuda"]


class Device:
    """Runs the two graphs, one batch at a time, over rows that stay where it computes.

    Attributes:
        name: for people, such as `cuda (NVIDIA H100 80GB HBM3)`.
    """

    def __init__(self, kind: Kind, threads: int = 1) -> None:
        """Open both graphs.

        Args:
            kind: `cpu` is what tests compare; threads: of the CPU.

        Raises:
            ConfigError: a node would run on the CPU where CUDA is asked for.
        """
        self._kind, self._ort, self._lock = kind, import_onnxruntime(), Lock()
        self.name: str = kind
        if kind == "cuda":
            from zscr.infer.runners.backend import device_name

            self.name = f"cuda ({device_name()})"
        runtime = Runtime(ORT_CPU if kind == "cpu" else "ort-cuda", threads)
        graphs = {"by_half": by_half(), "by_full": by_full()}
        self._sessions = {name: self._opened(name, one, runtime) for name, one in graphs.items()}

    def _opened(self, name: str, graph: bytes, runtime: Runtime) -> Any:
        options = session_options(runtime)
        if self._kind == "cpu":
            return self._ort.InferenceSession(graph, options, ["CPUExecutionProvider"])
        from zscr.infer.runners.cuda import open_unrecorded

        return open_unrecorded(self._ort, graph, f"the search {name}", options)

    def put(self, array: Array) -> Any:
        """Copy an array there, and return what holds it.

        Raises:
            InputError: it does not fit.
        """
        try:
            return self._ort.OrtValue.ortvalue_from_numpy(array, self._kind, 0)
        except faults() as error:
            raise InputError(
                f"{array.nbytes / 1e9:.2f} GB cannot be copied to {self.name} ({_brief(error)})"
            ) from error

    def run(self, name: str, held: Mapping[str, Any], feeds: Mapping[str, Array]) -> list[Array]:
        """Run a graph.

        Args:
            name: of the graph; held: inputs that are there; feeds: those that are copied there.

        Raises:
            InputError: it fails, as where the memory is short.
        """
        session = self._sessions[name]
        wanted = {one.name for one in session.get_inputs()}
        binding = session.io_binding()
        try:
            for key in wanted & held.keys():
                binding.bind_ortvalue_input(key, held[key])
            for key in wanted & feeds.keys():
                binding.bind_cpu_input(key, np.ascontiguousarray(feeds[key]))
            for output in session.get_outputs():
                binding.bind_output(output.name)
            with self._lock:  # so that the scores of one batch are there, not of many
                session.run_with_iobinding(binding)
            found: list[Array] = binding.copy_outputs_to_cpu()
        except faults() as error:
            raise InputError(
                f"searching on {self.name} failed ({_brief(error)}); ask fewer queries at once, or "
                f"use --backend ort-cpu"
            ) from error
        return found


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
