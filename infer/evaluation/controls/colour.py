"""How far colour alone goes: HSV histograms in place of a frozen encoder's features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from zscr.data.images import open_image
from zscr.data.relevance import ByLabel, Grades, Order
from zscr.errors import InputError
from zscr.infer.evaluation import metrics
from zscr.infer.evaluation.controls.control import Control, Features, unit
from zscr.infer.evaluation.controls.linear import ridge
from zscr.infer.evaluation.embedded import Vectors
from zscr.infer.evaluation.figures import query_values
from zscr.infer.evaluation.graded import count_relevant
from zscr.infer.features.table import group_names

_BINS = (12, 4, 4)  # hue, saturation, value
_NEIGHBOURS = ("Prec@1", "Prec@10", "mAP")


class Histograms:
    """The colour histograms of images, each computed once.

    `paths` says where the image of each item is, by the item's id.
    """

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self.paths = paths
        self.of = cache(histogram)

    def cover(self, split: Features) -> bool:
        """Say whether every gallery item of the split has an image; published vectors may not."""
        return all(name in self.paths for name in split["image"].ids)

    def __call__(self, split: Features) -> Features:
        """Return the split with histograms (N, 192) in place of its image features."""
        images = split["image"]
        rows = np.stack([self.of(self.paths[name]) for name in images.ids])
        return replace(split, tables={**split.tables, "image": replace(images, rows=rows)})


def histogram(path: Path) -> npt.NDArray[np.float32]:
    """Return the square root of a joint HSV histogram (192,): its cosine is Bhattacharyya's."""
    small = open_image(path).resize((64, 64), Image.Resampling.BICUBIC)
    pixels = np.asarray(small.convert("HSV")).reshape(-1, 3)
    counts, _ = np.histogramdd(pixels, bins=_BINS, range=[(0, 256)] * 3)
    roots: npt.NDArray[np.float32] = np.sqrt(counts.ravel() / counts.sum()).astype(np.float32)
    return roots


def colour_ridge(
    histograms: Histograms, seen: Features, val: Features, *, refit: bool = False
) -> Control:
    """Ridge regression from colour histograms to texts, chosen as on the real features."""
    fitted = ridge(histograms(seen), histograms(val), refit=refit)

    def embed(split: Features) -> tuple[Vectors, Vectors]:
        return fitted.embed(histograms(split))

    return Control("colour histogram + ridge", embed, fitted.chosen)


class _Others(ByLabel):
    """Relevance of images to each other by class, an image's own copy left out of its ranking."""

    def grades(self, queries: slice, order: Order) -> Grades:
        own = np.arange(queries.start, queries.start + len(order))[:, None]
        return np.where(order == own, np.float32(np.nan), super().grades(queries, order))


def image_neighbours(split: Features) -> dict[str, float]:
    """Find each image's class among its nearest other images by the split's image features.

    Returns:
        `Prec@1`, `Prec@10` and `mAP` of image -> image retrieval, the image itself left out,
        and `excluded`: the images that are the only one of their class.
    """
    vectors = unit(split["image"].rows.astype(np.float64))
    classes = group_names(split, "image")
    relevance = _Others(classes, classes)
    answerable = count_relevant(relevance, len(vectors), len(vectors)).relevant > 0
    excluded = int((~answerable).sum())
    if excluded == len(vectors):
        raise InputError(
            f"{excluded} of {excluded} images are the only one of their class; "
            f"give some class a second image"
        )
    values = query_values(vectors, vectors, relevance, names=_NEIGHBOURS, kept=answerable)
    means = {name: metrics.micro(per_query) for name, per_query in values.items()}
    return {**means, "excluded": excluded}
