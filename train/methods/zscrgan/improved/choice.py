"""What `zscrgan` chooses before round 1: a shrinkage, a penalty, and a query's imagined part."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from zscr.infer.evaluation.controls.kernel import MARGIN
from zscr.infer.evaluation.embedded import Embedded, split_task
from zscr.infer.features.table import joined, only_groups
from zscr.train.methods.contract import Head
from zscr.train.tables import TensorSplit, to_device, to_numpy

Heads = Mapping[str, Head]
FOLDS = 5  # of all classes that are at hand, each of which is held out once


@dataclass(frozen=True)
class Choice:
    """The shrinkage of the texts, the penalty of CSEM, and the validation mAP they reached."""

    shrink: float
    penalty: float
    mean_ap: float


def choose(
    candidates: Iterable[tuple[float, float]], quality: Callable[[float, float], float]
) -> Choice:
    """Return the pair of shrinkage and penalty with the best quality.

    The first pair stays unless another beats it by `MARGIN`.

    Args:
        candidates: the pairs, the default first.
        quality: the validation mAP of a model that is fitted with a pair.
    """
    tried = [Choice(*pair, quality(*pair)) for pair in candidates]
    best = max(tried, key=lambda one: one.mean_ap)
    return best if best.mean_ap >= tried[0].mean_ap + MARGIN else tried[0]


def folds(seen: TensorSplit, val: TensorSplit) -> Iterator[tuple[TensorSplit, TensorSplit]]:
    """Yield all classes but some, and these: each class of either split is held out once.

    There are `FOLDS`, or as many as leave two classes in each: one alone has no wrong image. Fewer
    than four classes make none.
    """
    both, device = joined(to_numpy(seen), to_numpy(val)), seen["text"].rows.device
    count = min(FOLDS, len(both.groups) // 2)
    for fold in range(count if count > 1 else 0):
        held = np.arange(len(both.groups)) % count == fold
        rest, out = only_groups(both, ~held), only_groups(both, held)
        yield to_device(rest, device), to_device(out, device)


def imagined_gain(
    seen: TensorSplit,
    val: TensorSplit,
    fitted: Callable[[TensorSplit], Mapping[float, Heads]],
) -> float:
    """Return what the imagined part of queries adds to the mAP of classes held out of the fit.

    Args:
        seen, val: all classes at hand.
        fitted: fits a model to some of them; returns its heads by the imagined part's share, the
            one in question and 0.
    """
    gains = []
    for rest, held in folds(seen, val):
        found = {bool(share): mean_ap(heads, held) for share, heads in fitted(rest).items()}
        gains.append(found[True] - found[False])
    return statistics.fmean(gains or [0.0])


@torch.no_grad()
def mean_ap(heads: Heads, val: TensorSplit) -> float:
    """Return the mAP of the validation classes' texts, as they are asked, over their images."""
    queries = heads["text"].module(val["text"].rows).cpu().numpy()
    gallery = heads["gallery"].module(val["image"].rows).cpu().numpy()
    return Embedded(split_task(to_numpy(val), "val"), queries, gallery).figure("mAP")
