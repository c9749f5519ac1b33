"""The sections of `cuda_query.py`: a model in one precision, at its batch sizes.

Random weights of published sizes. Contenders (`cuda_ways.py`) take one batch in turns, in the same
precision; TF32 is off in all of them. Beside each stand the time in which its weights can be read
once and the time of its products at the rate of a large one, both measured here, and that of an
empty CUDA graph. What fails is an outcome with its message, and the rest goes on; results are
written after each section, and no section begins that the seconds left do not allow.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from cuda_models import MODELS, Model
from cuda_search import search
from cuda_ways import COMPILED, EVERYWHERE, ON_CPU, ON_CUDA, Section, Turn, as_rows, timed
from limits import bandwidth, product_rate, seconds_of
from machine import describe

from zscr.train.cuda_graph import cuda_graph

RESULTS = Path(__file__).parent / "results"
FP32, FP16 = torch.float32, torch.float16
COMPILING = 30.0  # seconds that must be left for it
# The most wanted first; batch sizes, whether compiled.
SECTIONS = [
    ("zscrgan, captions", FP32, {1: True, 512: False}),
    ("zscrgan, published vectors", FP32, {1: True, 512: False}),
    ("CLIP's text tower", FP16, {1: True, 64: True}),
    ("ViT-B/16", FP16, {1: True, 64: True}),
    ("zscrgan, captions", FP16, {1: False, 512: True}),
    ("CLIP's text tower", FP32, {1: False, 64: False}),
    ("ViT-B/16", FP32, {1: False, 64: False}),
]
SEARCH_AFTER = 4  # sections


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--size", choices=["published", "tiny"], default="published")
    parser.add_argument("--seconds", type=float, default=200.0, help="of everything")
    parser.add_argument("--turn-seconds", type=float, default=1.5, help="of a batch size")
    parser.add_argument("--images", type=int, default=1_000_000, help="of the gallery")
    parser.add_argument("--hnsw", type=int, default=100_000, help="of them in HNSW")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--begin", type=int, default=0, help="section to begin with")
    parser.add_argument("--without", action="append", default=[], help="contender to leave out")
    parser.add_argument("--afresh", action="store_true", help="forget the results that there are")
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    with torch.no_grad():
        Benchmark(arguments).run()


class Benchmark:
    """Runs the sections, and writes what there is after each."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments, self.device = arguments, torch.device(arguments.device)
        self.start = time.monotonic()
        on_gpu = self.device.type == "cuda"
        self.path = RESULTS / ("cuda_query.json" if on_gpu else "cuda_query_cpu.json")
        self.at = {"section": arguments.begin, "contender": ""}
        if self.path.exists() and not arguments.afresh:
            self.result: dict[str, Any] = json.loads(self.path.read_text())
            return
        self.result = {
            "benchmark": "queries on CUDA: torch and onnxruntime in turns",
            "device": torch.cuda.get_device_name() if on_gpu else "cpu",
            "cuda": torch.version.cuda,
            "seed": arguments.seed,
            "size": arguments.size,
            "tf32": False,
            "limits": {},
            "sections": {},
            "search": {},
        }

    def run(self) -> None:
        """Run what the seconds allow."""
        if not self.result["limits"]:
            self.result["limits"] = self.tried("limits", self.limits)
        for number, (name, dtype, batches) in enumerate(SECTIONS):
            if number < self.arguments.begin or dtype not in self.dtypes:
                continue
            self.at["section"] = number
            if number >= SEARCH_AFTER and not self.result["search"]:
                self.search()
            title = f"{name}, {str(dtype).removeprefix('torch.')}"
            found: dict[str, Any] = {}
            self.result["sections"][title] = found
            found |= self.tried(title, lambda: self.section(name, dtype, batches, found))  # noqa: B023
            self.write()
        if not self.result["search"]:
            self.search()
        self.result["machine"] = describe()
        self.write()

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return float(self.arguments.seconds) - (time.monotonic() - self.start)

    def tried(self, what: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Do a piece of work; a failure is its outcome."""
        begin = time.monotonic()
        try:
            if self.left < 10:
                return {"outcome": "not run: the seconds were spent"}
            found = work()
        except Exception as error:  # noqa: BLE001  the other parts go on
            found = {
                "outcome": f"failed: {type(error).__name__}: {' '.join(str(error).split())}"[:600]
            }
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        found["seconds"] = round(time.monotonic() - begin, 1)
        if "batches" not in found:
            print(f"{what}: {json.dumps(found)}", flush=True)
        return found

    def write(self) -> None:
        """Write what there is."""
        RESULTS.mkdir(exist_ok=True)
        self.result["at"] = self.at
        self.path.write_text(json.dumps(self.result, indent=1) + "\n")

    def limits(self) -> dict[str, Any]:
        """Measure what the device allows."""
        rates = {str(t).removeprefix("torch."): product_rate(self.device, t) for t in self.dtypes}
        return {
            "bytes_a_second": round(bandwidth(self.device)),
            "flops_a_second": {name: round(rate) for name, rate in rates.items()},
            "empty_cuda_graph_us": self.launch_us(),
        }

    @property
    def dtypes(self) -> tuple[torch.dtype, ...]:
        """The precisions of the sections."""
        return (FP32, FP16) if self.device.type == "cuda" else (FP32,)

    def launch_us(self) -> float | None:
        """Return the microseconds in which a CUDA graph of one tiny kernel is launched and done."""
        if self.device.type != "cuda":
            return None
        one = torch.zeros(1, device=self.device)
        replay, _ = cuda_graph(lambda: one.add_(1))
        times = sorted(seconds_of(replay, self.device) for _ in range(200))
        return round(1e6 * times[100], 2)

    def section(
        self, name: str, dtype: torch.dtype, batches: Mapping[int, bool], found: dict[str, Any]
    ) -> dict[str, Any]:
        """Time a model at its batch sizes."""
        model, sessions = MODELS[name](self.arguments.size, dtype), dict[str, Any]()
        found |= {"weights_bytes": model.bytes, "batches": {}}
        for rows, compiling in batches.items():
            of = Section(model, rows, self.device, sessions)
            found["batches"][str(rows)] = self.tried(
                f"{name}, {dtype}, batch {rows}",
                lambda: self.batch(of, compiling and self.left > COMPILING),  # noqa: B023
            )
            self.write()
        if "runner" in sessions:
            found["ran"] = sessions["runner"][1]
        return found

    def batch(self, of: Section, compiling: bool) -> dict[str, Any]:
        """Make every contender, compare what it gives with eager torch, and time all in turns."""
        turns, failed, reference = dict[str, Turn](), dict[str, str](), None
        made, differences = dict[str, float](), dict[str, float]()
        for name, make in self.contenders(of, compiling):
            begin = time.monotonic()
            self.about_to(name)
            try:
                turn = make(of)
                rows = warmed_up(turn)
            except Exception as error:  # noqa: BLE001  the other contenders go on
                failed[name] = f"{type(error).__name__}: {' '.join(str(error).split())}"[:400]
                self.require_sound_device(failed[name])
                continue
            reference = rows if reference is None else reference
            differences[name] = float(f"{(rows - reference).abs().max():.3g}")
            made[name], turns[name] = round(time.monotonic() - begin, 2), turn
        self.about_to("")
        return {
            "times": timed(turns, self.arguments.turn_seconds),
            "floors_us": self.floors(of.model, of.rows),
            "largest_difference_to_eager": differences,
            "seconds_to_make": made,
            "failed": failed,
        }

    def about_to(self, contender: str) -> None:
        """Note what is tried next, in case that this process dies of it."""
        self.at["contender"] = contender
        self.write()

    def require_sound_device(self, fault: str) -> None:
        """End this process where the device answers no more."""
        try:
            torch.zeros(1, device=self.device).item()
        except RuntimeError:
            self.at["fault"] = fault
            self.write()
            os._exit(3)

    def contenders(
        self, of: Section, compiling: bool
    ) -> Iterator[tuple[str, Callable[[Section], Turn]]]:
        """Yield what can be run here, and is not left out."""
        for name, make in self.all_contenders(of, compiling):
            if name not in self.arguments.without:
                yield name, make

    def all_contenders(
        self, of: Section, compiling: bool
    ) -> Iterator[tuple[str, Callable[[Section], Turn]]]:
        """Yield what can be run here."""
        attends = of.model.plain is not of.model.fused
        yield from ((n, make) for n, make in EVERYWHERE.items() if attends or "SDPA" not in n)
        if self.device.type == "cuda":
            yield from ON_CUDA.items()
        if compiling and self.device.type == "cuda":
            yield from COMPILED.items()
        if of.model.dtype == FP32:
            yield from ON_CPU.items()

    def floors(self, model: Model, rows: int) -> dict[str, float]:
        """Return the microseconds that the weights' bytes and the products take at least."""
        limits = self.result["limits"]
        rate = limits["flops_a_second"][str(model.dtype).removeprefix("torch.")]
        of_bytes, of_flops = model.bytes / limits["bytes_a_second"], model.flops(rows) / rate
        return {"bytes": round(1e6 * of_bytes, 2), "flops": round(1e6 * of_flops, 2)}

    def search(self) -> None:
        """Embed and search, on the device and on the CPU."""
        self.result["search"] = {"outcome": "the process died"}
        self.about_to("search")
        found: dict[str, Any] = {}
        self.result["search"] = found
        found |= self.tried(
            "search", lambda: search(self.arguments, self.device, found, lambda: self.left)
        )
        self.about_to("")


def warmed_up(turn: Turn) -> torch.Tensor:
    """Run a contender three times, in which it is compiled and recorded; return what it gives.

    What it gave before is let go: a recording by torch.compile writes over it.
    """
    turn()
    turn()
    return as_rows(turn())


if __name__ == "__main__":
    main()
