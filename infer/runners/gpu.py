"""Memory, streams and recordings of the first CUDA device, by NVIDIA's own binding of its driver.

Nothing waits unless it is told to: copies and kernels are put into a stream, in whose order they
run. Host memory that takes part in a copy is pinned, or the driver would wait for the copy.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.errors import MissingExtraError, ZscrError
from zscr.infer.runners.cuda_device import IN_USE

_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING: the default stream, which libraries use, is not awaited
_MOVABLE = 1  # CU_MEMHOSTALLOC_PORTABLE: pinned for every context
_NO_MEMORY = "CUDA_ERROR_OUT_OF_MEMORY"


class CudaError(ZscrError):
    """The driver refused a call.

    Attributes:
        code: the name of its error.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class NoMemoryError(CudaError):
    """There is not so much memory left.

    Attributes:
        size: bytes that were asked for; of: whose memory, in words.
    """

    def __init__(self, size: int, of: str) -> None:
        super().__init__(f"there are not {size / 1e9:.2f} GB left of {of}", _NO_MEMORY)
        self.size, self.of = size, of


class Gpu:
    """The first CUDA device. What is called of it is called within `current`.

    Args:
        extra: of zscr that brings the binding.

    Raises:
        MissingExtraError: the binding is not installed.
        CudaError: there is no device.
    """

    def __init__(self, extra: str) -> None:
        self.cuda = import_driver(extra)
        self.call("cuInit", 0)
        self._context = self.call("cuDevicePrimaryCtxRetain", self.call("cuDeviceGet", 0))

    def call(self, name: str, *arguments: Any) -> Any:
        """Call the driver; return what it gives first beside its code.

        Raises:
            CudaError: the code is of an error.
        """
        code, *found = getattr(self.cuda, name)(*arguments)
        if code != self.cuda.CUresult.CUDA_SUCCESS:
            raise CudaError(f"{name} failed ({code.name})", code.name)
        return found[0] if found else None

    def allocate(self, name: str, size: int, of: str, *arguments: Any) -> int:
        """Allocate memory by a call that takes a size; return its address.

        Raises:
            NoMemoryError: there is not so much.
        """
        try:
            return int(self.call(name, max(1, size), *arguments))
        except CudaError as error:
            if error.code == _NO_MEMORY:
                raise NoMemoryError(size, of) from error
            raise

    @contextmanager
    def current(self) -> Iterator[None]:
        """Make its primary context, in which libraries compute, this thread's own for a while.

        Other threads wait, see `IN_USE`.
        """
        with IN_USE:
            self.call("cuCtxPushCurrent", self._context)
            try:
                yield
            finally:
                self.call("cuCtxPopCurrent")

    def free(self) -> int:
        """Return how many bytes of its memory are free.

        Raises:
            CudaError: the driver does not tell.
        """
        with self.current():
            return int(self.call("cuMemGetInfo"))

    def later(self, of: object, name: str, address: int) -> None:
        """Give something back when `of` is gone, on whatever thread that is; not at the exit."""
        weakref.finalize(of, self._give_back, name, address).atexit = False

    def _give_back(self, name: str, address: int) -> None:
        """Free something, also while this thread records, which other modes would break."""
        modes = self.cuda.CUstreamCaptureMode
        with self.current():
            mode = self.call(
                "cuThreadExchangeStreamCaptureMode", modes.CU_STREAM_CAPTURE_MODE_RELAXED
            )
            self.call(name, address)
            self.call("cuThreadExchangeStreamCaptureMode", mode)


class Block:
    """Memory of the device.

    The driver is asked for it: onnxruntime's own allocator takes up to twice as much, and keeps
    what is given back.

    Attributes:
        address: of its first byte; size: in bytes.

    Raises:
        NoMemoryError: there is not so much.
    """

    def __init__(self, gpu: Gpu, size: int) -> None:
        self._gpu, self.size = gpu, size
        with gpu.current():
            self.address = gpu.allocate("cuMemAlloc", size, "the GPU's memory")
        gpu.later(self, "cuMemFree", self.address)

    def write(self, at: int, array: npt.NDArray[Any]) -> None:
        """Copy a contiguous array to the bytes from `at` on, and wait until it is there.

        The copy of unpinned memory is done before it is waited for only as far as the host is
        concerned, and onnxruntime computes in a stream that does not wait for it.

        Raises:
            CudaError: the driver cannot.
        """
        with self._gpu.current():
            place = self.address + at
            self._gpu.call("cuMemcpyHtoD", place, array.ctypes.data, array.nbytes)
            self._gpu.call("cuCtxSynchronize")


class Pinned:
    """An array of the host that the device copies to and from.

    Attributes:
        array: of a shape and type; address: of its first byte.
    """

    def __init__(self, gpu: Gpu, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        size = prod(shape) * np.dtype(dtype).itemsize
        self.address = gpu.allocate("cuMemHostAlloc", size, "memory that can be pinned", _MOVABLE)
        memory = (ctypes.c_byte * size).from_address(self.address)
        self.array: npt.NDArray[Any] = np.frombuffer(memoryview(memory), dtype).reshape(shape)
        gpu.later(self, "cuMemFreeHost", self.address)


class Stream:
    """Work of the device, in its order.

    Attributes:
        handle: what other libraries call it by.
    """

    def __init__(self, gpu: Gpu) -> None:
        self._gpu, self._stream = gpu, gpu.call("cuStreamCreate", _NON_BLOCKING)
        self.handle = int(self._stream)
        gpu.later(self, "cuStreamDestroy", self.handle)

    def upload(self, block: Block, pinned: Pinned) -> None:
        """Copy an array to the device."""
        size = pinned.array.nbytes
        self._gpu.call("cuMemcpyHtoDAsync", block.address, pinned.address, size, self._stream)

    def download(self, pinned: Pinned, block: Block) -> None:
        """Copy memory of the device into an array, which has it when the stream is done."""
        size = pinned.array.nbytes
        self._gpu.call("cuMemcpyDtoHAsync", pinned.address, block.address, size, self._stream)

    def wait(self) -> None:
        """Wait until all of it is done."""
        self._gpu.call("cuStreamSynchronize", self._stream)

    def record(self, work: Callable[[], None]) -> Recording:
        """Record what would be put into the stream, instead of doing it.

        Raises:
            CudaError: something of it cannot be recorded; or what `work` raises.
        """
        mode = self._gpu.cuda.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._gpu.call("cuStreamBeginCapture", self._stream, mode)
        try:
            work()
        except BaseException:
            with suppress(CudaError):  # the stream takes no other work before it ends
                self._gpu.call("cuGraphDestroy", self._end())
            raise
        return Recording(self._gpu, self._end())

    def _end(self) -> Any:
        return self._gpu.call("cuStreamEndCapture", self._stream)

    def launch(self, recording: Recording) -> None:
        """Do what was recorded, all at once."""
        self._gpu.call("cuGraphLaunch", recording.graph, self._stream)


class Recording:
    """A CUDA graph: kernels and copies with their addresses.

    Attributes:
        graph: what launches it.
    """

    def __init__(self, gpu: Gpu, graph: Any) -> None:
        try:
            self.graph = gpu.call("cuGraphInstantiate", graph, 0)
        finally:
            gpu.call("cuGraphDestroy", graph)
        gpu.later(self, "cuGraphExecDestroy", int(self.graph))


def import_driver(extra: str) -> Any:
    """Return the module of NVIDIA's binding.

    Args:
        extra: of zscr that brings it.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        from cuda.bindings import driver
    except ImportError as error:
        raise MissingExtraError("work on a GPU", extra) from error
    return driver
