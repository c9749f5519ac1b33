"""What `zscrgan` chooses on the validation classes before round 1: a shrinkage and a penalty."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch

from zscr.infer.evaluation.controls.kernel import MARGIN
from zscr.infer.evaluation.embedded import Embedded, split_task
from zscr.train.methods.contract import Head
from zscr.train.tables import TensorSplit, to_numpy


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


@torch.no_grad()
def mean_ap(heads: Mapping[str, Head], val: TensorSplit) -> float:
    """Return the mAP of the validation classes' texts, as they are asked, over their images."""
    queries = heads["text"].module(val["text"].rows).cpu().numpy()
    gallery = heads["gallery"].module(val["image"].rows).cpu().numpy()
    return Embedded(split_task(to_numpy(val), "val"), queries, gallery).figure("mAP")
