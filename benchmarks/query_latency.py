"""Latency of one caption by stage, beside the same model run eagerly in torch.

    python benchmarks/query_latency.py demo/bundles/latest --queries 700

One caption at a time, from its text to its ten images: tokenise, graph, search. The torch
baseline (transformers' text encoder, the trained head, the same exact search) is interleaved, so
both see the same noise of the machine. 700 queries are the fewest that allow a 99th percentile
(MLPerf's early-stopping rule asks for 662).
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from machine import describe
from transformers import AutoModel

from zscr.data.records import Query
from zscr.infer.runners.runner import Runtime
from zscr.infer.searcher import Searcher
from zscr.train.encoders.resolve import packaged_minilm
from zscr.train.run import open_run

RESULTS = Path(__file__).parent / "results"
TEXT = frozenset({"text"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path, nargs="?", default=Path("bundles/latest"))
    parser.add_argument("--queries", type=int, default=700)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    searcher = Searcher.open(arguments.bundle, runtime=Runtime(threads=arguments.threads))
    rng = np.random.default_rng(arguments.seed)
    texts = [str(text) for text in rng.choice(list(searcher.bundle.examples), arguments.queries)]
    times = measure(searcher, texts)
    result = {
        "benchmark": "query latency, one caption at a time",
        "bundle": searcher.bundle.manifest.sha256,
        "index": searcher.index.how,
        "queries": arguments.queries,
        "threads": arguments.threads,
        "seed": arguments.seed,
        "milliseconds": {name: summary(values) for name, values in times.items()},
        "machine": describe(),
    }
    (RESULTS / "query_latency.json").write_text(json.dumps(result, indent=1) + "\n")
    print(f"{'milliseconds':24}{'p50':>8}{'p90':>8}{'p99':>8}")
    for name, row in result["milliseconds"].items():
        print(f"{name:24}" + "".join(f"{row[p]:8.2f}" for p in ("p50", "p90", "p99")))


def measure(searcher: Searcher, texts: list[str], warm_up: int = 20) -> dict[str, list[float]]:
    """Time each stage of each text, runtime and torch in turns."""
    eager = torch_query(searcher)
    times: dict[str, list[float]] = defaultdict(list)
    encoder = searcher.bundle.route(TEXT)
    warm_up = min(warm_up, len(texts))
    for number, text in enumerate([*texts[:warm_up], *texts]):
        marks = [time.perf_counter()]
        prepared = encoder.prepare([Query(text=text)])
        marks.append(time.perf_counter())
        embedding = encoder.run(prepared.feeds)
        marks.append(time.perf_counter())
        searcher.index.search(embedding, 10)
        marks.append(time.perf_counter())
        eager(text)
        marks.append(time.perf_counter())
        if number >= warm_up:
            spans = dict(zip(("tokenise", "graph", "search"), np.diff(marks[:4]), strict=True))
            for name, span in spans.items():
                times[name].append(1e3 * span)
            times["zscr, all stages"].append(1e3 * (marks[3] - marks[0]))
            times["torch eager, all stages"].append(1e3 * (marks[4] - marks[3]))
    return times


def torch_query(searcher: Searcher) -> Callable[[str], object]:
    """Return the same query by torch: transformers' encoder, the trained head, exact search."""
    body = searcher.bundle.manifest.body
    method = open_run(Path(body["provenance"]["run"])).load_model()
    head = method.heads(**body["head_settings"])["text"].module
    model = AutoModel.from_pretrained(packaged_minilm()).eval()
    prepare = searcher.bundle.route(TEXT).prepare

    @torch.inference_mode()
    def query(text: str) -> object:
        arrays = prepare([Query(text=text)]).feeds
        feeds = {name: torch.from_numpy(array) for name, array in arrays.items()}
        states = model(**feeds).last_hidden_state
        weight = feeds["attention_mask"][:, :, None].float()
        pooled = (states * weight).sum(1) / weight.sum(1)
        embedding = head(torch.nn.functional.normalize(pooled, dim=1)).numpy()
        return searcher.index.search(embedding, 10)

    difference = np.abs(np.array([m.score for m in query("a red bird")[0]]) - scores(searcher))  # type: ignore[index]
    assert difference.max() < 1e-5, difference  # both must be the same model
    return query


def scores(searcher: Searcher) -> np.ndarray:
    answer = searcher.search(["a red bird"], k=10)[0]
    return np.array([hit.score for hit in answer.hits])


def summary(values: list[float]) -> dict[str, float]:
    p50, p90, p99 = np.percentile(values, [50, 90, 99])
    return {"p50": round(p50, 3), "p90": round(p90, 3), "p99": round(p99, 3)}


if __name__ == "__main__":
    main()
