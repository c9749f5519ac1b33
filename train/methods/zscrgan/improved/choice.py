"""What `zscrgan` chooses on the validation classes before round 1: a shrinkage and a penalty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from zscr.infer.evaluation.embedded import Embedded, split_task
from zscr.train.methods.losses import unit
from zscr.train.methods.zscrgan.improved.kernel import KernelCsem, Sums
from zscr.train.methods.zscrgan.improved.scaling import ImageScaling, TextScaling
from zscr.train.tables import TensorSplit, group_means, group_sums, to_numpy

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
    seen: TensorSplit,
    val: TensorSplit,
    images: ImageScaling,
    texts: TextScaling,
    csem: KernelCsem,
    shrinks: tuple[float, ...],
    penalties: tuple[float, ...],
) -> Choice:
    """Try each pair with CSEM solved on real images alone; keep the one with the best mAP.

    The first pair stays unless another beats it by `MARGIN`. Leaves `texts` fitted with the winner.

    Args:
        seen, val: tables `image` and `text` of the seen and of the validation classes.
        images: fitted; texts: is fitted here, to the seen classes.
        csem: with its landmarks placed; its weights stay as they are.
        shrinks: of the texts' whitening; penalties: of CSEM, an image.
    """
    kernels = csem.kernel(images(seen["image"].rows))
    gram, sums = kernels.T @ kernels, group_sums(replace(seen["image"], rows=kernels))
    gallery, judge = csem.kernel(images(val["image"].rows)), _judge(val)
    tried = []
    for shrink in shrinks:
        texts.fit(seen["text"], shrink)
        targets = group_means(replace(seen["text"], rows=texts(seen["text"].rows)))
        queries = texts(val["text"].rows)
        for penalty in penalties:
            weights = csem.solve(Sums(gram, sums.T @ targets), penalty * len(kernels))
            tried.append(Choice(shrink, penalty, judge(queries, unit(gallery @ weights))))
    best = max(tried, key=lambda one: one.mean_ap)
    if best.mean_ap < tried[0].mean_ap + MARGIN:
        best = tried[0]
    texts.fit(seen["text"], best.shrink)
    return best


def _judge(val: TensorSplit) -> Callable[[torch.Tensor, torch.Tensor], float]:
    """Return what gives the mAP of embedded texts (M, E) over embedded images (N, E)."""
    task = split_task(to_numpy(val), "val")

    def mean_ap(queries: torch.Tensor, gallery: torch.Tensor) -> float:
        return Embedded(task, queries.cpu().numpy(), gallery.cpu().numpy()).figure("mAP")

    return mean_ap
