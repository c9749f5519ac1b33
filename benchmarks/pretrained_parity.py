"""How far the bundles of pretrained models are from transformers, family by family.

    python benchmarks/pretrained_parity.py

The small checkpoints of the tests (random weights, saved by transformers) are exported; the figures
are those of their manifests: largest differences over texts, images and batches of 1, 3, 8 and 64.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import transformers
from machine import describe

from zscr.export.pretrained.job import export_pretrained

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.checkpoints import SAVE, save_text_tower  # noqa: E402
from tests.export.pretrained.native_clip import save_native  # noqa: E402

MAKERS: dict[str, Callable[[Path], object]] = {**SAVE, "OpenCLIP's own folder": save_native}


def main() -> None:
    rows = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, (family, save) in enumerate(MAKERS.items()):
            save(folder / f"{number}")
            rows[family] = figures(folder / f"{number}", folder / f"{number}.bundle")
        tower = save_text_tower(folder / "tower")
        joined = figures(folder / "0", folder / "joined", text_tower=str(tower))
        rows["clip, its texts by distilbert"] = joined
    result = {
        "benchmark": "bundles of pretrained models against transformers, small random weights",
        "families": rows,
        "transformers": transformers.__version__,
        "machine": describe(),
    }
    path = ROOT / "benchmarks/results/pretrained_parity.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    for family, row in rows.items():
        print(f"{family:32}", "  ".join(f"{key} {value:.1e}" for key, value in row.items()))


def figures(source: Path, out: Path, **options: Any) -> dict[str, float]:
    """Export a checkpoint -> the largest differences of its graphs."""
    graphs = export_pretrained(str(source), out, **options).graphs
    variants = {name: graph["variants"]["fp32"] for name, graph in graphs.items()}
    return {
        f"{name} {what}": variant[key]["max_abs"]
        for name, variant in variants.items()
        for what, key in (("unit", "parity"), ("projected", "projected_parity"))
    }


if __name__ == "__main__":
    main()
