"""What zscr calls of TensorRT to run engines, in types: `tensorrt` and `tensorrt_rtx` share it.

Neither brings types. A test compares these names with those of the library that is installed; what
builds engines is in `zscr.export.tensorrt.api`.
"""

# ruff: noqa: D102  (what the methods do is in the documents of TensorRT)

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Named(Protocol):
    """A member of an enumeration."""

    name: str

    def __int__(self) -> int: ...


class Enumeration(Protocol):
    """An enumeration; which members it has differs between versions."""

    __members__: Mapping[str, Named]


class Context(Protocol):
    """IExecutionContext."""

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool: ...
    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool: ...
    def infer_shapes(self) -> Sequence[str]: ...
    def get_tensor_shape(self, name: str) -> Sequence[int]: ...
    def set_tensor_address(self, name: str, memory: int) -> bool: ...
    def set_device_memory(self, memory: int, size: int) -> None: ...
    def execute_async_v3(self, stream_handle: int) -> bool: ...


class RuntimeConfig(Protocol):
    """IRuntimeConfig, which is asked of `tensorrt_rtx` alone."""

    dynamic_shapes_kernel_specialization_strategy: Named

    def set_execution_context_allocation_strategy(self, strategy: Named) -> None: ...
    def create_runtime_cache(self) -> Any: ...
    def set_runtime_cache(self, cache: Any) -> None: ...


class Engine(Protocol):
    """ICudaEngine."""

    num_io_tensors: int
    num_optimization_profiles: int

    def get_tensor_name(self, index: int) -> str: ...
    def get_tensor_mode(self, name: str) -> Named: ...
    def get_tensor_dtype(self, name: str) -> Named: ...
    def get_tensor_shape(self, name: str) -> Sequence[int]: ...
    def get_tensor_profile_shape(
        self, name: str, profile_index: int
    ) -> Sequence[Sequence[int]]: ...
    def get_device_memory_size_for_profile_v2(self, profile_index: int) -> int: ...
    def create_runtime_config(self) -> RuntimeConfig: ...
    def create_execution_context(self, strategy: Named | RuntimeConfig) -> Context | None: ...


class Runtime(Protocol):
    """Runtime."""

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> Engine | None: ...


class MakesRuntime(Protocol):
    """The class Runtime."""

    def __call__(self, logger: Any) -> Runtime: ...


class TensorRT(Protocol):
    """The module."""

    __name__: str
    __version__: str
    ILogger: Any  # to be inherited from
    Runtime: MakesRuntime
    TensorIOMode: Enumeration
    ExecutionContextAllocationStrategy: Enumeration

    def nptype(self, trt_type: Named) -> type[Any]: ...
    def __hash__(self) -> int: ...
