"""Adding many images to an index: peak memory and time an image, by their number.

    python benchmarks/index_memory.py --images 10000 100000 1000000 --dim 512

Each number has a process of its own. The encoder is synthetic: its random unit rows cost next to
nothing, so that what is left is the index's own work, and no image is read. The index is searched
exactly, since HNSW of N vectors takes their size, whoever adds them. Memory is what the process
has for itself (`RssAnon`), sampled; pages of mapped files, which the system takes back as it likes,
are in `peak_mib` (`VmHWM`) alone. `before` is what was there when the images were known by name and
content but not embedded yet: names and hashes are held in memory. `encoder_us` is embedding alone
an image; `add_us` all of adding it. At an encoder of E microseconds, adding runs at
E / (E + add_us - encoder_us) of its speed: `of_encoder` says this of E = 5000, a small network on
one core.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from index_changes import image, rows
from machine import describe

from zscr.infer.bundle import SAME_IMAGE
from zscr.infer.index.adding import carry_out
from zscr.infer.index.index import Index
from zscr.infer.index.indexing import alone
from zscr.infer.index.plan import Plan
from zscr.infer.index.survey import Survey

RESULTS = Path(__file__).parent / "results"
E = 5000  # microseconds an image


class Random:
    """An encoder of anything: random unit rows."""

    name, sha256, dtype = "random", "0" * 64, np.dtype(np.float32)

    def __init__(self, dim: int) -> None:
        self.row_shape, self.rng, self.seconds = (dim,), np.random.default_rng(0), 0.0

    def encode(self, queries: Any, batch_size: int) -> Any:
        """Return a row a query."""
        start = time.perf_counter()
        found = rows(self.rng, len(queries), *self.row_shape)
        self.seconds += time.perf_counter() - start
        return found


class Trusted:
    """Hashes of files that are not there."""

    def holds(self, path: Path, sha256: str) -> bool:
        """Say that the file has that content."""
        return True


class Watch(threading.Thread):
    """Samples how much memory this process has for itself."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most, self.done = 0.0, threading.Event()

    def run(self) -> None:
        """Sample until it is done."""
        while not self.done.wait(0.01):
            self.most = max(self.most, mib("RssAnon"))


def mib(field: str) -> float:
    """Return a figure of this process, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def measured(count: int, dim: int, folder: Path) -> dict[str, float]:
    """Add so many images to an index of one."""
    encoder = Random(dim)
    about: dict[str, Any] = {"space": "s", "bundle_name": "random", "search": "exact"}
    Index.create(folder, entries=[image("first")], vectors=rows(encoder.rng, 1, dim), **about)
    bundle: Any = SimpleNamespace(
        name="random",
        space="s",
        dim=dim,
        has_feature=False,
        gallery=encoder,
        gallery_fields=SAME_IMAGE,
        examples={},
        takes=frozenset(),
        runtime=SimpleNamespace(thread_count=1),
    )
    index = Index.open(folder)
    survey = Survey(Plan(tuple(image(f"{n}") for n in range(count)), (), 0, 0))
    before, watch = mib("RssAnon"), Watch()
    watch.start()
    start = time.perf_counter()
    with alone(folder):
        hashes: Any = Trusted()
        added = carry_out(bundle, folder, index, survey, hashes=hashes)
    seconds = time.perf_counter() - start
    watch.done.set()
    watch.join()
    assert (added.index.count, added.report.added) == (count + 1, count)
    encode, add = 1e6 * encoder.seconds / count, 1e6 * seconds / count
    return {
        "before_mib": round(before),
        "anonymous_mib": round(watch.most),
        "peak_mib": round(mib("VmHWM")),
        "rows_mib": round(count * dim * 4 / 2**20),
        "encoder_us": round(encode, 1),
        "add_us": round(add, 1),
        "of_encoder": round(E / (E + add - encode), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--folder", type=Path, help="On the disk that is to be measured.")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as work:
        if arguments.one:
            [count] = arguments.images
            print(json.dumps(measured(count, arguments.dim, Path(work) / "index")))
            return
        result: dict[str, Any] = {"benchmark": "memory of adding", "dim": arguments.dim, "seed": 0}
        result |= {"machine": describe(), "images": {}}
        for count in arguments.images:
            options = ["--one", "--images", count, "--dim", arguments.dim]
            options += ["--folder", arguments.folder] if arguments.folder else []
            command = [sys.executable, __file__, *map(str, options)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            result["images"][str(count)] = json.loads(done.stdout.splitlines()[-1])
            print(count, json.dumps(result["images"][str(count)]), flush=True)
    (RESULTS / "index_memory.json").write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
