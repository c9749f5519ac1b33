"""The tables of a query from C++ in docs/benchmarks.md."""

from __future__ import annotations

from typing import Any

from markdown import head, row


def cpp_table(result: dict[str, Any]) -> str:
    """A row an index for latency, then one a process for its start, then memory and size."""
    lines = head(
        "milliseconds, p50 (p10)",
        ["Python", "libzscr", "of Python's", "CPU: Python", "CPU: libzscr", "CPU: of Python's"],
    )
    for index, clocks in result["latency"].items():
        cells = list[str]()
        for clock in ("wall", "cpu"):
            found = clocks[clock]
            times = found["milliseconds"].values()
            cells += [f"{one['p50']:.2f} ({one['p10']:.2f})" for one in times]
            cells.append(f"{found['of_python']['p50']:.2f} ({found['of_python']['p10']:.2f})")
        lines.append(row(index, cells))
    lines += [
        "",
        *head("a cold start, seconds", ["wall", "CPU", "wall beside the load", "peak MB"]),
    ]
    start = result["cold_start"]
    for name, found in start["seconds"].items():
        beside = start["seconds_beside_the_load"].get(name, {}).get("wall")
        cells = [f"{found['wall']:.3f}", f"{found['cpu']:.3f}"]
        cells.append("–" if beside is None else f"{beside:.3f}")
        lines.append(row(name, [*cells, f"{found['mb']:.0f}"]))
    lines += ["", *head("resident MB", [*next(iter(result["memory_mb"].values()))])]
    for name, found in result["memory_mb"].items():
        lines.append(row(name, [f"{value:.0f}" for value in found.values()]))
    machine, packages = result["machine"], result["machine"]["packages"]
    note = (
        f"`libzscr.so` has {result['library_kb']:.0f} KB without symbols. {machine['cpu']}, "
        f"{machine['cores']} cores, {result['threads']} thread, {result['queries']} texts an "
        f"index in {result['rounds']} processes, {result['runs']} starts, seed {result['seed']}, "
        f"onnxruntime {packages['onnxruntime']}, in turns."
    )
    return "\n".join([*lines, "", note])
