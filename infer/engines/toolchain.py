"""What an engine is made by and for, and what of it is here: library, CUDA, GPU and driver."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from zscr.errors import ConfigError
from zscr.extras import installed_version
from zscr.infer.runners.cuda_device import first_device

EXTRAS = {"tensorrt": "trt", "tensorrt_rtx": "trt-rtx"}  # that bring each library
LIBRARIES = tuple(EXTRAS)  # in the order in which they are tried
_CUDA = range(11, 31)  # majors that a package of TensorRT may be made for
_DRIVER = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
# What an engine of tensorrt_rtx for no GPU by name runs on: all that it knows but Turing.
_PORTABLE = ("SM80", "SM86", "SM89", "SM120", "SM121")


@dataclass(frozen=True)
class Device:
    """A GPU: its name, its compute capability such as `SM86`, and its driver's version."""

    name: str
    capability: str
    driver: str


@dataclass(frozen=True)
class Here:
    """What a library of TensorRT would run on: its version, its CUDA's major, the first GPU."""

    library: str
    version: str
    cuda: str | None
    device: Device | None


@dataclass(frozen=True)
class Toolchain:
    """What determines an engine besides its graph and its profiles.

    Attributes:
        library: `tensorrt` or `tensorrt_rtx`; version: of it; cuda: its major, where pip knows it.
        targets: compute capabilities such as `SM86`. With none, `tensorrt_rtx` makes an engine that
            runs on all that it knows but Turing, which must be named, and `tensorrt` one for
            `device` alone.
        device: the GPU that is built on; None where none is used.
    """

    library: str
    version: str
    cuda: str | None
    targets: tuple[str, ...]
    device: Device | None

    def runs_on(self, capability: str) -> bool:
        """Say whether the engine has code for GPUs of a compute capability."""
        if self.device:
            return capability == self.device.capability
        return capability in (self.targets or _PORTABLE)

    @property
    def made_for(self) -> str:
        """The GPUs in words: `sm86, sm89`, or the name of one."""
        if self.device:
            return f"{self.device.name} ({self.device.capability.lower()})"
        return ", ".join(self.targets or _PORTABLE).lower()


def read_here(library: str) -> Here | None:
    """Look at what a library would run on; None where it is not installed.

    Raises:
        ConfigError: there is a GPU whose driver does not say its version.
    """
    version = version_of(library)
    return None if version is None else Here(library, version, cuda_of(library), read_device())


def version_of(library: str) -> str | None:
    """Return the version of an installed library; None where it is not installed.

    Its package may be there alone for one version of CUDA, without the one that chooses it.
    """
    packages = (library, *(f"{library}_cu{n}" for n in _CUDA))
    return next(filter(None, map(installed_version, packages)), None)


def cuda_of(library: str) -> str | None:
    """Return the major version of CUDA that an installed library is made for, by its package."""
    majors = (n for n in _CUDA if installed_version(f"{library}_cu{n}"))
    return next(map(str, majors), None)


def read_device() -> Device | None:
    """Return the first GPU that CUDA shows this process, or None where there is none.

    Raises:
        ConfigError: its driver does not say its version.
    """
    try:
        name, capability = first_device()
    except OSError:  # no driver, or no device
        return None
    try:
        done = subprocess.run(_DRIVER, capture_output=True, text=True, check=True, timeout=60)
        return Device(name, capability, done.stdout.splitlines()[0].strip())
    except (OSError, subprocess.SubprocessError, IndexError) as error:
        raise ConfigError(
            f"there is a GPU ({name}), and nvidia-smi does not say the version of its driver, to "
            f"which engines are bound; mend the driver's installation"
        ) from error
