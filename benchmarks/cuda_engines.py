"""Engines of the models of `cuda_query.py`, built with no GPU: how long that takes, and their size.

    python benchmarks/cuda_engines.py --target sm89

None of them is run: `cuda_query.py` does that where TensorRT is, and its table says "built, not
run" elsewhere by what this has written.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from cuda_models import MODELS
from cuda_sections import RESULTS, SECTIONS
from machine import describe

from zscr.errors import ArtefactError
from zscr.export.tensorrt.builder import build_engine
from zscr.export.tensorrt.library import choose_toolchain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="sm89")
    parser.add_argument("--size", choices=["published", "tiny"], default="published")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    result: dict[str, Any] = {"benchmark": "engines, built and not run", "seed": arguments.seed}
    result |= {"toolchain": asdict(choose_toolchain([arguments.target])), "size": arguments.size}
    result["engines"] = {}
    for name, dtype, _ in SECTIONS:
        title = f"{name}, {str(dtype).removeprefix('torch.')}"
        result["engines"][title] = found = built(name, dtype, arguments)
        print(title, found, flush=True)
    result["machine"] = describe()
    path = RESULTS / ("cuda_engines.json" if arguments.size == "published" else "tiny.json")
    path.write_text(json.dumps(result, indent=1) + "\n")


def built(name: str, dtype: torch.dtype, arguments: argparse.Namespace) -> dict[str, Any]:
    with torch.no_grad(), TemporaryDirectory() as folder:
        out = Path(folder) / "model.engine"
        try:
            model = MODELS[name](arguments.size, dtype)
            info = build_engine(model.graph, out, targets=[arguments.target])
        except ArtefactError as error:
            return {"outcome": str(error)}
        products = info.layers.get("matrix_multiply", {})
        return {"seconds": info.seconds, "bytes": out.stat().st_size, "products": dict(products)}


if __name__ == "__main__":
    main()
