"""The table of a query graph in every precision and backend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from markdown import head, row

COLUMNS = ["", "MB", "CPU ms, alone", "of 64", "least cosine", "between batches", "top 10"]
COLUMNS += ["mAP against fp32"]


def backends_table(result: Mapping[str, Any]) -> str:
    """A line a way, and below what it was measured on."""
    lines = head("precision, backend", COLUMNS)
    for found in result["graphs"].values():
        lines += [row(way, [*cells(one)]) for way, one in found.items()]
    machine = result["machine"]
    versions = f"onnxruntime {machine['packages']['onnxruntime']}, openvino {result['openvino']}"
    asked = next(iter(result["graphs"].values()))["fp32, ort-cpu"]
    note = (
        f"{machine['cpu']}, {versions}, one thread; {asked['queries']:,} queries of "
        f"{asked['groups']} classes."
    )
    return "\n".join([*lines, "", note])


def cells(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield a way's figures; the verdict is that of the default limits."""
    if "fault" in found:
        yield from ["does not run", f"{found['bytes'] / 1e6:.1f}", *[""] * (len(COLUMNS) - 2)]
        return
    yield "refused" if found["refused"] else "kept"
    yield f"{found['bytes'] / 1e6:.1f}"
    yield f"{found['cpu_ms']:.2f}"
    yield f"{found['batch_cpu_ms']:.0f}"
    for name, form in (("min_cosine", ".4f"), ("between_batches", ".4f"), ("top10_overlap", ".3f")):
        yield format(found[name], form)
    low, high = found["interval"]
    yield f"{found['gain']:+.4f} [{low:+.4f}, {high:+.4f}]"
