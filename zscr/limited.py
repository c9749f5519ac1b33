"""Python modules run in processes of their own, within bounds of memory, CPU and wall time.

What a hostile file achieves in there, a crash of a library's included, ends with that process.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zscr.errors import InputError

REFUSED = 3  # exit status of such a module: the one-sentence reason is on stderr
# No secrets are among them. Without a home, Python would ask the list of users for it.
_INHERITED = ("PATH", "HOME", "PYTHONUSERBASE", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV")


@dataclass(frozen=True)
class Limits:
    """What a process may use: bytes of addresses, seconds of CPU, a few times that by the clock."""

    memory: int
    seconds: int

    def __str__(self) -> str:
        return f"{self.memory >> 20} MB and {self.seconds} s"


def run_limited(
    module: str, arguments: Sequence[str], limits: Limits, *, what: str, given: bytes = b""
) -> bytes:
    """Run `python -P -m module ARGUMENTS MEMORY SECONDS`; return what it wrote to stdout.

    With -P, a folder `zscr` in the working folder does not stand before the package.

    Args:
        module: calls `limit_process` first, and leaves with REFUSED where it refuses a file.
        arguments: before the two limits.
        limits: of the process.
        what: that it does, for messages: "reading the pickles in x".
        given: its stdin.

    Raises:
        InputError: it refused the file, or was ended.
    """
    python = [sys.executable, "-P", "-m", module]
    command = [*python, *arguments, str(limits.memory), str(limits.seconds)]
    try:
        child = subprocess.run(
            command,
            input=given,
            env=child_environment(os.environ),
            capture_output=True,
            check=False,
            timeout=30 + 4 * limits.seconds,  # whoever waits uses no CPU
        )
    except subprocess.TimeoutExpired:
        raise InputError(_ended(what, "it did not end", limits)) from None
    if child.returncode == 0:
        return child.stdout
    talk = child.stderr.decode(errors="replace").strip()
    if child.returncode == REFUSED:
        raise InputError(talk)
    raise InputError(_ended(what, _ending(child.returncode, talk), limits))


def limit_process(memory: str, seconds: str) -> None:
    """Limit this process, once and for all, to bytes of memory and seconds of CPU."""
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what such a process may know of the environment of this one."""
    kept = {name: environment[name] for name in _INHERITED if name in environment}
    # A thread of BLAS or of tokenizers reserves memory, which would count against the limit.
    return kept | {
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "RAYON_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


def _ended(what: str, how: str, limits: Limits) -> str:
    return (
        f"{what} was ended ({how}) within its limits of {limits}; a sound file needs less, fetch "
        f"it again"
    )


def _ending(status: int, talk: str) -> str:
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return talk.splitlines()[-1] if talk else f"exit status {status}"
