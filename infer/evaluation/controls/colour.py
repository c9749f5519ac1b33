"""How far colour alone goes: HSV histograms in place of a frozen encoder's features."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from zscr.data.collection import Collection
from zscr.data.images import open_image
from zscr.errors import InputError
from zscr.infer.evaluation import metrics
from zscr.infer.evaluation.controls.control import Control, unit
from zscr.infer.evaluation.controls.linear import ridge
from zscr.infer.evaluation.embedded import Judged
from zscr.infer.evaluation.figures import PER_QUERY
from zscr.infer.evaluation.ranking import ranked_blocks
from zscr.infer.features.split import SplitFeatures

_BINS = (12, 4, 4)  # hue, saturation, value
_NEIGHBOURS = {name: PER_QUERY[name] for name in ("Prec@1", "Prec@10", "mAP")}


class Histograms:
    """The colour histograms of a collection's images, each computed once."""

    def __init__(self, collection: Collection) -> None:
        self.paths = {i.id: collection.folder / i.image for i in collection.items if i.image}
        self.of = cache(histogram)

    def cover(self, split: SplitFeatures) -> bool:
        """Say whether every gallery item of the split has an image; published vectors may not."""
        return all(name in self.paths for name in split.image_ids)

    def __call__(self, split: SplitFeatures) -> SplitFeatures:
        """Return the split with histograms (N, 192) in place of its image features."""
        rows = [self.of(self.paths[name]) for name in split.image_ids]
        return replace(split, images=np.stack(rows))


def histogram(path: Path) -> npt.NDArray[np.float32]:
    """Return the square root of a joint HSV histogram (192,): its cosine is Bhattacharyya's."""
    small = open_image(path).resize((64, 64), Image.Resampling.BICUBIC)
    pixels = np.asarray(small.convert("HSV")).reshape(-1, 3)
    counts, _ = np.histogramdd(pixels, bins=_BINS, range=[(0, 256)] * 3)
    roots: npt.NDArray[np.float32] = np.sqrt(counts.ravel() / counts.sum()).astype(np.float32)
    return roots


def colour_ridge(histograms: Histograms, seen: SplitFeatures, val: SplitFeatures) -> Control:
    """Ridge regression from colour histograms to texts, chosen as on the real features."""
    fitted = ridge(histograms(seen), histograms(val))

    def judge(split: SplitFeatures) -> Judged:
        return fitted.judge(histograms(split))

    return Control("colour histogram + ridge", judge, fitted.chosen)


def image_neighbours(split: SplitFeatures) -> dict[str, float]:
    """Find each image's class among its nearest other images by the split's image features.

    Returns:
        `Prec@1`, `Prec@10` and `mAP` of image -> image retrieval, the image itself left out,
        and `excluded`: the images that are the only one of their class.
    """
    vectors, classes = unit(split.images.astype(np.float64)), np.array(split.image_classes)
    figures: dict[str, list[metrics.Values]] = {name: [] for name in _NEIGHBOURS}
    excluded = 0
    for start, order in ranked_blocks(vectors, vectors):
        own = np.arange(start, start + len(order))[:, None]
        others = order[order != own].reshape(len(order), -1)
        hits = classes[others] == classes[own]
        answerable = hits.any(axis=1)
        excluded += int((~answerable).sum())
        for name, metric in _NEIGHBOURS.items():
            figures[name].append(metric(hits[answerable]))
    if excluded == len(vectors):
        raise InputError(
            f"{excluded} of {excluded} images are the only one of their class; "
            f"give some class a second image"
        )
    means = {name: metrics.micro(np.concatenate(parts)) for name, parts in figures.items()}
    return {**means, "excluded": excluded}
