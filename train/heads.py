"""A method's heads by torch, as the loop and `zscr evaluate` run them; an export equals them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from zscr.errors import ConfigError, InputError
from zscr.infer.bundle import GALLERY
from zscr.infer.encoder import Rows
from zscr.infer.evaluation.embedded import Embedded, split_task
from zscr.infer.evaluation.figures import read_figure
from zscr.infer.features.table import Array, Split
from zscr.infer.features.table_names import base_of
from zscr.train.methods.contract import LOSS, Head, Method
from zscr.train.pairs import check_pair

BLOCK = 1024  # rows that are embedded at once
NUMBERS = 1 << 21  # of rows that are pixels, at most: towers make many times as many of them


def run_head(head: Head, rows: Sequence[Rows], device: torch.device | str) -> Rows:
    """Embed rows of a head's ports, (N, ...) each -> (N, E), as it is deployed: out of training."""
    # A collection's published vectors may not be written to, and torch knows no such tensors.
    tables = [torch.from_numpy(np.require(one, requirements="W")) for one in rows]
    with torch.no_grad(), _out_of_training(head.module):
        block = min(map(_block, tables))
        blocks = zip(*(torch.split(table, block) for table in tables), strict=True)
        parts = [head.module(*(part.to(device) for part in block)).cpu() for block in blocks]
    return np.asarray(torch.cat(parts).numpy())


def _block(table: torch.Tensor) -> int:
    """Return how many of these rows are embedded at once."""
    return BLOCK if table.ndim == 2 else min(BLOCK, max(NUMBERS // table[:1].numel(), 1))


def feature_of(gallery: Head) -> Head | None:
    """Return the head that gives a gallery's image feature; None where it has none."""
    return _alone(gallery, gallery.feature)


def tokens_of(head: Head) -> Head | None:
    """Return the head that gives another head's tokens; None where it has none."""
    return _alone(head, head.tokens)


def _alone(head: Head, module: nn.Module | None) -> Head | None:
    return None if module is None else replace(head, module=module, feature=None, tokens=None)


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


def check_judgeable(
    heads: Mapping[str, Head],
    split: Split[Array],
    select_by: str,
    *,
    known: Collection[str] = (),
    stored: bool = False,
) -> None:
    """Refuse, before training, heads and tables that cannot be deployed or select no weights.

    Args:
        heads: of the method.
        split: the tables that select; select_by: a figure, or `loss/<name>`.
        known: tables that only queries have; stored: whether stored queries select.

    Raises:
        ConfigError: names the head, the port or the setting, and what to do.
    """
    if GALLERY not in heads:
        raise ConfigError(f"the method's heads are {', '.join(heads)}; name one '{GALLERY}'")
    check_pair(heads)
    for name, head in heads.items():
        if head.role == "pair":
            continue
        lacking = [port.name for port in head.ports if port.name not in {*split.tables, *known}]
        if lacking:
            raise ConfigError(f"head '{name}' has the port {lacking[0]}; list it in needs()")
    _check_apart([head for head in heads.values() if head.role == "query"])
    if stored or select_by.startswith(LOSS):
        return
    mend = f"select_by={select_by} cannot choose weights; set select_by={LOSS}NAME"
    if judged_head(heads) is None or len(_tables(heads[GALLERY])) != 1:
        raise ConfigError(f"no query head and gallery are of a single table each, so {mend}")
    if len(split.groups) < 2:
        only = split.groups[0]
        raise ConfigError(
            f"the validation classes are one group, in which all is relevant ('{only}'), so "
            f"{mend}, or give the split a second class"
        )


def _check_apart(queries: Sequence[Head]) -> None:
    """Refuse two query heads with the same ports: no query could tell them apart."""
    taken = [frozenset(port.name for port in head.ports) for head in queries]
    twice = [ports for place, ports in enumerate(taken) if ports in taken[:place]]
    if twice:
        raise ConfigError(
            f"two query heads take {' and '.join(sorted(twice[0]))}; give them different ports"
        )


def judged_head(heads: Mapping[str, Head]) -> Head | None:
    """Return the query head that selects weights: the first whose ports are of one table."""
    queries = (head for head in heads.values() if head.role == "query")
    return next((head for head in queries if len(_tables(head)) == 1), None)


def _tables(head: Head) -> set[str]:
    """Return the tables that a head's ports are, or are views of."""
    return {base_of(port.name) for port in head.ports}


def judge(method: Method, split: Split[Array], name: str, figure: str) -> Embedded:
    """Embed a split's tables: every row of the query head's table asks for its group's images.

    Args:
        method: whose heads `check_judgeable` has let pass.
        split: the tables; name: of the split.
        figure: the one that selects, which the report is to hold.
    """
    heads = _judged(method)
    asked, found = (head.ports[0] for head in heads)
    task = split_task(
        split,
        name,
        queries=asked.name,
        gallery=found.name,
        figures=(read_figure(figure)[0],),
    )
    return Embedded(task, *_run(heads, split, method.device))


def embed_split(method: Method, split: Split[Array]) -> tuple[Rows, Rows]:
    """Embed a split's rows by the query head that selects and by the gallery -> (M, E), (N, E)."""
    return _run(_judged(method), split, method.device)


def _run(
    heads: tuple[Head, Head], split: Split[Array], device: torch.device | str
) -> tuple[Rows, Rows]:
    queries, gallery = (run_head(head, _rows(head, split), device) for head in heads)
    return queries, gallery


def _rows(head: Head, split: Split[Array]) -> list[Rows]:
    """Return the rows of a head's ports, the same things in each.

    Raises:
        InputError: one view lacks things that another has.
    """
    tables = [split[port.name] for port in head.ports]
    if any(table.ids != tables[0].ids for table in tables):
        each = zip(tables, head.ports, strict=True)
        counts = " and ".join(f"{len(table.ids)} {port.name}" for table, port in each)
        raise InputError(f"there are {counts} rows that can be used; leave out what one view lacks")
    return [table.rows for table in tables]


def _judged(method: Method) -> tuple[Head, Head]:
    heads = method.heads()
    head = judged_head(heads)
    assert head is not None, "check_judgeable comes before the first round"
    return head, heads[GALLERY]
