"""A task embedded by a model: one vector a query, one a gallery item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.data.records import Query
from zscr.data.relevance import ByLabel
from zscr.data.tasks import Task
from zscr.errors import InputError
from zscr.infer.evaluation.ranked import Ranked
from zscr.infer.evaluation.ranking import Cosines
from zscr.infer.features.table import Split, group_names

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Embedded(Ranked):
    """A task with its queries (Q, D) and its gallery (G, D) as unit vectors of one space.

    Attributes:
        features: unit rows (G, F) by which the gallery's images are compared with each other, if
            there are any.

    Raises:
        InputError: the task has another number of queries or of gallery items.
    """

    task: Task
    queries: Vectors
    gallery: Vectors
    features: Vectors | None = None

    def __post_init__(self) -> None:
        task, features = self.task, () if self.features is None else (self.features,)
        for what, rows, named in (
            ("queries", self.queries, task.queries),
            *(("gallery items", rows, task.gallery) for rows in (self.gallery, *features)),
        ):
            if len(rows) != len(named):
                raise InputError(
                    f"there are {len(rows)} embeddings of the {len(named)} {what} of task "
                    f"'{task.name}'; embed each of them once, in the task's order"
                )

    @property
    def scorer(self) -> Cosines:
        """See `Ranked`."""
        return Cosines(self.queries, self.gallery)

    def with_gallery_of(self, other: Ranked) -> Embedded:
        """See `Ranked`."""
        assert isinstance(other, Embedded), type(other)
        gallery = np.concatenate([self.gallery, other.gallery])
        features = None
        if self.features is not None and other.features is not None:
            features = np.concatenate([self.features, other.features])
        return Embedded(self.task.widened(other.task), self.queries, gallery, features)


def split_task(
    split: Split[npt.NDArray[Any]],
    name: str,
    *,
    queries: str = "text",
    gallery: str = "image",
    protocol: str = "",
    figures: tuple[str, ...] = ("mAP",),
) -> Task:
    """Return the task that a split's tables make: each row of one asks for its group's of another.

    Args:
        split: the tables, such as one split's classes.
        name: the split's: `seen`, `val` or `unseen`.
        queries: the table whose rows ask, which also names the task; gallery: the table sought.
        protocol: the published one that the split follows.
        figures: the protocol's own.
    """
    asked, table = split[queries], split[gallery]
    groups = group_names(split, queries)
    return Task(
        name=queries,
        protocol=protocol,
        split=name,
        queries=tuple(Query(i, vector=r) for i, r in zip(asked.ids, asked.rows, strict=True)),
        gallery=table.ids,
        field=gallery,
        relevance=ByLabel(groups, group_names(split, gallery)),
        groups=tuple(groups),
        figures=figures,
    )
