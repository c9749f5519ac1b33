"""A task with what ranks its gallery: what figures, pages and comparisons of models start from."""

from __future__ import annotations

from abc import ABC, abstractmethod

from zscr.data.tasks import Task
from zscr.infer.evaluation import metrics
from zscr.infer.evaluation.figures import over_queries, read_figure, scored_values
from zscr.infer.evaluation.metrics import Values
from zscr.infer.evaluation.ranking import Scorer, Scores, scored_blocks
from zscr.infer.evaluation.report import RetrievalReport, evaluate_scores


class Ranked(ABC):
    """A task whose queries score its gallery, by one vector each or otherwise.

    Attributes:
        task: what is asked.
    """

    task: Task

    @property
    @abstractmethod
    def scorer(self) -> Scorer:
        """Return what scores the task's gallery for each of its queries.

        Raises:
            InputError: it cannot, such as by vectors that are not of unit norm.
        """

    @abstractmethod
    def with_gallery_of(self, other: Ranked) -> Ranked:
        """Return the same queries over both galleries, its own items first; `other` is alike."""

    def report(self) -> RetrievalReport:
        """Return every figure, the task's own among them.

        Raises:
            ConfigError: a server alone knows what is relevant.
        """
        task = self.task
        task.require_answers()
        return evaluate_scores(
            self.scorer, task.relevance, task.groups, figures=task.figures, zeros=task.zeros
        )

    def average_precision(self) -> Values:
        """Return each query's average precision (Q,), at a fraction of the report's cost."""
        return self._values("mAP")

    def figure(self, name: str) -> float:
        """Return one figure of the report, such as `Prec@10 macro`, at a fraction of its cost.

        Raises:
            ConfigError: there is no such figure.
        """
        metric, macro = read_figure(name)
        values = self._values(metric)
        return metrics.macro(values, self.task.groups) if macro else over_queries(metric, values)

    def scores(self, row: int) -> Scores:
        """Return one query's scores (1, G)."""
        [(_, scores)] = scored_blocks(self.scorer.row(row))
        return scores

    def _values(self, metric: str) -> Values:
        task = self.task
        task.require_answers()
        values = scored_values(self.scorer, task.relevance, names=[metric], zeros=task.zeros)
        return values[metric]
