"""Running a method's heads by torch: what the loop and `zscr evaluate` judge, and exports equal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from zscr.errors import ConfigError
from zscr.infer.encoder import Rows
from zscr.infer.evaluation.embedded import Embedded, split_task
from zscr.infer.evaluation.figures import read_figure
from zscr.infer.features.table import Split
from zscr.train.methods.contract import Head, Method

GALLERY = "gallery"
BLOCK = 1024  # rows that are embedded at once


def run_head(head: Head, rows: Sequence[Rows], device: torch.device | str) -> Rows:
    """Embed rows of a head's ports, (N, ...) each -> (N, E), as it is deployed: out of training."""
    with torch.no_grad(), _out_of_training(head.module):
        blocks = zip(*(torch.split(torch.from_numpy(one), BLOCK) for one in rows), strict=True)
        parts = [head.module(*(part.to(device) for part in block)).cpu() for block in blocks]
    return np.asarray(torch.cat(parts).numpy())


@contextmanager
def _out_of_training(module: nn.Module) -> Iterator[None]:
    """Switch off what only training does, such as dropout; then let each part be as it was."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


def query_heads(heads: Mapping[str, Head]) -> dict[str, Head]:
    """Return the heads that queries go through, by name."""
    return {name: head for name, head in heads.items() if head.role == "query"}


def judge(method: Method, split: Split[Rows], name: str, figure: str) -> Embedded:
    """Embed a split's tables: every row of the query head's table asks for its group's images.

    Args:
        method: the first of its query heads with a single port is judged.
        split: the tables; name: of the split.
        figure: the one that selects, which the report is to hold.

    Raises:
        ConfigError: it has no such head, so nothing can select its weights.
    """
    heads = method.heads()
    single = [head for head in query_heads(heads).values() if len(head.ports) == 1]
    if not single:
        raise ConfigError(
            f"no query head of {type(method).__name__} has a single port to judge it by; add one"
        )
    head, gallery = single[0], heads[GALLERY]
    [asked], [found] = head.ports, gallery.ports
    queries = run_head(head, [split[asked.name].rows], method.device)
    images = run_head(gallery, [split[found.name].rows], method.device)
    named = {"queries": asked.name, "gallery": found.name}
    task = split_task(split, name, **named, figures=(read_figure(figure)[0],))
    return Embedded(task, queries, images)
