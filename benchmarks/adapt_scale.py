"""What `zscr adapt` costs: seconds of each step and peak memory, by the number of images.

    python benchmarks/adapt_scale.py 1000 10000 100000

Features are random clusters of 1280 dimensions, as many as the names; the method has the default
settings and is fitted to 2300 images of 92 classes. Each size is a process of its own, on one
thread. Writes `results/adapt_scale.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
NAMES, SEEN, EACH, IMAGE, TEXT = 100, 92, 25, 1280, 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="+", type=int)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure(arguments.images[0])))
        return
    from machine import describe

    rows = [apart(images) for images in arguments.images]
    for row in rows:
        print(row, flush=True)
    result = {"names": NAMES, "rows": rows, "machine": describe()}
    (RESULTS / "adapt_scale.json").write_text(json.dumps(result, indent=1) + "\n")


def apart(images: int) -> dict[str, Any]:
    """Measure in a process of its own, whose peak memory is then that of one size."""
    command = [sys.executable, __file__, str(images), "--here"]
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, check=True
    )
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def measure(count: int) -> dict[str, Any]:
    """Adapt to `count` images with k-best and with a complete list."""
    import numpy as np
    import torch

    from zscr.infer.features.table import Split, Table, starts_of
    from zscr.train.methods.contract import Unlabelled
    from zscr.train.methods.zscrgan.improved import adapt as steps
    from zscr.train.methods.zscrgan.improved.gallery_e_step import k_best, soft
    from zscr.train.methods.zscrgan.improved.method import Config, Method
    from zscr.train.tables import to_device

    rng = np.random.default_rng(7)

    def clusters(classes: int, images: int) -> Any:
        centres = rng.random((classes, IMAGE), np.float32) ** 4
        rows = centres[np.arange(images) * classes // images]
        rows += 0.1 * rng.random(rows.shape, np.float32)
        return rows

    def texts(classes: int) -> Any:
        rows = rng.standard_normal((classes, TEXT), np.float32)
        return Table(tuple(map(str, range(classes))), rows, starts_of([1] * classes))

    images = Table((), clusters(SEEN, SEEN * EACH), starts_of([EACH] * SEEN))
    seen = Split(tuple(map(str, range(SEEN))), {"image": images, "text": texts(SEEN)})
    fitted = to_device(seen, "cpu")
    method = Method(
        Config(text_shrink=0.3, csem_penalty=5e-3), {"text": (TEXT,), "image": (IMAGE,)}
    )
    method.bind(fitted, None)
    method.start()
    names = Split(tuple(map(str, range(NAMES))), {"text": texts(NAMES)})
    rows = clusters(NAMES, count)
    before = peak()
    trained = steps.Trained(
        method.image_scaling,
        method.text_scaling,
        method.averaged,
        method.csem,
        method.penalty,
        method.noise,
    )
    seconds: dict[str, float] = {}

    def timed(name: str, function: Any, *arguments: Any) -> Any:
        start = time.monotonic()
        found = function(*arguments)
        seconds[name] = round(time.monotonic() - start, 2)
        return found

    with torch.no_grad():
        view = timed("map and diffuse", steps.look, trained, rows, None)
        asked = steps.unit(trained.latents(to_device(names, "cpu")["text"])).numpy()
        targets, _ = timed("k best", k_best, view, asked, 5)
        timed("soft, 8 rounds", soft, view, asked)
        timed("sums", steps.gallery_sums, trained, rows, targets)
        del view, targets
    timed("whole, k best", lambda: method.adapt(fitted, Unlabelled(rows, names)))
    return {
        "images": count,
        "seconds": seconds,
        "features_mb": round(rows.nbytes / 1e6),
        "peak_mb_before": before,
        "peak_mb": peak(),
    }


def peak() -> int:
    """Return the process's peak memory in MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6)


if __name__ == "__main__":
    main()
