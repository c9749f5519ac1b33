"""What zscr calls of TensorRT to build, in types: `tensorrt` 10 and 11 and `tensorrt_rtx` share it.

What runs engines is in `zscr.infer.engines.api`.
"""

# ruff: noqa: D102  (what the methods do is in the documents of TensorRT)

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from zscr.infer.engines.api import Enumeration, Named
from zscr.infer.engines.api import TensorRT as Runs


class Tensor(Protocol):
    """ITensor."""

    name: str
    dtype: Named
    shape: Sequence[int]


class Layer(Protocol):
    """ILayer."""

    name: str
    type: Named
    num_inputs: int
    num_outputs: int

    def get_input(self, index: int) -> Tensor | None: ...
    def get_output(self, index: int) -> Tensor | None: ...


class Network(Protocol):
    """INetworkDefinition."""

    num_inputs: int
    num_outputs: int
    num_layers: int

    def get_input(self, index: int) -> Tensor: ...
    def get_output(self, index: int) -> Tensor: ...
    def get_layer(self, index: int) -> Layer: ...


class Shapes(Protocol):
    """IOptimizationProfile."""

    def set_shape(
        self, input: str, min: Sequence[int], opt: Sequence[int], max: Sequence[int]
    ) -> None: ...


class TimingCache(Protocol):
    """ITimingCache."""

    def serialize(self) -> Any: ...
    def combine(self, input_cache: TimingCache, ignore_mismatch: bool) -> bool: ...


class Config(Protocol):
    """IBuilderConfig."""

    num_compute_capabilities: int  # of tensorrt_rtx alone, as set_compute_capability
    progress_monitor: Any

    def clear_flag(self, flag: Named) -> None: ...
    def set_flag(self, flag: Named) -> None: ...
    def get_flag(self, flag: Named) -> bool: ...
    def set_memory_pool_limit(self, pool: Named, pool_size: int) -> None: ...
    def add_optimization_profile(self, profile: Shapes) -> int: ...
    def set_compute_capability(self, compute_capability: Named, index: int) -> bool: ...
    def create_timing_cache(self, serialized_timing_cache: bytes) -> TimingCache: ...
    def set_timing_cache(self, cache: TimingCache, ignore_mismatch: bool) -> bool: ...


class Builder(Protocol):
    """Builder."""

    def create_network(self, flags: int) -> Network: ...
    def create_builder_config(self) -> Config: ...
    def create_optimization_profile(self) -> Shapes: ...
    def build_serialized_network(self, network: Network, config: Config) -> Any: ...


class ParserError(Protocol):
    """ParserError."""

    def node(self) -> int: ...
    def node_name(self) -> str: ...
    def node_operator(self) -> str: ...
    def desc(self) -> str: ...


class Parser(Protocol):
    """OnnxParser."""

    num_errors: int

    def parse_from_file(self, model: str) -> bool: ...
    def get_error(self, index: int) -> ParserError: ...


class MakesBuilder(Protocol):
    """The class Builder."""

    def __call__(self, logger: Any) -> Builder: ...


class MakesParser(Protocol):
    """The class OnnxParser."""

    def __call__(self, network: Network, logger: Any) -> Parser: ...


class TensorRT(Runs, Protocol):
    """The module, with what builds."""

    Builder: MakesBuilder
    OnnxParser: MakesParser
    IProgressMonitor: Any  # to be inherited from
    BuilderFlag: Enumeration
    MemoryPoolType: Enumeration
    NetworkDefinitionCreationFlag: Enumeration
