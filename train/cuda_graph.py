"""CUDA graphs: work of fixed shapes is recorded once, then launched as a whole.

A round launches tens of thousands of small kernels; one by one, the host is slower at that than
the device at running them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

Work = Callable[..., torch.Tensor]
Capture = Callable[[Callable[[], torch.Tensor]], tuple[Callable[[], Any], torch.Tensor]]

WARM_UP = 2  # calls before the recording: libraries allocate and choose on the first


class Replay:
    """Calls a function, and from its third call on a recording of it where there is CUDA.

    Every call does the work exactly once: the first ones run it, and recording runs nothing.

    Args:
        function: takes tensors of the same shapes in every call, reads and writes tensors that
            stay, never waits for the device, and returns one tensor.
        device: where it works; on the CPU the function itself is called.
        capture: records a call; the default is CUDA's.
    """

    def __init__(
        self, function: Work, device: torch.device, capture: Capture | None = None
    ) -> None:
        self.function = function
        self.capture = capture or (cuda_graph if device.type == "cuda" else None)
        self.calls = 0
        self.replay: Callable[[], Any] | None = None

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Do the work; the result stands until the next call."""
        self.calls += 1
        if self.capture is None or self.calls <= WARM_UP:
            return self.function(*inputs)
        if self.replay is None:
            self.inputs = [tensor.clone() for tensor in inputs]
            self.replay, self.output = self.capture(lambda: self.function(*self.inputs))
        for kept, tensor in zip(self.inputs, inputs, strict=True):
            kept.copy_(tensor)
        self.replay()
        return self.output


def cuda_graph(work: Callable[[], torch.Tensor]) -> tuple[Callable[[], Any], torch.Tensor]:
    """Record work on the current CUDA device; return what runs it, and where its result will be."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = work()
    return graph.replay, output
