"""ONNX graphs in onnxruntime, opened so that what was asked for is what runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy.typing as npt

from zscr.errors import ArtefactError, ConfigError, MissingExtraError
from zscr.infer.runners.graph_file import refuse_external_data
from zscr.infer.runners.kept_graph import KeptGraph
from zscr.infer.runners.runner import Runtime
from zscr.memory import return_freed_memory
from zscr.progress import say

_EXECUTION = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxRunner:
    """Runs one graph; see `Runner`.

    Args:
        sha256: of its file, where that is known: then it may be kept as it is optimised (see
            `KeptGraph`).

    Raises:
        MissingExtraError: onnxruntime is not installed.
        ConfigError: this machine cannot run the provider.
        ArtefactError: the graph cannot be loaded.
    """

    def __init__(self, path: Path, runtime: Runtime, sha256: str | None = None) -> None:
        import_onnxruntime()
        self._path = path
        self._session = _open(path, runtime, sha256)
        self._run_options = run_options(runtime)
        if runtime.release_memory:
            return_freed_memory()  # or the C library keeps what onnxruntime gives back
        self.outputs: Mapping[str, tuple[int | str, ...]] = {
            out.name: tuple(out.shape) for out in self._session.get_outputs()
        }
        names = {execution: name for name, execution in _EXECUTION.items()}
        self.provider = names[self._session.get_providers()[0]]
        version = import_onnxruntime().__version__
        self.ran = f"onnxruntime {version}, {self.provider}, {runtime.thread_count} threads"

    def run(self, feeds: Mapping[str, npt.NDArray[Any]]) -> Mapping[str, npt.NDArray[Any]]:
        """Compute every output of a batch.

        Raises:
            ArtefactError: the graph does not take such feeds, or fails.
        """
        names = list(self.outputs)
        try:
            found = self._session.run(names, dict(feeds), self._run_options)
        except _faults() as error:
            raise ArtefactError(
                f"{self._path} cannot be run ({_brief(error)}); make it again"
            ) from error
        return dict(zip(names, found, strict=True))


def import_onnxruntime() -> Any:
    """Return the module onnxruntime, which no other function imports.

    Since 1.31 it keeps a device id and a database below the home folder, and sends what it notes
    of a session to its maker, unless this variable is set before it is first imported; no call
    stops it later. A value that the user has set stays.

    Raises:
        MissingExtraError: it is not installed.
    """
    if not os.environ.get("ORT_DISABLE_TELEMETRY"):  # an empty one would not disable it
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("running a model", "cpu") from error
    return onnxruntime


def session_options(runtime: Runtime) -> Any:
    """Return onnxruntime's options for a runtime."""
    options = import_onnxruntime().SessionOptions()
    options.intra_op_num_threads = runtime.thread_count
    # Spinning workers steal the cores from decoding and from other processes (4x slower, measured).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # what fails is raised as well
    if runtime.provider == "cpu":  # planning takes 20 ms of a start and saves 1 % of the memory
        options.enable_mem_reuse = False
    return options


def run_options(runtime: Runtime) -> Any:
    """Return onnxruntime's options for each run; None where there are none."""
    if not runtime.release_memory:
        return None
    options = import_onnxruntime().RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


def _open(path: Path, runtime: Runtime, sha256: str | None) -> Any:
    ort, wanted = import_onnxruntime(), _EXECUTION[runtime.provider]
    providers = [wanted] if wanted in ort.get_available_providers() else [_EXECUTION["cpu"]]
    try:
        if runtime.provider == "cpu" and sha256:
            session = _kept(path, runtime, sha256)
        else:
            refuse_external_data(path)
            session = ort.InferenceSession(path, session_options(runtime), providers)
    except _faults() as error:
        raise ArtefactError(
            f"{path} cannot be loaded by onnxruntime ({_brief(error)}); make it again or upgrade "
            f"onnxruntime"
        ) from error
    found = session.get_providers()
    if found[0] != wanted:
        if not runtime.allow_fallback:
            raise ConfigError(
                f"provider '{runtime.provider}' cannot run here, onnxruntime offers {found}; "
                f"install 'zscr[gpu]' on a CUDA machine, use --provider cpu, or pass "
                f"--allow-fallback"
            )
        say(f"provider '{runtime.provider}' cannot run here: {path.name} runs on the CPU")
    return session


def _kept(path: Path, runtime: Runtime, sha256: str) -> Any:
    """Open a graph on the CPU as it is kept, or as it is, and then keep it."""
    ort, options = import_onnxruntime(), partial(session_options, runtime)
    kept = KeptGraph(path, sha256, ort=ort, options=options, faults=_faults())
    if session := kept.load():
        return session
    refuse_external_data(path)
    return kept.make() or ort.InferenceSession(path, options(), [_EXECUTION["cpu"]])


def _brief(error: Exception) -> str:
    """Return onnxruntime's words on one line, without the code that it is full of."""
    return " ".join(str(error).split())[:400]


def _faults() -> tuple[type[Exception], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (
        state.InvalidProtobuf,
        state.InvalidGraph,
        state.InvalidArgument,
        state.NotImplemented,
        state.Fail,
        state.RuntimeException,
        ValueError,  # an input that is not fed, or weights in other files
        state.EPFail,
        state.NoSuchFile,
        OSError,
    )
