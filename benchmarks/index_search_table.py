"""The table of what searches of an index find and take, zscr's beside other libraries'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markdown import head, row

COLUMNS = ["recall@10", "tuned", "one by one", "batches of 64", "of hnswlib", "build s", "bytes"]


def engines_table(result: Mapping[str, Any]) -> str:
    """A table a size: queries a second of the processor, of the clock in brackets."""
    tables = []
    for size, told in result["sizes"].items():
        lines = head(f"{size}, queries a second", COLUMNS)
        lines += [row(name, cells(found, told["hnswlib"])) for name, found in told.items()]
        tables.append("\n".join([*lines, "", f"zscr: {told['zscr']['how']}."]))
    machine, about = result["machine"], result["machine"]["packages"]
    packages = ("hnswlib", "faiss-cpu", "usearch", "turbovec", "numpy")
    versions = ", ".join(f"{name} {about[name]}" for name in packages if about.get(name))
    note = (
        f"{machine['cpu']}, {machine['cores']} cores, shared, one thread ({versions}); built by "
        f"{result['threads_that_build']} threads."
    )
    return "\n\n".join([*tables, note])


def cells(found: Mapping[str, Any], hnswlib: Mapping[str, Any]) -> list[str]:
    """Return an engine's figures; the ratio is of processor time, one query at a time."""
    if found.get("missing"):
        return ["not installed", *[""] * (len(COLUMNS) - 1)]
    one, batch = (
        f"{found[f'{kind}_cpu_per_s']:,.0f} ({found[f'{kind}_per_s']:,.0f})"
        for kind in ("one", "batch")
    )
    ratio = ""
    if not hnswlib.get("missing"):
        ratio = f"{found['one_cpu_per_s'] / hnswlib['one_cpu_per_s']:.2f}"
    effort = found.get("effort")
    figures = ["" if effort is None else f"{effort:,}", one, batch, ratio]
    figures += [f"{found['build_cpu_s']:,.1f}", f"{found['bytes_an_item']:,}"]
    return [f"{found['recall']:.4f}", *figures]
