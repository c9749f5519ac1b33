"""Optional dependencies: asked for before the work begins, with the pip line that brings them."""

from __future__ import annotations

from importlib.util import find_spec

from zscr.errors import MissingExtraError

MODULES = {
    "train": ("torch", "onnx", "onnxscript"),
    "export": ("torch", "onnx", "onnxscript"),
    "cpu": ("onnxruntime",),
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


def require_extras(what: str, *extras: str) -> None:
    """Refuse to begin `what` without the modules of every extra.

    Raises:
        MissingExtraError: one is not installed; names the first extra that lacks one.
    """
    for extra in extras:
        if not has_extra(extra):
            raise MissingExtraError(what, extra)
