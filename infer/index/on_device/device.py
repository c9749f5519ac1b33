"""The device that searches, by onnxruntime: CUDA's first, or the CPU, where all is the same."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from zscr.errors import ConfigError, ZscrError
from zscr.infer.index.on_device.graphs import by_full, by_half
from zscr.infer.runners.cuda_device import IN_USE
from zscr.infer.runners.gpu import Block, Gpu
from zscr.infer.runners.onnx import faults, import_onnxruntime, session_options
from zscr.infer.runners.runner import ORT_CPU, Runtime

Array = npt.NDArray[Any]
Kind = Literal["cpu", "cuda"]


class DeviceError(ZscrError):
    """A device has failed to search."""


class Memory(Protocol):
    """Bytes on a device; `address` is of the first."""

    address: int

    def write(self, at: int, array: Array) -> None:
        """Copy a contiguous array to the bytes from `at` on."""


class HostMemory:
    """The same on the CPU."""

    def __init__(self, size: int) -> None:
        self._bytes = np.empty(size, np.uint8)
        self.address = self._bytes.ctypes.data

    def write(self, at: int, array: Array) -> None:
        """Copy an array."""
        self._bytes[at : at + array.nbytes] = array.reshape(-1).view(np.uint8)


class Held:
    """An array on a device, whose rows are written one after the other or anywhere."""

    def __init__(self, memory: Memory, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self.memory, self.shape, self.dtype = memory, shape, np.dtype(dtype)
        self._stride = self.dtype.itemsize * int(np.prod(shape[1:]))

    def write(self, start: int, rows: Array) -> None:
        """Write rows from one on."""
        self.memory.write(start * self._stride, np.ascontiguousarray(rows, self.dtype))


class Device:
    """Runs the two graphs, one batch at a time, over arrays that stay where it computes.

    Attributes:
        name: for people, such as `cuda (NVIDIA H100 80GB HBM3)`.
    """

    def __init__(self, kind: Kind, threads: int = 1) -> None:
        """Open both graphs.

        Args:
            kind: `cpu` is what tests compare; threads: of the CPU.

        Raises:
            ConfigError: a node would run on the CPU where CUDA is asked for, or onnxruntime fails.
            MissingExtraError: NVIDIA's binding of the driver is not installed.
        """
        self._kind, self._ort = kind, import_onnxruntime()
        self._lock = IN_USE if kind == "cuda" else Lock()
        self.name: str = kind
        self._gpu = Gpu("gpu") if kind == "cuda" else None
        if self._gpu:
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

        try:
            return open_unrecorded(self._ort, graph, f"the search {name}", options)
        except faults() as error:
            words = " ".join(str(error).split())[:300]
            raise ConfigError(f"onnxruntime cannot search on {self.name} ({words})") from error

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Held:
        """Return an array there that is to be written.

        Raises:
            CudaError: it does not fit.
        """
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return Held(Block(self._gpu, size) if self._gpu else HostMemory(size), shape, dtype)

    def free(self) -> int:
        """Return how many bytes of a GPU are free.

        Raises:
            CudaError: the driver does not tell.
        """
        assert self._gpu, "only a GPU's memory is asked for"
        return self._gpu.free()

    def run(self, name: str, held: Mapping[str, Held], feeds: Mapping[str, Array]) -> list[Array]:
        """Run a graph.

        Args:
            name: of the graph; held: inputs that are there; feeds: those that are copied there.

        Raises:
            DeviceError: it fails, as where the memory is short.
        """
        try:
            with self._lock:  # so that the scores of one batch are there, not of many
                return self._run(self._sessions[name], held, feeds)
        except faults() as error:
            words = " ".join(str(error).split())[:300]
            raise DeviceError(f"{self.name} failed ({words})") from error

    def _run(
        self, session: Any, held: Mapping[str, Held], feeds: Mapping[str, Array]
    ) -> list[Array]:
        binding, wanted = session.io_binding(), {one.name for one in session.get_inputs()}
        for key in wanted & held.keys():
            one = held[key]
            binding.bind_input(key, self._kind, 0, one.dtype.type, one.shape, one.memory.address)
        for key in wanted & feeds.keys():
            binding.bind_cpu_input(key, np.ascontiguousarray(feeds[key]))
        for output in session.get_outputs():
            binding.bind_output(output.name)
        session.run_with_iobinding(binding)
        found: list[Array] = binding.copy_outputs_to_cpu()
        return found
