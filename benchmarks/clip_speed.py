"""Pairs a second, and memory, of training `clip`'s own towers: batches as a whole, and in chunks.

    python benchmarks/clip_speed.py --threads 1 --pairs 256 --batch 128
    python benchmarks/clip_speed.py --device cuda --precision bf16

Chunks are encoded twice, so that a batch takes the memory of one chunk (GradCache, Gao et al.,
RepL4NLP 2021); what that costs is the question. Random pixels and tokens, default widths.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch
from limits import highest_use, seconds_of
from machine import describe

from zscr.infer.features.table import Split, Table, starts_of
from zscr.train.methods.clip.config import TRAINED
from zscr.train.methods.clip.method import Config, Method
from zscr.train.precision import PRECISIONS, computing_in
from zscr.train.tables import to_device

RESULTS = Path(__file__).parent / "results"
PIXELS, LENGTH = 64, 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of the CPU")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument("--pairs", type=int, default=16384)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--chunks", type=int, default=8, help="that a batch is cut into")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    torch.set_num_threads(arguments.threads)
    sizes = {"whole": arguments.batch, "in chunks": arguments.batch // arguments.chunks}
    with computing_in(arguments.precision, device):
        found = {name: measure(size, device, arguments) for name, size in sizes.items()}
    result: dict[str, Any] = {"benchmark": "clip: pairs a second of trained towers"}
    result |= {"settings": vars(arguments), "batches": found, "machine": describe()}
    if device.type == "cuda":
        result["gpu"] = torch.cuda.get_device_name(device)
    print(json.dumps(found, indent=1))
    kind = arguments.precision if device.type == "cuda" else f"{arguments.threads}"
    path = RESULTS / f"clip_speed_{device.type}_{kind}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")


def measure(chunk: int, device: torch.device, arguments: argparse.Namespace) -> dict[str, float]:
    """Time passes over all pairs; return pairs a second and the GB that a pass takes."""
    config = Config(
        image=TRAINED,
        text=TRAINED,
        pixels=PIXELS,
        length=LENGTH,
        batch_size=arguments.batch,
        chunk=chunk,
        rounds=arguments.repeats + 1,
        seed=arguments.seed,
    )
    method = Method(config, {"image": (3, PIXELS, PIXELS), "text": (LENGTH,)}, device)
    method.bind(to_device(pairs(arguments.pairs, config, arguments.seed), device), None)
    method.start()
    most = highest_use([method.train_round], device)  # the warm-up
    seconds = [seconds_of(method.train_round, device) for _ in range(arguments.repeats)]
    speed = arguments.pairs / statistics.median(seconds)
    return {"pairs_a_second": round(speed, 1), "most_memory_gb": round(most / 1e9, 2)}


def pairs(count: int, config: Config, seed: int) -> Split[Any]:
    """Draw images and texts of half the length that is allowed."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, 3, PIXELS, PIXELS), np.uint8)
    ids = rng.integers(0, config.vocabulary, (count, LENGTH), np.int32)
    ids[:, LENGTH // 2 :] = -1
    names = tuple(map(str, range(count)))
    starts = starts_of([1] * count)
    tables = {"image": Table(names, images, starts), "text": Table(names, ids, starts)}
    return Split(names, tables)


if __name__ == "__main__":
    main()
