"""What a trained model must beat: ridge regression on the same features, and colour alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from zscr.data.collection import Collection
from zscr.data.pictures import open_picture
from zscr.infer import metrics
from zscr.infer.ranking import ranked_blocks
from zscr.infer.report import RetrievalReport, evaluate_retrieval
from zscr.infer.split import SplitFeatures

Vectors = npt.NDArray[np.float64]
LAMBDAS = tuple(10.0**power for power in range(-3, 6))
_BINS = (12, 4, 4)  # hue, saturation, value


def ridge(splits: Mapping[str, SplitFeatures], judged_on: str = "unseen") -> dict[str, Any]:
    """Regress image features onto their class's mean text vector; rank by cosine.

    Features are centred and divided by their mean norm with statistics of the seen classes, texts
    centred likewise. The penalty is the one of `LAMBDAS` with the best mAP on the validation
    classes; the map is fitted on the seen classes only, as the method's weights are.

    Args:
        splits: `seen`, `val` and the one judged on.
        judged_on: its name.

    Returns:
        `lambda`, and the report's fields for that split.
    """
    seen = splits["seen"]
    mean, scale = _standard(seen.images)
    text_mean = _class_means(seen).mean(0)
    inputs, targets = (seen.images - mean) / scale, _class_means(seen) - text_mean
    targets = np.repeat(targets, np.diff(seen.image_starts), axis=0)
    gram, cross = inputs.T @ inputs, inputs.T @ targets

    def judge(split: SplitFeatures, penalty: float) -> RetrievalReport:
        weights = np.linalg.solve(gram + penalty * np.eye(len(gram)), cross)
        return evaluate_retrieval(
            _unit(split.texts - text_mean),
            _unit((split.images - mean) / scale @ weights),
            query_classes=split.text_classes,
            gallery_classes=split.image_classes,
        )

    best = max(LAMBDAS, key=lambda penalty: judge(splits["val"], penalty).metrics["mAP"])
    return {"lambda": best, **judge(splits[judged_on], best).to_json()}


def _standard(rows: npt.NDArray[np.float32]) -> tuple[Vectors, float]:
    mean = rows.mean(0, dtype=np.float64)
    return mean, float(np.linalg.norm(rows - mean, axis=1).mean()) or 1.0


def _class_means(split: SplitFeatures) -> Vectors:
    starts = split.text_starts
    pairs = zip(starts[:-1], starts[1:], strict=True)
    return np.stack([split.texts[a:b].mean(0, dtype=np.float64) for a, b in pairs])


def _unit(rows: Vectors) -> npt.NDArray[np.float32]:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = (rows / np.maximum(norms, 1e-12)).astype(np.float32)
    return unit


def with_histograms(collection: Collection, split: SplitFeatures) -> SplitFeatures:
    """Return the split with colour histograms (N, 192) in place of its image features."""
    paths = {item.id: collection.folder / str(item.image) for item in collection.items}
    rows = [_histogram(open_picture(paths[name])) for name in split.image_ids]
    return replace(split, images=np.stack(rows))


def _histogram(picture: Image.Image) -> npt.NDArray[np.float32]:
    """Return the square root of the joint HSV histogram: its cosine is Bhattacharyya's."""
    pixels = np.asarray(picture.resize((64, 64)).convert("HSV")).reshape(-1, 3)
    counts, _ = np.histogramdd(pixels, bins=_BINS, range=[(0, 256)] * 3)
    roots: npt.NDArray[np.float32] = np.sqrt(counts.ravel() / counts.sum()).astype(np.float32)
    return roots


def picture_neighbours(split: SplitFeatures) -> dict[str, float]:
    """Find each picture's class among its nearest other pictures by the split's image features.

    Returns:
        `Prec@1`, `Prec@10` and `mAP` of picture -> picture retrieval, the picture itself left out,
        and `excluded`: the pictures that are the only one of their class.
    """
    vectors, classes = _unit(split.images.astype(np.float64)), np.array(split.image_classes)
    found: list[npt.NDArray[np.bool_]] = []
    for start, order in ranked_blocks(vectors, vectors):
        own = np.arange(start, start + len(order))[:, None]
        others = order[order != own].reshape(len(order), -1)
        found.append(classes[others] == classes[own])
    hits = np.concatenate(found)
    excluded = int((~hits.any(axis=1)).sum())
    if excluded < len(hits):
        hits = hits[hits.any(axis=1)]
    return {
        "Prec@1": metrics.micro(metrics.precision_at_k(hits, 1)),
        "Prec@10": metrics.micro(metrics.precision_at_k(hits, 10)),
        "mAP": metrics.micro(metrics.average_precision(hits)),
        "excluded": excluded,
    }


def random_ranking(split: SplitFeatures, seed: int = 7) -> dict[str, Any]:
    """Rank by random vectors: what chance is for figures, such as mAP, that have no simple one."""
    rng = np.random.default_rng(seed)
    return evaluate_retrieval(
        _unit(rng.standard_normal((len(split.texts), 32))),
        _unit(rng.standard_normal((len(split.images), 32))),
        query_classes=split.text_classes,
        gallery_classes=split.image_classes,
    ).to_json()


def control_figures(collection: Collection, splits: Mapping[str, SplitFeatures]) -> dict[str, Any]:
    """Return every control on the unseen classes; colour only where there are pictures."""
    figures: dict[str, Any] = {"random ranking": random_ranking(splits["unseen"])}
    figures["ridge"] = ridge(splits)
    if any(item.image for item in collection.split("unseen")):
        coloured = {name: with_histograms(collection, split) for name, split in splits.items()}
        figures["colour histogram + ridge"] = ridge(coloured)
        figures["colour histogram, picture to picture"] = picture_neighbours(coloured["unseen"])
    return figures
