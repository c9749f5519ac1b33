"""How high queries score in an index that holds nothing for them, by which other scores are read.

A cosine alone says little: what is high for one model and gallery is low for another, and the more
images there are, the higher the best of them scores whatever is asked.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.infer.index.entry import Entry
from zscr.infer.index.exact import Gallery, Vectors
from zscr.schema import listing, maybe, number, record, text

MOST = 128  # unrelated queries a graph; they cost as much as exact answers to them, at every change
# A query looks like nothing where its best image scores no higher than the best of half of the
# unrelated queries. Of texts of classes that a gallery has this says so of 14% (aviary, TF-IDF, 300
# texts) and 30% (Sketchy, MiniLM, 33 texts), and of 52% of the same texts where the images of their
# classes are left out; of ten texts about no image of Sketchy's kind, all. At 0.9 it would be half
# and three quarters of the former.
LEVEL = 0.5
_BLOCK = 1 << 22  # products, and numbers of rows, that are held at once
_ABOUT = {"graph": text(200, least=1), "of": text(1000)}
UNRELATED = record({**_ABOUT, "classes": listing(maybe(text()), most=MOST)})
CALIBRATION = record({**_ABOUT, "scores": listing(number(), 1, MOST)})


@dataclass(frozen=True, eq=False)
class Unrelated:
    """Embedded queries of which it is known that they, or which images, are unrelated.

    Attributes:
        graph: sha256 of the graph that embedded them.
        of: what they are, in words.
        vectors: unit rows (Q, D).
        classes: of each query. It is unrelated to all images but those of its class, which are
            left out; None of a query that is unrelated to every image.
    """

    graph: str
    of: str
    vectors: Vectors
    classes: tuple[str | None, ...]

    @property
    def has_classes(self) -> bool:
        """Whether images must have classes for it to be of use."""
        return any(self.classes)


@dataclass(frozen=True)
class Calibration:
    """The best scores of unrelated queries that one graph embeds, ascending.

    Attributes:
        graph: sha256 of the graph; of a gallery's, which embeds images, the name of its space.
        of: what the queries are, in words.
        scores: of each query the score of its best image that is unrelated to it.
    """

    graph: str
    of: str
    scores: tuple[float, ...]

    def above(self, score: float) -> float:
        """Return the share, 0 to 1, of the unrelated queries whose best image scores lower."""
        return bisect_left(self.scores, score) / len(self.scores)

    def __str__(self) -> str:
        """Return it as `zscr index info` says it."""
        middle = self.scores[len(self.scores) // 2]
        return (
            f"calibrated by {len(self.scores)} {self.of}: the best images of these score "
            f"{self.scores[0]:.4f} to {self.scores[-1]:.4f}, of half of them under {middle:.4f}"
        )


def calibrate(
    entries: Iterable[Entry],
    vectors: Gallery,
    embeddings: Gallery,
    unrelated: Unrelated | None,
    space: str,
) -> tuple[Calibration, ...]:
    """Score unrelated queries, by exact search.

    Images are queries as well, where all have classes: one is unrelated to those of other classes.

    Args:
        entries: of the images; space: of the vectors.
        vectors: (N, D), what queries are compared with.
        embeddings: (N, D), what the model itself makes of the images.
        unrelated: queries; those with classes need images that all have classes.
    """
    numbers: dict[str | None, int] = {None: -1}
    owners = np.array([numbers.setdefault(one.class_id, len(numbers)) for one in entries])
    known, found = bool(len(owners) and (owners >= 0).all()), []
    if unrelated is not None and (known or not unrelated.has_classes):
        own = np.array([numbers.get(name, -2) for name in unrelated.classes])
        own[[name is None for name in unrelated.classes]] = -2
        scores = _best(vectors, unrelated.vectors, owners, own)
        found.append(Calibration(unrelated.graph, unrelated.of, scores))
    if known:
        rows = np.unique(np.linspace(0, len(owners) - 1, MOST).astype(np.int64))
        own_rows = embeddings[rows].astype(np.float32, copy=False)
        scores = _best(vectors, own_rows, owners, owners[rows])
        found.append(Calibration(space, "images, each without those of its class", scores))
    return tuple(one for one in found if one.scores)


def _best(
    vectors: Gallery,
    queries: Vectors,
    owners: npt.NDArray[np.int64],
    own: npt.NDArray[np.int64],
) -> tuple[float, ...]:
    """Return the best score of each query among the images that are not its own, ascending."""
    best = np.full(len(queries), -np.inf)  # and so it stays where no image is left
    step = max(1, _BLOCK // max(1, *queries.shape))
    for start in range(0, len(vectors), step):
        products = queries @ vectors[start : start + step].astype(np.float32, copy=False).T
        products[own[:, None] == owners[start : start + step]] = -np.inf
        best = np.maximum(best, products.max(axis=1))
    return tuple(sorted(best[np.isfinite(best)].tolist()))


def calibrations_from(rows: Sequence[Mapping[str, Any]]) -> tuple[Calibration, ...]:
    """Read calibrations from a manifest's entry.

    Raises:
        KeyError, TypeError, ValueError: it holds something else.
    """
    found = tuple(
        Calibration(str(row["graph"]), str(row["of"]), tuple(map(float, row["scores"])))
        for row in rows
    )
    for one in found:
        ascending = all(a <= b for a, b in zip(one.scores, one.scores[1:], strict=False))
        if not one.scores or not ascending or not np.isfinite(one.scores).all():
            raise ValueError("scores of a calibration that are not finite and ascending")
    return found
