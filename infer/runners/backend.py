"""Which backend runs, and what CUDA lacks where it cannot be had."""

from __future__ import annotations

import ctypes
import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from zscr.errors import ConfigError
from zscr.infer.runners.cuda_device import first_device
from zscr.infer.runners.runner import ORT_CPU, Runtime
from zscr.progress import say

_LIBRARIES = "pip install 'onnxruntime-gpu[cuda,cudnn]'"
_CUDNN = "libcudnn.so.9"


def chosen(runtime: Runtime, ort: Any) -> str:
    """Return the backend that runs; `auto` is CUDA only where nothing of it is missing.

    Args:
        runtime: what is asked for; ort: the module onnxruntime.

    Raises:
        ConfigError: CUDA is asked for and lacks something; says what, and how it is had.
    """
    lack = None if runtime.backend == "ort-cpu" else cuda_lack(ort)
    if runtime.backend == "ort-cuda" and lack:
        fall_back(runtime, lack)
    return "ort-cpu" if lack or runtime.backend == "ort-cpu" else "ort-cuda"


def fall_back(runtime: Runtime, lack: str) -> Runtime:
    """Return the CPU's runtime in place of one that cannot run here, and say so.

    Args:
        lack: what it lacks, and how that is had.

    Raises:
        ConfigError: it may not fall back.
    """
    if not runtime.allow_fallback:
        raise ConfigError(
            f"backend '{runtime.backend}' cannot run here: {lack}; or use --backend ort-cpu, or "
            f"pass --allow-fallback"
        )
    say(f"backend '{runtime.backend}' cannot run here, so the CPU does: {lack}")
    return replace(runtime, backend=ORT_CPU)


def cuda_lack(ort: Any) -> str | None:
    """Say what CUDA lacks here, and how it is had; None where nothing is missing.

    The libraries of the packages nvidia-… are loaded on the way, so that onnxruntime finds them:
    it looks beside itself alone, and falls back to the CPU without a word.
    """
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        return (
            f"onnxruntime {ort.__version__} is built without CUDA; "
            f"pip uninstall -y onnxruntime; pip install 'zscr[gpu]'"
        )
    try:
        device_name()
    except OSError as error:
        return f"{error}; install NVIDIA's driver, or show this process a GPU"
    missing = missing_library(ort)
    return f"{missing} cannot be loaded; {_LIBRARIES}" if missing else None


def device_name() -> str:
    """Return the name of the first CUDA device.

    Raises:
        OSError: there is no driver, or it has no device; says which.
    """
    return first_device()[0]


def missing_library(ort: Any) -> str | None:
    """Load CUDA's libraries; return the name of the first that cannot be, None where all can."""
    said = io.StringIO()
    with redirect_stdout(said):  # it prints what it cannot load
        for folder in _library_folders():
            ort.preload_dlls(directory=str(folder))
        said.truncate(0)  # what one folder lacks another may have
        ort.preload_dlls()
    if failed := re.search(r"Failed to load (\S+):", said.getvalue()):
        return Path(failed[1]).name
    try:
        ctypes.CDLL(_CUDNN)
    except OSError:  # convolutions alone need it, which every image tower has
        return _CUDNN
    return None


def _library_folders() -> Iterator[Path]:
    """Yield where pip has put CUDA's libraries, which need not be beside onnxruntime."""
    found = find_spec("nvidia")
    for root in (found and found.submodule_search_locations) or ():
        yield from sorted(Path(root).glob("*/lib"))
