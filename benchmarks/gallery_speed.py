"""What image features cost: building the neighbour graph, diffusing, storing, expanding queries.

    python benchmarks/gallery_speed.py --images 240 10000 100000

Synthetic galleries of about 25 images a class: features (N, 1280) and embeddings (N, 512) around
their class's, as alike as MobileNetV2's of real photos (ten nearest at a cosine near .6). Times are
seconds of the processor; those of one query are medians, plain and expanded in turns. Memory is the
process's peak while the graph is built and used, above what holds the vectors.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from limits import highest_use, in_use
from machine import describe

from zscr.infer.index.diffusion import NeighbourGraph, diffuse_over
from zscr.infer.index.entry import Entry
from zscr.infer.index.exact import Vectors, search_exact
from zscr.infer.index.expansion import Expansion
from zscr.infer.index.index import Index
from zscr.infer.index.measuring import recall_of
from zscr.infer.index.neighbours import EXACT_UP_TO, neighbours

RESULTS = Path(__file__).parent / "results"
PARTS = ["graph", "index"]
WIDTH, DIM, EACH = 1280, 512, 25
CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[240, 10_000, 100_000])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    arguments = parser.parse_args()
    path, threads = RESULTS / "gallery_speed.json", arguments.threads
    result: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    result |= {"benchmark": "image features", "widths": [WIDTH, DIM]}
    for count in arguments.images:  # sizes that are measured already stay
        found = measured(count, threads, arguments.queries, arguments.parts)
        print(count, json.dumps(found), flush=True)
        if path.exists():  # another part may have been measured meanwhile
            result |= json.loads(path.read_text())
        about = {"threads": threads, **found, "machine": describe()}
        result[str(count)] = result.get(str(count), {}) | about
        path.write_text(json.dumps(result, indent=1) + "\n")


def measured(count: int, threads: int, queries: int, parts: list[str]) -> dict[str, Any]:
    """Measure one gallery."""
    features, embeddings, asked = gallery(count, queries)
    found = graph_costs(features, embeddings, threads) if "graph" in parts else {}
    if "index" in parts:
        found |= index_costs(features, embeddings, asked, threads)
    return found


def index_costs(
    features: Vectors, embeddings: Vectors, asked: Vectors, threads: int
) -> dict[str, Any]:
    """Measure an index of a gallery: its making, its size, its queries."""
    count, found = len(features), dict[str, Any]()
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        index = Index.create(
            Path(folder) / "index",
            space="s",
            bundle_name="synthetic",
            entries=[Entry(str(number), "0") for number in range(count)],
            vectors=embeddings,
            queries=asked,
            features=features,
            threads=threads,
        )
        found["index seconds"] = time.process_time() - started
        sizes = {path.name.split(".")[0]: path.stat().st_size for path in index.folder.iterdir()}
        found["bytes an image"] = {
            name: round(sizes[name] / count) for name in ("vectors", "features")
        }
        found |= {"search": index.how} | query_costs(index, asked)
    return found


def gallery(count: int, queries: int) -> tuple[Vectors, Vectors, Vectors]:
    """Return features, embeddings and queries, each around its class's."""
    rng = np.random.default_rng(0)
    classes = max(2, count // EACH)
    owners = rng.integers(classes, size=count)
    rows = []
    for width in (WIDTH, DIM):
        centres = rng.standard_normal((classes, width), np.float32)
        made = rng.standard_normal((count, width), np.float32)
        made *= np.float32(0.8)
        made += centres[owners]
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        rows.append(made)
    near = centres[rng.integers(classes, size=queries)]
    near = near + rng.standard_normal(near.shape, np.float32)
    return rows[0], rows[1], near / np.linalg.norm(near, axis=1, keepdims=True)


def graph_costs(features: Vectors, embeddings: Vectors, threads: int) -> dict[str, Any]:
    """Time graph and diffusion, their peak memory, and how many true neighbours are found."""
    before, made = in_use(CPU), {}

    def run() -> None:
        started = time.process_time()
        near = neighbours(features, threads=threads)
        made["near"], made["neighbours seconds"] = near, time.process_time() - started
        started = time.process_time()
        graph = NeighbourGraph.joining(near)
        diffuse_over(graph, embeddings)
        made["diffusion seconds"] = time.process_time() - started

    peak = highest_use([run], CPU)
    near = made.pop("near")
    costs = {"peak MiB above vectors": (peak - before) / 2**20, **made}
    rows = np.linspace(0, len(features) - 1, min(len(features), 500)).astype(int)
    if len(features) > EXACT_UP_TO:
        true = search_exact(features, features[rows], 11)
        found = type(true)(near.rows[rows], near.scores[rows])
        costs["recall of neighbours"] = recall_of(found, type(true)(true.rows, true.scores[:, 1:]))
    return costs


def query_costs(index: Index, asked: Vectors) -> dict[str, Any]:
    """Time plain and expanded queries, and compare the expanded answers with exact ones."""
    ways = {"plain": None, "expanded, 1 round": Expansion(5, rounds=1)}
    ways["expanded"] = Expansion(5)
    times: dict[str, list[float]] = {name: [] for name in ways}
    same: dict[str, list[float]] = {name: [] for name in ways}
    for number, row in enumerate(asked):
        for name, expansion in ways.items():
            started = time.process_time()
            [found] = index.search(row[None], 10, expansion=expansion)
            if number >= 3:
                times[name].append(1e3 * (time.process_time() - started))
            if index.choice.search == "hnsw":
                [true] = index.search(row[None], 10, expansion=expansion, exact=True)
                both = {match.entry.id for match in found} & {match.entry.id for match in true}
                same[name].append(len(both) / len(true))
    costs: dict[str, Any] = {
        "query ms": {n: round(float(np.median(t)), 3) for n, t in times.items()}
    }
    if index.choice.search == "hnsw":
        costs["top 10 as exact"] = {n: round(float(np.mean(s)), 4) for n, s in same.items()}
    return costs


if __name__ == "__main__":
    main()
