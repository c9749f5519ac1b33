"""One graph compiled into one engine. Float32 means float32: the builder rounds to TF32 unasked."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zscr.errors import ConfigError
from zscr.export.tensorrt.api import Builder, Config, TensorRT
from zscr.export.tensorrt.library import choose_toolchain
from zscr.export.tensorrt.monitor import STEPS, monitor_of
from zscr.export.tensorrt.network import failure, inputs_of, layers_of, outputs_of, parse
from zscr.export.tensorrt.profile import BATCHES, LENGTHS, Profile, Shape, Tensor, profiles_for
from zscr.export.tensorrt.timing import LIBRARY, attach_timings, keep_timings, timings_file
from zscr.infer.engines.library import find_tensorrt
from zscr.infer.engines.listener import listener_of, log
from zscr.partial import write_atomically
from zscr.progress import progress


@dataclass(frozen=True)
class EngineInfo:
    """What was built, in how many seconds.

    Attributes:
        profiles: one a bucket of batches.
        inputs, outputs: of the engine.
        layers: kind -> type of what it gives -> how many; see `layers_of`.
        seconds: that it took.
    """

    profiles: tuple[Profile, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    layers: Mapping[str, Mapping[str, int]]
    seconds: float


def build_engine(
    onnx_path: Path,
    out: Path,
    *,
    batches: Shape = BATCHES,
    lengths: Shape = LENGTHS,
    targets: Sequence[str] = (),
    workspace: int | None = None,
) -> EngineInfo:
    """Compile one ONNX file into a serialised engine with an optimisation profile a bucket.

    Args:
        onnx_path: a graph whose weights are inside the file.
        out: written atomically; a failed build leaves nothing there.
        batches: the largest of each bucket, ascending.
        lengths: smallest, usual and largest length of a text in tokens, where the graph takes one.
        targets: compute capabilities such as `sm86`; see `choose_toolchain` for what none means.
        workspace: bytes of the GPU's memory that a layer may use beside its tensors.

    Raises:
        ArtefactError: TensorRT cannot parse or compile the graph. Holds all of its reasons.
        ConfigError: an unknown target, no GPU for `tensorrt`, or an axis that nothing bounds.
        MissingExtraError: the library is not installed.
    """
    toolchain = choose_toolchain(targets)
    module, start = find_tensorrt([toolchain.library]), time.monotonic()
    listener = listener_of(module)
    listener.errors.clear()
    builder = module.Builder(listener)
    network = parse(module, builder, listener, onnx_path)
    profiles = profiles_for(inputs_of(network), batches=batches, lengths=lengths)
    config = _configure(module, builder, toolchain.targets, profiles, workspace)
    times = timings_file(toolchain) if toolchain.library == LIBRARY else None
    plan = _compile(module, builder, network, config, title=out.stem, times=times)
    if plan is None:
        raise failure("compile", onnx_path, listener.errors)
    for message in listener.errors:
        log.warning("%s: TensorRT found a way around: %s", onnx_path, message)
    write_atomically(out, bytes(plan))
    seconds = round(time.monotonic() - start, 3)
    tensors = inputs_of(network), outputs_of(network)
    return EngineInfo(profiles, *tensors, layers_of(network), seconds)


def _configure(
    module: Any,
    builder: Builder,
    targets: Sequence[str],
    profiles: Sequence[Profile],
    workspace: int | None,
) -> Config:
    config = builder.create_builder_config()
    config.clear_flag(module.BuilderFlag.TF32)
    # Without it tensorrt_rtx may allocate as it runs, and its work cannot be recorded then.
    if owned := module.BuilderFlag.__members__.get("REQUIRE_USER_ALLOCATION"):
        config.set_flag(owned)
    for profile in profiles:
        shapes = builder.create_optimization_profile()
        for name, allowed in profile.items():
            shapes.set_shape(name, allowed.min, allowed.opt, allowed.max)
        config.add_optimization_profile(shapes)
    if workspace is not None:
        config.set_memory_pool_limit(module.MemoryPoolType.WORKSPACE, workspace)
    if targets:
        config.num_compute_capabilities = len(targets)
    for place, target in enumerate(targets):
        if not config.set_compute_capability(module.ComputeCapability.__members__[target], place):
            together = ", ".join(targets).lower()
            raise ConfigError(f"{module.__name__} refuses {together} together; build one at a time")
    return config


def _compile(
    module: TensorRT, builder: Builder, network: Any, config: Config, title: str, times: Path | None
) -> Any:
    """Build the network behind a bar; None if TensorRT cannot. Times of kernels are kept."""
    timed = attach_timings(config, times) if times else None
    with progress(f"building {title}, %", STEPS) as bar:
        config.progress_monitor = monitor = monitor_of(module, bar)
        plan = builder.build_serialized_network(network, config)
        if monitor.stopped:
            raise monitor.stopped
        bar.advance(STEPS - monitor.shown if plan is not None else 0)
    if times and timed and plan is not None:
        keep_timings(config, timed, times)
    return plan
