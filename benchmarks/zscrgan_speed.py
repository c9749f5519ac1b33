"""Rounds a second of ZSCRGAN's reference mode beside a plain port of the released loop.

    python benchmarks/zscrgan_speed.py --size published --size demo --threads 1
    python benchmarks/zscrgan_speed.py --device cuda --size published --precision tf32

Three things are run in turns, so that all see the same noise of the machine: our round, the plain
port's (`zscrgan_plain.py`), and nothing but the matrix products that our round was seen to execute.
On the CPU a turn is a part of a round with E- and M-steps in its proportions, and with one thread
seconds are those of the processor, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from limits import Peak, bandwidth, in_use, product_rate, seconds_of
from machine import describe
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from zscrgan_plain import Plain, numpy_batches

from zscr.train import graphs
from zscr.train.methods import Rows
from zscr.train.methods.zscrgan.reference import Config, Method
from zscr.train.precision import computing_in

RESULTS = Path(__file__).parent / "results"
Array = npt.NDArray[np.float32]
CLASSES, IMAGES = 150, 20  # as many classes as CUB; images a class


@dataclass(frozen=True)
class Size:
    """Feature dimensions, the widths that go with them, and the E- and M-steps of a turn."""

    text: int
    image: int
    widths: dict[str, int]
    steps: int


SIZES = {
    "published": Size(1024, 2048, {}, 20),
    "demo": Size(384, 256, {"gf_dim": 256, "df_dim": 256, "embed_dim": 256, "z_dim": 64}, 20),
}


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
    peaks = {name: peak_of(name, size, config, device) for name in ("fast", "plain")}
    found = summary(times, products.flops, plain_products.flops, steps) | limits
    found["peak_memory_mb"] = peaks | {"weights alone": round(weights_mb(size, config), 1)}
    alone = found["seconds_a_round"]["products"]
    updates = found["floor_seconds_a_round"]["bytes of updates"]
    found["shares_of_our_turn"] = shares
    return found | {"share_of_products_rate_at_most": round(alone / (alone + updates), 3)}


def fast_turn(size: Size, config: Config, device: torch.device) -> Callable[[], object]:
    """Return our turn."""
    images, texts = features(size, config)
    starts = torch.arange(CLASSES + 1, device=device)
    table = torch.from_numpy(images.reshape(-1, size.image)).to(device)
    rows = Rows(table, torch.from_numpy(texts).to(device), starts * IMAGES, starts)
    method = Method(config, text_dim=size.text, image_dim=size.image, device=device)
    method.start(rows, rows)
    return lambda: method.train_round(rows)


def plain_turn(size: Size, config: Config, device: torch.device) -> Callable[[], object]:
    """Return the port's turn, from the same weights."""
    method = Method(config, text_dim=size.text, image_dim=size.image, device=device)
    plain = Plain(config, method.state_dict())
    batches = numpy_batches(*features(size, config), config, device)
    return lambda: plain.round(batches)


TURNS = {"fast": fast_turn, "plain": plain_turn}


def features(size: Size, config: Config) -> tuple[Array, Array]:
    """Draw images (C, n, I) and texts (C, T)."""
    rng = np.random.default_rng(config.seed)
    images = rng.random((CLASSES, IMAGES, size.image), np.float32)
    return images, rng.standard_normal((CLASSES, size.text), np.float32)


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


def peak_of(name: str, size: Size, config: Config, device: torch.device) -> float:
    """MB that two turns of a contender take at most: features, weights, optimizers and the rest.

    In a process of its own, for what other turns have left there would be used again.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(peak_here, name, size, config, device).result()


def peak_here(name: str, size: Size, config: Config, device: torch.device) -> float:
    small = dict.fromkeys(("gf_dim", "df_dim", "embed_dim", "z_dim"), 64)
    TURNS[name](Size(64, 64, {}, 1), replace(config, **small), device)()  # the libraries' own start
    before = in_use(device)
    run = TURNS[name](size, config, device)
    with computing_in(config.precision, device), Peak(device) as peak:
        run()
        run()
    return round(peak.megabytes + (peak.before - before) / 1e6, 1)


def weights_mb(size: Size, config: Config) -> float:
    method = Method(config, text_dim=size.text, image_dim=size.image)
    return sum(4 * p.numel() for p in method.parameters()) / 1e6


class Products(TorchDispatchMode):
    """Records the shapes of all matrix products, and makes nothing but them again."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[tuple[Any, ...]] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Note a product's operands and make it."""

        if function.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.addmm):
            left, right = args[-2:]
            layouts = tuple((tuple(t.shape), t.stride(-1) == 1, t.dtype) for t in (left, right))
            self.seen[layouts] += 1
        return function(*args, **(kwargs or {}))

    @property
    def flops(self) -> float:
        """Two for each multiplication, as they were made."""
        return sum(
            2.0 * count * left[0][0] * left[0][1] * right[0][1]
            for (left, right), count in self.seen.items()
        )

    def replay(self, device: torch.device, *, keep: bool = False) -> Callable[[], None]:
        """Return the same products as `left @ right`, or into results that are there already.

        The matrices stay, so they are in the caches as often as can be.
        """

        def matrix(shape: tuple[int, int], rowwise: bool, dtype: torch.dtype) -> torch.Tensor:
            if rowwise:
                return torch.randn(shape, device=device).to(dtype)
            return torch.randn(shape[::-1], device=device).to(dtype).T

        jobs = []
        for (left, right), count in self.seen.items():
            pair = matrix(*left), matrix(*right)
            jobs.append((*pair, torch.mm(*pair), count))

        def run() -> None:
            for left, right, out, count in jobs:
                for _ in range(count):
                    torch.mm(left, right, out=out if keep else None)

        return run


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
    method = Method(config, text_dim=size.text, image_dim=size.image)
    count = {
        name: sum(p.numel() for group in optimizer.param_groups for p in group["params"])
        for name, optimizer in method.optimizers.items()
    }
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


if __name__ == "__main__":
    main()
