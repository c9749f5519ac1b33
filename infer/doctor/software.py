"""What is installed, what each extra lacks, and what onnxruntime and GPUs offer."""

from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from zscr.errors import MissingExtraError
from zscr.extras import installed_version, requirements
from zscr.infer.runners.onnx import import_onnxruntime

_SHOWN: tuple[str, ...] = (
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "hnswlib",
    "torch",
    "transformers",
    "tensorrt",
)
_SHOWN += ("tensorrt-rtx",)  # beside the base dependencies
_BRINGS = {  # extra -> what it is for
    "cpu": "answers queries",
    "gpu": "answers queries on CUDA",
    "openvino": "answers queries by OpenVINO",
    "hnsw": "searches galleries over 10,000 images faster",
    "train": "trains and exports",
    "export": "exports",
    "text": "reads pretrained models of texts and images",
    "photo": "EfficientNet-Lite0",
    "heic": "reads HEIC photos",
    "matlab": "reads .mat files",
    "edges": "draws edges of photos",
    "describe": "describes classes by a language model",
    "tagger": "finds nouns in sentences",
    "mteb": "judges bundles by mteb",
    "trt": "TensorRT engines",
    "trt-rtx": "TensorRT-RTX engines",
}
_FOR_GPUS = ("gpu", "trt", "trt-rtx")
_APART = "onnxruntime", "onnxruntime-gpu"  # the extras cpu and gpu, of which one is installed
_GPU = ("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
_SECONDS = 20  # a driver that hangs is told, not waited for


@dataclass(frozen=True)
class Extra:
    """An extra that is not whole: what it is for, what it lacks, and the line that installs it."""

    name: str
    brings: str
    lacks: tuple[str, ...]
    line: str


@dataclass(frozen=True)
class Software:
    """What is installed.

    Attributes:
        python: its version and where it is.
        needed: the packages that zscr cannot do without.
        packages: name -> version; None where it is not installed.
        missing: the extras that are not whole.
        providers: what onnxruntime can run on; none where it cannot be loaded.
        onnxruntime_fault: why it cannot.
        gpus: name, memory and driver of each, as nvidia-smi says; gpu_fault: why none is known.
    """

    python: str
    needed: tuple[str, ...]
    packages: dict[str, str | None]
    missing: tuple[Extra, ...]
    providers: tuple[str, ...]
    onnxruntime_fault: str | None
    gpus: tuple[str, ...]
    gpu_fault: str | None


def read_software() -> Software:
    """Look at what is installed, and load onnxruntime."""
    needed = requirements()
    shown = ("zscr", *needed[""], *_SHOWN)
    module, fault = _onnxruntime()
    gpus, gpu_fault = _gpus()
    return Software(
        f"{platform.python_version()} ({sys.executable})",
        needed[""],
        {name: installed_version(name) for name in shown},
        tuple(missing_extras(needed, gpu=bool(gpus))),
        tuple(module.get_available_providers()) if module else (),
        fault,
        gpus,
        gpu_fault,
    )


def missing_extras(needed: dict[str, tuple[str, ...]], *, gpu: bool) -> list[Extra]:
    """Return the extras of which a package is not installed, with the line that brings it.

    Those of a GPU are for machines with one; of onnxruntime's two packages one is enough.
    """
    found = list[Extra]()
    for name, brings in _BRINGS.items():
        lacks = tuple(one for one in needed.get(name, ()) if installed_version(one) is None)
        if lacks and not _is_needless(name, lacks, gpu=gpu):
            found.append(Extra(name, brings, lacks, _line(name)))
    return found


def _is_needless(extra: str, lacks: tuple[str, ...], *, gpu: bool) -> bool:
    other = any(installed_version(one) for one in _APART if one not in lacks)
    return (extra in _FOR_GPUS and not gpu) or (extra == "cpu" and other)


def _line(extra: str) -> str:
    apart = (
        "pip uninstall -y onnxruntime; "
        if extra == "gpu" and installed_version("onnxruntime")
        else ""
    )
    return f"{apart}pip install 'zscr[{extra}]'"


def _onnxruntime() -> tuple[Any, str | None]:
    try:
        return import_onnxruntime(), None
    except MissingExtraError as error:  # not installed, or a library that it needs is not
        return None, str(error.__cause__)


def _gpus() -> tuple[tuple[str, ...], str | None]:
    try:
        done = subprocess.run(_GPU, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except FileNotFoundError:
        return (), "there is no nvidia-smi"
    except (OSError, subprocess.TimeoutExpired) as error:
        return (), f"nvidia-smi does not answer ({error})"
    if done.returncode:
        return (), f"nvidia-smi fails ({' '.join((done.stdout + done.stderr).split())[:200]})"
    return tuple(done.stdout.strip().splitlines()), None
