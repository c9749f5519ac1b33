"""Files on their own, and caches of features, which have no manifest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from zscr.arrays import npy_header
from zscr.errors import InputError
from zscr.infer.inspection.inspected import Inspected, graph_of
from zscr.regular import open_regular, read_regular
from zscr.strict_json import parse_json

_LARGEST = 256 << 20  # bytes of a JSON file
_CACHE = {"file", "sha256", "keys"}  # of the list of a feature cache
_SHOWN = 40  # tensors, or keys, that are listed


def inspect_file(path: Path) -> Inspected:
    """Say what a file is, by its suffix.

    Raises:
        InputError: the suffix is none of these, or the file is damaged.
    """
    describe = _SUFFIXES.get(path.suffix.lower())
    if describe is None:
        raise InputError(
            f"{path} is no file that can be told of; name an artefact's folder, or a file that "
            f"ends in {', '.join(_SUFFIXES)}"
        )
    try:
        return describe(path)
    except (ValueError, SafetensorError) as error:
        raise InputError(
            f"{path} is damaged, or no {path.suffix} file ({' '.join(str(error).split())}); fetch "
            f"or make it again"
        ) from error


def inspect_cache(folder: Path) -> Inspected | None:
    """Say what a folder of cached features holds; None if it holds none."""
    found = list[str]()
    for path in sorted(folder.glob("*.json")):
        content = _json_of(path)
        if isinstance(content, dict) and content.keys() == _CACHE:
            found.append(_cached(path, content))
    if not found:
        return None
    return Inspected(
        str(folder),
        "feature cache",
        {"encoders": len(found)},
        tuple(found),
        next=("it may be removed: features are then computed anew",),
    )


def _cached(path: Path, content: dict[str, Any]) -> str:
    rows, beside = len(content["keys"]), path.with_name(str(content["file"]))
    try:
        dtype, shape = npy_header(beside)
    except (ValueError, OSError, InputError) as error:
        return f"{path.stem}: {rows:,} rows, but {beside.name} cannot be read ({error})"
    return f"{path.stem}: {rows:,} rows in {beside.name}, {dtype} {[*shape]}"


def _onnx(path: Path) -> Inspected:
    return Inspected(str(path), "ONNX graph", _size(path), graphs={path.name: graph_of(path)})


def _npy(path: Path) -> Inspected:
    dtype, shape = npy_header(path)
    return Inspected(str(path), "array", _size(path) | {"type": str(dtype), "shape": [*shape]})


def _safetensors(path: Path) -> Inspected:
    open_regular(path).close()  # the library would wait for a pipe
    with safe_open(path, framework="numpy") as file:
        told = {name: file.get_slice(name) for name in sorted(file.keys())}
        lines = [f"{name}: {one.get_dtype()} {one.get_shape()}" for name, one in told.items()]
        metadata = file.metadata() or {}
    return Inspected(
        str(path),
        "tensors",
        _size(path) | {"tensors": len(lines)} | {f"metadata {k}": v for k, v in metadata.items()},
        _first(lines),
    )


def _json(path: Path) -> Inspected:
    content = _json_of(path)
    if isinstance(content, dict) and content.keys() == _CACHE:
        facts = _size(path) | {"sha256": content["sha256"]}
        return Inspected(str(path), "list of a feature cache", facts, (_cached(path, content),))
    if not isinstance(content, dict):
        held = {"holds": f"{len(content)} values"} if isinstance(content, list) else {}
        facts = _size(path) | held
        return Inspected(str(path), "JSON", facts)
    machine = content.get("machine")
    about = machine if isinstance(machine, dict) else {}
    plain = {name: one for name, one in content.items() if isinstance(one, str | int | float)}
    others = content.keys() - plain.keys() - ({"machine"} if about else set())
    lines = [f"{name}: {_kind(one)}" for name, one in content.items() if name in others]
    lines += [f"machine {name}: {one}" for name, one in about.items()]
    what = "results of a measurement" if about else "JSON"
    return Inspected(str(path), what, _size(path) | plain, _first(lines))


def _json_of(path: Path) -> Any:
    return parse_json(read_regular(path, _LARGEST, "JSON file"))


def _kind(value: object) -> str:
    if isinstance(value, dict):
        names = ", ".join(map(str, [*value][:4]))
        return f"{len(value)} fields: {names}{', …' if len(value) > 4 else ''}"
    return f"{len(value)} values" if isinstance(value, list) else str(value)


def _first(lines: list[str]) -> tuple[str, ...]:
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return (*lines[:_SHOWN], *more)


def _size(path: Path) -> dict[str, Any]:
    return {"bytes": path.stat().st_size}


_SUFFIXES: dict[str, Callable[[Path], Inspected]] = {
    ".onnx": _onnx,
    ".npy": _npy,
    ".safetensors": _safetensors,
    ".json": _json,
}
