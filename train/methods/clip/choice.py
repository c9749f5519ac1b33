"""What the validation items choose before the first round."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from zscr.infer.evaluation.embedded import Embedded, split_task
from zscr.train.methods.contract import LOSS, Head
from zscr.train.tables import TensorSplit, to_numpy

DEFAULT = "Recall@10"  # where a loss selects the rounds


class Judge:
    """Judges heads on validation items, whose texts ask for their images, by one figure."""

    def __init__(self, select_by: str, val: TensorSplit) -> None:
        self.figure = DEFAULT if select_by.startswith(LOSS) else select_by
        self.val, self.task = val, split_task(to_numpy(val), "val")

    @torch.no_grad()
    def __call__(self, heads: Mapping[str, Head]) -> float:
        """Return the figure of heads as they are deployed."""
        queries = heads["text"].module(self.val["text"].rows).cpu().numpy()
        gallery = heads["gallery"].module(self.val["image"].rows).cpu().numpy()
        return Embedded(self.task, queries, gallery).figure(self.figure)
