"""A session run by IO binding: buffers on the device that stay, and a CUDA graph a shape.

A CUDA graph is a recording of all kernels of a run, launched at once; its shapes are fixed. So
batches are of few sizes (see `parts_of`), and the recording of a shape is made when it comes again.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy.typing as npt

from zscr.infer.runners.cuda_device import IN_USE
from zscr.infer.runners.parts import Found, parts_of, together
from zscr.infer.runners.runner import Feeds

MOST_ROWS = 512  # of a batch; more are run in parts
MOST_SHAPES = 64  # that are kept; others are run without buffers of their own
_UNRECORDED = -1  # of gpu_graph_id: neither record nor replay


class BoundGraph:
    """Runs a graph's batches; one at a time, for its buffers are shared.

    Attributes:
        session: of the graph.

    Args:
        ort: the module onnxruntime.
        device: `cuda` or `cpu`, where the session computes and the buffers are.
        recorded: launch CUDA graphs; the session must have been opened for them.
    """

    def __init__(self, ort: Any, session: Any, device: str, *, recorded: bool) -> None:
        self._ort, self.session, self._device = ort, session, device
        self._recorded, self._lock = recorded, IN_USE if device == "cuda" else Lock()
        self._kept: dict[tuple[Any, ...], Bound] = {}
        first = [one.shape[0] if one.shape else 0 for one in session.get_inputs()]
        self._any_batch = not any(isinstance(size, int) for size in first)

    def run(self, feeds: Feeds) -> Found:
        """Compute every output of a batch, in the order of the session's outputs."""
        sizes = {len(array) for array in feeds.values()}
        if len(sizes) > 1 or not self._any_batch or sizes == {0}:
            return self._run(feeds)  # such as a query beside many images, or a fixed batch
        parts = parts_of(feeds, feeds.keys(), MOST_ROWS)
        return together(part.own(self._run(part.feeds)) for part in parts)

    def bound(self, feeds: Feeds) -> Bound:
        """Return what runs batches of these very shapes, with these in its buffers."""
        shape = tuple((name, array.shape, array.dtype.str) for name, array in feeds.items())
        if shape in self._kept:
            self._kept[shape].feed(feeds)
            return self._kept[shape]
        keep = len(self._kept) < MOST_SHAPES
        number = len(self._kept) + 1 if self._recorded and keep else _UNRECORDED
        made = Bound(self._ort, self.session, self._device, number, feeds)
        if keep:
            self._kept[shape] = made
        return made

    def _run(self, feeds: Feeds) -> Found:
        with self._lock:
            bound = self.bound(feeds)
            bound.compute()
            return bound.read()


class Bound:
    """The buffers of one shape on the device.

    The first run lets onnxruntime allocate outputs and choose its kernels; the second writes into
    buffers that stay, and is recorded; from then on the recording is launched.

    Args:
        number: of the recording; -1 for none.
    """

    def __init__(self, ort: Any, session: Any, device: str, number: int, feeds: Feeds) -> None:
        self._session, self._binding, self._number = session, session.io_binding(), number
        self._buffer: Callable[[npt.NDArray[Any]], Any] = lambda array: (
            ort.OrtValue.ortvalue_from_shape_and_type(array.shape, array.dtype.type, device, 0)
        )
        self._inputs = {name: self._buffer(array) for name, array in feeds.items()}
        for name, buffer in self._inputs.items():
            self._binding.bind_ortvalue_input(name, buffer)
        self._names = [one.name for one in session.get_outputs()]
        for name in self._names:
            self._binding.bind_output(name, device, 0)
        self._options = ort.RunOptions()
        self._options.add_run_config_entry("gpu_graph_id", str(_UNRECORDED))
        self._recording = ort.RunOptions()
        self._recording.add_run_config_entry("gpu_graph_id", str(number))
        self._calls = 0
        self.feed(feeds)

    def feed(self, feeds: Feeds) -> None:
        """Copy a batch to the device."""
        for name, array in feeds.items():
            self._inputs[name].update_inplace(array)

    def compute(self) -> None:
        """Run on what has been fed, and wait for it."""
        if self._calls == 1:
            self.outputs = [self._buffer(array) for array in self.read()]
            for name, buffer in zip(self._names, self.outputs, strict=True):
                self._binding.bind_ortvalue_output(name, buffer)
        options = self._recording if self._calls else self._options
        self._session.run_with_iobinding(self._binding, options)
        self._calls += 1

    def read(self) -> Found:
        """Copy every output to the host."""
        found: Found = self._binding.copy_outputs_to_cpu()
        return found
