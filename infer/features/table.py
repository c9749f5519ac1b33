"""Tables: rows of one modality in groups, the form in which everything is trained on and judged.

The arrays are numpy's here; `zscr.train.tables` moves them to a device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError

A = TypeVar("A")  # an array type: numpy's, or torch's on a device
Array = npt.NDArray[Any]
Vectors = npt.NDArray[np.float32]
Starts = npt.NDArray[np.int64]
_AT_ONCE = 1 << 24  # numbers that are looked at: there may be a thousand times as many, on a disk


@dataclass(frozen=True)
class Table(Generic[A]):
    """Rows of one modality, group after group.

    Attributes:
        ids: N names of the rows: item ids, or a class's texts by number.
        rows: (N, D) features, (N, P, C) token maps or (N, L) token ids.
        starts: (C+1,) int64; group c has the rows [starts[c], starts[c+1]).
        texts: N texts that the rows were made of; empty where they are of images, or published.
    """

    ids: tuple[str, ...]
    rows: A
    starts: A
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Split(Generic[A]):
    """Tables over the same groups (classes, items, or one group of all), by name."""

    groups: tuple[str, ...]
    tables: Mapping[str, Table[A]]

    def __getitem__(self, name: str) -> Table[A]:
        """Return the table of a modality."""
        return self.tables[name]


def starts_of(counts: list[int]) -> Starts:
    """Return (C+1,) starts of groups with these numbers of rows."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def owners(table: Table[Array]) -> npt.NDArray[np.int64]:
    """Return (N,) the number of the group that each row belongs to."""
    return np.repeat(np.arange(len(table.starts) - 1), np.diff(table.starts))


def group_names(split: Split[Array], name: str) -> list[str]:
    """Return (N,) the group of each row of a table, by name."""
    return [split.groups[group] for group in owners(split[name])]


def group_sums(rows: npt.NDArray[np.floating[Any]], starts: Starts) -> npt.NDArray[np.float64]:
    """Return (C, D) float64 sums of the rows of each group."""
    spans = zip(starts[:-1], starts[1:], strict=True)
    return np.stack([rows[a:b].sum(0, dtype=np.float64) for a, b in spans])


def group_means(rows: npt.NDArray[np.floating[Any]], starts: Starts) -> npt.NDArray[np.float64]:
    """Return (C, D) float64 means of the rows of each group.

    Raises:
        InputError: a group has no rows.
    """
    counts = np.diff(starts)
    empty = np.flatnonzero(counts == 0)
    if len(empty):
        raise InputError(
            f"{len(empty)} of {len(counts)} classes have no features to average, the first is "
            f"number {empty[0]}; leave these classes out of the collection"
        )
    means: npt.NDArray[np.float64] = group_sums(rows, starts) / counts[:, None]
    return means


def joined(first: Split[Array], second: Split[Array]) -> Split[Any]:
    """Return two splits as one, the first one's groups first."""
    tables = {name: _joined(table, second[name]) for name, table in first.tables.items()}
    return Split(first.groups + second.groups, tables)


def _joined(ours: Table[Array], theirs: Table[Array]) -> Table[Any]:
    return Table(
        ours.ids + theirs.ids,
        np.concatenate([ours.rows, theirs.rows]),
        np.concatenate([ours.starts, ours.starts[-1] + theirs.starts[1:]]),
        ours.texts + theirs.texts,
    )


def whole_groups(split: Split[Array]) -> Split[Any]:
    """Leave out the groups that lack rows in some table, such as items with a damaged image."""
    counts = np.stack([np.diff(table.starts) for table in split.tables.values()])
    kept = np.asarray((counts > 0).all(axis=0))
    return split if kept.all() else only_groups(split, kept)


def only_groups(split: Split[Array], kept: npt.NDArray[np.bool_]) -> Split[Any]:
    """Return the groups for which `kept` (C,) holds, in their order."""
    tables = {name: _narrowed(table, kept) for name, table in split.tables.items()}
    groups = tuple(name for name, own in zip(split.groups, kept, strict=True) if own)
    return Split(groups, tables)


def _narrowed(table: Table[Array], kept: npt.NDArray[np.bool_]) -> Table[Any]:
    places = np.flatnonzero(kept[owners(table)])
    ids = tuple(table.ids[place] for place in places)
    counts = np.diff(table.starts)[kept].tolist()
    texts = tuple(table.texts[place] for place in places) if table.texts else ()
    return Table(ids, table.rows[places], starts_of(counts), texts)


def check_finite(name: str, rows: npt.NDArray[Any], where: str) -> None:
    """Refuse rows that are not finite.

    Raises:
        InputError: says how many.
    """
    block = max(_AT_ONCE // max(prod(rows.shape[1:]), 1), 1)
    parts = (rows[start : start + block] for start in range(0, len(rows), block))
    bad = sum(int((~np.isfinite(part)).reshape(len(part), -1).any(1).sum()) for part in parts)
    if bad:
        halved = "take another encoder, or another cut of it: they may exceed what 16 bits hold"
        fix = halved if rows.dtype == np.float16 else "leave these rows out or compute them again"
        raise InputError(
            f"{bad} of {len(rows)} {name} features of {where} are not finite numbers; {fix}"
        )
