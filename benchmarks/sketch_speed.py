"""Images a second of training and evaluating whole ViTs on sketches: the released loop's way, ours.

    python benchmarks/sketch_speed.py --threads 1 --size tiny --steps 2
    python benchmarks/sketch_speed.py --device cuda --size B/16

Every step is of 60 images (15 tuples of a sketch, its image, another sketch, another image). The
contenders run in turns, so that all see the same noise of the machine; ratios are taken within each
repeat, and medians over the repeats.

- `released`: the method `zse` as ZSE-SBIR's code computes it: float32, attention in plain products.
- `zse`: the same updates in bf16, attention in one kernel.
- `cmaan`: `cmaan` as it is specified, with two towers of its own and texts, in bf16 as well.

Evaluation: the released code encodes the whole gallery for each 20 queries, on CUDA in 16 bits;
here both sides are encoded once, in float32. Weights and pixels are random: nothing here says how
good a model is.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from limits import highest_use, seconds_of
from machine import describe
from sketch_turns import AT_ONCE, CONTENDERS, IMAGES, SIZES, Contender, Workplace

RESULTS = Path(__file__).parent / "results"
SKETCHY = {"queries": 15_229, "gallery": 17_101}  # Sketchy-Ext's split of 25 unseen classes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="B/16")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of the CPU")
    parser.add_argument("--steps", type=int, default=8, help="of 60 images, of a turn [8]")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    torch.set_num_threads(arguments.threads)
    result: dict[str, Any] = {"benchmark": "sketches: images a second of whole ViTs"}
    result |= {"size": arguments.size, "steps": arguments.steps, "repeats": arguments.repeats}
    result |= {"seed": arguments.seed, "threads": torch.get_num_threads()}
    on_gpu = device.type == "cuda"
    result["device"] = torch.cuda.get_device_name(device) if on_gpu else "cpu"
    with tempfile.TemporaryDirectory() as folder:
        place = Workplace(SIZES[arguments.size], Path(folder), device, arguments)
        contenders = {name: make(place) for name, make in CONTENDERS.items()}
        result["training"] = training(contenders, arguments, device)
        result["evaluation"] = evaluation(contenders["released"], place, arguments.repeats)
    print(json.dumps({part: result[part] for part in ("training", "evaluation")}, indent=1))
    result["machine"] = describe()
    size = arguments.size.replace("/", "")
    path = arguments.out / f"sketch_speed_{device.type}_{size}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")


def training(
    contenders: dict[str, Contender], arguments: argparse.Namespace, device: torch.device
) -> dict[str, Any]:
    """Time rounds in turns; return images a second, ratios to the released loop, and memory."""
    peaks = {name: highest_use([one.train], device) for name, one in contenders.items()}
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(arguments.repeats):
        for name, one in contenders.items():
            times[name].append(seconds_of(one.train, device) / arguments.steps / IMAGES)
    return {
        "images_a_second": {name: round(1 / statistics.median(t), 2) for name, t in times.items()},
        "times_the_released_loop": {
            name: round(ratio(times["released"], own), 2) for name, own in times.items()
        },
        "peak_memory_gb": {name: round(peak / 1e9, 2) for name, peak in peaks.items()},
        "seconds_an_image": times,
    }


def evaluation(contender: Contender, place: Workplace, repeats: int) -> dict[str, Any]:
    """Time both ways over the same sketches and images; project them to Sketchy-Ext by counting."""
    ways = {"released": contender.evaluate_as_released, "ours": contender.evaluate}
    ranked = {name: way() for name, way in ways.items()}  # the warm-up
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            times[name].append(seconds_of(way, place.device))
    sizes = {"queries": place.count, "gallery": place.count}
    found: dict[str, Any] = {"measured": sizes, "seconds": times}
    found["ours_faster_by"] = round(ratio(times["released"], times["ours"]), 2)
    found["same_first_image"] = round(
        float((ranked["released"] == ranked["ours"]).float().mean()), 3
    )
    hours = {
        name: statistics.median(times[name]) / count(**sizes) * count(**SKETCHY) / 3600
        for name, count in COUNTS.items()
    }
    found["sketchy_25"] = SKETCHY | {
        "images_encoded": {name: count(**SKETCHY) for name, count in COUNTS.items()},
        "hours_projected": {name: round(value, 3) for name, value in hours.items()},
        "ratio_projected": round(hours["released"] / hours["ours"], 1),
    }
    return found


# Images that each way encodes.
COUNTS: dict[str, Callable[[int, int], int]] = {
    "released": lambda queries, gallery: queries + -(-queries // AT_ONCE) * gallery,
    "ours": lambda queries, gallery: queries + gallery,
}


def ratio(slow: list[float], fast: list[float]) -> float:
    """Return the median over the repeats of how many times faster one is."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


if __name__ == "__main__":
    main()
