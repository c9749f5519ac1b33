"""Queries of tasks that are sums: each term is embedded by itself, the unit rows are added up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from zscr.data.records import Query
from zscr.data.tasks import Task
from zscr.errors import InputError
from zscr.infer.encoder import Rows
from zscr.infer.evaluation.controls.control import unit
from zscr.infer.evaluation.embedded import Embedded
from zscr.infer.evaluation.ranked import Ranked


def added(queries: Sequence[Query], embed: Callable[[Sequence[Query]], Rows]) -> Rows:
    """Embed sums of as many terms each -> (Q, D) unit rows; queries that are none, as they are.

    Args:
        queries: alike, as a task's are.
        embed: embeds queries that are no sums -> (Q, D).
    """
    if not queries[0].terms:
        return embed(queries)
    total = np.zeros(())
    for terms in zip(*(query.terms or () for query in queries), strict=True):
        weights = np.array([[term.weight] for term in terms])
        total = total + weights * unit(embed([term.query for term in terms]))
    return unit(total)


def ranked_sums(task: Task, gallery: Rows, rank: Callable[[Task], Ranked]) -> Ranked:
    """Rank a task whose queries may be sums.

    Args:
        task: what is asked; gallery: (G, D) its gallery's rows.
        rank: ranks the task with queries that are no sums.

    Raises:
        InputError: the queries are sums, and `rank` has no vectors that could be added up.
    """
    if not task.queries[0].terms:
        return rank(task)

    def embed(queries: Sequence[Query]) -> Rows:
        ranked = rank(replace(task, queries=tuple(queries)))
        if not isinstance(ranked, Embedded):
            raise InputError(
                f"a query of task '{task.name}' is the mean of several texts, and such a "
                f"composition scores without vectors to average; choose another one by --compose"
            )
        return ranked.queries

    return Embedded(task, added(task.queries, embed), gallery)
