"""CPU time of 1,000 captions of mixed length: in groups of about the same length, or padded alike.

    python benchmarks/text_batches.py demo/bundles/latest --captions 1000

Both ways in turns, batches of 32 in the order of the captions. Their lengths are drawn from 3 to 60
words of the bundle's examples, most of them short.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
from machine import describe

from zscr.data.records import Query
from zscr.infer.bundle import Bundle
from zscr.infer.encoder import Encoder
from zscr.infer.runners.runner import Runtime

RESULTS = Path(__file__).parent / "results"
BATCH = 32


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path, nargs="?", default=Path("bundles/latest"))
    parser.add_argument("--captions", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RESULTS / "text_batches.json")
    arguments = parser.parse_args()
    bundle = Bundle.open(arguments.bundle, Runtime(threads=1))
    encoder = bundle.route(frozenset({"text"}))
    words = " ".join(bundle.examples).split()
    texts = drawn(words, arguments.captions, arguments.seed)
    seconds: dict[str, list[float]] = {"padded alike": [], "in groups": []}
    rows = {name: encoded(encoder, texts[:BATCH], grouped=False) for name in seconds}  # warm up
    for _ in range(arguments.rounds):
        for name in seconds:
            began = time.process_time()
            rows[name] = encoded(encoder, texts, grouped=name == "in groups")
            seconds[name].append(time.process_time() - began)
    difference = float(np.abs(rows["in groups"] - rows["padded alike"]).max())
    result = {
        "benchmark": "CPU seconds of captions of mixed length",
        "captions": arguments.captions,
        "seed": arguments.seed,
        "seconds": {name: round(statistics.median(each), 3) for name, each in seconds.items()},
        "largest_difference": difference,
        "machine": describe(),
    }
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({k: result[k] for k in ("captions", "seconds", "largest_difference")}))


def drawn(words: list[str], count: int, seed: int) -> list[str]:
    """Draw captions: 3 words and more, by an exponential distribution of mean 15."""
    rng = np.random.default_rng(seed)
    lengths = np.minimum(3 + rng.exponential(12, count), 60).astype(int)
    return [" ".join(rng.choice(words, length)) for length in lengths]


def encoded(encoder: Encoder, texts: list[str], *, grouped: bool) -> np.ndarray:
    """Encode batch by batch; `_run` is what runs a batch as it is padded."""
    run = encoder.run if grouped else encoder._run
    batches = (texts[start : start + BATCH] for start in range(0, len(texts), BATCH))
    feeds = (encoder.prepare([Query(text=text) for text in batch]).feeds for batch in batches)
    return np.concatenate([run(one) for one in feeds])


if __name__ == "__main__":
    main()
