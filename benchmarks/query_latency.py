"""Latency of one query at a time beside the same model in eager torch and plain hnswlib.

    OMP_NUM_THREADS=1 python benchmarks/query_latency.py demo/bundles/latest --queries 700

Two models: a bundle that was trained on MiniLM's features, asked captions of its examples, from
the text to ten images; and ZSCRGAN at its published sizes with random weights, asked vectors over
as many images as CUB has. The two ways answer each query in turns, so that both see the same noise
of the machine. "Beside the graph" is all of a query that is not onnxruntime's: tokenise, feeds,
search, answer. The floor is the time that reading the weights of generator and CSEM once takes, at
the rate at which this machine reads memory, measured in the same run.

700 queries are the fewest that allow a 99th percentile (MLPerf's early-stopping rule asks for 662).
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from clocks import CLOCKS, percentiles, taken
from machine import describe
from query_subjects import Imagining, Subject, demo, published, published_method

from zscr.data.records import Query
from zscr.export.heads import DeployedHead, build_graph
from zscr.infer.doctor.speed import measure_speed
from zscr.infer.runners.onnx import OnnxRunner
from zscr.infer.runners.runner import Runner, Runtime
from zscr.train.methods.contract import Head, Port

RESULTS = Path(__file__).parent / "results"
WARM_UP = 20
GRAPH, BESIDE, WHOLE, EAGER = "graph", "beside the graph", "whole query", "torch and hnswlib"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path, nargs="?", default=Path("bundles/latest"))
    parser.add_argument("--queries", type=int, default=700)
    parser.add_argument("--images", type=int, default=11_788, help="of the published sizes; CUB's")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RESULTS / "query_latency.json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    runtime, seed = Runtime(threads=arguments.threads), arguments.seed
    with tempfile.TemporaryDirectory() as name:
        work, count = Path(name), arguments.queries
        subjects = {
            "demo, MiniLM": demo(arguments.bundle, count, runtime, seed),
            "published sizes": published(work, count, arguments.images, runtime, seed),
        }
        measured = {name: measure(subject) for name, subject in subjects.items()}
        floor = floor_of(work, runtime, seed)
    result = {
        "benchmark": "one query at a time, beside eager torch and plain hnswlib",
        "queries": arguments.queries,
        "threads": arguments.threads,
        "seed": seed,
        "subjects": measured,
        "floor": floor,
        "machine": describe(),
    }
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    for name, found in measured.items():
        show(name, found)
    print(json.dumps(floor))


class Timed:
    """A runner that adds up what its graph takes, in nanoseconds by each clock."""

    def __init__(self, runner: Runner) -> None:
        self.runner, self.outputs, self.ran = runner, runner.outputs, runner.ran
        self.spent = dict.fromkeys(CLOCKS, 0)

    def run(self, feeds: Any) -> Any:
        """Run the graph between two looks at the clocks."""
        before = {name: clock() for name, clock in CLOCKS.items()}
        found = self.runner.run(feeds)
        for name, clock in CLOCKS.items():
            self.spent[name] += clock() - before[name]
        return found


def measure(subject: Subject) -> dict[str, Any]:
    """Time each query both ways, the first of them in turns."""
    subject.check()
    encoder = subject.searcher.bundle.route(subject.fields)
    timed = encoder.runner = Timed(encoder.runner)
    times: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in CLOCKS}

    def ours(query: Query) -> None:
        [answer] = subject.searcher.answers([query])
        assert answer.hits, answer.error

    def theirs(query: Query) -> None:
        subject.found(subject.embed(query))

    queries = subject.queries
    for number, query in enumerate([*queries[:WARM_UP], *queries]):
        timed.spent = dict.fromkeys(CLOCKS, 0)
        ways = {WHOLE: ours, EAGER: theirs}
        spent = {name: taken(ways[name], query) for name in sorted(ways, reverse=number % 2 == 1)}
        if number < min(WARM_UP, len(queries)):
            continue
        for clock, rows in times.items():
            graph, whole = timed.spent[clock] / 1e6, spent[WHOLE][clock]
            values = {GRAPH: graph, BESIDE: whole - graph, WHOLE: whole, EAGER: spent[EAGER][clock]}
            for name, value in values.items():
                rows[name].append(value)
    return {
        "index": subject.searcher.index.how,
        "images": subject.searcher.index.count,
        "recall": subject.recall(),
        "clocks": {clock: summary(rows) for clock, rows in times.items()},
    }


def summary(rows: dict[str, list[float]]) -> dict[str, Any]:
    """Return percentiles, and medians of the ratios query by query."""
    shares = [a / b for a, b in zip(rows[BESIDE], rows[WHOLE], strict=True)]
    ratios = [a / b for a, b in zip(rows[EAGER], rows[WHOLE], strict=True)]
    return {
        "milliseconds": {name: percentiles(values) for name, values in rows.items()},
        "share_beside_the_graph": round(statistics.median(shares), 4),
        "faster_than_torch": round(statistics.median(ratios), 3),
    }


def floor_of(work: Path, runtime: Runtime, seed: int, repeats: int = 50) -> dict[str, float]:
    """Time generator and CSEM at their published sizes, and what reading their bytes takes."""
    method = published_method(seed)
    module, dim = Imagining(method).eval(), method.config.embed_dim
    head = Head(module, (Port("text"),), "query")
    path = work / "imagining.onnx"
    onnx.save(build_graph(DeployedHead("text", head, (None,), ((dim,),))), path)
    runner = OnnxRunner(path, runtime)
    latents = np.random.default_rng(seed).standard_normal((repeats, 1, dim), np.float32)
    before = measure_speed(runtime.thread_count).gb_s
    wall, cpu = [], []
    for row in latents:
        spent = taken(lambda _, row=row: runner.run({"text_vector": row}), Query(text="-"))
        wall.append(spent["wall"])
        cpu.append(spent["cpu"])
    gb_s = max(before, measure_speed(runtime.thread_count).gb_s)
    floor = module.bytes / gb_s / 1e6
    found = {"wall": statistics.median(wall), "cpu": statistics.median(cpu)}
    return {
        "weights_mb": round(module.bytes / 1e6, 1),
        "gb_s": round(gb_s, 2),
        "floor_ms": round(floor, 3),
        **{f"{name}_ms": round(value, 3) for name, value in found.items()},
        **{f"{name}_of_floor": round(value / floor, 3) for name, value in found.items()},
    }


def show(name: str, found: dict[str, Any]) -> None:
    print(f"{name}: {found['images']} images, {found['index']}, recall {found['recall']}")
    for clock, rows in found["clocks"].items():
        print(
            f"{clock + ' milliseconds':24}"
            + "".join(f"{p:>8}" for p in rows["milliseconds"][WHOLE])
        )
        for part, row in rows["milliseconds"].items():
            print(f"  {part:22}" + "".join(f"{value:8.2f}" for value in row.values()))
        share, ratio = rows["share_beside_the_graph"], rows["faster_than_torch"]
        print(
            f"  beside the graph {share:.1%} of a query; torch and hnswlib take {ratio:.2f} times"
        )


if __name__ == "__main__":
    main()
