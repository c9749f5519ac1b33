"""The tables of queries on CUDA: how long graphs take there, and a search that stays there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markdown import head, row

WAYS = {
    "torch eager": "torch eager",
    "torch.compile, reduce-overhead": "torch.compile",
    "torch CUDA graph": "torch, CUDA graph",
    "onnxruntime, plain run, host to host": "onnxruntime, plain",
    "zscr's runner, CUDA graph": "zscr",
    "zscr's runner, CUDA graph, host to host": "zscr, host to host",
    "zscr's runner, TensorRT, host to host": "zscr, TensorRT",
    "onnxruntime on the CPU": "the machine's CPU",
}
UNRUN = {"zscr's runner, TensorRT, host to host": "built, not run"}


def graphs_table(result: Mapping[str, Any], engines: Mapping[str, Any]) -> str:
    """A row a graph, precision and batch: medians of milliseconds, and the floor of the device.

    Args:
        engines: what `cuda_engines.py` has built.
    """
    lines = head(f"{result['device']}, milliseconds", [*WAYS.values(), "floor"])
    for name, section in result["sections"].items():
        for batch, found in section["batches"].items():
            times = found["times"]
            cells = [milliseconds(times[way]["p50_us"]) if way in times else "" for way in WAYS]
            if "seconds" in engines["engines"].get(name, {}):
                cells = [c or UNRUN.get(w, "") for w, c in zip(WAYS, cells, strict=True)]
            floor = milliseconds(max(found["floors_us"].values()))
            lines.append(row(f"{name}, batch {batch}", [*cells, floor]))
    return "\n".join(lines)


def found_table(result: Mapping[str, Any]) -> str:
    """A row a way of embedding 64 texts and finding the best 10 images of each."""
    search = result["search"]
    lines = head(f"{search['texts']} texts, way, images", ["milliseconds", "recall@10"])
    for way, times in search["times"].items():
        recall = f"{search['recall_at_10'][way]:.4f}"
        lines.append(row(way, [milliseconds(times["p50_us"]), recall]))
    return "\n".join(lines)


def milliseconds(microseconds: float) -> str:
    return f"{microseconds / 1e3:.3g}" if microseconds < 1e5 else f"{microseconds / 1e3:,.0f}"
