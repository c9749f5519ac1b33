"""An engine that is loaded: its tensors, and which of its profiles takes a batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from zscr.errors import ArtefactError
from zscr.infer.engines.api import (
    Context,
    Engine,
    Enumeration,
    Named,
    RuntimeConfig,
    TensorRT,
)
from zscr.infer.engines.listener import listener_of
from zscr.infer.runners.runner import Feeds

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]  # of the inputs, by name


@dataclass(frozen=True)
class Bounds:
    """The smallest and the largest shape that a profile takes of an input."""

    least: Shape
    most: Shape

    def takes(self, shape: Shape) -> bool:
        """Say whether a shape lies between them."""
        return len(shape) == len(self.least) and all(
            low <= size <= high
            for low, size, high in zip(self.least, shape, self.most, strict=True)
        )


class Plan:
    """A loaded engine.

    Attributes:
        name: of it, for messages; engine: what TensorRT made of its bytes.
        inputs, outputs: name -> the type of its numbers.
        profiles: of each, what it takes of every input.

    Args:
        content: its bytes, which must have been proven: they are a program.

    Raises:
        ArtefactError: TensorRT cannot load it; holds its reasons.
    """

    def __init__(self, module: TensorRT, content: bytes, name: str) -> None:
        self.name, self._module, self._said = name, module, listener_of(module)
        self._kernels: Any = None
        runtime = module.Runtime(self._said)
        loaded = runtime.deserialize_cuda_engine(content)
        if loaded is None:
            raise self.fault("loaded")
        self.engine: Engine = loaded
        self._runtime = runtime  # goes after the engine, as attributes go in their order
        names = [loaded.get_tensor_name(place) for place in range(loaded.num_io_tensors)]
        given = module.TensorIOMode.__members__["INPUT"]
        self.inputs = {n: self._type(n) for n in names if loaded.get_tensor_mode(n) == given}
        self.outputs = {n: self._type(n) for n in names if n not in self.inputs}
        self.profiles = tuple(map(self._profile, range(loaded.num_optimization_profiles)))
        self._require_rows()

    def _type(self, name: str) -> np.dtype[Any]:
        try:
            return np.dtype(self._module.nptype(self.engine.get_tensor_dtype(name)))
        except TypeError as error:
            raise ArtefactError(f"{self.name}: numpy has no type for '{name}'") from error

    def _require_rows(self) -> None:
        """Prove that each output has a row for each of the batch's, and no other open size."""
        for name in self.outputs if self.batched else ():
            shape = tuple(self.engine.get_tensor_shape(name))
            if not shape or shape[0] >= 0 or min(shape[1:], default=0) < 0:
                raise ArtefactError(
                    f"{self.name} gives '{name}' of shape {[*shape]}, not a row of one size for "
                    f"each of a batch; export the graph again"
                )

    def _profile(self, number: int) -> dict[str, Bounds]:
        found = {}
        for name in self.inputs:
            least, _, most = self.engine.get_tensor_profile_shape(name, number)
            found[name] = Bounds(tuple(least), tuple(most))
        return found

    @cached_property
    def batched(self) -> tuple[str, ...]:
        """The inputs whose first axis is the batch, so the same for all of them."""
        shapes = {name: self.engine.get_tensor_shape(name) for name in self.inputs}
        return tuple(name for name, shape in shapes.items() if len(shape) and shape[0] < 0)

    @property
    def most_rows(self) -> int:
        """The rows of the largest batch; all must be of it where the graph fixes it."""
        names = self.batched or tuple(self.inputs)
        return max(profile[name].most[0] for profile in self.profiles for name in names)

    def shapes_of(self, feeds: Feeds) -> Shapes:
        """Return the shapes of a batch's arrays.

        Raises:
            ArtefactError: one is missing, or its numbers are of another type.
        """
        for name, dtype in self.inputs.items():
            if name not in feeds or feeds[name].dtype != dtype:
                given = f"is of {feeds[name].dtype}" if name in feeds else "is missing"
                raise ArtefactError(f"{self.name} takes '{name}' of {dtype}, which {given}")
        return {name: feeds[name].shape for name in self.inputs}

    def profile_of(self, shapes: Shapes) -> int:
        """Return the number of the first profile that takes these inputs.

        Raises:
            ArtefactError: none does.
        """
        for number, profile in enumerate(self.profiles):
            if all(profile[name].takes(shape) for name, shape in shapes.items()):
                return number
        wrong = ", ".join(f"'{name}' {[*shape]}" for name, shape in shapes.items())
        raise ArtefactError(f"{self.name} takes no {wrong}; it takes {self._spoken()}")

    def scratch_of(self, profile: int) -> int:
        """Return the bytes that a profile computes in."""
        return int(self.engine.get_device_memory_size_for_profile_v2(profile))

    def context(self) -> Context:
        """Return what runs it in memory that the caller gives.

        Raises:
            ArtefactError: TensorRT cannot make one.
        """
        strategies = self._module.ExecutionContextAllocationStrategy.__members__
        managed = strategies["USER_MANAGED"]
        kinds = getattr(self._module, "DynamicShapesKernelSpecializationStrategy", None)
        how = self._compiled_at_once(managed, kinds) if kinds else managed
        made = self.engine.create_execution_context(how)
        if made is None:
            raise self.fault("run")
        return made

    def _compiled_at_once(self, strategy: Named, kinds: Enumeration) -> RuntimeConfig:
        """Have `tensorrt_rtx`, which compiles kernels for a GPU as they are used, do so at once.

        By default it goes on compiling those of a shape beside the first runs: a recording would
        hold the slower ones for good. All contexts share what has been compiled.
        """
        config = self.engine.create_runtime_config()
        config.set_execution_context_allocation_strategy(strategy)
        config.dynamic_shapes_kernel_specialization_strategy = kinds.__members__["EAGER"]
        self._kernels = self._kernels or config.create_runtime_cache()
        config.set_runtime_cache(self._kernels)
        return config

    def fault(self, what: str, error: Exception | None = None) -> ArtefactError:
        """Return the error that TensorRT has refused something, with its words."""
        said = [*self._said.errors, *([str(error)] if error else [])]
        self._said.errors.clear()
        words = " ".join("; ".join(said).split())[:400]
        help_ = "use another --backend, or build the engine again with 'zscr engine build'"
        if "memory" in words.lower():
            help_ = "free some of the GPU's memory, or use another --backend"
        return ArtefactError(
            f"{self.name} cannot be {what} by {self._module.__name__} "
            f"{self._module.__version__} ({words or 'it gives no reason'}); {help_}"
        )

    def _spoken(self) -> str:
        def told(profile: Mapping[str, Bounds]) -> Iterator[str]:
            for name, bounds in profile.items():
                yield f"'{name}' {_range(bounds.least, bounds.most)}"

        return " or ".join(", ".join(told(profile)) for profile in self.profiles)


def _range(least: Sequence[int], most: Sequence[int]) -> str:
    sizes = zip(least, most, strict=True)
    return "x".join(str(low) if low == high else f"{low}..{high}" for low, high in sizes)
