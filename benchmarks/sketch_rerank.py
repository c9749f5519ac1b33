"""Latency of a sketch's query with the top N re-ranked beside without, and what tokens cost.

    python benchmarks/sketch_rerank.py runs/sketch-001 --top 100 --queries 30

Of a run with a relation network (`zscr train cmaan --set lambda_rn=4`), exported with it whether it
helps or not, over an index of all of its collection's images. A query at a time, the ways in turns:

- plain: no re-ranking;
- cold: re-ranked, by a searcher that has seen no image, as the first query of a process is;
- warm: re-ranked, when the tokens of all the top images are known;
- stored: what it would take instead if the index held the tokens: the rows of the top N read from
  a file that is mapped into memory (and in the page cache), and compared.

Milliseconds on the wall, medians. Sizes are of an image; `open` is what hashing and reading the
stored tokens of the whole gallery would add to opening the index.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from machine import describe

from zscr.artefact import hash_file
from zscr.data.records import Query
from zscr.export.bundle import export_run
from zscr.infer.bundle import Bundle
from zscr.infer.index.add import add_collection
from zscr.infer.pair import Pair, encode_tokens
from zscr.infer.reranking import Tokens
from zscr.infer.runners.runner import Runtime
from zscr.infer.searcher import Searcher
from zscr.train.evaluation.bundle_model import bundle_collection
from zscr.train.run import open_run

RESULTS = Path(__file__).parent / "results"
K = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--top", type=int, default=100)
    parser.add_argument("--queries", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bundle = forced(arguments.run, Path(folder), arguments.top, arguments.threads)
        found = measured(bundle, Path(folder), arguments)
    asked = {name: getattr(arguments, name) for name in ("top", "queries", "threads", "seed")}
    result = {"benchmark": "re-ranking of sketches' queries", **asked, **found}
    result |= {"machine": describe()}
    (RESULTS / "sketch_rerank.json").write_text(json.dumps(result, indent=1) + "\n")
    for name, value in {**found["milliseconds"], **found["sizes"]}.items():
        print(f"{name:44}{value:>14,.1f}")


def forced(run: Path, folder: Path, top: int, threads: int) -> Bundle:
    """Export a run with what re-ranks, whatever it is worth."""
    told = {"graph": "relation", "kept": True, "top": top, "mix": 0.1, "gain": 0.0}
    told["why"] = "exported for its latency"
    made = export_run(open_run(run), folder / "bundle", reranking=told)
    return Bundle.open(made.folder, Runtime(threads=threads))


def measured(bundle: Bundle, folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Time all ways of each query in turns."""
    collection = bundle_collection(bundle)
    index = add_collection(bundle, folder / "index", collection, collection.items).index
    sketches = [one.sketch for one in collection.split("unseen") if one.sketch]
    rng = np.random.default_rng(asked.seed)
    queries = [
        Query("1", sketch=collection.folder / one) for one in rng.choice(sketches, asked.queries)
    ]
    pair = Pair(bundle)
    images = Query.of("image", [Path(str(entry.image)) for entry in index.entries])
    stored = folder / "tokens.npy"
    np.save(stored, encode_tokens(pair.gallery, images))
    tokens = np.load(stored, mmap_mode="r")
    row_of = {entry.id: row for row, entry in enumerate(index.entries)}
    warm, times = Searcher(bundle, index), defaultdict[str, list[float]](list)
    ways = {
        "plain": lambda query: answered(warm, query, 0),
        "cold": lambda query: answered(Searcher(bundle, index), query, asked.top),
        "warm": lambda query: answered(warm, query, asked.top),
        "stored": lambda query: from_file(pair, tokens, rows),
    }
    for number, query in enumerate([queries[0], *queries]):  # the first one warms up
        best = [*warm.answers([query], asked.top, rerank=0)][0].hits
        rows = [row_of[hit.id] for hit in best]
        answered(warm, query, asked.top)
        for name, way in ways.items():
            started = time.perf_counter()
            way(query)
            if number:
                times[name].append(1e3 * (time.perf_counter() - started))
    started = time.perf_counter()
    hash_file(stored)
    stored.read_bytes()
    opening = 1e3 * (time.perf_counter() - started)
    held = sum(path.stat().st_size for path in index.folder.iterdir()) / index.count
    return {
        "images": index.count,
        "token shape": [*tokens.shape[1:]],
        "milliseconds": {
            **{f"query, {name}": float(np.median(values)) for name, values in times.items()},
            f"open, tokens of {index.count} images": opening,
        },
        "sizes": {"bytes an image: index": held, "bytes an image: tokens": tokens[0].nbytes},
    }


def answered(searcher: Searcher, query: Query, top: int) -> None:
    [answer] = searcher.answers([query], K, rerank=top)
    assert answer.error is None, answer.error
    assert bool(answer.notes) == bool(top), answer.notes


def from_file(pair: Pair, tokens: Tokens, rows: list[int]) -> None:
    """Compare what a file holds; the query's own tokens cost nothing beside its embedding."""
    pair.logits(np.asarray(tokens[rows[0]]), np.asarray(tokens[rows]))


if __name__ == "__main__":
    main()
