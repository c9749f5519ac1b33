"""Known trouble: what is broken or slow here, each with the line that mends it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from zscr.infer.doctor.machine import Memory, Place, Processor
from zscr.infer.doctor.software import Software

_LITTLE = 1 << 30  # bytes of a disk or of memory, with less of which work is likely to end early
_SECONDS = 60
_AGAIN = "pip install --force-reinstall --no-cache-dir --no-binary hnswlib hnswlib"
# Builds an index and searches it, in a process of its own: what the CPU lacks ends the process.
_HNSW = """
import hnswlib, numpy
rows = numpy.random.default_rng(7).standard_normal((64, 64), numpy.float32)
index = hnswlib.Index("l2", 64)
index.init_index(64)
index.add_items(rows)
index.set_ef(64)
assert index.knn_query(rows[7], 1)[0][0, 0] == 7, "it does not find a row by itself"
"""


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong.

    Attributes:
        what: is wrong; fix: a command, or what to do.
        broken: whether something that is needed does not work, and not only slowly.
    """

    what: str
    fix: str
    broken: bool = False


def find_troubles(
    processor: Processor,
    memory: Memory,
    software: Software,
    places: Sequence[Place],
    variables: Mapping[str, str],
) -> list[Trouble]:
    """Return all trouble that is known, what is broken first.

    Args:
        variables: of the environment, as the process found it.
    """
    found = [
        *_of_packages(software),
        *_of_onnxruntime(software),
        *_of_hnswlib(software.packages),
        *_of_places(places),
        *_of_memory(memory),
        *_of_processor(processor),
        *of_environment(variables, processor),
    ]
    return sorted(found, key=lambda one: not one.broken)


def _of_packages(software: Software) -> Iterator[Trouble]:
    lacks = [name for name in software.needed if not software.packages[name]]
    if lacks:
        yield Trouble(
            f"{', '.join(lacks)} is not installed, which zscr needs", "pip install zscr", True
        )


def _of_onnxruntime(software: Software) -> Iterator[Trouble]:
    cpu, gpu = (software.packages[name] for name in ("onnxruntime", "onnxruntime-gpu"))
    if cpu and gpu:
        yield Trouble(
            f"onnxruntime {cpu} and onnxruntime-gpu {gpu} are both installed, and overwrite each "
            f"other's files",
            "pip uninstall -y onnxruntime onnxruntime-gpu; pip install 'zscr[cpu]'",
            True,
        )
    elif not cpu and not gpu:
        yield Trouble(
            "onnxruntime is not installed, so no query is answered", "pip install 'zscr[cpu]'", True
        )
    elif software.onnxruntime_fault:
        extra = "cpu" if cpu else "gpu"
        yield Trouble(
            f"onnxruntime cannot be loaded ({software.onnxruntime_fault})",
            f"pip install --force-reinstall 'zscr[{extra}]'",
            True,
        )
    elif software.gpus and "CUDAExecutionProvider" not in software.providers:
        yield Trouble(
            "there is a GPU, and this onnxruntime does not use CUDA",
            "pip uninstall -y onnxruntime; pip install 'zscr[gpu]'",
        )


def _of_hnswlib(packages: Mapping[str, str | None]) -> Iterator[Trouble]:
    """Find out whether hnswlib works: it is compiled where it is installed, for that processor."""
    if not packages["hnswlib"]:
        return
    command = [sys.executable, "-c", _HNSW]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        yield Trouble(f"hnswlib does not find 64 rows within {_SECONDS} s", _AGAIN, True)
        return
    if done.returncode < 0:
        yield Trouble(
            f"hnswlib ends with signal {-done.returncode}: it was compiled for another processor",
            _AGAIN,
            True,
        )
    elif done.returncode:
        why = (done.stderr.strip().splitlines() or ["without a word"])[-1]
        yield Trouble(f"hnswlib does not work ({why})", _AGAIN, True)


def _of_places(places: Sequence[Place]) -> Iterator[Trouble]:
    for place in places:
        named = f"set {place.variable} to" if place.variable else "go to"
        if place.fault:
            yield Trouble(f"{place.what}: {place.fault}", f"{named} a folder that can be used")
        elif not place.writable:
            yield Trouble(f"{place.path} may not be written to", f"{named} another folder")
        elif place.free is not None and place.free < _LITTLE:
            yield Trouble(
                f"the disk of {place.path} has {place.free / 1e6:,.0f} MB left ({place.what})",
                f"make room, or {named} a folder on another disk",
            )


def _of_memory(memory: Memory) -> Iterator[Trouble]:
    if memory.usable < _LITTLE:
        yield Trouble(
            f"this process may use {memory.usable / 1e6:,.0f} MB of memory",
            "allow the container more, for instance docker run --memory 4g",
        )


def _of_processor(processor: Processor) -> Iterator[Trouble]:
    if "avx2" in (processor.lacks or ()):
        yield Trouble(
            "the processor has no AVX2, without which products take several times as long",
            "use another machine, or let the virtual one show its host's processor",
        )


def of_environment(variables: Mapping[str, str], processor: Processor) -> Iterator[Trouble]:
    """Yield what variables of the environment, set or not, do to speed and to privacy."""
    quota = processor.quota
    if quota is not None and quota < processor.affinity and not variables.get("OMP_NUM_THREADS"):
        yield Trouble(
            f"the container gets the time of {quota:g} cores and sees {processor.affinity}, for "
            f"each of which numpy and torch start a thread; these stop each other",
            f"export OMP_NUM_THREADS={processor.usable}",
        )
    if variables.get("OMP_WAIT_POLICY", "").lower() == "active":
        yield Trouble(
            "OMP_WAIT_POLICY=active: idle threads keep cores busy, which others wait for",
            "unset OMP_WAIT_POLICY, or export OMP_WAIT_POLICY=passive",
        )
    if not variables.get("ORT_DISABLE_TELEMETRY"):
        yield Trouble(
            "ORT_DISABLE_TELEMETRY is not set: zscr sets it for itself, other programs that load "
            "onnxruntime 1.31 or later send what they do to its maker",
            "export ORT_DISABLE_TELEMETRY=1",
        )
