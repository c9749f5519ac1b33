"""What the validation items choose before the first round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from zscr.data.relevance import ByLabel
from zscr.infer.evaluation.embedded import Embedded, split_task
from zscr.train.methods.contract import LOSS, Head
from zscr.train.tables import TensorSplit, to_numpy

DEFAULT = "Recall@10"  # where a loss selects the rounds
MOST = 1000  # texts that ask, spread evenly: dozens of candidates rank the whole gallery for each


class Judge:
    """Judges heads on validation items, whose texts ask for their images, by one figure."""

    def __init__(self, select_by: str, val: TensorSplit) -> None:
        self.figure = DEFAULT if select_by.startswith(LOSS) else select_by
        task = split_task(to_numpy(val), "val")
        assert isinstance(task.relevance, ByLabel), "a split's relevance is by group"
        count = len(task.queries)
        asked = np.unique(np.linspace(0, count - 1, min(MOST, count)).astype(np.int64))
        labels = [task.groups[row] for row in asked]
        self.task = replace(
            task,
            queries=tuple(task.queries[row] for row in asked),
            groups=tuple(labels),
            relevance=ByLabel(labels, task.relevance.gallery),
        )
        rows = torch.from_numpy(asked).to(val["text"].rows.device)
        self.texts, self.images = val["text"].rows[rows], val["image"].rows

    @torch.no_grad()
    def __call__(self, heads: Mapping[str, Head]) -> float:
        """Return the figure of heads as they are deployed."""
        queries = heads["text"].module(self.texts).cpu().numpy()
        gallery = heads["gallery"].module(self.images).cpu().numpy()
        return Embedded(self.task, queries, gallery).figure(self.figure)
