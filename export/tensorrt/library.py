"""The TensorRT that is installed, and the GPUs that it is asked to build for.

`tensorrt` (10 and 11) tunes on the GPU that it finds in the machine; `tensorrt-rtx` builds for GPUs
that are not there. They have one API under two names.
"""

from __future__ import annotations

import importlib
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

from zscr.errors import ConfigError, MissingExtraError, ZscrError

LIBRARIES = ("tensorrt", "tensorrt_rtx")  # in the order in which they are tried


@dataclass(frozen=True)
class Toolchain:
    """What determines an engine besides its graph and its profile.

    Attributes:
        library: `tensorrt` or `tensorrt_rtx`.
        version: of that library.
        targets: compute capabilities such as `SM86`. With none, `tensorrt_rtx` makes an engine that
            runs on Ampere and later (SM80, SM86, SM89, SM120, ...; not on Turing, which must be
            named), and `tensorrt` one for `gpu` alone.
        gpu: name and driver of the GPU that is built on; None where none is used.
    """

    library: str
    version: str
    targets: tuple[str, ...]
    gpu: str | None


def find_tensorrt(names: Sequence[str] = LIBRARIES) -> ModuleType:
    """Import the first of `names` that is installed.

    Raises:
        MissingExtraError: none is installed. Holds both pip lines.
        ZscrError: one is installed, but its own shared libraries cannot be loaded.
    """
    for name in names:
        try:
            return importlib.import_module(name)
        except (ImportError, OSError) as error:
            if isinstance(error, ModuleNotFoundError) and error.name == name:
                continue
            reason = " ".join(str(error).split())
            raise ZscrError(
                f"{name} is installed but cannot be loaded ({reason}); install it again, "
                f"or uninstall it"
            ) from error
    raise MissingExtraError(
        "an engine for this machine's GPU needs the extra 'trt': pip install 'zscr[trt]'; "
        "one built without that GPU",
        "trt-rtx",
    )


def choose_toolchain(targets: Sequence[str] = ()) -> Toolchain:
    """Choose the library for `targets` (such as `sm86` or `8.6`), or for this machine without any.

    Raises:
        ConfigError: the library does not know a target, or is `tensorrt` and finds no GPU.
        MissingExtraError, ZscrError: as `find_tensorrt`; targets need `tensorrt-rtx`.
    """
    # tensorrt cannot build for a GPU that is not in the machine, so a named one is for tensorrt-rtx
    module = find_tensorrt(LIBRARIES[1:] if targets else LIBRARIES)
    gpu = _gpu() if module.__name__ == "tensorrt" else None
    return Toolchain(module.__name__, module.__version__, _known(module, targets), gpu)


def _gpu() -> str:
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return found.stdout.splitlines()[0]
    except (OSError, subprocess.SubprocessError, IndexError) as error:
        raise ConfigError(
            "tensorrt builds only for a GPU of this machine and nvidia-smi lists none; name the "
            "GPU to build for, such as --target sm86, and tensorrt-rtx builds without it"
        ) from error


def _known(module: ModuleType, targets: Sequence[str]) -> tuple[str, ...]:
    """Spell `sm86`, `SM86` and `8.6` as the library does; refuse what it does not know."""
    if not targets:  # tensorrt has no list of capabilities, it needs none
        return ()
    capabilities = [name for name in module.ComputeCapability.__members__ if name[:2] == "SM"]
    spelt = {target: "SM" + re.sub(r"^sm|\.", "", target.lower()) for target in targets}
    for target, name in spelt.items():
        if name not in capabilities:
            raise ConfigError(
                f"{module.__name__} {module.__version__} cannot build for {target}; "
                f"it knows {', '.join(capabilities).lower()}"
            )
    return tuple(sorted(set(spelt.values()), key=capabilities.index))
