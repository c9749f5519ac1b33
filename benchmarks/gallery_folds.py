"""Expansion and diffusion on class folds of seen and validation classes: how they are set.

    python benchmarks/gallery_folds.py sketchy25-clip sketchy25 fashion44k flickr8k_1k

The unseen classes stay closed. Twice, the seen and validation classes are dealt into five folds;
the mapper of `zscrgan` before its first round (scalings and kernel ridge regression at the default
settings, every image a landmark) is fitted on four and judged on the fifth: every text of a class
asks for its class's images. Figures are means over classes of each class's mean average precision,
with the standard error of the paired difference to the plain ranking. In the generalised gallery
up to six images of each class that was trained on are mixed in, in the uneven one a class has 2 to
13 images. `flickr8k_1k` shows where it hurts:
there each photo is a class of its own, asked for by its five captions.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe

from zscr.data.collection import read_collection
from zscr.data.registry import DATA_VARIABLE, find_collection
from zscr.data.sources.archive import opened
from zscr.infer.evaluation.embedded import Embedded, split_task
from zscr.infer.evaluation.gallery_use import GalleryUse
from zscr.infer.evaluation.metrics import by_group
from zscr.infer.features.split import load_split
from zscr.infer.features.store import Source, compute_features
from zscr.infer.features.table import Array, Split, Table, joined, starts_of
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.expansion import Expansion
from zscr.train.fit import load_recipe
from zscr.train.methods.contract import Need
from zscr.train.methods.losses import unit
from zscr.train.methods.scaling import Scaling
from zscr.train.methods.zscrgan.improved.kernel import KernelCsem, Sums
from zscr.train.methods.zscrgan.improved.scaling import TextScaling
from zscr.train.sources import choose_encoders
from zscr.train.tables import group_means, group_sums, to_device

RESULTS = Path(__file__).parent / "results"
NEEDS = (Need("image"), Need("text"))
SHRINK, PENALTY, WIDTH, DIM = 0.3, 5e-3, 1.0, 512
DEALS, FOLDS, MIXED = 2, 5, 6
GALLERIES = ("plain", "generalised", "uneven")
PHOTOS = "flickr8k_1k"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", nargs="+")
    parser.add_argument("--galleries", nargs="+", default=GALLERIES, choices=GALLERIES)
    arguments = parser.parse_args()
    path = RESULTS / "gallery_folds.json"
    result: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    result |= {"benchmark": "class folds of seen and validation classes", "machine": describe()}
    for name in arguments.collections:  # those that are measured already stay
        split = photos() if name == PHOTOS else load(name)
        sizes = np.diff(split["image"].starts)
        spread = [int(sizes.min()), float(np.median(sizes)), int(sizes.max())]
        about = {"classes": len(sizes), "images of a class": spread}
        result[name] = {**result.get(name, {}), **about}
        for where in arguments.galleries:
            result[name][where] = measured(split, where)
            for label, row in result[name][where].items():
                print(
                    f"{name:16}{where:13}{label:62}{row['mAP']:.4f} {row['gain']:+.4f} "
                    f"se {row['se']:.4f}",
                    flush=True,
                )
        path.write_text(json.dumps(result, indent=1) + "\n")


def load(name: str) -> Split[Array]:
    """Load the features of a collection's seen and validation classes."""
    collection = read_collection(find_collection(name))
    wishes, recipe = {"image": None, "text": None}, load_recipe("zscrgan", collection.name)
    encoders = choose_encoders(collection, NEEDS, wishes, recipe.get("encoders", {}))
    return joined(*(load_split(collection, part, NEEDS, encoders) for part in ("seen", "val")))


def photos() -> Split[Array]:
    """Load photos with their captions, a photo a group; encoded as `sketchy25` is."""
    encoders = choose_encoders(
        read_collection(find_collection("sketchy25")),
        NEEDS,
        {"image": "mobilenet_v2", "text": None},
        {},
    )
    rows: dict[str, list[tuple[str, Source]]] = {"image": [], "text": []}
    with opened(Path(os.environ[DATA_VARIABLE]) / f"{PHOTOS}.zip") as folder:
        with (folder / "captions.txt").open(encoding="utf-8") as lines:
            for line in csv.DictReader(lines):
                rows["text"].append((line["image"], Source.text(line["caption"])))
        names = sorted({name for name, _ in rows["text"]})
        rows["text"].sort(key=lambda row: row[0])
        rows["image"] = [(name, Source.image(folder / "images" / name)) for name in names]
        tables = {}
        for kind, listed in rows.items():
            sources = [source for _, source in listed]
            found = compute_features(Path("features") / PHOTOS, encoders[kind], sources)
            counts = Counter(name for name, _ in listed)
            tables[kind] = Table(
                tuple(f"{name} {number}" for number, (name, _) in enumerate(listed)),
                found.take(source.key for source in sources),
                starts_of([counts[name] for name in names]),
            )
    return Split(tuple(names), tables)


def uses() -> Iterator[tuple[str, GalleryUse]]:
    """Yield what is compared, the plain ranking first."""
    yield "plain", GalleryUse()
    for rounds in (1, 3):
        for weight in (0.35, 0.7, 1.0, 1.4):
            for k in (3, 5, 10):
                expansion = Expansion(k, weight, rounds)
                yield (
                    f"expanded, k {k}, weight {weight}, {rounds} rounds",
                    GalleryUse(None, expansion),
                )
    for k in (5, 10):
        for alpha in (0.8, 0.9):
            yield f"diffused, k {k}, alpha {alpha}", GalleryUse(Diffusion(k, alpha))
    yield "diffused and expanded by 5", GalleryUse(Diffusion(), Expansion(5))


def measured(split: Split[Array], where: str) -> dict[str, dict[str, float]]:
    """Return each use's figures over all folds."""
    precisions: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for embedded in folds(split, where):
        for label, use in uses():
            found = use(embedded).average_precision()
            for group, value in by_group(found, embedded.task.groups).items():
                precisions[label][group].append(value)
    means = {
        label: np.array([np.mean(found[name]) for name in split.groups])
        for label, found in precisions.items()
    }
    return {label: compared(mean, means["plain"]) for label, mean in means.items()}


def compared(mean: np.ndarray, plain: np.ndarray) -> dict[str, float]:
    gain = mean - plain
    error = gain.std(ddof=1) / len(gain) ** 0.5
    return {"mAP": float(mean.mean()), "gain": float(gain.mean()), "se": float(error)}


def folds(split: Split[Array], where: str) -> Iterator[Embedded]:
    """Yield each fold embedded by a mapper that was fitted on the others."""
    for deal in range(DEALS):
        rng = np.random.default_rng(100 + deal)
        order = rng.permutation(len(split.groups))
        for held in np.array_split(order, FOLDS):
            rest = np.setdiff1d(order, held)
            mapper = Mapper(taken(split, rest))
            most = rng.integers(2, 14, len(held)) if where == "uneven" else None
            embedded = mapper.embed(taken(split, held, most))
            if where == "generalised":
                few = np.full(len(rest), MIXED)
                embedded = embedded.with_gallery_of(mapper.embed(taken(split, rest, few)))
            yield embedded


def taken(split: Split[Array], groups: np.ndarray, most: np.ndarray | None = None) -> Split[Array]:
    """Return some groups of a split, of each at most so many images."""
    tables = {}
    for name, table in split.tables.items():
        spans = [range(*table.starts[group : group + 2]) for group in groups]
        if most is not None and name == "image":
            spans = [span[:count] for span, count in zip(spans, most.tolist(), strict=True)]
        rows = [row for span in spans for row in span]
        starts = starts_of([len(span) for span in spans])
        tables[name] = Table(tuple(table.ids[row] for row in rows), table.rows[rows], starts)
    return Split(tuple(split.groups[group] for group in groups), tables)


class Mapper:
    """`zscrgan` before its first round, every image a landmark."""

    @torch.no_grad()
    def __init__(self, numpy_split: Split[Array]) -> None:
        split = to_device(numpy_split, "cpu")
        images, texts = split["image"], split["text"]
        self.images = Scaling(images.rows.shape[1], rooted=True)
        self.texts = TextScaling(texts.rows.shape[1], min(DIM, texts.rows.shape[1]))
        self.images.fit(images.rows)
        self.texts.fit(texts, SHRINK)
        scaled = self.images(images.rows)
        self.csem = KernelCsem(*scaled.shape, self.texts.axes.shape[1], WIDTH)
        self.csem.landmarks.copy_(scaled)
        targets = group_means(replace(texts, rows=self.texts(texts.rows)))
        kernels = self.csem.kernel(scaled)
        sums = group_sums(replace(images, rows=kernels))
        solved = self.csem.solve(Sums(kernels.T @ kernels, sums.T @ targets), PENALTY * len(scaled))
        self.csem.weights.copy_(solved)

    @torch.no_grad()
    def embed(self, split: Split[Array]) -> Embedded:
        """Embed a split's texts and images, with the images' features."""
        images = self.images(torch.from_numpy(np.array(split["image"].rows)))
        queries = self.texts(torch.from_numpy(np.array(split["text"].rows)))
        gallery, features = unit(self.csem(images)).numpy(), unit(images).numpy()
        return Embedded(split_task(split, "fold"), queries.numpy(), gallery, features)


if __name__ == "__main__":
    main()
