"""How graphs are run, and what every runner is: feeds in, arrays out, and what really ran."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt

from zscr.cores import usable_cores
from zscr.errors import ConfigError

ORT_CPU, OPENVINO, TRT = "ort-cpu", "openvino", "trt"
BACKENDS = ("auto", ORT_CPU, "ort-cuda", OPENVINO, TRT)

Feeds = Mapping[str, npt.NDArray[Any]]
Compute = Callable[[Feeds], list[npt.NDArray[Any]]]  # every output of a batch, in their order


@dataclass(frozen=True)
class Runtime:
    """How graphs are run.

    Attributes:
        backend: of BACKENDS; `auto` is CUDA where nothing of it is missing, and else `ort-cpu`.
            `trt` runs the engines of bundles, see `zscr.infer.engines`.
        threads: to compute and to decode images on, at least 1; None means every core that this
            process may use, by its affinity and the quota of its container.
        allow_fallback: where CUDA or TensorRT cannot be had, say so and take the CPU.
        release_memory: give the memory that a batch was computed in back after it, instead of
            keeping it for the next, and have glibc, in all of the process, do so with large blocks
            (docs/benchmarks.md says what that saves and costs); on the CPU alone.
        precision: of the graphs that answer queries; None is the bundle's own choice, see
            `chosen_precision`.

    Raises:
        ConfigError: an unknown backend, or fewer threads than 1.
    """

    backend: str = ORT_CPU
    threads: int | None = None
    allow_fallback: bool = False
    release_memory: bool = False
    precision: str | None = None

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise ConfigError(f"backend '{self.backend}' is unknown; use one of {[*BACKENDS]}")
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"{self.threads} threads cannot run anything; give at least 1")

    @property
    def thread_count(self) -> int:
        """The number of threads that will run."""
        return self.threads or usable_cores()


class Runner(Protocol):
    """Computes a graph.

    Attributes:
        outputs: name -> shape of each output; a text stands for a size that the batch decides.
        ran: what computes, for answers and reports: `onnxruntime 1.31.1, cpu, 2 threads`.
    """

    outputs: Mapping[str, tuple[int | str, ...]]
    ran: str

    def run(self, feeds: Feeds) -> Mapping[str, npt.NDArray[Any]]:
        """Compute every output of a batch."""
