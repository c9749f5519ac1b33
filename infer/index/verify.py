"""Proving that an index on disk is whole and finds its own images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zscr.errors import ArtefactError, InputError
from zscr.infer.index.change import check_vectors
from zscr.infer.index.index import Index

_SAMPLE = 1000


@dataclass(frozen=True)
class IndexReport:
    """A sound index. `self_recall` is the share of `sample` images that find themselves first."""

    count: int
    dim: int
    generation: int
    how: str
    self_recall: float
    sample: int


def verify_index(folder: Path) -> IndexReport:
    """Check every hash and every norm, and search the index for a sample of its own vectors.

    Raises:
        ArtefactError: a file is missing or damaged, or holds something else than unit vectors.
    """
    index = Index.open(folder)
    names = [entry.id for entry in index.entries]
    embeddings, features = index.embedded(names)
    try:
        for rows in (index.vectors, embeddings, features):
            if rows is not None:
                check_vectors(rows, None, names)
    except InputError as error:
        raise ArtefactError(f"{folder} cannot be searched: {error}; make it anew") from error
    rows = np.unique(np.linspace(0, index.count - 1, _SAMPLE).astype(np.int64))
    found = index.search(index.vectors[rows], k=1)
    # A twin of the image scores the same and may stand for it.
    own = (index.vectors[rows].astype(np.float64) ** 2).sum(axis=1)
    hits = [best.score >= score - 1e-9 for [best], score in zip(found, own, strict=True)]
    return IndexReport(
        index.count, index.dim, index.generation, index.how, float(np.mean(hits)), len(rows)
    )
