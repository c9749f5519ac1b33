"""Graphs in TensorRT, by its own API: pinned buffers, a stream of its own, and CUDA graphs."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy.typing as npt

from zscr.errors import ArtefactError, InputError
from zscr.infer.engines.api import TensorRT
from zscr.infer.engines.lane import Lane, can_record, smallest
from zscr.infer.engines.plan import Plan
from zscr.infer.engines.toolchain import EXTRAS
from zscr.infer.runners.gpu import CudaError, Gpu, NoMemoryError
from zscr.infer.runners.parts import Found, Part, parts_of, together
from zscr.infer.runners.runner import Feeds

_LANES = 2  # copies of one part of a batch go on while another is computed


class EngineRunner:
    """Runs an engine, a batch at a time; see `Runner`.

    A batch beyond the largest profile is run in parts, on two streams in turns, so that the copies
    of one overlap with the kernels of the other.

    Args:
        module: TensorRT, as it is imported.
        content: the engine's bytes, which must have been proven: they are a program.
        name: of the engine, for messages; device: what it runs on, in words.

    Raises:
        ArtefactError: TensorRT cannot load or run it.
        InputError: the device has not enough memory for it.
        MissingExtraError: NVIDIA's binding of the driver is not installed.
    """

    def __init__(self, module: TensorRT, content: bytes, *, name: str, device: str) -> None:
        self._name, self._gpu = name, Gpu(EXTRAS[module.__name__])
        with self._faults("to run"), self._gpu.current():
            self._plan = Plan(module, content, name)
            recorded = can_record(self._plan, self._gpu, smallest(self._plan))
            self._lanes = [Lane(self._plan, self._gpu, recorded=recorded)]
        self._most = 1 << (self._plan.most_rows.bit_length() - 1)
        self.outputs: Mapping[str, tuple[int | str, ...]] = {
            output: ("batch", *map(int, tuple(self._plan.engine.get_tensor_shape(output))[1:]))
            for output in self._plan.outputs
        }
        self._recorded, self._most_lanes = recorded, _LANES
        how = "CUDA graphs" if recorded else "without CUDA graphs"
        self.ran = f"{module.__name__} {module.__version__}, cuda ({device}), {how}"

    def run(self, feeds: Feeds) -> Mapping[str, npt.NDArray[Any]]:
        """Compute every output of a batch.

        Raises:
            ArtefactError: the engine does not take such feeds, or fails.
            InputError: the device has not enough memory for such a batch.
        """
        rows = max(map(len, feeds.values()))
        with self._faults(f"for a batch of {rows}"), self._gpu.current():
            try:
                found = together(self._found(self._parts(feeds)))
            finally:
                for lane in self._lanes:
                    lane.drop()
        return dict(zip(self.outputs, found, strict=True))

    def _parts(self, feeds: Feeds) -> Iterator[Part]:
        names, shapes = self._plan.batched, self._plan.shapes_of(feeds)
        sizes = {shapes[name][0] for name in names}
        if len(sizes) != 1 or sizes == {0}:  # a fixed batch, or one that no profile takes
            yield Part(feeds, max(map(len, feeds.values())))
        else:
            yield from parts_of(feeds, names, self._most)

    def _found(self, parts: Iterable[Part]) -> Iterator[Found]:
        """Yield what is found of each part, while the next is on its way."""
        asked: deque[tuple[Part, Lane]] = deque()
        for number, part in enumerate(parts):
            if number == len(self._lanes) < self._most_lanes:
                self._lanes.append(Lane(self._plan, self._gpu, recorded=self._recorded))
            if len(asked) == len(self._lanes):
                yield _collected(*asked.popleft())
            lane = self._lanes[number % len(self._lanes)]
            if not self._has_begun(lane, part):
                while asked:
                    yield _collected(*asked.popleft())
                self._most_lanes, self._lanes = 1, self._lanes[:1]
                lane = self._lanes[0]
                lane.submit(part.feeds)
            asked.append((part, lane))
        while asked:
            yield _collected(*asked.popleft())

    def _has_begun(self, lane: Lane, part: Part) -> bool:
        """Begin a part; say whether there is memory for it beside that of the other lane."""
        try:
            lane.submit(part.feeds)
        except NoMemoryError:
            if len(self._lanes) == 1:
                raise
            return False
        return True

    @contextmanager
    def _faults(self, what: str) -> Iterator[None]:
        try:
            yield
        except NoMemoryError as error:
            raise InputError(
                f"{self._name} needs {error.size / 1e9:.2f} GB more of {error.of} {what} than is "
                f"free; give smaller batches, or free some"
            ) from error
        except CudaError as error:
            raise ArtefactError(f"{self._name} cannot be run: {error}") from error


def _collected(part: Part, lane: Lane) -> Found:
    return part.own(lane.collect())
