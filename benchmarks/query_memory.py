"""What `--release-memory` saves and costs: memory of a process that answers, and CPU time.

    python benchmarks/query_memory.py demo/bundles/latest --captions 320 --rounds 5

A process a round and way, in turns: it opens a bundle and its index, answers captions of 60 words
in batches of 32, then one caption of 12 words after another. Memory is resident: once it is opened
and has answered one, after the batches, and the most that it was. Files that are mapped, such as
the weights of a kept graph, count as far as they were read.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from machine import describe

from zscr.data.records import Query
from zscr.infer.runners.runner import Runtime
from zscr.infer.searcher import Searcher

RESULTS = Path(__file__).parent / "results"
WAYS = {"kept": False, "released": True}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path, nargs="?", default=Path("bundles/latest"))
    parser.add_argument("--captions", type=int, default=320)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RESULTS / "query_memory.json")
    arguments = parser.parse_args()
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in WAYS}
    given = arguments.bundle, arguments.captions, arguments.threads, arguments.seed
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for turn in range(arguments.rounds):
            for name in sorted(WAYS, reverse=turn % 2 == 1):
                rows[name].append(pool.apply(measured, (WAYS[name], *given)))
    found = {
        way: {name: round(statistics.median(row[name] for row in each), 2) for name in each[0]}
        for way, each in rows.items()
    }
    result = {
        "benchmark": "memory of a process that answers, and CPU time",
        "captions": arguments.captions,
        "rounds": arguments.rounds,
        "threads": arguments.threads,
        "seed": arguments.seed,
        "ways": found,
        "machine": describe(),
    }
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    for way, row in found.items():
        print(f"{way:10}", "  ".join(f"{name} {value:.2f}" for name, value in row.items()))


def measured(release: bool, bundle: Path, count: int, threads: int, seed: int) -> dict[str, float]:
    """Answer captions in batches and alone; return megabytes, and CPU milliseconds a caption."""
    searcher = Searcher.open(bundle, runtime=Runtime(threads=threads, release_memory=release))
    words, rng = " ".join(searcher.bundle.examples).split(), np.random.default_rng(seed)
    long, short = (
        Query.of("text", [" ".join(row) for row in rng.choice(words, (count, length))])
        for length in (60, 12)
    )
    answered_in(searcher, short[:1])
    opened, _ = resident()
    answered_in(searcher, long[:32])
    batched = answered_in(searcher, long) / count
    after, most = resident()
    alone = statistics.median(answered_in(searcher, [query]) for query in short)
    return {
        "MB opened": opened,
        "MB after batches": after,
        "MB at most": most,
        "ms in batches": 1e3 * batched,
        "ms alone": 1e3 * alone,
    }


def answered_in(searcher: Searcher, queries: list[Query]) -> float:
    """Return the CPU seconds that answers take."""
    began = time.process_time()
    for _ in searcher.answers(queries):
        pass
    return time.process_time() - began


def resident() -> tuple[float, float]:
    """Return the resident memory of this process in MB, now and at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    told = dict(line.split(":", 1) for line in lines)
    now, most = (int(told[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM"))
    return now, most


if __name__ == "__main__":
    main()
