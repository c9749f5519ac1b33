"""What preparing sketches does to retrieval: clean and spoilt drawings, with and without it.

    ZSCR_DATA=data python benchmarks/sketch_preparation.py

Sketches of the validation classes of sketchy25 ask for the photos of their classes by the cosine
of a frozen network's features: raw, and less the mean of the seen classes' sketches and photos
each. The same drawings are spoilt in several ways, by lot of the seed. Nothing is trained, and no
unseen class is looked at.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from machine import describe
from markdown import head, row
from PIL import Image
from spoilt_sketches import SPOILT

from zscr.data.collection import Collection, read_collection
from zscr.data.records import Query
from zscr.data.registry import find_collection
from zscr.infer.encoder import Encoder, load_encoder
from zscr.infer.evaluation.metrics import average_precision
from zscr.infer.inputs.strokes import prepared
from zscr.infer.runners.runner import Runtime
from zscr.train.encoders.resolve import image_encoder

RESULTS = Path(__file__).parent / "results"
ENCODER = "mobilenet_v2"
MEAN_OF = 3  # photos and sketches of each seen class
Rows = npt.NDArray[np.float32]


class Items(NamedTuple):
    """Files, and the class of each."""

    files: list[Path]
    classes: npt.NDArray[np.str_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sketches", type=int, default=10, help="of each validation class")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    collection = read_collection(find_collection("sketchy25"))
    plain = load_encoder(image_encoder(ENCODER, collection), Runtime(threads=1))
    result = measure(collection, plain, arguments.sketches, arguments.seed)
    result |= {"seed": arguments.seed, "machine": describe()}
    (RESULTS / "sketch_preparation.json").write_text(json.dumps(result, indent=1) + "\n")
    print("\n".join(table(result)))


def measure(collection: Collection, plain: Encoder, count: int, seed: int) -> dict[str, Any]:
    """Return the figures of each way to spoil drawings."""
    photos = items_of(collection, "image", "val", None)
    sketches = items_of(collection, "sketch", "val", count)
    gallery = plain.encode(Query.of("image", photos.files))
    means = [
        plain.encode(Query.of("image", items_of(collection, field, "seen", MEAN_OF).files)).mean(0)
        for field in ("sketch", "image")
    ]
    hits = sketches.classes[:, None] == photos.classes
    kinds = {}
    for number, (kind, spoil) in enumerate(SPOILT.items()):
        lot = np.random.default_rng([seed, number])
        images = [spoil(Image.open(file).convert("RGB"), lot) for file in sketches.files]
        before = time.process_time()
        drawings = [prepared(image).image for image in images]
        spent = 1e3 * (time.process_time() - before) / len(images)
        kinds[kind] = {
            "without": judged(plain, images, gallery, hits, means),
            "with": judged(plain, drawings, gallery, hits, means),
            "changed": float(np.mean([a is not b for a, b in zip(images, drawings, strict=True)])),
            "cpu_ms_a_sketch": spent,
        }
    return {
        "benchmark": "preparation of sketches",
        "collection": collection.name,
        "encoder": ENCODER,
        "sketches": len(sketches.files),
        "photos": len(photos.files),
        "classes": len(set(photos.classes)),
        "kinds": kinds,
    }


def items_of(collection: Collection, field: str, split: str, count: int | None) -> Items:
    """Return the first `count` files of each class of a split; None is all of them."""
    found: dict[str, list[Path]] = {}
    for item in collection.split(split):
        if file := getattr(item, field):
            found.setdefault(str(item.class_id), []).append(collection.folder / file)
    pairs = [(file, name) for name in sorted(found) for file in found[name][:count]]
    return Items([file for file, _ in pairs], np.array([name for _, name in pairs]))


def judged(
    encoder: Encoder,
    images: Sequence[Image.Image],
    gallery: Rows,
    hits: npt.NDArray[np.bool_],
    means: Sequence[Rows],
) -> dict[str, float]:
    """Return the mAP of sketches by the cosine of features, as they are and centred."""
    rows = encoder.encode(Query.of("image", images))
    centred = mean_ap(rows - means[0], gallery - means[1], hits)
    return {"raw": mean_ap(rows, gallery, hits), "centred": centred}


def mean_ap(rows: Rows, gallery: Rows, hits: npt.NDArray[np.bool_]) -> float:
    """Return the mAP of a ranking by cosine."""
    rows, gallery = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (rows, gallery))
    order = np.argsort(-rows @ gallery.T, axis=1, kind="stable")
    return float(average_precision(np.take_along_axis(hits, order, 1)).mean())


def table(result: dict[str, Any]) -> list[str]:
    """Return the lines of a table of the figures."""
    columns = ("raw", "raw, prepared", "centred", "centred, prepared", "changed", "CPU ms")
    lines = head("sketches", columns)
    for kind, one in result["kinds"].items():
        maps = [f"{one[way][how]:.3f}" for how in ("raw", "centred") for way in ("without", "with")]
        lines.append(row(kind, [*maps, f"{one['changed']:.0%}", f"{one['cpu_ms_a_sketch']:.0f}"]))
    return lines


if __name__ == "__main__":
    main()
