"""The first CUDA device, asked of the driver itself, which knows CUDA_VISIBLE_DEVICES."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from threading import RLock
from typing import Any

import numpy.typing as npt

DRIVER = "libcuda.so.1"
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_…
# Held by whatever asks anything of the GPU. onnxruntime records a CUDA graph in the mode that other
# threads spoil by what they allocate, copy or wait for at the same time, and which fails them, too.
IN_USE = RLock()


def first_device() -> tuple[str, str]:
    """Return the name of the first CUDA device, and its compute capability such as `SM86`.

    Raises:
        OSError: there is no driver, or it has no device; says which.
    """
    cuda = ctypes.CDLL(DRIVER)
    device, name = ctypes.c_int(), ctypes.create_string_buffer(256)
    major, minor = ctypes.c_int(), ctypes.c_int()
    code = (
        cuda.cuInit(0)
        or cuda.cuDeviceGet(ctypes.byref(device), 0)
        or cuda.cuDeviceGetName(name, len(name), device)
        or cuda.cuDeviceGetAttribute(ctypes.byref(major), _MAJOR, device)
        or cuda.cuDeviceGetAttribute(ctypes.byref(minor), _MINOR, device)
    )
    if code:
        raise OSError(f"there is no CUDA device (the driver gives error {code})")
    return name.value.decode(), f"SM{major.value}{minor.value}"


def free_memory() -> int:
    """Return how many bytes of the first CUDA device are free.

    Raises:
        OSError: there is no driver, or it does not tell.
    """
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    with _current() as cuda:
        _check(cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)), "tell what is free")
    return free.value


class DeviceMemory:
    """Bytes on the first CUDA device, given back when nothing refers to this any longer.

    The driver is asked for them, since onnxruntime's own allocator of such takes up to twice as
    many, and keeps those that are given back.

    Attributes:
        pointer: to the first, on the device.
    """

    def __init__(self, size: int) -> None:
        """Take so many bytes.

        Raises:
            OSError: there are not so many.
        """
        pointer = ctypes.c_uint64()
        with _current() as cuda:
            code = cuda.cuMemAlloc_v2(ctypes.byref(pointer), ctypes.c_size_t(size))
            _check(code, f"give {size / 1e9:.2f} GB")
        self.pointer = pointer.value
        weakref.finalize(self, _give_back, self.pointer).atexit = False  # the process's end does

    def write(self, at: int, array: npt.NDArray[Any]) -> None:
        """Copy a contiguous array to the bytes from `at` on, and wait until it is there.

        A copy is done before it is waited for only as far as the host is concerned, and onnxruntime
        computes in a stream that does not wait for it.

        Raises:
            OSError: the driver cannot.
        """
        place, source = ctypes.c_uint64(self.pointer + at), ctypes.c_void_p(array.ctypes.data)
        with _current() as cuda:
            code = cuda.cuMemcpyHtoD_v2(place, source, ctypes.c_size_t(array.nbytes))
            _check(code or cuda.cuCtxSynchronize(), f"copy {array.nbytes / 1e9:.2f} GB")


def _give_back(pointer: int) -> None:
    with _current() as cuda:
        _check(cuda.cuMemFree_v2(ctypes.c_uint64(pointer)), "take memory back")


@contextmanager
def _current() -> Iterator[ctypes.CDLL]:
    """Make the device's primary context, in which onnxruntime computes, this thread's own."""
    with IN_USE:
        cuda, context = _primary()
        _check(cuda.cuCtxPushCurrent_v2(context), "make a context current")
        try:
            yield cuda
        finally:
            cuda.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))


@lru_cache(maxsize=1)
def _primary() -> tuple[ctypes.CDLL, ctypes.c_void_p]:
    """Return the driver, and the primary context, which is kept as long as the process lives."""
    cuda, device, context = ctypes.CDLL(DRIVER), ctypes.c_int(), ctypes.c_void_p()
    _check(
        cuda.cuInit(0)
        or cuda.cuDeviceGet(ctypes.byref(device), 0)
        or cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device),
        "make a context",
    )
    return cuda, context


def _check(code: int, what: str) -> None:
    if code:
        raise OSError(f"the GPU's driver cannot {what} (error {code})")
