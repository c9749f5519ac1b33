"""The first CUDA device, asked of the driver itself, which knows CUDA_VISIBLE_DEVICES."""

from __future__ import annotations

import ctypes
from threading import RLock

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
