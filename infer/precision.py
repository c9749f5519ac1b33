"""Which precision of a bundle's query graphs runs on this machine.

A gallery's graph always runs in the default one, so that all vectors of an index are of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zscr.errors import ConfigError
from zscr.infer.runners.runner import ORT_CPU, Runtime
from zscr.processor import processor_flags
from zscr.schema import listing, record, text

FASTEST = record({"precision": text(40), "instructions": listing(text(40), 1, 40)})


def chosen_precision(body: Mapping[str, Any], runtime: Runtime) -> str:
    """Return the precision that was asked for, or the one that queries are answered in.

    That is the fastest of those that kept the retrieval, on a processor that has the instructions
    with which it was measured; on any other, and on a GPU, the bundle's default.

    Args:
        body: of the bundle's manifest.

    Raises:
        ConfigError: a query graph is not there in that precision, or was kept for another backend.
    """
    precision = runtime.precision or str(body["default_precision"])
    fastest = body.get("fastest")
    if fastest and not runtime.precision and runtime.backend == ORT_CPU:
        if (processor_flags() or frozenset()).issuperset(fastest["instructions"]):
            precision = str(fastest["precision"])
    told = body.get("precisions", {}).get("rungs", {}).get(precision, {})
    _require(body, precision, told)
    runs_on = told.get("backend", runtime.backend)
    if runtime.backend == ORT_CPU != runs_on:
        raise ConfigError(
            f"onnxruntime does not run {precision} on a CPU; give --backend {runs_on}, on which it "
            f"was judged, or leave --precision out"
        )
    return precision


def _require(body: Mapping[str, Any], precision: str, told: Mapping[str, Any]) -> None:
    for name, graph in body["graphs"].items():
        if graph["role"] == "query" and precision not in graph["variants"]:
            why = f" ({told['why']})" if told.get("why") else ""
            raise ConfigError(
                f"the bundle has no graph '{name}' in {precision}{why}, only in "
                f"{', '.join(graph['variants'])}; choose one of these or run 'zscr export' with "
                f"--precision {precision}"
            )
