"""ONNX graphs in onnxruntime, opened so that what was asked for is what runs."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt

from zscr.errors import ArtefactError, InputError, MissingExtraError
from zscr.infer.runners.graph_file import refuse_external_data
from zscr.infer.runners.kept_graph import KeptGraph
from zscr.infer.runners.runner import Compute, Feeds, Runtime
from zscr.memory import return_freed_memory

_CPU = "CPUExecutionProvider"


class OnnxRunner:
    """Runs one graph; see `Runner`.

    Args:
        sha256: of its file, where that is known: then it may be kept as it is optimised (see
            `KeptGraph`).

    Raises:
        MissingExtraError: onnxruntime is not installed.
        ConfigError: this machine cannot run the backend.
        ArtefactError: the graph cannot be loaded.
    """

    def __init__(self, path: Path, runtime: Runtime, sha256: str | None = None) -> None:
        ort = import_onnxruntime()
        self._path = path
        session, self._compute, how = _open(path, runtime, sha256)
        if runtime.release_memory:
            return_freed_memory()  # or the C library keeps what onnxruntime gives back
        self.outputs: Mapping[str, tuple[int | str, ...]] = {
            out.name: tuple(out.shape) for out in session.get_outputs()
        }
        self.ran = f"onnxruntime {ort.__version__}, {how}"

    def run(self, feeds: Feeds) -> Mapping[str, npt.NDArray[Any]]:
        """Compute every output of a batch.

        Raises:
            ArtefactError: the graph does not take such feeds, or fails.
        """
        try:
            found = self._compute(feeds)
        except faults() as error:
            if size := re.search(r"allocate memory for requested buffer of size (\d+)", str(error)):
                raise InputError(
                    f"{self._path.name} needs {int(size[1]) / 1e9:.2f} GB more for a batch of "
                    f"{len(next(iter(feeds.values())))} than is free; give smaller batches"
                ) from error
            raise ArtefactError(
                f"{self._path} cannot be run ({_brief(error)}); make it again"
            ) from error
        return dict(zip(self.outputs, found, strict=True))


def import_onnxruntime() -> Any:
    """Return the module onnxruntime, which no other function imports.

    Since 1.31 it keeps a device id and a database below the home folder, and sends what it notes
    of a session to its maker, unless this variable is set before it is first imported; no call
    stops it later. Nor can cuBLAS be told later to sum all parts of a float16 product up in float32
    (2), which the search on a GPU counts on. Values that the user has set stay.

    Raises:
        MissingExtraError: it is not installed.
    """
    if not os.environ.get("ORT_DISABLE_TELEMETRY"):  # an empty one would not disable it
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    os.environ.setdefault("ORT_CUDA_GEMM_OPTIONS", "2")
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("running a model", "cpu") from error
    return onnxruntime


def import_quantiser() -> Any:
    """Return onnxruntime's tools to quantise graphs, which need the package onnx."""
    import_onnxruntime()
    import onnxruntime.quantization

    return onnxruntime.quantization


def session_options(runtime: Runtime) -> Any:
    """Return onnxruntime's options for a runtime."""
    options = import_onnxruntime().SessionOptions()
    options.intra_op_num_threads = runtime.thread_count
    # Spinning workers steal the cores from decoding and from other processes (4x slower, measured).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what fails is raised as well
    if runtime.backend == "ort-cpu":  # planning takes 20 ms of a start and saves 1 % of the memory
        options.enable_mem_reuse = False
    return options


def run_options(runtime: Runtime) -> Any:
    """Return onnxruntime's options for each run on the CPU; None where there are none."""
    if not runtime.release_memory:
        return None
    options = import_onnxruntime().RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def _open(path: Path, runtime: Runtime, sha256: str | None) -> tuple[Any, Compute, str]:
    """Open a graph; return its session, what computes a batch, and how in words."""
    try:
        if _is_on_cuda(runtime):
            from zscr.infer.runners.cuda import open_on_cuda

            refuse_external_data(path)
            bound, how = open_on_cuda(import_onnxruntime(), path, session_options(runtime))
            return bound.session, bound.run, how
        session = _on_cpu(path, replace(runtime, backend="ort-cpu"), sha256)
    except faults() as error:
        raise ArtefactError(
            f"{path} cannot be loaded by onnxruntime ({_brief(error)}); make it again or upgrade "
            f"onnxruntime"
        ) from error
    names = [out.name for out in session.get_outputs()]
    run = partial(_run, session, names, run_options(runtime))
    return session, run, f"cpu, {runtime.thread_count} threads"


def _is_on_cuda(runtime: Runtime) -> bool:
    if runtime.backend == "ort-cpu":
        return False
    from zscr.infer.runners.backend import chosen

    return chosen(runtime, import_onnxruntime()) == "ort-cuda"


def _run(session: Any, names: list[str], options: Any, feeds: Feeds) -> list[npt.NDArray[Any]]:
    found: list[npt.NDArray[Any]] = session.run(names, dict(feeds), options)
    return found


def _on_cpu(path: Path, runtime: Runtime, sha256: str | None) -> Any:
    if sha256:
        return _kept(path, runtime, sha256)
    refuse_external_data(path)
    return import_onnxruntime().InferenceSession(path, session_options(runtime), [_CPU])


def _kept(path: Path, runtime: Runtime, sha256: str) -> Any:
    """Open a graph on the CPU as it is kept, or as it is, and then keep it."""
    ort, options = import_onnxruntime(), partial(session_options, runtime)
    kept = KeptGraph(path, sha256, ort=ort, options=options, faults=faults())
    if session := kept.load():
        return session
    refuse_external_data(path)
    return kept.make() or ort.InferenceSession(path, options(), [_CPU])


def _brief(error: Exception) -> str:
    """Return onnxruntime's words on one line, without the code that it is full of."""
    return " ".join(str(error).split())[:400]


def faults() -> tuple[type[Exception], ...]:
    """Return what onnxruntime raises where a graph cannot be loaded, or fails."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (
        state.InvalidProtobuf,
        state.InvalidGraph,
        state.InvalidArgument,
        state.NotImplemented,
        state.Fail,
        state.RuntimeException,
        RuntimeError,  # no memory for a buffer on a GPU
        ValueError,  # an input that is not fed, or weights in other files
        state.EPFail,
        state.NoSuchFile,
        OSError,
    )
