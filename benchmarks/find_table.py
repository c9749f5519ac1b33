"""The tables of `zscr find` and of the export of a pretrained model in docs/benchmarks.md."""

from __future__ import annotations

from typing import Any

from markdown import head, row


def find_table(results: list[dict[str, Any]]) -> str:
    """A row a model: searching beside bare imports and `zscr query`, indexing beside the encoder.

    Ratios of CPU seconds stand behind those of wall time, which other work on the machine moves.
    """
    columns = ["photos", "of bare imports", "of `zscr query`", "photos a second", "of the encoder"]
    lines = head("model", [*columns, "peak MB, all and a quarter"])
    for result in results:
        found, indexed = result["searching"], result.get("indexing")
        cells = [f"{found['images']:,}"]
        cells += [_both(found, f"of {name}", 2) for name in ("bare imports", "zscr query")]
        cells += _indexing(indexed) if indexed else ["", "", ""]
        lines.append(row(result["model"], cells))
    return "\n".join(lines)


def _indexing(found: dict[str, Any]) -> list[str]:
    alone = "of the encoder alone, a second"
    peak = found["peak MB"]
    return [
        f"{found['zscr find, images a second']:.1f}",
        f"{found[alone]:.2f} ({found[f'{alone} of CPU']:.2f})",
        f"{peak['all']}, {peak['quarter']}",
    ]


def _both(found: dict[str, Any], name: str, digits: int) -> str:
    return f"{found[f'{name}, seconds']:.{digits}f} ({found[f'{name}, cpu']:.{digits}f})"


def export_table(result: dict[str, Any]) -> str:
    """One row: the time, the memory and the parity of an export."""
    lines = head("export of", ["seconds", "CPU seconds", "peak GB", "MB", "unit", "projected"])
    unit = max(result["max_abs_unit"].values())
    projected = max(each["max_abs"] for each in result["projected"].values())
    cells = [f"{result['seconds']:.0f}", f"{result['cpu_seconds']:.0f}"]
    cells += [f"{result['peak_gigabytes']:.2f}", f"{sum(result['megabytes'].values()):.0f}"]
    lines.append(row("CLIP ViT-B/32's size", [*cells, f"{unit:.1e}", f"{projected:.1e}"]))
    return "\n".join(lines)
