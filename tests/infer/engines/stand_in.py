"""Stands in for TensorRT where no GPU can run it: an engine is an ONNX file, run by onnxruntime.

It does with CUDA what TensorRT does: its work goes into the caller's stream, and it reads and
writes the device's memory at the addresses that it is given, by copies to the host and back. So it
runs on a real GPU, too, and on `cuda.c`, which stands in for the driver.
"""

from __future__ import annotations

import ctypes
from enum import Enum
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import onnxruntime
from cuda.bindings import driver

from zscr.export.tensorrt.profile import Tensor, profiles_for

__name__ = "tensorrt"  # noqa: A001  # the library that it stands for
__version__ = "99.0"
SCRATCH = 1 << 20  # bytes that an engine asks for to compute in
TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
CALL = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class TensorIOMode(Enum):
    """Of what an engine has."""

    INPUT, OUTPUT = 1, 2


class ExecutionContextAllocationStrategy(Enum):
    """Who gives the memory that is computed in."""

    USER_MANAGED = 2


class ILogger:
    """What is said; nothing is."""

    Severity = SimpleNamespace(WARNING=2, INFO=3, ERROR=1, INTERNAL_ERROR=0)


def nptype(kind: Any) -> Any:
    return kind


class Runtime:
    """Loads an engine; of bytes that are none, says why not."""

    def __init__(self, logger: Any) -> None:
        self.logger = logger

    def deserialize_cuda_engine(self, content: bytes) -> Engine | None:
        try:
            return Engine(content)
        except onnxruntime.capi.onnxruntime_pybind11_state.InvalidProtobuf as error:
            self.logger.log(ILogger.Severity.ERROR, str(error))
            return None


class Engine:
    """A graph with profiles as zscr asks for."""

    def __init__(self, content: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 4
        self.session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        self.tensors = {
            one.name: tuple(n if isinstance(n, int) else -1 for n in one.shape)
            for one in (*inputs, *outputs)
        }
        self.types = {one.name: TYPES[one.type] for one in (*inputs, *outputs)}
        self.inputs = [one.name for one in inputs]
        told = [Tensor(name, "", self.tensors[name]) for name in self.inputs]
        self.profiles = profiles_for(told, batches=(1, 8, 64, 512), lengths=(1, 16, 128))
        self.num_io_tensors, self.num_optimization_profiles = len(self.tensors), len(self.profiles)

    def get_tensor_name(self, place: int) -> str:
        return [*self.tensors][place]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> Any:
        return self.types[name]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.tensors[name]

    def get_tensor_profile_shape(self, name: str, number: int) -> list[tuple[int, ...]]:
        one = self.profiles[number][name]
        return [one.min, one.opt, one.max]

    def get_device_memory_size_for_profile_v2(self, number: int) -> int:
        return SCRATCH

    def create_execution_context(self, strategy: Any) -> Context:
        assert strategy is ExecutionContextAllocationStrategy.USER_MANAGED
        return Context(self)


class Context:
    """Runs an engine on one shape, when its stream comes to it.

    Attributes:
        asked: how often any was asked to run; refused: what it then refuses, by a test's doing:
            `all`, a `recording`, one that it has `spoilt`, or to be `prepared`.
    """

    asked: ClassVar[int] = 0
    refused: ClassVar[str] = ""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.shapes, self.profile = engine, dict[str, tuple[int, ...]](), 0
        self.addresses, self.memory = dict[str, int](), (0, 0)
        self.host: dict[str, Any] = {}
        self.call = CALL(lambda _: self.compute())

    def set_optimization_profile_async(self, number: int, stream: int) -> bool:
        self.profile = number
        return stream != 0

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        one = self.engine.profiles[self.profile][name]
        self.shapes[name] = shape
        return all(a <= b <= c for a, b, c in zip(one.min, shape, one.max, strict=True))

    def infer_shapes(self) -> list[str]:
        if Context.refused == "prepared":
            raise RuntimeError("shapes could not be inferred")
        return [name for name in self.engine.inputs if name not in self.shapes]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        zeros = {n: np.zeros(s, self.engine.types[n]) for n, s in self.shapes.items()}
        return tuple(self.engine.session.run([name], zeros)[0].shape)

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def set_device_memory(self, address: int, size: int) -> None:
        self.memory = (address, size)

    def execute_async_v3(self, stream: int) -> bool:
        Context.asked += 1
        code, recording = driver.cuStreamIsCapturing(stream)
        assert code == driver.CUresult.CUDA_SUCCESS
        if int(recording) and Context.refused == "spoilt":
            driver.cuStreamSynchronize(stream)  # which no recording may see
        if Context.refused == "all" or (Context.refused and int(recording)):
            return False
        assert self.memory[1] >= SCRATCH, "there is no memory to compute in"
        self.host = self.host or {name: self.pinned(name) for name in self.engine.tensors}
        copies = [(n, self.addresses[n], self.host[n]) for n in self.engine.tensors]
        given = [one for one in copies if one[0] in self.engine.inputs]
        for _, address, array in given:
            done(driver.cuMemcpyDtoHAsync(array.ctypes.data, address, array.nbytes, stream))
        function = driver.CUhostFn(_ptr=ctypes.addressof(self.call))
        done(driver.cuLaunchHostFunc(stream, function, 0))
        for _, address, array in copies[len(given) :]:
            done(driver.cuMemcpyHtoDAsync(address, array.ctypes.data, array.nbytes, stream))
        return True

    def compute(self) -> None:
        feeds = {name: self.host[name] for name in self.engine.inputs}
        names = [name for name in self.engine.tensors if name not in feeds]
        for name, found in zip(names, self.engine.session.run(names, feeds), strict=True):
            self.host[name][:] = found

    def pinned(self, name: str) -> Any:
        shape = self.shapes.get(name) or self.get_tensor_shape(name)
        size = int(np.prod(shape)) * np.dtype(self.engine.types[name]).itemsize
        address = done(driver.cuMemHostAlloc(size, 1))
        memory = (ctypes.c_byte * size).from_address(int(address))
        return np.frombuffer(memory, self.engine.types[name]).reshape(shape)


def done(found: tuple[Any, ...]) -> Any:
    code, *rest = found
    assert code == driver.CUresult.CUDA_SUCCESS, code
    return rest[0] if rest else None
