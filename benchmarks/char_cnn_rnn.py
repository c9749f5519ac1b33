"""The small char-CNN-RNN beside MiniLM, on a collection's validation classes.

    python benchmarks/char_cnn_rnn.py aviary --seeds 3

Each seed is trained on the seen classes against the collection's small-cnn features. It is judged
on the classes that chose its epoch, as ridge regression is on those that chose its penalty:
the unseen classes stay closed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from machine import describe

from zscr.artefact import read_manifest
from zscr.data.collection import Collection, read_collection
from zscr.data.registry import find_collection
from zscr.infer.encoder import Encoder, load_encoder
from zscr.infer.evaluation.controls.control import unit
from zscr.infer.evaluation.controls.linear import ridge
from zscr.infer.evaluation.embedded import Embedded, split_task
from zscr.infer.features.split import load_split
from zscr.infer.features.table import Split, Table, group_means
from zscr.train.encoders.char_cnn_rnn import train_char_cnn_rnn
from zscr.train.encoders.resolve import CHARACTERS, DEFAULT_TEXT, image_encoder, text_encoder
from zscr.train.methods.contract import Need

RESULTS = Path(__file__).parent / "results"
CONFIG = CHARACTERS["small-char-cnn-rnn"]
FIGURES = ("Prec@1 macro", "Prec@50 macro", "AP@50 hits", "mAP")
Features = Split[npt.NDArray[Any]]
Splits = Mapping[str, Features]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collection")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    collection = read_collection(find_collection(arguments.collection))
    image = load_encoder(image_encoder("small-cnn", collection))
    minilm = load_both(collection, image, load_encoder(text_encoder(DEFAULT_TEXT, collection)))
    seeds = [measure(collection, image, seed) for seed in range(7, 7 + arguments.seeds)]
    rows = {name: spread([seed["figures"][name] for seed in seeds]) for name in seeds[0]["figures"]}
    rows["MiniLM + ridge"] = by_ridge(minilm)
    result = {"benchmark": "char-CNN-RNN on validation classes", "collection": collection.name}
    result |= {"config": asdict(CONFIG), "seeds": seeds, "figures": rows, "machine": describe()}
    (RESULTS / "char_cnn_rnn.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(rows, indent=1))


def measure(collection: Collection, image: Encoder, seed: int) -> dict[str, Any]:
    """Train one seed and judge it on the validation classes."""
    config, start = replace(CONFIG, training=replace(CONFIG.training, seed=seed)), time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "encoder"
        train_char_cnn_rnn(collection, image, out, f"char-cnn-rnn-{seed}", config)
        seconds = round(time.monotonic() - start, 1)
        epoch = read_manifest(out, "encoder").body["validation"]["epoch"]
        splits = load_both(collection, image, load_encoder(out))
    val, centre = splits["val"], splits["seen"]["image"].rows.mean(0)
    figures = {
        "char-CNN-RNN": by_cosine(val, centre),
        "char-CNN-RNN, a class's mean text": by_cosine(class_averages(val), centre),
        "char-CNN-RNN + ridge": by_ridge(splits),
    }
    return {"seed": seed, "epoch": epoch, "seconds": seconds, "figures": figures}


def load_both(collection: Collection, image: Encoder, text: Encoder) -> Splits:
    """Load the seen and the validation split."""
    needs, encoders = (Need("image"), Need("text")), {"image": image, "text": text}
    return {name: load_split(collection, name, needs, encoders) for name in ("seen", "val")}


def by_cosine(val: Features, centre: npt.NDArray[np.float32]) -> dict[str, float]:
    """Rank images as the training scores them: centred and of unit norm, times the text."""
    both = unit(val["text"].rows), unit(val["image"].rows - centre)
    metrics = Embedded(split_task(val, "val"), *both).report().metrics
    return {name: metrics[name] for name in FIGURES}


def class_averages(split: Features) -> Features:
    """Give each class one text, the mean of its own, as the paper's evaluation does."""
    means = group_means(split["text"].rows, split["text"].starts).astype(np.float32)
    one = Table(split.groups, means, np.arange(len(means) + 1))
    return Split(split.groups, {**split.tables, "text": one})


def by_ridge(splits: Splits) -> dict[str, Any]:
    """Judge ridge regression of the same image features onto these texts."""
    control = ridge(splits["seen"], splits["val"])
    metrics = control.judge(splits["val"], "val").report().metrics
    return {name: metrics[name] for name in FIGURES} | dict(control.chosen)


def spread(runs: list[dict[str, float]]) -> dict[str, Any]:
    """Return mean and standard deviation (None for one run) of each figure."""
    return {
        name: {
            "mean": statistics.fmean(run[name] for run in runs),
            "sd": statistics.stdev(run[name] for run in runs) if len(runs) > 1 else None,
        }
        for name in FIGURES
    }


if __name__ == "__main__":
    main()
