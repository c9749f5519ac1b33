"""Whether a graph in fewer bits still finds what it found in fp32, on real validation queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from zscr.data.records import Query
from zscr.errors import ConfigError
from zscr.export.parity import Vectors, agreement, repeated, run_sizes, top_overlap
from zscr.infer.encoder import Encoder
from zscr.infer.evaluation.embedded import Embedded
from zscr.infer.evaluation.paired import FIGURE, paired_difference
from zscr.infer.models.samples import spread
from zscr.train.evaluation.sums import added

SAMPLES = 64  # inputs that are run in batches of every size


@dataclass(frozen=True)
class Limits:
    """What a precision may cost and still be kept.

    Attributes:
        max_drop: of mAP: the whole paired interval of 95 % must lie above -max_drop, so a
            difference that too few queries show counts as one.
        min_cosine: of any sample's embedding with the one in fp32, in batches of every size.
        min_overlap: mean share of the 10 nearest items that are those of fp32.

    Raises:
        ConfigError: a limit is not between -1 and 1.
    """

    max_drop: float = 0.005
    min_cosine: float = 0.99
    min_overlap: float = 0.9

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not -1 <= value <= 1:
                raise ConfigError(f"{name} {value:g} is not between -1 and 1; give another")


class Judge:
    """Judges a graph in fewer bits, by a validation task.

    Args:
        plain: the graph in fp32; embedded: the task, embedded by it.
        asked: what the graph embeds of the task.
        embed: returns the task as another graph embeds that.
    """

    def __init__(
        self,
        plain: Encoder,
        embedded: Embedded,
        asked: Sequence[Query],
        embed: Callable[[Encoder], Embedded],
    ) -> None:
        self._embedded, self._embed, self.samples = embedded, embed, spread(asked, SAMPLES)
        self._expected = plain.encode(self.samples)
        self._report = embedded.report().to_json()

    @classmethod
    def of_queries(cls, plain: Encoder, embedded: Embedded) -> Judge:
        """Judge a graph that embeds the task's queries, whose gallery stays in fp32."""

        def embed(found: Encoder) -> Embedded:
            return replace(embedded, queries=added(embedded.task.queries, found.encode))

        return cls(plain, embedded, [query.parts[0] for query in embedded.task.queries], embed)

    @classmethod
    def of_gallery(cls, plain: Encoder, embedded: Embedded, gallery: Sequence[Query]) -> Judge:
        """Judge a graph that embeds the task's gallery, whose queries stay in fp32."""

        def embed(found: Encoder) -> Embedded:
            return replace(embedded, gallery=found.encode(gallery))

        return cls(plain, embedded, gallery, embed)

    def figures(self, found: Encoder) -> dict[str, Any]:
        """Return how far a graph is from fp32.

        Returns:
            `max_abs`, `min_cosine`, `samples`, `batch_sizes`: see `Parity`; `between_batches`: the
            largest difference that the size of its batch makes to a component; `top10_overlap`;
            `mAP`; `gain`: its mean difference to fp32, `interval`, `ahead` and `groups`: see
            `paired_difference`; `task`, `queries`, `gallery`.

        Raises:
            InputError: an embedding is no unit vector, such as one of NaN.
        """
        runs, plain, made = run_sizes(found, self.samples), self._embedded, self._embed(found)
        report = made.report().to_json()
        paired = paired_difference(report, self._report)
        both = (plain.queries, made.queries), (plain.gallery, made.gallery)
        return {
            **asdict(agreement(self._expected, runs)),
            "between_batches": _between(runs),
            "top10_overlap": top_overlap(*both),
            FIGURE: report["metrics"][FIGURE],
            "gain": paired.pop("mean"),
            **paired,
            "task": plain.task.name,
            "split": plain.task.split,
            "queries": report["queries"],
            "gallery": report["gallery"],
        }


def _between(runs: Sequence[Vectors]) -> float:
    """Return the largest difference of a component between batches of any size and of one row."""
    alone, *batched = runs
    return float(np.max([np.abs(rows - repeated(alone, len(rows))).max() for rows in batched]))


def fault_of(figures: Mapping[str, Any], limits: Limits) -> str | None:
    """Say by which figure a precision is refused; None where it is kept."""
    low, _ = figures["interval"]
    if not figures["min_cosine"] >= limits.min_cosine:
        return f"cosine {figures['min_cosine']:.6f}, below {limits.min_cosine:g}"
    if not figures["top10_overlap"] >= limits.min_overlap:
        return f"top-10 overlap {figures['top10_overlap']:.3f}, below {limits.min_overlap:g}"
    if not low >= -limits.max_drop:
        return (
            f"{FIGURE} may drop by {-low:.4f} ({figures['gain']:+.4f} over {figures['queries']} "
            f"queries), more than {limits.max_drop:g}"
        )
    return None
