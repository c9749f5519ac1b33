"""What `zscr query --text` takes from the shell, beside what its libraries take to be imported.

    python benchmarks/cold_start.py demo/bundles/latest --runs 20

Whole processes in turns, with a warm file cache and compiled bytecode: a bare interpreter that
imports numpy, onnxruntime, tokenizers and click; the query; and the query with `--verify`, which
hashes the bundle and the index anew. CPU time is user and system time of the process, as the
kernel counts it: on a shared machine it varies less than wall time. The first query of a graph
keeps it as onnxruntime has optimised it, and hashes are remembered two seconds later: both happen
before anything is counted.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from machine import describe

RESULTS = Path(__file__).parent / "results"
IMPORTS = "import numpy, onnxruntime, tokenizers, click"
QUERY = [sys.executable, "-m", "zscr.cli", "query", "--text", "a small bird with a red crown"]
SETTLED = 3  # seconds after which a file that was written is remembered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path, nargs="?", default=Path("bundles/latest"))
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--out", type=Path, default=RESULTS / "cold_start.json")
    arguments = parser.parse_args()
    query = [*QUERY, "--bundle", str(arguments.bundle)]
    commands = {
        "imports alone": [sys.executable, "-c", IMPORTS],
        "zscr query": query,
        "zscr query --verify": [*query, "--verify"],
    }
    times = measure(commands, arguments.runs)
    result = {
        "benchmark": "cold start of a text query",
        "bundle_mb": round(sum(f.stat().st_size for f in arguments.bundle.glob("*")) / 1e6, 1),
        "runs": arguments.runs,
        "seconds": {name: summary(rows) for name, rows in times.items()},
        "ratio_to_imports": {
            name: ratios(rows, times["imports alone"]) for name, rows in times.items()
        },
        "machine": describe(),
    }
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{'seconds, median':24}{'CPU':>8}{'wall':>8}{'CPU ratio':>11}{'wall ratio':>11}")
    for name, row in result["seconds"].items():
        ratio = result["ratio_to_imports"][name]
        print(f"{name:24}{row['cpu']:8.3f}{row['wall']:8.3f}", end="")
        print(f"{ratio['cpu']:11.2f}{ratio['wall']:11.2f}")


def measure(commands: dict[str, list[str]], runs: int) -> dict[str, list[dict[str, float]]]:
    """Run the commands in turns; the first two turns, with a pause between, do not count."""
    times: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for turn in range(-2, runs):
        for name, command in commands.items():
            found = timed(command)
            if turn >= 0:
                times[name].append(found)
        if turn < 0:
            time.sleep(SETTLED)
    return times


def timed(command: list[str], given: Path = Path(os.devnull)) -> dict[str, float]:
    """Run one command; return its CPU time and wall time in seconds, and its peak memory in MB.

    Args:
        given: a file that is its standard input.
    """
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    with given.open("rb") as stdin:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    wall = time.perf_counter() - begin
    return {"cpu": usage.ru_utime + usage.ru_stime, "wall": wall, "mb": usage.ru_maxrss / 1024}


def summary(rows: list[dict[str, float]]) -> dict[str, float]:
    """Return the medians of what was measured."""
    return {name: round(statistics.median(row[name] for row in rows), 3) for name in rows[0]}


def ratios(rows: list[dict[str, float]], base: list[dict[str, float]]) -> dict[str, float]:
    """Return the medians of the ratios turn by turn, so that a machine that drifts hides none."""
    return {
        name: round(
            statistics.median(a[name] / b[name] for a, b in zip(rows, base, strict=True)), 3
        )
        for name in ("cpu", "wall")
    }


if __name__ == "__main__":
    main()
