"""Stored queries that choose a run's best weights, their features prepared once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from zscr.data.collection import Collection
from zscr.data.tasks import Task, gallery_queries, load_task
from zscr.errors import ConfigError
from zscr.infer.bundle import GALLERY
from zscr.infer.encoder import Rows
from zscr.infer.evaluation.embedded import Embedded
from zscr.infer.evaluation.figures import read_figure
from zscr.infer.features.encoded import encode_tables
from zscr.infer.features.listing import Encoders
from zscr.infer.features.table_names import field_of
from zscr.train.heads import run_head
from zscr.train.methods.contract import Head, Method, Need
from zscr.train.methods.settings import selecting_tasks

IMAGE = "image"


@dataclass(frozen=True)
class Stored:
    """One task of a collection as tables.

    Attributes:
        task: with the gallery that is left.
        queries: table -> (Q, …) what each query holds of it; gallery: table -> (G, …).
    """

    task: Task
    queries: Mapping[str, Rows]
    gallery: Mapping[str, Rows]

    def answering(self, heads: Mapping[str, Head]) -> Head:
        """Return the query head that takes all that these queries are made of.

        Raises:
            ConfigError: there is none.
        """
        fields = self.task.fields
        for head in heads.values():
            if head.role == "query" and {field_of(port.name) for port in head.ports} == fields:
                return head
        raise ConfigError(
            f"no query head takes {' and '.join(sorted(fields))}, of which queries of task "
            f"'{self.task.name}' are; set another task"
        )

    def judge(self, method: Method, figure: str) -> Embedded:
        """Embed queries and gallery by the heads as they are deployed.

        Args:
            figure: the one that selects, which the report is to hold.
        """
        heads, figures = method.heads(), (*self.task.figures, read_figure(figure)[0])
        head, gallery = self.answering(heads), heads[GALLERY]
        return Embedded(
            replace(self.task, figures=tuple(dict.fromkeys(figures))),
            run_head(head, [self.queries[port.name] for port in head.ports], method.device),
            run_head(gallery, [self.gallery[port.name] for port in gallery.ports], method.device),
        )


def load_stored(
    collection: Collection, setting: str, split: str, needs: Sequence[Need], encoders: Encoders
) -> list[Stored]:
    """Prepare the tasks that a method's setting names, for the tables that it needs.

    Raises:
        CollectionError: the collection has no such task, or none of this split.
        InputError: a query cannot be encoded.
    """
    tasks = [load_task(collection, name, split) for name in selecting_tasks(setting)]
    return [_stored(collection, task, needs, encoders) for task in tasks]


def _stored(
    collection: Collection, task: Task, needs: Sequence[Need], encoders: Encoders
) -> Stored:
    asking = [need.table for need in needs if field_of(need.table) in task.fields]
    held = [need.table for need in needs if field_of(need.table) == IMAGE]
    queries, asked = encode_tables(asking, task.queries, encoders, collection)
    asked.require_whole(task.queries, f"queries of task '{task.name}'")
    images = gallery_queries(collection, task)
    gallery, found = encode_tables(held, images, encoders, collection)
    return Stored(task.narrowed(found.kept), queries, gallery)
