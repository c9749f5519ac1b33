"""The first CUDA device, asked of the driver itself, which knows CUDA_VISIBLE_DEVICES."""

from __future__ import annotations

import ctypes

DRIVER = "libcuda.so.1"
_MAJOR, _MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_…


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

    The driver answers only where a context is current. The primary one is taken, which onnxruntime
    computes in as well: it is made if it is not there yet, and put back as it was.

    Raises:
        OSError: the driver does not tell.
    """
    cuda = ctypes.CDLL(DRIVER)
    device, context = ctypes.c_int(), ctypes.c_void_p()
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    code = (
        cuda.cuInit(0)
        or cuda.cuDeviceGet(ctypes.byref(device), 0)
        or cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), device)
    )
    if not code:
        code = cuda.cuCtxPushCurrent_v2(context)
        if not code:
            code = cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
            cuda.cuCtxPopCurrent_v2(ctypes.byref(ctypes.c_void_p()))
        cuda.cuDevicePrimaryCtxRelease_v2(device)
    if code:
        raise OSError(f"the driver does not tell the free memory (error {code})")
    return free.value
