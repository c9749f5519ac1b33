"""What a measurement was taken on, and with what: it stands in every result file."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("zscr", "numpy", "onnxruntime", "torch", "tokenizers", "hnswlib")


def describe() -> dict[str, Any]:
    """Return CPU, cores, memory, versions and git commit."""
    facts = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(line.split(":", 1)[1].strip() for line in facts if line.startswith("model name"))
    memory = Path("/proc/meminfo").read_text().split()[1]
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(memory) / 1e6, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: installed(name) for name in PACKAGES},
        "commit": commit(),
    }


def installed(name: str) -> str | None:
    """Return a package's version; None where a measurement did without it."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def commit() -> str | None:
    """Return the git commit of the sources, marked where they differ; None without git's data."""
    name = _git("rev-parse", "--short=12", "HEAD")
    others = (":(top)", ":(top,exclude)benchmarks/results")  # results do not make a measurement
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", *others)
    return f"{name}-dirty" if name and changed else name


def _git(*words: str) -> str | None:
    call = ["git", *words]
    done = subprocess.run(call, cwd=Path(__file__).parent, capture_output=True, text=True)
    return done.stdout.strip() or None
