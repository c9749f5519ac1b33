"""The tables of what an index's changes, its opening and its growth take, by its size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markdown import head, row


def changes_table(result: Mapping[str, Any]) -> str:
    """A row a size: medians by the clock, of processor time in brackets."""
    columns = ["MiB", "add 32", "remove", "bare syncs", "open and ask", "prove all", "hash all"]
    lines = head(f"images of {result['dim']} dimensions, milliseconds", columns)
    for count, found in result["sizes"].items():
        opening = found["opening"]
        cells = [f"{opening['mib']:,}", shown(found["add"])]
        cells += [f"{shown(found['remove'])} of {found['removed']:,}", shown(found["disk"])]
        lines.append(row(f"{int(count):,}", [*cells, *against_hash(opening)]))
    machine, version = result["machine"], result["machine"]["packages"]["numpy"]
    note = f"{machine['cpu']}, one thread, seed {result['seed']}, numpy {version}."
    return "\n".join([*lines, "", note])


def against_hash(opening: Mapping[str, Any]) -> list[str]:
    """Return what opening and a proof take, and their ratio to hashing all files."""
    whole = opening["hash"]["ms"]
    parts = [
        f"{shown(opening[name])}: {opening[name]['ms'] / whole:.2f}" for name in ("first", "proved")
    ]
    return [*parts, shown(opening["hash"])]


def shown(times: Mapping[str, float]) -> str:
    """Say a median by the clock and of the processor."""
    return f"{times['ms']:,.1f} ({times['cpu_ms']:,.1f})"


def growth_table(result: Mapping[str, Any]) -> str:
    """A row a size: memory before and at most, and what an image takes beside its encoder."""
    columns = [
        "rows, MiB",
        "names and hashes",
        "at most beside them",
        "peak with maps",
        "µs an image",
    ]
    lines = head(f"images of {result['dim']} dimensions, MiB", [*columns, "of an encoder of 5 ms"])
    for count, found in result["images"].items():
        before = found["before_mib"]
        cells = [found["rows_mib"], before, found["anonymous_mib"] - before, found["peak_mib"]]
        own = found["add_us"] - found["encoder_us"]
        figures = [*(f"{cell:,}" for cell in cells), f"{own:.0f}", f"{found['of_encoder']:.3f}"]
        lines.append(row(f"{int(count):,}", figures))
    return "\n".join(lines)
