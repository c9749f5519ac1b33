"""`--backend trt`: the engine that a graph runs as here, built where there is none yet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from zscr.artefact import Manifest
from zscr.errors import ArtefactError, ConfigError, ZscrError
from zscr.infer.engines.cache import engine_for
from zscr.infer.engines.entry import Entry
from zscr.infer.engines.library import find_tensorrt
from zscr.infer.engines.recipe import UNSUPPORTED
from zscr.infer.engines.runner import EngineRunner
from zscr.infer.engines.toolchain import EXTRAS, Here, read_here
from zscr.infer.runners.backend import fall_back
from zscr.infer.runners.gpu import import_driver
from zscr.infer.runners.runner import Runtime
from zscr.progress import say


def ready(runtime: Runtime) -> Runtime:
    """Return a runtime of `trt` if that can be had here, or the CPU's if it may be.

    Raises:
        ConfigError: TensorRT, NVIDIA's binding or a GPU is missing, and it may not fall back.
    """
    lack = _lack()
    return fall_back(runtime, lack) if lack else runtime


def _lack() -> str | None:
    """Say what TensorRT lacks here, and how it is had; None where nothing is missing."""
    try:
        import_driver(EXTRAS[_here().library])
    except ZscrError as error:
        return str(error)
    return None


def _here() -> Here:
    """Look at the library that runs engines here, and at the GPU.

    Raises:
        MissingExtraError: none is installed.
        ConfigError: CUDA shows no GPU, or none that the library knows.
        ZscrError: the library cannot be loaded.
    """
    module = find_tensorrt()
    here = read_here(module.__name__)
    if here is None:
        raise ConfigError(f"pip knows no package of {module.__name__}; install it again")
    if here.device is None:
        raise ConfigError(f"CUDA shows no GPU to {here.library}; install NVIDIA's driver")
    known = getattr(module, "ComputeCapability", None)  # of tensorrt_rtx alone
    if known and here.device.capability not in known.__members__:
        raise ConfigError(
            f"{here.library} {here.version} has no kernels for {here.device.name} "
            f"({here.device.capability.lower()}); pip install 'zscr[trt]'"
        )
    return here


def open_engine(bundle: Path, manifest: Manifest, graph: str, precision: str) -> EngineRunner:
    """Open the engine of a graph; it is built first where there is none that may be loaded.

    Args:
        bundle: its folder; manifest: of it.
        graph: its name; precision: one that the bundle has it in.

    Raises:
        ArtefactError: it cannot be built or loaded.
        ConfigError: TensorRT cannot run that precision; or there is no GPU.
        MissingExtraError, InputError: as `EngineRunner`.
    """
    if precision in UNSUPPORTED:
        raise ConfigError(
            f"TensorRT has no operators for {precision}; give another --precision or --backend"
        )
    here = _here()
    found = engine_for(bundle, manifest, graph, precision, here)
    if not isinstance(found, Entry):
        say(f"building the engine of '{graph}' in {precision}: {found.why}")
        _build(bundle, graph, precision)
        found = engine_for(bundle, manifest, graph, precision, here)
    if not isinstance(found, Entry):
        raise ArtefactError(
            f"the engine of '{graph}' in {precision} was built and cannot be used: {found.why}"
        )
    assert here.device, "which `_here` requires"
    name, device = found.folder.name, here.device.name
    return EngineRunner(find_tensorrt([here.library]), found.read(), name=name, device=device)


def _build(bundle: Path, graph: str, precision: str) -> None:
    """Build it in a process of its own: a builder's memory is of no use to what answers queries.

    So what runs graphs need not import what makes them, either. Its words are on stderr.

    Raises:
        ArtefactError: it fails.
    """
    asked = ["engine", "build", str(bundle), "--graph", graph, "--precision", precision]
    command = [sys.executable, "-P", "-m", "zscr.cli", *asked, "--target", "current"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    except OSError as error:  # such as a program that Python is only a part of
        raise ArtefactError(
            f"{sys.executable} cannot be started to build the engine of '{graph}' "
            f"({error.strerror}); run 'zscr engine build {bundle}'"
        ) from error
    if done.returncode:
        raise ArtefactError(
            f"the engine of '{graph}' in {precision} could not be built, for the reason above; use "
            f"another --backend"
        )
