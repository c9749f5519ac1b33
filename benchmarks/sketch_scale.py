"""What evaluating a whole published benchmark takes: 15,229 sketches over 17,101 photos, one pass.

    for way in blocks whole; do
        python benchmarks/sketch_scale.py $way --sketches 3807    # a quarter, and all
        python benchmarks/sketch_scale.py $way --sketches 15229
    done

Synthetic unit vectors of Sketchy-Ext's 25 unseen classes, of as many sketches and photos as are
published; every figure of a report, the benchmark's own among them. `blocks` is `zscr evaluate`'s
way: some queries at a time are scored, ranked and judged. `whole` is that of the published code:
the matrix of all distances first, in float32, then each query's ranking of its row; nothing else
differs. A quarter of the sketches shows what grows with their number. Memory is the most that is
resident while figures are computed, above what features and libraries take: each measurement is a
process of its own. Seconds are the processor's of one thread.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from limits import highest_use, in_use, seconds_of
from machine import describe

from zscr.data.relevance import ByLabel
from zscr.data.sources.sketches.benchmarks import BENCHMARKS
from zscr.infer.evaluation.ranking import Cosines
from zscr.infer.evaluation.report import RetrievalReport, evaluate_scores

RESULTS = Path(__file__).parent / "results" / "sketch_scale.json"
NAME, SKETCHES, PHOTOS, CLASSES = "sketchy-ext-25", 15_229, 17_101, 25
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Whole:
    """Scores out of one matrix of all distances."""

    distances: Any  # (Q, G) float32

    @property
    def shape(self) -> tuple[int, int]:
        """See `Scorer`."""
        return self.distances.shape

    def blocks(self, step: int) -> Iterator[tuple[int, Any]]:
        """See `Scorer`."""
        for start in range(0, len(self.distances), step):
            yield start, -self.distances[start : start + step].astype(np.float64)

    def row(self, number: int) -> Whole:
        """See `Scorer`."""
        return Whole(self.distances[number : number + 1])

    def part(self, queries: slice, places: Any) -> Whole:
        """See `Scorer`."""
        return Whole(self.distances[queries][:, places])


def whole(sketches: Any, photos: Any) -> Whole:
    """Return the matrix of distances between unit vectors, √(2 - 2 cos)."""
    distances = sketches @ photos.T
    distances *= -2
    distances += 2
    np.maximum(distances, 0, out=distances)
    return Whole(np.sqrt(distances, out=distances))


WAYS = {"blocks": Cosines, "whole": whole}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--sketches", type=int, default=SKETCHES)
    parser.add_argument("--dim", type=int, default=512)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = measured(arguments.way, arguments.sketches, arguments.dim)
    print(arguments.way, arguments.sketches, json.dumps(found, indent=1))
    result = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    result |= {"benchmark": NAME, "photos": PHOTOS, "dim": arguments.dim}
    sizes = result.setdefault("ways", {}).setdefault(arguments.way, {})
    sizes[str(arguments.sketches)] = found | {"machine": describe()}
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")


def measured(way: str, count: int, dim: int) -> dict[str, Any]:
    """Judge some sketches in one way."""
    asked, found, sketches, photos = made(count, dim)
    reports: list[RetrievalReport] = []

    def run() -> None:
        scorer = WAYS[way](sketches, photos)
        figures = BENCHMARKS[NAME].figures
        reports.append(evaluate_scores(scorer, ByLabel(asked, found), asked, figures=figures))

    before = in_use(CPU)
    seconds: list[float] = []
    peak = highest_use([lambda: seconds.append(seconds_of(run, CPU))], CPU)
    [report] = reports
    return {
        "seconds": round(seconds[0], 1),
        "peak_mb": round((peak - before) / 1e6),
        "features_mb": round((sketches.nbytes + photos.nbytes) / 1e6),
        "figures": {name: report.metrics[name] for name in report.figures},
    }


def made(count: int, dim: int) -> tuple[list[str], list[str], Any, Any]:
    """Return the classes of sketches and of photos, in their order, and unit vectors of both."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CLASSES, dim), np.float32)
    sides = []
    for size, spread in ((count, 4.0), (PHOTOS, 2.5)):
        classes = np.sort(rng.integers(CLASSES, size=size))
        rows = centres[classes] + spread * rng.standard_normal((size, dim), np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        sides.append(([f"class {number}" for number in classes], rows))
    (asked, sketches), (found, photos) = sides
    return asked, found, sketches, photos


if __name__ == "__main__":
    main()
