"""A query by libzscr beside Python: latency in turns, cold start, resident memory, size.

    OMP_NUM_THREADS=1 python benchmarks/cpp_query.py demo/bundles/latest --build cpp/build

The library is built with -DZSCR_TESTS=ON, and runs with the onnxruntime that Python has. Texts of
the bundle's examples are asked one at a time of its own index, and of one of 20,000 rows around
that one's, searched exactly and by HNSW. Both answer each text in turns, so that they see the same
noise of the machine; each measures itself from the text to ten images, so that neither a pipe nor
ctypes counts.

A cold start is a whole process from the shell to its answer, with a warm file cache: `zscr-query`,
`zscr query --text`, and a program that only loads onnxruntime and the text's graph, as libzscr
does: what both wait for. Python loads the graph as it has kept it (see `cold_start.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from clocks import CLOCKS, percentiles, taken
from cold_start import SETTLED, timed
from machine import describe
from query_memory import resident

from zscr.data.records import Query
from zscr.infer.index.entry import Entry
from zscr.infer.index.index import Index
from zscr.infer.runners.runner import Runtime
from zscr.infer.searcher import Searcher

RESULTS = Path(__file__).parent / "results"
CAPI = Path(onnxruntime.__file__).parent / "capi"
WARM_UP, ROUNDS = 10, 7
AROUND = 0.6  # how far the rows of the large index lie from those of the bundle's own
PYTHON, CPP, LOAD = "Python", "libzscr", "onnxruntime alone"
Times = dict[str, dict[str, list[float]]]  # by clock and way


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path, nargs="?", default=Path("bundles/latest"))
    parser.add_argument("--build", type=Path, default=Path("cpp/build"))
    parser.add_argument("--queries", type=int, default=700)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RESULTS / "cpp_query.json")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        result = {
            "benchmark": "a text query by libzscr beside Python",
            "queries": given.queries,
            "rounds": ROUNDS,
            "runs": given.runs,
            "threads": given.threads,
            "seed": given.seed,
            "cold_start": cold_start(given, work),  # first: a child's peak begins with its parent's
            "memory_mb": memory(given),
            "latency": {
                about: measure(given, index) for about, index in indexes(given, work).items()
            },
            "library_kb": size(given.build / "libzscr.so", work),
            "machine": describe(),
        }
    given.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({k: v for k, v in result.items() if k != "machine"}, indent=1))


def indexes(given: argparse.Namespace, work: Path) -> dict[str, Path]:
    """Return the bundle's own index, and two of more rows around its own."""
    own = Searcher.open(given.bundle)
    rng, dim = np.random.default_rng(given.seed), own.bundle.dim
    near = np.asarray(own.index.vectors, np.float32)[rng.integers(0, own.index.count, given.rows)]
    rows = near + AROUND / dim**0.5 * rng.standard_normal((given.rows, dim), np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    about = {"space": own.bundle.space, "bundle_name": own.bundle.name}
    about["entries"] = [Entry(f"{number:06}", f"{number:064x}") for number in range(given.rows)]
    found = {f"{own.index.count:,} images, exact": own.index.folder}
    for search in ("exact", "hnsw"):
        made = Index.create(work / search, **about, vectors=rows, search=search)
        found[f"{given.rows:,} rows, {search}"] = made.folder
    return found


def measure(given: argparse.Namespace, index: Path) -> dict[str, Any]:
    """Time each text both ways, opened anew in each round: where weights lie decides, too."""
    examples = list(Searcher.open(given.bundle, index).bundle.examples)
    texts = [*map(str, np.random.default_rng(given.seed).choice(examples, given.queries))]
    times: Times = {clock: {PYTHON: [], CPP: []} for clock in CLOCKS}
    for begin in range(ROUNDS):
        take_turns(given, index, texts[begin::ROUNDS], times)
    return {clock: summary(rows) for clock, rows in times.items()}


def take_turns(given: argparse.Namespace, index: Path, texts: list[str], times: Times) -> None:
    """Add what each text takes both ways, the first of them in turns."""
    searcher = Searcher.open(given.bundle, index, Runtime(threads=given.threads))
    best: dict[str, str] = {}

    def answer(query: Query) -> None:
        [found] = searcher.answers([query])
        best[PYTHON] = found.hits[0].id

    def by_python(text: str) -> dict[str, float]:
        return taken(answer, Query("1", text=text))

    with program(given, index) as asked:

        def by_cpp(text: str) -> dict[str, float]:
            wall, cpu, best[CPP] = asked(text).split()
            return {"wall": int(wall) / 1e6, "cpu": int(cpu) / 1e6}

        ways = {PYTHON: by_python, CPP: by_cpp}
        for number, text in enumerate([*texts[:WARM_UP], *texts]):
            for name in sorted(ways, reverse=number % 2 == 1):
                spent = ways[name](text)
                for clock in times if number >= WARM_UP else ():
                    times[clock][name].append(spent[clock])
            if best[PYTHON] != best[CPP]:
                raise SystemExit(f"they differ in {text!r}: {best}")


def summary(rows: dict[str, list[float]]) -> dict[str, Any]:
    """Return percentiles in milliseconds, and what share of Python's the library's are."""
    found = {name: percentiles(values, lowest=True) for name, values in rows.items()}
    share = {p: round(value / found[PYTHON][p], 3) for p, value in found[CPP].items()}
    return {"milliseconds": found, "of_python": share}


@contextmanager
def program(given: argparse.Namespace, index: Path) -> Iterator[Any]:
    """Start libzscr in a process of its own; yield what asks it for a line."""
    command = [given.build / "zscr-timed", given.bundle, index, CAPI, given.threads]
    process = subprocess.Popen(
        [*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout

    def ask(text: str) -> str:
        process.stdin.write(text + "\n")
        process.stdin.flush()
        return process.stdout.readline()

    with process:
        yield ask
        process.stdin.close()


def cold_start(given: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Run processes in turns; return medians, and of what the library takes beside the load."""
    text = next(iter(Searcher.open(given.bundle).bundle.examples))
    (work / "caption.txt").write_text(text + "\n")
    threads = str(given.threads)
    python = [sys.executable, "-m", "zscr.cli", "query", "--bundle", given.bundle, "--text", text]
    commands = {
        PYTHON: [*python, "--threads", threads],
        CPP: [
            given.build / "zscr-query",
            given.bundle,
            "--onnxruntime",
            CAPI,
            "--threads",
            threads,
        ],
        LOAD: [given.build / "zscr-load", CAPI, given.bundle / "text.onnx", threads],
    }
    times: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for turn in range(-2, given.runs):  # the first two keep the graph, and what was hashed
        for name, command in commands.items():
            found = timed([*map(str, command)], work / "caption.txt")
            if turn >= 0:
                times[name].append(found)
        if turn < 0:
            time.sleep(SETTLED)
    found = {
        name: {key: round(statistics.median(row[key] for row in rows), 3) for key in rows[0]}
        for name, rows in times.items()
    }
    beside = {
        name: {
            key: round(
                statistics.median(
                    a[key] - b[key] for a, b in zip(times[name], times[LOAD], strict=True)
                ),
                3,
            )
            for key in ("cpu", "wall")
        }
        for name in (PYTHON, CPP)
    }
    return {"seconds": found, "seconds_beside_the_load": beside}


def memory(given: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Return the resident MB after the first answer, and the most until then."""
    with get_context("spawn").Pool(1) as pool:
        now, most = pool.apply(answered_once, (given.bundle, given.threads))
    found = {PYTHON: {"after an answer": round(now, 1), "most": round(most, 1)}}
    with program(given, Searcher.open(given.bundle).index.folder) as asked:
        asked("a small bird")
        most, now = (int(kb) * 1024 / 1e6 for kb in asked("").split())
    return found | {CPP: {"after an answer": round(now, 1), "most": round(most, 1)}}


def answered_once(bundle: Path, threads: int) -> tuple[float, float]:
    searcher = Searcher.open(bundle, runtime=Runtime(threads=threads))
    assert searcher.search("a small bird")[0].hits
    return resident()


def size(library: Path, work: Path) -> float:
    """Return the kilobytes of the library without symbols."""
    subprocess.run(["strip", "-o", work / "stripped", library], check=True)
    return round(os.stat(work / "stripped").st_size / 1e3, 1)


if __name__ == "__main__":
    main()
