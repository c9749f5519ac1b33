"""Whether re-ranking helps a model: how much of it, and how, is chosen on validation classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.data.collection import Collection
from zscr.data.records import Query
from zscr.data.relevance import Order
from zscr.data.tasks import Task, load_task, task_info, task_names
from zscr.errors import CollectionError
from zscr.infer.evaluation.embedded import Embedded
from zscr.infer.evaluation.paired import paired_difference
from zscr.infer.evaluation.reranked import Compare, Reranked, TokenPairs
from zscr.infer.reranking import Logits, Reranking, Tokens

TOPS = (20, 50, 100)
MIXES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # of the logit in the score


@dataclass(frozen=True)
class Pairing:
    """What a model re-ranks with.

    Attributes:
        name: of the graph; fields: of the queries whose images it re-ranks.
        asked: gives the tokens of queries (Q, L, W); found: those of images (N, M, W).
        compare: a query's tokens with those of images.
        chosen: returns what was chosen on the validation classes; see `choose_reranking`.
    """

    name: str
    fields: frozenset[str]
    asked: Callable[[Sequence[Query]], Tokens]
    found: Callable[[Sequence[Query]], Tokens]
    compare: Compare
    chosen: Callable[[], Mapping[str, Any]]

    def over(self, embedded: Embedded, gallery: Sequence[Query], reranking: Reranking) -> Reranked:
        """Return an embedded task, whose gallery is made of these queries, re-ranked."""
        asked = self.asked(embedded.task.queries)
        pairs = TokenPairs(asked, self.found(gallery), self.compare)
        return Reranked(embedded, pairs, reranking)


@dataclass(frozen=True)
class _Remembered:
    """Logits that are computed once, however often they are asked for: (Q, G) of them."""

    pairs: TokenPairs
    known: npt.NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        shape = len(self.pairs.asked), len(self.pairs.found)
        object.__setattr__(self, "known", np.full(shape, np.nan, np.float32))

    def __call__(self, query: int, items: Order) -> Logits:
        lacking = items[np.isnan(self.known[query, items])]
        if lacking.size:
            self.known[query, lacking] = self.pairs(query, lacking)
        logits: Logits = self.known[query, items].astype(np.float64)
        return logits


def choosing_task(collection: Collection, fields: frozenset[str]) -> Task | None:
    """Return the validation task whose queries fill these fields; None where there is none.

    The one that is called as the field comes first: it asks for the images of classes.
    """
    for name in sorted(task_names(collection), key=lambda name: name not in fields):
        if task_info(collection, name).server is not None:
            continue
        try:
            task = load_task(collection, name, "val")
        except CollectionError:  # a task of other splits
            continue
        if task.fields == fields:
            return task
    return None


def choose_reranking(name: str, reranked: Reranked) -> dict[str, Any]:
    """Choose how many images are re-ranked, and by what mix of cosine and logit, by mAP.

    It is kept where the lower bound of the gain, paired and over classes, is above 0: of as many
    trials the best mean would nearly always be. That the best of them is judged on what chose it
    makes the bound a little too high still.

    Args:
        name: of the graph.
        reranked: a task of validation classes with what re-ranks it; how, is what is chosen.

    Returns:
        `graph`, `kept`, `top`, `mix`; `gain`: the mean difference in mAP, its `interval`, and in
        how many of the `groups` it is `ahead`; `mAP` and that `without` it; `task`, `split`,
        `queries` and `gallery`, and the `tops` and `mixes` that were tried.
    """
    pairs: Any = _Remembered(reranked.pairs)
    task = reranked.task

    def judged(top: int, mix: float) -> Reranked:
        return Reranked(reranked.embedded, pairs, Reranking(top, mix))

    tried = [(top, mix) for top in TOPS for mix in MIXES]
    values = [float(judged(*one).average_precision().mean()) for one in tried]
    top, mix = tried[int(np.argmax(values))]  # of equal ones the first: fewest images, least logit
    plain, best = (one.report().to_json() for one in (reranked.embedded, judged(top, mix)))
    found = paired_difference(best, plain)
    return {
        "graph": name,
        "kept": bool(found["interval"][0] > 0),
        "top": top,
        "mix": mix,
        "gain": found.pop("mean"),
        **found,
        "mAP": best["metrics"]["mAP"],
        "without": plain["metrics"]["mAP"],
        "task": task.name,
        "split": task.split,
        "queries": len(task.queries),
        "gallery": len(task.gallery),
        "tops": [*TOPS],
        "mixes": [*MIXES],
    }


def spoken_choice(told: Mapping[str, Any]) -> str:
    """Return in one line what was found, and what follows from it."""
    if "mAP" not in told:
        return f"{told['graph']} is {'kept' if told['kept'] else 'left out'}: {told['why']}"
    low, high = told["interval"]
    return (
        f"{told['graph']}: {Reranking(told['top'], told['mix'])}, on the validation classes mAP "
        f"{told['without']:.3f} becomes {told['mAP']:.3f} ({told['gain']:+.3f} "
        f"[{low:+.3f}, {high:+.3f}]); it is {'kept' if told['kept'] else 'left out'}"
    )
