"""How long kernels took on this user's GPU, kept from one build to the next.

`tensorrt` times kernels on the GPU; what it has timed before it need not time again, so that later
builds are faster and choose the same. `tensorrt_rtx` times nothing, and its cache does nothing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from zscr.artefact import dump_json, hash_bytes
from zscr.export.tensorrt.api import Config, TimingCache
from zscr.infer.engines.seal import private_folder
from zscr.infer.engines.toolchain import Toolchain
from zscr.partial import write_atomically
from zscr.regular import read_regular

_LARGEST = 1 << 30  # bytes
LIBRARY = "tensorrt"  # that times kernels


def timings_file(toolchain: Toolchain) -> Path:
    """Return where times are kept of a library, its version, and a GPU with its driver.

    Raises:
        ArtefactError: the user's own folder is not private; see `private_folder`.
    """
    return private_folder() / f"timings-{hash_bytes(dump_json(asdict(toolchain)))[:16]}"


def attach_timings(config: Config, path: Path) -> TimingCache:
    """Give a build the times that are kept; those that cannot be used are as good as none."""
    times = config.create_timing_cache(_kept(path))
    config.set_timing_cache(times, ignore_mismatch=False)
    return times


def keep_timings(config: Config, times: TimingCache, path: Path) -> None:
    """Keep the times of a build, with those that other processes have kept since it began.

    Raises:
        ArtefactError: the disk is full.
    """
    if other := _kept(path):
        times.combine(config.create_timing_cache(other), ignore_mismatch=False)
    write_atomically(path, bytes(times.serialize()))


def _kept(path: Path) -> bytes:
    with suppress(FileNotFoundError):
        return read_regular(path, _LARGEST, "file of times")
    return b""
