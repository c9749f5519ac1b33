"""What a change of an index costs, and its opening: by its size, in one run, in turns.

    python benchmarks/index_changes.py --images 10000 100000 1000000 --dim 512

Random unit vectors, searched exactly, so that no HNSW is built, unless `--search hnsw`. A commit
adds 32 images or removes 1,000 (100 of the smallest), which is on the disk when it returns; `disk`
is what four syncs of as many bytes cost here, without anything else. Opening and a first query
(`first`: exact, as a command of one query does; `loaded`: by HNSW), all of which was proved before,
and a proof of everything (`proved`) are compared with a pass of sha256 over all files (`hash`), in
the file cache. `exact` is a later query; loading costs `loaded` - `first` + `exact`, which
`infer/index/brief.py` compares with `exact`. Each figure is a median of wall time and of CPU time;
when a tenth of the rows has changed, a commit measures the gallery again: see `longest`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from machine import describe

from zscr.infer.index.index import Change, Entry, Index
from zscr.proven import verifying

RESULTS = Path(__file__).parent / "results"
Times = dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--search", choices=["exact", "hnsw"], default="exact")
    parser.add_argument("--folder", type=Path, help="On the disk that is to be measured.")
    arguments = parser.parse_args()
    result: dict[str, Any] = {"benchmark": "changes of an index", "dim": arguments.dim, "seed": 0}
    result |= {"machine": describe(), "sizes": {}}
    with tempfile.TemporaryDirectory(dir=arguments.folder) as work:
        for count in arguments.images:
            folder = Path(work) / f"{count}"
            found = measured(folder, count, arguments.dim, arguments.rounds, arguments.search)
            result["sizes"][str(count)] = found
            print(count, json.dumps(found), flush=True)
    (RESULTS / "index_changes.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")


def measured(folder: Path, count: int, dim: int, rounds: int, search: str) -> dict[str, Any]:
    """Make an index of so many images, change it in turns with bare syncs, and open it."""
    rng = np.random.default_rng(0)
    entries = [image(f"old/{number}") for number in range(count)]
    about = {"space": "s", "bundle_name": "b", "search": search}
    index = Index.create(folder, entries=entries, vectors=rows(rng, count, dim), **about)  # type: ignore[arg-type]
    opening = opened(folder, rows(rng, 1, dim), rounds)
    each = max(1, min(1000, count // 100))
    times: dict[str, Times] = {name: {"ms": [], "cpu_ms": []} for name in ("add", "remove", "disk")}
    for number in range(rounds):
        new = [image(f"new/{number}/{one}") for one in range(32)]
        added = Change(new, rows(rng, 32, dim))
        gone = [f"old/{one}" for one in range(number * each, (number + 1) * each)]
        timed(times["add"], lambda change=added: index.apply(change))
        timed(times["disk"], lambda: synced(folder.parent, 32 * dim * 4))
        timed(times["remove"], lambda names=gone: index.apply(Change(removals=names)))
    summed = {name: summary(found) for name, found in times.items()}
    return {**summed, "removed": each, "opening": opening}


def image(name: str) -> Entry:
    """Return the entry of an image that is not there."""
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    return Entry(name, sha256, f"/photos/{name}.jpg", {"class": name[-1]})


def rows(rng: np.random.Generator, count: int, dim: int) -> np.ndarray:
    """Return random unit rows."""
    drawn = rng.standard_normal((count, dim), np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    return drawn


def opened(folder: Path, query: np.ndarray, rounds: int) -> dict[str, Any]:
    """Time opening and a first query, and hashing all files, in turns."""
    time.sleep(3)  # what has just been written is not remembered; see `zscr.proven`
    warm = Index.open(folder)
    warm.prove()
    calls: dict[str, Callable[[], object]] = {
        "first": lambda: Index.open(folder).search(query, 10, exact=True),
        "hash": lambda: hashed(folder),
        "exact": lambda: warm.search(query, 10, exact=True),
        "proved": lambda: proved(folder),
    }
    if warm.now.hnsw:
        calls["loaded"] = lambda: Index.open(folder).search(query, 10)
    times: dict[str, Times] = {name: {"ms": [], "cpu_ms": []} for name in calls}
    for _ in range(max(3, rounds // 4)):
        for name, call in calls.items():
            timed(times[name], call)
    found: dict[str, Any] = {name: summary(one) for name, one in times.items()}
    return found | {"mib": round(sum(path.stat().st_size for path in folder.iterdir()) / 2**20)}


def hashed(folder: Path) -> None:
    """Hash every file."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")


def proved(folder: Path) -> None:
    """Prove everything, whatever was proved before."""
    with verifying():
        Index.open(folder).prove()


def synced(folder: Path, size: int) -> None:
    """Write two files, replace one by the other, and sync each and the folder twice."""
    paths = folder / "disk.1", folder / "disk.2"
    for path in paths:
        with path.open("wb") as file:
            file.write(bytes(size))
            file.flush()
            os.fsync(file.fileno())
        sync_folder(folder)
    os.replace(*paths)
    paths[1].unlink()


def sync_folder(folder: Path) -> None:
    """Sync the names in a folder."""
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def timed(times: Times, call: Callable[[], object]) -> None:
    """Add the milliseconds of a call, of the wall clock and of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    times["ms"].append(1e3 * (time.perf_counter() - wall))
    times["cpu_ms"].append(1e3 * (time.process_time() - processor))


def summary(times: Times) -> dict[str, float]:
    """Return medians, and the longest."""
    found = {name: round(median(values), 2) for name, values in times.items()}
    return found | {"longest_ms": round(max(times["ms"]), 1), "rounds": len(times["ms"])}


if __name__ == "__main__":
    main()
