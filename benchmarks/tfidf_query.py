"""Latency of one TF-IDF query: rows gathered from the first layer, and the wide row multiplied.

    python benchmarks/tfidf_query.py

At NAB's vocabulary of 13,217 words and ZSCRGAN's published text layer (2,048 outputs), random
weights, captions of 12 words; both ways interleaved, after a warm-up.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import torch
from machine import describe
from torch import nn

from zscr.data.records import Query
from zscr.export.heads import DeployedHead, build_graph
from zscr.infer.encoder import Encoder, load_encoder
from zscr.infer.runners.onnx import OnnxRunner
from zscr.infer.runners.runner import Runtime
from zscr.train.encoders.tfidf import TfidfConfig, fit_tfidf
from zscr.train.methods.contract import Head, Port

RESULTS = Path(__file__).parent / "results"
RUNTIME = Runtime(threads=1)
OUTPUT = "text_embedding"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--words", type=int, default=13_217)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    rng = np.random.default_rng(arguments.seed)
    vocabulary = [f"word{number}" for number in range(arguments.words)]
    captions = [" ".join(rng.choice(vocabulary, 12)) for _ in range(arguments.queries)]
    with tempfile.TemporaryDirectory() as name:
        times, difference = measure(Path(name), vocabulary, captions, arguments.width)
    result = {
        "benchmark": "one TF-IDF query through the first layer, gathered and dense",
        **vars(arguments),
        "milliseconds": {
            key: dict(zip(("p50", "p90"), np.percentile(row, [50, 90]).round(3), strict=True))
            for key, row in times.items()
        },
        "max_abs_difference": difference,
        "machine": describe(),
    }
    (RESULTS / "tfidf_query.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["milliseconds"]), f"difference {difference:.1e}")


def measure(
    folder: Path, vocabulary: list[str], captions: list[str], width: int, warm_up: int = 20
) -> tuple[dict[str, list[float]], float]:
    """Time both ways of each caption in turns -> milliseconds, and how far their rows differ."""
    fit_tfidf([" ".join(vocabulary)], folder / "tfidf", "tfidf", TfidfConfig(min_texts=1))
    encoder = load_encoder(folder / "tfidf", RUNTIME)
    layer = nn.Linear(len(vocabulary), width)
    gathered = opened(folder / "gathered.onnx", layer, encoder)
    dense = opened(folder / "dense.onnx", layer, None)
    times: dict[str, list[float]] = {"gathered": [], "dense": []}
    differences = []
    warm_up = min(warm_up, len(captions))
    for number, caption in enumerate([*captions[:warm_up], *captions]):
        feeds = encoder.prepare([Query(text=caption)]).feeds
        marks = [time.perf_counter()]
        found = gathered.run(feeds)[OUTPUT]
        marks.append(time.perf_counter())
        expected = dense.run({"text_vector": encoder.run(feeds)})[OUTPUT]
        marks.append(time.perf_counter())
        differences.append(float(np.abs(found - expected).max()))
        if number >= warm_up:
            for key, span in zip(times, np.diff(marks), strict=True):
                times[key].append(1e3 * float(span))
    return times, max(differences)


def opened(path: Path, layer: nn.Linear, encoder: Encoder | None) -> OnnxRunner:
    """Build the graph of a layer, behind an encoder or alone, and open it as the runtime does."""
    head = Head(layer, (Port("text"),), "query")
    deployed = DeployedHead("text", head, (encoder,), ((layer.in_features,),))
    onnx.save(build_graph(deployed), path)
    return OnnxRunner(path, RUNTIME)


if __name__ == "__main__":
    main()
