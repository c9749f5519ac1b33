"""Opening ONNX graphs in onnxruntime so that what was asked for is what runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zscr.errors import ArtefactError, ConfigError, MissingExtraError
from zscr.progress import say

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


@dataclass(frozen=True)
class Runtime:
    """How graphs are run.

    Attributes:
        provider: `cpu` or `cuda`.
        threads: intra-op threads, at least 1; None means every core that this process may use.
        allow_fallback: accept onnxruntime's quiet fallback from CUDA to the CPU.

    Raises:
        ConfigError: an unknown provider, or fewer threads than 1.
    """

    provider: str = "cpu"
    threads: int | None = None
    allow_fallback: bool = False

    def __post_init__(self) -> None:
        if self.provider not in PROVIDERS:
            raise ConfigError(f"provider '{self.provider}' is unknown; use one of {[*PROVIDERS]}")
        if self.threads is not None and self.threads < 1:
            raise ConfigError(f"{self.threads} threads cannot run anything; give at least 1")

    @property
    def thread_count(self) -> int:
        """The number of threads that will run."""
        return self.threads or len(os.sched_getaffinity(0))


def open_session(path: Path, runtime: Runtime) -> Any:
    """Return an `onnxruntime.InferenceSession` on the provider that was asked for.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        ConfigError: this machine cannot run the provider.
        ArtefactError: the graph cannot be loaded.
    """
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise MissingExtraError("running a model", "cpu") from error
    options = ort.SessionOptions()
    options.intra_op_num_threads = runtime.thread_count
    # Spinning workers steal the cores from decoding and from other processes (4x slower, measured).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    wanted = PROVIDERS[runtime.provider]
    providers = [wanted] if wanted in ort.get_available_providers() else []
    try:
        session = ort.InferenceSession(path, options, providers or ["CPUExecutionProvider"])
    except _load_errors() as error:
        why = " ".join(str(error).split())
        raise ArtefactError(
            f"{path} cannot be loaded by onnxruntime ({why}); make it again or upgrade onnxruntime"
        ) from error
    if session.get_providers()[0] != wanted:
        if not runtime.allow_fallback:
            raise ConfigError(_no_provider(runtime.provider, session.get_providers()))
        say(f"provider '{runtime.provider}' cannot run here: {path.name} runs on the CPU")
    return session


def provider_of(session: Any) -> str:
    """Return what a session really runs on: `cpu` or `cuda`."""
    names = {execution: name for name, execution in PROVIDERS.items()}
    return names[session.get_providers()[0]]


def _no_provider(provider: str, found: list[str]) -> str:
    return (
        f"provider '{provider}' cannot run here, onnxruntime offers {found}; install "
        f"'zscr[gpu]' on a CUDA machine, use --provider cpu, or pass --allow-fallback"
    )


def _load_errors() -> tuple[type[Exception], ...]:
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return (
        state.InvalidProtobuf,
        state.InvalidGraph,
        state.InvalidArgument,
        state.NotImplemented,
        state.Fail,
        state.NoSuchFile,
    )
