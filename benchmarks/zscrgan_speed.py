"""Rounds a second of `zscrgan-reference` beside a plain port of the released loop.

    python benchmarks/zscrgan_speed.py --size published --size demo --threads 1
    python benchmarks/zscrgan_speed.py --device cuda --size published --precision tf32

Three things are run in turns, so that all see the same noise of the machine: our round, the plain
port's (`reference/plain.py`), and nothing but the matrix products that our round was seen to
execute.
On the CPU a turn is a part of a round with E- and M-steps in its proportions, and with one thread
seconds are those of the processor, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from limits import bandwidth, product_rate, seconds_of
from machine import describe
from products import Products
from torch.profiler import ProfilerActivity, profile
from zscrgan_turns import SIZES, TURNS, Size, new_method, peak_of

from zscr.train import cuda_graph as graphs
from zscr.train.methods.zscrgan.reference.method import Config
from zscr.train.precision import computing_in

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, action="append")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of the CPU")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    torch.set_num_threads(arguments.threads)
    result: dict[str, Any] = {"benchmark": "zscrgan rounds: fast, plain port, products alone"}
    result |= {"repeats": arguments.repeats, "seed": arguments.seed, "device": device_name(device)}
    result |= {"threads": torch.get_num_threads(), "precision": arguments.precision, "sizes": {}}
    for name in arguments.size or SIZES:
        result["sizes"][name] = measure(SIZES[name], device, arguments)
        print(json.dumps({name: result["sizes"][name]}, indent=1))
    result["machine"] = describe()
    kind = arguments.precision if device.type == "cuda" else f"{arguments.threads}"
    path = RESULTS / f"zscrgan_speed_{device.type}_{kind}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def measure(size: Size, device: torch.device, arguments: argparse.Namespace) -> dict[str, Any]:
    """Time our round, the port's and the products alone in turns; return medians and ratios."""
    steps = size.steps if device.type == "cpu" else 100
    config = Config(
        **size.widths,
        e_steps=steps,
        m_steps=steps,
        seed=arguments.seed,
        precision=arguments.precision,
    )
    runs = {name: make(size, config, device) for name, make in TURNS.items()}
    with computing_in(config.precision, device):
        products, plain_products = Products(), Products()
        with plain_products:
            runs["plain"]()
        with products, unrecorded():
            runs["fast"]()
        runs["products"] = products.replay(device)
        runs["products, results kept"] = products.replay(device, keep=True)
        times: dict[str, list[float]] = {name: [] for name in runs}
        for repeat in range(arguments.repeats + 1):
            for name, run in runs.items():
                seconds = seconds_of(run, device)
                if repeat:  # the first is the warm-up
                    times[name].append(seconds)
        limits = floor(size, config, 100 / steps * products.flops, device)
    shares = where_time_goes(runs["fast"]) if device.type == "cpu" else {}
    peaks = {name: peak_of(name, size, config, device) for name in TURNS}
    found = summary(times, products.flops, plain_products.flops, steps) | limits
    weights = sum(parameters(size, config).values())
    found["peak_memory_mb"] = peaks | {"weights alone": round(4 * weights / 1e6, 1)}
    alone = found["seconds_a_round"]["products"]
    updates = found["floor_seconds_a_round"]["bytes of updates"]
    found["shares_of_our_turn"] = shares
    return found | {"share_of_products_rate_at_most": round(alone / (alone + updates), 3)}


def where_time_goes(run: Callable[[], object]) -> dict[str, float]:
    """Return the costliest operations' shares of the time that a turn spends in operations."""
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        run()
    spent = {event.key: event.self_cpu_time_total for event in seen.key_averages()}
    most, whole = sorted(spent, key=lambda name: -spent[name])[:8], sum(spent.values())
    return {name.removeprefix("aten::"): round(spent[name] / whole, 3) for name in most}


@contextmanager
def unrecorded() -> Iterator[None]:
    """Let CUDA graphs be recorded later, for what they replay cannot be seen."""
    before, graphs.WARM_UP = graphs.WARM_UP, 1 << 30
    try:
        yield
    finally:
        graphs.WARM_UP = before


def summary(
    times: dict[str, list[float]], flops: float, nominal: float, steps: int
) -> dict[str, Any]:
    """Medians over the repeats, per round of 100 E- and M-steps, and ratios within each repeat."""
    scale = 100 / steps
    medians = {name: statistics.median(values) for name, values in times.items()}
    ratios = [plain / fast for plain, fast in zip(times["plain"], times["fast"], strict=True)]
    return {
        "steps_a_turn": steps,
        "seconds_a_round": {name: round(scale * value, 4) for name, value in medians.items()},
        "rounds_a_second": {name: round(1 / scale / value, 4) for name, value in medians.items()},
        "turns_in_seconds": times,
        "faster_than_plain": round(statistics.median(ratios), 3),
        "share_of_products_rate": {
            name: round(share(times, name), 3) for name in times if name.startswith("products")
        },
        "share_of_products_rate_by_the_port's_flops": round(
            nominal / flops * share(times, "products"), 3
        ),
        "tflop_a_round": {"plain": scale * nominal / 1e12, "fast": scale * flops / 1e12},
        "gflops": {
            "fast": round(flops / medians["fast"] / 1e9, 1),
            "plain": round(nominal / medians["plain"] / 1e9, 1),
            "products": round(flops / medians["products"] / 1e9, 1),
            "products, results kept": round(flops / medians["products, results kept"] / 1e9, 1),
        },
    }


def share(times: dict[str, list[float]], name: str) -> float:
    """Our flops a second over those of the products alone: the median over the repeats."""
    return statistics.median(
        alone / fast for alone, fast in zip(times[name], times["fast"], strict=True)
    )


def floor(size: Size, config: Config, flops: float, device: torch.device) -> dict[str, Any]:
    """Seconds below which no round can be: its products at full rate, its least bytes at full rate.

    Least bytes: an RMSProp update reads and writes value and square (16 bytes a parameter), an Adam
    update value and two moments (24); every pass of a network at rest reads its weights once.
    """
    count = parameters(size, config)
    updates = 100 * (16 * (5 * count["critic"] + count["generator"]) + 24 * count["csem"])
    passes = 100 * 4 * (5 * count["critic"] + 3 * count["generator"] + count["csem"])
    rate, speed = product_rate(device), bandwidth(device)
    by_flops, by_bytes = flops / rate, (updates + passes) / speed
    return {
        "floor_seconds_a_round": {
            "flops": round(by_flops, 4),
            "bytes": round(by_bytes, 4),
            "bytes of updates": round(updates / speed, 4),
            "both_at_once": round(max(by_flops, by_bytes), 4),
            "one_after_the_other": round(by_flops + by_bytes, 4),
        },
        "gflops_of_a_large_product": round(rate / 1e9, 1),
        "gigabytes_a_second": round(speed / 1e9, 1),
        "gigabytes_a_round": round((updates + passes) / 1e9, 1),
    }


def parameters(size: Size, config: Config) -> dict[str, int]:
    """Count the parameters of each optimizer, which together move all."""
    method = new_method(size, config, "cpu")
    return {
        name: sum(p.numel() for group in optimizer.param_groups for p in group["params"])
        for name, optimizer in method.optimizers.items()
    }


if __name__ == "__main__":
    main()
