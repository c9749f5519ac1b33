"""Recall and queries a second of an index, beside other libraries tuned to the same recall.

    OMP_NUM_THREADS=1 python benchmarks/index_search.py
    OMP_NUM_THREADS=1 python benchmarks/index_search.py --images 20000 --dims 256 --rounds 3

A synthetic gallery of 1,000 classes, whose variance decays along the axes as that of embeddings
does; queries lie around the same classes, moved by one vector that all of them share, as texts are
moved from images. zscr is given 256 other queries when it is built, and chooses by them. Every
other library is then tuned on the very queries that are counted: the smallest effort with the
recall that zscr has on them, and with the one asked for where that is less. All answer in turns in
one process, on one thread, one query at a time and in batches of 64; figures are medians.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from engines import ENGINES, Engine, Zscr
from machine import PACKAGES

from zscr.infer.index.choice import RECALL
from zscr.infer.index.exact import search_exact
from zscr.infer.index.measuring import SAMPLE
from zscr.machine import describe

RESULTS = Path(__file__).parent / "results" / "index_search.json"
CLASSES, DECAY, K, BATCH = 1000, 0.5, 10, 64
MOST = 1 << 13  # effort that tuning tries at most
Rows = Any


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--dims", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--queries", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2, help="That build.")
    arguments = parser.parse_args()
    result: dict[str, Any] = {"benchmark": "search of an index", "seed": 0, "sizes": {}}
    result |= {"threads_that_build": arguments.threads, "recall_asked": RECALL}
    result["machine"] = describe((*PACKAGES, *{one.package for one in ENGINES}))
    for dim in arguments.dims:
        vectors, queries = drawn(arguments.images, dim, SAMPLE + arguments.queries)
        found = measured(vectors, queries, arguments.threads, arguments.rounds)
        result["sizes"][f"{arguments.images} x {dim}"] = found
        print(dim, json.dumps(found, indent=1), flush=True)
        RESULTS.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


def drawn(count: int, dim: int, queries: int) -> tuple[Any, Any]:
    """Return the gallery (count, dim) and queries (queries, dim)."""
    rng = np.random.default_rng(0)
    axes = np.arange(1, dim + 1, dtype=np.float32) ** -DECAY
    axes *= np.sqrt(dim / np.square(axes).sum())
    centres = axes * rng.standard_normal((CLASSES, dim), np.float32)
    gap = rng.standard_normal(dim, np.float32)

    def around(owners: Any, shift: Any) -> Any:
        rows = centres[owners] + axes * rng.standard_normal((len(owners), dim), np.float32) + shift
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    gallery = around(rng.integers(CLASSES, size=count), np.float32(0))
    return gallery, around(rng.integers(CLASSES, size=queries), gap)


def measured(vectors: Any, queries: Any, threads: int, rounds: int) -> dict[str, Any]:
    """Build every engine over vectors (N, D), tune it, and let all of them answer in turns."""
    sample, asked = queries[:SAMPLE], queries[SAMPLE:]
    least = search_exact(vectors, asked, K).scores[:, -1:] - 1e-6
    with tempfile.TemporaryDirectory() as work:

        def recall(rows: Rows) -> float:
            scores = np.einsum("bd,bkd->bk", asked, vectors[rows])
            return float((scores >= least).mean())

        own, about = built(lambda: Zscr(Path(work), vectors, sample, threads), len(vectors))
        own_recall = recall(own.rows(asked, K))
        ways: dict[str, tuple[Engine, int | None]] = {"zscr": (own, None)}
        told: dict[str, dict[str, Any]] = {"zscr": about | {"recall": own_recall}}
        for kind in ENGINES:
            if not kind.is_there():
                told[kind.name] = {"missing": True}
                continue
            engine, about = built(lambda kind=kind: kind(vectors, threads), len(vectors))
            for name, target in targets(kind, own_recall):
                effort = tuned(engine, lambda e=engine: recall(e.rows(asked, K)), target)
                ways[name] = engine, effort
                told[name] = about | {"effort": effort, "recall": recall(engine.rows(asked, K))}
    for name, speeds in raced(ways, asked, rounds).items():
        told[name] |= speeds
    return told


def targets(kind: type[Engine], own: float) -> Iterator[tuple[str, float]]:
    """Yield the recalls that an engine is tuned to: zscr's, and the one asked for if it is less."""
    yield kind.name, own
    if kind.effort is not None and own > RECALL:
        yield f"{kind.name}, recall {RECALL:g}", RECALL


def built(make: Callable[[], Engine], count: int) -> tuple[Engine, dict[str, Any]]:
    """Build an engine; return it and what that took."""
    wall, processor = time.perf_counter(), time.process_time()
    engine = make()
    spent = time.perf_counter() - wall, time.process_time() - processor
    about = {"how": engine.how, "bytes_an_item": round(engine.size() / count)}
    return engine, about | {"build_s": round(spent[0], 2), "build_cpu_s": round(spent[1], 2)}


def tuned(engine: Engine, recall: Callable[[], float], wanted: float) -> int | None:
    """Give an engine the smallest effort with enough recall, to 2 %; None if it has no such."""
    if engine.effort is None:
        return None
    below, enough = 0, K

    def at(effort: int) -> float:
        engine.try_harder(effort)
        return recall()

    while at(enough) < wanted and enough < MOST:
        below, enough = enough, 2 * enough
    while enough - below > max(1, enough // 50):
        middle = (below + enough) // 2
        below, enough = (below, middle) if at(middle) >= wanted else (middle, enough)
    engine.try_harder(enough)
    return enough


def raced(
    ways: dict[str, tuple[Engine, int | None]], asked: Any, rounds: int
) -> dict[str, dict[str, float]]:
    """Ask every engine all queries, 64 in turn; return medians over rounds, in queries a second."""
    spent = {name: np.zeros((rounds, 2, 2)) for name in ways}  # seconds by size and clock
    for turn in range(rounds):
        for at in range(0, len(asked), BATCH):
            block = asked[at : at + BATCH]
            for name, (engine, effort) in ways.items():
                if effort is not None:
                    engine.try_harder(effort)
                singly = [block[row : row + 1] for row in range(len(block))]
                spent[name][turn] += seconds(engine, singly), seconds(engine, [block])
    found: dict[str, dict[str, float]] = {name: {} for name in ways}
    for name, times in spent.items():
        rates = np.median(len(asked) / times, axis=0).round(1).tolist()
        for kind, (wall, processor) in zip(("one", "batch"), rates, strict=True):
            found[name] |= {f"{kind}_per_s": wall, f"{kind}_cpu_per_s": processor}
    return found


def seconds(engine: Engine, blocks: list[Any]) -> tuple[float, float]:
    """Return what answers to some blocks of queries take, by the clock and of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    for block in blocks:
        engine.ask(block, K)
    return time.perf_counter() - wall, time.process_time() - processor


if __name__ == "__main__":
    main()
