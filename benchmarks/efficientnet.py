"""EfficientNet-Lite0 beside MobileNetV2 on real photos: do its weights know what ImageNet holds?

    unzip data/mobilenet_v2.zip -d mobilenet_v2
    ZSCR_DATA=data python benchmarks/efficientnet.py --mobilenet mobilenet_v2/*.onnx

On photos of Sketchy's 125 classes, of which neither network was told: the share of photos whose
best class of 1,000 is the same by both networks' own last layers; and how well the features tell
classes apart, as mAP and precision of the first photo where each photo asks for the others of its
class by cosine. Images are encoded with one thread, in turns.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from machine import describe

from zscr.data.collection import Collection, read_collection
from zscr.data.records import Query
from zscr.data.registry import find_collection
from zscr.infer.encoder import Encoder, load_encoder
from zscr.infer.evaluation.average_precision import average_precision
from zscr.infer.evaluation.metrics import top_1
from zscr.infer.runners.runner import Runtime
from zscr.train.encoders.efficientnet import (
    EFFICIENTNET,
    load_efficientnet,
    packaged_efficientnet,
)
from zscr.train.encoders.resolve import image_encoder

RESULTS = Path(__file__).parent / "results"
NAMES = (EFFICIENTNET, "mobilenet_v2")
BATCH = 16
Rows = npt.NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=8, help="of each class")
    parser.add_argument("--mobilenet", type=Path, required=True, help="its graph, with `logits`")
    arguments = parser.parse_args()
    collection = read_collection(find_collection("sketchy25"))
    photos, labels = photos_of(collection, arguments.photos)
    encoders = {
        name: load_encoder(image_encoder(name, collection), Runtime(threads=1)) for name in NAMES
    }
    rows, times = encode(encoders, photos)
    agreed = best_of_efficientnet(rows[EFFICIENTNET]) == best_of_mobilenet(
        arguments.mobilenet, encoders["mobilenet_v2"], photos
    )
    result = {
        "benchmark": "EfficientNet-Lite0 beside MobileNetV2 on photos",
        "collection": collection.name,
        "photos": len(photos),
        "classes": len(set(labels)),
        "same_best_class": float(agreed.mean()),
        "encoders": {name: told_apart(rows[name], labels) | times[name] for name in NAMES},
        "machine": describe(),
    }
    (RESULTS / "efficientnet.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: result[key] for key in ("photos", "same_best_class", "encoders")}))


def photos_of(collection: Collection, count: int) -> tuple[list[Path], list[str]]:
    """Return the first `count` photos of each class, and their classes."""
    found: dict[str, list[Path]] = {}
    for item in collection.items:
        found.setdefault(str(item.class_id), []).append(collection.folder / str(item.image))
    pairs = [(path, name) for name in sorted(found) for path in found[name][:count]]
    return [path for path, _ in pairs], [name for _, name in pairs]


def encode(
    encoders: Mapping[str, Encoder], photos: list[Path]
) -> tuple[dict[str, Rows], dict[str, dict[str, float]]]:
    """Return each encoder's rows, and its milliseconds of CPU an image."""
    parts: dict[str, list[Rows]] = {name: [] for name in encoders}
    times: dict[str, list[float]] = {name: [] for name in encoders}
    for start in range(0, len(photos), BATCH):
        queries = Query.of("image", photos[start : start + BATCH])
        for name, encoder in encoders.items():
            before = time.process_time()
            parts[name].append(encoder.encode(queries, batch_size=BATCH))
            times[name].append(1e3 * (time.process_time() - before) / len(queries))
    rows = {name: np.concatenate(found) for name, found in parts.items()}
    return rows, {name: {"cpu_ms_an_image": float(np.median(t))} for name, t in times.items()}


def best_of_efficientnet(features: Rows) -> npt.NDArray[np.intp]:
    """Return the best of ImageNet's classes by the makers' last layer."""
    with torch.no_grad():
        scores = load_efficientnet(packaged_efficientnet())._fc(torch.from_numpy(features))
    best: npt.NDArray[np.intp] = scores.argmax(1).numpy()
    return best


def best_of_mobilenet(graph: Path, encoder: Encoder, photos: list[Path]) -> npt.NDArray[np.intp]:
    """Return the same by the other graph's `logits`, whose class 0 is the background."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options)
    [pixels], found = session.get_inputs(), []
    for start in range(0, len(photos), BATCH):
        prepared = encoder.prepare(Query.of("image", photos[start : start + BATCH])).feeds
        [logits] = session.run(["logits"], {pixels.name: prepared["pixels"]})
        found.append(logits[:, 1:].argmax(1))
    return np.concatenate(found)


def told_apart(features: Rows, labels: list[str]) -> dict[str, Any]:
    """Return how each photo finds the others of its class by cosine."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    scores, names = unit @ unit.T, np.array(labels)
    np.fill_diagonal(scores, -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :-1]
    hits = names[order] == names[:, None]
    return {"mAP": float(average_precision(hits).mean()), "P@1": float(top_1(hits).mean())}


if __name__ == "__main__":
    main()
