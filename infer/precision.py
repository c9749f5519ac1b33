"""Which precision of a bundle's graphs runs on this machine.

A gallery's graph runs in the default one unless another is asked for, and never by what the machine
is fast at: all vectors of an index are of one precision, which the index records.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zscr.errors import ConfigError
from zscr.infer.runners.runner import OPENVINO, ORT_CPU, Runtime
from zscr.processor import processor_flags
from zscr.schema import listing, record, text

FASTEST = record({"precision": text(40), "instructions": listing(text(40), 1, 40)})
PLAIN = "fp32"  # as trained; also of an index that does not say it
REFUSED = "refused"  # the status of a precision that does not retrieve as fp32 does


def chosen_precision(body: Mapping[str, Any], runtime: Runtime) -> str:
    """Return the precision that was asked for, or the one that queries are answered in.

    That is the fastest on the backend of those that kept the retrieval there, on a processor that
    has the instructions with which it was measured; on any other, and on a GPU, the bundle's
    default.

    Args:
        body: of the bundle's manifest.

    Raises:
        ConfigError: a query graph is not there in that precision, or was not kept on the backend.
    """
    default = str(body["default_precision"])
    precision = runtime.precision or _fastest(body, runtime.backend) or default
    told = body.get("precisions", {}).get("rungs", {}).get(precision, {})
    _require(body, precision, told)
    if precision != default:
        _require_backend(precision, told, runtime.backend)
    return precision


def require_gallery(body: Mapping[str, Any], precision: str, backend: str) -> None:
    """Refuse a precision in which the gallery's graph is not there, or not kept on the backend.

    Raises:
        ConfigError: says why.
    """
    if precision != body["default_precision"]:
        told = body.get("gallery_precisions", {}).get("rungs", {}).get(precision, {})
        _require(body, precision, told, role="gallery")
        _require_backend(precision, told, backend)


def _fastest(body: Mapping[str, Any], backend: str) -> str | None:
    """Return what a backend is given unasked here, where that is not the default."""
    of_all = {**body.get("fastest_by", {}), ORT_CPU: body.get("fastest")}
    fastest, flags = of_all.get(backend), processor_flags() or frozenset()
    if fastest and flags.issuperset(fastest["instructions"]):
        return str(fastest["precision"])
    return None


def _require_backend(precision: str, told: Mapping[str, Any], backend: str) -> None:
    """Refuse what was judged on another backend and does not run, or was refused, on this one.

    On a GPU nothing is judged: what onnxruntime refused on the CPU is refused there, too.
    """
    judged = OPENVINO if backend == OPENVINO else ORT_CPU
    kept = told.get("backend", judged)
    trial = told if kept == judged else told.get("beside", {}).get(judged, {})
    if trial.get("status") == REFUSED:
        raise ConfigError(
            f"{precision} is refused on {judged} ({trial.get('why')}) and kept on {kept}; give "
            f"--backend {kept}, or leave --precision out"
        )
    if backend == ORT_CPU != kept:
        raise ConfigError(
            f"onnxruntime does not run {precision} on a CPU; give --backend {kept}, on which it "
            f"was judged, or leave --precision out"
        )


def _require(
    body: Mapping[str, Any], precision: str, told: Mapping[str, Any], *, role: str = "query"
) -> None:
    option = "--precision" if role == "query" else "--gallery-precision"
    for name, graph in body["graphs"].items():
        if graph["role"] == role and precision not in graph["variants"]:
            why = f" ({told['why']})" if told.get("why") else ""
            raise ConfigError(
                f"the bundle has no graph '{name}' in {precision}{why}, only in "
                f"{', '.join(graph['variants'])}; choose one of these or run 'zscr export' with "
                f"{option} {precision}"
            )
