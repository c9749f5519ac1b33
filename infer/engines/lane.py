"""An engine's batches in a stream: buffers that stay, and a recording, for each shape of them.

A recording holds addresses and shapes, so each shape has an execution context of its own. Those of
a profile compute in the same scratch memory, which a stream uses for one batch at a time.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.errors import ArtefactError
from zscr.infer.engines.plan import Plan, Shapes
from zscr.infer.runners.gpu import Block, CudaError, Gpu, NoMemoryError, Pinned, Recording, Stream
from zscr.infer.runners.parts import Found
from zscr.infer.runners.runner import Feeds
from zscr.progress import say

MOST_SHAPES = 64  # that are kept; the one that was used longest ago makes room


class Lane:
    """Runs one batch at a time: `submit` it, do something else, `collect` what is found.

    Args:
        recorded: launch recordings, from the second batch of a shape on.
    """

    def __init__(self, plan: Plan, gpu: Gpu, *, recorded: bool) -> None:
        self._plan, self._gpu, self._recorded = plan, gpu, recorded
        self._stream = Stream(gpu)
        self._scratch: dict[int, Block] = {}  # by the profile that computes in it
        self._kept: OrderedDict[tuple[Any, ...], Fixed] = OrderedDict()
        self._asked: Fixed | None = None

    def submit(self, feeds: Feeds) -> None:
        """Begin a batch, when the last has been collected.

        Raises:
            ArtefactError: the engine does not take it.
            NoMemoryError: the device has not enough memory for its buffers.
            CudaError: the device fails.
        """
        assert self._asked is None, "the last has been collected"
        fixed = self._fixed(self._plan.shapes_of(feeds))
        for name, pinned in fixed.inputs.items():
            np.copyto(pinned.array, feeds[name], casting="no")
        fixed.begin()
        self._asked = fixed

    def collect(self) -> Found:
        """Wait for the batch; return every output, in the order of the engine's outputs."""
        fixed, self._asked = self._asked, None
        assert fixed is not None, "a batch was submitted"
        self._stream.wait()  # for the copies back
        return [pinned.array.copy() for pinned in fixed.outputs.values()]

    @property
    def records(self) -> bool:
        """Say whether all shapes that came so far can be recorded."""
        return all(fixed.records for fixed in self._kept.values())

    def drop(self) -> None:
        """Wait for a batch that nobody wants any more, if there is one."""
        asked, self._asked = self._asked, None
        if asked:
            with suppress(CudaError):  # why it is not wanted has been raised
                self._stream.wait()

    def _fixed(self, shapes: Shapes) -> Fixed:
        """Return what runs batches of these shapes; for want of memory, others make room."""
        key = tuple(shapes.items())
        if key not in self._kept:
            while len(self._kept) >= MOST_SHAPES:
                self._kept.popitem(last=False)
            made = self._made(shapes) or self._alone(shapes)
            self._kept[key] = made
        self._kept.move_to_end(key)
        return self._kept[key]

    def _made(self, shapes: Shapes) -> Fixed | None:
        try:
            return self._alone(shapes)
        except NoMemoryError:
            if not (self._kept or self._scratch):
                raise
        self._kept.clear()  # not before the exception is gone, which holds what was half made
        self._scratch.clear()
        return None

    def _alone(self, shapes: Shapes) -> Fixed:
        profile = self._plan.profile_of(shapes)
        if profile not in self._scratch:
            self._scratch[profile] = Block(self._gpu, self._plan.scratch_of(profile))
        scratch = self._scratch[profile]
        return Fixed(self._plan, self._gpu, self._stream, scratch, shapes, recorded=self._recorded)


class Fixed:
    """An engine that takes batches of one shape.

    Attributes:
        inputs, outputs: name -> array of the host that is copied from and to.
        records: launch a recording from the second batch on; no longer once that was refused.
    """

    def __init__(
        self,
        plan: Plan,
        gpu: Gpu,
        stream: Stream,
        scratch: Block,
        shapes: Shapes,
        *,
        recorded: bool,
    ) -> None:
        self._plan, self._stream, self._scratch = plan, stream, scratch
        self.records, self._context = recorded, plan.context()
        self._prepare(shapes)
        made = {name: tuple(self._context.get_tensor_shape(name)) for name in plan.outputs}
        self.inputs = {name: Pinned(gpu, shapes[name], plan.inputs[name]) for name in shapes}
        self.outputs = {name: Pinned(gpu, made[name], plan.outputs[name]) for name in made}
        both = {**self.inputs, **self.outputs}
        self._blocks = {name: Block(gpu, pinned.array.nbytes) for name, pinned in both.items()}
        for name, block in self._blocks.items():
            self._require(self._context.set_tensor_address(name, block.address))
        self._recording: Recording | None = None
        self._warm = False

    def _prepare(self, shapes: Shapes) -> None:
        """Choose the profile, the shapes, and the memory to compute in."""
        profile, context = self._plan.profile_of(shapes), self._context
        try:
            self._require(context.set_optimization_profile_async(profile, self._stream.handle))
            self._stream.wait()  # the switch may copy
            for name, shape in shapes.items():
                self._require(context.set_input_shape(name, shape))
            self._require(not context.infer_shapes())
        except RuntimeError as error:  # TensorRT's, where it returns no False
            raise self._plan.fault("run", error) from error
        context.set_device_memory(self._scratch.address, self._scratch.size)

    def begin(self) -> None:
        """Put copies there, kernels and copies back into the stream.

        TensorRT may allocate and load kernels in the first run, which cannot be recorded.
        """
        if self.records and self._warm and self._recording is None:
            self._record()
        if self._recording:
            self._stream.launch(self._recording)
        else:
            self._run()
        self._warm = True

    def _record(self) -> None:
        """Record the work, or run it as it is from now on."""
        try:
            self._recording = self._stream.record(self._run)
        except NoMemoryError:
            raise
        except (CudaError, ArtefactError) as error:
            self.records = False
            say(f"{self._plan.name} runs batches of one shape without a CUDA graph: {error}")
            with suppress(ArtefactError):  # TensorRT finds CUDA's note of the failure once more
                self._run()

    def _run(self) -> None:
        for name, pinned in self.inputs.items():
            self._stream.upload(self._blocks[name], pinned)
        self._require(self._context.execute_async_v3(self._stream.handle))
        for name, pinned in self.outputs.items():
            self._stream.download(pinned, self._blocks[name])

    def _require(self, done: bool) -> None:
        if not done:
            raise self._plan.fault("run")


def can_record(plan: Plan, gpu: Gpu, feeds: Feeds) -> bool:
    """Run a batch, and say whether it can be recorded, by recording it.

    Raises:
        ArtefactError, NoMemoryError, CudaError: it cannot even be run; see `Lane.submit`.
    """
    lane = Lane(plan, gpu, recorded=True)
    for _ in range(2):
        lane.submit(feeds)
        lane.collect()
    return lane.records


def smallest(plan: Plan) -> dict[str, npt.NDArray[Any]]:
    """Return a batch of zeros of the smallest shape that an engine takes."""
    first = plan.profiles[0]
    return {name: np.zeros(first[name].least, dtype) for name, dtype in plan.inputs.items()}
