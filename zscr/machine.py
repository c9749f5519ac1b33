"""What a measurement was taken on, and with what: it stands in every result file."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from zscr.cores import affinity
from zscr.processor import MEANINGS, processor_flags, processor_name

PACKAGES = ("zscr", "numpy", "onnxruntime", "tokenizers", "hnswlib")
_CHECKOUT = Path(__file__).resolve().parents[1]  # a checkout may be imported by a link


def describe(packages: tuple[str, ...] = PACKAGES) -> dict[str, Any]:
    """Return processor, cores, the flags that matter, memory in GB, versions and git commit."""
    flags = processor_flags() or ()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": processor_name(),
        "flags": [flag for flag in MEANINGS if flag in flags],
        "cores": affinity(),
        "memory_gb": round(memory / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: installed(name) for name in packages},
        "commit": commit(),
    }


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


def _git(*words: str) -> str | None:
    done = subprocess.run(["git", *words], cwd=_CHECKOUT, capture_output=True, text=True)
    return done.stdout.strip() or None
