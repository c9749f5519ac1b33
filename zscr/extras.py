"""Optional dependencies: asked for before the work begins, with the pip line that brings them."""

from __future__ import annotations

import re
from importlib.util import find_spec

from zscr.errors import MissingExtraError

MODULES = {
    "train": ("torch", "onnx", "onnxscript"),
    "export": ("torch", "onnx", "onnxscript"),
    "cpu": ("onnxruntime",),
    "openvino": ("openvino",),
    "hnsw": ("hnswlib",),
    "mteb": ("mteb",),
    "describe": ("openai",),
    "faiss": ("faiss",),
    "parquet": ("pyarrow",),
    "lance": ("lance", "pyarrow"),
    "qdrant": ("qdrant_client",),
    "qdrant-edge": ("qdrant_edge",),
}

_COMPILED_HERE = ("hnswlib",)  # when it is installed; so it may be there and cannot be loaded


def has_extra(extra: str) -> bool:
    """Say whether every module of an extra is installed, without importing any that is large."""
    return all(_is_there(module) for module in MODULES[extra])


def _is_there(module: str) -> bool:
    try:
        if module in _COMPILED_HERE:
            __import__(module)
        return find_spec(module) is not None
    except ImportError:
        return False


def requirements() -> dict[str, tuple[str, ...]]:
    """Return the packages that each extra brings, by the extra's name; under "" those of zscr.

    As the installed zscr was packed, so what is in no extra of pyproject.toml is in none of them.
    """
    from importlib.metadata import requires  # slow to load, and no query needs it

    found: dict[str, list[str]] = {"": []}
    for line in requires("zscr") or ():
        package = re.match(r"[\w.-]+", line)
        extra = re.search(r"""extra == ['"]([\w.-]+)['"]""", line)
        if package and package[0] != "zscr":  # `all` is made of other extras
            found.setdefault(extra[1] if extra else "", []).append(package[0])
    return {extra: tuple(packages) for extra, packages in found.items()}


def installed_version(package: str) -> str | None:
    """Return the version of a package; None where it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def require_extras(what: str, *extras: str) -> None:
    """Refuse to begin `what` without the modules of every extra.

    Raises:
        MissingExtraError: one is not installed; names the first extra that lacks one.
    """
    for extra in extras:
        if not has_extra(extra):
            raise MissingExtraError(what, extra)
