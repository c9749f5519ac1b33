"""The tables of what composed queries cost: training a mapper, and searching by fused scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markdown import head, row

FUSED = ("product", "weicom", "basic")
WAYS = (
    "naive",
    "cached features",
    "frozen weights",
    "own length",
    "prefix once",
    "compiled",
    "recorded",
    "recorded, 1,024 images",
)
SHARED = "times_it_with_the_image_tower_once_in_30_epochs"


def mapper_table(results: Sequence[Mapping[str, Any]]) -> str:
    """A row a size, device and precision: images a second, each way with what it adds."""
    columns = [*WAYS, "ratio", "ratio with the image tower once in 30 epochs"]
    lines = head("images a second", columns)
    for result in results:
        threads = result["threads"]
        on = f"CPU, {threads} thread" if result["device"] == "cpu" else result["device"]
        for size, found in result["sizes"].items():
            speeds, ratios = found["images_a_second"], found["times_the_naive_loop"]
            cells = [number(speeds[way]) if way in speeds else "" for way in WAYS]
            best = max(ratios, key=ratios.__getitem__)
            cells += [f"{ratios[best]:.0f}", f"{found[SHARED][best]:.0f}"]
            lines.append(row(f"ViT-{size}, {on}, {result['precision']}", cells))
    return "\n".join(lines)


def search_table(result: Mapping[str, Any]) -> str:
    """A row a gallery: milliseconds a query, and what share of answers are exact."""
    columns = ["one vector", *FUSED, "answers exact", "longest list"]
    lines = head("gallery, milliseconds a query", columns)
    for gallery, found in result.items():
        fused = [found[name] for name in FUSED]
        cells = [f"{found['one vector ms']:.1f}", *(f"{one['ms']:.1f}" for one in fused)]
        cells += [f"{min(one['exact'] for one in fused):.3f}".rstrip("0").rstrip(".")]
        cells += [f"{max(one['list']['max'] for one in fused):,}"]
        lines.append(row(gallery, cells))
    return "\n".join(lines)


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
