"""Images a second of Pic2Word's full-size recipe: the released loop's way, and ours.

    python benchmarks/pic2word_speed.py --threads 1
    python benchmarks/pic2word_speed.py --device cuda --size L/14 --precision bf16 --compiled

Random weights of CLIP's shapes. The contenders (`pic2word_turns.py`) run in turns, so that all see
the same noise of the machine; ratios are taken within each repeat, and medians over the repeats. On
the CPU those of 77 tokens take fewer images a step, which spares memory and costs them nothing (a
batch of four fills a core); with one thread, seconds are those of the processor. The loss of one
batch by all 77 tokens and by those that count is compared first: the work is the same.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from limits import seconds_of
from machine import describe
from pic2word_turns import NARROW, ON_CUDA, SIZES, WHOLE_BATCH, WIDE, Loop, Turn

from zscr.train.cuda_graph import WARM_UP
from zscr.train.precision import PRECISIONS, computing_in

RESULTS = Path(__file__).parent / "results"
STEPS, NAIVE_STEPS = 10, 3  # of a turn on a GPU
EPOCHS = 30  # of the published recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, action="append")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of the CPU")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument("--batch", type=int, default=128, help="images of a step [128]")
    parser.add_argument("--compiled", action="store_true", help="on a GPU, by torch.compile, too")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    torch.set_num_threads(arguments.threads)
    result: dict[str, Any] = {"benchmark": "pic2word: images a second of the full-size recipe"}
    result |= {"repeats": arguments.repeats, "seed": arguments.seed, "device": name_of(device)}
    result |= {"threads": torch.get_num_threads(), "precision": arguments.precision, "sizes": {}}
    for size in arguments.size or SIZES:
        with computing_in(arguments.precision, device):
            result["sizes"][size] = measure(size, device, arguments)
        print(json.dumps({size: result["sizes"][size]}, indent=1))
    result["machine"] = describe()
    kind = arguments.precision if device.type == "cuda" else f"{arguments.threads}"
    kind += "_compiled" * arguments.compiled
    path = RESULTS / f"pic2word_speed_{device.type}_{kind}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")


def name_of(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def measure(name: str, device: torch.device, arguments: argparse.Namespace) -> dict[str, Any]:
    """Time the contenders in turns; return images a second, and ratios to the naive loop."""
    loop = Loop(SIZES[name], device, arguments.seed)
    batch, on_gpu = arguments.batch, device.type == "cuda"
    wide = batch if on_gpu else min(batch, SIZES[name].naive_on_cpu)
    counts = dict.fromkeys(WIDE, wide) | dict.fromkeys(NARROW, batch)
    makers = WIDE | NARROW
    if on_gpu:
        chosen = {key: ON_CUDA[key] for key in ON_CUDA if key != "compiled" or arguments.compiled}
        makers = makers | chosen
        counts |= dict.fromkeys(chosen, batch) | {WHOLE_BATCH: 1024}
    difference = agreement(loop, min(batch, 16))
    turns = {key: make(loop, counts[key]) for key, make in makers.items()}
    peaks = {key: peak_of(turn) for key, turn in turns.items()} if on_gpu else {}
    times: dict[str, list[float]] = {key: [] for key in turns}
    for _ in range(arguments.repeats):
        for key, turn in turns.items():
            steps = (NAIVE_STEPS if key == "naive" else STEPS) if on_gpu else 1
            seconds = seconds_of(partial(repeated, turn, steps), device)
            times[key].append(seconds / steps / counts[key])
    return summary(times, counts) | {
        "loss_by_all_tokens_and_by_ours_differ_by": difference,
        "peak_memory_gb": peaks,
    }


def repeated(turn: Turn, count: int) -> None:
    for _ in range(count):
        turn()


def peak_of(turn: Callable[[], object]) -> float:
    """Warm a contender up, until it is recorded or compiled; return the GB that it takes."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    for _ in range(WARM_UP + 2):
        turn()
    return round(torch.cuda.max_memory_allocated() / 1e9, 2)


@torch.no_grad()
def agreement(loop: Loop, count: int) -> float:
    """Return by how much the loss of a batch differs, by all 77 tokens and by those that count."""
    loop.mapper.eval()
    images, ours = loop.embedded[:count], loop.after_prefix()
    whole = loop.loss(images, lambda words: loop.text(loop.padded, words))
    found = float((whole - loop.loss(images, ours)).abs())
    loop.mapper.train()
    return found


def summary(times: dict[str, list[float]], counts: dict[str, int]) -> dict[str, Any]:
    """Medians over the repeats, and ratios to the naive loop.

    Cached features are not free: the image tower runs once. Of the recipe's 30 epochs that is a
    thirtieth of its time a step, which the second ratio counts.
    """
    medians = {key: statistics.median(values) for key, values in times.items()}
    once = (medians["naive"] - medians["cached features"]) / EPOCHS  # of the image tower
    return {
        "images_a_step": counts,
        "images_a_second": {key: round(1 / value, 2) for key, value in medians.items()},
        "times_the_naive_loop": {key: round(ratio(times, key), 2) for key in times},
        "times_it_with_the_image_tower_once_in_30_epochs": {
            key: round(medians["naive"] / (medians[key] + once), 2)
            for key in times
            if key != "naive"
        },
        "seconds_an_image": times,
    }


def ratio(times: dict[str, list[float]], key: str) -> float:
    """How many times the naive loop's images a contender sees: the median over the repeats."""
    pairs = zip(times["naive"], times[key], strict=True)
    return statistics.median(slow / fast for slow, fast in pairs)


if __name__ == "__main__":
    main()
