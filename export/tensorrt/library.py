"""The TensorRT that is installed, and the GPUs that it is asked to build for.

`tensorrt` (10 and 11) tunes on the GPU that it finds in the machine; `tensorrt-rtx` builds for GPUs
that are not there. They have one API under two names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from zscr.errors import ConfigError
from zscr.infer.engines.library import find_tensorrt
from zscr.infer.engines.toolchain import LIBRARIES, Device, Toolchain, cuda_of, read_device

CURRENT = "current"  # the target that is this machine's own GPU


def choose_toolchain(targets: Sequence[str] = ()) -> Toolchain:
    """Choose the library for `targets`, or for this machine without any.

    Args:
        targets: such as `sm86`, `8.6`, `sm86,sm120`, or `current` for the GPU of this machine.

    Raises:
        ConfigError: the library does not know a target, or there is no GPU where one is needed.
        MissingExtraError, ZscrError: as `find_tensorrt`; named targets need `tensorrt-rtx`.
    """
    asked = [name for target in targets for name in re.split(r"[,\s]+", target.lower()) if name]
    if CURRENT in asked and len(set(asked)) > 1:
        raise ConfigError(f"the target '{CURRENT}' goes with no other; leave it or the others out")
    # tensorrt cannot build for a GPU that is not in the machine, so a named one is for tensorrt-rtx
    named = [name for name in asked if name != CURRENT]
    module = find_tensorrt(LIBRARIES[1:] if named else LIBRARIES)
    builds_here = module.__name__ == LIBRARIES[0]
    device = _device(module.__name__) if builds_here or CURRENT in asked else None
    if device and not builds_here:
        named = [device.capability]
    return Toolchain(
        module.__name__,
        module.__version__,
        cuda_of(module.__name__),
        _known(module, named),
        device if builds_here else None,
    )


def _device(library: str) -> Device:
    if found := read_device():
        return found
    raise ConfigError(
        f"{library} is to build for a GPU of this machine and CUDA shows none; name the GPU to "
        f"build for, such as --target sm86, and tensorrt-rtx builds without it"
    )


def _known(module: Any, targets: Sequence[str]) -> tuple[str, ...]:
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
