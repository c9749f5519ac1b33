"""Closed-form choices of the improved mode, made on the validation classes before round 1."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from zscr.infer.evaluation.report import evaluate_retrieval
from zscr.train.methods import Rows
from zscr.train.methods.zscrgan.embedding import unit
from zscr.train.methods.zscrgan.improved.kernel import KernelCsem, Sums
from zscr.train.methods.zscrgan.improved.scaling import (
    ImageScaling,
    TextScaling,
    class_means,
    class_of_rows,
    class_sums,
)

SHRINKS = (0.3, 1.0, 0.1, 10.0)  # the first of each list is the default
PENALTIES = (5e-3, 1.5e-2, 1.5e-3)  # an image
MARGIN = 0.02  # of mAP: a dozen validation classes cannot tell smaller differences


@dataclass(frozen=True)
class Choice:
    """The shrinkage of the texts, the penalty of CSEM, and the validation mAP they reached."""

    shrink: float
    penalty: float
    mean_ap: float


@torch.no_grad()
def choose(
    seen: Rows,
    val: Rows,
    images: ImageScaling,
    texts: TextScaling,
    csem: KernelCsem,
    shrinks: tuple[float, ...],
    penalties: tuple[float, ...],
) -> Choice:
    """Try each pair with CSEM solved on real images alone; keep the one with the best mAP.

    The first pair stays unless another beats it by `MARGIN`. Leaves `texts` fitted with the winner.
    """
    kernels = csem.kernel(images(seen.images))
    gram, sums = kernels.T @ kernels, class_sums(kernels, seen.image_starts)
    gallery = csem.kernel(images(val.images))
    tried = []
    for shrink in shrinks:
        texts.fit(seen, shrink)
        targets = class_means(texts(seen.texts), seen.text_starts)
        queries = texts(val.texts)
        for penalty in penalties:
            weights = csem.solve(Sums(gram, sums.T @ targets), penalty * len(kernels))
            found = _mean_ap(val, queries, unit(gallery @ weights))
            tried.append(Choice(shrink, penalty, found))
    best = max(tried, key=lambda one: one.mean_ap)
    if best.mean_ap < tried[0].mean_ap + MARGIN:
        best = tried[0]
    texts.fit(seen, best.shrink)
    return best


def _mean_ap(rows: Rows, queries: torch.Tensor, gallery: torch.Tensor) -> float:
    return evaluate_retrieval(
        queries.cpu().numpy(),
        gallery.cpu().numpy(),
        query_classes=_names(rows.text_starts, len(queries)),
        gallery_classes=_names(rows.image_starts, len(gallery)),
    ).metrics["mAP"]


def _names(starts: torch.Tensor, rows: int) -> list[str]:
    return [str(number) for number in class_of_rows(starts, rows).tolist()]
