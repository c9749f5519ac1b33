"""Opening ONNX graphs in onnxruntime so that what was asked for is what runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zscr.errors import ArtefactError, ConfigError, MissingExtraError

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


@dataclass(frozen=True)
class Runtime:
    """How graphs are run.

    Attributes:
        provider: `cpu` or `cuda`.
        threads: intra-op threads; None means every core that this process may use.
        allow_fallback: accept onnxruntime's quiet fallback from CUDA to the CPU.
    """

    provider: str = "cpu"
    threads: int | None = None
    allow_fallback: bool = False

    @property
    def thread_count(self) -> int:
        """The number of threads that will run."""
        return self.threads or len(os.sched_getaffinity(0))


def open_session(path: Path, runtime: Runtime) -> Any:
    """Return an `onnxruntime.InferenceSession` on the provider that was asked for.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        ConfigError: unknown provider, or one that this machine cannot run.
        ArtefactError: the graph cannot be loaded.
    """
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise MissingExtraError("running a model", "cpu") from error
    if runtime.provider not in PROVIDERS:
        raise ConfigError(f"provider '{runtime.provider}' is unknown; use one of {[*PROVIDERS]}")
    options = ort.SessionOptions()
    options.intra_op_num_threads = runtime.thread_count
    # Spinning workers steal the cores from decoding and from other processes (4x slower, measured).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    wanted = PROVIDERS[runtime.provider]
    providers = [wanted] if wanted in ort.get_available_providers() else []
    if not providers and not runtime.allow_fallback:
        raise ConfigError(_no_provider(runtime.provider, ort.get_available_providers()))
    try:
        session = ort.InferenceSession(path, options, providers or ["CPUExecutionProvider"])
    except _load_errors() as error:
        raise ArtefactError(f"{path} cannot be loaded by onnxruntime: {error}") from error
    if session.get_providers()[0] != wanted and not runtime.allow_fallback:
        raise ConfigError(_no_provider(runtime.provider, session.get_providers()))
    return session


def _no_provider(provider: str, found: list[str]) -> str:
    return (
        f"provider '{provider}' cannot run here, onnxruntime offers {found}; install "
        f"'zscr[gpu]' on a CUDA machine, use --provider cpu, or pass --allow-fallback"
    )


def _load_errors() -> tuple[type[Exception], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (state.InvalidProtobuf, state.InvalidGraph, state.Fail, state.NoSuchFile)
