"""What a measurement was taken on, and with what: it stands in every result file."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("zscr", "numpy", "onnxruntime", "tokenizers", "hnswlib")
FLAGS = (  # what matrix products run on, x86 and ARM
    *("avx2", "fma", "f16c", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni"),
    *("amx_bf16", "amx_int8", "asimd", "asimddp", "i8mm", "bf16"),
)
_CHECKOUT = Path(__file__).resolve().parents[1]  # a checkout may be imported by a link


def describe(packages: tuple[str, ...] = PACKAGES) -> dict[str, Any]:
    """Return the processor, its cores and flags, memory in GB, versions and the git commit."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": processor(),
        "flags": [flag for flag in FLAGS if flag in _fact("flags", "Features").split()],
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(memory / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: installed(name) for name in packages},
        "commit": commit(),
    }


def processor() -> str:
    """Return the processor's name, or where the system does not tell it, its architecture."""
    return _fact("model name") or platform.processor() or platform.machine()


def installed(name: str) -> str | None:
    """Return a package's version; None where a measurement did without it."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def commit() -> str | None:
    """Return the git commit of the sources, marked where they differ; None outside a checkout."""
    if not (_CHECKOUT / ".git").exists() or not shutil.which("git"):
        return None
    name = _git("rev-parse", "--short=12", "HEAD")
    others = (":(top)", ":(top,exclude)benchmarks/results")  # results do not make a measurement
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", *others)
    return f"{name}-dirty" if name and changed else name


def _fact(*names: str) -> str:
    """Return what /proc says of the first processor under one of some names; "" if nothing."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text("utf-8").splitlines() if facts.is_file() else []
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in pairs if name.strip() in names), "")


def _git(*words: str) -> str | None:
    done = subprocess.run(["git", *words], cwd=_CHECKOUT, capture_output=True, text=True)
    return done.stdout.strip() or None
