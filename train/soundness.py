"""What tables must be before they are trained on; each refusal names both values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zscr.errors import CollectionError, InputError, MismatchError
from zscr.infer.encoder import Rows
from zscr.infer.features.listing import Encoders, encoder_of
from zscr.infer.features.table import Split, Table
from zscr.infer.features.table_names import plural_of
from zscr.train.methods.contract import Need
from zscr.train.methods.registry import Shapes

_AT_ONCE = 100_000
_GROUPS = {"class": "classes", "item": "items", "image": "collections"}


def check_trainable(seen: Split[Rows], needs: Sequence[Need]) -> None:
    """Refuse seen tables that nothing can be learnt from.

    Features that are not finite are refused when they are loaded (`load_split`).

    Raises:
        CollectionError: a group has fewer rows than a need says.
        InputError: all rows of a table are one and the same.
    """
    for need in (need for need in needs if need.fitted):
        table = seen[need.table]
        _check_counts(seen.groups, table, need)
        starts = range(0, len(table.rows), _AT_ONCE)  # of rows that may be mapped from a disk
        if all((table.rows[n : n + _AT_ONCE] == table.rows[0]).all() for n in starts):
            raise InputError(
                f"all {len(table.rows)} seen {plural_of(need.table)} have the same feature (its "
                f"first number is {table.rows[0].flat[0]:g}), so nothing can be told apart; "
                f"compute the features again"
            )


def _check_counts(groups: Sequence[str], table: Table[Rows], need: Need) -> None:
    counts, rows = np.diff(table.starts), plural_of(need.table)
    lone = np.flatnonzero(counts < need.least)
    if len(lone):
        raise CollectionError(
            f"{len(lone)} of {len(counts)} seen {_GROUPS[need.per]} have fewer than {need.least} "
            f"{rows} ('{groups[lone[0]]}' has {counts[lone[0]]}); add {rows} or leave them out"
        )


def shapes_of(split: Split[Rows]) -> dict[str, tuple[int, ...]]:
    """Return the shape of one row of each table."""
    return {name: table.rows.shape[1:] for name, table in split.tables.items()}


def asked_shapes(needs: Sequence[Need], encoders: Encoders) -> dict[str, tuple[int, ...]]:
    """Return the shape of one row of each table that queries alone have."""
    asked = {need.table: encoder_of(need.table, encoders) for need in needs if not need.fitted}
    return {name: encoder.row_shape for name, encoder in asked.items() if encoder}


def check_shapes(folder: Path, shapes: Shapes, found: Shapes) -> None:
    """Refuse tables whose rows have other shapes than a run's checkpoint was trained on.

    Raises:
        MismatchError: they differ.
    """
    for name, shape in found.items():
        if shape != shapes[name]:
            own, other = (" x ".join(map(str, one)) for one in (shapes[name], shape))
            raise MismatchError(
                f"{folder} was trained on {name} features of {own} dimensions and these "
                f"have {other}; use the encoder that it was trained with"
            )
